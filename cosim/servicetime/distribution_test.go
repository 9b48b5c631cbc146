package servicetime_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

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
