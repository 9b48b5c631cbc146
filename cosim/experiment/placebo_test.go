package experiment_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/experiment"
	"microcosm/cosim/policy"
	"microcosm/cosim/scenario"
)

// The placebo: without a penalty an invocation's service time is its own, drawn
// at its arrival, and no policy can change it. Only waiting may differ.
func TestWithoutAPenaltyEveryPolicyServesTheSameTimes(t *testing.T) {
	t.Parallel()
	text := `
cluster:
  nodes: [{cores: 2, count: 2}]
  scaling: {kind: fixed, sandboxes: 4}
  keep-alive: unlimited
workload:
  duration: 20s
  functions:
    - {name: aes-go, arrivals: {process: poisson, rate: 200/s}}
    - {name: auth-go, arrivals: {process: poisson, rate: 200/s}}
fidelity: {platform: here, replications: 2, resamples: 0, penalty: 0, model: {half-depth: 1}}
factors:
  - {name: routing, set: cluster.load-balancing, levels: [` + strings.Join(policy.BalancerNames(), ", ") + `]}
  - {name: core, set: cluster.core-choice, levels: [pinned, last, lowest, random]}
`
	c := campaign{flush: 3 * time.Millisecond, warm: map[string][][]time.Duration{"aes-go": spread(6, 3, 1, true), "auth-go": spread(6, 3, 1, true)}}
	r := simulateWith(t, text, c.opens())
	for _, run := range r.Runs[1:] {
		for _, metric := range []string{"service_mean", "service_p50", "service_p95", "service_p99", "service_p99.9"} {
			require.Equal(t, estimate(t, &r.Runs[0], metric), estimate(t, &run, metric), "%s under %s", metric, run.Name)
		}
	}
	for _, e := range of(r, "service_mean") {
		require.Equal(t, []float64{0, 0, 0}, []float64{e.Estimate.Est, e.Estimate.Lo, e.Estimate.Hi}, e.Name)
	}

	s, err := parse(t, text).Override(scenario.Setting{Path: "fidelity.penalty", Value: "1"})
	require.NoError(t, err)
	with, err := experiment.Simulate(t.Context(), s, c.opens())
	require.NoError(t, err)
	require.NotEqual(t, estimate(t, &with.Runs[0], "service_mean"), estimate(t, &with.Runs[len(with.Runs)-1], "service_mean"), "the penalty is what policies differ by")
}
