package des_test

import (
	"cmp"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/cosim/des"
)

// Most of what is planned is called off, so that dead events are swept out: what is
// left happens in its order, and timers that are over touch nobody.
func TestSweepsKeepTheOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var q des.Queue[int]
		type planned struct {
			at    des.Time
			id    int
			timer des.Timer
		}
		var living []planned
		var over []des.Timer
		next := 0
		for range rapid.IntRange(1, 4).Draw(t, "rounds") {
			for range rapid.IntRange(100, 400).Draw(t, "more") {
				at := q.Now().Add(drawnDelay(t))
				living = append(living, planned{at, next, q.Schedule(at, next)})
				next++
			}
			keep := rapid.IntRange(1, 9).Draw(t, "keep one in")
			living = slices.DeleteFunc(living, func(p planned) bool {
				if p.id%keep == 0 {
					return false
				}
				require.True(t, q.Cancel(p.timer))
				over = append(over, p.timer)
				return true
			})
			for _, timer := range over {
				require.False(t, q.Cancel(timer))
			}
			require.Equal(t, len(living), q.Len())
			slices.SortStableFunc(living, func(a, b planned) int { return cmp.Compare(a.at, b.at) })
			for range rapid.IntRange(0, len(living)).Draw(t, "pops") {
				require.Equal(t, living[0].at, q.Peek())
				id, ok := q.Pop()
				require.True(t, ok)
				require.Equal(t, living[0].id, id)
				over = append(over, living[0].timer)
				living = living[1:]
			}
		}
		for _, p := range living {
			id, ok := q.Pop()
			require.True(t, ok)
			require.Equal(t, p.id, id)
			require.Equal(t, p.at, q.Now())
		}
		require.Zero(t, q.Len())
		require.Equal(t, des.End, q.Peek())
	})
}

// Add and Sub undo one another within the range of time, and Add stops at its end.
func TestInstantsAndDurationsAddUp(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		at := des.Time(rapid.Int64Range(0, math.MaxInt64).Draw(t, "at"))
		d := time.Duration(rapid.Int64Range(0, math.MaxInt64).Draw(t, "d"))
		sum := at.Add(d)
		require.GreaterOrEqual(t, sum, at, "time never runs back")
		if sum < des.End {
			require.Equal(t, d, sum.Sub(at))
			require.Equal(t, at, sum.Add(-d))
		}
		require.InEpsilon(t, time.Duration(at).Seconds()+1, at.Seconds()+1, 1e-12)
		require.Equal(t, time.Duration(at).String(), at.String())
	})
}

// The clock may be moved up to the next event, and no further.
func TestAdvancingReachesTheNextEvent(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var q des.Queue[int]
		first := des.Time(rapid.Int64Range(0, 1000).Draw(t, "first"))
		timer := q.Schedule(first, 1)
		q.Schedule(first+10, 2)
		to := des.Time(rapid.Int64Range(0, 1020).Draw(t, "to"))
		if to > first {
			require.Panics(t, func() { q.Advance(to) })
			require.True(t, q.Cancel(timer), "it is still to happen")
		}
		if to <= first+10 {
			q.Advance(to)
			require.Equal(t, to, q.Now())
			require.Panics(t, func() { q.Schedule(to-1, 3) })
			return
		}
		require.Panics(t, func() { q.Advance(to) })
		require.Zero(t, q.Now(), "a refused advance leaves the clock alone")
	})
}
