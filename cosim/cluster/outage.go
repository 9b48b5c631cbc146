package cluster

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"microcosm/cosim/des"
	"microcosm/cosim/servicetime"
)

// Reliability is how a node comes and goes. The zero value stays for ever.
type Reliability struct {
	// Schedule is how many cores it has over its life; empty: all of them.
	Schedule CoreSchedule
	// Lifetime is how long it lives from each of its starts; nil: for ever. It is
	// drawn once per life, so that the hazard at every age is that of the law.
	Lifetime servicetime.Distribution
	// FailAt are times since the beginning at which it goes away.
	FailAt []time.Duration
	// Notice is how long ahead its end is known: from then on it takes no more
	// work and finishes what it has.
	Notice time.Duration
	// Repair is after which time it starts again, empty; Unlimited: never.
	Repair time.Duration
}

// CoreSchedule is the number of cores of a node over its life; it repeats.
type CoreSchedule struct {
	Steps  []CoreStep
	Offset time.Duration // where in the schedule a life begins
}

// CoreStep is a time with a number of cores, which may be 0.
type CoreStep struct {
	For   time.Duration
	Cores int
}

func (r Reliability) check(n NodeConfig) (mistakes []error) {
	wrong := func(format string, args ...any) {
		mistakes = append(mistakes, fmt.Errorf("node "+n.Name+": "+format, args...))
	}
	for i, s := range r.Schedule.Steps {
		if s.For <= 0 || s.Cores < 0 || s.Cores > n.Cores {
			wrong("step %d of its core schedule has %d of %d cores for %v", i+1, s.Cores, n.Cores, s.For)
		}
	}
	for _, at := range r.FailAt {
		if at < 0 {
			wrong("it cannot fail at %v, before the beginning", at)
		}
	}
	if r.Notice < 0 || r.Repair < Unlimited || r.Schedule.Offset < 0 {
		wrong("notice, repair and offset must not be negative")
	}
	return mistakes
}

// open begins the first life of each node.
func (m *Model) open() {
	for _, n := range m.nodes {
		for _, at := range n.config.FailAt {
			m.foretell(n, des.Time(at), anyLife)
		}
		m.boot(n)
	}
}

// anyLife tags the end of whatever life a node then has.
const anyLife = -1

// boot begins a life of the node.
func (m *Model) boot(n *Node) {
	r := &n.config.Reliability
	n.up, n.draining = true, r.endIsKnown(m.events.Now())
	n.life++
	defer m.nodeChanged(n)
	cores := n.config.Cores
	if steps := r.Schedule.Steps; len(steps) > 0 {
		n.step = 0
		left := r.Schedule.Offset % r.Schedule.length()
		for left >= steps[n.step].For {
			left -= steps[n.step].For
			n.step++
		}
		cores = steps[n.step].Cores
		m.scheduleNode(m.events.Now().Add(steps[n.step].For-left), eventNodeCores, n, n.life)
	}
	m.setCores(n, cores)
	if r.Lifetime != nil {
		if n.random == nil {
			n.random = m.config.Random("node/" + n.config.Name)
		}
		m.foretell(n, m.events.Now().Add(max(1, r.Lifetime.Quantile(n.random.Float64()))), n.life)
	}
}

// endIsKnown reports whether a life that begins now has notice of its end.
func (r *Reliability) endIsKnown(now des.Time) bool {
	return slices.ContainsFunc(r.FailAt, func(at time.Duration) bool {
		end := des.Time(at)
		return end > now && end.Add(-r.Notice) <= now
	})
}

func (s CoreSchedule) length() (all time.Duration) {
	for _, step := range s.Steps {
		all += step.For
	}
	return all
}

// foretell schedules the end of a life, and its notice.
func (m *Model) foretell(n *Node, at des.Time, life int32) {
	if notice := n.config.Notice; notice > 0 {
		m.scheduleNode(max(m.events.Now(), at.Add(-notice)), eventNodeNotice, n, life)
	}
	m.scheduleNode(at, eventNodeEnd, n, life)
}

func (m *Model) scheduleNode(at des.Time, kind eventKind, n *Node, life int32) {
	m.events.Schedule(at, event{kind: kind, ref: n.index, tag: life})
}

// change handles what happens to a node. An event of a life that is over is
// none.
func (m *Model) change(kind eventKind, n *Node, life int32) {
	if life != anyLife && life != n.life {
		return
	}
	switch {
	case kind == eventNodeRepair && !n.up:
		m.boot(n)
		m.placeWaiting()
	case !n.up:
	case kind == eventNodeNotice:
		m.drain(n)
	case kind == eventNodeEnd:
		m.end(n)
	case kind == eventNodeCores:
		steps := n.config.Schedule.Steps
		n.step = (n.step + 1) % len(steps)
		m.scheduleNode(m.events.Now().Add(steps[n.step].For), eventNodeCores, n, life)
		m.setCores(n, steps[n.step].Cores)
	}
}

// drain lets a node finish what it has and gives it nothing more.
func (m *Model) drain(n *Node) {
	n.draining = true
	m.nodeChanged(n)
	if m.control != nil {
		var leaving []*Sandbox
		for _, s := range n.byAge() {
			if s.ready {
				leaving = append(leaving, s)
			}
		}
		m.control.Leaving(leaving)
		return
	}
	var homeless []*invocation
	affected := map[*Function]bool{}
	for _, s := range slices.Clone(n.residents) {
		if !s.ready || s.leaving {
			continue // one that starts goes when it is ready
		}
		affected[s.function] = true
		s.leaving = true
		s.function.all.remove(s)
		s.function.free.remove(s)
		for id, ok := s.queue.pop(); ok; id, ok = s.queue.pop() {
			n.load--
			inv := m.invocations.at(id)
			inv.sandbox = nil
			homeless = append(homeless, inv)
		}
		if s.inService == 0 {
			m.discard(s)
		}
	}
	for _, inv := range homeless {
		m.admit(inv)
	}
	m.replace(affected)
}

// end takes a node away with everything on it.
func (m *Model) end(n *Node) {
	m.recorder.ended++
	var bound []*invocation
	for _, inv := range m.invocations.slots {
		if inv.phase != phaseFree && inv.sandbox != nil && inv.sandbox.node == n {
			bound = append(bound, inv)
			m.discount(inv)
			if inv.phase != phaseSandboxQueue {
				inv.function.inService--
			}
		}
	}
	m.halt(n)
	n.up = false
	routes := map[*Sandbox][]int32{}
	for _, inv := range bound {
		s := inv.sandbox
		routes[s] = append(routes[s], m.detach(inv))
	}
	affected := map[*Function]bool{}
	var gone []Lost
	for _, s := range n.byAge() {
		affected[s.function] = true
		s.queue.clear()
		gone = append(gone, Lost{s, routes[s]})
		if s.ready {
			m.discard(s)
		} else {
			s.function.starting--
			m.drop(s)
		}
	}
	n.life++
	m.nodeChanged(n)
	if m.control != nil {
		m.control.Lost(gone, 0)
	}
	for _, inv := range bound {
		m.lose(inv, LossNode)
	}
	m.replace(affected)
	if repair := n.config.Repair; repair >= 0 {
		m.scheduleNode(m.events.Now().Add(repair), eventNodeRepair, n, n.life)
	}
}

// halt stops all cores of a node at once.
func (m *Model) halt(n *Node) {
	m.recorder.busyCores(m, -int64(n.Busy()))
	m.recorder.cores(m, -int64(n.online))
	n.online, n.load = 0, 0
	n.idle.empty()
	n.queue.clear()
	for i := range n.cores {
		n.cores[i].active = 0
	}
	for i := range n.waiting {
		n.waiting[i].clear()
	}
	for i := range n.shares {
		m.events.Cancel(n.shares[i].timer)
		n.shares[i].jobs, n.shares[i].parked = n.shares[i].jobs[:0], nil
	}
}

// detach takes an invocation out of a sandbox that is gone: what was to happen to it
// there does not. It returns the route by which it had come.
func (m *Model) detach(inv *invocation) (route int32) {
	if inv.function.memory != nil {
		m.meal(inv.id).mib = 0
	}
	inv.sandbox = nil
	inv.life++
	return inv.route
}

// byAge lists the sandboxes of a node, the oldest first.
func (n *Node) byAge() []*Sandbox {
	list := slices.Clone(n.residents)
	slices.SortFunc(list, func(a, b *Sandbox) int { return cmp.Compare(a.life, b.life) })
	return list
}

// replace asks the scalers of the functions that lost sandboxes; a control plane
// knows by itself.
func (m *Model) replace(affected map[*Function]bool) {
	if m.control != nil {
		return
	}
	functions := make([]*Function, 0, len(affected))
	for f := range affected {
		functions = append(functions, f)
	}
	slices.SortFunc(functions, func(a, b *Function) int { return cmp.Compare(a.index, b.index) })
	for _, f := range functions {
		m.scale(f)
	}
}

// setCores gives the node another number of cores. Those with the highest
// numbers come and go; who is on one that goes continues on another, ahead of
// those that have not begun, and has lost nothing but what its core remembered.
func (m *Model) setCores(n *Node, cores int) {
	was := int(n.online)
	m.recorder.cores(m, int64(cores-was))
	n.online = int32(cores)
	m.reorder(n)
	for core := was; core < cores; core++ {
		n.idle.set(core)
	}
	for core := cores; core < was; core++ {
		m.vacate(n, core)
	}
	m.repin(n)
	m.wake(n)
	m.checkCores(n)
}

// vacate empties a core that is gone.
func (m *Model) vacate(n *Node, core int) {
	if n.idle.has(core) {
		n.idle.clear(core)
		if n.shares == nil || len(n.shares[core].parked) == 0 {
			return
		}
	} else {
		m.recorder.busyCores(m, -1)
	}
	for _, inv := range m.invocations.slots {
		if inv.phase != phaseOnCore && inv.phase != phaseHeld || int(inv.core) != core || inv.sandbox.node != n {
			continue
		}
		m.settle(inv)
		m.recorder.preempted++
		if m.config.Discipline != FCFS {
			n.shares[core].remove(inv.id, m.events.Now())
		}
		n.leave(core, inv.sandbox, m.events.Now())
		inv.life++
		if inv.sandbox.group != nil {
			m.part(inv.sandbox, inv.id)
		}
		q, at := &n.queue, phaseNodeQueue
		if m.config.CoreChoice == CorePinned && m.config.Discipline == FCFS {
			q, at = &n.waiting[core], phaseCoreQueue
		}
		inv.phase, inv.ticket = at, q.pushFront(inv.id)
	}
	if m.config.Discipline != FCFS {
		m.events.Cancel(n.shares[core].timer)
	}
}

// repin gives sandboxes that keep a core that is gone another one, and those
// that waited for it follow: who has begun to the front.
func (m *Model) repin(n *Node) {
	if n.waiting == nil {
		return
	}
	for _, s := range n.residents {
		if s.pinned >= n.online && n.online > 0 {
			n.cores[s.pinned].pins--
			s.pinned = n.pin()
		}
	}
	for core := int(n.online); core < len(n.cores) && n.online > 0; core++ {
		for id, ok := n.waiting[core].pop(); ok; id, ok = n.waiting[core].pop() {
			inv := m.invocations.at(id)
			line := &n.waiting[inv.sandbox.pinned]
			if inv.begun {
				inv.ticket = line.pushFront(id)
			} else {
				inv.ticket = line.push(id)
			}
		}
	}
}

// wake gives idle cores to those that wait.
func (m *Model) wake(n *Node) {
	if m.config.Discipline != FCFS {
		for n.online > 0 {
			id, ok := n.queue.pop()
			if !ok {
				break
			}
			inv := m.invocations.at(id)
			m.share(n, m.chooseShared(n, inv.sandbox), inv)
		}
		for core := n.idle.first(); core >= 0; core = n.idle.after(core) {
			m.balance(n, core)
		}
		return
	}
	for core := n.idle.first(); core >= 0; core = n.idle.after(core) {
		if id, ok := n.nextFor(core); ok {
			m.take(n, core, m.invocations.at(id))
		}
	}
}

// checkCores ends the run unless every core of the node is idle or at work, and
// none that is gone is either.
func (m *Model) checkCores(n *Node) {
	atWork := 0
	for i := range n.cores {
		active := n.cores[i].active > 0
		if n.shares != nil {
			active = len(n.shares[i].jobs) > 0 // not only held back
		}
		if active {
			atWork++
		}
		if active && i >= int(n.online) || active == n.idle.has(i) && i < int(n.online) {
			m.failure = fmt.Errorf("core %d of node %s is both idle and at work, neither, or gone and at work", i, n.config.Name)
		}
	}
	if atWork+n.idle.count() != int(n.online) {
		m.failure = fmt.Errorf("node %s has %d cores, but %d at work and %d idle", n.config.Name, n.online, atWork, n.idle.count())
	}
}
