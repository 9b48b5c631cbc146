package cluster

import (
	"cmp"
	"math"
	"slices"
	"time"

	"microcosm/cosim/des"
)

// share is one core under processor sharing or CFS. Each of the invocations in
// service advances in proportion to its weight, so one virtual clock that runs at
// the core's speed over the sum of weights orders all completions: an invocation of
// weight w that begins at virtual time v finishes at v + busy/w (Parekh and Gallager,
// A Generalized Processor Sharing Approach, 1993). Under processor sharing all
// weights are 1.
type share struct {
	virtual float64  // nanoseconds of service given to a weight of 1, since the core was last idle
	weight  float64  // of all jobs
	updated des.Time // when virtual was last brought up to date
	jobs    []job    // binary heap by (finish, order)
	order   int64
	timer   des.Timer
	parked  []job // held back by the quota of their sandbox
}

type job struct {
	finish  float64
	weight  float64
	order   int64
	id      int32
	sandbox *Sandbox
}

// share lets the invocation join those in service on the core.
func (m *Model) share(n *Node, core int, inv *invocation) {
	if n.shares == nil {
		n.shares = make([]share, len(n.cores))
	}
	m.execute(n, core, inv)
	if s := inv.sandbox; s.group != nil {
		m.enlist(s, inv)
	}
	m.attach(n, core, inv)
}

// attach lets an invocation that begins or goes on have its part of the core, unless
// it is held back.
func (m *Model) attach(n *Node, core int, inv *invocation) {
	c, now := &n.shares[core], m.events.Now()
	weight := 1.0
	if g := inv.sandbox.group; g != nil {
		if g.held {
			c.parked = append(c.parked, job{id: inv.id, sandbox: inv.sandbox})
			return
		}
		inv.phase, inv.started, weight = phaseOnCore, now, g.weight()
	}
	if len(c.jobs) == 0 {
		n.idle.clear(core)
		m.recorder.busyCores(m, 1)
		c.virtual, c.weight, c.updated = 0, 0, now
	}
	c.advance(now)
	c.push(job{finish: c.virtual + float64(inv.left)/weight, weight: weight, order: c.order, id: inv.id, sandbox: inv.sandbox})
	c.weight += weight
	c.order++
	m.reschedule(n, core)
	if inv.sandbox.group != nil && len(c.jobs) > 1 && n.idle.any() {
		m.balance(n, n.idle.first())
	}
}

// finishShare ends the busy part of the invocation that has received its all.
func (m *Model) finishShare(n *Node, core int) {
	c := &n.shares[core]
	c.advance(m.events.Now())
	first := c.take(0)
	c.weight -= first.weight
	// The clock is a whole number of nanoseconds, the virtual time is not: what
	// rounding took or gave is settled here and does not add up.
	c.virtual = max(c.virtual, first.finish)
	inv := m.invocations.at(first.id)
	m.release(n, inv)
	if first.sandbox.group != nil {
		m.part(first.sandbox, first.id)
	}
	m.continueShare(n, core)
	m.afterCore(inv)
}

// continueShare goes on after one has left the core.
func (m *Model) continueShare(n *Node, core int) {
	c := &n.shares[core]
	if len(c.jobs) > 0 {
		m.reschedule(n, core)
		return
	}
	if n.idle.has(core) {
		return // who left was held back
	}
	m.events.Cancel(c.timer)
	n.idle.set(core)
	m.recorder.busyCores(m, -1)
	m.balance(n, core)
}

// remove takes out one that has not finished, or is held back. The clock is up to
// date afterwards.
func (c *share) remove(id int32, now des.Time) {
	c.advance(now)
	if len(c.parked) > 0 && c.unpark(id) {
		return
	}
	if i := slices.IndexFunc(c.jobs, func(j job) bool { return j.id == id }); i >= 0 {
		c.weight -= c.take(i).weight
	}
}

func byFinish(a, b job) int {
	return cmp.Or(cmp.Compare(a.finish, b.finish), cmp.Compare(a.order, b.order))
}

func (c *share) advance(now des.Time) {
	if len(c.jobs) > 0 {
		c.virtual += float64(now-c.updated) / c.weight
	}
	c.updated = now
}

// reschedule finds out when the next one of a core finishes, whose clock is up to
// date.
func (m *Model) reschedule(n *Node, core int) {
	c := &n.shares[core]
	m.events.Cancel(c.timer)
	left := max(0, c.jobs[0].finish-c.virtual) * c.weight
	at := m.events.Now().Add(time.Duration(math.Ceil(left)))
	c.timer = m.events.Schedule(at, event{kind: eventShareDone, ref: n.index, tag: int32(core)})
	if m.config.Discipline == CFS {
		for i := range c.jobs {
			m.meter(c.jobs[i].sandbox)
		}
	}
}

// chooseShared picks a core under processor sharing or CFS: as under FCFS while one
// is idle, else the core with the fewest in service, the lowest number first.
func (m *Model) chooseShared(n *Node, s *Sandbox) int {
	if m.config.CoreChoice == CorePinned {
		return int(s.pinned)
	}
	if n.idle.any() {
		return m.chooseIdle(n, s)
	}
	least := 0
	for i := range int(n.online) {
		if n.cores[i].active < n.cores[least].active {
			least = i
		}
	}
	return least
}

// overlapping counts the invocations of other sandboxes in service on a core,
// and those among them of the sandbox's own function. Under FCFS there are none.
func (n *Node) overlapping(core int, s *Sandbox) (others, same int) {
	if n.shares == nil {
		return 0, 0
	}
	count := func(jobs []job) {
		for _, j := range jobs {
			if j.sandbox == s {
				continue
			}
			others++
			if j.sandbox.function == s.function {
				same++
			}
		}
	}
	count(n.shares[core].jobs)
	count(n.shares[core].parked)
	return others, same
}

func (j job) before(other job) bool {
	return j.finish < other.finish || j.finish == other.finish && j.order < other.order
}

func (c *share) push(j job) {
	c.jobs = append(c.jobs, j)
	c.rise(len(c.jobs)-1, j)
}

// take takes out the one at i.
func (c *share) take(i int) job {
	taken, last := c.jobs[i], len(c.jobs)-1
	j := c.jobs[last]
	c.jobs = c.jobs[:last]
	if i == last {
		return taken
	}
	for {
		child := 2*i + 1
		if child >= last {
			break
		}
		if child+1 < last && c.jobs[child+1].before(c.jobs[child]) {
			child++
		}
		if !c.jobs[child].before(j) {
			break
		}
		c.jobs[i] = c.jobs[child]
		i = child
	}
	c.rise(i, j)
	return taken
}

// rise puts j into the hole at i, or above it.
func (c *share) rise(i int, j job) {
	for i > 0 {
		parent := (i - 1) / 2
		if !j.before(c.jobs[parent]) {
			break
		}
		c.jobs[i] = c.jobs[parent]
		i = parent
	}
	c.jobs[i] = j
}
