package servicetime

import (
	"math"
	"slices"
	"sort"
)

// point is one measured condition on the interpolation axis.
type point struct {
	condition Condition
	depth     float64
	curve     *curve
	knots     []pair // the curve at axis.us, made monotone along the axis
}

// axis holds the measured conditions from warm to flush as quantile functions
// over common knots, so that a draw is one look-up and two linear mixes.
type axis struct {
	points    []point // by depth, ascending
	us        []float64
	guide     []int32 // guide[floor(u·len)] is a knot at or before u
	halfDepth float64
	smoothed  []Condition
	bends     []float64 // by gap: how far interpolation is to err, see bent; nil, nowhere
}

// maxKnots bounds the memory of a law; beyond it the knots are equidistant, but for
// those of tails.
const maxKnots = 4096

func newAxis(points []point, model ConditionModel) *axis {
	if len(points) == 0 {
		return nil
	}
	a := &axis{points: points, halfDepth: model.HalfDepth}
	if a.halfDepth <= 0 {
		a.halfDepth = fitHalfDepth(points)
	}
	for i := range a.points {
		a.points[i].depth, _ = a.points[i].condition.Depth(a.halfDepth)
	}
	sort.Slice(a.points, func(i, j int) bool { return a.points[i].depth < a.points[j].depth })
	a.us = commonKnots(a.points)
	for i := range a.points {
		p := &a.points[i]
		p.knots = make([]pair, len(a.us))
		for j, u := range a.us {
			p.knots[j] = p.curve.at(u)
		}
	}
	a.makeMonotone()
	a.guide = make([]int32, len(a.us))
	knot := 0
	for g := range a.guide {
		for knot+1 < len(a.us) && a.us[knot+1] <= float64(g)/float64(len(a.guide)) {
			knot++
		}
		a.guide[g] = int32(knot)
	}
	return a
}

// commonKnots returns the union of the knots of all curves, on which every
// curve is linear, so that mixing at the knots is exact.
func commonKnots(points []point) []float64 {
	us, tails := []float64{0, 1}, 1.0
	for _, p := range points {
		us = append(us, p.curve.knots()...)
		tails = min(tails, p.curve.from)
	}
	slices.Sort(us)
	us = slices.Compact(us)
	if len(us) <= maxKnots {
		return us
	}
	var fewer []float64
	for i := range maxKnots - 1 {
		if u := float64(i) / (maxKnots - 1); u < tails {
			fewer = append(fewer, u)
		}
	}
	return append(fewer, us[sort.SearchFloat64s(us, tails):]...)
}

// makeMonotone applies weighted isotonic regression (pool adjacent violators:
// Barlow et al., Statistical Inference under Order Restrictions, 1972) along
// the axis at every knot. The operator is monotone in its data, so quantile
// functions stay quantile functions and busy stays below service.
func (a *axis) makeMonotone() {
	n := len(a.points)
	weights, service, busy := make([]float64, n), make([]float64, n), make([]float64, n)
	pooled := make([]bool, n)
	for i, p := range a.points {
		weights[i] = float64(p.curve.samples)
	}
	for j := range a.us {
		for i := range a.points {
			service[i], busy[i] = a.points[i].knots[j].service, a.points[i].knots[j].busy
		}
		isotonic(service, weights)
		isotonic(busy, weights)
		for i := range a.points {
			k := &a.points[i].knots[j]
			pooled[i] = pooled[i] || k.service != service[i]
			*k = pair{service[i], min(busy[i], service[i])}
		}
	}
	for i, p := range a.points {
		if pooled[i] {
			a.smoothed = append(a.smoothed, p.condition)
		}
	}
}

// isotonic replaces y by its nondecreasing weighted least-squares fit.
func isotonic(y, weights []float64) {
	type block struct {
		mean, weight float64
		size         int
	}
	blocks := make([]block, 0, len(y))
	for i := range y {
		b := block{y[i], weights[i], 1}
		for len(blocks) > 0 && blocks[len(blocks)-1].mean > b.mean {
			last := blocks[len(blocks)-1]
			blocks = blocks[:len(blocks)-1]
			w := last.weight + b.weight
			b = block{(last.mean*last.weight + b.mean*b.weight) / w, w, last.size + b.size}
		}
		blocks = append(blocks, b)
	}
	i := 0
	for _, b := range blocks {
		for range b.size {
			y[i] = b.mean
			i++
		}
	}
}

// locate returns the knot interval that holds u.
func (a *axis) locate(u float64) int {
	i := int(a.guide[int(u*float64(len(a.guide)))])
	for i+2 < len(a.us) && a.us[i+1] <= u {
		i++
	}
	return min(i, len(a.us)-2)
}

// at returns point p's pair at u, which lies in knot interval i.
func (a *axis) at(p, i int, u float64) pair {
	w := (u - a.us[i]) / (a.us[i+1] - a.us[i])
	k := a.points[p].knots
	return mix(k[i], k[i+1], w)
}

// between returns the pair at a depth, whether it lies between measured
// conditions, and false where it lies beyond them.
func (a *axis) between(depth float64, i int, u float64) (p pair, interpolated, ok bool) {
	last := len(a.points) - 1
	for j := range a.points {
		// Depths of equal k are computed by the same expression, so a measured
		// condition is hit exactly.
		if d := a.points[j].depth; d == depth {
			return a.at(j, i, u), false, true
		} else if d > depth {
			if j == 0 {
				return pair{}, false, false
			}
			lower := a.points[j-1].depth
			low, high, t := a.at(j-1, i, u), a.at(j, i, u), (depth-lower)/(d-lower)
			p := mix(low, high, t)
			if a.bends != nil {
				p = bent(p, low, high, t, a.bends[j-1])
			}
			return p, true, true
		}
	}
	// An idle time's depth reaches 1 only in the limit; flush covers it.
	if a.points[last].condition.Kind == Flush {
		return a.at(last, i, u), false, true
	}
	return pair{}, false, false
}

// fitHalfDepth fits k½ by least squares so that the mean service time is
// linear in d between warm and flush. It needs both ends and at least one
// lukewarm condition between; else it returns DefaultHalfDepth.
func fitHalfDepth(points []point) float64 {
	var warm, flush float64
	type observation struct{ k, mean, weight float64 }
	var between []observation
	for _, p := range points {
		mean := p.curve.mean().service
		switch p.condition.Kind {
		case Warm:
			warm = mean
		case Flush:
			flush = mean
		case Lukewarm:
			between = append(between, observation{float64(p.condition.K), mean, float64(p.curve.samples)})
		}
	}
	if warm == 0 || flush <= warm || len(between) == 0 {
		return DefaultHalfDepth
	}
	loss := func(logHalf float64) float64 {
		sum := 0.0
		for _, o := range between {
			r := warm + (flush-warm)*DepthAfter(o.k, math.Exp(logHalf)) - o.mean
			sum += o.weight * r * r
		}
		return sum
	}
	return math.Exp(minimum(loss, math.Log(1.0/16), math.Log(4096)))
}

// minimum returns the minimum of f on [lo, hi], which are logarithms. A grid
// finds the valley, golden section its floor: f may have several minima, and the
// constants that are fitted are wanted to a per cent only.
func minimum(f func(float64) float64, lo, hi float64) float64 {
	step := math.Log(2) / 4
	best, least := lo, f(lo)
	for x := lo + step; x <= hi; x += step {
		if y := f(x); y < least {
			best, least = x, y
		}
	}
	return goldenSection(f, best-step, best+step)
}

// goldenSection returns the minimum of a unimodal f on [lo, hi] to 1e-6.
func goldenSection(f func(float64) float64, lo, hi float64) float64 {
	ratio := (math.Sqrt(5) - 1) / 2
	for hi-lo > 1e-6 {
		left, right := hi-ratio*(hi-lo), lo+ratio*(hi-lo)
		if f(left) < f(right) {
			hi = right
		} else {
			lo = left
		}
	}
	return (lo + hi) / 2
}
