package des

import "fmt"

// Source names a process whose events happen one after the other, each of them
// scheduled when the one before it has happened, as the arrivals of a function are.
type Source uint32

// sources holds the events of sources apart from the others: the next one of a source
// takes the place of the one that has just happened, which is most often close to where
// it belongs, and needs no slot of its own.
type sources[P any] struct {
	open     bool // the first of next has happened
	next     heap // of those that have an event pending
	armed    []bool
	payloads []P
}

// NewSource adds a source whose events carry the given payload. It has none pending yet.
func (q *Queue[P]) NewSource(payload P) Source {
	s := &q.sources
	if len(s.payloads) == maxSlots {
		panic(fmt.Sprintf("des: %d sources are too many", maxSlots))
	}
	s.payloads, s.armed = append(s.payloads, payload), append(s.armed, false)
	return Source(len(s.payloads) - 1)
}

// Emit is Schedule for the next event of a source, which cannot be cancelled. A source
// has one event pending at most; a second one is a programming error and panics.
func (q *Queue[P]) Emit(source Source, at Time) {
	s := &q.sources
	if s.armed[source] {
		panic(fmt.Sprintf("des: source %d already has an event pending", source))
	}
	s.armed[source] = true
	k := key{at, q.stamp(at)<<slotBits | uint64(source)}
	if s.open {
		s.open = false
		s.next.replace(k)
	} else {
		s.next.push(k)
	}
}

// len returns the number of pending events.
func (s *sources[P]) len() int {
	if s.open {
		return s.next.len() - 1
	}
	return s.next.len()
}

// any reports whether there is an event, and brings the first to the top of the heap.
func (s *sources[P]) any() bool {
	if s.open {
		s.open = false
		s.next.pop()
	}
	return !s.next.empty()
}

// before reports whether the first event, of which there must be one, comes before k.
func (s *sources[P]) before(k *key) bool { return before(&s.next[root], k) == 1 }

// at returns the instant of the first event.
func (s *sources[P]) at() Time { return s.next[root].at }

// pop takes the first event.
func (s *sources[P]) pop() (payload P) {
	source := s.next[root].slot()
	s.open, s.armed[source] = true, false
	return s.payloads[source]
}
