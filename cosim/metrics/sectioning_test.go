package metrics_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/metrics"
)

func TestMinimumForQuantile(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		p, level float64
		want     int64
	}{
		{.99, .95, 368}, // ln .025 / ln .99 = 367.04
		{.95, .95, 72},
		{.999, .95, 3688},
		{.5, .95, 6},
		{.01, .95, 368},
		{.5, .75, 3}, // 0.5³ is exactly 0.125
		// One-sided 95 % bounds.
		{.95, .90, 59},
		{.99, .90, 299},
		{.999, .90, 2995},
		{1, .95, math.MaxInt64},
		{.99, 95, math.MaxInt64},
		{math.NaN(), .95, math.MaxInt64},
	} {
		n := metrics.MinimumForQuantile(c.p, c.level)
		require.Equal(t, c.want, n, "p=%v level=%v", c.p, c.level)
		if n < math.MaxInt64 {
			tail := (1 - c.level) / 2
			extreme := max(c.p, 1-c.p)
			require.LessOrEqual(t, math.Pow(extreme, float64(n)), tail*(1+1e-9))
			require.Greater(t, math.Pow(extreme, float64(n-1)), tail)
		}
	}
}

// sectionsOf makes b sections of m values each.
func sectionsOf(b, m int, draw func() float64) []*metrics.Histogram {
	sections := make([]*metrics.Histogram, b)
	for j := range sections {
		sections[j] = new(metrics.Histogram)
		for range m {
			sections[j].Record(time.Duration(draw() * 1e9))
		}
	}
	return sections
}

func TestQuantileOfByHand(t *testing.T) {
	t.Parallel()
	// Three sections of 201 values in which the median is 100, 110 and 150 ns: the
	// values are j's median − 100 … + 100 ns, below 256 ns and therefore exact.
	sections := make([]*metrics.Histogram, 3)
	all := new(metrics.Histogram)
	for j, median := range []time.Duration{100, 110, 150} {
		sections[j] = new(metrics.Histogram)
		for d := median - 100; d <= median+100; d++ {
			sections[j].Record(d)
		}
		all.Merge(sections[j])
	}
	q := all.Quantile(.5).Seconds()
	var squares float64
	for _, median := range []float64{100e-9, 110e-9, 150e-9} {
		squares += (median - q) * (median - q)
	}
	e := metrics.QuantileOf(sections, .5, .95, 1)
	require.True(t, e.OK(), e)
	require.Equal(t, metrics.MethodSectioning, e.Method)
	require.Equal(t, q, e.Est)
	require.InEpsilon(t, 4.302653*math.Sqrt(squares/(3*2)), e.Hi-e.Est, 1e-6)
	require.EqualValues(t, 603, e.N)
}

func TestQuantileOfRefuses(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(5, 5))
	enough := sectionsOf(10, 37, rng.ExpFloat64)
	for name, c := range map[string]struct {
		sections      []*metrics.Histogram
		p, level, tau float64
		note          string
	}{
		"no section":      {nil, .99, .95, 1, "has no values"},
		"empty sections":  {[]*metrics.Histogram{nil, {}}, .99, .95, 1, "has no values"},
		"one section":     {sectionsOf(1, 1000, rng.ExpFloat64), .99, .95, 1, "needs at least 2 sections of similar size, has the equivalent of 1"},
		"one giant":       {[]*metrics.Histogram{enough[0], sectionsOf(1, 10000, rng.ExpFloat64)[0]}, .99, .95, 1, "needs at least 2 sections of similar size, has the equivalent of 1"},
		"367 values":      {append(sectionsOf(9, 37, rng.ExpFloat64), sectionsOf(1, 34, rng.ExpFloat64)...), .99, .95, 1, "p99 needs 368 effectively independent values, has 367 (367 values, autocorrelation time 1)"},
		"correlated":      {enough, .99, .95, 2, "p99 needs 368 effectively independent values, has 185 (370 values, autocorrelation time 2)"},
		"tau unknown":     {enough, .99, .95, math.NaN(), "the autocorrelation time is not known"},
		"p in per cent":   {enough, 99, .95, 1, "the quantile must lie between 0 and 1, is 99"},
		"level of 1":      {enough, .99, 1, 1, "the confidence level must lie between 0 and 1, is 1"},
		"p99.9 of the 10": {enough, .999, .95, 1, "p99.9 needs 3688 effectively independent values, has 370 (370 values, autocorrelation time 1)"},
	} {
		e := metrics.QuantileOf(c.sections, c.p, c.level, c.tau)
		require.Equal(t, metrics.StatusNotEstimable, e.Status, name)
		require.Equal(t, c.note, e.Note, name)
	}
	require.True(t, metrics.QuantileOf(enough, .99, .95, 1).OK(), "370 values")
	known := metrics.QuantileOf(enough, .99, .95, 2)
	require.Positive(t, known.Est, "the value is known where the interval is not")
}

func TestQuantileOfAtoms(t *testing.T) {
	t.Parallel()
	sections := make([]*metrics.Histogram, 4)
	for j := range sections {
		sections[j] = new(metrics.Histogram)
		for i := range 1000 {
			sections[j].Record(time.Duration(i%4/2) * time.Millisecond) // half wait 0, half 1 ms
		}
	}
	e := metrics.QuantileOf(sections, .25, .95, 1)
	require.True(t, e.OK())
	require.Zero(t, e.Est)
	require.Zero(t, e.HalfWidth())
	e = metrics.QuantileOf(sections, .99, .95, 1)
	require.Equal(t, metrics.Estimate{Est: .001, Lo: .001, Hi: .001, N: 4000, Method: e.Method, Status: metrics.StatusOK}, e)
	require.Equal(t, 1.0, metrics.AutocorrelationTimeAt(sections, .25))
	require.Equal(t, 1.0, metrics.AutocorrelationTimeAt(sections, .99))
}

func TestQuantileOfCovers(t *testing.T) {
	t.Parallel()
	const runs = 500
	for name, c := range map[string]struct {
		sections, values int
		p                float64
		method           string
	}{
		"median, 10 sections of 100":       {10, 100, .5, metrics.MethodSectioning},
		"p99, 10 sections of 1000":         {10, 1000, .99, metrics.MethodSectioning},
		"p99, 5 sections of 600":           {5, 600, .99, metrics.MethodSectioning},
		"p99, 20 sections too short":       {20, 30, .99, metrics.MethodShares},
		"p99, the least number of values":  {8, 46, .99, metrics.MethodShares},
		"p95, replications, few per round": {30, 20, .95, metrics.MethodShares},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			covered := 0
			for seed := range uint64(runs) {
				rng := rand.New(rand.NewPCG(seed, 21))
				e := metrics.QuantileOf(sectionsOf(c.sections, c.values, rng.ExpFloat64), c.p, .95, 1)
				require.Equal(t, c.method, e.Method)
				if e.Covers(-math.Log(1 - c.p)) {
					covered++
				}
			}
			if c.method == metrics.MethodShares && covered > .95*runs {
				require.LessOrEqual(t, covered, int(.99*runs), "few values: whole ranks make it conservative")
				return
			}
			requireCoverage(t, .95, covered, runs)
		})
	}
}

func TestUnequalSectionsWeighByTheirSize(t *testing.T) {
	t.Parallel()
	const runs = 1000
	covered := 0
	for seed := range uint64(runs) {
		rng := rand.New(rand.NewPCG(seed, 22))
		var sections []*metrics.Histogram
		for j := range 12 {
			sections = append(sections, sectionsOf(1, 100+300*(j%3), rng.ExpFloat64)...)
		}
		if metrics.QuantileOf(sections, .9, .95, 1).Covers(-math.Log(.1)) {
			covered++
		}
	}
	requireCoverage(t, .95, covered, runs)
}

// ar1 returns a draw of exp(x/2), where x is a first-order autoregressive
// process with standard normal marginal and correlation rho.
func ar1(rng *rand.Rand, rho float64) func() float64 {
	x := rng.NormFloat64()
	return func() float64 {
		x = rho*x + math.Sqrt(1-rho*rho)*rng.NormFloat64()
		return math.Exp(x / 2)
	}
}

func TestAutocorrelationTimeOfSections(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(9, 9))
	independent := sectionsOf(200, 500, rng.ExpFloat64)
	require.InDelta(t, 1, metrics.AutocorrelationTime(independent), .35)
	require.InDelta(t, 1, metrics.AutocorrelationTimeAt(independent, .99), .35)

	// The covariances of exp(x/2) at lag k are proportional to e^{ρ^k/4} − 1.
	const rho = .9
	tau := 1.
	for k := 1; k < 400; k++ {
		tau += 2 * math.Expm1(math.Pow(rho, float64(k))/4) / math.Expm1(.25)
	}
	correlated := sectionsOf(200, 2000, ar1(rng, rho))
	require.InEpsilon(t, tau, metrics.AutocorrelationTime(correlated), .35) // standard error 10 %
	median := metrics.AutocorrelationTimeAt(correlated, .5)
	tail := metrics.AutocorrelationTimeAt(correlated, .99)
	require.Greater(t, median, tail, "extremes come in shorter bursts")
	require.Greater(t, tail, 2.0)

	require.True(t, math.IsNaN(metrics.AutocorrelationTime(correlated[:1])))
	require.True(t, math.IsNaN(metrics.AutocorrelationTimeAt(nil, .5)))
	constant := sectionsOf(3, 10, func() float64 { return 1 })
	require.Equal(t, 1.0, metrics.AutocorrelationTime(constant))
	require.Equal(t, 1.0, metrics.AutocorrelationTimeAt(constant, .5))
}

func TestQuantileOfCoversCorrelatedValues(t *testing.T) {
	t.Parallel()
	const runs = 400
	covered := 0
	for seed := range uint64(runs) {
		rng := rand.New(rand.NewPCG(seed, 23))
		sections := make([]*metrics.Histogram, 10)
		for j := range sections {
			sections[j] = sectionsOf(1, 2000, ar1(rng, .8))[0] // replications
		}
		tau := metrics.AutocorrelationTimeAt(sections, .99)
		if metrics.QuantileOf(sections, .99, .95, tau).Covers(math.Exp(2.3263479 / 2)) {
			covered++
		}
	}
	requireCoverage(t, .95, covered, runs)
}
