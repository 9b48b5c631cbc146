package experiment_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/experiment"
	"microcosm/cosim/scenario"
)

// In-Vitro's RPS mode makes as many cold starts as it was asked for, neither more
// nor fewer: the functions that are to stay warm do, the others are cold each time.
func TestRPSModeMakesTheColdStartsItWasAskedFor(t *testing.T) {
	t.Parallel()
	s, err := scenario.Load("../scenario/examples/rps.yaml")
	require.NoError(t, err)
	s, err = s.Override(scenario.Setting{Path: "fidelity.replications", Value: "2"})
	require.NoError(t, err)
	r, err := experiment.Simulate(t.Context(), s, experiment.Options{})
	require.NoError(t, err)
	require.NotContains(t, strings.Join(r.Notes, "\n"), "stays warm")
	wanted := map[string]float64{"0%": 0, "2%": .02, "10%": .1}
	means := map[string]float64{}
	for i := range r.Runs {
		run := &r.Runs[i]
		require.NoError(t, run.Account.Balance())
		require.EqualValues(t, 2*20*600, run.Account.Arrived)
		level := run.Levels[0]
		require.InDelta(t, wanted[level], estimate(t, run, "cold_share"), 5e-4, level)
		require.InDelta(t, .1, estimate(t, run, "service_mean"), 1e-9, "In-Vitro's runtime")
		means[level] = estimate(t, run, "response_mean")
		if level != "0%" {
			require.GreaterOrEqual(t, inMarginal(t, run.Functions, "cold-function-0", "response_mean"), .25+.1, "never without its cold start")
		}
	}
	require.Len(t, means, 3)
	require.InDelta(t, .1, means["0%"], 1e-3, "warm at equal intervals, nobody waits")
	require.InDelta(t, .1*(.25+.4), means["10%"]-means["0%"], .015, "a tenth pays for a start")
}
