package cluster

import (
	"time"

	"microcosm/cosim/des"
)

// Flows releases invocations that depend on one another. It says when a flow
// begins, and on the end of each of its invocations which ones follow.
// Package workflow implements it.
type Flows interface {
	// Next returns when the next flow begins, not before the last one, or false
	// when there is none left.
	Next() (des.Time, bool)
	// Begin begins that flow.
	Begin(now des.Time, release func(Release))
	// Ended tells that an invocation of a flow has ended. It is called once for
	// each that was released, unless the run ends before.
	Ended(now des.Time, e Ended, release func(Release))
}

// Release is an invocation of a flow.
type Release struct {
	Function int           // index in Config.Functions
	After    time.Duration // from now, >= 0: what it waits for on its way
	Base     time.Duration // the duration that is given to it, else 0
	Tag      int32         // by which Ended names it, > 0
}

// Ended is the end of an invocation of a flow.
type Ended struct {
	Tag     int32
	Done    bool // else it has failed or was rejected, after every retry
	Arrived des.Time
	Service time.Duration // 0 unless done
	Way     time.Duration // to the sandbox and back: the reply is there this much later
}

// NoArrivals is the arrival process of a function that only flows invoke.
type NoArrivals struct{}

// Next returns false.
func (NoArrivals) Next() (Arrival, bool) { return Arrival{}, false }

// flows is the part of the model that serves Config.Flows. Released invocations
// that are still on their way keep the run going.
type flows struct {
	source  Flows
	begins  des.Source // of the flows' beginnings
	onWay   int
	waiting []Release // by slot, while on their way
	free    []int32
	release func(Release) // bound once
}

func (m *Model) initFlows() {
	m.flows.source = m.config.Flows
	m.flows.release = m.send
	if m.flows.source != nil {
		m.flows.begins = m.events.NewSource(event{kind: eventFlow})
		m.scheduleFlow()
	}
}

func (m *Model) scheduleFlow() {
	if at, ok := m.flows.source.Next(); ok && at <= m.config.Horizon {
		m.events.Emit(m.flows.begins, at)
	}
}

func (m *Model) beginFlow() {
	m.flows.source.Begin(m.events.Now(), m.flows.release)
	m.scheduleFlow()
}

// send sends an invocation on its way.
func (m *Model) send(r Release) {
	f := &m.flows
	slot := int32(len(f.waiting))
	if n := len(f.free); n > 0 {
		slot, f.free = f.free[n-1], f.free[:n-1]
		f.waiting[slot] = r
	} else {
		f.waiting = append(f.waiting, r)
	}
	f.onWay++
	m.events.Schedule(m.events.Now().Add(r.After), event{kind: eventRelease, ref: slot})
}

// deliver lets a released invocation arrive at its function.
func (m *Model) deliver(slot int32) {
	r := m.flows.waiting[slot]
	m.flows.free = append(m.flows.free, slot)
	m.flows.onWay--
	f := m.functions[r.Function]
	m.enter(f, r.Base, r.Tag)
}

// endOfStep tells the flow of an invocation, which has one, that it has ended.
func (m *Model) endOfStep(inv *invocation, done bool) {
	e := Ended{Tag: inv.tag, Done: done, Arrived: inv.arrived}
	if done {
		e.Service, e.Way = inv.service, inv.way
	}
	m.flows.source.Ended(m.events.Now(), e, m.flows.release)
}
