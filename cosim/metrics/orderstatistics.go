package metrics

import (
	"fmt"
	"math"
	"slices"
	"sort"

	"gonum.org/v1/gonum/stat/distuv"
)

// QuantileOfValues estimates the p-quantile of independent, identically
// distributed values, e.g. of detailed samples, by order statistics: the interval
// runs from the greatest lower to the least upper order statistic that misses the
// quantile with probability at most (1−level)/2, by the binomial distribution
// (David and Nagaraja, Order Statistics, 3rd ed., section 7.1). It assumes nothing
// about the distribution and covers at least level. The values are not changed.
func QuantileOfValues(values []float64, p, level float64) Estimate {
	n := len(values)
	switch {
	case !(p > 0 && p < 1):
		return NotEstimable(math.NaN(), int64(n), MethodOrder, fmt.Sprintf("the quantile must lie between 0 and 1, is %v", p))
	case n == 0:
		return NotEstimable(math.NaN(), 0, MethodOrder, "has no values")
	}
	sorted := slices.Sorted(slices.Values(values))
	if math.IsNaN(sorted[0]) { // NaN sorts first
		return NotEstimable(math.NaN(), int64(n), MethodOrder, "a value is not a number")
	}
	est := sorted[max(0, int(math.Ceil(p*float64(n)*(1-4*0x1p-53)))-1)]
	if !validLevel(level) {
		return NotEstimable(est, int64(n), MethodOrder, badLevel(level))
	}
	if need := MinimumForQuantile(p, level); int64(n) < need {
		return NotEstimable(est, int64(n), MethodOrder, fmt.Sprintf("p%.4g needs %d independent values, has %d", 100*p, need, n))
	}
	lower, upper := orderInterval(n, p, (1-level)/2)
	return interval(est, sorted[lower-1], sorted[upper-1], int64(n), MethodOrder)
}

// orderInterval returns the ranks, from 1, of the order statistics around the
// p-quantile, each of which is on the wrong side with probability at most tail.
func orderInterval(n int, p, tail float64) (lower, upper int) {
	below := distuv.Binomial{N: float64(n), P: p} // values up to the quantile
	tail *= 1 + 1e-12                             // as in MinimumForQuantile
	// X_(k) exceeds the quantile where fewer than k values lie up to it.
	lower = sort.Search(n, func(k int) bool { return below.CDF(float64(k)) > tail })
	// X_(k) is below the quantile where at least k values are.
	upper = sort.Search(n, func(k int) bool { return below.Survival(float64(k-1)) <= tail })
	return max(lower, 1), min(upper, n)
}
