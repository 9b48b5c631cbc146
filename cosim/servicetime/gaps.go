package servicetime

import (
	"math"
	"math/rand/v2"
	"slices"
)

// LeftOut judges the interpolation where one can know better: at a measured
// condition, from its neighbours on the axis as if it had not been measured.
type LeftOut struct {
	Condition Condition
	// Error is the interpolated mean service time less the measured one, over the
	// measured one; Deviation is its standard deviation by what samples there are.
	Error, Deviation float64
	// Next is the condition that, once measured, would halve the wider of the two
	// gaps around the condition; it is Invalid where k leaves no room.
	Next Condition
}

// Off reports whether the interpolation is off by more than margin beyond what
// the samples' noise explains (two standard deviations).
func (o LeftOut) Off(margin float64) bool { return math.Abs(o.Error)-2*o.Deviation > margin }

// gapResamples is how often samples are drawn anew to tell error from noise.
const gapResamples = 12

// LeaveOneOut leaves out every measured condition between the ends of the axis
// in turn. random opens the streams of resample b.
func (l *SampledLaw) LeaveOneOut(random func(b int) func(stream string) *rand.Rand) []LeftOut {
	if l.axis == nil {
		return nil
	}
	var list []LeftOut
	for i := 1; i+1 < len(l.axis.points); i++ {
		p := l.axis.points[i]
		o := LeftOut{Condition: p.condition, Error: l.errorWithout(p.condition), Next: l.widerGap(i)}
		var errors []float64
		for b := range gapResamples {
			// Tails would count as noise what the error does not hold: both are of means.
			errors = append(errors, l.drawn(random(b), nil, false).errorWithout(p.condition))
		}
		o.Deviation = deviation(errors)
		list = append(list, o)
	}
	return list
}

// errorWithout returns the relative error of the interpolated mean at a measured
// condition that is left out, under the law's own k½.
func (l *SampledLaw) errorWithout(c Condition) float64 {
	options := l.given
	options.Model.HalfDepth = l.axis.halfDepth
	others := slices.DeleteFunc(slices.Clone(l.measured), func(m Measured) bool { return m.Condition == c })
	rest := newLaw(others, options)
	at := slices.IndexFunc(l.axis.points, func(p point) bool { return p.condition == c })
	if rest.axis == nil || at < 0 {
		return 0
	}
	measured := l.axis.points[at].curve.mean().service
	interpolated, steps := 0.0, 0
	for u := .005; u < 1; u += .01 {
		if p, _, ok := rest.axis.between(l.axis.points[at].depth, rest.axis.locate(u), u); ok {
			interpolated += p.service
			steps++
		}
	}
	if steps == 0 || measured == 0 {
		return 0
	}
	return interpolated/float64(steps)/measured - 1
}

func deviation(values []float64) float64 {
	mean, sum := 0.0, 0.0
	for _, v := range values {
		mean += v / float64(len(values))
	}
	for _, v := range values {
		sum += (v - mean) * (v - mean)
	}
	return math.Sqrt(sum / max(1, float64(len(values)-1)))
}
