package experiment_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/experiment"
	"microcosm/cosim/scenario"
)

// pair is a core on which two functions make each other slower.
func pair(model string) string {
	return fmt.Sprintf(`
cluster: {nodes: [{cores: 1}], keep-alive: unlimited, concurrency: 1000000, scaling: {kind: fixed, sandboxes: 1}}
workload:
  duration: 4000s
  functions:
    - {name: one, arrivals: {process: poisson, rate: 0.2/s}, service: {law: deterministic, mean: 1s, relative-penalty: 1}}
    - {name: two, arrivals: {process: poisson, rate: 0.2/s}, service: {law: deterministic, mean: 1s, relative-penalty: 1}}
fidelity: {replications: 4, model: {%s}}
`, model)
}

func conditionShares(t *testing.T, r *experiment.Run, function string) map[string]float64 {
	t.Helper()
	shares := map[string]float64{}
	for _, f := range r.Functions {
		if f.Name == function {
			for _, c := range f.Conditions {
				shares[c.Name] = c.Share.Est
			}
		}
	}
	require.NotEmpty(t, shares, function)
	return shares
}

func TestConditionsAreDrawnWithTheSharesOfTheCoupledRun(t *testing.T) {
	t.Parallel()
	coupled := simulate(t, pair("kind: interleave, half-depth: 1")).Runs[0]
	drawn := simulate(t, pair("kind: none, half-depth: 1")).Runs[0]
	for _, function := range []string{"one", "two"} {
		want, got := conditionShares(t, &coupled, function), conditionShares(t, &drawn, function)
		for condition, share := range want {
			require.InDelta(t, share, got[condition], .04, "%s %s", function, condition)
		}
	}
	require.InDelta(t, estimate(t, &coupled, "service_mean"), estimate(t, &drawn, "service_mean"), .01)
	require.InDelta(t, estimate(t, &coupled, "utilization"), estimate(t, &drawn, "utilization"), .01)
}

func TestConditionsAreDrawnWithGivenShares(t *testing.T) {
	t.Parallel()
	r := simulate(t, pair("kind: none, half-depth: 4, shares: [{condition: warm, share: 25%}, {condition: lukewarm:4, share: 50%}, {condition: flush, share: 25%}]")).Runs[0]
	got := conditionShares(t, &r, "one")
	require.InDelta(t, .25, got["warm"], .03)
	require.InDelta(t, .5, got["lukewarm 4-7"], .03)
	require.InDelta(t, .25, got["flush"], .03)
	require.InDelta(t, .25*1+.5*1.5+.25*2, estimate(t, &r, "service_mean"), .02, "d is 0, 4/(4+4) and 1")
}

func TestTauIsFittedToWhatRanInBetween(t *testing.T) {
	t.Parallel()
	interleaved := simulate(t, pair("kind: interleave, half-depth: 1")).Runs[0]
	r := simulate(t, pair("kind: idle"), scenario.Setting{Path: "fidelity.model.tau", Value: "fitted"})
	require.Len(t, r.Notes, 2)
	require.True(t, strings.HasPrefix(r.Notes[0], "one on : tau is "), r.Notes[0])
	again := simulate(t, pair("kind: idle"))
	require.Equal(t, r.Notes, again.Notes)
	idle := estimate(t, &r.Runs[0], "service_mean")
	require.Less(t, math.Abs(idle-estimate(t, &interleaved, "service_mean")), .25)
	require.Greater(t, idle, 1.05, "an idle core forgets")
}
