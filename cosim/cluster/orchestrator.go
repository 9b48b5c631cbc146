package cluster

import (
	"time"

	"microcosm/cosim/des"
	"microcosm/cosim/metrics"
)

// Orchestrator finds a node for each new sandbox and starts it there, in the place
// of Placement and of the laws' cold starts. What it decides it does through the
// Launcher that it is started with.
type Orchestrator interface {
	// Start is called before any sandbox exists.
	Start(l *Launcher) error
	// Exists is called for a sandbox that exists before the first arrival. It must
	// Place it, or return nil where no node has room; then an Order follows.
	Exists(f *Function) *Sandbox
	// Order is called when a sandbox is wanted. It must be placed in an event of its
	// own: never before Order returns.
	Order(f *Function)
	// Withdraw is called when an ordered sandbox that has no node is not wanted any
	// more. There is one.
	Withdraw(f *Function)
	// Gone is called when a sandbox leaves its node, whether it was ready or not.
	Gone(s *Sandbox)
	// Changed is called when a node has come, goes, or is to be left.
	Changed(n *Node)
	// Handle is called for a signal at its instant.
	Handle(s Signal)
}

// Stage is a part of a cold start whose duration is recorded.
type Stage uint8

// The stages, in their order.
const (
	StageSchedule Stage = iota // from the order until a node is told
	StagePull                  // until the image is there
	StageCreate                // until the container is there
	StageInit                  // until the runtime serves
	StageStart                 // all of them and what lies between
	Stages        = int(StageStart) + 1
)

var stageWords = [...]string{"schedule", "pull", "create", "init", "start"}

// String returns the word of the stage.
func (s Stage) String() string {
	if int(s) < len(stageWords) {
		return stageWords[s]
	}
	return "invalid"
}

// Launcher is what an orchestrator can do to the cluster. It is part of the run
// and shares its time.
type Launcher struct{ m *Model }

// Now returns the current instant.
func (l *Launcher) Now() des.Time { return l.m.events.Now() }

// Functions returns the functions, in the order of the configuration; the caller
// must not change the list.
func (l *Launcher) Functions() []*Function { return l.m.functions }

// Nodes returns the nodes, in the order of the configuration; the caller must not
// change the list.
func (l *Launcher) Nodes() []*Node { return l.m.nodes }

// Remind has the signal handled at an instant, which does not lie in the past, unless
// it is cancelled before.
func (l *Launcher) Remind(at des.Time, s Signal) des.Timer {
	return l.m.events.Schedule(at, event{kind: eventLaunch, ref: s.Ref, tag: s.Kind})
}

// Cancel withdraws a signal.
func (l *Launcher) Cancel(t des.Timer) { l.m.events.Cancel(t) }

// Place puts an ordered sandbox of f on a node, where it waits to become Ready.
func (l *Launcher) Place(f *Function, node int) *Sandbox {
	f.unplaced--
	s := l.m.settleIn(f, node, false)
	if l.m.control != nil {
		l.m.control.Placed(s)
	}
	return s
}

// PlaceExisting puts a sandbox on a node that is ready and has had its first call.
func (l *Launcher) PlaceExisting(f *Function, node int) *Sandbox { return l.m.settleIn(f, node, true) }

// Startup draws how long the container of a sandbox takes to be created, and its
// runtime to be initialised. It is asked once for each.
func (l *Launcher) Startup(s *Sandbox) (create, init time.Duration) {
	f := s.function
	create, init, err := s.law().Startup(f.stage.Float64(), f.stage.Float64())
	if err != nil && l.m.failure == nil {
		l.m.failure = err
	}
	return create, init
}

// Ready puts a placed sandbox to work. It took the given time from its order.
func (l *Launcher) Ready(s *Sandbox, took time.Duration) {
	s.startup = took
	l.Took(StageStart, took)
	l.m.ready(s)
}

// Took records how long a stage took.
func (l *Launcher) Took(stage Stage, d time.Duration) {
	if l.Now() < l.m.config.WarmUp {
		return
	}
	h := &l.m.recorder.stages[stage]
	if *h == nil {
		*h = &metrics.Histogram{}
	}
	(*h).Record(d)
}

// Unplaced counts a sandbox that was tried and found no node.
func (l *Launcher) Unplaced() { l.m.recorder.unplaced++ }

// Pulled counts an image that a node begins to pull.
func (l *Launcher) Pulled() { l.m.recorder.pulls++ }

// Downloaded counts what nodes get from the registry.
func (l *Launcher) Downloaded(bytes int64) { l.m.recorder.downloaded += bytes }

// Fail ends the run with an error.
func (l *Launcher) Fail(err error) {
	if l.m.failure == nil {
		l.m.failure = err
	}
}

// Life tells apart the sandboxes that had the same ID; 0 means gone.
func (s *Sandbox) Life() int32 { return s.life }

// Up reports whether the node is there.
func (n *Node) Up() bool { return n.up }

// Accepts reports whether new sandboxes may be placed on the node at all.
func (n *Node) Accepts() bool { return n.accepts() }

// order has the orchestrator start a sandbox.
func (m *Model) order(f *Function, beforeStart bool) *Sandbox {
	if beforeStart {
		if s := m.launcher.Exists(f); s != nil {
			return s
		}
	}
	f.unplaced++
	m.launcher.Order(f)
	return nil
}

// withdraw gives up a sandbox that has no node.
func (m *Model) withdraw(f *Function) {
	f.unplaced--
	if m.launcher != nil {
		m.launcher.Withdraw(f)
	}
}

func (m *Model) nodeChanged(n *Node) {
	m.reorder(n)
	if m.launcher != nil {
		m.launcher.Changed(n)
	}
}
