package controlplane

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/cosim/des"
)

// TestBits64IsASet compares it with a sorted list.
func TestBits64IsASet(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var b bits64
		b.reset(rapid.IntRange(0, 300).Draw(t, "before"))
		room := rapid.IntRange(1, 200).Draw(t, "room")
		b.reset(room)
		require.Equal(t, -1, b.from(0), "empty after a reset")
		var want []int
		for range rapid.IntRange(0, 40).Draw(t, "steps") {
			i := rapid.IntRange(0, room-1).Draw(t, "member")
			at, there := slices.BinarySearch(want, i)
			if rapid.Bool().Draw(t, "add") {
				if b.set(i); !there {
					want = slices.Insert(want, at, i)
				}
			} else if b.clear(i); there {
				want = slices.Delete(want, at, at+1)
			}
		}
		for i := range room {
			next := -1
			if at, _ := slices.BinarySearch(want, i); at < len(want) {
				next = want[at]
			}
			require.Equal(t, next, b.from(i), "from %d", i)
		}
	})
}

func TestTheActivatorsQueueKeepsTheOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var q queue
		var want []int32
		for id := range int32(rapid.IntRange(1, 150).Draw(t, "steps")) {
			if len(want) > 0 && rapid.IntRange(0, 2).Draw(t, "pop") == 0 {
				require.Equal(t, want[0], q.pop())
				want = want[1:]
			} else {
				q.push(id)
				want = append(want, id)
			}
			require.Equal(t, len(want), q.count)
		}
		for _, id := range want {
			require.Equal(t, id, q.pop())
		}
	})
}

// TestTheGridIsThePeriodsAfterThePhase: the next instant lies after now, a whole
// number of periods after the phase, and no earlier one does.
func TestTheGridIsThePeriodsAfterThePhase(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		period := des.Time(rapid.Int64Range(1, 100).Draw(t, "period"))
		phase := des.Time(rapid.Int64Range(0, 200).Draw(t, "phase"))
		now := des.Time(rapid.Int64Range(0, 1000).Draw(t, "now"))
		next := grid(now, phase, period)
		require.Greater(t, next, now)
		require.Zero(t, (next-phase)%period)
		require.True(t, next == phase || next-period <= now)
	})
}

// TestTrafficIsTheAverageOverTime by hand: two requests, one of them through an
// activator, in a second.
func TestTrafficIsTheAverageOverTime(t *testing.T) {
	t.Parallel()
	var q queueProxy
	q.started(0)
	q.enter(report/4, true)
	q.enter(report/2, false)
	q.leave(report*3/4, true)
	s, ok := q.scrape(report - 1)
	require.False(t, ok, "nothing is reported within the first second")
	require.Zero(t, s)
	s, ok = q.scrape(report)
	require.True(t, ok)
	require.InDelta(t, 1, s.Concurrency, 1e-12, "half a second each")
	require.InDelta(t, .5, s.ProxiedConcurrency, 1e-12)
	require.Equal(t, []float64{2, 1}, []float64{s.Requests, s.ProxiedRequests})
	s, _ = q.scrape(5 * report)
	require.InDelta(t, 1, s.Concurrency, 1e-12, "one is still there")
	require.Zero(t, s.Requests, "and nobody has come")
}
