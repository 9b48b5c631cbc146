package metrics_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/stat"
	"pgregory.net/rapid"

	"microcosm/cosim/metrics"
)

func TestSeriesMomentsAreThoseOfTheValues(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 60_000).Draw(t, "n") // beyond 20 480 batches double
		offset := rapid.Float64Range(-1e6, 1e6).Draw(t, "offset")
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		values := make([]float64, n)
		var s metrics.Series
		for i := range values {
			values[i] = offset + rng.ExpFloat64()
			s.Add(values[i])
		}
		mean, variance := stat.MeanVariance(values, nil)
		require.EqualValues(t, n, s.Count())
		require.InEpsilon(t, mean, s.Mean(), 1e-10)
		if n > 1 {
			require.InEpsilon(t, variance, s.Variance(), 1e-5)
		}
	})
}

func TestEmptySeries(t *testing.T) {
	t.Parallel()
	var s metrics.Series
	require.Zero(t, s.Count())
	require.True(t, math.IsNaN(s.Mean()))
	require.True(t, math.IsNaN(s.AutocorrelationTime()))
	e := s.EstimateMean(.95)
	require.Equal(t, "needs at least 160 observations, has 0", e.Note)
	s.Add(3)
	require.Equal(t, 3.0, s.Mean())
	require.True(t, math.IsNaN(s.Variance()))
	_, settled := s.WarmUp()
	require.False(t, settled)
}

func TestConstantSeries(t *testing.T) {
	t.Parallel()
	var s metrics.Series
	for range 100_000 {
		s.Add(.1)
	}
	e := s.EstimateMean(.95)
	require.True(t, e.OK(), e)
	require.InDelta(t, .1, e.Est, 1e-15)
	require.Zero(t, e.HalfWidth())
	require.Equal(t, 1.0, s.AutocorrelationTime())
}

func TestWarmUp(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		n       int
		level   func(i int) float64 // of the mean at observation i
		from    int64
		to      int64
		settled bool
	}{
		"none":                     {20_000, func(int) float64 { return 0 }, 0, 2000, true},
		"a step":                   {20_000, func(i int) float64 { return 10 * math.Max(0, float64(sign(1000-i))) }, 1000, 1300, true},
		"exponential decay":        {20_000, func(i int) float64 { return 10 * math.Exp(-float64(i)/500) }, 1000, 4000, true},
		"a step in a long run":     {200_000, func(i int) float64 { return 10 * math.Max(0, float64(sign(30_000-i))) }, 30_000, 32_000, true},
		"growing without end":      {20_000, func(i int) float64 { return float64(i) / 100 }, 0, 20_000, false},
		"changed beyond half":      {20_000, func(i int) float64 { return 10 * math.Max(0, float64(sign(15_000-i))) }, 15_000, 15_500, false},
		"fewer than 32 batches":    {159, func(int) float64 { return 0 }, 0, 0, false},
		"just enough observations": {160, func(int) float64 { return 0 }, 0, 80, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(4, 4))
			var s metrics.Series
			for i := range c.n {
				s.Add(c.level(i) + rng.NormFloat64())
			}
			warmUp, settled := s.WarmUp()
			require.Equal(t, c.settled, settled, "warm-up %d", warmUp)
			require.GreaterOrEqual(t, warmUp, c.from)
			require.LessOrEqual(t, warmUp, c.to)
			if !c.settled && c.n > 160 {
				require.Contains(t, s.EstimateMean(.95).Note, "the run is too short: its warm-up (MSER-5) ends at observation")
			}
		})
	}
}

func sign(i int) int {
	if i < 0 {
		return -1
	}
	return 1
}

// MSER-5 by its definition, on a series short enough to try every truncation.
func TestWarmUpMinimizesTheVarianceOfTheMean(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 2))
		k := rapid.IntRange(32, 100).Draw(t, "batches")
		decay := rapid.Float64Range(0, 40).Draw(t, "decay")
		var s metrics.Series
		batches := make([]float64, k)
		for i := range 5 * k {
			v := 5*math.Exp(-float64(i)/(5*decay+1)) + rng.NormFloat64()
			batches[i/5] += v / 5
			s.Add(v)
		}
		best, least := 0, math.Inf(1)
		for d := range k - 5 {
			mean := stat.Mean(batches[d:], nil)
			var z float64
			for _, v := range batches[d:] {
				z += (v - mean) * (v - mean)
			}
			if z /= float64((k - d) * (k - d)); z < least {
				best, least = d, z
			}
		}
		warmUp, settled := s.WarmUp()
		require.EqualValues(t, 5*best, warmUp)
		require.Equal(t, best <= k/2, settled)
	})
}

func TestAutocorrelationTimeOfASeries(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ rho float64 }{
		"independent": {0}, "weak": {.5}, "strong": {.95},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(8, 8))
			const runs = 40
			var sum float64
			for range runs {
				var s metrics.Series
				x := rng.NormFloat64()
				for range 40_000 {
					x = c.rho*x + math.Sqrt(1-c.rho*c.rho)*rng.NormFloat64()
					s.Add(x)
				}
				tau := s.AutocorrelationTime()
				if math.IsNaN(tau) { // one in a hundred
					tau = (1 + c.rho) / (1 - c.rho)
				}
				sum += tau
			}
			want := (1 + c.rho) / (1 - c.rho)
			// Clamped at 1 and inflated by chance correlation: a little above.
			require.InEpsilon(t, want, sum/runs, .3)
		})
	}
}

// lindley adds the response times of the first n customers of an M/M/1 queue with
// mean service time 1, which starts empty.
func lindley(rng *rand.Rand, load float64, n int, add func(response float64)) {
	var wait float64
	for range n {
		service := rng.ExpFloat64()
		add(wait + service)
		wait = max(0, wait+service-rng.ExpFloat64()/load)
	}
}

func TestEstimateMeanCovers(t *testing.T) {
	t.Parallel()
	const runs = 200
	for name, c := range map[string]struct {
		truth   float64
		refused int // at most
		run     func(rng *rand.Rand, add func(float64))
	}{
		"independent":              {1, 8, func(rng *rand.Rand, add func(float64)) { addN(add, 2000, rng.ExpFloat64) }},
		"AR(1), correlation 0.9":   {math.Exp(.125), 8, func(rng *rand.Rand, add func(float64)) { addN(add, 20_000, ar1(rng, .9)) }},
		"M/M/1 at 0.5, 1000 τ":     {2, 8, func(rng *rand.Rand, add func(float64)) { lindley(rng, .5, 10_000, add) }},
		"M/M/1 at 0.8, 1000 τ":     {5, 8, func(rng *rand.Rand, add func(float64)) { lindley(rng, .8, 90_000, add) }},
		"M/M/1 at 0.8, 400 τ":      {5, 8, func(rng *rand.Rand, add func(float64)) { lindley(rng, .8, 40_000, add) }},
		"independent, just enough": {1, 20, func(rng *rand.Rand, add func(float64)) { addN(add, 320, rng.ExpFloat64) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			covered, made := 0, 0
			for seed := range uint64(runs) {
				var s metrics.Series
				c.run(rand.New(rand.NewPCG(seed, 31)), s.Add)
				e := s.EstimateMean(.95)
				require.NotEqual(t, metrics.StatusInvalid, e.Status)
				if e.OK() {
					made++
				}
				if e.Covers(c.truth) {
					covered++
				}
			}
			require.LessOrEqual(t, runs-made, c.refused)
			t.Logf("covered %.3f of %d", float64(covered)/float64(made), made)
			require.GreaterOrEqual(t, float64(covered)/float64(made), .92)
			require.LessOrEqual(t, float64(covered)/float64(made), .98)
		})
	}
}

func addN(add func(float64), n int, draw func() float64) {
	for range n {
		add(draw())
	}
}

// 32 batches of known means: the interval by the formulas, term by term.
func TestEstimateMeanByHand(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(2, 33))
	var s metrics.Series
	y := make([]float64, 32)
	x := 1.
	for i := range y {
		x = .3*x + rng.ExpFloat64() // skewed and mildly correlated
		y[i] = x
		addN(s.Add, 5, func() float64 { return x })
	}
	warmUp, settled := s.WarmUp()
	require.True(t, settled)
	require.Zero(t, warmUp, "another seed is needed")

	mean, variance := stat.MeanVariance(y, nil)
	var lag1 float64
	for i := range y[1:] {
		lag1 += (y[i] - mean) * (y[i+1] - mean) / (31 * variance)
	}
	require.Greater(t, lag1, .05, "another seed is needed")
	beta := stat.Skew(y, nil) / (6 * math.Sqrt(32))
	require.Greater(t, beta, .02, "another seed is needed")
	unskewed := func(z float64) float64 { return (math.Cbrt(1+6*beta*(z-beta)) - 1) / (2 * beta) }
	standardError := math.Sqrt((1 + lag1) / (1 - lag1) * variance / 32)

	e := s.EstimateMean(.95)
	require.True(t, e.OK(), e)
	require.InDelta(t, mean, e.Est, 1e-12)
	require.InDelta(t, mean-unskewed(2.0395134)*standardError, e.Lo, 1e-6)
	require.InDelta(t, mean-unskewed(-2.0395134)*standardError, e.Hi, 1e-6)
	require.Greater(t, e.Hi-e.Est, e.Est-e.Lo, "longer towards the long tail")
	require.EqualValues(t, 160, e.N)
	require.InDelta(t, (1+lag1)/(1-lag1)*5*variance/(variance*31*5/159), s.AutocorrelationTime(), 1e-9)
}

func TestACorrelatedRunIsRefused(t *testing.T) {
	t.Parallel()
	const runs = 100
	refused := 0
	for seed := range uint64(runs) {
		rng := rand.New(rand.NewPCG(seed, 32))
		var s metrics.Series
		addN(s.Add, 2000, ar1(rng, .999)) // one autocorrelation time
		if e := s.EstimateMean(.95); !e.OK() {
			refused++
			require.Contains(t, e.Note, "run longer")
			require.True(t, math.IsNaN(s.AutocorrelationTime()))
		}
	}
	require.GreaterOrEqual(t, refused, 90)
}

func TestNotANumberNeverStands(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 1))
	var s metrics.Series
	for i := range 1000 {
		if i == 500 {
			s.Add(math.NaN())
		}
		s.Add(rng.NormFloat64())
	}
	require.False(t, s.EstimateMean(.95).OK())
}

func BenchmarkSeriesAdd(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	values := make([]float64, 4096)
	for i := range values {
		values[i] = rng.ExpFloat64()
	}
	var s metrics.Series
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		s.Add(values[i&4095])
	}
}
