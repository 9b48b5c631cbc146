package servicetime

import (
	"math"
	"slices"
)

// Note: how far interpolation may be off.
//
// Between two measured conditions nothing is known but that the truth, like the
// measured times, does not fall along the axis. How good a straight line is can
// be judged at a measured condition that is left out (LeaveOneOut): its
// neighbours are then further apart than any two neighbours really are, so that
// the error there rather overstates that in the gaps beside it. What the noise of
// the samples alone would show is taken off its square, since sampling is counted
// by itself. In the middle of a gap the law is taken to be off by the larger error
// of the two conditions beside it, towards them by less (4t(1−t) of it), and
// nowhere by more than monotony allows: it stays between its neighbours, quantile
// by quantile. Where only two conditions were measured, that bound is all there is.

// Bend is how far the interpolation between two neighbouring conditions may be
// off, relative to what it says.
type Bend struct {
	From, To Condition
	Error    float64   // in the middle; +Inf where only monotony bounds it
	Next     Condition // that would halve the gap; Invalid where k leaves no room
}

// Bends returns how far the interpolation may be off, gap by gap along the axis.
// left is what LeaveOneOut returned.
func (l *SampledLaw) Bends(left []LeftOut) []Bend {
	if l.axis == nil {
		return nil
	}
	var list []Bend
	for i := range len(l.axis.points) - 1 {
		b := Bend{From: l.axis.points[i].condition, To: l.axis.points[i+1].condition, Next: l.between(i)}
		if len(left) == 0 {
			b.Error = math.Inf(1)
		}
		for _, o := range left {
			if o.Condition == b.From || o.Condition == b.To {
				// Error is relative to what is measured, a bend to what is interpolated.
				b.Error = max(b.Error, math.Sqrt(max(0, o.Error*o.Error-o.Deviation*o.Deviation))/(1+o.Error))
			}
		}
		list = append(list, b)
	}
	return list
}

// Erring returns the law that errs by the bends, which are those of its own gaps:
// upwards by direction times as much, downwards where it is negative. Resampling it
// forgets them.
func (l *SampledLaw) Erring(bends []Bend, direction float64) Resampler {
	if l.axis == nil || len(bends) != len(l.axis.points)-1 {
		return l
	}
	changed, bent := *l, *l.axis
	bent.bends = make([]float64, len(bends))
	for i, b := range bends {
		bent.bends[i] = direction * b.Error
		if b.Error == 0 {
			bent.bends[i] = 0 // and not NaN, whatever the direction
		}
	}
	changed.axis = &bent
	return &changed
}

// bent returns p, interpolated at share t of the gap between low and high, as far
// off as bend says.
func bent(p, low, high pair, t, bend float64) pair {
	factor := max(0, 1+4*t*(1-t)*bend)
	within := func(x, lo, hi float64) float64 { return min(max(x, lo), hi) }
	// An infinite bend is one to the neighbour; 0 · ∞ cannot be: no gap is empty.
	return pair{
		service: within(p.service*factor, low.service, high.service),
		busy:    within(p.busy*factor, low.busy, high.busy),
	}
}

// between returns the lukewarm condition in the middle of the gap behind point i.
func (l *SampledLaw) between(i int) Condition {
	from, to := l.axis.points[i], l.axis.points[i+1]
	depth := (from.depth + to.depth) / 2
	k := int(math.Round(depth / (1 - depth) * l.axis.halfDepth))
	if k <= from.condition.K || to.condition.Kind == Lukewarm && k >= to.condition.K {
		return Condition{}
	}
	next := LukewarmAfter(k)
	next.Mix = l.options.Mix
	return next
}

// widerGap returns the lukewarm condition in the middle of the wider of the two
// gaps around point i.
func (l *SampledLaw) widerGap(i int) Condition {
	points := l.axis.points
	if points[i+1].depth-points[i].depth > points[i].depth-points[i-1].depth {
		return l.between(i)
	}
	return l.between(i - 1)
}

// Interpolates reports whether any bend can change an answer.
func Interpolates(bends []Bend) bool {
	return slices.ContainsFunc(bends, func(b Bend) bool { return b.Error != 0 })
}
