package cluster

import (
	"fmt"
	"time"

	"microcosm/cosim/des"
)

// ControlPlane decides where invocations go and which sandboxes there are, in the
// place of Binding, the load balancers, the scalers and keep-alive. What it
// decides it does through the Actuator that it is started with.
type ControlPlane interface {
	// Start is called before the first arrival.
	Start(a *Actuator) error
	// Arrived must Enter the invocation, keep it for later, or Reject it.
	Arrived(f *Function, id int32)
	// Left is called when an invocation has left its sandbox: its slot is free, or
	// given to the next that waited in the sandbox. The route is that of Enter.
	Left(s *Sandbox, route int32)
	// Placed is called when a sandbox that Add found no node for has got one.
	Placed(s *Sandbox)
	// Ready is called when a sandbox can serve.
	Ready(s *Sandbox)
	// Lost is called when sandboxes are gone at once with what was in them: nothing can
	// be sent there any more. They may be replaced after the given time.
	Lost(gone []Lost, replace time.Duration)
	// Leaving is called when the nodes of ready sandboxes are to be left: those are to
	// end what they have and then be removed.
	Leaving(leaving []*Sandbox)
	// Handle is called for a signal at its instant.
	Handle(s Signal)
}

// Lost is a sandbox that is gone, and the routes of the invocations that were in it.
// Each of these arrives again, unless it fails.
type Lost struct {
	Sandbox *Sandbox
	Routes  []int32
}

// Signal is what a control plane reminds itself of.
type Signal struct {
	Kind int32
	Ref  int32
}

// Actuator is what a control plane can do to the cluster. It is part of the run
// and shares its time.
type Actuator struct{ m *Model }

// Now returns the current instant.
func (a *Actuator) Now() des.Time { return a.m.events.Now() }

// Functions returns the functions, in the order of the configuration; the caller
// must not change the list.
func (a *Actuator) Functions() []*Function { return a.m.functions }

// Remind has the signal handled at an instant, which does not lie in the past.
func (a *Actuator) Remind(at des.Time, s Signal) {
	a.m.events.Schedule(at, event{kind: eventSignal, ref: s.Ref, tag: s.Kind})
}

// Enter sends an invocation to a sandbox that is ready: it takes a slot, or waits
// in the sandbox while its queue has room. It reports false, and does nothing,
// where the queue is full.
func (a *Actuator) Enter(s *Sandbox, id, route int32) bool {
	f := s.function
	inv := a.m.invocations.at(id)
	inv.route = route
	switch {
	case !s.full():
		a.m.serve(s, inv)
	case f.config.QueueLimit == Unlimited || s.queue.len() < f.config.QueueLimit:
		a.m.lineUp(s, inv)
	default:
		return false
	}
	return true
}

// Delay adds to the response time of an invocation what its way to the sandbox
// and back takes.
func (a *Actuator) Delay(id int32, d time.Duration) { a.m.invocations.at(id).way += d }

// Reject ends an attempt unserved.
func (a *Actuator) Reject(_ *Function, id int32) { a.m.lose(a.m.invocations.at(id), LossRejected) }

// Add starts a sandbox, one that is ready at once and has had its first call
// where existing. It returns nil where no node is known yet: Placed follows, unless
// the sandbox is withdrawn before.
func (a *Actuator) Add(f *Function, existing bool) *Sandbox { return a.m.addSandbox(f, existing) }

// Withdraw gives up a sandbox that was added and has not been placed.
func (a *Actuator) Withdraw(f *Function) { a.m.withdraw(f) }

// Remove ends a ready sandbox with nothing in it.
func (a *Actuator) Remove(s *Sandbox) error {
	if s.Load() > 0 || !s.function.all.Has(s) {
		return fmt.Errorf("a sandbox of %s is to be removed with %d invocations in it, or before it is ready", s.function.Name(), s.Load())
	}
	a.m.removeSandbox(s)
	return nil
}

// Fail ends the run with an error.
func (a *Actuator) Fail(err error) {
	if a.m.failure == nil {
		a.m.failure = err
	}
}

// Executed returns the core time of the function's invocations that have left
// their cores.
func (f *Function) Executed() time.Duration { return f.executed }

// Index returns the place of the function in the configuration.
func (f *Function) Index() int { return f.index }

// ID returns a small number that no other living sandbox has.
func (s *Sandbox) ID() int32 { return s.id }
