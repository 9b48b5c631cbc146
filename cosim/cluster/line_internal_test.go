package cluster

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/cosim/des"
	"microcosm/cosim/servicetime"
)

// TestALineKeepsItsOrderThoughSomeLeave compares it with a list of those that
// wait, through joins at either end, departures from the middle and turns.
func TestALineKeepsItsOrderThoughSomeLeave(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		type waiting struct {
			id     int32
			ticket uint32
		}
		var q line
		var want []waiting
		for id := range int32(rapid.IntRange(1, 150).Draw(t, "steps")) {
			switch rapid.SampledFrom([]string{"join", "join", "join", "first", "leave", "leave", "turn", "end"}).Draw(t, "step") {
			case "join":
				want = append(want, waiting{id, q.push(id)})
			case "first":
				want = slices.Insert(want, 0, waiting{id, q.pushFront(id)})
			case "leave":
				if len(want) > 0 {
					i := rapid.IntRange(0, len(want)-1).Draw(t, "who")
					q.remove(want[i].ticket)
					want = slices.Delete(want, i, i+1)
				}
			case "turn":
				got, ok := q.pop()
				require.Equal(t, len(want) > 0, ok)
				if ok {
					require.Equal(t, want[0].id, got)
					want = want[1:]
				}
			case "end":
				if rapid.IntRange(0, 9).Draw(t, "all") == 0 {
					q.clear()
					want = nil
				}
			}
			require.Equal(t, len(want), q.len())
		}
		for _, w := range want {
			got, ok := q.pop()
			require.True(t, ok)
			require.Equal(t, w.id, got)
		}
		_, ok := q.pop()
		require.False(t, ok)
	})
}

// TestCandidatesAreYieldedInBothOrdersAndBothWays walks the two orders to the end
// and breaks off on the way.
func TestCandidatesAreYieldedInBothOrdersAndBothWays(t *testing.T) {
	t.Parallel()
	r := &roster{}
	c := &Candidates{slot: slotAll, roster: r}
	s := make([]*Sandbox, 5)
	for i := range s {
		s[i] = &Sandbox{id: int32(i)}
		r.add(s[i])
		c.add(s[i], false)
	}
	for _, used := range []int{3, 0, 4, 3} {
		c.touch(s[used])
	}
	c.remove(s[1])
	ids := func(seq func(func(*Sandbox) bool), most int) (list []int32) {
		for x := range seq {
			if list = append(list, x.id); len(list) == most {
				break
			}
		}
		return list
	}
	require.Equal(t, []int32{2, 0, 4, 3}, ids(c.ByUse(false), 9), "never used, then by last use")
	require.Equal(t, []int32{3, 4, 0, 2}, ids(c.ByUse(true), 9))
	require.Equal(t, []int32{0, 2, 3, 4}, ids(c.ByAge(false), 9))
	require.Equal(t, []int32{4, 3, 2, 0}, ids(c.ByAge(true), 9))
	for _, seq := range []func(func(*Sandbox) bool){c.ByUse(false), c.ByUse(true), c.ByAge(false), c.ByAge(true)} {
		require.Len(t, ids(seq, 2), 2)
	}
}

// TestASharedCoreServesByFinish compares the heap of a shared core with a sorted
// list: by finish, and in the order of joining among equals.
func TestASharedCoreServesByFinish(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var c share
		var want []job
		for i := range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch {
			case len(want) == 0 || rapid.IntRange(0, 2).Draw(t, "step") > 0:
				j := job{finish: float64(rapid.IntRange(0, 9).Draw(t, "finish")), order: int64(i), id: int32(i)}
				at, _ := slices.BinarySearchFunc(want, j, func(a, b job) int {
					if a.before(b) {
						return -1
					}
					return 1
				})
				want = slices.Insert(want, at, j)
				c.push(j)
			case rapid.Bool().Draw(t, "leaves"):
				at := rapid.IntRange(0, len(want)-1).Draw(t, "who")
				c.remove(want[at].id, 0)
				want = slices.Delete(want, at, at+1)
			default:
				require.Equal(t, want[0], c.take(0))
				want = want[1:]
			}
			require.Len(t, c.jobs, len(want))
		}
		for _, j := range want {
			require.Equal(t, j, c.take(0))
		}
	})
}

// Each gets core time by its weight: the virtual time is what a weight of 1 has been
// given.
func TestVirtualTimeIsTheShareOfEach(t *testing.T) {
	t.Parallel()
	for _, other := range []float64{1, 3} {
		var c share
		join := func(id int32, weight float64) {
			c.push(job{finish: 100, id: id, weight: weight})
			c.weight += weight
		}
		c.advance(50)
		require.Zero(t, c.virtual, "nobody is served while nobody is there")
		join(0, 1)
		c.advance(60)
		require.InDelta(t, 10, c.virtual, 1e-12)
		join(1, other)
		c.advance(100)
		require.InDelta(t, 10+40/(1+other), c.virtual, 1e-12, "alone, then one part of %g", 1+other)
		c.remove(1, 104)
		c.advance(des.Time(110))
		require.InDelta(t, 10+44/(1+other)+6, c.virtual, 1e-12)
	}
}

// A slot that is taken again is another life: what was to happen to the old one
// does not happen to the new one.
func TestARecycledSlotIsAnotherLife(t *testing.T) {
	t.Parallel()
	var p pool
	a, b := p.take(), p.take()
	require.NotEqual(t, a.id, b.id)
	require.Same(t, a, p.at(a.id))
	before := a.life
	p.put(a)
	require.Equal(t, phaseFree, a.phase)
	require.Same(t, a, p.take(), "memory follows the number in the system")
	require.NotEqual(t, before, a.life)
	require.Len(t, p.slots, 2)
}

// Every k has one class, classes follow each other, and their names say which k.
func TestEveryKHasItsClass(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		k := rapid.Int64Range(0, 1<<40).Draw(t, "k")
		class := ClassOf(servicetime.State{K: k})
		require.LessOrEqual(t, class, ClassOf(servicetime.State{K: k + 1}))
		require.Less(t, class, ClassFlush, "a core that remembers anything is not flushed")
		require.Equal(t, k == 0, class == ClassWarm)
		if i := class - ClassLukewarm; k > 0 && class < ClassFlush-1 {
			require.True(t, k >= 1<<i && k < 2<<i)
		}
	})
	require.Equal(t, "invalid", (ClassFlush + 1).String())
	require.Equal(t, ClassCold, ClassOf(servicetime.State{Cold: true, K: 3}), "a first call is cold, whatever ran before")
}
