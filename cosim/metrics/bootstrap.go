package metrics

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
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
// the estimate est of the data themselves (Davison and Hinkley, section 5.3). A
// resample without a finite value, e.g. one in which the queue is unstable, counts
// as +Inf; where these reach the upper limit there is no interval, and unstable,
// their share, says how many they are.
func BootstrapInterval(est float64, resampled []float64, level float64) (e Estimate, unstable float64) {
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
	if !validLevel(level) {
		return NotEstimable(est, n, MethodBootstrap, badLevel(level)), unstable
	}
	// Limits are the order statistics of rank (n+1)·tail and (n+1)·(1 − tail).
	rank := int64(math.Floor(float64(n+1) * (1 - level) / 2 * (1 + 1e-12)))
	if rank < 1 {
		return NotEstimable(est, n, MethodBootstrap, fmt.Sprintf("needs at least %.0f resamples, has %d", math.Ceil(2/(1-level)*(1-1e-12))-1, n)), unstable
	}
	lo, hi := sorted[rank-1], sorted[n-rank]
	if math.IsInf(hi, 1) {
		return NotEstimable(est, n, MethodBootstrap, fmt.Sprintf("%.3g %% of the resamples are unstable", 100*unstable)), unstable
	}
	return interval(est, lo, hi, n, MethodBootstrap), unstable
}
