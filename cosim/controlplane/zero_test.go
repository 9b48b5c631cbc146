package controlplane_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/cosim/cluster"
	"microcosm/cosim/cluster/clustertest"
	"microcosm/cosim/servicetime"
)

// gone is the second in which the last pod of an idle revision has gone.
func gone(t require.TestingT, annotations ...string) int {
	o := bench{nodes: 1, cores: 8, horizon: 400 * time.Second, seed: 1, functions: []function{
		{arrivals: clustertest.At(), service: second(1), concurrency: 10, annotations: annotations},
	}}.run(t)
	for s := range 400 {
		if pods(o, s) == 0 {
			return s
		}
	}
	return 400
}

// An idle revision becomes inactive after its window. Activators that were in the path
// already let the last pod go then; else they come in, and the pod stays for the grace
// period or the retention, if that is longer. Ticks, and looking again every 3 s, add
// a little.
func TestWhenTheLastPodGoes(t *testing.T) {
	t.Parallel()
	for _, window := range []int{6, 20, 60} {
		for _, retention := range []int{0, 10, 50, 120} {
			for burst, grace := range map[string]int{"0": 30, "211": 0, "-1": 0} {
				after := window + max(grace, retention)
				if grace == 0 {
					after = max(window, 30, window+retention)
				}
				at := gone(t, "window", fmt.Sprint(window, "s"), "scale-to-zero-pod-retention-period", fmt.Sprint(retention, "s"), "target-burst-capacity", burst)
				if burst == "0" || retention > 0 {
					require.GreaterOrEqual(t, at, window+retention, "window %d retention %d burst %s", window, retention, burst)
				}
				require.GreaterOrEqual(t, at, window, "window %d retention %d burst %s", window, retention, burst)
				require.LessOrEqual(t, at, after+8, "window %d retention %d burst %s", window, retention, burst)
			}
		}
	}
}

// The number of pods that a revision begins with is its initial scale between its
// bounds; what it is without load is its minimum.
func TestInitialAndIdleScale(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ initial, low, high, begins, rests int }{
		{1, 0, 0, 1, 0}, {4, 0, 0, 4, 0}, {4, 2, 0, 4, 2}, {2, 5, 0, 5, 5}, {9, 1, 3, 3, 1}, {1, 1, 1, 1, 1},
	} {
		o := bench{nodes: 2, cores: 8, horizon: 200 * time.Second, seed: 1, functions: []function{{
			arrivals: clustertest.At(), service: second(1), concurrency: 10,
			annotations: []string{"initial-scale", strconv.Itoa(c.initial), "min-scale", strconv.Itoa(c.low), "max-scale", strconv.Itoa(c.high)},
		}}}.run(t)
		require.InDelta(t, c.begins, pods(o, 0), 0, "%+v", c)
		require.InDelta(t, c.rests, pods(o, 199), 0, "%+v", c)
	}
}

// A revision that was scaled to zero gets at least its activation scale back.
func TestTheActivationScaleIsTheLeastThatComesBack(t *testing.T) {
	t.Parallel()
	run := func(annotations ...string) *cluster.Outcome {
		return bench{nodes: 2, cores: 8, horizon: 250 * time.Second, seed: 1, functions: []function{{
			arrivals: clustertest.At(200 * time.Second), service: second(30), cold: time.Second, concurrency: 10, annotations: annotations,
		}}}.run(t)
	}
	require.Equal(t, 1.0, pods(run(), 210))
	require.Equal(t, 4.0, pods(run("activation-scale", "4"), 210))
}

// A revision without requests costs its neighbours nothing: where cores and memory
// suffice, a function fares the same with idle ones beside it.
func TestIdleNeighboursChangeNothing(t *testing.T) {
	t.Parallel()
	for _, concurrency := range []int{0, 1, 4} {
		run := func(neighbours int) *cluster.Outcome {
			b := bench{nodes: 1, cores: 64, horizon: 100 * time.Second, seed: 9, functions: []function{{
				arrivals: clustertest.Poisson(clustertest.Streams(9)("arrivals"), 200*time.Millisecond),
				service:  servicetime.Exponential{Expectation: 500 * time.Millisecond}, concurrency: concurrency, cold: 300 * time.Millisecond,
			}}}
			for range neighbours {
				b.functions = append(b.functions, function{arrivals: clustertest.At(), service: second(1), concurrency: 1})
			}
			return b.run(t)
		}
		alone, beside := run(0), run(3)
		require.Equal(t, alone.Account, beside.Account, "concurrency %d", concurrency)
		require.True(t, alone.All.Response.Equal(&beside.All.Response), "concurrency %d", concurrency)
	}
}

// The activator holds what comes while there is no pod, and hands it on when there is
// one: nobody waits longer than the cold start, one probe, and those before him.
func TestNobodyIsForgottenWhileARevisionAwakes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 40).Draw(t, "requests")
		cold := time.Duration(rapid.IntRange(100, 5000).Draw(t, "cold")) * time.Millisecond
		concurrency := rapid.SampledFrom([]int{1, 2, 10}).Draw(t, "concurrency")
		var at []time.Duration
		for i := range n {
			at = append(at, 200*time.Second+time.Duration(i)*time.Millisecond)
		}
		o := bench{nodes: 8, cores: 64, horizon: 300 * time.Second, seed: 4, activators: rapid.IntRange(1, 3).Draw(t, "activators"), functions: []function{{
			arrivals: clustertest.At(at...), service: second(.1), cold: cold, concurrency: concurrency,
		}}}.run(t)
		require.EqualValues(t, n, o.Account.Done)
		require.Zero(t, o.Rejections)
		rounds := (n + concurrency - 1) / concurrency // if one pod had to serve all
		require.LessOrEqual(t, o.All.Response.Max(), cold+300*time.Millisecond+time.Duration(rounds)*100*time.Millisecond+2*time.Second)
		require.GreaterOrEqual(t, o.All.Response.Max(), cold+100*time.Millisecond, "the first request waits for the pod")
	})
}
