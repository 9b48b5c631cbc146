package cluster_test

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/cluster"
	"microcosm/cosim/cluster/clustertest"
	"microcosm/cosim/des"
	"microcosm/cosim/policy"
	"microcosm/cosim/servicetime"
)

// scale multiplies the invocations of the benchmarks below. With 1 they are as
// many as the goals speak of, which takes minutes.
var scale = flag.Float64("bench-scale", .1, "factor on the invocations of the speed benchmarks")

// measure runs a configuration and reports its speed, and its ratio to a bare
// loop over the event queue in the same run.
func measure(b *testing.B, config func() cluster.Config) (perInvocation time.Duration) {
	for b.Loop() {
		reference := clustertest.HeapLoop(b)
		c := config()
		before := clustertest.CPUTime(b)
		o := run(b, c)
		spent := clustertest.CPUTime(b) - before
		speed := float64(o.Account.Done) / spent.Seconds()
		perInvocation = spent / time.Duration(max(1, o.Account.Done))
		b.ReportMetric(speed, "invocations/cpu-s")
		b.ReportMetric(speed/reference, "of-heap-loop")
	}
	b.ReportMetric(0, "ns/op")
	return perInvocation
}

// BenchmarkIdleTimeout is one function at 100/s with exponential service of mean
// 1 s on 100 nodes, whose sandboxes stay for 600 s.
func BenchmarkIdleTimeout(b *testing.B) {
	for _, n := range []float64{1e6, 1e7} {
		n *= *scale
		b.Run(fmt.Sprintf("invocations=%.0e", n), func(b *testing.B) {
			measure(b, func() cluster.Config { return idleTimeout(b, 100, 16, 100, n) })
		})
	}
}

// idleTimeout is one function at so many calls a second, n in all, with exponential
// service of mean 1 s, whose sandboxes stay for 600 s.
func idleTimeout(b *testing.B, of, cores int, rate, n float64) cluster.Config {
	c := queue(b, 1, cores, 1, servicetime.Exponential{Expectation: time.Second}, time.Duration(1e9/rate))
	c.Nodes = nodes(of, cores)
	c.Functions[0].Scaler = policy.FollowConcurrency{Max: cluster.Unlimited}
	c.Functions[0].NewKeepAlive = keep(600 * time.Second)
	c.NoNodes, c.NoClasses, c.WarmUp = true, true, 0
	c.Horizon = des.Time(n / rate * 1e9)
	return c
}

func nodes(n, cores int) (list []cluster.NodeConfig) {
	for i := range n {
		list = append(list, cluster.NodeConfig{Name: fmt.Sprint(i), Cores: cores, Platform: "p"})
	}
	return list
}

// BenchmarkNodes is that function under a load in proportion to the nodes: half of
// their 4 cores each are busy, with 1000 invocations for each of these at scale 1. What
// an invocation costs is reported beside what it costs on 10 nodes.
func BenchmarkNodes(b *testing.B) {
	proportional(b, func(n int) cluster.Config {
		busy := float64(2 * n)
		return idleTimeout(b, n, 4, busy, *scale*max(1e6, 1000*busy))
	})
}

// BenchmarkQuickstart is BenchmarkNodes for the quickstart's model, with its six
// functions, two sandboxes of each on every node, service times by condition from
// samples, and histograms by node and condition.
func BenchmarkQuickstart(b *testing.B) {
	proportional(b, func(n int) cluster.Config { return quickstart(b, n, *scale*max(1e6, 2000*float64(n))) })
}

func proportional(b *testing.B, config func(nodes int) cluster.Config) {
	base := time.Duration(0)
	for _, n := range []int{10, 100, 1000, 10_000} {
		b.Run(fmt.Sprint("nodes=", n), func(b *testing.B) {
			cost := measure(b, func() cluster.Config { return config(n) })
			if n == 10 {
				base = cost
			}
			if base > 0 {
				b.ReportMetric(float64(cost)/float64(base), "x-cost-of-10")
			}
		})
	}
}

// BenchmarkDay is a day of 2400 functions like those of a public cloud on 100
// nodes: popularity by Zipf's law of exponent 1.5, median durations log-normal and
// clipped at 300 s, durations of one function log-normal around its median.
// Functions of one application share nothing here.
func BenchmarkDay(b *testing.B) {
	const functions, day = 2400, 24 * time.Hour
	measure(b, func() cluster.Config {
		c := clustertest.Config(b, 1)
		c.Nodes, c.Horizon, c.NoNodes = nodes(100, 64), des.Time(day), true
		random := rand.New(rand.NewPCG(790, functions))
		sum := 0.0
		for rank := range functions {
			sum += math.Pow(float64(rank+1), -1.5)
		}
		const within = .5 // sigma of one function's durations
		cv := math.Sqrt(math.Expm1(within * within))
		for rank := range functions {
			name := fmt.Sprint("f", rank)
			calls := 2.5e6 * *scale * math.Pow(float64(rank+1), -1.5) / sum
			median := min(300, math.Exp(-.38+2.36*random.NormFloat64()))
			mean := time.Duration(1 + 1e9*median*math.Exp(within*within/2))
			c.Functions = append(c.Functions, cluster.FunctionConfig{
				Name: name, Minor: rank >= 100, Laws: clustertest.Laws(servicetime.NewLognormal(mean, cv)),
				Arrivals:    clustertest.Poisson(c.Random("arrivals/"+name), time.Duration(float64(day)/calls)),
				Concurrency: 1, QueueLimit: cluster.Unlimited, Scaler: policy.FollowConcurrency{Max: cluster.Unlimited}, NewKeepAlive: keep(10 * time.Minute),
			})
		}
		return c
	})
}

// BenchmarkMemory reports the bytes that runs of growing length allocate, which
// do not grow with them.
func BenchmarkMemory(b *testing.B) {
	for _, n := range []float64{1e5, 1e6, 1e7, 1e8} {
		n *= *scale
		b.Run(fmt.Sprintf("invocations=%.0e", n), func(b *testing.B) {
			for b.Loop() {
				m, err := cluster.New(quickstart(b, 10, n))
				require.NoError(b, err)
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				_, err = m.Run()
				require.NoError(b, err)
				runtime.ReadMemStats(&after)
				b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc), "B/run")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkTwoCores reports how much sooner two replications end on two cores
// than one after the other. It needs two idle cores.
func BenchmarkTwoCores(b *testing.B) {
	replicate := func(workers int) time.Duration {
		configs := []cluster.Config{quickstart(b, 10, *scale*1e7), quickstart(b, 10, *scale*1e7)}
		begin := time.Now()
		var group sync.WaitGroup
		for w := range workers {
			group.Go(func() {
				for i := w; i < len(configs); i += workers {
					run(b, configs[i])
				}
			})
		}
		group.Wait()
		return time.Since(begin)
	}
	for b.Loop() {
		one, two := replicate(1), replicate(2)
		b.ReportMetric(one.Seconds()/two.Seconds(), "x-speed-of-one")
	}
	b.ReportMetric(0, "ns/op")
}
