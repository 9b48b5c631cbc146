package metrics_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/metrics"
)

func TestMeanOf(t *testing.T) {
	t.Parallel()
	// 1 … 5: mean 3, standard error √(2.5/5); two-sided t quantiles with 4 degrees
	// of freedom from the printed tables.
	standardError := math.Sqrt(.5)
	for level, quantile := range map[float64]float64{.90: 2.131847, .95: 2.776445, .99: 4.604095} {
		e := metrics.MeanOf([]float64{5, 1, 4, 2, 3}, level)
		require.True(t, e.OK())
		require.Equal(t, 3.0, e.Est)
		require.InDelta(t, quantile*standardError, e.HalfWidth(), 1e-6, "level %v", level)
		require.EqualValues(t, 5, e.N)
		require.Equal(t, metrics.MethodReplications, e.Method)
	}
	// 32 batches: 31 degrees of freedom.
	values := make([]float64, 32)
	for i := range values {
		values[i] = float64(i%2)*2 - 1
	}
	require.InDelta(t, 2.039513*math.Sqrt(32./31/32), metrics.MeanOf(values, .95).HalfWidth(), 1e-6)
}

func TestMeanOfKeepsASmallSpreadOnALargeMean(t *testing.T) {
	t.Parallel()
	e := metrics.MeanOf([]float64{1e9 + 1, 1e9 + 2, 1e9 + 3, 1e9 + 4, 1e9 + 5}, .95)
	require.Equal(t, 1e9+3, e.Est)
	require.InDelta(t, 2.776445*math.Sqrt(.5), e.HalfWidth(), 1e-6)
	same := metrics.MeanOf([]float64{.1, .1, .1}, .95)
	require.True(t, same.OK())
	require.Zero(t, same.HalfWidth())
	require.Equal(t, .1, same.Est)
}

func TestMeanOfRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		values []float64
		level  float64
		est    float64
		note   string
	}{
		"no replication":        {nil, .95, math.NaN(), "needs at least 2 replications, has 0"},
		"one replication":       {[]float64{3}, .95, 3, "needs at least 2 replications, has 1"},
		"a missing value":       {[]float64{3, math.NaN()}, .95, math.NaN(), "a replication has no value"},
		"level given per cent":  {[]float64{3, 4}, 95, 3.5, "the confidence level must lie between 0 and 1, is 95"},
		"overflow of the range": {[]float64{math.MaxFloat64, -math.MaxFloat64}, .95, math.NaN(), "a replication has no value"},
	} {
		e := metrics.MeanOf(c.values, c.level)
		require.Equal(t, metrics.StatusNotEstimable, e.Status, name)
		require.Equal(t, c.note, e.Note, name)
		if math.IsNaN(c.est) {
			require.True(t, math.IsNaN(e.Est), name)
		} else {
			require.Equal(t, c.est, e.Est, name)
		}
	}
}

func TestPairedDifference(t *testing.T) {
	t.Parallel()
	// Differences 1, 2, 3: mean 2, standard error √(1/3), t quantile 4.302653.
	e := metrics.PairedDifference([]float64{11, 22, 33}, []float64{10, 20, 30}, .95)
	require.InDelta(t, 2, e.Est, 1e-12)
	require.InDelta(t, 4.302653*math.Sqrt(1./3), e.HalfWidth(), 1e-6)
	require.Equal(t, metrics.MethodPaired, e.Method)

	placebo := metrics.PairedDifference([]float64{.1, .7, 1e9}, []float64{.1, .7, 1e9}, .95)
	require.True(t, placebo.OK())
	require.Zero(t, placebo.Est)
	require.Zero(t, placebo.HalfWidth())

	require.Equal(t, "the runs have different numbers of replications",
		metrics.PairedDifference([]float64{1, 2}, []float64{1}, .95).Note)
}

func TestDifferenceOfDifferences(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 1))
	var runs [4][]float64
	want := make([]float64, 8)
	for i := range want {
		luck := rng.NormFloat64()
		for j, effect := range []float64{5, 3, 2, 1} { // (5−3) − (2−1) = 1
			runs[j] = append(runs[j], luck+effect+.01*rng.NormFloat64())
		}
		want[i] = (runs[0][i] - runs[1][i]) - (runs[2][i] - runs[3][i])
	}
	e := metrics.Contrast([]float64{1, -1, -1, 1}, runs[:], .95)
	byHand := metrics.MeanOf(want, .95)
	require.InDelta(t, byHand.Est, e.Est, 1e-12)
	require.InDelta(t, byHand.HalfWidth(), e.HalfWidth(), 1e-12)
	require.InDelta(t, 1, e.Est, .05)
	require.Equal(t, "2 weights for 4 runs", metrics.Contrast([]float64{1, -1}, runs[:], .95).Note)
	require.Equal(t, metrics.StatusNotEstimable, metrics.Contrast(nil, nil, .95).Status)
}

func TestMeanOfCovers(t *testing.T) {
	t.Parallel()
	const runs = 2000
	covered := 0
	for seed := range uint64(runs) {
		rng := rand.New(rand.NewPCG(seed, 11))
		values := make([]float64, 5)
		for i := range values {
			values[i] = 10 + rng.NormFloat64()
		}
		if metrics.MeanOf(values, .95).Covers(10) {
			covered++
		}
	}
	requireCoverage(t, .95, covered, runs)
}

// requireCoverage fails where the observed coverage deviates from the nominal
// one by more than 3.3 standard errors (once in 1000 correct methods).
func requireCoverage(t *testing.T, nominal float64, covered, runs int) {
	t.Helper()
	tolerance := 3.3 * math.Sqrt(nominal*(1-nominal)/float64(runs))
	require.InDelta(t, nominal, float64(covered)/float64(runs), tolerance)
}
