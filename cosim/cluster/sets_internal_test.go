package cluster

import (
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/cosim/des"
)

// TestBitsetBehavesLikeASet compares it with a sorted list after every step.
func TestBitsetBehavesLikeASet(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		room := rapid.IntRange(1, 200).Draw(t, "room")
		set, want := bitset{}, []int{}
		set.grow(room)
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			i := rapid.IntRange(0, room-1).Draw(t, "member")
			at, there := slices.BinarySearch(want, i)
			switch rapid.IntRange(0, 2).Draw(t, "step") {
			case 0:
				set.clear(i)
				if there {
					want = slices.Delete(want, at, at+1)
				}
			case 1:
				room = max(room, rapid.IntRange(1, 400).Draw(t, "more room"))
				set.grow(room)
			default:
				set.set(i)
				if !there {
					want = slices.Insert(want, at, i)
				}
			}
			requireMembers(t, &set, want, room)
		}
	})
}

func requireMembers(t *rapid.T, set *bitset, want []int, room int) {
	require.Equal(t, len(want), set.count())
	require.Equal(t, len(want) > 0, set.any())
	first, last := -1, -1
	if len(want) > 0 {
		first, last = want[0], want[len(want)-1]
	}
	require.Equal(t, first, set.first())
	require.Equal(t, last, set.last())
	for n, member := range want {
		require.Equal(t, member, set.nth(n))
		require.True(t, set.has(member))
	}
	for i := -1; i < room; i++ {
		after := -1
		if at, there := slices.BinarySearch(want, i+1); there || at < len(want) {
			after = want[at]
		}
		require.Equal(t, after, set.after(i), "after %d", i)
	}
}

func TestFIFOKeepsTheOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var queue fifo[int]
		var want []int
		for i := range rapid.IntRange(1, 200).Draw(t, "steps") {
			if rapid.IntRange(0, 2).Draw(t, "pop") == 0 {
				got, ok := queue.pop()
				require.Equal(t, len(want) > 0, ok)
				if ok {
					require.Equal(t, want[0], got)
					want = want[1:]
				}
			} else {
				queue.push(i)
				want = append(want, i)
			}
			require.Equal(t, len(want), queue.len())
		}
	})
}

// sandboxSet is what Candidates promise, by plain lists.
type sandboxSet struct {
	created []*Sandbox // all that live, by creation
	used    []*Sandbox // the candidates, least recently used first
}

func (s *sandboxSet) drop(x *Sandbox) {
	s.used = slices.DeleteFunc(s.used, func(y *Sandbox) bool { return y == x })
}

// ring returns the candidates by creation.
func (s *sandboxSet) ring() []*Sandbox {
	return slices.DeleteFunc(slices.Clone(s.created), func(x *Sandbox) bool { return !slices.Contains(s.used, x) })
}

// TestCandidatesKeepBothOrders compares them with plain lists through creations,
// removals and uses, many enough that the roster closes its holes.
func TestCandidatesKeepBothOrders(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := &roster{}
		c := &Candidates{slot: slotFree, roster: r}
		want := &sandboxSet{}
		pick := func(from []*Sandbox) *Sandbox { return from[rapid.IntRange(0, len(from)-1).Draw(t, "which")] }
		for range rapid.IntRange(1, 8).Draw(t, "rounds") {
			for range rapid.IntRange(0, 40).Draw(t, "new") {
				s := &Sandbox{place: nowhere}
				require.False(t, c.Has(s))
				if moved := r.add(s); moved != nil {
					c.relocate(moved)
				}
				c.add(s, false)
				want.created, want.used = append(want.created, s), slices.Insert(want.used, 0, s)
			}
			for range rapid.IntRange(0, 30).Draw(t, "steps") {
				if len(want.created) == 0 {
					break
				}
				s := pick(want.created)
				busy := !slices.Contains(want.used, s)
				switch step := rapid.IntRange(0, 3).Draw(t, "step"); {
				case step == 0: // it expires
					c.remove(s)
					r.remove(s)
					require.False(t, c.Has(s))
					want.drop(s)
					want.created = slices.DeleteFunc(want.created, func(x *Sandbox) bool { return x == s })
				case step == 1: // it has no slot left
					c.remove(s)
					want.drop(s)
					r.last = s
				case busy: // it has a slot again
					c.add(s, true)
					want.used = append(want.used, s)
				default:
					c.touch(s)
					want.drop(s)
					want.used = append(want.used, s)
				}
			}
			if rapid.Bool().Draw(t, "somebody asks") { // from then on the order of use is linked
				requireOrders(t, c, want)
			}
		}
		requireOrders(t, c, want)
	})
}

func requireOrders(t *rapid.T, c *Candidates, want *sandboxSet) {
	require.Equal(t, len(want.used), c.Len())
	for i := range c.Len() {
		require.True(t, slices.Contains(want.used, c.At(i)))
		require.True(t, c.Has(c.At(i)))
	}
	require.False(t, c.Has(nil))
	if last := c.LastServed(); last != nil {
		require.True(t, slices.Contains(want.created, last), "one that is gone is not remembered")
	}
	if c.Len() == 0 {
		return
	}
	ring := want.ring()
	// Identity, not equality: idle sandboxes are alike.
	same := func(a, b *Sandbox, what string) { require.True(t, a == b, what) }
	require.True(t, slices.Equal(want.used, slices.Collect(c.ByUse(false))), "the whole order of use")
	same(want.used[0], c.LeastRecent(), "least recently used")
	same(want.used[len(want.used)-1], c.MostRecent(), "most recently used")
	same(ring[0], c.Oldest(), "oldest")
	same(ring[len(ring)-1], c.Newest(), "newest")
	same(ring[0], c.After(nil), "the ring begins with the oldest")
	for i, s := range ring {
		same(ring[(i+1)%len(ring)], c.After(s), "the ring")
	}
	random := c.Random(rand.New(rand.NewPCG(1, 2)))
	require.True(t, c.Has(random))
}

// TestWhatEveryInvocationTouchesIsTogether asserts what the layouts are made for:
// sixty-four bytes are a cache line.
func TestWhatEveryInvocationTouchesIsTogether(t *testing.T) {
	t.Parallel()
	require.LessOrEqual(t, unsafe.Offsetof(Sandbox{}.others), 3*uintptr(64))
	require.LessOrEqual(t, unsafe.Offsetof(Node{}.queue)+unsafe.Offsetof(line{}.gaps), 2*64-unsafe.Sizeof(uint32(0)))
	require.Zero(t, unsafe.Sizeof(invocation{})%64)
}

// TestLevelIntegratesStepByStep compares the three integrals with sums over every
// single instant.
func TestLevelIntegratesStepByStep(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		buckets := rapid.IntRange(1, 7).Draw(t, "buckets")
		horizon := rapid.IntRange(buckets, 60).Draw(t, "horizon")
		s := span{warmUp: des.Time(rapid.IntRange(0, horizon-1).Draw(t, "warm-up")), horizon: des.Time(horizon)}
		s.width = (s.horizon + des.Time(buckets) - 1) / des.Time(buckets)
		var l level
		l.init(s, buckets)
		end := horizon + rapid.IntRange(0, 20).Draw(t, "drain")
		total, observed, byBucket := 0., 0., make([]float64, buckets)
		value := 0
		for now := range end {
			if rapid.IntRange(0, 2).Draw(t, "change") == 0 {
				delta := rapid.IntRange(-value, 3).Draw(t, "by")
				l.add(int64(delta), des.Time(now))
				value += delta
			}
			total += float64(value)
			if now >= int(s.warmUp) && now < horizon {
				observed += float64(value)
			}
			if b := now / int(s.width); b < buckets {
				byBucket[b] += float64(value)
			}
		}
		l.advance(des.Time(end))
		require.InDelta(t, total, l.total, 1e-9)
		require.InDelta(t, observed, l.observed, 1e-9)
		require.InDeltaSlice(t, byBucket, l.buckets, 1e-9)
	})
}
