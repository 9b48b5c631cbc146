package metrics

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// ClusterBootstrap returns a two-level resample: as many clusters as there are,
// drawn with replacement, and in each as many elements as it has, drawn with
// replacement (Davison and Hinkley, Bootstrap Methods and their Application,
// section 3.8). For detailed samples the clusters are the restores and the
// elements their invocations.
//
// Both levels carry the scatter within clusters: with a clusters of b elements
// the variance of a resampled mean is about (a−1)/a·(σ_between² + σ_within²/b)/a +
// (b−1)/b·σ_within²/(ab), up to twice the true one where elements of a cluster are
// not correlated. ResampleClusters has no such excess.
func ClusterBootstrap[T any](rng *rand.Rand, clusters [][]T) [][]T {
	resample := make([][]T, len(clusters))
	for i := range resample {
		cluster := clusters[rng.IntN(len(clusters))]
		resample[i] = make([]T, len(cluster))
		for j := range resample[i] {
			resample[i][j] = cluster[rng.IntN(len(cluster))]
		}
	}
	return resample
}

// ResampleClusters returns one cluster less than there are (at least one), whole
// and drawn with replacement. With one less, the variance of a resampled mean is
// that of the mean, (σ_between² + σ_within²/b)/a, for any correlation within
// clusters (Rao and Wu, Journal of the American Statistical Association 83 (1988)
// 231-241). The clusters are shared with the argument, not copied.
func ResampleClusters[T any](rng *rand.Rand, clusters [][]T) [][]T {
	if len(clusters) == 0 {
		return nil
	}
	resample := make([][]T, max(1, len(clusters)-1))
	for i := range resample {
		resample[i] = clusters[rng.IntN(len(clusters))]
	}
	return resample
}

// BootstrapInterval returns the percentile interval of resampled estimates around
// the estimate est of the data themselves, expanded from the normal to Student's t
// distribution with clusters−1 degrees of freedom: the plain one is too narrow for
// few clusters (Hesterberg, The American Statistician 69 (2015) 371-386). clusters
// is the number of independent clusters, the least of all cells where there are
// several; at 0 the interval is not expanded.
//
// A resample without a finite value, e.g. one in which the queue is unstable,
// counts as +Inf; where these reach the upper limit there is no interval, and
// unstable, their share, says how many they are.
func BootstrapInterval(est float64, resampled []float64, level float64, clusters int) (e Estimate, unstable float64) {
	n := int64(len(resampled))
	sorted := make([]float64, n)
	count := 0
	for i, v := range resampled {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			v = math.Inf(1)
			count++
		}
		sorted[i] = v
	}
	slices.Sort(sorted)
	unstable = float64(count) / math.Max(1, float64(n))
	switch {
	case !validLevel(level):
		return NotEstimable(est, n, MethodBootstrap, badLevel(level)), unstable
	case clusters < 0 || clusters == 1:
		return NotEstimable(est, n, MethodBootstrap, fmt.Sprintf("needs at least 2 clusters, has %d", clusters)), unstable
	}
	tail := (1 - level) / 2
	if clusters > 0 {
		tail = distuv.UnitNormal.Survival(tQuantile(1-tail, float64(clusters-1)))
	}
	// The limits are the order statistics of rank (n+1)·tail from either end.
	rank := int64(math.Floor(float64(n+1) * tail * (1 + 1e-12)))
	if rank < 1 {
		need := math.Ceil(1/tail*(1-1e-12)) - 1
		return NotEstimable(est, n, MethodBootstrap, fmt.Sprintf("needs at least %.0f resamples, has %d", need, n)), unstable
	}
	lo, hi := sorted[rank-1], sorted[n-rank]
	if math.IsInf(hi, 1) {
		return NotEstimable(est, n, MethodBootstrap, fmt.Sprintf("%.3g %% of the resamples are unstable", 100*unstable)), unstable
	}
	return interval(est, lo, hi, n, MethodBootstrap), unstable
}
