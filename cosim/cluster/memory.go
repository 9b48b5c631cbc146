package cluster

import (
	"cmp"
	"errors"
	"fmt"
	"time"
)

// Sizes is a law of amounts of memory.
type Sizes interface {
	// QuantileMiB returns the u-quantile in MiB, u in [0, 1).
	QuantileMiB(u float64) int
}

// MemoryUse is how much memory the sandboxes of a function really use. What is more
// than the sandbox's MemoryMiB ends it; what is more than the node has ends the
// sandbox with the highest badness there. A sandbox uses nothing until it is ready.
type MemoryUse struct {
	IdleMiB    int   // of a sandbox without invocations
	Invocation Sizes // of each invocation, from the slot that it gets to its end; nil for none
}

// memoryUse is a function's MemoryUse with what the model needs beside it.
type memoryUse struct {
	idle, limit int // MiB; a limit of 0 is none
	invocation  Sizes
}

// meal is the memory of one invocation. Meals lie beside the pool of invocations, so
// that a run that does not follow memory does not carry them.
type meal struct {
	appetite float64 // the quantile of what it uses, drawn at arrival
	mib      int     // in use
}

// followMemory finds out whether anybody's use of memory is to be followed. Then a
// function without a MemoryUse uses what it has requested, all the time.
func (m *Model) followMemory() {
	followed := false
	for _, f := range m.functions {
		followed = followed || f.config.Memory != nil
	}
	if !followed {
		return
	}
	for _, f := range m.functions {
		f.memory = &memoryUse{idle: f.request(), limit: f.config.MemoryMiB}
		if use := f.config.Memory; use != nil {
			f.memory.idle, f.memory.invocation = use.IdleMiB, use.Invocation
			f.appetite = m.config.Random("memory/" + f.config.Name)
		}
	}
}

// request returns the memory that a sandbox was promised, in MiB.
func (f *Function) request() int { return cmp.Or(f.config.RequestMiB, f.config.MemoryMiB) }

// meal returns the memory of an invocation of a function whose memory is followed.
func (m *Model) meal(id int32) *meal {
	for len(m.meals) <= int(id) {
		m.meals = append(m.meals, meal{})
	}
	return &m.meals[id]
}

// feed gives an invocation that has got a slot the memory that it uses.
func (m *Model) feed(s *Sandbox, id int32) {
	if sizes := s.function.memory.invocation; sizes != nil {
		of := m.meal(id)
		of.mib = sizes.QuantileMiB(of.appetite)
		m.allocate(s, of.mib)
	}
}

// giveBack takes the memory of an invocation that leaves its slot.
func (m *Model) giveBack(s *Sandbox, id int32) {
	of := m.meal(id)
	s.using -= int32(of.mib)
	s.node.using -= of.mib
	of.mib = 0
}

// allocate takes memory. Who has to go for it goes in an event of its own at the
// same instant: at the end of every instant nobody uses more than there is.
func (m *Model) allocate(s *Sandbox, mib int) {
	n := s.node
	s.using += int32(mib)
	n.using += mib
	switch limit := s.function.memory.limit; {
	case limit > 0 && int(s.using) > limit:
		m.events.Schedule(m.events.Now(), event{kind: eventSandboxMemory, ref: s.id, tag: s.life})
	case n.short():
		m.events.Schedule(m.events.Now(), event{kind: eventNodeMemory, ref: n.index})
	}
}

// short reports whether more of the node's memory is used than it has.
func (n *Node) short() bool { return n.config.MemoryMiB > 0 && n.using > n.config.MemoryMiB }

// overLimit ends a sandbox that uses more than it may, as the kernel does with a
// control group.
func (m *Model) overLimit(s *Sandbox) {
	if int(s.using) > s.function.memory.limit {
		m.recorder.overLimit++
		m.kill(s)
	}
}

// overMemory ends sandboxes of a node, the worst first, until what is left fits.
func (m *Model) overMemory(n *Node) {
	for n.short() {
		var worst *Sandbox
		for _, s := range n.residents {
			if s.using == 0 {
				continue
			}
			if worst == nil || cmp.Or(cmp.Compare(s.badness(), worst.badness()), cmp.Compare(s.life, worst.life)) > 0 {
				worst = s
			}
		}
		m.recorder.outOfMemory++
		m.kill(worst)
	}
}

// What the kubelet sets the kernel's oom_score_adj to (pkg/kubelet/qos/policy.go):
// who was promised much of the node's memory is spared.
const (
	leastAdjustment = 3   // of a burstable pod
	mostAdjustment  = 999 // likewise
	bestEffort      = 1000
)

// badness is what the kernel chooses by: the memory in use, and oom_score_adj
// thousandths of the node's memory more (mm/oom_kill.c, oom_badness). It is counted
// in thousandths of a MiB.
func (s *Sandbox) badness() int {
	memory, adjustment := s.node.config.MemoryMiB, bestEffort
	if request := s.function.request(); request > 0 {
		adjustment = min(max(1000-1000*request/memory, leastAdjustment), mostAdjustment)
	}
	return 1000*int(s.using) + adjustment*memory
}

// restart is after which time a sandbox that was ended for its memory is replaced,
// unless an arrival asks for one before: the kubelet's first backoff of a container
// that ends again and again (pkg/kubelet/kubelet.go, backOffPeriod). All that are
// missing when it is over are replaced.
const restart = 10 * time.Second

// kill ends a ready sandbox with everything in it. Those that wait in front of it go
// elsewhere, unless a control plane has let them in.
func (m *Model) kill(s *Sandbox) {
	f := s.function
	bound, homeless := m.inhabitants(s)
	for _, inv := range append(homeless, bound...) {
		m.unqueue(s, inv)
	}
	for _, inv := range bound { // after the queues: cores go to who waits for them
		m.discount(inv)
		if inv.phase == phaseOnCore || inv.phase == phaseHeld {
			m.yield(s.node, inv)
		}
		if inv.phase != phaseSandboxQueue {
			f.inService--
			s.node.load--
		}
	}
	gone := Lost{Sandbox: s}
	for _, inv := range homeless {
		inv.sandbox = nil
	}
	for _, inv := range bound {
		gone.Routes = append(gone.Routes, m.detach(inv))
	}
	m.discard(s)
	if m.control != nil {
		m.control.Lost([]Lost{gone}, restart)
	} else {
		m.events.Schedule(m.events.Now().Add(restart), event{kind: eventRestart, ref: int32(f.index)})
	}
	for _, inv := range bound {
		m.lose(inv, LossMemory)
	}
	for _, inv := range homeless {
		m.admit(inv)
	}
	m.placeWaiting()
}

// inhabitants lists the invocations that end with a sandbox, and those that only
// wait in front of it and can go elsewhere.
func (m *Model) inhabitants(s *Sandbox) (bound, homeless []*invocation) {
	for _, inv := range m.invocations.slots {
		switch {
		case inv.phase == phaseFree || inv.sandbox != s:
		case inv.phase == phaseSandboxQueue && m.control == nil:
			homeless = append(homeless, inv)
		default:
			bound = append(bound, inv)
		}
	}
	return bound, homeless
}

// checkMemory compares the books of every node with its sandboxes, and theirs with
// the invocations in them.
func (m *Model) checkMemory() error {
	var mistakes []error
	used := map[*Sandbox]int{}
	for i := range m.meals {
		if inv := m.invocations.at(int32(i)); m.meals[i].mib > 0 {
			used[inv.sandbox] += m.meals[i].mib
		}
	}
	for _, n := range m.nodes {
		sum := 0
		for _, s := range n.residents {
			if s.function.memory != nil && s.ready {
				used[s] += s.function.memory.idle
			}
			sum += int(s.using)
			if used[s] != int(s.using) {
				mistakes = append(mistakes, fmt.Errorf("a sandbox of %s uses %d MiB, but what is in it %d", s.function.Name(), s.using, used[s]))
			}
		}
		if sum != n.using || n.short() {
			mistakes = append(mistakes, fmt.Errorf("%d MiB of %d are used on node %s, but %d by its sandboxes", n.using, n.config.MemoryMiB, n.config.Name, sum))
		}
	}
	return errors.Join(mistakes...)
}
