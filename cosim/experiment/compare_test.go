package experiment_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/experiment"
	"microcosm/cosim/metrics"
	"microcosm/cosim/scenario"
)

func difference(t *testing.T, c *experiment.Comparison, metric string) experiment.Differences {
	t.Helper()
	require.Len(t, c.Pairs, 1)
	for _, d := range c.Pairs[0].Differences {
		if d.Metric == metric {
			return d
		}
	}
	require.Fail(t, "no such metric", metric)
	return experiment.Differences{}
}

func TestCompareFacesTheSameLuck(t *testing.T) {
	t.Parallel()
	run := func(seed string, service time.Duration) *experiment.Result {
		text := station(1, fixed(1), "{process: poisson, rate: 0.5/s}", "{law: exponential, mean: "+service.String()+"}", "2000s")
		return simulate(t, text, scenario.Setting{Path: "seed", Value: seed}, scenario.Setting{Path: "fidelity.replications", Value: "8"})
	}
	slow, fast := run("1", time.Second), run("1", 990*time.Millisecond)
	c, err := experiment.Compare(slow, fast, .03)
	require.NoError(t, err)
	require.Empty(t, c.Notes)
	d := difference(t, c, "response_mean")
	require.Less(t, d.Estimate.Hi, 0., "one per cent is seen in runs that are far apart from each other")
	require.InDelta(t, -.02, d.Relative, .01, "of a response of 2 s, a half waits")
	require.Less(t, d.Equivalent.P, .05, "and is within three per cent")
	require.Equal(t, metrics.MethodPaired, d.Estimate.Method)

	luckless, err := experiment.Compare(slow, run("2", 990*time.Millisecond), .03)
	require.NoError(t, err)
	require.Len(t, luckless.Notes, 1)
	other := difference(t, luckless, "response_mean")
	require.Equal(t, metrics.MethodWelch, other.Estimate.Method)
	require.Greater(t, other.Estimate.HalfWidth(), 5*d.Estimate.HalfWidth())
	require.Greater(t, other.Equivalent.P, .05)

	same, err := experiment.Compare(slow, run("1", time.Second), .03)
	require.NoError(t, err)
	for _, d := range same.Pairs[0].Differences {
		require.Zero(t, d.Estimate.HalfWidth(), d.Metric)
		require.Zero(t, d.Estimate.Est, d.Metric)
	}
}

func TestCompareCarriesTheSamplesUncertainty(t *testing.T) {
	t.Parallel()
	run := func(share float64) *experiment.Result {
		c := campaign{warm: map[string][][]time.Duration{"aes-go": spread(8, 4, share, true), "auth-go": spread(8, 4, 1, true)}}
		return simulateWith(t, measuredQueue, c.opens())
	}
	c, err := experiment.Compare(run(1), run(.2), .03)
	require.NoError(t, err)
	d := difference(t, c, "response_p99")
	require.NotNil(t, d.Parts)
	require.Greater(t, d.Estimate.HalfWidth(), d.Parts.Queue.HalfWidth())
}

func TestRunsWithoutASteadyStateHaveNoDifference(t *testing.T) {
	t.Parallel()
	good := simulate(t, station(1, fixed(1), "{process: poisson, rate: 0.5/s}", "{law: exponential, mean: 1s}", "1000s"))
	bad := simulate(t, station(1, fixed(1), "{process: poisson, rate: 2/s}", "{law: exponential, mean: 1s}", "1000s"))
	c, err := experiment.Compare(good, bad, .03)
	require.NoError(t, err)
	d := difference(t, c, "response_mean")
	require.Equal(t, metrics.StatusUnstable, d.Estimate.Status)
	require.Nil(t, d.Equivalent)
}
