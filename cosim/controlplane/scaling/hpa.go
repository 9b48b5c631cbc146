package scaling

import (
	"slices"
	"time"

	"microcosm/cosim/controlplane"
	"microcosm/cosim/des"
)

// What the HorizontalPodAutoscaler does unless its behavior is set
// (pkg/apis/autoscaling/v2/defaults.go of github.com/kubernetes/kubernetes).
const (
	hpaPeriod        = 15 * time.Second
	hpaStabilization = 5 * time.Minute
	policyPeriod     = 15 * time.Second // of the two policies that bound scaling up
	morePods         = 4                // by the one
	moreTimes        = 2                // by the other; the larger holds
)

// None stands for no stabilization.
const None = -1

// hpa is the HorizontalPodAutoscaler: the proportional rule on CPU, with what steadies
// it (pkg/controller/podautoscaler/horizontal.go). It goes down to the highest of what
// it would have wanted within the stabilization window, and up by four pods or to
// twice as many in 15 s.
type hpa struct {
	proportional
	window  time.Duration
	advice  []amount // within the window, what the load alone asked for
	changes []amount // within the period of the policies, of the number of pods
}

// amount is a number of pods at an instant.
type amount struct {
	at   des.Time
	pods int
}

// newHPA scales on CPU: half a core busy per pod, every 15 s.
func newHPA(o Options) controlplane.Scaler {
	window := o.Stabilization
	switch {
	case window == 0:
		window = hpaStabilization
	case window < 0:
		window = 0
	}
	return &hpa{window: window, proportional: proportional{
		period: period(o, hpaPeriod), target: orElse(o.Target, .5), tolerance: orElse(o.Tolerance, .1),
		load: func(v controlplane.View) float64 { return v.Utilization },
	}}
}

// Desired implements controlplane.Scaler.
func (h *hpa) Desired(v controlplane.View) int {
	present := v.Ready + v.Starting
	wanted := h.proportional.Desired(v)
	if h.advice == nil { // what is there when it begins counts like a decision
		h.advice = []amount{{v.Now, present}}
	}
	h.advice, h.changes = since(h.advice, v.Now, h.window), since(h.changes, v.Now, policyPeriod)
	highest := wanted
	for _, a := range h.advice {
		highest = max(highest, a.pods)
	}
	h.advice = append(h.advice, amount{v.Now, wanted})
	desired := min(max(present, wanted), highest)
	if desired > present {
		desired = min(desired, max(present, h.limit(present)))
	}
	if desired != present {
		h.changes = append(h.changes, amount{v.Now, desired - present})
	}
	return desired
}

// limit is how many pods the policies allow: they count from what was there when
// their period began.
func (h *hpa) limit(present int) int {
	began := present
	for _, c := range h.changes {
		began -= c.pods
	}
	return max(began+morePods, began*moreTimes)
}

// Waits implements controlplane.Patient: more was wanted within the window than now.
func (h *hpa) Waits() bool {
	n := len(h.advice)
	return n > 0 && slices.ContainsFunc(h.advice, func(a amount) bool { return a.pods > h.advice[n-1].pods })
}

// since returns the amounts that are younger than the window.
func since(list []amount, now des.Time, window time.Duration) []amount {
	return slices.DeleteFunc(list, func(a amount) bool { return now.Sub(a.at) >= window })
}
