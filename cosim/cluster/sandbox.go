package cluster

import (
	"math"
	"time"

	"microcosm/cosim/des"
	"microcosm/cosim/servicetime"
)

// Sandbox is one container instance of a function. What every invocation touches
// stands first, within three cache lines.
type Sandbox struct {
	function      *Function
	node          *Node
	last          coreMemory // of lastCore
	inService     int32
	lastCore      int32 // -1: has never executed
	place         int32 // in the function's roster, or nowhere
	pinned        int32 // the core it keeps under CorePinned
	called        bool  // its first call has begun
	ready         bool
	leaving       bool // its node takes no more work
	expiryPending bool
	expiryEvent   des.Time // of the earliest one pending
	begun         []uint32 // by core of the node: invocations of the function, whichever sandbox's
	previous      [slotKinds]*Sandbox
	following     [slotKinds]*Sandbox
	queue         line             // early binding
	used          [slotKinds]int64 // when, in the order of Candidates
	idleSince     des.Time
	expiry        des.Time

	others    []coreMemory // of all cores but lastCore; nil where it has executed on no other
	group     *group       // CFS
	readyAt   des.Time
	id        int32
	life      int32 // tells apart the sandboxes that had this id; 0: gone
	residence int32 // in the node's residents
	using     int32 // MiB, where that is followed
	startup   time.Duration
	worth     float64 // to its Evictor, aged
}

// coreMemory is what a sandbox knows of one core since it last executed there. What is
// counted is counted modulo 2^32: no sandbox is away from a core for so many calls.
type coreMemory struct {
	sequence uint32   // invocations begun on the core, those that overlapped taken out
	same     uint32   // of these, of the sandbox's own function
	left     des.Time // 0: it never executed there
}

func (m *coreMemory) known() bool { return m.left > 0 }

// Function returns the function that the sandbox belongs to.
func (s *Sandbox) Function() *Function { return s.function }

// Called reports whether the sandbox has begun its first call.
func (s *Sandbox) Called() bool { return s.called }

// Startup returns how long the sandbox took to be created and initialised; 0
// for one that exists from the beginning.
func (s *Sandbox) Startup() time.Duration { return s.startup }

// Node returns the node the sandbox lives on.
func (s *Sandbox) Node() *Node { return s.node }

// Load returns the number of invocations in the sandbox, waiting ones included.
func (s *Sandbox) Load() int { return int(s.inService) + s.queue.len() }

// law answers how long calls take in the sandbox.
func (s *Sandbox) law() servicetime.Law { return s.function.laws[s.node.platform] }

// full reports whether every slot is taken.
func (s *Sandbox) full() bool { return int(s.inService) >= s.function.config.Concurrency }

// CoreIdle reports whether the core that remembers this sandbox is idle: its
// last core, or any core of its node if it has never executed.
func (s *Sandbox) CoreIdle() bool {
	if s.lastCore < 0 {
		return s.node.idle.any()
	}
	return s.node.idle.has(int(s.lastCore))
}

// IdleSince returns when the sandbox became idle the last time.
func (s *Sandbox) IdleSince() des.Time { return s.idleSince }

// CanStart reports whether some core that the sandbox may run on is idle.
func (s *Sandbox) CanStart() bool {
	if s.function.model.config.CoreChoice == CorePinned {
		return s.node.idle.has(int(s.pinned))
	}
	return s.node.idle.any()
}

// Penalty returns how much longer than warm the next invocation is expected to
// take, by what the core that it would run on remembers of the sandbox: the
// median of the sandbox's law. A condition that was not measured costs most.
func (s *Sandbox) Penalty() time.Duration {
	next, err := s.law().Draw(s.state(s.likelyCore(), s.function.Now()), .5)
	warm, wrong := s.law().Draw(servicetime.State{}, .5)
	if err != nil || wrong != nil {
		return math.MaxInt64
	}
	return next.Service - warm.Service
}

// likelyCore returns the core that an invocation would be given now.
func (s *Sandbox) likelyCore() int {
	switch choice := s.function.model.config.CoreChoice; {
	case choice == CorePinned:
		return int(s.pinned)
	case !s.node.idle.any():
		return int(max(0, s.lastCore))
	case choice == CoreLowest:
		return s.node.idle.first()
	case s.lastCore >= 0 && s.node.idle.has(int(s.lastCore)):
		return int(s.lastCore)
	default:
		return s.leastForgotten()
	}
}

// state is what the model knows when the sandbox begins on a core.
func (s *Sandbox) state(core int, now des.Time) servicetime.State {
	m := s.recall(core)
	if !m.known() {
		return servicetime.State{Cold: !s.called, New: true}
	}
	return servicetime.State{
		Cold: !s.called,
		K:    int64(s.node.cores[core].sequence - m.sequence),
		Same: int64(s.begun[core] - m.same),
		Idle: now.Sub(m.left),
	}
}

// recall returns what the sandbox knows of a core.
func (s *Sandbox) recall(core int) coreMemory {
	switch {
	case core == int(s.lastCore):
		return s.last
	case s.others == nil:
		return coreMemory{}
	}
	return s.others[core]
}

// remember keeps what the sandbox is to know of a core.
func (s *Sandbox) remember(core int, m coreMemory) {
	if core == int(s.lastCore) {
		s.last = m
		return
	}
	if s.others == nil {
		s.others = make([]coreMemory, len(s.node.cores))
	}
	s.others[core] = m
}

// enter begins an invocation on a core.
func (s *Sandbox) enter(core int) {
	if core != int(s.lastCore) {
		here, before, left := s.recall(core), s.lastCore, s.last
		s.lastCore, s.last = int32(core), here
		if before >= 0 {
			s.remember(int(before), left)
		}
	}
	s.begun[core]++
}

// newSandbox makes a sandbox on the node, out of a removed one where it can.
func (m *Model) newSandbox(f *Function, n *Node) *Sandbox {
	var s *Sandbox
	if spare := &n.spare; len(*spare) > 0 {
		s = (*spare)[len(*spare)-1]
		*spare = (*spare)[:len(*spare)-1]
		*s = Sandbox{queue: s.queue}
	} else {
		s = new(Sandbox)
	}
	if free := len(m.freeIDs); free > 0 {
		s.id = m.freeIDs[free-1]
		m.freeIDs = m.freeIDs[:free-1]
		m.sandboxes[s.id] = s
	} else {
		s.id = int32(len(m.sandboxes))
		m.sandboxes = append(m.sandboxes, s)
	}
	s.function, s.node = f, n
	m.lives++
	s.life, s.lastCore, s.place = m.lives, -1, nowhere
	if m.config.Discipline == CFS {
		s.group = m.newGroup(f)
	}
	s.begun = n.admit(f)
	m.reorder(n)
	if m.config.CoreChoice == CorePinned {
		s.pinned = n.pin()
	}
	s.residence = int32(len(n.residents))
	n.residents = append(n.residents, s)
	return s
}

func (m *Model) dropSandbox(s *Sandbox) {
	n := s.node
	s.life = 0
	m.sandboxes[s.id] = nil
	m.freeIDs = append(m.freeIDs, s.id)
	n.dismiss(s)
	m.reorder(n)
	n.spare = append(n.spare, s)
}
