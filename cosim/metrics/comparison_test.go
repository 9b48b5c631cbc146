package metrics_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/cosim/metrics"
)

// Cushny and Peebles' extra hours of sleep under two drugs (Student, Biometrika 6
// (1908) 1-25); R's help pages print the results of its tests on them.
var (
	sleep1 = []float64{.7, -1.6, -.2, -1.2, -.1, 3.4, 3.7, .8, 0, 2}
	sleep2 = []float64{1.9, .8, 1.1, .1, -.1, 4.4, 5.5, 1.6, 4.6, 3.4}
)

func TestWelch(t *testing.T) {
	t.Parallel()
	c, err := metrics.WelchT(sleep1, sleep2)
	require.NoError(t, err)
	require.InDelta(t, -1.8608, c.Statistic, 5e-5)
	require.InDelta(t, .07939, c.P, 5e-6)

	e := metrics.WelchDifference(sleep1, sleep2, .95)
	require.InDelta(t, -1.58, e.Est, 1e-12)
	require.InDelta(t, -3.3654832, e.Lo, 5e-8)
	require.InDelta(t, .2054832, e.Hi, 5e-8)
	require.EqualValues(t, 20, e.N)

	require.Equal(t, metrics.StatusNotEstimable, metrics.WelchDifference(sleep1, nil, .95).Status)
	require.Equal(t, "the confidence level must lie between 0 and 1, is 2", metrics.WelchDifference(sleep1, sleep2, 2).Note)
}

func TestWelchWithoutScatter(t *testing.T) {
	t.Parallel()
	one, two := []float64{1, 1, 1}, []float64{2, 2}
	c, err := metrics.WelchT(one, one)
	require.NoError(t, err)
	require.Equal(t, 1.0, c.P)
	c, err = metrics.WelchT(two, one)
	require.NoError(t, err)
	require.Zero(t, c.P)
	e := metrics.WelchDifference(two, one, .95)
	require.True(t, e.OK())
	require.Equal(t, 1.0, e.Est)
	require.Zero(t, e.HalfWidth())
}

func TestMannWhitney(t *testing.T) {
	t.Parallel()
	// Hollander and Wolfe's permeability data, as in R's wilcox.test: W = 35,
	// one-sided exact p = 0.1272.
	x := []float64{.80, .83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, .73, 1.46}
	y := []float64{1.15, .88, .90, .74, 1.21}
	c, err := metrics.MannWhitney(x, y)
	require.NoError(t, err)
	require.Equal(t, 35.0, c.Statistic)
	require.InDelta(t, .1272, c.P, 5e-5)
	require.Equal(t, "Mann-Whitney, exact", c.Method)

	// With ties: W = 25.5 for the first drug, two-sided p = 0.06933.
	c, err = metrics.MannWhitney(sleep2, sleep1)
	require.NoError(t, err)
	require.Equal(t, 74.5, c.Statistic)
	require.InDelta(t, .06933/2, c.P, 5e-6)

	// All of 3 above all of 3: one arrangement of 20.
	c, err = metrics.MannWhitney([]float64{4, 5, 6}, []float64{1, 2, 3})
	require.NoError(t, err)
	require.InDelta(t, 1./20, c.P, 1e-15)
	c, err = metrics.MannWhitney([]float64{1, 2, 3}, []float64{4, 5, 6})
	require.NoError(t, err)
	require.Equal(t, 1.0, c.P)
	c, err = metrics.MannWhitney([]float64{1, 1}, []float64{1, 1})
	require.NoError(t, err)
	require.Equal(t, .5, c.P)
}

func TestMannWhitneyCountsPairs(t *testing.T) {
	t.Parallel()
	draw := rapid.SliceOfN(rapid.Map(rapid.IntRange(0, 9), func(i int) float64 { return float64(i) }), 1, 30)
	rapid.Check(t, func(t *rapid.T) {
		x, y := draw.Draw(t, "x"), draw.Draw(t, "y")
		var u float64
		for _, a := range x {
			for _, b := range y {
				switch {
				case a > b:
					u++
				case a == b:
					u += .5
				}
			}
		}
		c, err := metrics.MannWhitney(x, y)
		require.NoError(t, err)
		require.InDelta(t, u, c.Statistic, 1e-9)
		require.True(t, c.P >= 0 && c.P <= 1)
	})
}

func TestMannWhitneyLimitMeetsTheExactTest(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(81, 1))
	x, y := make([]float64, 20), make([]float64, 20)
	for i := range x {
		x[i], y[i] = rng.NormFloat64()+.4, rng.NormFloat64()
	}
	exact, err := metrics.MannWhitney(x, y)
	require.NoError(t, err)
	require.Equal(t, "Mann-Whitney, exact", exact.Method)
	tied, err := metrics.MannWhitney(append(x, -100, -100), append(y, 100, 100)) // ties force the limit
	require.NoError(t, err)
	require.Equal(t, "Mann-Whitney", tied.Method)
	require.Less(t, exact.P, tied.P)

	limit, err := metrics.MannWhitney(append(x[:20:20], 50), y) // 420 pairs
	require.NoError(t, err)
	require.Equal(t, "Mann-Whitney", limit.Method)
	smaller, err := metrics.MannWhitney(append(x[:19:19], 50), y)
	require.NoError(t, err)
	require.InDelta(t, smaller.P, limit.P, .03)
}

func TestKolmogorovSmirnovStatistic(t *testing.T) {
	t.Parallel()
	draw := rapid.SliceOfN(rapid.Map(rapid.IntRange(0, 9), func(i int) float64 { return float64(i) }), 2, 12)
	rapid.Check(t, func(t *rapid.T) {
		x, y := draw.Draw(t, "x"), draw.Draw(t, "y")
		share := func(values []float64, at float64) float64 {
			n := 0.
			for _, v := range values {
				if v <= at {
					n++
				}
			}
			return n / float64(len(values))
		}
		var want float64
		for at := range 10 {
			want = max(want, math.Abs(share(x, float64(at))-share(y, float64(at))))
		}
		c, err := metrics.KolmogorovSmirnov(rand.New(rand.NewPCG(1, 1)), x, y)
		require.NoError(t, err)
		require.InDelta(t, want, c.Statistic, 1e-12)
		if want == 0 {
			require.Equal(t, 1.0, c.P)
		}
	})
}

func TestKolmogorovSmirnovP(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(82, 1))
	// All of 3 above all of 3 or below: two arrangements of 20.
	c, err := metrics.KolmogorovSmirnov(rng, []float64{4, 5, 6}, []float64{1, 2, 3})
	require.NoError(t, err)
	require.Equal(t, 1.0, c.Statistic)
	require.InDelta(t, .1, c.P, .01)
	require.Equal(t, "Kolmogorov-Smirnov, permutations", c.Method)

	// The printed 5 % and 1 % points of the limit are 1.358 and 1.628. With n = m =
	// 20 000 Stephens' correction is 0.1 %; a shift by k ranks makes D = k/n.
	const n = 20_000
	for point, p := range map[float64]float64{1.358: .05, 1.628: .01} {
		shift := math.Round(point * math.Sqrt(2./n) * n)
		x, y := make([]float64, n), make([]float64, n)
		for i := range x {
			x[i], y[i] = float64(i)+.5, float64(i)+shift
		}
		c, err = metrics.KolmogorovSmirnov(nil, x, y)
		require.NoError(t, err)
		require.Equal(t, "Kolmogorov-Smirnov", c.Method)
		require.InEpsilon(t, p, c.P, .03)
	}
	c, err = metrics.KolmogorovSmirnov(nil, oneTo(200), oneTo(200))
	require.NoError(t, err)
	require.Equal(t, 1.0, c.P)
}

// rejections counts the seeds for which the test of two samples yields P <= 5 %.
func rejections(t *testing.T, runs int, test func(rng *rand.Rand) (metrics.Comparison, error)) int {
	t.Helper()
	count := 0
	for seed := range uint64(runs) {
		c, err := test(rand.New(rand.NewPCG(seed, 83)))
		require.NoError(t, err)
		if c.P <= .05 {
			count++
		}
	}
	return count
}

func normals(rng *rand.Rand, n int, mean, deviation float64) []float64 {
	values := make([]float64, n)
	for i := range values {
		values[i] = mean + deviation*rng.NormFloat64()
	}
	return values
}

func TestSizesOfTheTests(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		runs int
		test func(rng *rand.Rand) (metrics.Comparison, error)
	}{
		"Welch t": {2000, func(rng *rand.Rand) (metrics.Comparison, error) {
			return metrics.WelchT(normals(rng, 8, 1, 1), normals(rng, 20, 1, 3))
		}},
		"Mann-Whitney, exact": {500, func(rng *rand.Rand) (metrics.Comparison, error) {
			return metrics.MannWhitney(normals(rng, 18, 1, 1), normals(rng, 20, 1, 1))
		}},
		"Mann-Whitney, limit": {2000, func(rng *rand.Rand) (metrics.Comparison, error) {
			return metrics.MannWhitney(normals(rng, 40, 1, 1), normals(rng, 30, 1, 1))
		}},
		"Kolmogorov-Smirnov, limit": {1000, func(rng *rand.Rand) (metrics.Comparison, error) {
			return metrics.KolmogorovSmirnov(nil, normals(rng, 150, 1, 1), normals(rng, 170, 1, 1))
		}},
		"Kolmogorov-Smirnov, permutations": {150, func(rng *rand.Rand) (metrics.Comparison, error) {
			return metrics.KolmogorovSmirnov(rng, normals(rng, 15, 1, 1), normals(rng, 17, 1, 1))
		}},
		"equivalence, at the margin": {2000, func(rng *rand.Rand) (metrics.Comparison, error) {
			return metrics.Equivalence(normals(rng, 20, 10.3, .3), normals(rng, 30, 10, .2), .03)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := float64(rejections(t, c.runs, c.test)) / float64(c.runs)
			require.InDelta(t, .05, got, 3.3*math.Sqrt(.05*.95/float64(c.runs)))
		})
	}
}

func TestEquivalence(t *testing.T) {
	t.Parallel()
	equal := rejections(t, 200, func(rng *rand.Rand) (metrics.Comparison, error) {
		return metrics.Equivalence(normals(rng, 30, 10, .3), normals(rng, 30, 10, .3), .03)
	})
	require.GreaterOrEqual(t, equal, 180, "equal means are found equivalent")
	few := rejections(t, 200, func(rng *rand.Rand) (metrics.Comparison, error) {
		return metrics.Equivalence(normals(rng, 3, 10, 2), normals(rng, 3, 10, 2), .03)
	})
	require.LessOrEqual(t, few, 10, "too few values show nothing")
	c, err := metrics.Equivalence([]float64{5, 5}, []float64{5, 5}, .03)
	require.NoError(t, err)
	require.Equal(t, metrics.Comparison{Statistic: 1, P: 0, Method: "two one-sided Welch t"}, c)
	c, err = metrics.Equivalence([]float64{6, 6}, []float64{5, 5}, .03)
	require.NoError(t, err)
	require.Equal(t, 1.0, c.P)
}

// Of mean(x) − c·mean(y), a Welch test of x and the values of y times c.
func TestEquivalenceCountsTheScatterOfTheReference(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(84, 1))
	x, y := normals(rng, 12, 10, 1), normals(rng, 6, 10, 4)
	var p float64
	for _, factor := range []float64{.5, 1.5} {
		scaled := make([]float64, len(y))
		for i, v := range y {
			scaled[i] = factor * v
		}
		c, err := metrics.WelchT(x, scaled)
		require.NoError(t, err)
		p = max(p, c.P/2)
	}
	c, err := metrics.Equivalence(x, y, .5)
	require.NoError(t, err)
	require.InDelta(t, p, c.P, 1e-12)
}

func TestComparisonsRefuse(t *testing.T) {
	t.Parallel()
	good := []float64{1, 2, 3}
	for want, test := range map[string]func() (metrics.Comparison, error){
		"need at least 2 values in each, have 1 and 3": func() (metrics.Comparison, error) { return metrics.WelchT(good[:1], good) },
		"need at least 1 values in each, have 3 and 0": func() (metrics.Comparison, error) { return metrics.MannWhitney(good, nil) },
		"NaN is not a finite value":                    func() (metrics.Comparison, error) { return metrics.WelchT(good, []float64{1, math.NaN()}) },
		"need a source of random permutations":         func() (metrics.Comparison, error) { return metrics.KolmogorovSmirnov(nil, good, good) },
		"the margin must lie between 0 and 1, is 3":    func() (metrics.Comparison, error) { return metrics.Equivalence(good, good, 3) },
		"the mean of the reference must be positive": func() (metrics.Comparison, error) {
			return metrics.Equivalence(good, []float64{-1, 1}, .03)
		},
		"have 0 and 3": func() (metrics.Comparison, error) { return metrics.Equivalence(nil, good, .03) },
		"+Inf is not": func() (metrics.Comparison, error) {
			return metrics.KolmogorovSmirnov(nil, good, []float64{math.Inf(1), 1})
		},
	} {
		_, err := test()
		require.ErrorContains(t, err, want)
	}
}

func TestHolm(t *testing.T) {
	t.Parallel()
	require.InDeltaSlice(t, []float64{.03, .06, .06, .02}, metrics.Holm([]float64{.01, .04, .03, .005}), 1e-15)
	require.Equal(t, []float64{1, 1}, metrics.Holm([]float64{.7, .6}))
	require.Empty(t, metrics.Holm(nil))
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SliceOfN(rapid.Float64Range(0, 1), 1, 20).Draw(t, "p")
		adjusted := metrics.Holm(p)
		for i := range p {
			require.GreaterOrEqual(t, adjusted[i], p[i])
			require.LessOrEqual(t, adjusted[i], min(1, p[i]*float64(len(p))), "never beyond Bonferroni")
			for j := range p {
				require.False(t, p[i] < p[j] && adjusted[i] > adjusted[j], "the order is kept")
			}
		}
	})
}
