package controlplane_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/cluster"
	"microcosm/cosim/cluster/clustertest"
	"microcosm/cosim/servicetime"
)

// lonePod is one pod without an activator before it: c slots and ten times as many
// places to wait, a loss system.
func lonePod(c int, rho float64, seconds int) bench {
	b := bench{nodes: 1, cores: 16, horizon: time.Duration(seconds) * time.Second, seed: 11, functions: []function{{
		service: servicetime.Exponential{Expectation: time.Second}, concurrency: c,
		annotations: []string{"min-scale", "1", "max-scale", "1", "target-burst-capacity", "0"},
	}}}
	b.functions[0].arrivals = clustertest.Poisson(clustertest.Streams(b.seed)("arrivals"), time.Duration(math.Round(1e9/(float64(c)*rho))))
	return b
}

// Loss and waiting of M/M/c/11c, below, at and above what the pod can serve: Kleinrock,
// Queueing Systems vol. 1, section 3.7, and Little's law for those who are let in.
func TestTheQueueProxyLosesAndDelaysAsMMcK(t *testing.T) {
	t.Parallel()
	for _, situation := range []struct {
		c       int
		rho     float64
		seconds int
	}{{1, .9, 100_000}, {1, 1, 100_000}, {1, 2, 30_000}, {4, 1.1, 30_000}, {10, 1.02, 20_000}} {
		c, k := situation.c, 11*situation.c
		a := float64(c) * situation.rho
		o := lonePod(c, situation.rho, situation.seconds).run(t)
		p := stationary(c, k, a)
		waiting := 0.0
		for n := c + 1; n <= k; n++ {
			waiting += float64(n-c) * p[n]
		}
		loss := float64(o.Rejections) / float64(o.Admissions)
		require.InDelta(t, lossOf(c, k, a), loss, .02, "%+v", situation)
		require.InEpsilon(t, waiting/(a*(1-p[k])), o.All.Waiting.Mean(), .1, "%+v", situation)
		require.InEpsilon(t, 1, o.All.Service.Mean(), .03, "%+v", situation)
	}
}

// What the breaker lets in is never more than slots and queue together, whatever comes
// at once.
func TestTheBreakerLetsInElevenTimesTheConcurrency(t *testing.T) {
	t.Parallel()
	for _, c := range []int{1, 3, 50} {
		b := lonePod(c, 1, 100)
		var at []time.Duration
		for range 20 * c {
			at = append(at, 10*time.Second)
		}
		b.functions[0].arrivals, b.functions[0].service = clustertest.At(at...), second(.5)
		o := b.run(t)
		require.EqualValues(t, 11*c, o.Account.Done, "concurrency %d", c)
		require.EqualValues(t, 9*c, o.Rejections)
	}
}

// With the activator in the path of one pod for one call at a time, nobody is refused
// and everybody waits as long as in front of a single server: Lindley's recursion, on
// the same arrivals.
func TestTheActivatorsQueueIsThatOfASingleServer(t *testing.T) {
	t.Parallel()
	const service = .9
	arrivals := func() cluster.Arrivals {
		return clustertest.First(2000, clustertest.Poisson(clustertest.Streams(3)("arrivals"), time.Second))
	}
	o := bench{nodes: 1, cores: 1, horizon: 3000 * time.Second, seed: 3, functions: []function{{
		arrivals: arrivals(), service: second(service), concurrency: 1,
		annotations: []string{"min-scale", "1", "max-scale", "1", "target-burst-capacity", "-1"},
	}}}.run(t)
	of, free, sum, longest := arrivals(), 0.0, 0.0, 0.0
	for a, ok := of.Next(); ok; a, ok = of.Next() {
		begin := max(a.At.Seconds(), free)
		sum += begin - a.At.Seconds()
		longest = max(longest, begin-a.At.Seconds())
		free = begin + service
	}
	require.EqualValues(t, 2000, o.Account.Done)
	require.InDelta(t, sum/2000, o.All.Waiting.Mean(), 1e-6)
	require.InDelta(t, longest, o.All.Waiting.Max().Seconds(), 1e-6)
}
