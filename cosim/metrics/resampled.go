package metrics

import (
	"encoding/json"
	"fmt"
	"math"
)

// Resampled is how much a number changes with the samples it was computed from:
// the values of bootstrap resamples beside that of the samples themselves, all
// under common random numbers, so that the noise of the queue cancels.
type Resampled struct {
	Base   float64 `json:"base"`   // from the samples themselves
	Values Draws   `json:"values"` // by resample
	// Degrees of freedom of the scatter between the independent clusters that were
	// resampled; 0 where they are not known.
	Degrees float64 `json:"degrees"`
	// Censored says what samples that hung or died may hide; nil where they are
	// few enough to be left out.
	Censored *Censored `json:"censored,omitempty"`
	// Between says how far interpolation between measured conditions may be off;
	// nil where nothing is interpolated, or none of it can be off.
	Between *Between `json:"between,omitempty"`
}

// Between is what a number is where interpolation errs as far as it may, in all
// places downwards, and in all places upwards; MaxFloat64 where the queue has no
// steady state then.
type Between struct {
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// Interpolation returns the interval that interpolation alone puts around est:
// what its error may move the number by, to either side. Nothing is drawn at
// random in it; it is a bound that counts like an interval. It reports false where
// nothing is interpolated.
func (r Resampled) Interpolation(est float64) (Estimate, bool) {
	b := r.Between
	if b == nil {
		return Estimate{}, false
	}
	const n = 2 // runs of the model
	down, up := min(0, b.Low-r.Base, b.High-r.Base), max(0, b.Low-r.Base, b.High-r.Base)
	if max(b.Low, b.High) == math.MaxFloat64 {
		lo := est + down
		if b.Low == -math.MaxFloat64 { // of a contrast
			lo = math.Inf(-1)
		}
		return Bounds(est, lo, math.Inf(1), n, MethodLeftOut, "where interpolation is as far off as it may be, the queue has no steady state"), true
	}
	return interval(est, est+down, est+up, n, MethodLeftOut), true
}

// Censored is what a number is where samples that hung or died count after all.
type Censored struct {
	Share float64 `json:"share"` // of the samples of the worst condition
	Low   float64 `json:"low"`   // with the times that they had run
	High  float64 `json:"high"`  // with the longest times seen; MaxFloat64 where the queue has no steady state then
}

// Bound takes the interval away from an estimate whose samples are censored too
// often, and leaves bounds: the interval, widened by what censoring may hide.
func (r Resampled) Bound(e Estimate) Estimate {
	c := r.Censored
	if c == nil || !e.OK() && e.Status != StatusBounds {
		return e
	}
	lo, hi := e.Lo+min(0, c.Low-r.Base), e.Hi+max(0, c.High-r.Base)
	if c.High == math.MaxFloat64 {
		hi = math.Inf(1)
	}
	return Bounds(e.Est, lo, hi, e.N, e.Method, fmt.Sprintf(
		"%.3g %% of the samples of a condition are censored; between counting them at the times they had run and at the longest seen, it lies from %.4g to %.4g", 100*c.Share, lo, hi))
}

// Draws are the values of resamples; NaN, null in JSON, where a resample has
// none, because the queue has no steady state under it.
type Draws []float64

// MarshalJSON writes null for what is not finite.
func (d Draws) MarshalJSON() ([]byte, error) {
	values := make([]*float64, len(d))
	for i, v := range d {
		values[i] = finite(v)
	}
	return json.Marshal(values)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (d *Draws) UnmarshalJSON(data []byte) error {
	var values []*float64
	if err := json.Unmarshal(data, &values); err != nil {
		return fmt.Errorf("resamples: %w", err)
	}
	*d = make(Draws, len(values))
	for i, v := range values {
		(*d)[i] = orNaN(v)
	}
	return nil
}

// stable returns the values that there are.
func (d Draws) stable() []float64 {
	var values []float64
	for _, v := range d {
		if finite(v) != nil {
			values = append(values, v)
		}
	}
	return values
}

// UnstableShare returns the share of the resamples that have no value.
func (r Resampled) UnstableShare() float64 {
	return 1 - float64(len(r.Values.stable()))/math.Max(1, float64(len(r.Values)))
}

// chance is the 99 % quantile of n·r², about χ² with one degree of freedom, where
// two columns are independent.
const chance = 6.63

// VarianceShares estimates which share of the variance of values comes from each
// of several independent inputs, given the inputs' own values: inputs[b][c] is
// that of input c behind values[b]. It is the squared correlation less what
// chance alone gives, (r²(n−1) − 1)/(n−2), where it is significant at 1 %, scaled
// so that the shares add up to 1 or are all 0. It is right where the value is
// linear in the inputs, and rough, with a standard error of about 2r/√n, for n
// values.
//
// Values that are NaN are left out.
func VarianceShares(values []float64, inputs [][]float64) []float64 {
	values, inputs = known(values, inputs)
	if len(values) < 4 || len(inputs) != len(values) {
		return nil
	}
	n := float64(len(values))
	mean, variance := moments(values)
	shares := make([]float64, len(inputs[0]))
	total := 0.0
	column := make([]float64, len(inputs))
	for c := range shares {
		for b := range inputs {
			column[b] = inputs[b][c]
		}
		own, scatter := moments(column)
		if scatter == 0 || variance == 0 {
			continue
		}
		covariance := 0.0
		for b, v := range values {
			covariance += float64((v - mean) * (column[b] - own))
		}
		covariance /= n - 1
		r2 := covariance * covariance / (variance * scatter)
		if r2*n > chance {
			shares[c] = (r2*(n-1) - 1) / (n - 2)
			total += shares[c]
		}
	}
	if total > 0 {
		for c := range shares {
			shares[c] /= total
		}
	}
	return shares
}

func known(values []float64, inputs [][]float64) (stable []float64, behind [][]float64) {
	for b, v := range values {
		if finite(v) != nil && b < len(inputs) {
			stable, behind = append(stable, v), append(behind, inputs[b])
		}
	}
	return stable, behind
}
