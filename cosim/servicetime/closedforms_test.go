package servicetime_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/cosim/servicetime"
)

// below returns the distribution function of a described law at x, by its closed
// form.
func below(d servicetime.Description, x float64) float64 {
	mean := float64(d.Mean)
	switch d.Law {
	case "exponential":
		return -math.Expm1(-x / mean)
	case "erlang":
		rate, term, sum := x*float64(d.Phases)/mean, 0., 0.
		for i := range d.Phases { // Poisson probabilities, by their logarithms
			if i > 0 {
				term += math.Log(rate) - math.Log(float64(i))
			}
			sum += math.Exp(term - rate)
		}
		return 1 - sum
	case "lognormal":
		sigma := math.Sqrt(math.Log(1 + d.CV*d.CV))
		return math.Erfc(-(math.Log(x/mean)+sigma*sigma/2)/sigma/math.Sqrt2) / 2
	case "hyperexponential":
		c2 := d.CV * d.CV
		p := (1 + math.Sqrt((c2-1)/(c2+1))) / 2
		return 1 - p*math.Exp(-2*p*x/mean) - (1-p)*math.Exp(-2*(1-p)*x/mean)
	}
	if x < mean {
		return 0
	}
	return 1
}

// TestAQuantileIsWhereItsShareLies: the distribution function at the u-quantile is
// u, for every law that can be described.
func TestAQuantileIsWhereItsShareLies(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		described := laws.Draw(t, "law")
		described.Mean = time.Hour // a nanosecond is nothing to it
		described.CV = min(described.CV, 20)
		if described.Law == "deterministic" {
			return
		}
		d, err := described.Distribution()
		require.NoError(t, err)
		u := rapid.Float64Range(1e-4, 1-1e-6).Draw(t, "u")
		x := float64(d.Quantile(u))
		// Rounding moves x by half a nanosecond, the density there is the slope.
		slack := 1e-9 + math.Abs(below(described, x+1)-below(described, x-1))
		require.InDelta(t, u, below(described, x), slack, "%+v: %v", described, time.Duration(x))
	})
}

func TestAConstantHasOneQuantile(t *testing.T) {
	t.Parallel()
	d, err := servicetime.Description{Law: "deterministic", Mean: 17}.Distribution()
	require.NoError(t, err)
	for _, u := range []float64{0, .5, 1 - 0x1p-53} {
		require.Equal(t, time.Duration(17), d.Quantile(u))
	}
	require.Equal(t, time.Duration(17), d.Mean())
}

// TestLawsAtTheirClosedForms pins quantiles that can be written down.
func TestLawsAtTheirClosedForms(t *testing.T) {
	t.Parallel()
	const hour = float64(time.Hour)
	for _, c := range []struct {
		situation string
		law       servicetime.Distribution
		u, want   float64 // hours
	}{
		{"exponential: median ln 2", servicetime.Exponential{Expectation: time.Hour}, .5, math.Ln2},
		{"exponential: p99 ln 100", servicetime.Exponential{Expectation: time.Hour}, .99, math.Log(100)},
		{"exponential: nothing is shorter than 0", servicetime.Exponential{Expectation: time.Hour}, 0, 0},
		{"one phase is exponential", servicetime.Erlang{Phases: 1, Expectation: time.Hour}, .99, math.Log(100)},
		{"chi-squared with 4 degrees: p95 9.4877", servicetime.Erlang{Phases: 2, Expectation: 4 * time.Hour}, .95, 9.487729036781154},
		{"chi-squared with 20 degrees: p99 37.566", servicetime.Erlang{Phases: 10, Expectation: 20 * time.Hour}, .99, 37.56623478662507},
		{"log-normal: median mean/√(1+cv²)", servicetime.NewLognormal(time.Hour, 2), .5, 1 / math.Sqrt(5)},
		{"log-normal: one sigma above the median", servicetime.NewLognormal(time.Hour, 1), .8413447460685429, math.Exp(math.Sqrt(math.Ln2)) / math.Sqrt2},
		{"log-normal without scatter is nearly constant", servicetime.NewLognormal(time.Hour, 1e-10), .999, 1},
	} {
		require.InEpsilon(t, 1+c.want, 1+float64(c.law.Quantile(c.u))/hour, 1e-9, c.situation)
	}
}

// TestBalancedMeans: both branches of a hyperexponential law contribute half of
// the mean, and cv is what was asked for: E[X²] = 2(p a² + (1−p) b²).
func TestBalancedMeans(t *testing.T) {
	t.Parallel()
	for _, cv := range []float64{1.01, 1.5, 2, 5, 30, 1000} {
		h := servicetime.NewHyperExponential(time.Hour, cv)
		a, b, p := h.First.Hours(), h.Second.Hours(), h.Share
		require.InEpsilon(t, .5, p*a, 1e-9, "cv %v", cv)
		require.InEpsilon(t, .5, (1-p)*b, 1e-9, "cv %v", cv)
		require.InEpsilon(t, 1+cv*cv, 2*(p*a*a+(1-p)*b*b), 1e-6, "cv %v", cv)
		require.InEpsilon(t, 1, h.Mean().Hours(), 1e-9, "cv %v", cv)
		require.Greater(t, p, .5, "the short branch is the likely one")
	}
}

// TestAUnitIsOnlyAUnit: c times the mean makes c times every quantile.
func TestAUnitIsOnlyAUnit(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		short := laws.Draw(t, "law")
		short.Mean = time.Duration(rapid.Int64Range(int64(time.Second), int64(time.Hour)).Draw(t, "mean"))
		short.CV = min(short.CV, 50)
		long := short
		c := rapid.Int64Range(2, 1000).Draw(t, "factor")
		long.Mean *= time.Duration(c)
		a, err := short.Distribution()
		require.NoError(t, err)
		b, err := long.Distribution()
		require.NoError(t, err)
		u := rapid.Float64Range(0, .9999).Draw(t, "u")
		x := float64(a.Quantile(u))
		// The branches of the hyperexponential law are whole nanoseconds themselves.
		require.InDelta(t, float64(c)*x, float64(b.Quantile(u)), float64(c)+1e-6*float64(c)*x)
		require.InDelta(t, float64(c)*float64(a.Mean()), float64(b.Mean()), float64(c)+1e-6*float64(c)*float64(a.Mean()))
	})
}

// TestTimesBeyondTheClockSaturate: no quantile wraps around into the past.
func TestTimesBeyondTheClockSaturate(t *testing.T) {
	t.Parallel()
	const forever = time.Duration(math.MaxInt64)
	last := 1 - 0x1p-53
	for situation, d := range map[string]servicetime.Distribution{
		"exponential":      servicetime.Exponential{Expectation: forever / 2},
		"erlang":           servicetime.Erlang{Phases: 3, Expectation: forever / 2},
		"lognormal":        servicetime.NewLognormal(forever/2, 10),
		"hyperexponential": servicetime.NewHyperExponential(forever/4, 10),
		"deterministic":    servicetime.Deterministic{Value: forever},
	} {
		require.Equal(t, forever, d.Quantile(last), situation)
		require.GreaterOrEqual(t, d.Quantile(0), time.Duration(0), situation)
	}
}

// TestASmallShareIsAShortTime: shares down to the least float64 have a quantile,
// too, which does not fall with the share.
func TestASmallShareIsAShortTime(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d, err := laws.Draw(t, "law").Distribution()
		require.NoError(t, err)
		last := d.Quantile(0)
		require.GreaterOrEqual(t, last, time.Duration(0))
		for exponent := -1074; exponent < 0; exponent += rapid.IntRange(1, 400).Draw(t, "step") {
			x := d.Quantile(math.Ldexp(1, exponent))
			require.GreaterOrEqual(t, x, last, "2^%d", exponent)
			last = x
		}
	})
}

// TestAStageIsTheQuantileOfItsSamples: the two stages of a cold start against
// order statistics, each picked by its own luck.
func TestAStageIsTheQuantileOfItsSamples(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		create, start := micros.Draw(t, "create"), micros.Draw(t, "init")
		law, err := servicetime.NewLaw([]servicetime.Measured{measured("stage:create", create...), measured("stage:init", start...)}, asMeasured)
		require.NoError(t, err)
		u, v := shares.Draw(t, "u"), shares.Draw(t, "v")
		gotCreate, gotInit, err := law.Startup(u, v)
		require.NoError(t, err)
		for _, c := range []struct {
			times []int
			share float64
			got   time.Duration
		}{{create, u, gotCreate}, {start, v, gotInit}} {
			sorted := make([]float64, len(c.times))
			for i, us := range c.times {
				below := 0 // rank, counted: ties in any order
				for j, other := range c.times {
					if other < us || other == us && j < i {
						below++
					}
				}
				sorted[below] = float64(us) * 1000
			}
			require.InDelta(t, typeSeven(sorted, c.share), float64(c.got), .5+1e-6)
		}
	})
}

// TestEveryMistakeOfADescriptionIsNamed, with the whole message.
func TestEveryMistakeOfADescriptionIsNamed(t *testing.T) {
	t.Parallel()
	const (
		mean   = "mean must be positive, not "
		cv     = "cv goes with lognormal and hyperexponential only"
		phases = "phases goes with erlang only"
	)
	for _, c := range []struct {
		description servicetime.Description
		want        []string
	}{
		{servicetime.Description{Law: "deterministic"}, []string{mean + "0s"}},
		{servicetime.Description{Law: "deterministic", Mean: -time.Second, CV: 1, Phases: 1}, []string{mean + "-1s", cv, phases}},
		{servicetime.Description{Law: "exponential", Mean: 1, CV: math.NaN()}, []string{cv}},
		{servicetime.Description{Law: "erlang", Mean: 1}, []string{"erlang needs phases from 1 to 1000, not 0"}},
		{servicetime.Description{Law: "erlang", Mean: 1, Phases: 1001, CV: .5}, []string{cv, "erlang needs phases from 1 to 1000, not 1001"}},
		{servicetime.Description{Law: "erlang", Mean: 1, Phases: -1}, []string{"erlang needs phases from 1 to 1000, not -1"}},
		{servicetime.Description{Law: "lognormal", Mean: 1}, []string{"lognormal needs a cv above 0 and at most 1000, not 0"}},
		{servicetime.Description{Law: "lognormal", Mean: 1, CV: math.Inf(1)}, []string{"lognormal needs a cv above 0 and at most 1000, not +Inf"}},
		{servicetime.Description{Law: "lognormal", Mean: 1, CV: -1, Phases: 2}, []string{phases, "lognormal needs a cv above 0 and at most 1000, not -1"}},
		{servicetime.Description{Law: "hyperexponential", Mean: 1, CV: 1}, []string{"hyperexponential needs a cv above 1 and at most 1000, not 1"}},
		{servicetime.Description{Law: "hyperexponential", Mean: 1, CV: math.NaN()}, []string{"hyperexponential needs a cv above 1 and at most 1000, not NaN"}},
		{servicetime.Description{Law: "hyperexponential", CV: 1001}, []string{mean + "0s", "hyperexponential needs a cv above 1 and at most 1000, not 1001"}},
		{servicetime.Description{Law: "Exponential", Mean: 1}, []string{`unknown law "Exponential": want one of [deterministic exponential erlang lognormal hyperexponential]`}},
		{servicetime.Description{CV: 2, Phases: 2}, []string{mean + "0s", cv, phases, `unknown law "": want one of [deterministic exponential erlang lognormal hyperexponential]`}},
	} {
		d, err := c.description.Distribution()
		require.EqualError(t, err, strings.Join(c.want, "\n"), "%+v", c.description)
		require.Nil(t, d)
	}
}
