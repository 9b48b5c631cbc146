package cluster

import (
	"math"
	"slices"

	"microcosm/cosim/des"
)

// What the kubelet makes of a function's CPU (pkg/kubelet/cm/helpers_linux.go).
const (
	sharesPerCore = 1024
	leastShares   = 2
)

// group is the control group of a sandbox under CFS: its weight beside others, and
// its quota (Documentation/scheduler/sched-bwc.rst). Each core is shared in proportion
// to the weights of the groups on it; a group's weight is divided among its
// invocations, so that each core has the part of it that runs there.
type group struct {
	shares float64
	tasks  []int32 // its invocations that have a core, those that are held back included

	quota    float64  // nanoseconds of core time per period; 0: without a limit
	period   des.Time // of the quota; periods begin when the sandbox was made
	origin   des.Time
	consumed float64 // of the quota, in the period of updated
	rate     float64 // at which it is consumed now: cores
	updated  des.Time
	timer    des.Timer
	held     bool // the quota is used up
}

// newGroup returns the control group of a new sandbox.
func (m *Model) newGroup(f *Function) *group {
	c, now := &f.config, m.events.Now()
	return &group{
		shares: float64(max(leastShares, c.CPURequest*sharesPerCore/1000)),
		quota:  float64(c.CPULimit) * float64(m.config.QuotaPeriod) / 1000,
		period: des.Time(m.config.QuotaPeriod), origin: now, updated: now,
	}
}

// weight is that of each of the group's invocations.
func (g *group) weight() float64 { return g.shares / float64(len(g.tasks)) }

// boundary returns the beginning of the period after the instant.
func (g *group) boundary(now des.Time) des.Time {
	return g.origin + ((now-g.origin)/g.period+1)*g.period
}

// settle brings what was consumed up to date; each period begins with the whole
// quota.
func (g *group) settle(now des.Time) {
	if begin := g.boundary(now) - g.period; g.updated < begin {
		g.consumed, g.updated = 0, begin
	}
	g.consumed += g.rate * float64(now-g.updated)
	g.updated = now
}

// exhausted returns when the quota will be used up at the present rate; End if it
// will not. What is used up on the boundary of a period holds nobody back.
func (g *group) exhausted(now des.Time) des.Time {
	if g.rate == 0 {
		return des.End
	}
	after := func(from des.Time, left float64) des.Time {
		return from + des.Time(math.Ceil(max(0, left)/g.rate))
	}
	next := g.boundary(now)
	if at := after(now, g.quota-g.consumed); at < next {
		return at
	}
	if g.rate*float64(g.period) <= g.quota {
		return des.End
	}
	return after(next, g.quota)
}

// enlist makes an invocation that has got a core one of its sandbox's group. It has no
// part of the core yet.
func (m *Model) enlist(s *Sandbox, inv *invocation) {
	inv.phase = phaseHeld
	s.group.tasks = append(s.group.tasks, inv.id)
	m.reweigh(s)
}

// part takes out one that has left its core.
func (m *Model) part(s *Sandbox, id int32) {
	g := s.group
	g.tasks = slices.DeleteFunc(g.tasks, func(other int32) bool { return other == id })
	m.reweigh(s)
	m.meter(s)
}

// reweigh divides the group's weight anew among its invocations.
func (m *Model) reweigh(s *Sandbox) {
	if s.group.held || len(s.group.tasks) == 0 {
		return
	}
	weight := s.group.weight()
	for core := range s.node.shares {
		if s.node.shares[core].reweigh(s, weight, m.events.Now()) {
			m.reschedule(s.node, core)
		}
	}
}

// reweigh gives the sandbox's invocations on the core another weight, and reports
// whether there are any.
func (c *share) reweigh(s *Sandbox, weight float64, now des.Time) (any bool) {
	c.advance(now)
	sum := 0.0
	for i := range c.jobs {
		j := &c.jobs[i]
		if j.sandbox == s {
			j.finish = c.virtual + (j.finish-c.virtual)*j.weight/weight
			j.weight, any = weight, true
		}
		sum += j.weight
	}
	if any {
		c.weight = sum
		slices.SortFunc(c.jobs, byFinish) // sorted is a heap
	}
	return any
}

// meter finds out when the quota of a sandbox will be used up, after the rates of its
// invocations have changed.
func (m *Model) meter(s *Sandbox) {
	g := s.group
	if g.quota == 0 || g.held {
		return
	}
	now := m.events.Now()
	g.settle(now)
	g.rate = 0
	for _, id := range g.tasks {
		if inv := m.invocations.at(id); inv.phase == phaseOnCore {
			g.rate += g.weight() / s.node.shares[inv.core].weight
		}
	}
	m.events.Cancel(g.timer)
	if at := g.exhausted(now); at < des.End {
		m.wakeGroup(s, at)
	}
}

func (m *Model) wakeGroup(s *Sandbox, at des.Time) {
	s.group.timer = m.events.Schedule(at, event{kind: eventQuota, ref: s.id, tag: s.life})
}

// quota holds a sandbox back whose quota is used up, or lets it go on.
func (m *Model) quota(s *Sandbox) {
	g, now := s.group, m.events.Now()
	if g.held {
		g.held = false
		for _, id := range g.tasks {
			inv := m.invocations.at(id)
			s.node.shares[inv.core].unpark(id)
			m.attach(s.node, int(inv.core), inv)
		}
		return
	}
	g.settle(now)
	if g.consumed < g.quota-float64(len(g.tasks)+1) {
		m.meter(s) // a rounding has carried it over the end of a period
		return
	}
	if wait := m.ending(s); wait > 0 {
		m.wakeGroup(s, now+wait)
		return
	}
	m.hold(s)
}

// ending returns how long it takes until an invocation of the sandbox ends that ends
// now but for a rounding; 0 where there is none.
func (m *Model) ending(s *Sandbox) (wait des.Time) {
	for _, id := range s.group.tasks {
		inv := m.invocations.at(id)
		if inv.phase != phaseOnCore {
			continue
		}
		if left := float64(inv.left) - m.attained(inv); left < 1 {
			c := &s.node.shares[inv.core]
			wait = max(wait, 1, des.Time(math.Ceil(left/s.group.weight()*c.weight)))
		}
	}
	return wait
}

// hold takes the cores from the invocations of a sandbox until its next period
// begins. They go on where they were.
func (m *Model) hold(s *Sandbox) {
	g, n, now := s.group, s.node, m.events.Now()
	m.recorder.throttled++
	g.held, g.rate = true, 0
	var cores []int
	for _, id := range g.tasks {
		inv := m.invocations.at(id)
		if inv.phase != phaseOnCore {
			continue
		}
		m.settle(inv)
		m.recorder.stays++
		c := &n.shares[inv.core]
		c.remove(id, now)
		c.parked = append(c.parked, job{id: id, sandbox: s})
		inv.phase = phaseHeld
		if !slices.Contains(cores, int(inv.core)) {
			cores = append(cores, int(inv.core))
		}
	}
	m.wakeGroup(s, g.boundary(now))
	for _, core := range cores {
		m.continueShare(n, core)
	}
}

// unpark takes out one that was held back, and reports whether it was there.
func (c *share) unpark(id int32) bool {
	before := len(c.parked)
	c.parked = slices.DeleteFunc(c.parked, func(j job) bool { return j.id == id })
	return len(c.parked) < before
}

// balance moves an invocation to an idle core from the one with the most, the last
// that came there: the scheduler's idle cores do not stay idle. A core that a sandbox
// keeps is kept.
func (m *Model) balance(n *Node, idle int) {
	if m.config.Discipline != CFS || m.config.CoreChoice == CorePinned || n.shares == nil {
		return
	}
	busiest, most := -1, 1
	for core := range int(n.online) {
		if jobs := len(n.shares[core].jobs); jobs > most {
			busiest, most = core, jobs
		}
	}
	if busiest < 0 {
		return
	}
	now, c := m.events.Now(), &n.shares[busiest]
	last := slices.MaxFunc(c.jobs, func(a, b job) int { return int(a.order - b.order) })
	inv := m.invocations.at(last.id)
	m.settle(inv)
	if inv.left == 0 {
		return // it is about to leave by itself
	}
	m.recorder.stays++
	m.recorder.migrated++
	c.remove(last.id, now)
	n.leave(busiest, last.sandbox, now)
	inv.phase = phaseHeld // between two cores
	m.reschedule(n, busiest)
	inv.core = int32(idle)
	last.sandbox.enter(idle)
	n.enter(idle)
	m.attach(n, idle, inv)
}
