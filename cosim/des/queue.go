package des

import "fmt"

// Queue is the set of future events of one run, each carrying a payload of
// type P by value. The zero value is an empty queue at time 0. It is not safe
// for concurrent use: one run is one goroutine. It holds fewer than 2^24
// pending events, and fewer than 2^40 over its life; more panic.
//
// What happens next is in a heap. What happens later waits unsorted in a hierarchical
// timing wheel (Varghese and Lauck, IEEE/ACM Transactions on Networking 5 (1997)
// 824-834): 64 buckets of one instant each, 64 of 64 ns, 64 of 4096 ns, and so on. A
// bucket whose turn has come goes into the heap if few events are in it, else into the
// 64 buckets below. The heap so stays small enough for the first cache, however many
// events are pending. Events of sources are in a heap of their own.
type Queue[P any] struct {
	now     Time
	seq     uint64
	single  int   // pending events that belong to no source
	dead    int   // cancelled events that still have their slots
	near    front // all events up to limit
	limit   Time
	wheel   wheel     // the others
	slots   []slot[P] // the first is never used
	free    uint32    // the first of the chain of unused slots
	sources sources[P]
}

// slot is one pending event.
type slot[P any] struct {
	seq     uint64 // 0: cancelled, or none
	at      Time
	next    uint32 // slot in a chain: of its bucket in the wheel, or of unused ones; 0: none
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
func (q *Queue[P]) Len() int { return q.single + q.sources.len() }

// Schedule adds an event at the instant at. An instant before Now is a
// programming error and panics, since it would break the order of time.
func (q *Queue[P]) Schedule(at Time, payload P) Timer {
	seq := q.stamp(at)
	index := q.free
	if index == 0 {
		index = q.grow()
	}
	s := &q.slots[index]
	q.free = s.next
	q.single++
	s.seq, s.at, s.payload = seq, at, payload
	q.file(s, index)
	return Timer{seq: seq, slot: index}
}

// stamp returns the sequence number of a new event, which must not lie in the past.
func (q *Queue[P]) stamp(at Time) uint64 {
	q.seq++
	if at < q.now || q.seq == maxSeq {
		q.refuse(at)
	}
	return q.seq
}

func (q *Queue[P]) refuse(at Time) {
	if at < q.now {
		panic(fmt.Sprintf("des: schedule at %v, but it is already %v", at, q.now))
	}
	panic(fmt.Sprintf("des: %d events are too many", uint64(maxSeq)))
}

// grow returns an unused slot that is in no chain.
func (q *Queue[P]) grow() uint32 {
	if len(q.slots) == maxSlots {
		panic(fmt.Sprintf("des: %d pending events are too many", maxSlots-1))
	}
	q.slots = append(q.slots, slot[P]{})
	if len(q.slots) == 1 {
		return q.grow()
	}
	return uint32(len(q.slots) - 1)
}

// release makes a slot an unused one.
func (q *Queue[P]) release(s *slot[P], index uint32) {
	s.seq, s.next, q.free = 0, q.free, index
}

// Cancel withdraws the event that t names and reports whether it was still to
// happen. Its cost is constant, amortized: dead events are swept out once
// they are the larger half.
func (q *Queue[P]) Cancel(t Timer) bool {
	if t.seq == 0 || q.slots[t.slot].seq != t.seq {
		return false
	}
	q.slots[t.slot].seq = 0
	q.single--
	if q.dead++; q.dead > 64 && q.dead > q.single {
		q.sweep()
	}
	return true
}

// Pop removes the next event, advances Now to its instant and returns its
// payload. It reports false, and leaves Now alone, when no event is left.
func (q *Queue[P]) Pop() (payload P, ok bool) { return q.PopBy(End) }

// PopBy is Pop for an event that happens at the given instant or before it.
func (q *Queue[P]) PopBy(last Time) (payload P, ok bool) {
	single := q.reach()
	if q.sources.any() && (!single || q.sources.before(&q.near.first)) {
		if at := q.sources.at(); at <= last {
			q.now = at
			return q.sources.pop(), true
		}
		return payload, false
	}
	if !single || q.near.first.at > last {
		return payload, false
	}
	q.now = q.near.first.at
	index := q.near.first.slot()
	q.near.pop()
	q.single--
	s := &q.slots[index]
	q.release(s, index)
	return s.payload, true
}

// Peek returns the instant of the next event, or End when there is none.
func (q *Queue[P]) Peek() Time {
	next := End
	if q.sources.any() {
		next = q.sources.at()
	}
	if q.reach() {
		next = min(next, q.near.first.at)
	}
	return next
}

// Advance moves Now forward to the instant at without an event. It panics
// where an earlier event is pending or at lies in the past.
func (q *Queue[P]) Advance(at Time) {
	if at < q.now || at > q.Peek() {
		panic(fmt.Sprintf("des: advance to %v, now %v, next event %v", at, q.now, q.Peek()))
	}
	q.now = at
}

// reach brings the next event that belongs to no source to the front, and reports
// whether there is one.
func (q *Queue[P]) reach() bool { return q.near.occupied && q.dead == 0 || q.search() }

func (q *Queue[P]) search() bool {
	for {
		for q.dead > 0 && q.near.occupied {
			index := q.near.first.slot()
			s := &q.slots[index]
			if s.seq != 0 {
				break
			}
			q.near.pop()
			q.bury(s, index)
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
func (q *Queue[P]) bury(s *slot[P], index uint32) {
	q.dead--
	q.release(s, index)
}

// turn takes the next bucket of the wheel to pieces.
func (q *Queue[P]) turn() {
	index, count, last := q.wheel.next()
	q.limit = last
	if count > few && last > q.wheel.cursor {
		q.limit = q.wheel.cursor - 1
	}
	for index != 0 {
		s := &q.slots[index]
		next := s.next
		if s.seq == 0 {
			q.bury(s, index)
		} else {
			q.file(s, index)
		}
		index = next
	}
}

// file puts the event in a slot into the heap or the wheel.
func (q *Queue[P]) file(s *slot[P], index uint32) {
	if s.at <= q.limit {
		q.near.push(key{s.at, s.seq<<slotBits | uint64(index)})
	} else {
		s.next = q.wheel.add(s.at, index)
	}
}

// sweep drops the cancelled events. The order of the others is a property of their
// instants and sequence numbers alone, so that filing them anew cannot change it.
func (q *Queue[P]) sweep() {
	q.near.clear()
	q.wheel = wheel{cursor: q.wheel.cursor}
	q.dead, q.free = 0, 0
	for i := len(q.slots) - 1; i > 0; i-- {
		if s := &q.slots[i]; s.seq == 0 {
			q.release(s, uint32(i))
		} else {
			q.file(s, uint32(i))
		}
	}
}
