package controlplane

import (
	"fmt"
	"math/rand/v2"
	"time"

	"microcosm/cosim/cluster"
	"microcosm/cosim/controlplane/knative"
	"microcosm/cosim/des"
)

// Config is the control plane of one run.
type Config struct {
	// Revisions say how each function is scaled, in the order of the functions.
	Revisions []Revision
	// Activators is how many there are in all, at least 1.
	Activators int
	// Random opens a named stream, as in cluster.Config.
	Random func(name string) *rand.Rand
}

// Revision is the configuration of one function.
type Revision struct {
	Spec knative.Spec
	// NewScaler makes an autoscaler in the place of Knative's; nil for Knative's.
	NewScaler func() Scaler
	// Way draws the time that a request spends in ingress, proxies and network;
	// nil for none. It gets a random number from [0, 1).
	Way func(u float64) time.Duration
}

// New returns the control plane.
func New(c Config) *Plane {
	return &Plane{config: c, activators: max(1, c.Activators)}
}

// Plane is Knative's control plane. It implements cluster.ControlPlane.
type Plane struct {
	config     Config
	activators int
	a          *cluster.Actuator
	revisions  []*revision
	pods       []*pod // by the sandbox's ID
}

// Signals.
const (
	signalTick int32 = iota
	signalScrape
	signalReconcile
	signalProbe
	signalReplace // pods that were lost
	signalReport  // + the activator
)

// Start implements cluster.ControlPlane.
func (p *Plane) Start(a *cluster.Actuator) error {
	p.a = a
	functions := a.Functions()
	if len(functions) != len(p.config.Revisions) {
		return fmt.Errorf("controlplane: %d revisions for %d functions", len(p.config.Revisions), len(functions))
	}
	for i, f := range functions {
		p.revisions = append(p.revisions, newRevision(p, f, p.config.Revisions[i]))
	}
	for _, r := range p.revisions {
		r.begin()
	}
	return nil
}

// Arrived implements cluster.ControlPlane.
func (p *Plane) Arrived(f *cluster.Function, id int32) {
	r := p.revisions[f.Index()]
	r.inside++
	r.arrived++
	r.wake()
	if r.way != nil {
		p.a.Delay(id, r.way(r.random.Float64()))
	}
	if r.proxied {
		r.throughActivator(id)
	} else {
		r.straight(id)
	}
}

// Left implements cluster.ControlPlane.
func (p *Plane) Left(s *cluster.Sandbox, route int32) {
	d := p.pods[s.ID()]
	r, now := d.revision, p.a.Now()
	r.inside--
	d.proxy.leave(now, route >= 0)
	if route >= 0 {
		r.activators[route].left(r, d, now)
	}
	if d.terminating && s.Load() == 0 {
		p.remove(d)
	}
}

// Placed implements cluster.ControlPlane.
func (p *Plane) Placed(s *cluster.Sandbox) {
	r := p.revisions[s.Function().Index()]
	r.unplaced--
	r.newPod(s)
}

// Ready implements cluster.ControlPlane.
func (p *Plane) Ready(s *cluster.Sandbox) { p.pods[s.ID()].becomeReady() }

// Handle implements cluster.ControlPlane.
func (p *Plane) Handle(s cluster.Signal) {
	r := p.revisions[s.Ref]
	switch s.Kind {
	case signalTick:
		r.tick()
	case signalScrape:
		r.scrape()
	case signalReconcile:
		r.reconcileDue()
	case signalProbe:
		r.probe()
	case signalReplace:
		r.resize(r.replicas)
	default:
		r.activators[s.Kind-signalReport].report(r, p.a.Now())
	}
}

// Lost implements cluster.ControlPlane. What was in the pods is none of Knative's any
// more; their ReplicaSets replace them.
func (p *Plane) Lost(gone []cluster.Lost, replace time.Duration) {
	now := p.a.Now()
	var list []*pod
	for _, lost := range gone {
		d := p.pods[lost.Sandbox.ID()]
		p.pods[lost.Sandbox.ID()] = nil
		r := d.revision
		for _, route := range lost.Routes {
			r.inside--
			if route >= 0 {
				a := &r.activators[route]
				a.advance(now)
				a.inside--
			}
		}
		if d.terminating {
			r.terminating--
		}
		d.terminating = true
		list = append(list, d)
	}
	p.withdraw(list, replace)
}

// Leaving implements cluster.ControlPlane: the pods are drained, and replaced at
// once.
func (p *Plane) Leaving(leaving []*cluster.Sandbox) {
	var list []*pod
	for _, s := range leaving {
		if d := p.pods[s.ID()]; !d.terminating {
			d.terminating = true
			d.revision.terminating++
			list = append(list, d)
		}
	}
	p.withdraw(list, 0)
	for _, d := range list {
		if d.sandbox.Load() == 0 {
			p.remove(d)
		}
	}
}

// withdraw takes pods out of their revisions' paths, all of them before anything is
// sent elsewhere, and has the revisions start others for them after a time.
func (p *Plane) withdraw(list []*pod, replace time.Duration) {
	affected := make([]bool, len(p.revisions))
	for _, d := range list {
		affected[d.revision.index] = true
	}
	for i, r := range p.revisions {
		if affected[i] {
			r.prune()
		}
	}
	for i, r := range p.revisions {
		if !affected[i] {
			continue
		}
		r.assign()
		r.wake()
		r.reconcile()
		if replace == 0 {
			r.resize(r.replicas)
		} else {
			p.a.Remind(p.a.Now().Add(replace), cluster.Signal{Kind: signalReplace, Ref: r.index})
		}
	}
}

// remove frees a pod's sandbox, and with it its place on a node.
func (p *Plane) remove(d *pod) {
	d.revision.terminating--
	p.pods[d.sandbox.ID()] = nil
	if err := p.a.Remove(d.sandbox); err != nil {
		p.a.Fail(err)
	}
}

// grid returns the first instant after now that lies a whole number of periods
// after the phase.
func grid(now, phase, period des.Time) des.Time {
	if now < phase {
		return phase
	}
	return phase + ((now-phase)/period+1)*period
}
