package metrics_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/stat"
	"pgregory.net/rapid"

	"microcosm/cosim/metrics"
)

func TestClusterBootstrapKeepsTheStructure(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		// Element j of cluster i is named i·100 + j.
		sizes := rapid.SliceOfN(rapid.IntRange(0, 9), 0, 8).Draw(t, "sizes")
		clusters := make([][]int, len(sizes))
		for i, size := range sizes {
			for j := range size {
				clusters[i] = append(clusters[i], i*100+j)
			}
		}
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		resample := metrics.ClusterBootstrap(rng, clusters)
		require.Len(t, resample, len(clusters))
		for _, cluster := range resample {
			if len(cluster) == 0 {
				require.Contains(t, sizes, 0)
				continue
			}
			from := clusters[cluster[0]/100]
			require.Len(t, cluster, len(from), "as many as that cluster has")
			for _, element := range cluster {
				require.Contains(t, from, element, "all of one cluster")
			}
		}
		for _, cluster := range metrics.ResampleClusters(rng, clusters) {
			require.Contains(t, clusters, cluster, "whole")
		}
	})
	require.Empty(t, metrics.ResampleClusters[int](nil, nil))
	require.Len(t, metrics.ResampleClusters(rand.New(rand.NewPCG(1, 1)), [][]int{{1}}), 1)
}

func TestBootstrapIsAFunctionOfItsSource(t *testing.T) {
	t.Parallel()
	clusters := [][]int{{1, 2, 3}, {4, 5}, {6}}
	draw := func() [][]int { return metrics.ClusterBootstrap(rand.New(rand.NewPCG(7, 7)), clusters) }
	require.Equal(t, draw(), draw())
	require.Equal(t, [][]int{{1, 2, 3}, {4, 5}, {6}}, clusters)
}

func meanOfClusters(clusters [][]float64) float64 { return stat.Mean(slices.Concat(clusters...), nil) }

// campaign draws a restores of b invocations with mean 10 and the two standard
// deviations.
func campaign(rng *rand.Rand, a, b int, between, within float64) [][]float64 {
	clusters := make([][]float64, a)
	for i := range clusters {
		mean := 10 + between*rng.NormFloat64()
		for range b {
			clusters[i] = append(clusters[i], mean+within*rng.NormFloat64())
		}
	}
	return clusters
}

// The variances that the comments promise, for the mean.
func TestBootstrapVariances(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(70, 1))
	clusters := campaign(rng, 6, 4, 1, 2)
	means := make([]float64, 6)
	var within float64 // Σ of the clusters' variances, divisor b
	for i, c := range clusters {
		means[i] = stat.Mean(c, nil)
		within += stat.Variance(c, nil) * 3 / 4
	}
	between := stat.Variance(means, nil)

	var two, one []float64
	for range 40_000 {
		two = append(two, meanOfClusters(metrics.ClusterBootstrap(rng, clusters)))
		one = append(one, meanOfClusters(metrics.ResampleClusters(rng, clusters)))
	}
	require.InEpsilon(t, between*5/6/6+within/6/(6*4), stat.Variance(two, nil), .04)
	require.InEpsilon(t, between/6, stat.Variance(one, nil), .04)
}

func TestBootstrapIntervalsCover(t *testing.T) {
	t.Parallel()
	const runs, resamples = 400, 299
	for _, c := range []struct {
		restores, invocations int
		between, within       float64
		least, most           float64 // coverage at nominal 90 %
	}{
		{6, 4, 0, 1, .85, .95}, // the fewest restores of a cell
		{6, 4, 1, 1, .85, .95},
		{10, 5, 1, 1, .85, .95},
		{20, 1, 0, 1, .85, .95},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			t.Parallel()
			covered, correlatedWidth, pooledWidth := 0, 0., 0.
			for seed := range uint64(runs) {
				rng := rand.New(rand.NewPCG(seed, 71))
				clusters := campaign(rng, c.restores, c.invocations, c.between, c.within)
				pooled := make([][]float64, 0, c.restores*c.invocations) // as if every invocation were a restore
				for _, v := range slices.Concat(clusters...) {
					pooled = append(pooled, []float64{v})
				}
				var means, pooledMeans []float64
				for range resamples {
					means = append(means, meanOfClusters(metrics.ResampleClusters(rng, clusters)))
					pooledMeans = append(pooledMeans, meanOfClusters(metrics.ResampleClusters(rng, pooled)))
				}
				e, unstable := metrics.BootstrapInterval(meanOfClusters(clusters), means, .90, c.restores)
				require.Zero(t, unstable)
				if e.Covers(10) {
					covered++
				}
				correlatedWidth += e.HalfWidth()
				plain, _ := metrics.BootstrapInterval(0, pooledMeans, .90, c.restores)
				pooledWidth += plain.HalfWidth()
			}
			require.GreaterOrEqual(t, float64(covered)/runs, c.least)
			require.LessOrEqual(t, float64(covered)/runs, c.most)
			if c.between > 0 {
				// Standard errors √((1 + 1/b)/a) against √((1 + 1)/ab).
				want := math.Sqrt((1 + float64(c.invocations)) / 2)
				require.InEpsilon(t, want, correlatedWidth/pooledWidth, .1, "correlation within restores widens")
			}
		})
	}
}

func TestBootstrapInterval(t *testing.T) {
	t.Parallel()
	e, unstable := metrics.BootstrapInterval(50, oneTo(99), .90, 0)
	require.Equal(t, metrics.Estimate{Est: 50, Lo: 5, Hi: 95, N: 99, Method: metrics.MethodBootstrap, Status: metrics.StatusOK}, e)
	require.Zero(t, unstable)

	few := append(oneTo(96), math.NaN(), math.Inf(1), math.Inf(-1))
	e, unstable = metrics.BootstrapInterval(50, few, .90, 0)
	require.True(t, e.OK())
	require.Equal(t, 95.0, e.Hi)
	require.InDelta(t, 3./99, unstable, 1e-15)

	many := oneTo(99)
	for i := range 10 {
		many[i] = math.NaN()
	}
	e, unstable = metrics.BootstrapInterval(50, many, .90, 0)
	require.Equal(t, "10.1 % of the resamples are unstable", e.Note)
	require.InDelta(t, 10./99, unstable, 1e-15)

	for _, c := range []struct {
		n        int
		level    float64
		clusters int
		note     string
	}{
		{38, .95, 0, "needs at least 39 resamples, has 38"},
		{0, .90, 0, "needs at least 19 resamples, has 0"},
		{44, .90, 6, "needs at least 45 resamples, has 44"}, // t = 2.015: 1/0.02195
		{39, 0, 0, "the confidence level must lie between 0 and 1, is 0"},
		{39, .95, 1, "needs at least 2 clusters, has 1"},
	} {
		e, _ = metrics.BootstrapInterval(1, oneTo(c.n), c.level, c.clusters)
		require.Equal(t, c.note, e.Note)
	}
	e, _ = metrics.BootstrapInterval(1, oneTo(39), .95, 0)
	require.True(t, e.OK())
}
