package metrics_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/metrics"
)

func oneTo(n int) []float64 {
	values := make([]float64, n)
	for i := range values {
		values[n-1-i] = float64(i + 1)
	}
	return values
}

func TestQuantileOfValuesAgainstTables(t *testing.T) {
	t.Parallel()
	// Medians: sign-test tables (Hollander and Wolfe, Nonparametric Statistical
	// Methods, table A.2): n = 10 leaves 2 … 9, n = 20 leaves 6 … 15, n = 6 all.
	for _, c := range []struct {
		n          int
		p, lo, est float64
		hi         float64
	}{
		{6, .5, 1, 3, 6},
		{10, .5, 2, 5, 9},
		{20, .5, 6, 10, 15},
		{368, .99, 360, 365, 368},
		{368, .01, 1, 4, 9},
	} {
		values := oneTo(c.n)
		e := metrics.QuantileOfValues(values, c.p, .95)
		require.True(t, e.OK(), e)
		require.Equal(t, []float64{c.lo, c.est, c.hi}, []float64{e.Lo, e.Est, e.Hi}, "n=%d p=%v", c.n, c.p)
		require.Equal(t, oneTo(c.n), values, "the argument is left alone")
	}
}

// The coverage of the ranks is computed exactly: it reaches the level, and one
// rank further in on either side it does not.
func TestQuantileOfValuesIsTheNarrowest(t *testing.T) {
	t.Parallel()
	binomial := func(n int, p float64, from, to int) (sum float64) { // P(from <= B <= to)
		for k := from; k <= to; k++ {
			a, _ := math.Lgamma(float64(n + 1))
			b, _ := math.Lgamma(float64(k + 1))
			c, _ := math.Lgamma(float64(n - k + 1))
			sum += math.Exp(a - b - c + float64(k)*math.Log(p) + float64(n-k)*math.Log(1-p))
		}
		return sum
	}
	for _, n := range []int{6, 20, 50, 100, 400} {
		for _, p := range []float64{.05, .25, .5, .9, .99} {
			e := metrics.QuantileOfValues(oneTo(n), p, .95)
			if int64(n) < metrics.MinimumForQuantile(p, .95) {
				require.False(t, e.OK())
				continue
			}
			lower, upper := int(e.Lo), int(e.Hi)
			require.LessOrEqual(t, binomial(n, p, 0, lower-1), .025+1e-9)
			require.Greater(t, binomial(n, p, 0, lower), .025)
			require.LessOrEqual(t, binomial(n, p, upper, n), .025+1e-9)
			require.Greater(t, binomial(n, p, upper-1, n), .025)
		}
	}
}

func TestQuantileOfValuesRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		values   []float64
		p, level float64
		note     string
	}{
		"nothing":        {nil, .5, .95, "has no values"},
		"one too few":    {oneTo(367), .99, .95, "p99 needs 368 independent values, has 367"},
		"p of 1":         {oneTo(10), 1, .95, "the quantile must lie between 0 and 1, is 1"},
		"level of 0":     {oneTo(10), .5, 0, "the confidence level must lie between 0 and 1, is 0"},
		"not a number":   {append(oneTo(10), math.NaN()), .5, .95, "a value is not a number"},
		"infinite limit": {[]float64{1, 2, 3, 4, 5, math.Inf(1)}, .5, .95, "the interval is not finite"},
	} {
		e := metrics.QuantileOfValues(c.values, c.p, c.level)
		require.Equal(t, metrics.StatusNotEstimable, e.Status, name)
		require.Equal(t, c.note, e.Note, name)
	}
}

func TestQuantileOfValuesCovers(t *testing.T) {
	t.Parallel()
	const runs = 2000
	covered := 0
	for seed := range uint64(runs) {
		rng := rand.New(rand.NewPCG(seed, 61))
		values := make([]float64, 50)
		for i := range values {
			values[i] = rng.ExpFloat64()
		}
		slices.Sort(values)
		if metrics.QuantileOfValues(values, .9, .95).Covers(math.Log(10)) {
			covered++
		}
	}
	require.GreaterOrEqual(t, float64(covered)/runs, .94, "at least the level")
	require.LessOrEqual(t, float64(covered)/runs, .985, "whole ranks exceed it a little")
}
