package servicetime

import (
	"fmt"
	"math"
	"time"
)

// ModelKind names how the state of a core becomes a depth on the interpolation
// axis.
type ModelKind uint8

// The condition models.
const (
	ModelInvalid ModelKind = iota
	Interleave             // by k, the invocations of other sandboxes in between
	Idle                   // by the idle time since this sandbox last ran here
)

var modelWords = [...]string{"invalid", "interleave", "idle"}

// String returns the word of the model.
func (m ModelKind) String() string {
	if int(m) < len(modelWords) {
		return modelWords[m]
	}
	return modelWords[ModelInvalid]
}

// ParseModel reads what String writes, except "invalid".
func ParseModel(word string) (ModelKind, error) {
	for m := Interleave; int(m) < len(modelWords); m++ {
		if modelWords[m] == word {
			return m, nil
		}
	}
	return ModelInvalid, fmt.Errorf("condition model %q: want interleave or idle", word)
}

// ConditionModel turns what the cluster knows of a core into a depth on the
// interpolation axis.
type ConditionModel struct {
	Kind      ModelKind
	HalfDepth float64       // k½ for Interleave, > 0; 0 means "fit it, else DefaultHalfDepth"
	Tau       time.Duration // decay constant for Idle, > 0
}

// FitTau returns the decay constant under which the depths 1 − e^(−I/τ) of the
// idle times of states come closest, in least squares, to the depths that the
// function gives them: what the idle model has to be told to agree on average
// with a model that knows what ran in between. States that are new to their core
// say nothing; without any other the constant is a second.
func FitTau(states []State, depth func(State) float64) time.Duration {
	type observation struct{ idle, depth float64 }
	var seen []observation
	shortest, longest := math.Inf(1), 0.0
	for _, s := range states {
		if s.New || s.Idle <= 0 {
			continue
		}
		seen = append(seen, observation{float64(s.Idle), depth(s)})
		shortest, longest = min(shortest, float64(s.Idle)), max(longest, float64(s.Idle))
	}
	if len(seen) == 0 {
		return time.Second
	}
	loss := func(logTau float64) float64 {
		sum, tau := 0.0, math.Exp(logTau)
		for _, o := range seen {
			r := DepthIdle(o.idle, tau) - o.depth
			sum += r * r
		}
		return sum
	}
	// Beyond these ends every idle time has a depth next to 1 or next to 0.
	low, high := math.Log(shortest/64), math.Log(min(64*longest, math.MaxInt64/2))
	return max(1, nanoseconds(math.Exp(minimum(loss, low, high))))
}

// Depth returns the depth of a call that is not cold: 0 warm, 1 flush.
func (m ConditionModel) Depth(s State) float64 {
	switch {
	case s.New:
		return 1
	case m.Kind == Idle:
		return DepthIdle(float64(s.Idle), float64(m.Tau))
	case s.K == 0:
		return 0
	default:
		return DepthAfter(float64(s.K), m.HalfDepth)
	}
}
