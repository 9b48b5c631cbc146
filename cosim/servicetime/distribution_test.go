package servicetime_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/cosim/servicetime"
)

// moments integrates the quantile function with the midpoint rule.
func moments(d servicetime.Distribution) (mean, cv float64) {
	const n = 200_000
	var sum, squares float64
	for i := range n {
		x := d.Quantile((float64(i) + .5) / n).Seconds()
		sum += x
		squares += x * x
	}
	mean = sum / n
	return mean, math.Sqrt(squares/n-mean*mean) / mean
}

func TestDescribedLawsHaveTheirMoments(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		description servicetime.Description
		cv          float64
	}{
		{servicetime.Description{Law: "deterministic", Mean: time.Second}, 0},
		{servicetime.Description{Law: "exponential", Mean: time.Second}, 1},
		{servicetime.Description{Law: "erlang", Mean: time.Second, Phases: 4}, .5},
		{servicetime.Description{Law: "lognormal", Mean: time.Second, CV: .3}, .3},
		{servicetime.Description{Law: "lognormal", Mean: time.Second, CV: 1.5}, 1.5},
		{servicetime.Description{Law: "hyperexponential", Mean: time.Second, CV: 2}, 2},
	} {
		d, err := c.description.Distribution()
		require.NoError(t, err)
		mean, cv := moments(d)
		require.InEpsilon(t, 1.0, mean, .01, "%+v", c.description)
		require.InDelta(t, c.cv, cv, .05, "%+v", c.description)
		require.InDelta(t, 1.0, d.Mean().Seconds(), 1e-8, "%+v", c.description)
	}
}

func TestQuantilesInvertTheDistributionFunction(t *testing.T) {
	t.Parallel()
	require.Equal(t, 693147181*time.Nanosecond, servicetime.Exponential{Expectation: time.Second}.Quantile(.5), "ln 2")
	require.InDelta(t, 1.6783, (servicetime.Erlang{Phases: 2, Expectation: 2 * time.Second}).Quantile(.5).Seconds(), 1e-4, "median of Gamma(2, 1)")
	h := servicetime.NewHyperExponential(time.Second, 3)
	for _, u := range []float64{0, .1, .5, .9, .99, .9999} {
		x := float64(h.Quantile(u))
		f := 1 - h.Share*math.Exp(-x/float64(h.First)) - (1-h.Share)*math.Exp(-x/float64(h.Second))
		require.InDelta(t, u, f, 1e-8)
	}
}

// laws draws a description of every family.
var laws = rapid.Custom(func(t *rapid.T) servicetime.Description {
	d := servicetime.Description{
		Law:  rapid.SampledFrom(servicetime.Laws()).Draw(t, "law"),
		Mean: time.Duration(rapid.Int64Range(1000, int64(1000*time.Hour)).Draw(t, "mean")),
	}
	switch d.Law {
	case "erlang":
		d.Phases = rapid.IntRange(1, 1000).Draw(t, "phases")
	case "lognormal":
		d.CV = rapid.Float64Range(.01, 1000).Draw(t, "cv")
	case "hyperexponential":
		d.CV = rapid.Float64Range(1.01, 1000).Draw(t, "cv")
	}
	return d
})

// TestQuantilesRiseToTheEndOfTheTail: every u that a stream can draw, which is a
// multiple of 2^-53 below 1, has a time, and a later one no shorter.
func TestQuantilesRiseToTheEndOfTheTail(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d, err := laws.Draw(t, "description").Distribution()
		require.NoError(t, err)
		const steps = 1 << 53
		tail := steps - rapid.Uint64Range(1, 1<<uint(rapid.IntRange(1, 53).Draw(t, "bits"))).Draw(t, "from the end")
		us := []uint64{0, 1, rapid.Uint64Range(0, steps-1).Draw(t, "anywhere"), tail, steps - 2, steps - 1}
		slices.Sort(us)
		last := time.Duration(0)
		for _, u := range us {
			x := d.Quantile(float64(u) / steps)
			require.GreaterOrEqual(t, x, last, "u = %d / 2^53", u)
			last = x
		}
	})
}

// TestErlangsTailIsExact compares the survival function at the quantile, summed
// as Poisson probabilities, with what was asked for.
func TestErlangsTailIsExact(t *testing.T) {
	t.Parallel()
	for _, phases := range []int{1, 2, 3, 10, 100, 1000} {
		for exponent := 1; exponent <= 53; exponent += 4 {
			survival := math.Ldexp(1, -exponent)
			x := (servicetime.Erlang{Phases: phases, Expectation: time.Hour}).Quantile(1 - survival)
			rate := float64(x) * float64(phases) / float64(time.Hour)
			sum := 0.0
			for i := range phases {
				factorial, _ := math.Lgamma(float64(i) + 1)
				sum += math.Exp(float64(i)*math.Log(rate) - rate - factorial)
			}
			require.InEpsilon(t, survival, sum, 1e-6, "%d phases, survival 2^-%d", phases, exponent)
		}
	}
}

func TestBadDescriptionsNameEveryMistake(t *testing.T) {
	t.Parallel()
	_, err := servicetime.Description{Law: "lognormal", Mean: -1, Phases: 3}.Distribution()
	require.ErrorContains(t, err, "mean must be positive")
	require.ErrorContains(t, err, "phases goes with erlang only")
	require.ErrorContains(t, err, "needs a cv")
	for _, bad := range []servicetime.Description{
		{Law: "normal", Mean: 1},
		{Law: "hyperexponential", Mean: 1, CV: 1},
		{Law: "erlang", Mean: 1},
		{Law: "exponential", Mean: 1, CV: 2},
		{Law: "lognormal", Mean: 1, CV: math.NaN()},
	} {
		_, err := bad.Distribution()
		require.Error(t, err, "%+v", bad)
	}
}
