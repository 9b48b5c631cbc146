package cluster

import (
	"fmt"
	"math/bits"
	"time"

	"microcosm/cosim/des"
	"microcosm/cosim/servicetime"
)

// invocation is one attempt to serve a request; most requests need no other.
type invocation struct {
	function *Function
	sandbox  *Sandbox
	twin     *invocation // the attempt beside it
	arrived  des.Time    // of the request
	started  des.Time    // a core was given the last time
	base     time.Duration
	service  time.Duration
	busy     time.Duration
	left     time.Duration // of busy, when the core was given
	luck     float64       // the quantile of its service time, drawn at arrival
	way      time.Duration // to the sandbox and back, added to the response
	id       int32         // its slot
	core     int32
	route    int32  // of the control plane
	life     int32  // tells apart what happens to this attempt and to others in its slot
	ticket   uint32 // in the queue that it waits in
	attempt  uint16 // of its request, from 1
	tag      int32  // of a flow's; else 0
	class    Class
	phase    phase
	begun    bool    // has its service time
	awaited  bool    // was there before its sandbox was
	_        [8]byte // to two cache lines
}

// renew begins a new attempt in the slot of one that has ended: what is set when
// its service begins (service, busy, left, core, started, class, awaited), and
// ticket, is not read before.
func (inv *invocation) renew(f *Function) {
	inv.function, inv.sandbox = f, nil
	inv.begun, inv.phase = false, phaseNew
	inv.twin, inv.way, inv.route = nil, 0, 0
}

// pool recycles invocations, so that memory follows the number in the system. They stay
// where they are.
type pool struct {
	slots []*invocation
	free  []*invocation
}

func (p *pool) take() *invocation {
	if n := len(p.free); n > 0 {
		inv := p.free[n-1]
		p.free = p.free[:n-1]
		return inv
	}
	inv := &invocation{id: int32(len(p.slots))}
	p.slots = append(p.slots, inv)
	return inv
}

func (p *pool) at(id int32) *invocation { return p.slots[id] }

func (p *pool) put(inv *invocation) {
	inv.life++
	inv.phase = phaseFree
	p.free = append(p.free, inv)
}

// Class groups conditions for the recorder: cold, warm, lukewarm by powers of
// two of k, and flush.
type Class uint8

// The classes. ClassLukewarm+i holds k from 2^i to 2^(i+1)−1.
const (
	ClassCold Class = iota
	ClassWarm
	ClassLukewarm
	ClassFlush = ClassLukewarm + 31
	Classes    = int(ClassFlush) + 1
)

// ClassOf returns the class of a state.
func ClassOf(s servicetime.State) Class {
	switch {
	case s.Cold:
		return ClassCold
	case s.New:
		return ClassFlush
	case s.K == 0:
		return ClassWarm
	default:
		return min(ClassLukewarm+Class(bits.Len64(uint64(s.K))-1), ClassFlush-1)
	}
}

// String returns the class as tables show it: "lukewarm 4-7".
func (c Class) String() string {
	switch {
	case c == ClassCold:
		return "cold"
	case c == ClassWarm:
		return "warm"
	case c == ClassFlush:
		return "flush"
	case c == ClassLukewarm:
		return "lukewarm 1"
	case c < ClassFlush:
		low := 1 << (c - ClassLukewarm)
		return fmt.Sprintf("lukewarm %d-%d", low, 2*low-1)
	default:
		return "invalid"
	}
}

// fifo is a growing ring buffer. The zero value is empty.
type fifo[T any] struct {
	ring  []T
	head  int
	count int
}

func (q *fifo[T]) len() int { return q.count }

func (q *fifo[T]) push(x T) {
	if q.count == len(q.ring) {
		ring := make([]T, max(8, 2*len(q.ring)))
		n := copy(ring, q.ring[q.head:])
		copy(ring[n:], q.ring[:q.head])
		q.ring, q.head = ring, 0
	}
	q.ring[(q.head+q.count)&(len(q.ring)-1)] = x
	q.count++
}

func (q *fifo[T]) pop() (T, bool) {
	var x T
	if q.count == 0 {
		return x, false
	}
	x = q.ring[q.head]
	q.head = (q.head + 1) & (len(q.ring) - 1)
	q.count--
	return x, true
}
