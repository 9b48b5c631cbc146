package cluster_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"microcosm/cosim/cluster"
	"microcosm/cosim/cluster/clustertest"
	"microcosm/cosim/des"
	"microcosm/cosim/policy"
	"microcosm/cosim/servicetime"
)

// The benchmarks print ratios that hold on any machine: the model's speed beside
// a bare Lindley loop in the same run, both with response, waiting and service
// histograms. Speeds are per second of this process's CPU time.

// BenchmarkLindley is the reference: the waiting times of a G/G/1 queue by
// Lindley's recursion, with nothing around it.
func BenchmarkLindley(b *testing.B) {
	const n = 10_000_000
	for b.Loop() {
		before := clustertest.CPUTime(b)
		var times cluster.Times
		r := rand.New(rand.NewPCG(1, 1))
		waiting := 0.0
		for range n {
			service := r.ExpFloat64() * 1e6
			times.Waiting.Record(time.Duration(waiting))
			times.Service.Record(time.Duration(service))
			times.Response.Record(time.Duration(waiting + service))
			waiting = max(0, waiting+service-r.ExpFloat64()*2e6)
		}
		b.ReportMetric(n/(clustertest.CPUTime(b)-before).Seconds(), "invocations/cpu-s")
	}
	b.ReportMetric(0, "ns/op")
}

// sampledLaw returns a law from synthetic samples in every condition.
func sampledLaw(b *testing.B, median time.Duration) servicetime.Law {
	r := rand.New(rand.NewPCG(7, 7))
	var measured []servicetime.Measured
	for condition, factor := range map[string]float64{"warm": 1, "lukewarm:1": 1.3, "lukewarm:4": 1.6, "lukewarm:16": 2, "flush": 3, "cold": 20, "stage:init": 500, "stage:create": 500} {
		c, err := servicetime.ParseCondition(condition)
		if err != nil {
			b.Fatal(err)
		}
		m := servicetime.Measured{Condition: c}
		for n := range 50 {
			ticks := servicetime.TicksOf(time.Duration(float64(median) * factor * (.9 + .2*r.Float64())))
			m.Samples = append(m.Samples, servicetime.Sample{
				Key: servicetime.Key{Function: "f", Image: "i", Input: "default", Platform: "p", PlatformDigest: "d", Condition: c, Stack: "s"},
				N:   n, Status: servicetime.Valid, RoundTrip: ticks, Busy: ticks,
			})
		}
		measured = append(measured, m)
	}
	law, err := servicetime.NewLaw(measured, servicetime.LawOptions{Penalty: 1, Model: servicetime.ConditionModel{Kind: servicetime.Interleave}})
	if err != nil {
		b.Fatal(err)
	}
	return law
}

// quickstart is the model of the quickstart on any number of nodes of 4 cores,
// at half load, for about n invocations.
func quickstart(b *testing.B, nodes int, n float64) cluster.Config {
	const functions, median = 6, 100 * time.Microsecond
	c := clustertest.Config(b, 1)
	c.NewBalancer, c.Drain = clustertest.Balancer(b, "random"), time.Minute
	for i := range nodes {
		c.Nodes = append(c.Nodes, cluster.NodeConfig{Name: fmt.Sprint(i), Cores: 4, Platform: "p"})
	}
	interarrival := time.Duration(float64(median) * 1.5 * functions / (.5 * 4 * float64(nodes)))
	c.Horizon = des.Time(n / functions * float64(interarrival))
	for i := range functions {
		name := fmt.Sprint("f", i)
		c.Functions = append(c.Functions, cluster.FunctionConfig{
			Name: name, Laws: map[string]servicetime.Law{"p": sampledLaw(b, median)},
			Arrivals:    clustertest.Poisson(c.Random("arrivals/"+name), interarrival),
			Concurrency: 1, QueueLimit: cluster.Unlimited, Scaler: policy.Fixed{Sandboxes: 2 * nodes},
		})
	}
	return c
}

// BenchmarkCluster reports the speed of the quickstart's model and the bytes
// allocated per invocation, which fall as the run grows: memory is flat.
func BenchmarkCluster(b *testing.B) {
	for _, size := range []struct {
		nodes int
		n     float64
	}{{10, 1e5}, {10, 1e7}, {1000, 1e5}, {1000, 1e7}} {
		b.Run(fmt.Sprintf("nodes=%d/invocations=%.0e", size.nodes, size.n), func(b *testing.B) {
			for b.Loop() {
				m, err := cluster.New(quickstart(b, size.nodes, size.n))
				if err != nil {
					b.Fatal(err)
				}
				var memory, after runtime.MemStats
				runtime.ReadMemStats(&memory)
				before := clustertest.CPUTime(b)
				o, err := m.Run()
				if err != nil {
					b.Fatal(err)
				}
				seconds := (clustertest.CPUTime(b) - before).Seconds()
				runtime.ReadMemStats(&after)
				done := float64(o.Account.Done)
				b.ReportMetric(done/seconds, "invocations/cpu-s")
				b.ReportMetric(2*done/seconds, "events/cpu-s") // an arrival and an end each
				b.ReportMetric(float64(after.TotalAlloc-memory.TotalAlloc)/done, "B/invocation")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}
