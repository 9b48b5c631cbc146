package metrics_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/cosim/metrics"
)

func TestSectionsKeepEverythingInOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 20_000).Draw(t, "n") // sections are full at 2048, 4096, …
		var s metrics.Sections
		all := new(metrics.Histogram)
		for i := range n {
			s.Record(time.Duration(i))
			all.Record(time.Duration(i))
		}
		require.True(t, s.All().Equal(all))

		parts := s.After(0)
		require.LessOrEqual(t, len(parts), 32)
		if n > 2048 {
			require.Greater(t, len(parts), 16)
		}
		next := time.Duration(0)
		for i, part := range parts {
			require.Equal(t, next, part.Min())
			if i < len(parts)-1 {
				require.Equal(t, parts[0].Count(), part.Count(), "all but the open one are of equal size")
			}
			next = part.Max() + 1
		}

		warmUp := rapid.Int64Range(-1, int64(n)+5000).Draw(t, "warm-up")
		after := s.After(warmUp)
		if len(after) > 0 {
			require.GreaterOrEqual(t, int64(after[0].Min()), warmUp)
			require.Less(t, int64(after[0].Min()), max(warmUp, 0)+parts[0].Count(), "no more is left out than must be")
		}
	})
}

func TestSectionsRefuse(t *testing.T) {
	t.Parallel()
	var s metrics.Sections
	require.Empty(t, s.After(0))
	require.Equal(t, "needs at least 8 sections after the warm-up, has 0; run longer", s.EstimateQuantile(.5, .95, 0).Note)
	rng := rand.New(rand.NewPCG(6, 6))
	for range 64 * 10 {
		s.Record(time.Duration(rng.ExpFloat64() * 1e9))
	}
	require.True(t, s.EstimateQuantile(.5, .95, 128).OK())
	require.Equal(t, "needs at least 8 sections after the warm-up, has 7; run longer", s.EstimateQuantile(.5, .95, 129).Note)
	require.Contains(t, s.EstimateQuantile(.999, .95, 0).Note, "p99.9 needs 3688 effectively independent values")

	var drift metrics.Sections
	for i := range 10_000 {
		drift.Record(time.Duration(float64(i) * (1 + rng.Float64()) * 1e6))
	}
	require.Contains(t, drift.EstimateQuantile(.5, .95, 0).Note, "sections are still correlated after 10000 values; run longer")
}

func TestEstimateQuantileCovers(t *testing.T) {
	t.Parallel()
	const runs = 200
	for name, c := range map[string]struct {
		load float64
		n    int
		p    float64
	}{
		"median, load 0.5": {.5, 10_000, .5},
		"p95, load 0.5":    {.5, 20_000, .95},
		"p99, load 0.5":    {.5, 30_000, .99},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			covered, made := 0, 0
			for seed := range uint64(runs) {
				var series metrics.Series
				var s metrics.Sections
				lindley(rand.New(rand.NewPCG(seed, 41)), c.load, c.n, func(response float64) {
					series.Add(response)
					s.Record(time.Duration(response * 1e9))
				})
				warmUp, settled := series.WarmUp()
				e := s.EstimateQuantile(c.p, .95, warmUp)
				if !settled || !e.OK() {
					continue
				}
				made++
				// The response time of M/M/1 is exponential with mean 1/(1 − load).
				if e.Covers(-math.Log(1-c.p) / (1 - c.load)) {
					covered++
				}
			}
			require.GreaterOrEqual(t, made, runs*95/100)
			t.Logf("covered %.3f of %d", float64(covered)/float64(made), made)
			require.GreaterOrEqual(t, float64(covered)/float64(made), .91)
			require.LessOrEqual(t, float64(covered)/float64(made), .99)
		})
	}
}
