package controlplane_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"microcosm/cosim/cluster/clustertest"
	"microcosm/cosim/servicetime"
)

// BenchmarkKnative is the whole path with the history of every core: 100
// revisions of concurrency 1 with 1000 requests a second in all, exponential
// service of mean 50 ms, on 100 nodes. Its ratio to the heap loop holds on any
// machine.
func BenchmarkKnative(b *testing.B) {
	const n = 2_000_000
	for b.Loop() {
		c := bench{nodes: 100, cores: 8, horizon: n / 1000 * time.Second, seed: 1}
		for range 100 {
			c.functions = append(c.functions, function{service: servicetime.Exponential{Expectation: 50 * time.Millisecond}, cold: 500 * time.Millisecond, concurrency: 1})
		}
		for i := range c.functions {
			c.functions[i].arrivals = clustertest.Poisson(rand.New(rand.NewPCG(2, uint64(i))), 100*time.Millisecond)
		}
		reference := clustertest.HeapLoop(b)
		before := clustertest.CPUTime(b)
		o := c.run(b)
		speed := float64(o.Account.Done) / (clustertest.CPUTime(b) - before).Seconds()
		b.ReportMetric(speed, "invocations/cpu-s")
		b.ReportMetric(reference, "heap-events/cpu-s")
		b.ReportMetric(speed/reference, "of-heap-loop")
	}
	b.ReportMetric(0, "ns/op")
}
