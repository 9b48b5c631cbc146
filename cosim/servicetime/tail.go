package servicetime

import "math"

// Note: calls longer than the longest that was measured.
//
// Long calls make others wait, so that a queue's mean depends on the second moment
// of its service times and its high quantiles on still more of their tail. n
// samples show little of it: the share of calls that are longer than the longest of
// them is 1/(n+1) in the mean, whatever the law (Rényi, Acta Mathematica Academiae
// Scientiarum Hungaricae 4 (1953) 191-231). A resample of the samples never holds a
// longer one, so that its scatter misses what they miss, and intervals made from it
// end too low where the law has a long tail.
//
// Resamples are semi-parametric therefore: as drawn up to the (k+1)th largest value
// t of the resample, k = ⌈¾√n⌉ of its n samples but half of them at most, and beyond
// it a Pareto law with the mean of its own logarithms (Hill, The Annals of Statistics
// 3 (1975) 1163-1174):
//
//	Q(u) = t·(w/(1−u))^ξ for u > 1−w,   ξ = 1/k·Σ ln(xᵢ/t) over the k largest,
//
// w = k/(n−1), as the (k+1)th largest lies at 1−w. What makes the tail uncertain is
// in it by resampling: how long the long calls are, and that those of one restore
// come together. ξ is estimated from k values only, so that some resamples have a
// heavier tail than the law and others a lighter one. Where the longest calls
// differ little, the tail is light; where they are as long as t, there is none. The
// share w vanishes as 1/√n.
//
// Nothing of this is an estimate: the law that answers has no tail, and no number
// changes but the ends of its interval (metrics.SamplingInterval says how). The ¾ is
// chosen: with ½ and 1, too, intervals cover nearly as cosim/experiment/COVERAGE.md says,
// but those of the log-normal law with cv 1 less.

const (
	tailRoot = .75 // times √n values make the tail
	tailStep = .25 // between knots of the tail, in −ln of what lies beyond
	// tailEnd is where the tail ends, e^−7 or 1/1100 of it lying beyond: a Pareto law
	// with ξ >= 1/2 has no second moment, one that is cut has.
	tailEnd = 7
)

// addTail puts a Pareto tail in the place of the largest samples. A call that is
// longer holds its core for the same share of its time as those did.
func (c *curve) addTail() {
	n := len(c.pairs)
	k := min(int(math.Ceil(tailRoot*math.Sqrt(float64(n)))), n/2)
	if k == 0 {
		return // of one sample
	}
	body, longest := c.pairs[:n-k], c.pairs[n-k:]
	threshold := body[len(body)-1].service
	if threshold <= 0 {
		return
	}
	xi := 0.0
	for _, p := range longest {
		xi += math.Log(p.service/threshold) / float64(k)
	}
	if xi == 0 {
		return
	}
	sum := average(longest)
	busy := sum.busy / sum.service

	tail := float64(k) / float64(n-1)
	c.from = 1 - tail
	c.us = make([]float64, len(body))
	for i := range c.us {
		c.us[i] = float64(i) / float64(n-1)
	}
	c.pairs = body[:len(body):len(body)]
	var mean pair
	for e := tailStep; e <= tailEnd; e += tailStep {
		service := threshold * math.Exp(xi*e)
		beyond := tail * math.Exp(-e)
		if e == tailEnd {
			beyond = 0
		}
		before, at := c.pairs[len(c.pairs)-1], c.us[len(c.us)-1]
		next := pair{service, busy * service}
		c.pairs, c.us = append(c.pairs, next), append(c.us, 1-beyond)
		middle := mix(before, next, .5)
		mean.service += float64(middle.service * (1 - beyond - at) / tail)
		mean.busy += float64(middle.busy * (1 - beyond - at) / tail)
	}
	below := average(body)
	c.average = mix(below, mean, float64(k)/float64(n))
}
