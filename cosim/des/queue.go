package des

import "fmt"

// Queue is the set of future events of one run, each carrying a payload of
// type P by value. The zero value is an empty queue at time 0. It is not safe
// for concurrent use: one run is one goroutine. It holds up to 2^24 pending
// events, and 2^40 over its life; more panic.
//
// What happens next is in a heap. What happens later waits unsorted in a hierarchical
// timing wheel (Varghese and Lauck, IEEE/ACM Transactions on Networking 5 (1997)
// 824-834): 64 buckets of one instant each, 64 of 64 ns, 64 of 4096 ns, and so on. A
// bucket whose turn has come goes into the heap if few events are in it, else into the
// 64 buckets below. The heap so stays small enough for the first cache, however many
// events are pending.
type Queue[P any] struct {
	now   Time
	seq   uint64
	near  front // all events before limit
	limit uint64
	wheel wheel // the others
	slots []slot[P]
	free  []uint32 // indices of unused slots
	dead  int      // cancelled events that still have their slots
}

// slot is one pending event.
type slot[P any] struct {
	seq     uint64 // 0: cancelled, or none
	at      Time
	next    uint32 // in the wheel: 1 + the slot of the next in its bucket
	payload P
}

// few is how many events the heap takes at once.
const few = 4

const (
	maxSlots = 1 << slotBits
	maxSeq   = 1 << (64 - slotBits)
)

// Timer names one event. The zero Timer names none. A Timer stays valid for ever:
// once its event has happened or was cancelled, cancelling it again does nothing.
type Timer struct {
	seq  uint64
	slot uint32
}

// Now returns the current virtual time: the instant of the event popped last.
func (q *Queue[P]) Now() Time { return q.now }

// Len returns the number of events that are still to happen.
func (q *Queue[P]) Len() int { return len(q.slots) - len(q.free) - q.dead }

// Schedule adds an event at the instant at. An instant before Now is a
// programming error and panics, since it would break the order of time.
func (q *Queue[P]) Schedule(at Time, payload P) Timer {
	if at < q.now {
		panic(fmt.Sprintf("des: schedule at %v, but it is already %v", at, q.now))
	}
	if q.seq++; q.seq == maxSeq {
		panic(fmt.Sprintf("des: %d events are too many", uint64(maxSeq)))
	}
	index := q.take()
	s := &q.slots[index]
	s.seq, s.at, s.payload = q.seq, at, payload
	q.file(index)
	return Timer{seq: q.seq, slot: index}
}

// file puts the event in a slot into the heap or the wheel.
func (q *Queue[P]) file(index uint32) {
	s := &q.slots[index]
	if uint64(s.at) < q.limit {
		q.near.push(key{s.at, s.seq<<slotBits | uint64(index)})
	} else {
		s.next = q.wheel.add(s.at, index)
	}
}

// take returns the index of an unused slot.
func (q *Queue[P]) take() uint32 {
	if n := len(q.free); n > 0 {
		index := q.free[n-1]
		q.free = q.free[:n-1]
		return index
	}
	if len(q.slots) == maxSlots {
		panic(fmt.Sprintf("des: %d pending events are too many", maxSlots))
	}
	q.slots = append(q.slots, slot[P]{})
	return uint32(len(q.slots) - 1)
}

// Cancel withdraws the event that t names and reports whether it was still to
// happen. Its cost is constant, amortized: dead events are swept out once
// they are the larger half.
func (q *Queue[P]) Cancel(t Timer) bool {
	if t.seq == 0 || q.slots[t.slot].seq != t.seq {
		return false
	}
	q.slots[t.slot].seq = 0
	q.dead++
	if q.dead > 64 && q.dead > q.Len() {
		q.sweep()
	}
	return true
}

// Pop removes the next event, advances Now to its instant and returns its
// payload. It reports false, and leaves Now alone, when no event is left.
func (q *Queue[P]) Pop() (payload P, ok bool) { return q.PopBy(End) }

// PopBy is Pop for an event that happens at the given instant or before it.
func (q *Queue[P]) PopBy(last Time) (payload P, ok bool) {
	if !q.reach() || q.near.first.at > last {
		return payload, false
	}
	next := q.near.pop()
	index := next.slot()
	s := &q.slots[index]
	s.seq = 0
	q.free = append(q.free, index)
	q.now = next.at
	return s.payload, true
}

// Peek returns the instant of the next event, or End when there is none.
func (q *Queue[P]) Peek() Time {
	if !q.reach() {
		return End
	}
	return q.near.first.at
}

// Advance moves Now forward to the instant at without an event. It panics
// where an earlier event is pending or at lies in the past.
func (q *Queue[P]) Advance(at Time) {
	if at < q.now || at > q.Peek() {
		panic(fmt.Sprintf("des: advance to %v, now %v, next event %v", at, q.now, q.Peek()))
	}
	q.now = at
}

// reach brings the next event to the top of the heap, and reports whether there is one.
func (q *Queue[P]) reach() bool {
	for {
		for q.dead > 0 && q.near.occupied && q.slots[q.near.first.slot()].seq == 0 {
			dead := q.near.pop()
			q.bury(dead.slot())
		}
		switch {
		case q.near.occupied:
			return true
		case q.wheel.empty():
			return false
		}
		q.turn()
	}
}

// bury gives back the slot of a cancelled event.
func (q *Queue[P]) bury(index uint32) {
	q.dead--
	q.free = append(q.free, index)
}

// turn takes the next bucket of the wheel to pieces.
func (q *Queue[P]) turn() {
	first, count, end := q.wheel.next()
	q.limit = q.wheel.cursor
	if count <= few || end == q.limit+1 {
		q.limit = end
	}
	for next := first; next != 0; {
		index := next - 1
		next = q.slots[index].next
		if q.slots[index].seq == 0 {
			q.bury(index)
		} else {
			q.file(index)
		}
	}
}

// sweep drops the cancelled events. The order of the others is a property of their
// instants and sequence numbers alone, so that filing them anew cannot change it.
func (q *Queue[P]) sweep() {
	q.near.clear()
	q.wheel, q.dead = wheel{cursor: q.wheel.cursor}, 0
	q.free = q.free[:0]
	for i := range q.slots {
		if q.slots[i].seq == 0 {
			q.free = append(q.free, uint32(i))
		} else {
			q.file(uint32(i))
		}
	}
}
