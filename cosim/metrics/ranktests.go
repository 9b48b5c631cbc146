package metrics

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

const (
	smallSample      = 100      // below it, Kolmogorov-Smirnov asks permutations
	permutations     = 9999     // at most
	permutationsMin  = 999      // at least
	permutationSteps = 50 << 20 // values visited by all permutations together, about
	exactProduct     = 400      // largest n·m for which Mann-Whitney is exact
)

// KolmogorovSmirnov tests the hypothesis that two samples come from one
// distribution. Statistic is D, the greatest distance of their cumulative
// distributions. With fewer than 100 values in either sample P comes from random
// permutations drawn from rng (Davison and Hinkley, section 4.3), otherwise from
// the limiting distribution with Stephens' correction (Journal of the Royal
// Statistical Society B 32 (1970) 115-122) and rng may be nil.
func KolmogorovSmirnov(rng *rand.Rand, x, y []float64) (Comparison, error) {
	if err := checkSamples(x, y, 2); err != nil {
		return Comparison{}, err
	}
	n, m := len(x), len(y)
	pool := newPool(x, y)
	distance := pool.distance(n, m)
	d := float64(distance) / (float64(n) * float64(m))
	if min(n, m) >= smallSample {
		root := math.Sqrt(float64(n) * float64(m) / float64(n+m))
		return Comparison{Statistic: d, P: kolmogorov((root + .12 + .11/root) * d), Method: "Kolmogorov-Smirnov"}, nil
	}
	if rng == nil {
		return Comparison{}, fmt.Errorf("kolmogorov-smirnov: samples of %d and %d values need a source of random permutations", n, m)
	}
	rounds := min(permutations, max(permutationsMin, permutationSteps/(n+m)))
	asFar := 1 // the observed arrangement
	for range rounds {
		rng.Shuffle(len(pool.fromX), func(i, j int) { pool.fromX[i], pool.fromX[j] = pool.fromX[j], pool.fromX[i] })
		if pool.distance(n, m) >= distance {
			asFar++
		}
	}
	return Comparison{Statistic: d, P: float64(asFar) / float64(rounds+1), Method: "Kolmogorov-Smirnov, permutations"}, nil
}

// kolmogorov is the probability that the limiting statistic exceeds lambda,
// 2 Σ (−1)^(k−1) e^(−2k²λ²).
func kolmogorov(lambda float64) float64 {
	if lambda < .2 {
		return 1 // to 12 digits; the series converges slowly here
	}
	var p float64
	sign := 2.
	for k := 1.; k <= 100; k++ {
		term := math.Exp(-2 * k * k * lambda * lambda)
		p += sign * term
		if term < 1e-17 {
			break
		}
		sign = -sign
	}
	return min(1, max(0, p))
}

// pool is two samples in one order: which value is whose, and where a group of
// equal values ends.
type pool struct {
	values []float64 // ascending
	fromX  []bool
	last   []bool // of its group of ties
}

func newPool(x, y []float64) *pool {
	type item struct {
		value float64
		fromX bool
	}
	items := make([]item, 0, len(x)+len(y))
	for _, v := range x {
		items = append(items, item{v, true})
	}
	for _, v := range y {
		items = append(items, item{v, false})
	}
	slices.SortStableFunc(items, func(a, b item) int {
		switch {
		case a.value < b.value:
			return -1
		case a.value > b.value:
			return 1
		}
		return 0
	})
	p := &pool{values: make([]float64, len(items)), fromX: make([]bool, len(items)), last: make([]bool, len(items))}
	for i, it := range items {
		p.values[i], p.fromX[i] = it.value, it.fromX
		p.last[i] = i == len(items)-1 || items[i+1].value > it.value
	}
	return p
}

// distance is Kolmogorov and Smirnov's D times n·m, an integer, so that ties
// between permutations are exact.
func (p *pool) distance(n, m int) int64 {
	var difference, greatest int64
	for i, x := range p.fromX {
		if x {
			difference += int64(m)
		} else {
			difference -= int64(n)
		}
		if p.last[i] {
			greatest = max(greatest, difference, -difference)
		}
	}
	return greatest
}

// MannWhitney tests the hypothesis that x is not greater than y, against x being
// stochastically greater (one-sided). Statistic is U, the number of pairs with
// x > y, ties counted half. P is exact where there are no ties and at most 400
// pairs, otherwise normal with corrections for ties and continuity (Mann and
// Whitney, Annals of Mathematical Statistics 18 (1947) 50-60; Hollander and Wolfe,
// Nonparametric Statistical Methods, section 4.1).
func MannWhitney(x, y []float64) (Comparison, error) {
	if err := checkSamples(x, y, 1); err != nil {
		return Comparison{}, err
	}
	n, m := len(x), len(y)
	u, ties := newPool(x, y).pairs(n)
	if ties == 0 && n*m <= exactProduct {
		return Comparison{Statistic: u, P: exactMannWhitney(n, m, int(u)), Method: "Mann-Whitney, exact"}, nil
	}
	total := float64(n + m)
	product := float64(n) * float64(m)
	variance := product / 12 * (total + 1 - ties/(total*(total-1)))
	if variance <= 0 { // every value is the same
		return Comparison{Statistic: u, P: .5, Method: "Mann-Whitney"}, nil
	}
	z := (u - product/2 - .5) / math.Sqrt(variance)
	return Comparison{Statistic: u, P: distuv.UnitNormal.Survival(z), Method: "Mann-Whitney"}, nil
}

// pairs returns U and Σ(t³ − t) over the groups of t ties.
func (p *pool) pairs(n int) (u, ties float64) {
	var rankSum float64
	start, mine := 0, 0
	for i := range p.values {
		if p.fromX[i] {
			mine++
		}
		if !p.last[i] {
			continue
		}
		size := float64(i + 1 - start)
		rankSum += float64(mine) * (float64(start) + (size+1)/2) // mean rank of the group
		ties += size * (size*size - 1)
		start, mine = i+1, 0
	}
	return rankSum - float64(n)*float64(n+1)/2, ties
}

// exactMannWhitney is P(U >= u) under the hypothesis. The number of arrangements
// with U = u obeys f(n, m, u) = f(n−1, m, u−m) + f(n, m−1, u): the greatest value
// is an x and above all m of y, or it is a y (Mann and Whitney, equation 1).
func exactMannWhitney(n, m, u int) float64 {
	counts := make([][]float64, m+1) // of row n, by m and u
	for j := range counts {
		counts[j] = make([]float64, n*m+1)
		counts[j][0] = 1 // no x: U = 0
	}
	for i := 1; i <= n; i++ {
		for j := 0; j <= m; j++ {
			row := counts[j]
			for k := n * m; k >= 0; k-- {
				var f float64
				if k >= j {
					f = row[k-j]
				}
				if j > 0 {
					f += counts[j-1][k]
				}
				row[k] = f
			}
		}
	}
	var above, all float64
	for k, f := range counts[m] {
		all += f
		if k >= u {
			above += f
		}
	}
	return above / all
}
