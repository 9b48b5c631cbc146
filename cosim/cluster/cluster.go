// Package cluster is the queuing model: invocations, sandboxes, nodes and cores,
// and the events between them.
//
// An invocation arrives, is bound to a sandbox, waits for a core of the
// sandbox's node, holds that core while it is busy and the sandbox's slot for
// the whole service time. For every invocation the model knows what ran on that
// core since this sandbox last ran there: k invocations of other sandboxes and
// the idle time. That is the State from which servicetime picks the condition.
//
// It guarantees that a run is a pure function of its Config (the streams it
// opens included), that no request is lost from the count (Outcome.Check), and
// that memory does not grow with the number of invocations. It decides nothing
// that cosim/policy decides, reads no clock and no file, and draws no random
// number but from Config.Random.
//
// Numbered deviations:
//
//  1. Under processor sharing k is evaluated once, at service start;
//     interference after that is not modelled.
//  2. A sandbox's own overlapping invocations (concurrency above 1) count in k
//     where they started after its last completion on the core.
//  3. The time of databases and other remote services is off-core: it holds the
//     sandbox, and no core of the cluster.
//  4. Service is busy first, then off-core; the real alternation of the two is
//     not known from outside.
//  5. Sandboxes that exist before the first arrival have had their first call,
//     on another core: their next condition is flush.
//  6. Under CFS time slices are infinitely short, a quota is one pool for all cores
//     without slices of its own, and idle cores take work at once. Cores are not
//     evened out by weight, and an invocation that moves pays nothing for it.
//  7. An invocation takes all its memory with the slot of its sandbox and keeps it to
//     its end. The kernel's page cache, swap and the kubelet's own eviction are not
//     modelled, and no sandbox is guaranteed: each is burstable or best effort.
//  8. A sandbox that was ended for its memory is another one afterwards, and its
//     function gets it back after 10 s. The kubelet starts the container anew in
//     place: at once, then after 10 s, 20 s, and so on.
package cluster

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"microcosm/cosim/des"
	"microcosm/cosim/servicetime"
)

// eventKind says what happens.
type eventKind uint8

const (
	eventArrival eventKind = iota
	eventCoreDone
	eventServiceDone
	eventSandboxReady
	eventSandboxExpiry
	eventShareDone // processor sharing: the first invocation of a core finishes
	eventPreWarm
	eventSignal // the control plane's own
	eventHedge
	eventRetry
	eventNodeNotice
	eventNodeEnd
	eventNodeRepair
	eventNodeCores
	eventLaunch        // the orchestrator's own
	eventFlow          // a flow begins
	eventRelease       // an invocation of a flow arrives
	eventSandboxMemory // a sandbox uses more than it may
	eventNodeMemory    // the sandboxes of a node use more than it has
	eventRestart       // a sandbox that was ended for its memory may be replaced
	eventQuota         // a sandbox's quota of core time is used up, or there again
)

// event is the payload in the queue: free of pointers, so that the garbage
// collector never scans the heap of events.
type event struct {
	kind eventKind
	ref  int32 // function, invocation, sandbox or node, by kind
	tag  int32 // the core of eventShareDone, the kind of eventSignal; else which life of a recycled ref is meant
}

// Model is one run. Use New, then Run once.
type Model struct {
	config      Config
	events      des.Queue[event]
	nodes       []*Node
	functions   []*Function
	sandboxes   []*Sandbox // by id; nil where removed
	freeIDs     []int32
	invocations pool
	meals       []meal // of the invocations, where memory is followed
	random      randomStreams
	recorder    recorder
	unplaced    fifo[int32] // functions whose new sandboxes found no room, one entry each
	lives       int32       // sandboxes made
	evicts      bool        // some keep-alive gives up sandboxes for memory
	age         float64     // worth of the sandbox evicted last
	handled     int64       // events
	failure     error
	control     ControlPlane // nil: the policies of Config decide
	launcher    Orchestrator // nil: Placement decides, and the laws' stages follow
	ranking     *ranking     // nil: Placement is no NodeOrder, or does not decide
	flows       flows
}

// stopEvery is how many events lie between two questions to Config.Stop.
const stopEvery = 1 << 14

// New builds the model of one run.
func New(config Config) (*Model, error) {
	if err := config.Check(); err != nil {
		return nil, fmt.Errorf("cluster: %w", err)
	}
	if config.Buckets == 0 {
		config.Buckets = 120
	}
	m := &Model{config: config}
	m.random = openStreams(config)
	var platforms []string
	for i, n := range config.Nodes {
		platform := slices.Index(platforms, n.Platform)
		if platform < 0 {
			platform, platforms = len(platforms), append(platforms, n.Platform)
		}
		m.nodes = append(m.nodes, newNode(i, n, platform, config.CoreChoice))
	}
	for i, f := range config.Functions {
		created := newFunction(i, f, config)
		created.model = m
		created.source = m.events.NewSource(event{kind: eventArrival, ref: int32(i)})
		for _, platform := range platforms {
			created.laws = append(created.laws, f.Laws[platform])
		}
		m.evicts = m.evicts || created.keeper.evictor != nil
		m.functions = append(m.functions, created)
	}
	m.followMemory()
	m.recorder.init(m)
	if config.NewControlPlane != nil {
		m.control = config.NewControlPlane()
	}
	if config.NewOrchestrator != nil {
		if m.evicts {
			return nil, errors.New("cluster: a keep-alive that gives up sandboxes for memory needs a placement, not an orchestrator")
		}
		m.launcher = config.NewOrchestrator()
	} else if order, ok := config.Placement.(NodeOrder); ok {
		m.ranking = newRanking(order, m.nodes)
	}
	return m, nil
}

// Run runs the model to its end and returns what happened. It fails where a
// service time cannot be had (servicetime.ErrNotSampled) or the accounts do not
// balance.
func (m *Model) Run() (*Outcome, error) {
	if err := m.begin(); err != nil {
		return nil, err
	}
	m.initFlows()
	last := m.config.Horizon.Add(m.config.Drain)
	for limit := m.config.Horizon; m.failure == nil; {
		e, ok := m.events.PopBy(limit)
		if !ok {
			limit = m.events.Peek()
			if limit > last || m.recorder.system.value == 0 && m.flows.onWay == 0 {
				break // what is left are the ends of idle sandboxes
			}
			continue
		}
		m.handle(e)
		if m.handled++; m.handled%stopEvery == 0 && m.config.Stop != nil && m.failure == nil {
			m.failure = m.config.Stop()
		}
	}
	if m.failure != nil {
		return nil, m.failure
	}
	if m.events.Now() < m.config.Horizon {
		m.events.Advance(m.config.Horizon)
	}
	return m.recorder.finish(m)
}

// begin makes what exists before the first arrival.
func (m *Model) begin() error {
	if m.launcher != nil {
		if err := m.launcher.Start(&Launcher{m}); err != nil {
			return err
		}
	}
	m.open()
	if m.control != nil {
		if err := m.control.Start(&Actuator{m}); err != nil {
			return err
		}
	}
	for _, f := range m.functions {
		if m.control == nil {
			for range f.config.Scaler.Minimum() {
				m.addSandbox(f, true)
			}
		}
		m.scheduleArrival(f)
	}
	return nil
}

func (m *Model) handle(e event) {
	switch e.kind {
	case eventArrival:
		m.arrive(m.functions[e.ref])
	case eventCoreDone:
		if inv := m.invocations.at(e.ref); inv.life == e.tag {
			m.leaveCore(inv)
		}
	case eventServiceDone:
		if inv := m.invocations.at(e.ref); inv.life == e.tag {
			m.complete(inv)
		}
	case eventSandboxReady:
		if s := m.sandboxes[e.ref]; s != nil && s.life == e.tag {
			m.ready(s)
		}
	case eventSandboxExpiry:
		if s := m.sandboxes[e.ref]; s != nil && s.life == e.tag {
			m.expire(s)
		}
	case eventShareDone:
		m.finishShare(m.nodes[e.ref], int(e.tag))
	case eventPreWarm:
		m.preWarm(m.functions[e.ref])
	case eventSignal:
		m.control.Handle(Signal{Kind: e.tag, Ref: e.ref})
	case eventHedge:
		if inv := m.invocations.at(e.ref); inv.life == e.tag {
			m.hedge(inv)
		}
	case eventRetry:
		if inv := m.invocations.at(e.ref); inv.life == e.tag {
			m.retry(inv)
		}
	case eventLaunch:
		m.launcher.Handle(Signal{Kind: e.tag, Ref: e.ref})
	case eventFlow:
		m.beginFlow()
	case eventRelease:
		m.deliver(e.ref)
	case eventSandboxMemory:
		if s := m.sandboxes[e.ref]; s != nil && s.life == e.tag {
			m.overLimit(s)
		}
	case eventNodeMemory:
		m.overMemory(m.nodes[e.ref])
	case eventQuota:
		if s := m.sandboxes[e.ref]; s != nil && s.life == e.tag {
			m.quota(s)
		}
	case eventRestart:
		m.scale(m.functions[e.ref])
	default:
		m.change(e.kind, m.nodes[e.ref], e.tag)
	}
}

func (m *Model) scheduleArrival(f *Function) {
	a, ok := f.config.Arrivals.Next()
	if !ok || a.At > m.config.Horizon {
		return
	}
	f.next = a
	m.events.Emit(f.source, a.At)
}

// arrive admits the pending arrival of f and schedules the one after it.
func (m *Model) arrive(f *Function) {
	base := f.next.Base
	m.scheduleArrival(f)
	m.enter(f, base, 0)
}

// enter admits an invocation that arrives now, with the tag of its flow, if any.
func (m *Model) enter(f *Function, base time.Duration, tag int32) {
	inv := m.invocations.take()
	inv.renew(f)
	inv.arrived, inv.luck = m.events.Now(), f.luck.Float64()
	inv.base, inv.tag, inv.attempt = base, tag, 1
	if f.appetite != nil {
		m.meal(inv.id).appetite = f.appetite.Float64()
	}
	m.greet(f)
	f.inSystem++
	m.recorder.arrived(m, f)
	if m.control != nil {
		m.control.Arrived(f, inv.id)
		return
	}
	m.admit(inv)
	m.arm(inv)
	m.scale(f)
}

// greet tells the keep-alive of an arrival.
func (m *Model) greet(f *Function) {
	f.arrivals++
	if f.keeper.watcher != nil {
		f.keeper.watcher.Arrived(f, m.events.Now())
	}
	f.keeper.preWarmAt = 0
}

// admit binds the invocation to a sandbox, queues it, or rejects it.
func (m *Model) admit(inv *invocation) {
	f := inv.function
	if m.config.Binding == BindEarly && f.all.Len() > 0 {
		s := f.balancer.Choose(&f.all, f.random)
		if limit := f.config.QueueLimit; !s.full() || limit == Unlimited || s.queue.len() < limit {
			m.bind(s, inv)
		} else {
			m.lose(inv, LossRejected)
		}
		return
	}
	if m.config.Binding == BindLate && f.free.Len() > 0 {
		m.give(f.balancer.Choose(&f.free, f.random), inv)
		return
	}
	if limit := f.config.QueueLimit; limit != Unlimited && f.queue.len() >= limit && !m.mayGrow(f) {
		m.lose(inv, LossRejected)
		return
	}
	inv.wait(&f.queue, phaseFunctionQueue)
}

// bind gives the invocation to the sandbox, where it is served at once or waits.
func (m *Model) bind(s *Sandbox, inv *invocation) {
	if !s.full() {
		m.give(s, inv)
		return
	}
	s.function.roster.last = s
	m.lineUp(s, inv)
}

// lineUp has the invocation wait for a slot of the sandbox.
func (m *Model) lineUp(s *Sandbox, inv *invocation) {
	inv.sandbox = s
	inv.wait(&s.queue, phaseSandboxQueue)
	s.node.load++
}

// wait puts the invocation at the end of a queue.
func (inv *invocation) wait(q *line, at phase) { inv.phase, inv.ticket = at, q.push(inv.id) }

// mayGrow reports whether a sandbox is on its way, or will be ordered, for the
// invocation that is just being admitted: then it may wait beyond the queue's
// limit, as a cold start is not a full queue.
func (m *Model) mayGrow(f *Function) bool {
	pending := f.starting + max(0, f.config.Scaler.Desired(f)-f.Sandboxes())
	return f.queue.len() < pending*f.config.Concurrency
}

// give binds the invocation to the sandbox and serves it at once.
func (m *Model) give(s *Sandbox, inv *invocation) {
	s.function.roster.last = s
	m.serve(s, inv)
}

// serve gives a bound invocation a slot of the sandbox and asks for a core.
func (m *Model) serve(s *Sandbox, inv *invocation) {
	inv.sandbox = s
	f := s.function
	s.inService++
	s.node.load++
	f.inService++
	if s.full() {
		f.free.remove(s)
	}
	if f.memory != nil {
		m.feed(s, inv.id)
	}
	m.enterNode(s.node, inv)
}

// execute starts service on a core of the sandbox's node, or goes on with it.
func (m *Model) execute(n *Node, core int, inv *invocation) {
	s := inv.sandbox
	if !inv.begun && !m.draw(inv, s, core) {
		return
	}
	inv.core = int32(core)
	inv.started = m.events.Now()
	inv.phase = phaseOnCore
	s.called = true
	s.enter(core)
	n.enter(core)
}

// state returns the state in which an invocation starts: the core's, or one
// drawn independently of it. What is a first call is never drawn: it belongs to
// the sandbox, not to the core.
func (m *Model) state(s *Sandbox, core int) servicetime.State {
	f := s.function
	state := s.state(core, m.events.Now())
	switch {
	case state.Cold:
	case f.condition != nil:
		state = f.config.Conditions.draw(f.condition.Float64())
	case f.census != nil && m.events.Now() >= m.config.WarmUp:
		f.census.add(state)
	}
	return state
}

// draw finds out the condition, which is known now, and the service time; false
// where nobody knows it.
func (m *Model) draw(inv *invocation, s *Sandbox, core int) bool {
	state := m.state(s, core)
	state.Base = inv.base
	draw, err := s.law().Draw(state, inv.luck)
	if err != nil {
		m.failure = fmt.Errorf("at %v: %w", m.events.Now(), err)
		return false
	}
	inv.service, inv.busy, inv.left = draw.Service, draw.Busy, draw.Busy
	inv.class = ClassOf(state)
	inv.awaited = !s.called && inv.arrived < s.readyAt
	if draw.Interpolated {
		m.recorder.interpolated++
	}
	inv.begun = true
	return true
}

// leaveCore ends the busy part of an invocation under FCFS.
func (m *Model) leaveCore(inv *invocation) {
	n, core := inv.sandbox.node, int(inv.core)
	m.release(n, inv)
	m.passOn(n, core)
	m.afterCore(inv)
}

// passOn gives a core to the one who has waited for it longest.
func (m *Model) passOn(n *Node, core int) {
	if next, ok := n.nextFor(core); ok {
		m.occupy(n, core, m.invocations.at(next))
		return
	}
	n.idle.set(core)
	m.recorder.busyCores(m, -1)
}

// release records in the sandbox what the core will remember of it.
func (m *Model) release(n *Node, inv *invocation) {
	m.recorder.executed += float64(inv.left)
	inv.function.executed += inv.left
	inv.left = 0
	n.leave(int(inv.core), inv.sandbox, m.events.Now())
}

// afterCore lets the off-core part follow the busy part.
func (m *Model) afterCore(inv *invocation) {
	if off := inv.service - inv.busy; off > 0 {
		inv.phase = phaseOffCore
		m.events.Schedule(m.events.Now().Add(off), event{kind: eventServiceDone, ref: inv.id, tag: inv.life})
		return
	}
	m.complete(inv)
}

// complete answers a request and gives the slot of its invocation to the next.
func (m *Model) complete(inv *invocation) {
	s, f, twin := inv.sandbox, inv.function, inv.twin
	m.recorder.done(m, inv)
	if f.hedge != nil {
		f.hedge.Responded(m.events.Now().Sub(inv.arrived))
	}
	route := inv.route
	if inv.tag != 0 {
		m.endOfStep(inv, true)
	}
	if f.appetite != nil {
		m.giveBack(s, inv.id)
	}
	m.invocations.put(inv)
	f.inSystem--
	if twin != nil {
		twin.twin = nil
		m.cancel(twin)
	}
	m.freeSlot(s, route)
}

// freeSlot takes back a slot of the sandbox and gives it to the next.
func (m *Model) freeSlot(s *Sandbox, route int32) {
	f := s.function
	s.inService--
	s.node.load--
	f.inService--
	if s.leaving {
		if s.inService == 0 {
			m.discard(s)
		}
		return
	}
	next, waited := s.queue.pop()
	if waited {
		s.node.load--
		m.serve(s, m.invocations.at(next))
	}
	if m.control != nil {
		m.control.Left(s, route)
		return
	}
	f.all.touch(s)
	if waited {
		return
	}
	if int(s.inService) == f.config.Concurrency-1 {
		f.free.add(s, true)
	} else {
		f.free.touch(s)
	}
	if m.config.Binding == BindLate {
		if next, ok := f.queue.pop(); ok {
			m.give(s, m.invocations.at(next))
			return
		}
	}
	if s.inService == 0 {
		m.retire(s)
	}
}
