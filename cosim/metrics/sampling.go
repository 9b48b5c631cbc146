package metrics

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// fewestResamples is how many resamples a variance is estimated from, at least.
const fewestResamples = 10

// SamplingInterval returns the interval that the samples' uncertainty alone puts
// around est: Student's t on the scatter of the resampled values, with the
// degrees of freedom of the clusters or, where they are fewer, of the resamples.
//
// A positive time is treated on a reciprocal scale. Response times grow beyond
// all bounds as the mean service time approaches what the queue can bear, so that
// resampled values have a long upper tail, on a logarithmic scale still; but
// their reciprocals are nearly linear in it (of M/M/1 with mean service time s,
// 1/E[T] = 1/s − λ), and a resample without a steady state has the reciprocal 0.
// The interval is est/(1 ± t·S), S the deviation of base/value.
//
// Resamples may be longer than the base by more than chance, because calls longer
// than any that was measured are drawn in them, but not in the base. Then the mean
// of base/value lies below 1, and how much of this shift is true cannot be told: it
// counts like an error that lies anywhere between none and all of it, with the
// variance shift²/12 (GUM, JCGM 100:2008, section 4.3.7). The value stays.
//
// Any other number, a difference above all, reaches t deviations down and up from est,
// each that of the resamples on its own side of their median; how far the median lies
// from the base counts like the shift above.
//
// Where more resamples are unstable than the interval may miss on one side, or
// where t·S reaches 1, it has no upper end: what is left is a lower bound.
func SamplingInterval(est float64, x Resampled, level float64, positive bool) Estimate {
	values := x.Values.stable()
	n := int64(len(values))
	switch {
	case !validLevel(level):
		return NotEstimable(est, n, MethodBootstrap, badLevel(level))
	case n < fewestResamples:
		return NotEstimable(est, n, MethodBootstrap, fmt.Sprintf("needs at least %d resamples with a steady state, has %d", fewestResamples, n))
	case math.IsNaN(est) || math.IsNaN(x.Base):
		return NotEstimable(est, n, MethodBootstrap, "there is no value")
	}
	degrees := float64(n - 1)
	if x.Degrees > 0 {
		degrees = min(degrees, x.Degrees)
	}
	t := tQuantile(1-(1-level)/2, degrees)
	inverse, ok := reciprocals(x)
	if !positive || !ok || est <= 0 {
		median, below, above := sides(values)
		lo, hi := est-t*uncertainty(below, median-x.Base), est+t*uncertainty(above, median-x.Base)
		if positive {
			lo = max(0, lo)
		}
		return interval(est, lo, hi, n, MethodBootstrap)
	}
	mean, variance := moments(inverse)
	half := t * uncertainty(math.Sqrt(variance), max(0, 1-mean))
	share := x.UnstableShare()
	switch lo := est / (1 + half); {
	case share > (1-level)/2:
		return Bounds(est, lo, math.Inf(1), n, MethodBootstrap, fmt.Sprintf("under %.3g %% of the resamples the queue has no steady state", 100*share))
	case half >= 1:
		return Bounds(est, lo, math.Inf(1), n, MethodBootstrap, "the samples are too few for an upper end")
	default:
		return interval(est, lo, est/(1-half), n, MethodBootstrap)
	}
}

// uncertainty is the standard uncertainty of a value whose resamples scatter and are
// shifted from it.
func uncertainty(deviation, shift float64) float64 { return math.Hypot(deviation, shift/math.Sqrt(12)) }

// sides returns the median of the values and their deviation on either side of it: the
// distance within which nine tenths of a side's values lie, over 1.645, which of normal
// values is their standard deviation. The sides are told apart because long calls pull a
// difference one way, and a root mean square would be ruled by the one resample in forty
// whose longest calls keep a queue waiting: a difference has no scale, as positive times
// have, on which such a one counts for what it says.
func sides(values []float64) (median, below, above float64) {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	median = (sorted[(n-1)/2] + sorted[n/2]) / 2
	at := min((n+1)/2, int(math.Ceil(nineTenths*float64((n+1)/2+1)))) - 1
	return median, (median - sorted[(n-1)/2-at]) / nineTenthsNormal, (sorted[n/2+at] - median) / nineTenthsNormal
}

const (
	nineTenths       = .9
	nineTenthsNormal = 1.6448536269514722 // Φ⁻¹((1 + .9)/2)
)

// reciprocals returns base/value by resample, 0 where there is no steady state;
// false where a value or the base is not positive.
func reciprocals(x Resampled) ([]float64, bool) {
	list := make([]float64, len(x.Values))
	for i, v := range x.Values {
		if x.Base <= 0 || v <= 0 {
			return nil, false
		}
		if finite(v) != nil {
			list[i] = x.Base / v
		}
	}
	return list, true
}

// Combine returns the estimate with the uncertainty of two independent sources,
// whose half-widths add up as squares on either side. The value is that of queue.
// Where one of them does not stand, neither does the combination; where one has
// bounds only, so has the combination.
func Combine(queue, sampling Estimate) Estimate {
	stands := func(e Estimate) bool { return e.OK() || e.Status == StatusBounds }
	switch {
	case !stands(queue):
		return queue
	case sampling.Status == StatusNotEstimable:
		return NotEstimable(queue.Est, queue.N, MethodCombined, "of the samples: "+sampling.Note)
	case !stands(sampling):
		return sampling
	}
	lo := queue.Est - math.Hypot(queue.Est-queue.Lo, sampling.Est-sampling.Lo)
	if queue.Lo >= 0 && sampling.Lo >= 0 {
		lo = max(0, lo)
	}
	hi := queue.Est + math.Hypot(queue.Hi-queue.Est, sampling.Hi-sampling.Est)
	if !queue.OK() || !sampling.OK() {
		return Bounds(queue.Est, lo, hi, queue.N, MethodCombined, cmp.Or(queue.Note, sampling.Note))
	}
	return interval(queue.Est, lo, hi, queue.N, MethodCombined)
}

// ContrastResampled returns what the resamples say of Σ weights[j]·number j,
// resample by resample: those that have no steady state for one of the numbers
// have none for the contrast. It reports false where a number was not resampled.
func ContrastResampled(weights []float64, numbers []*Resampled) (Resampled, bool) {
	if len(numbers) == 0 || len(weights) != len(numbers) {
		return Resampled{}, false
	}
	c := Resampled{Values: make(Draws, len(numbers[0].values()))}
	for j, x := range numbers {
		if x == nil || len(x.Values) != len(c.Values) {
			return Resampled{}, false
		}
		c.Base += float64(weights[j] * x.Base)
		c.censor(weights[j], x)
		c.bend(weights[j], x)
		for b, v := range x.Values {
			c.Values[b] += float64(weights[j] * v) // NaN stays NaN
		}
		if x.Degrees > 0 && (c.Degrees == 0 || x.Degrees < c.Degrees) {
			c.Degrees = x.Degrees
		}
	}
	if b := c.Between; b != nil && max(b.Low, b.High) == math.MaxFloat64 {
		b.Low, b.High = -math.MaxFloat64, math.MaxFloat64 // whatever the weights: nothing bounds it
	} else if b != nil {
		b.Low, b.High = c.Base+b.Low, c.Base+b.High
	}
	if c.Censored != nil {
		c.Censored.Low, c.Censored.High = c.Base+c.Censored.Low, c.Base+c.Censored.High
	}
	return c, true
}

// censor adds what censoring may hide of one number, as shifts.
func (r *Resampled) censor(weight float64, x *Resampled) {
	if x.Censored == nil {
		return
	}
	if r.Censored == nil {
		r.Censored = &Censored{}
	}
	low, high := weight*(x.Censored.Low-x.Base), weight*(x.Censored.High-x.Base)
	r.Censored.Share = max(r.Censored.Share, x.Censored.Share)
	r.Censored.Low += min(low, high, 0)
	r.Censored.High += max(low, high, 0)
}

// bend adds what the error of interpolation may be to one number, as shifts. It is
// the same error in all numbers, since they are made from the same samples, so it
// cancels where they depend on it alike.
func (r *Resampled) bend(weight float64, x *Resampled) {
	if x.Between == nil {
		return
	}
	if r.Between == nil {
		r.Between = &Between{}
	}
	for _, part := range []struct{ into, of *float64 }{{&r.Between.Low, &x.Between.Low}, {&r.Between.High, &x.Between.High}} {
		if *part.of == math.MaxFloat64 || *part.into == math.MaxFloat64 {
			*part.into = math.MaxFloat64
			continue
		}
		*part.into += float64(weight * (*part.of - x.Base))
	}
}

func (r *Resampled) values() Draws {
	if r == nil {
		return nil
	}
	return r.Values
}
