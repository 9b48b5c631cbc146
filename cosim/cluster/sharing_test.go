package cluster_test

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/cosim/cluster"
	"microcosm/cosim/servicetime"
)

// works is a law whose n-th call takes the n-th of the times.
type works struct{ left []time.Duration }

func (w *works) Draw(servicetime.State, float64) (servicetime.Draw, error) {
	next := w.left[0]
	w.left = w.left[1:]
	return servicetime.Draw{Service: next, Busy: next}, nil
}

func (*works) Startup(float64, float64) (create, init time.Duration, err error) { return 0, 0, nil }

// shareEvenly returns the sum of the response times, in nanoseconds, of calls
// that share one core, as a fluid: in every instant each of the n in service
// advances at 1/n.
func shareEvenly(arrivals []int, service []time.Duration) float64 {
	type call struct{ arrived, left float64 }
	var running []call
	now, sum := 0.0, 0.0
	for next := 0; next < len(arrivals) || len(running) > 0; {
		arrival := -1.0
		if next < len(arrivals) {
			arrival = float64(arrivals[next]) * float64(ms)
		}
		if len(running) == 0 {
			now = arrival
			running = append(running, call{now, float64(service[next])})
			next++
			continue
		}
		shortest := slices.MinFunc(running, func(a, b call) int { return cmp.Compare(a.left, b.left) }).left
		step := shortest * float64(len(running))
		if arrival >= 0 && arrival <= now+step {
			step = arrival - now
		}
		for i := range running {
			running[i].left -= step / float64(len(running))
		}
		now += step
		if now == arrival {
			running = append(running, call{now, float64(service[next])})
			next++
		}
		running = slices.DeleteFunc(running, func(c call) bool {
			if c.left > 1e-3 {
				return false
			}
			sum += now - c.arrived
			return true
		})
	}
	return sum
}

// TestProcessorSharingIsAFluid compares the model, which moves from event to event
// in whole nanoseconds, with the definition.
func TestProcessorSharingIsAFluid(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 25).Draw(rt, "calls")
		arrivals, service := make([]int, n), make([]time.Duration, n)
		for i := range n {
			if i > 0 {
				arrivals[i] = arrivals[i-1]
			}
			arrivals[i] += rapid.IntRange(0, 20).Draw(rt, "gap")
			service[i] = time.Duration(rapid.IntRange(1, 40_000_000).Draw(rt, "work"))
		}
		want := shareEvenly(arrivals, service)
		f := function("f", &works{left: service}, arrivals...)
		f.Concurrency = n
		c := world(t, 1, f)
		c.Discipline = cluster.ProcessorSharing
		m, err := cluster.New(c)
		require.NoError(rt, err)
		o, err := m.Run()
		require.NoError(rt, err)
		require.Equal(rt, int64(n), o.Account.Done)
		require.InDelta(rt, want, 1e9*o.Functions[0].Times.Response.Sum(), float64(n*n)+10, "a nanosecond for every completion, seen by all who share")
	})
}
