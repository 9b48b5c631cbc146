// Package scaling holds autoscalers that take the place of Knative's: the
// Kubernetes HorizontalPodAutoscaler, those of faas-sim (requests per second,
// average requests per second, queue length), and a fixed number of pods. Each is
// one small type, found by its name in one literal map.
//
// They decide; what their decision does to pods and paths is that of package
// controlplane.
package scaling

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"microcosm/cosim/controlplane"
)

// Options are what the autoscalers are set up with. Zero stands for the default
// of each.
type Options struct {
	// Period is how often an autoscaler decides.
	Period time.Duration
	// Target is what one pod is to take: a share of a core (hpa), requests per
	// second (rps, average-rps), requests in it (queue-length), or how many pods
	// there are (fixed).
	Target float64
	// Tolerance is by how large a share the ratio of load to target may be off
	// before anything changes.
	Tolerance float64
	// Stabilization is for how long hpa remembers what it would have wanted before it
	// scales down; None: not at all.
	Stabilization time.Duration
	// Max bounds the pods where an autoscaler needs a bound to work; 0: 20.
	Max int
	// Step is the share of Max that rps adds or removes at a time.
	Step float64
}

// kinds maps names to makers.
var kinds = map[string]func(Options) controlplane.Scaler{
	"hpa":          newHPA,
	"rps":          newRPS,
	"average-rps":  newAverageRPS,
	"queue-length": newQueueLength,
	"fixed":        newFixed,
}

// Names returns the names of the autoscalers, sorted.
func Names() []string { return slices.Sorted(maps.Keys(kinds)) }

// New returns a maker of the named autoscaler.
func New(name string, o Options) (func() controlplane.Scaler, error) {
	make, ok := kinds[name]
	if !ok {
		return nil, fmt.Errorf("autoscaler %q: want one of %s", name, strings.Join(Names(), ", "))
	}
	return func() controlplane.Scaler { return make(o) }, nil
}

func orElse(value, standard float64) float64 {
	if value == 0 {
		return standard
	}
	return value
}

// proportional keeps the ratio of load to target near 1: the rule of the
// HorizontalPodAutoscaler, desired = ceil(ready · ratio), which leaves the pods
// alone while the ratio is within the tolerance, and does not scale up where
// counting the starting pods as idle would reverse that.
type proportional struct {
	period            time.Duration
	target, tolerance float64
	load              func(controlplane.View) float64 // mean per ready pod
}

// Period implements controlplane.Scaler.
func (p proportional) Period() time.Duration { return p.period }

// Desired implements controlplane.Scaler.
func (p proportional) Desired(v controlplane.View) int {
	all := v.Ready + v.Starting
	if v.Ready == 0 {
		return max(1, all)
	}
	load := p.load(v)
	ratio := load / p.target
	if math.Abs(ratio-1) <= p.tolerance {
		return all
	}
	if ratio < 1 || v.Starting == 0 {
		return max(1, ceil(float64(v.Ready)*ratio))
	}
	with := load * float64(v.Ready) / float64(all) / p.target
	if with <= 1+p.tolerance {
		return all
	}
	return ceil(float64(all) * with)
}

// ceil rounds up what is not whole by more than rounding errors.
func ceil(x float64) int { return int(math.Ceil(x - 1e-9)) }

// newAverageRPS scales on requests per second and pod, every 50 s.
func newAverageRPS(o Options) controlplane.Scaler {
	every := period(o, 50*time.Second)
	return proportional{
		period: every, target: orElse(o.Target, 200), tolerance: orElse(o.Tolerance, .1),
		load: func(v controlplane.View) float64 { return float64(v.Arrived) / every.Seconds() / float64(v.Ready) },
	}
}

// newQueueLength scales on the median number of requests in a pod, every 50 s.
func newQueueLength(o Options) controlplane.Scaler {
	return proportional{
		period: period(o, 50*time.Second), target: orElse(o.Target, 75), tolerance: orElse(o.Tolerance, .1),
		load: func(v controlplane.View) float64 { return v.Queue },
	}
}

func period(o Options, standard time.Duration) time.Duration {
	if o.Period > 0 {
		return o.Period
	}
	return standard
}

// rps adds a step of pods while the requests per second are at the threshold or
// above, and removes one while they are below.
type rps struct {
	period    time.Duration
	threshold float64
	step      int
}

func newRPS(o Options) controlplane.Scaler {
	most := o.Max
	if most == 0 {
		most = 20
	}
	return rps{period: period(o, 10*time.Second), threshold: orElse(o.Target, 20), step: max(1, int(orElse(o.Step, .05)*float64(most)))}
}

// Period implements controlplane.Scaler.
func (s rps) Period() time.Duration { return s.period }

// Desired implements controlplane.Scaler.
func (s rps) Desired(v controlplane.View) int {
	pods := v.Ready + v.Starting
	if float64(v.Arrived)/s.period.Seconds() >= s.threshold {
		return pods + s.step
	}
	return max(1, pods-s.step)
}

// fixed is a number of pods.
type fixed struct{ pods int }

func newFixed(o Options) controlplane.Scaler { return fixed{max(1, int(o.Target))} }

// Period implements controlplane.Scaler.
func (fixed) Period() time.Duration { return time.Minute }

// Desired implements controlplane.Scaler.
func (f fixed) Desired(controlplane.View) int { return f.pods }
