package cluster

import (
	"cmp"
	"math"
	"math/bits"
	"math/rand/v2"

	"microcosm/cosim/des"
)

// MaxCores bounds the cores of one node.
const MaxCores = 1024

// Node is one machine: cores and memory. What every invocation touches stands first,
// within two cache lines.
type Node struct {
	cores []core
	idle  bitset    // cores with nothing in service
	word  [1]uint64 // of idle, where there are few cores

	load      int32 // invocations bound to its sandboxes
	platform  int32 // in Function.laws
	online    int32 // cores that are there: those with the lowest numbers
	index     int32
	sandboxes int32 // placed here
	most      int32 // of them; 0 is without a limit
	up        bool
	draining  bool   // its end is known
	waiting   []line // by core, for those that sandboxes keep; nil unless they do
	queue     line   // invocations waiting for any core

	shares    []share  // processor sharing and CFS, by core
	begun     []*calls // by function index; nil until its first sandbox
	config    NodeConfig
	memory    int        // MiB given out
	using     int        // MiB in use, where that is followed
	spare     []*Sandbox // removed, to be reused
	residents []*Sandbox // placed here, in no order

	life   int32
	step   int // of its core schedule
	random *rand.Rand
}

// calls counts, by core, the invocations of one function that have begun on a node.
type calls struct{ begun []uint32 }

// core is the history that conditions come from.
type core struct {
	sequence uint32 // invocations begun here, modulo 2^32
	active   int32  // in service now
	pins     int32  // sandboxes that keep this core
}

func newNode(index int, c NodeConfig, platform int, choice CoreChoice) *Node {
	n := &Node{
		index: int32(index), platform: int32(platform), config: c,
		cores: make([]core, c.Cores), most: int32(min(c.MaxSandboxes, math.MaxInt32)),
	}
	if choice == CorePinned {
		n.waiting = make([]line, c.Cores)
	}
	n.idle.words = n.word[:]
	n.idle.grow(c.Cores)
	return n
}

// Index returns the node's place in Function.Nodes.
func (n *Node) Index() int { return int(n.index) }

// Name returns the node's name.
func (n *Node) Name() string { return n.config.Name }

// Platform returns the node's platform.
func (n *Node) Platform() string { return n.config.Platform }

// Load returns the number of invocations bound to the node's sandboxes, those in
// service included.
func (n *Node) Load() int { return int(n.load) }

// MemoryMiB returns the memory that the node gives out to sandboxes in all; 0 is
// without a limit.
func (n *Node) MemoryMiB() int { return cmp.Or(n.config.PlaceMiB, n.config.MemoryMiB) }

// Sandboxes returns how many sandboxes are placed on the node.
func (n *Node) Sandboxes() int { return int(n.sandboxes) }

// Busy returns the number of cores with something in service.
func (n *Node) Busy() int { return int(n.online) - n.idle.count() }

// Waiting returns the number of invocations that wait for a core.
func (n *Node) Waiting() int {
	waiting := n.queue.len()
	for i := range n.waiting {
		waiting += n.waiting[i].len()
	}
	return waiting
}

// Cores returns the number of cores that the node has now.
func (n *Node) Cores() int { return int(n.online) }

// AllCores returns the number of cores of the node when it has all of them.
func (n *Node) AllCores() int { return len(n.cores) }

// FreeMiB returns the memory that is left to be given out, and false where it is
// unlimited.
func (n *Node) FreeMiB() (free int, limited bool) {
	return n.MemoryMiB() - n.memory, n.config.MemoryMiB > 0
}

// Fits reports whether a sandbox of memoryMiB can be placed.
func (n *Node) Fits(memoryMiB int) bool {
	free, limited := n.FreeMiB()
	return n.open() && (!limited || memoryMiB <= free)
}

// open reports whether there is room for a sandbox, but for its memory.
func (n *Node) open() bool { return n.accepts() && !n.full() }

// full reports whether the node has as many sandboxes as it takes.
func (n *Node) full() bool { return n.most > 0 && n.sandboxes >= n.most }

// accepts reports whether new sandboxes may be placed here at all.
func (n *Node) accepts() bool { return n.up && !n.draining }

// admit counts a new sandbox and returns how many invocations of its function have
// begun here, by core.
func (n *Node) admit(f *Function) []uint32 {
	if n.begun == nil {
		n.begun = make([]*calls, len(f.model.functions))
	}
	if n.begun[f.index] == nil {
		n.begun[f.index] = &calls{make([]uint32, len(n.cores))}
	}
	n.sandboxes++
	n.memory += f.config.MemoryMiB
	return n.begun[f.index].begun
}

func (n *Node) dismiss(s *Sandbox) {
	n.sandboxes--
	n.using -= int(s.using)
	n.memory -= s.function.config.MemoryMiB
	if n.waiting != nil {
		n.cores[s.pinned].pins--
	}
	last := n.residents[len(n.residents)-1]
	n.residents[s.residence], last.residence = last, s.residence
	n.residents[len(n.residents)-1] = nil
	n.residents = n.residents[:len(n.residents)-1]
}

// pin gives a new sandbox the core that the fewest sandboxes keep.
func (n *Node) pin() int32 {
	least := 0
	for i := range int(n.online) {
		if n.cores[i].pins < n.cores[least].pins {
			least = i
		}
	}
	n.cores[least].pins++
	return int32(least)
}

// enter counts an invocation that begins on a core.
func (n *Node) enter(core int) {
	n.cores[core].sequence++
	n.cores[core].active++
}

// leave notes in the sandbox what the core will remember: everything begun so
// far, less what other sandboxes still have in service, since that goes on
// after the sandbox has left.
func (n *Node) leave(core int, s *Sandbox, now des.Time) {
	c := &n.cores[core]
	c.active--
	others, same := 0, 0
	if c.active > 0 {
		others, same = n.overlapping(core, s)
	}
	s.remember(core, coreMemory{
		sequence: c.sequence - uint32(others),
		same:     s.begun[core] - uint32(same),
		left:     now,
	})
}

// enterNode asks for a core for an invocation that has a sandbox's slot.
func (m *Model) enterNode(n *Node, inv *invocation) {
	if m.config.Discipline != FCFS {
		if n.online == 0 {
			inv.wait(&n.queue, phaseNodeQueue)
			return
		}
		m.share(n, m.chooseShared(n, inv.sandbox), inv)
		return
	}
	s := inv.sandbox
	if m.config.CoreChoice == CorePinned {
		if !n.idle.has(int(s.pinned)) {
			inv.wait(&n.waiting[s.pinned], phaseCoreQueue)
			return
		}
		m.take(n, int(s.pinned), inv)
		return
	}
	if !n.idle.any() {
		inv.wait(&n.queue, phaseNodeQueue)
		return
	}
	m.take(n, m.chooseIdle(n, s), inv)
}

// take gives an idle core to the invocation.
func (m *Model) take(n *Node, core int, inv *invocation) {
	n.idle.clear(core)
	m.recorder.busyCores(m, 1)
	m.occupy(n, core, inv)
}

// occupy gives a core to the invocation until its busy part is over.
func (m *Model) occupy(n *Node, core int, inv *invocation) {
	m.execute(n, core, inv)
	m.events.Schedule(m.events.Now().Add(inv.left), event{kind: eventCoreDone, ref: inv.id, tag: inv.life})
}

// nextFor returns the invocation that has waited longest for the core.
func (n *Node) nextFor(core int) (int32, bool) {
	if n.waiting != nil {
		if id, ok := n.waiting[core].pop(); ok {
			return id, true
		}
	}
	return n.queue.pop()
}

// chooseIdle picks one of the idle cores, of which there is at least one.
func (m *Model) chooseIdle(n *Node, s *Sandbox) int {
	switch m.config.CoreChoice {
	case CoreLowest:
		return n.idle.first()
	case CoreRandom:
		return n.idle.nth(m.random.core.IntN(n.idle.count()))
	default:
		if s.lastCore >= 0 && n.idle.has(int(s.lastCore)) {
			return int(s.lastCore)
		}
		return s.leastForgotten()
	}
}

// leastForgotten returns the idle core on which k is smallest; cores on which
// the sandbox never executed come last, and among equals the lowest number.
func (s *Sandbox) leastForgotten() int {
	n, best, bestK := s.node, -1, uint32(0)
	if s.lastCore < 0 {
		return n.idle.first()
	}
	for w, word := range n.idle.words {
		for ; word != 0; word &= word - 1 {
			i := w*64 + bits.TrailingZeros64(word)
			memory := s.recall(i)
			if !memory.known() {
				continue
			}
			if k := n.cores[i].sequence - memory.sequence; best < 0 || k < bestK {
				best, bestK = i, k
			}
		}
	}
	if best < 0 {
		return n.idle.first()
	}
	return best
}
