package metrics

import (
	"encoding/json"
	"fmt"
	"math"
)

// Status says whether an Estimate may be used as a number.
type Status uint8

// The statuses of an estimate.
const (
	StatusInvalid      Status = iota // the zero Estimate: nothing was estimated
	StatusOK                         // value and interval stand
	StatusNotEstimable               // there is no interval; Note says why. The value may be known
	StatusUnstable                   // the quantity has no steady state: there is no value either
	StatusBounds                     // there is no interval, but the quantity lies within Lo and Hi, NaN where it has no bound; Note says why
)

var statusWords = [...]string{"invalid", "ok", "not estimable", "unstable", "bounds"}

// String returns the word of the status.
func (s Status) String() string {
	if int(s) < len(statusWords) {
		return statusWords[s]
	}
	return statusWords[StatusInvalid]
}

// ParseStatus reads what String writes, except "invalid".
func ParseStatus(word string) (Status, error) {
	for s := StatusOK; int(s) < len(statusWords); s++ {
		if statusWords[s] == word {
			return s, nil
		}
	}
	return StatusInvalid, fmt.Errorf("status %q: want ok, not estimable, unstable or bounds", word)
}

// Estimate is one number with its confidence interval. Times are in seconds, all
// else is without a unit. Est, Lo and Hi are NaN where they are not known, which
// Status tells beforehand: an interval stands only where it is StatusOK.
type Estimate struct {
	Est, Lo, Hi float64
	N           int64  // observations behind it: replications, batches or values, see Method
	Method      string // how the interval was made; one of the Method constants
	Status      Status
	Note        string // why there is no interval; empty when StatusOK
}

// Names of the methods by which intervals are made, and what N counts.
const (
	MethodReplications = "t of replications"        // N: replications
	MethodPaired       = "t of paired replications" // N: pairs
	MethodBatchMeans   = "t of batch means"         // N: values after warm-up
	MethodSectioning   = "sectioning"               // N: values in all sections
	MethodShares       = "sectioned shares"         // N: values in all sections
	MethodOrder        = "order statistics"         // N: values
	MethodWelch        = "Welch t"                  // N: values in both samples
	MethodBootstrap    = "bootstrap"                // N: resamples
	MethodCombined     = "queue noise and samples"  // N: as of the queue noise
	MethodLeftOut      = "leave one condition out"  // N: runs of the model
)

// NotEstimable returns an estimate that has no interval, for the reason given.
// est is the value where it is known without its uncertainty, else NaN.
func NotEstimable(est float64, n int64, method, reason string) Estimate {
	return Estimate{Est: est, Lo: math.NaN(), Hi: math.NaN(), N: n, Method: method, Status: StatusNotEstimable, Note: reason}
}

// Unstable returns the estimate of a quantity that grows as long as the run
// goes on, for the reason given.
func Unstable(n int64, method, reason string) Estimate {
	e := NotEstimable(math.NaN(), n, method, reason)
	e.Status = StatusUnstable
	return e
}

// Bounds returns an estimate that has no interval but bounds, for the reason
// given. A bound that is not finite is none.
func Bounds(est, lo, hi float64, n int64, method, reason string) Estimate {
	e := NotEstimable(est, n, method, reason)
	e.Status = StatusBounds
	e.Lo, e.Hi = orNaN(finite(lo)), orNaN(finite(hi))
	return e
}

// OK reports whether value and interval stand.
func (e Estimate) OK() bool { return e.Status == StatusOK }

// HalfWidth returns half the length of the interval; NaN where there is none.
func (e Estimate) HalfWidth() float64 {
	if !e.OK() {
		return math.NaN()
	}
	return (e.Hi - e.Lo) / 2
}

// Relative returns the half-width over the magnitude of the value: 0 for an
// interval of length 0, +Inf around 0, NaN where there is no interval.
func (e Estimate) Relative() float64 {
	half := e.HalfWidth()
	if half == 0 {
		return 0
	}
	return half / math.Abs(e.Est)
}

// Covers reports whether the interval contains x; no interval contains nothing.
func (e Estimate) Covers(x float64) bool { return e.OK() && e.Lo <= x && x <= e.Hi }

// Scale returns the estimate of c times the quantity, c > 0.
func (e Estimate) Scale(c float64) Estimate {
	e.Est, e.Lo, e.Hi = e.Est*c, e.Lo*c, e.Hi*c
	return e
}

// String returns the estimate in short, for people: "0.0123 [0.0119, 0.0127]"
// or the status with its note.
func (e Estimate) String() string {
	if e.OK() {
		return fmt.Sprintf("%.4g [%.4g, %.4g]", e.Est, e.Lo, e.Hi)
	}
	text := e.Status.String()
	if e.Note != "" {
		text += ": " + e.Note
	}
	return text
}

// wireEstimate is the JSON form. It has a key for every field of a standing
// estimate, null for what is not known, and status and note only where there is
// something to say.
type wireEstimate struct {
	Est    *float64 `json:"est"`
	Lo     *float64 `json:"lo"`
	Hi     *float64 `json:"hi"`
	N      int64    `json:"n"`
	Method string   `json:"method"`
	Status string   `json:"status,omitempty"`
	Note   string   `json:"note,omitempty"`
}

func finite(f float64) *float64 {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil
	}
	return &f
}

func orNaN(f *float64) float64 {
	if f == nil {
		return math.NaN()
	}
	return *f
}

// MarshalJSON writes {est, lo, hi, n, method} and, unless the estimate stands,
// status and note. What is not known is null: there is no NaN in JSON.
func (e Estimate) MarshalJSON() ([]byte, error) {
	w := wireEstimate{Est: finite(e.Est), Lo: finite(e.Lo), Hi: finite(e.Hi), N: e.N, Method: e.Method, Note: e.Note}
	switch {
	case !e.OK():
		w.Status = e.Status.String()
	case w.Est == nil || w.Lo == nil || w.Hi == nil:
		w.Status = StatusNotEstimable.String()
		w.Note = "the interval is not finite"
	}
	return json.Marshal(w)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (e *Estimate) UnmarshalJSON(data []byte) error {
	var w wireEstimate
	if err := json.Unmarshal(data, &w); err != nil {
		return fmt.Errorf("estimate: %w", err)
	}
	status := StatusOK
	switch w.Status {
	case "":
	case StatusInvalid.String():
		status = StatusInvalid
	default:
		var err error
		if status, err = ParseStatus(w.Status); err != nil {
			return fmt.Errorf("estimate: %w", err)
		}
	}
	if status == StatusOK && (w.Est == nil || w.Lo == nil || w.Hi == nil) {
		return fmt.Errorf("estimate: est, lo and hi must be numbers, or status must say why they are not")
	}
	*e = Estimate{Est: orNaN(w.Est), Lo: orNaN(w.Lo), Hi: orNaN(w.Hi), N: w.N, Method: w.Method, Status: status, Note: w.Note}
	return nil
}
