package knative

import (
	"math"
	"time"

	"microcosm/cosim/des"
)

// Tick is how often an autoscaler decides.
const Tick = 2 * time.Second

// Autoscaler decides how many pods one revision should have, as the Knative Pod
// Autoscaler does: on the average of a stable window, and in panic, when the
// load of a short window exceeds what the pods can serve, on the larger of both
// without ever scaling down.
type Autoscaler struct {
	spec     Spec
	panicked bool
	since    des.Time // the panic threshold was last exceeded
	most     int32    // pods wanted since the panic began
	delay    *peak    // nil without a scale-down delay
}

// NewAutoscaler returns the autoscaler of a revision that has some ready pods at
// the instant: with more than one it begins in panic, so that a restart of the
// autoscaler never removes pods for want of history.
func NewAutoscaler(spec Spec, at des.Time, ready int) *Autoscaler {
	a := &Autoscaler{spec: spec, most: int32(ready)}
	if ready > 1 {
		a.panicked, a.since = true, at
	}
	if spec.ScaleDownDelay > 0 {
		a.delay = newPeak(spec.ScaleDownDelay, Tick)
	}
	return a
}

// Observed is what a decision is made on.
type Observed struct {
	Ready         int     // pods that serve
	Stable, Panic float64 // averages of the metric over the two windows
}

// Decision is what an autoscaler wants.
type Decision struct {
	Desired int32 // pods, before the bounds on the scale
	// Excess is how many more concurrent requests the ready pods can take beyond
	// the present load and the target burst capacity; below 0 the activator
	// belongs in the path.
	Excess int32
	Panic  bool
}

// Decide returns the decision at an instant, which does not lie before earlier
// ones.
func (a *Autoscaler) Decide(at des.Time, o Observed) Decision {
	s := &a.spec
	ready := math.Max(1, float64(o.Ready))
	up := math.Ceil(s.MaxScaleUpRate * ready)
	down := 0.0
	if s.Reachable {
		down = math.Floor(ready / s.MaxScaleDownRate)
	}
	stable, panicky := math.Ceil(o.Stable/s.Target), math.Ceil(o.Panic/s.Target)
	want := a.bounded(stable, down, up)
	wantInPanic := a.bounded(panicky, down, up)

	a.updatePanic(at, panicky/ready >= s.PanicThreshold)
	if a.panicked {
		a.most = max(a.most, want, wantInPanic)
		want = a.most
	}
	if s.Reachable && a.delay != nil {
		want = a.delay.record(at, want)
	}
	return Decision{Desired: want, Excess: a.excess(o), Panic: a.panicked}
}

// bounded returns a number of pods between the limits on the rate of change; a
// revision that needs a pod at all gets its activation scale.
func (a *Autoscaler) bounded(pods, down, up float64) int32 {
	want := int32(math.Min(math.Max(pods, down), up))
	if a.spec.ActivationScale > 1 && pods > 0 {
		want = max(want, a.spec.ActivationScale)
	}
	return want
}

// updatePanic begins or prolongs the panic while the load is over the threshold,
// and ends it once it has been below for a whole stable window.
func (a *Autoscaler) updatePanic(at des.Time, over bool) {
	switch {
	case over:
		a.panicked, a.since = true, at
	case a.panicked && a.since.Add(a.spec.StableWindow) < at:
		a.panicked, a.most = false, 0
	}
}

func (a *Autoscaler) excess(o Observed) int32 {
	switch burst := a.spec.TargetBurstCapacity; {
	case burst == 0:
		return 0
	case burst > 0:
		return int32(math.Floor(float64(o.Ready)*a.spec.Total - burst - o.Panic))
	default:
		return -1
	}
}

// InitialExcess is the excess burst capacity before the first decision.
func (s *Spec) InitialExcess() int32 {
	if s.TargetBurstCapacity <= 0 {
		return int32(s.TargetBurstCapacity)
	}
	return int32(float64(s.InitialScale)*s.Total - s.TargetBurstCapacity)
}
