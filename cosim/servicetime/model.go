package servicetime

import (
	"fmt"
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
