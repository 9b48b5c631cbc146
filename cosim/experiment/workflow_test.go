package experiment_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/experiment"
	"microcosm/cosim/metrics"
	"microcosm/cosim/scenario"
)

// stations are workflows whose steps have a queue each.
func stations(cores int, duration, workflow string) string {
	return fmt.Sprintf(`
cluster:
  nodes: [{cores: %d}]
  scaling: {kind: fixed, sandboxes: 1}
workload:
  duration: %s
  workflows:
    - name: w
      arrivals: {process: poisson, rate: 0.6/s}
      %s
fidelity: {replications: 20}
`, cores, duration, workflow)
}

func marginalMetric(t *testing.T, list []experiment.Marginal, name, metric string) metrics.Estimate {
	t.Helper()
	i := slices.IndexFunc(list, func(m experiment.Marginal) bool { return m.Name == name })
	require.GreaterOrEqual(t, i, 0, "%s among %v", name, list)
	for _, m := range list[i].Metrics {
		if m.Name == metric {
			return m.Estimate
		}
	}
	require.Fail(t, "no metric "+metric)
	return metrics.Estimate{}
}

func TestWorkflowsInClosedForm(t *testing.T) {
	t.Parallel()
	const rho = .6
	exponential := "service: {law: exponential, mean: 1s}"
	constant := "service: {law: deterministic, mean: 1s}"
	for _, c := range []struct {
		situation string
		text      string
		metric    string
		exact     float64
		halfWidth float64 // largest allowed, relative to exact
	}{
		// Nelson and Tantawi, Approximate analysis of fork/join synchronization in
		// parallel queues, 1988, after Flatto and Hahn, 1984.
		{"fork and join of two", stations(2, "40000s", "steps: [{name: a, "+exponential+"}, {name: b, "+exponential+"}]"),
			"latency_mean", (12 - rho) / (8 * (1 - rho)), .02},
		{"the same, generated", stations(2, "40000s", "generate: {width: 2, depth: 1, "+exponential+"}"),
			"latency_mean", (12 - rho) / (8 * (1 - rho)), .02},
		// Burke, The output of a queuing system, 1956.
		{"a chain of two M/M/1", stations(2, "40000s", "generate: {width: 1, depth: 2, "+exponential+"}"), "latency_mean", 2 / (1 - rho), .02},
		// Behind equal constant servers nobody waits again; 100 kB at 1 MB/s twice.
		{"a chain of three M/D/1", stations(3, "40000s", "latency: 50ms\n      bandwidth: 1MB/s\n      generate: {width: 1, depth: 3, payload: 100kB, "+constant+"}"),
			"latency_mean", 3 + 2*.15 + rho/(2*(1-rho)), .02},
		{"its waiting", stations(3, "40000s", "generate: {width: 1, depth: 3, "+constant+"}"), "critical_waiting_mean", rho / (2 * (1 - rho)), .02},
	} {
		t.Run(c.situation, func(t *testing.T) {
			t.Parallel()
			r := simulate(t, c.text, scenario.Setting{Path: "seed", Value: fmt.Sprint(seeds[0])})
			e := marginalMetric(t, r.Runs[0].Workflows, "w", c.metric)
			require.Equal(t, metrics.StatusOK, e.Status, "seed %d: %v", seeds[0], e)
			require.LessOrEqual(t, e.HalfWidth(), c.halfWidth*c.exact, "seed %d: %v", seeds[0], e)
			require.LessOrEqual(t, math.Abs(e.Est-c.exact), 3*e.HalfWidth(), "seed %d: %v, exact %g", seeds[0], e, c.exact)
		})
	}
}

func TestStepsAreReportedWithTheirShareOfTheCriticalPath(t *testing.T) {
	t.Parallel()
	r := simulate(t, `
cluster: {nodes: [{cores: 16}]}
workload:
  duration: 2000s
  functions:
    - {name: own, arrivals: {process: poisson, rate: 1/s}, service: {law: deterministic, mean: 5ms}}
  workflows:
    - name: w
      arrivals: {process: constant, rate: 2/s}
      steps:
        - name: first
          service: {law: deterministic, mean: 10ms}
          next: [{to: slow}, {to: own, probability: 50%, payload: 64KiB}]
        - {name: slow, service: {law: deterministic, mean: 100ms}, next: [{to: last}]}
        - {name: own, next: [{to: last}]}
        - {name: last, service: {law: deterministic, mean: 1ms}}
    - name: idle
      arrivals: {process: constant, rate: 1/h}
      generate: {width: 1, depth: 1, service: {law: deterministic, mean: 1s}}
fidelity: {replications: 3}
`)
	run := r.Runs[0]
	require.Equal(t, []string{"w.first", "w.slow", "w.own", "w.last", "idle.f0"}, names(run.Steps))
	for name, want := range map[string]float64{"w.first": 1, "w.slow": 1, "w.own": 0, "w.last": 1} {
		require.Equal(t, want, marginalMetric(t, run.Steps, name, "critical_share").Est, name)
	}
	require.InDelta(t, .5, run.Steps[2].Share.Est, .05)
	require.InDelta(t, .111, marginalMetric(t, run.Workflows, "w", "latency_mean").Est, 1e-9)
	require.Contains(t, names(run.Functions), "own", "one function for its own arrivals and for the workflow's")
	require.NotContains(t, names(run.Functions), "w.own")
	require.NoError(t, run.Account.Balance())
}

func names(list []experiment.Marginal) (all []string) {
	for _, m := range list {
		all = append(all, m.Name)
	}
	return all
}
