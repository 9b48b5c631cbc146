package des

import (
	"fmt"
	"math/bits"
)

// Queue is the set of future events of one run, each carrying a payload of
// type P by value. The zero value is an empty queue at time 0. It is not safe
// for concurrent use: one run is one goroutine.
type Queue[P any] struct {
	now   Time
	seq   uint64
	heap  []entry[P]
	slots []slot
	free  []uint32 // indices of unused slots
	dead  int      // cancelled entries still in the heap
}

// entry is one scheduled event. The heap is 4-ary: half the depth of a binary
// heap, and the four children of a node lie side by side in memory.
type entry[P any] struct {
	at      Time
	seq     uint64
	slot    uint32 // 0: not cancellable; otherwise slots[slot-1]
	payload P
}

type slot struct {
	generation uint32
	cancelled  bool
}

// Timer names one cancellable event. The zero Timer names none. A Timer stays
// valid for ever: once its event has happened or was cancelled, cancelling it
// again does nothing.
type Timer struct {
	slot       uint32
	generation uint32
}

// Now returns the current virtual time: the instant of the event popped last.
func (q *Queue[P]) Now() Time { return q.now }

// Len returns the number of events that are still to happen.
func (q *Queue[P]) Len() int { return len(q.heap) - q.dead }

// Schedule adds an event at the instant at. An instant before Now is a
// programming error and panics, since it would break the order of time.
func (q *Queue[P]) Schedule(at Time, payload P) {
	q.insert(at, 0, payload)
}

// ScheduleTimer is Schedule for an event that may be cancelled.
func (q *Queue[P]) ScheduleTimer(at Time, payload P) Timer {
	var index uint32
	if n := len(q.free); n > 0 {
		index = q.free[n-1]
		q.free = q.free[:n-1]
	} else {
		index = uint32(len(q.slots))
		q.slots = append(q.slots, slot{})
	}
	q.insert(at, index+1, payload)
	return Timer{slot: index + 1, generation: q.slots[index].generation}
}

// Cancel withdraws the event that t names and reports whether it was still to
// happen. Its cost is constant, amortized: dead entries are swept out once
// they are the larger half of the heap.
func (q *Queue[P]) Cancel(t Timer) bool {
	if t.slot == 0 {
		return false
	}
	s := &q.slots[t.slot-1]
	if s.generation != t.generation || s.cancelled {
		return false
	}
	s.cancelled = true
	q.dead++
	if q.dead > 64 && q.dead > len(q.heap)/2 {
		q.sweep()
	}
	return true
}

// Pop removes the next event, advances Now to its instant and returns its
// payload. It reports false, and leaves Now alone, when no event is left.
func (q *Queue[P]) Pop() (P, bool) {
	q.dropDead()
	if len(q.heap) == 0 {
		var none P
		return none, false
	}
	top := q.heap[0]
	q.removeTop()
	if top.slot != 0 {
		q.release(top.slot - 1)
	}
	q.now = top.at
	return top.payload, true
}

// Peek returns the instant of the next event, or End when there is none.
func (q *Queue[P]) Peek() Time {
	q.dropDead()
	if len(q.heap) == 0 {
		return End
	}
	return q.heap[0].at
}

// Advance moves Now forward to the instant at without an event. It panics
// where an earlier event is pending or at lies in the past.
func (q *Queue[P]) Advance(at Time) {
	if at < q.now || at > q.Peek() {
		panic(fmt.Sprintf("des: advance to %v, now %v, next event %v", at, q.now, q.Peek()))
	}
	q.now = at
}

func (q *Queue[P]) insert(at Time, slot uint32, payload P) {
	if at < q.now {
		panic(fmt.Sprintf("des: schedule at %v, but it is already %v", at, q.now))
	}
	q.seq++
	e := entry[P]{at: at, seq: q.seq, slot: slot, payload: payload}
	q.heap = append(q.heap, e)
	q.siftUp(0, len(q.heap)-1, e)
}

func (q *Queue[P]) release(index uint32) {
	s := &q.slots[index]
	s.generation++
	s.cancelled = false
	q.free = append(q.free, index)
}

func (q *Queue[P]) dropDead() {
	for q.dead > 0 && len(q.heap) > 0 {
		s := q.heap[0].slot
		if s == 0 || !q.slots[s-1].cancelled {
			return
		}
		q.removeTop()
		q.release(s - 1)
		q.dead--
	}
}

// sweep rebuilds the heap from its living entries. Order is a property of
// (at, seq) alone, so rebuilding cannot change it.
func (q *Queue[P]) sweep() {
	living := q.heap[:0]
	for _, e := range q.heap {
		if e.slot != 0 && q.slots[e.slot-1].cancelled {
			q.release(e.slot - 1)
			continue
		}
		living = append(living, e)
	}
	clear(q.heap[len(living):])
	q.heap = living
	q.dead = 0
	for i := (len(living) - 2) / 4; i >= 0 && len(living) > 1; i-- {
		q.siftDown(i, living[i])
	}
}

func (q *Queue[P]) removeTop() {
	last := len(q.heap) - 1
	e := q.heap[last]
	q.heap[last] = entry[P]{}
	q.heap = q.heap[:last]
	if last > 0 {
		q.siftDown(0, e)
	}
}

// siftUp puts e into the hole at i or, where e belongs higher, above it, but not above
// top.
func (q *Queue[P]) siftUp(top, i int, e entry[P]) {
	h := q.heap
	for i > top {
		parent := (i - 1) / 4
		if before(&h[parent], &e) == 1 {
			break
		}
		h[i] = h[parent]
		i = parent
	}
	h[i] = e
}

// siftDown puts e into the heap below the hole at i. The hole sinks to the bottom
// first, since an entry from there rarely belongs much higher (Wegener, Theoretical
// Computer Science 118 (1993) 81-98), and which child rises is computed rather than
// branched on, since no processor foresees it.
func (q *Queue[P]) siftDown(top int, e entry[P]) {
	h, i := q.heap, top
	for {
		first := 4*i + 1
		if first+3 >= len(h) {
			break
		}
		c := h[first : first+4 : first+4]
		a := before(&c[1], &c[0])
		b := 2 + before(&c[3], &c[2])
		least := a + (b-a)*before(&c[b&3], &c[a&3])
		h[i] = c[least&3]
		i = first + least
	}
	if first := 4*i + 1; first < len(h) {
		least := first
		for c := first + 1; c < len(h); c++ {
			least += (c - least) * before(&h[c], &h[least])
		}
		h[i] = h[least]
		i = least
	}
	q.siftUp(top, i, e)
}

// before returns 1 where x happens before y, else 0: the borrow of x − y, both read
// as numbers of 128 bits, the instant above the sequence.
func before[P any](x, y *entry[P]) int {
	_, borrow := bits.Sub64(x.seq, y.seq, 0)
	_, borrow = bits.Sub64(uint64(x.at), uint64(y.at), borrow)
	return int(borrow)
}
