package cluster

import (
	"cmp"
	"iter"
	"math/rand/v2"
	"slices"
)

// The sets a sandbox can be in at once.
const (
	slotAll = iota
	slotFree
	slotKinds
)

// roster lists the sandboxes of a function by creation; removed ones leave holes
// that are closed once they are the larger half.
type roster struct {
	function *Function
	places   []*Sandbox
	living   int
	last     *Sandbox // that was given the function's last invocation; nil when it is gone
}

// add gives the sandbox the next place. Where the places of the others change, it
// returns the new ones by the old.
func (r *roster) add(s *Sandbox) (moved []int32) {
	if len(r.places) >= 64 && len(r.places) > 2*r.living {
		moved = make([]int32, len(r.places))
		kept := r.places[:0]
		for old, other := range r.places {
			if other != nil {
				other.place = int32(len(kept))
				moved[old] = other.place
				kept = append(kept, other)
			}
		}
		clear(r.places[len(kept):])
		r.places = kept
	}
	s.place = int32(len(r.places))
	r.places = append(r.places, s)
	r.living++
	return moved
}

func (r *roster) remove(s *Sandbox) {
	r.places[s.place] = nil
	s.place = nowhere
	r.living--
	if r.last == s {
		r.last = nil
	}
}

// nowhere is the place of a sandbox that is not in the roster.
const nowhere = -1

// Candidates is a set of sandboxes of one function, among which a load balancer
// chooses. It knows two orders: by creation (a ring, oldest to newest) and by
// use (least to most recently used). Adding, removing, and choosing by use or at
// random cost O(1); choosing by creation scans one bit per sandbox. It names sandboxes
// by their places in the roster, so that an invocation touches one sandbox only.
type Candidates struct {
	slot   int
	roster *roster
	places bitset
	word   [1]uint64 // of places, where there are few

	// What follows is kept up once somebody has asked for a member by its number.
	listed   bool
	members  []int32 // places, in no order
	position []int32 // of those in members, by place

	// The order of use is a list once somebody has asked for it; until then each
	// sandbox bears a stamp, and its neighbours' cache lines are left alone.
	linked        bool
	head, tail    *Sandbox // least and most recently used
	first, latest int64    // stamps given
}

func (c *Candidates) init(slot int, r *roster) {
	c.slot, c.roster = slot, r
	c.places.words = c.word[:]
}

// Function returns the function that the candidates belong to.
func (c *Candidates) Function() *Function { return c.roster.function }

// Len returns the number of candidates.
func (c *Candidates) Len() int { return c.places.count() }

// At returns the i-th candidate in no particular but reproducible order,
// 0 <= i < Len.
func (c *Candidates) At(i int) *Sandbox {
	if !c.listed {
		c.list()
	}
	return c.roster.places[c.members[i]]
}

// Has reports whether the sandbox is a candidate.
func (c *Candidates) Has(s *Sandbox) bool {
	return s != nil && c.places.holds(int(s.place))
}

// Random returns a candidate, each with equal probability.
func (c *Candidates) Random(random *rand.Rand) *Sandbox {
	if c.Len() == 1 {
		return c.At(0)
	}
	return c.At(random.IntN(c.Len()))
}

// LastServed returns the sandbox, candidate or not, that was given the
// function's last invocation; nil when there is none or it was removed.
func (c *Candidates) LastServed() *Sandbox { return c.roster.last }

// MostRecent returns the candidate that was used last.
func (c *Candidates) MostRecent() *Sandbox {
	c.order()
	return c.tail
}

// LeastRecent returns the candidate whose use lies furthest back.
func (c *Candidates) LeastRecent() *Sandbox {
	c.order()
	return c.head
}

// Oldest returns the candidate that was created first.
func (c *Candidates) Oldest() *Sandbox { return c.roster.places[c.places.first()] }

// Newest returns the candidate that was created last.
func (c *Candidates) Newest() *Sandbox { return c.roster.places[c.places.last()] }

// After returns the candidate that follows s in the ring of creation, and the
// oldest when s is nil. It returns s itself only if there is no other.
func (c *Candidates) After(s *Sandbox) *Sandbox {
	if s == nil {
		return c.Oldest()
	}
	next := c.places.after(int(s.place))
	if next < 0 {
		next = c.places.first()
	}
	return c.roster.places[next]
}

// ByUse yields the candidates by their last use, the oldest use first unless
// latestFirst. The set must not change meanwhile.
func (c *Candidates) ByUse(latestFirst bool) iter.Seq[*Sandbox] {
	c.order()
	return func(yield func(*Sandbox) bool) {
		if latestFirst {
			for s := c.tail; s != nil && yield(s); s = s.previous[c.slot] {
			}
			return
		}
		for s := c.head; s != nil && yield(s); s = s.following[c.slot] {
		}
	}
}

// ByAge yields the candidates by their creation, the oldest first unless
// newestFirst. The set must not change meanwhile.
func (c *Candidates) ByAge(newestFirst bool) iter.Seq[*Sandbox] {
	return func(yield func(*Sandbox) bool) {
		if newestFirst {
			for i := c.places.last(); i >= 0 && yield(c.roster.places[i]); i = c.places.before(i) {
			}
			return
		}
		for i := c.places.first(); i >= 0 && yield(c.roster.places[i]); i = c.places.after(i) {
		}
	}
}

// add makes s a candidate: the most recently used, or the least recently used
// where it has not been used at all.
func (c *Candidates) add(s *Sandbox, used bool) {
	c.places.grow(len(c.roster.places))
	c.places.set(int(s.place))
	if c.listed {
		c.enlist(s.place)
	}
	if used {
		c.link(s)
	} else {
		c.linkFirst(s)
	}
}

// list enters all that are in into the list of members.
func (c *Candidates) list() {
	c.listed = true
	for place := c.places.first(); place >= 0; place = c.places.after(place) {
		c.enlist(int32(place))
	}
}

func (c *Candidates) enlist(place int32) {
	if missing := len(c.roster.places) - len(c.position); missing > 0 {
		c.position = append(c.position, make([]int32, missing)...)
	}
	c.position[place] = int32(len(c.members))
	c.members = append(c.members, place)
}

// remove takes s out, if it is in.
func (c *Candidates) remove(s *Sandbox) {
	if !c.places.holds(int(s.place)) {
		return
	}
	c.places.clear(int(s.place))
	if c.listed {
		last := len(c.members) - 1
		hole := c.position[s.place]
		c.members[hole] = c.members[last]
		c.position[c.members[last]] = hole
		c.members = c.members[:last]
	}
	c.unlink(s)
}

// touch makes s the most recently used.
func (c *Candidates) touch(s *Sandbox) {
	if c.tail != s {
		c.unlink(s)
		c.link(s)
	}
}

// relocate gives the members new places, by their old ones. No place moves up.
func (c *Candidates) relocate(moved []int32) {
	for old := c.places.first(); old >= 0; old = c.places.after(old) {
		c.places.clear(old)
		c.places.set(int(moved[old]))
	}
	members := c.members
	c.members = c.members[:0]
	for _, old := range members {
		c.enlist(moved[old])
	}
}

// order links the candidates by their stamps.
func (c *Candidates) order() {
	if c.linked {
		return
	}
	c.linked = true
	all := slices.AppendSeq(make([]*Sandbox, 0, c.Len()), c.ByAge(false))
	slices.SortFunc(all, func(a, b *Sandbox) int { return cmp.Compare(a.used[c.slot], b.used[c.slot]) })
	for _, s := range all {
		c.link(s)
	}
}

func (c *Candidates) link(s *Sandbox) {
	if !c.linked {
		c.latest++
		s.used[c.slot] = c.latest
		return
	}
	s.previous[c.slot], s.following[c.slot] = c.tail, nil
	if c.tail != nil {
		c.tail.following[c.slot] = s
	} else {
		c.head = s
	}
	c.tail = s
}

func (c *Candidates) linkFirst(s *Sandbox) {
	if !c.linked {
		c.first--
		s.used[c.slot] = c.first
		return
	}
	s.previous[c.slot], s.following[c.slot] = nil, c.head
	if c.head != nil {
		c.head.previous[c.slot] = s
	} else {
		c.tail = s
	}
	c.head = s
}

func (c *Candidates) unlink(s *Sandbox) {
	if !c.linked {
		return
	}
	before, behind := s.previous[c.slot], s.following[c.slot]
	if before != nil {
		before.following[c.slot] = behind
	} else {
		c.head = behind
	}
	if behind != nil {
		behind.previous[c.slot] = before
	} else {
		c.tail = before
	}
}
