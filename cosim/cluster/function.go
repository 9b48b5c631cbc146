package cluster

import (
	"math/rand/v2"
)

// Function is one function of the workload and the sandboxes that serve it.
type Function struct {
	index     int
	config    FunctionConfig
	record    *functionRecord
	balancer  LoadBalancer
	luck      *rand.Rand // service/<function>: one draw per arrival
	stage     *rand.Rand // startup/<function>
	random    *rand.Rand // routing/<function>
	next      Arrival
	queue     fifo[int32]
	roster    roster
	all       Candidates // ready sandboxes
	free      Candidates // ready sandboxes with a free slot
	starting  int        // sandboxes being created or initialised
	unplaced  int        // sandboxes wanted that found no memory
	inService int
	inSystem  int // in service or waiting
	created   int64
}

// Name returns the function's name.
func (f *Function) Name() string { return f.config.Name }

// Sandboxes returns the number of sandboxes, those starting included.
func (f *Function) Sandboxes() int { return f.all.Len() + f.starting + f.unplaced }

// InSystem returns the number of invocations in service or waiting.
func (f *Function) InSystem() int { return f.inSystem }

// Concurrency returns how many invocations one sandbox serves at a time.
func (f *Function) Concurrency() int { return f.config.Concurrency }

// randomStreams are the streams that belong to no function.
type randomStreams struct {
	placement *rand.Rand
	core      *rand.Rand
}

func openStreams(c Config) randomStreams {
	return randomStreams{placement: c.Random("placement"), core: c.Random("core")}
}

func newFunction(index int, f FunctionConfig, c Config) *Function {
	created := &Function{
		index:    index,
		config:   f,
		balancer: c.NewBalancer(),
		luck:     c.Random("service/" + f.Name),
		stage:    c.Random("startup/" + f.Name),
		random:   c.Random("routing/" + f.Name),
	}
	created.all = Candidates{slot: slotAll, roster: &created.roster}
	created.free = Candidates{slot: slotFree, roster: &created.roster}
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
func (m *Model) addSandbox(f *Function, beforeStart bool) {
	node := m.config.Placement.Choose(m.nodes, f.config.MemoryMiB, m.random.placement)
	if node < 0 {
		f.unplaced++
		m.unplaced.push(int32(f.index))
		m.recorder.unplaced++
		return
	}
	s := m.newSandbox(f, m.nodes[node])
	m.recorder.sandboxes(m, 1)
	if beforeStart {
		s.called = true
		m.join(s)
		return
	}
	f.starting++
	f.created++
	create, init, err := s.law.Startup(f.stage.Float64(), f.stage.Float64())
	if err != nil {
		m.failure = err
		return
	}
	m.events.Schedule(m.events.Now().Add(create).Add(init), event{kind: eventSandboxReady, ref: s.id})
}

// ready puts a started sandbox to work.
func (m *Model) ready(s *Sandbox) {
	s.function.starting--
	m.join(s)
	m.fill(s)
	if s.inService == 0 {
		m.retire(s)
	}
}

func (m *Model) join(s *Sandbox) {
	f := s.function
	if f.roster.add(s) {
		f.all.relocate()
		f.free.relocate()
	}
	f.all.add(s, false)
	f.free.add(s, false)
}

// fill serves what waits in front of the function while the sandbox has slots.
// Under early binding only those wait there who found no sandbox at all.
func (m *Model) fill(s *Sandbox) {
	f := s.function
	for s.inService < f.config.Concurrency {
		id, ok := f.queue.pop()
		if !ok {
			return
		}
		m.give(s, id)
	}
	for m.config.Binding == BindEarly {
		id, ok := f.queue.pop()
		if !ok {
			return
		}
		f.roster.last = s
		s.queue.push(id)
	}
}

// retire starts the keep-alive of an idle sandbox. One event per sandbox is
// pending at most: it is moved lazily, when it happens.
func (m *Model) retire(s *Sandbox) {
	keep := s.function.config.KeepAlive
	if keep < 0 {
		return
	}
	s.expiry = m.events.Now().Add(keep)
	if !s.expiryPending {
		m.scheduleExpiry(s)
	}
}

func (m *Model) scheduleExpiry(s *Sandbox) {
	s.expiryPending = true
	m.events.Schedule(s.expiry, event{kind: eventSandboxExpiry, ref: s.id})
}

// expire removes a sandbox whose keep-alive has run out, unless it is one of
// the minimum.
func (m *Model) expire(s *Sandbox) {
	s.expiryPending = false
	f := s.function
	switch {
	case s.inService > 0: // busy: retire will schedule again
	case s.expiry > m.events.Now():
		m.scheduleExpiry(s)
	case f.all.Len() > f.config.Scaler.Minimum():
		m.removeSandbox(s)
	}
}

func (m *Model) removeSandbox(s *Sandbox) {
	f := s.function
	f.all.remove(s)
	f.free.remove(s)
	f.roster.remove(s)
	m.dropSandbox(s)
	m.recorder.sandboxes(m, -1)
	// Freed memory goes to those who have waited for it longest.
	for range m.unplaced.len() {
		index, _ := m.unplaced.pop()
		m.functions[index].unplaced--
		m.addSandbox(m.functions[index], false)
	}
}
