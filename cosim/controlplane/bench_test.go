package controlplane_test

import (
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/cluster/clustertest"
	"microcosm/cosim/des"
	"microcosm/cosim/servicetime"
)

// cpuTime returns the CPU time this process has used.
func cpuTime(b *testing.B) time.Duration {
	var usage syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// heapLoop returns the events per CPU second of a bare queue of 1e4 pending
// events: the reference for BenchmarkKnative in the same run.
func heapLoop(b *testing.B) float64 {
	const n = 4_000_000
	var q des.Queue[[3]int32]
	r := rand.New(rand.NewPCG(1, 1))
	for range 10_000 {
		q.Schedule(des.Time(r.Int64N(1e9)), [3]int32{})
	}
	before := cpuTime(b)
	for range n {
		e, _ := q.Pop()
		q.Schedule(q.Now()+des.Time(r.Int64N(1e9)), e)
	}
	return n / (cpuTime(b) - before).Seconds()
}

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
		reference := heapLoop(b)
		before := cpuTime(b)
		o := c.run(b)
		speed := float64(o.Account.Done) / (cpuTime(b) - before).Seconds()
		b.ReportMetric(speed, "invocations/cpu-s")
		b.ReportMetric(reference, "heap-events/cpu-s")
		b.ReportMetric(speed/reference, "of-heap-loop")
	}
	b.ReportMetric(0, "ns/op")
}
