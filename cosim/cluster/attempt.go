package cluster

import (
	"math"
	"math/rand/v2"
	"time"
)

// phase says where an attempt is.
type phase uint8

const (
	phaseFree          phase = iota // nowhere: the slot can be taken
	phaseNew                        // about to be admitted
	phaseFunctionQueue              // waits for a sandbox
	phaseSandboxQueue               // waits for a slot of its sandbox
	phaseNodeQueue                  // has a slot and waits for a core, any
	phaseCoreQueue                  // has a slot and waits for the core its sandbox keeps
	phaseOnCore                     // holds a core, or a share of one
	phaseOffCore                    // in service without a core
	phaseHeld                       // in service on a core that a quota keeps it from
	phaseBackoff                    // lost, to be tried again
)

// Loss is why an attempt came to nothing.
type Loss uint8

// The losses.
const (
	LossInvalid  Loss = iota
	LossNode          // its node went away
	LossRejected      // it found every queue full
	LossMemory        // its sandbox was ended for the memory that it or others used
)

// Retry decides whether a request whose attempt was lost is tried again.
type Retry interface {
	// Again returns after which time the attempt that follows the given one,
	// counted from 1, is made; false fails the request.
	Again(attempt int, why Loss, random *rand.Rand) (after time.Duration, again bool)
}

// Hedge decides when a second attempt is made beside one that takes long. The
// first of the two to end answers, the other one is cancelled (Dean and Barroso,
// The Tail at Scale, 2013). A retry repeats a call with its luck; a hedge draws
// luck of its own, which is what it bets on.
type Hedge interface {
	// After returns how long an attempt may take before another one is made
	// beside it; false makes none.
	After() (wait time.Duration, hedged bool)
	// Responded tells the response time of a request that was answered.
	Responded(response time.Duration)
}

// arm has the attempt hedged if it takes long.
func (m *Model) arm(inv *invocation) {
	f := inv.function
	if f.hedge == nil || inv.twin != nil || inv.phase == phaseFree || inv.phase == phaseBackoff {
		return
	}
	if wait, ok := f.hedge.After(); ok {
		m.events.Schedule(m.events.Now().Add(wait), event{kind: eventHedge, ref: inv.id, tag: inv.life})
	}
}

// hedge makes a second attempt in another sandbox, if one can take it: bound
// late, one with a free slot. An attempt that waits for any sandbox at all is not
// doubled, since both would wait in the same queue.
func (m *Model) hedge(first *invocation) {
	f := first.function
	if first.twin != nil || first.sandbox == nil || first.phase == phaseBackoff {
		return
	}
	candidates := &f.all
	if m.config.Binding == BindLate {
		candidates = &f.free
	}
	if candidates.Len() == 0 {
		return
	}
	s := f.balancer.Choose(candidates, f.random)
	if s == first.sandbox {
		if s = candidates.After(s); s == first.sandbox {
			return
		}
	}
	if limit := f.config.QueueLimit; s.full() && limit != Unlimited && s.queue.len() >= limit {
		return
	}
	second := m.invocations.take()
	second.renew(f)
	second.arrived, second.base, second.luck = first.arrived, first.base, f.hedgeLuck.Float64()
	second.attempt, second.tag = first.attempt, first.tag
	first.twin, second.twin = second, first
	if f.appetite != nil {
		m.meal(second.id).appetite = m.meal(first.id).appetite // it is the same call
	}
	m.recorder.hedged(f)
	m.bind(s, second)
}

// lose ends an attempt that came to nothing. Its request goes on in the attempt
// beside it, is tried again, or fails.
func (m *Model) lose(inv *invocation, why Loss) {
	m.recorder.lostAttempts++
	if inv.twin != nil {
		inv.twin.twin = nil
		m.invocations.put(inv)
		return
	}
	if m.config.Retry != nil {
		if after, again := m.config.Retry.Again(int(inv.attempt), why, m.random.retry); again {
			inv.phase, inv.sandbox, inv.begun = phaseBackoff, nil, false
			inv.life++
			m.events.Schedule(m.events.Now().Add(max(0, after)), event{kind: eventRetry, ref: inv.id, tag: inv.life})
			return
		}
	}
	f, last := inv.function, *inv
	m.invocations.put(inv)
	f.inSystem--
	m.recorder.gaveUp(m, &last, why)
	if last.tag != 0 {
		m.endOfStep(&last, false)
	}
}

// retry makes the next attempt of a request.
func (m *Model) retry(inv *invocation) {
	f := inv.function
	inv.attempt++
	inv.phase = phaseNew
	m.recorder.retried(f)
	if m.control != nil {
		m.control.Arrived(f, inv.id)
		return
	}
	m.admit(inv)
	m.arm(inv)
	m.scale(f)
}

// cancel ends an attempt whose request was answered by the one beside it.
func (m *Model) cancel(inv *invocation) {
	m.recorder.cancelled++
	m.discount(inv)
	s, at := inv.sandbox, inv.phase
	if at == phaseFunctionQueue { // its sandbox went away
		inv.function.queue.remove(inv.ticket)
		m.invocations.put(inv)
		return
	}
	m.unqueue(s, inv)
	if at == phaseOnCore || at == phaseHeld {
		m.yield(s.node, inv)
	}
	if s.function.appetite != nil {
		m.giveBack(s, inv.id)
	}
	m.invocations.put(inv)
	if at != phaseSandboxQueue {
		m.freeSlot(s, inv.route)
	}
}

// unqueue takes an attempt out of the queue in which it waits at its sandbox or node,
// if it does.
func (m *Model) unqueue(s *Sandbox, inv *invocation) {
	n := s.node
	switch inv.phase {
	case phaseSandboxQueue:
		s.queue.remove(inv.ticket)
		n.load--
	case phaseNodeQueue:
		n.queue.remove(inv.ticket)
	case phaseCoreQueue:
		n.waiting[s.pinned].remove(inv.ticket)
	}
}

// discount settles what the attempt has executed, which nobody gets to see.
func (m *Model) discount(inv *invocation) {
	m.settle(inv)
	if inv.begun {
		m.recorder.lost += float64(inv.busy - inv.left)
	}
}

// settle counts the core time that an attempt on a core has received so far.
func (m *Model) settle(inv *invocation) {
	if inv.phase != phaseOnCore {
		return
	}
	received := min(inv.left, time.Duration(math.Round(m.attained(inv))))
	inv.left -= received
	inv.started = m.events.Now()
	m.recorder.executed += float64(received)
}

// yield takes the attempt, whose work is settled, off its core, which goes to
// the next.
func (m *Model) yield(n *Node, inv *invocation) {
	core := int(inv.core)
	if m.config.Discipline != FCFS {
		n.shares[core].remove(inv.id, m.events.Now())
		n.leave(core, inv.sandbox, m.events.Now())
		if inv.sandbox.group != nil {
			m.part(inv.sandbox, inv.id)
		}
		m.continueShare(n, core)
		return
	}
	n.leave(core, inv.sandbox, m.events.Now())
	m.passOn(n, core)
}
