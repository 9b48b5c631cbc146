package cluster

import (
	"math/rand/v2"
	"time"

	"microcosm/cosim/des"
	"microcosm/cosim/servicetime"
)

// Function is one function of the workload and the sandboxes that serve it.
type Function struct {
	model     *Model
	index     int
	config    FunctionConfig
	laws      []servicetime.Law // by platform of the node
	record    *functionRecord
	balancer  LoadBalancer
	luck      rand.Rand  // service/<function>: one draw per arrival
	stage     *rand.Rand // startup/<function>
	random    *rand.Rand // routing/<function>
	condition *rand.Rand // condition/<function>; nil in the coupled model
	census    *Census    // nil unless wanted
	source    des.Source // of the arrivals
	next      Arrival
	queue     line
	memory    *memoryUse // nil: nobody follows it
	appetite  *rand.Rand // memory/<function>; nil without a MemoryUse
	hedge     Hedge      // nil: none
	hedgeLuck *rand.Rand // hedge/<function>
	roster    roster
	all       Candidates // ready sandboxes
	free      Candidates // ready sandboxes with a free slot
	starting  int        // sandboxes being created or initialised
	unplaced  int        // sandboxes wanted that have no node
	keeper    keeper
	arrivals  int64
	inService int
	inSystem  int // in service or waiting
	created   int64
	executed  time.Duration // on cores, by invocations that have left them
}

// Name returns the function's name.
func (f *Function) Name() string { return f.config.Name }

// Sandboxes returns the number of sandboxes, those starting included.
func (f *Function) Sandboxes() int { return f.all.Len() + f.starting + f.unplaced }

// InSystem returns the number of invocations in service or waiting.
func (f *Function) InSystem() int { return f.inSystem }

// Concurrency returns how many invocations one sandbox serves at a time.
func (f *Function) Concurrency() int { return f.config.Concurrency }

// MemoryMiB returns the memory of one sandbox.
func (f *Function) MemoryMiB() int { return f.config.MemoryMiB }

// Ready returns the number of sandboxes that can serve.
func (f *Function) Ready() int { return f.all.Len() }

// Arrivals returns how many invocations have arrived so far.
func (f *Function) Arrivals() int64 { return f.arrivals }

// Nodes returns the nodes of the cluster, which must not be altered.
func (f *Function) Nodes() []*Node { return f.model.nodes }

// Now returns the current virtual time.
func (f *Function) Now() des.Time { return f.model.events.Now() }

// randomStreams are the streams that belong to no function.
type randomStreams struct {
	placement *rand.Rand
	core      *rand.Rand
	retry     *rand.Rand
}

func openStreams(c Config) randomStreams {
	return randomStreams{placement: c.Random("placement"), core: c.Random("core"), retry: c.Random("retry")}
}

func newFunction(index int, f FunctionConfig, c Config) *Function {
	created := &Function{
		index:    index,
		config:   f,
		balancer: c.NewBalancer(),
		luck:     *c.Random("service/" + f.Name),
		stage:    c.Random("startup/" + f.Name),
		random:   c.Random("routing/" + f.Name),
	}
	if f.NewKeepAlive != nil {
		created.keeper = newKeeper(f.NewKeepAlive(c.Random("keep-alive/" + f.Name)))
	}
	if f.NewHedge != nil {
		created.hedge, created.hedgeLuck = f.NewHedge(), c.Random("hedge/"+f.Name)
	}
	created.roster.function = created
	if f.Conditions != nil {
		created.condition = c.Random("condition/" + f.Name)
	}
	if c.Census {
		created.census = new(Census)
	}
	created.all.init(slotAll, &created.roster)
	created.free.init(slotFree, &created.roster)
	return created
}

// scale adds sandboxes up to what the scaler desires.
func (m *Model) scale(f *Function) {
	for want := f.config.Scaler.Desired(f); f.Sandboxes() < want; {
		m.addSandbox(f, false)
	}
}

// addSandbox places a new sandbox; one that finds no memory is counted and
// placed when memory is freed. A sandbox made before time 0 is ready at once.
func (m *Model) addSandbox(f *Function, beforeStart bool) *Sandbox {
	if m.launcher != nil {
		return m.order(f, beforeStart)
	}
	node := m.place(f)
	if node < 0 {
		f.unplaced++
		m.unplaced.push(int32(f.index))
		m.recorder.unplaced++
		return nil
	}
	return m.start(f, node, beforeStart)
}

// place returns the node for a new sandbox of f, or -1.
func (m *Model) place(f *Function) int {
	node := m.choose(f)
	if node < 0 && m.evicts {
		node = m.makeRoom(f)
	}
	return node
}

// choose asks the placement, unless the answer is known.
func (m *Model) choose(f *Function) int {
	if m.ranking != nil {
		first, open := m.ranking.first()
		switch {
		case !open:
			return -1
		case first.Fits(f.config.MemoryMiB):
			return first.Index()
		}
	}
	return m.config.Placement.Choose(f, m.nodes, m.random.placement)
}

// reorder follows a change of a node's cores or sandboxes.
func (m *Model) reorder(n *Node) {
	if m.ranking != nil {
		m.ranking.changed(n)
	}
}

// start makes a sandbox on a node.
func (m *Model) start(f *Function, node int, beforeStart bool) *Sandbox {
	s := m.settleIn(f, node, beforeStart)
	if beforeStart {
		return s
	}
	create, init, err := s.law().Startup(f.stage.Float64(), f.stage.Float64())
	if err != nil {
		m.failure = err
		return s
	}
	s.startup = create + init
	m.events.Schedule(m.events.Now().Add(s.startup), event{kind: eventSandboxReady, ref: s.id, tag: s.life})
	return s
}

// settleIn puts a new sandbox on a node, where it is ready at once or still to be
// started.
func (m *Model) settleIn(f *Function, node int, beforeStart bool) *Sandbox {
	s := m.newSandbox(f, m.nodes[node])
	m.recorder.sandboxes(m, 1)
	if beforeStart {
		s.called = true
		m.join(s)
		return s
	}
	f.starting++
	f.created++
	return s
}

// ready puts a started sandbox to work.
func (m *Model) ready(s *Sandbox) {
	s.function.starting--
	if !s.node.accepts() {
		m.drop(s)
		if m.control != nil {
			m.control.Lost([]Lost{{Sandbox: s}}, 0)
		} else {
			m.scale(s.function)
		}
		return
	}
	m.join(s)
	if m.control != nil {
		m.control.Ready(s)
		return
	}
	m.fill(s)
	if s.inService == 0 {
		m.retire(s)
	}
}

func (m *Model) join(s *Sandbox) {
	f := s.function
	if moved := f.roster.add(s); moved != nil {
		f.all.relocate(moved)
		f.free.relocate(moved)
	}
	s.ready, s.readyAt = true, m.events.Now()
	if f.memory != nil {
		m.allocate(s, f.memory.idle)
	}
	f.all.add(s, false)
	f.free.add(s, false)
}

// fill serves what waits in front of the function while the sandbox has slots.
// Under early binding only those wait there who found no sandbox at all.
func (m *Model) fill(s *Sandbox) {
	f := s.function
	for !s.full() {
		id, ok := f.queue.pop()
		if !ok {
			return
		}
		m.give(s, m.invocations.at(id))
	}
	for m.config.Binding == BindEarly {
		id, ok := f.queue.pop()
		if !ok {
			return
		}
		m.bind(s, m.invocations.at(id))
	}
}
