package cluster

import (
	"cmp"
	"math"
	"slices"
	"time"

	"microcosm/cosim/des"
)

// share is one core under processor sharing. Each of the n invocations in
// service advances at 1/n of the core's speed, so one virtual clock that runs at
// that speed orders all completions: an invocation that begins at virtual time v
// finishes at v + busy (Parekh and Gallager, A Generalized Processor Sharing
// Approach, 1993).
type share struct {
	virtual float64  // nanoseconds of service given to each, since the core was last idle
	updated des.Time // when virtual was last brought up to date
	jobs    []job    // binary heap by (finish, order)
	order   int64
	timer   des.Timer
}

type job struct {
	finish  float64
	order   int64
	id      int32
	sandbox *Sandbox
}

// share lets the invocation join those in service on the core.
func (m *Model) share(n *Node, core int, id int32) {
	if n.shares == nil {
		n.shares = make([]share, len(n.cores))
	}
	c := &n.shares[core]
	if len(c.jobs) == 0 {
		n.idle.clear(core)
		m.recorder.busyCores(m, 1)
		c.virtual, c.updated = 0, m.events.Now()
	}
	c.advance(m.events.Now())
	m.execute(n, core, id)
	inv := m.invocations.at(id)
	c.push(job{finish: c.virtual + float64(inv.left), order: c.order, id: id, sandbox: inv.sandbox})
	c.order++
	m.reschedule(n, core)
}

// finishShare ends the busy part of the invocation that has received its all.
func (m *Model) finishShare(n *Node, core int) {
	c := &n.shares[core]
	c.advance(m.events.Now())
	first := c.pop()
	// The clock is a whole number of nanoseconds, the virtual time is not: what
	// rounding took or gave is settled here and does not add up.
	c.virtual = max(c.virtual, first.finish)
	m.release(n, first.id)
	m.continueShare(n, core)
	m.afterCore(first.id)
}

// continueShare goes on after one has left the core.
func (m *Model) continueShare(n *Node, core int) {
	c := &n.shares[core]
	if len(c.jobs) > 0 {
		m.reschedule(n, core)
		return
	}
	m.events.Cancel(c.timer)
	n.idle.set(core)
	m.recorder.busyCores(m, -1)
}

// remove takes out one that has not finished.
func (c *share) remove(id int32, now des.Time) {
	c.advance(now)
	kept := c.jobs[:0]
	jobs := c.jobs
	c.jobs = nil
	for _, j := range jobs {
		if j.id != id {
			kept = append(kept, j)
		}
	}
	slices.SortFunc(kept, func(a, b job) int {
		return cmp.Or(cmp.Compare(a.finish, b.finish), cmp.Compare(a.order, b.order))
	})
	c.jobs = kept // sorted is a heap
}

func (c *share) advance(now des.Time) {
	if len(c.jobs) > 0 {
		c.virtual += float64(now-c.updated) / float64(len(c.jobs))
	}
	c.updated = now
}

func (m *Model) reschedule(n *Node, core int) {
	c := &n.shares[core]
	m.events.Cancel(c.timer)
	left := max(0, c.jobs[0].finish-c.virtual) * float64(len(c.jobs))
	at := m.events.Now().Add(time.Duration(math.Ceil(left)))
	c.timer = m.events.ScheduleTimer(at, event{kind: eventShareDone, ref: int32(n.index), tag: int32(core)})
}

// chooseShared picks a core under processor sharing: as under FCFS while one is
// idle, else the core with the fewest in service, the lowest number first.
func (m *Model) chooseShared(n *Node, s *Sandbox) int {
	if m.config.CoreChoice == CorePinned {
		return int(s.pinned)
	}
	if n.idle.any() {
		return m.chooseIdle(n, s)
	}
	least := 0
	for i := range n.online {
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
	for _, j := range n.shares[core].jobs {
		if j.sandbox == s {
			continue
		}
		others++
		if j.sandbox.function == s.function {
			same++
		}
	}
	return others, same
}

func (j job) before(other job) bool {
	return j.finish < other.finish || j.finish == other.finish && j.order < other.order
}

func (c *share) push(j job) {
	c.jobs = append(c.jobs, j)
	i := len(c.jobs) - 1
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

func (c *share) pop() job {
	top := c.jobs[0]
	last := len(c.jobs) - 1
	j := c.jobs[last]
	c.jobs = c.jobs[:last]
	i := 0
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
	if last > 0 {
		c.jobs[i] = j
	}
	return top
}
