package experiment_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/experiment"
	"microcosm/cosim/metrics"
	"microcosm/cosim/scenario"
)

// roomy never lets anyone wait, so that a response is a service time.
const roomy = `
cluster:
  nodes: [{cores: 64}]
  scaling: {kind: fixed, sandboxes: 64}
  keep-alive: unlimited
workload:
  duration: 2s
  warm-up: 0s
  functions:
    - {name: fibonacci-go, arrivals: {process: poisson, rate: 100/s}}
fidelity: {platform: here, replications: 3}
`

// of returns the effects on one metric, in their order.
func of(r *experiment.Result, metric string) []experiment.Effect {
	var list []experiment.Effect
	for _, e := range r.Effects {
		if e.Metric == metric {
			list = append(list, e)
		}
	}
	return list
}

func TestEffectsOfATwoByTwoDesign(t *testing.T) {
	t.Parallel()
	service := map[string]time.Duration{
		"sticky/0": 10 * time.Millisecond, "sticky/1": 13 * time.Millisecond,
		"random/0": 11 * time.Millisecond, "random/1": 20 * time.Millisecond,
	}
	r := simulateWith(t, roomy+`
factors:
  - {name: routing, set: cluster.load-balancing, levels: [sticky, random]}
  - {name: penalty, set: fidelity.penalty, levels: ["0", "1"]}
`, scripted(func(s *scenario.Scenario) time.Duration {
		return service[fmt.Sprintf("%s/%g", s.Cluster.LoadBalancing.Name, s.Fidelity.Penalty)]
	}))
	require.Equal(t, []experiment.Factor{
		{Name: "routing", Set: "cluster.load-balancing", Levels: []string{"sticky", "random"}},
		{Name: "penalty", Set: "fidelity.penalty", Levels: []string{"0", "1"}},
	}, r.Factors)
	require.Len(t, r.Notes, 1, "what is true of every run is said once: %v", r.Notes)
	var names []string
	for _, run := range r.Runs {
		names = append(names, run.Name)
		require.InDelta(t, service[strings.Join(run.Levels, "/")].Seconds(), estimate(t, &run, "response_mean"), 1e-12)
	}
	require.Equal(t, []string{"routing sticky, penalty 0", "routing sticky, penalty 1", "routing random, penalty 0", "routing random, penalty 1"}, names)
	wanted := []struct {
		name, formula string
		est           float64
	}{
		{"routing: random − sticky at penalty 0", "[routing random, penalty 0] − [routing sticky, penalty 0]", .001},
		{"routing: random − sticky at penalty 1", "[routing random, penalty 1] − [routing sticky, penalty 1]", .007},
		{"penalty: 1 − 0 at routing sticky", "[routing sticky, penalty 1] − [routing sticky, penalty 0]", .003},
		{"penalty: 1 − 0 at routing random", "[routing random, penalty 1] − [routing random, penalty 0]", .009},
		{"routing: random − sticky, due to penalty: 1 − 0", "([routing random, penalty 1] − [routing sticky, penalty 1]) − ([routing random, penalty 0] − [routing sticky, penalty 0])", .006},
	}
	for _, metric := range []string{"response_mean", "service_mean"} {
		got := of(r, metric)
		require.Len(t, got, len(wanted))
		for i, w := range wanted {
			require.Equal(t, w.name, got[i].Name)
			require.Equal(t, w.formula, got[i].Formula)
			require.Equal(t, "s", got[i].Unit)
			require.Equal(t, metrics.StatusOK, got[i].Estimate.Status)
			require.Equal(t, metrics.MethodPaired, got[i].Estimate.Method)
			require.InDelta(t, w.est, got[i].Estimate.Est, 1e-12, w.name)
		}
	}
	for _, e := range of(r, "waiting_mean") {
		require.Zero(t, e.Estimate.Est, e.Name)
	}
	order := make([]string, 6)
	for i := range order {
		order[i] = r.Effects[i].Metric
	}
	require.Equal(t, []string{"response_mean", "response_p50", "response_p99", "waiting_mean", "service_mean", "cold_share"}, order)
}

var terms = regexp.MustCompile(`\[([^\]]*)\]`)

// Three factors of which two have three levels: every effect is its formula, and
// its name says what is varied and what is held.
func TestEffectsOfThreeFactors(t *testing.T) {
	t.Parallel()
	r := simulateWith(t, roomy+`
factors:
  - {name: a, set: fidelity.penalty, levels: ["1", "2", "3"]}
  - {name: b, set: cluster.placement, levels: [spread, first-fit]}
  - {name: c, set: fidelity.model.half-depth, levels: ["1", "2", "4"]}
`, scripted(func(s *scenario.Scenario) time.Duration {
		a, c := time.Duration(s.Fidelity.Penalty), time.Duration(s.Fidelity.Model.HalfDepth)
		b := map[string]time.Duration{"spread": 2, "first-fit": 7}[s.Cluster.Placement.Name]
		return time.Millisecond + (a*a*a+11*b*b+101*c*c+a*b+3*b*c+5*a*c+a*b*c)*10*time.Microsecond
	}))
	require.Len(t, r.Runs, 18)
	means := map[string]float64{}
	for _, run := range r.Runs {
		means[run.Name] = estimate(t, &run, "service_mean")
	}
	effects := of(r, "service_mean")
	// Simple effects: 2·2·3 of a, 1·3·3 of b, 2·3·2 of c. Interactions: 2·1·3 of
	// a and b, 2·2·2 of a and c, 1·2·3 of b and c.
	require.Len(t, effects, 12+9+12+6+8+6)
	byName := map[string]experiment.Effect{}
	for _, e := range effects {
		byName[e.Name] = e
		found := terms.FindAllStringSubmatch(e.Formula, -1)
		values := make([]float64, len(found))
		for i, f := range found {
			mean, ok := means[f[1]]
			require.True(t, ok, "%s names a run that there is not", e.Formula)
			values[i] = mean
		}
		wanted := values[0] - values[1]
		if len(values) == 4 {
			wanted -= values[2] - values[3]
		}
		require.InDelta(t, wanted, e.Estimate.Est, 1e-12, e.Name)
		require.NotZero(t, e.Estimate.Est, e.Name)
	}
	require.Len(t, byName, len(effects), "no two effects have one name")
	require.Equal(t, "[a 3, b first-fit, c 4] − [a 1, b first-fit, c 4]", byName["a: 3 − 1 at b first-fit, c 4"].Formula)
	require.Equal(t, "([a 3, b first-fit, c 4] − [a 1, b first-fit, c 4]) − ([a 3, b first-fit, c 1] − [a 1, b first-fit, c 1])",
		byName["a: 3 − 1, due to c: 4 − 1 at b first-fit"].Formula)
	require.Equal(t, "a: 2 − 1 at b spread, c 1", effects[0].Name)
	require.Equal(t, "a: 3 − 1 at b spread, c 1", effects[1].Name)
	require.Equal(t, "b: first-fit − spread, due to c: 4 − 1 at a 3", effects[len(effects)-1].Name)
}

// contended is a queue in which the state of the cores decides how long a call
// takes, unless the penalty is 0.
const contended = `
cluster:
  nodes: [{cores: 2}]
  scaling: {kind: fixed, sandboxes: 2}
  keep-alive: unlimited
workload:
  duration: 200s
  functions:
    - {name: f, arrivals: {process: poisson, rate: 5/s}, service: {law: exponential, mean: 100ms, relative-penalty: 2}}
    - {name: g, arrivals: {process: poisson, rate: 5/s}, service: {law: lognormal, mean: 50ms, cv: 1, relative-penalty: 2}}
fidelity: {replications: 5, penalty: %s}
factors:
  - {name: depth, set: fidelity.model.half-depth, levels: ["1", "20"]}
`

func TestPlaceboMakesNoDifferenceAtAll(t *testing.T) {
	t.Parallel()
	placebo := simulate(t, fmt.Sprintf(contended, "0"))
	for _, e := range placebo.Effects {
		require.Equal(t, [3]float64{}, [3]float64{e.Estimate.Est, e.Estimate.Lo, e.Estimate.Hi}, e.Metric)
		require.Equal(t, metrics.StatusOK, e.Estimate.Status)
	}
	require.Equal(t, placebo.Runs[0].Metrics, placebo.Runs[1].Metrics)
	mean, _ := placebo.Runs[0].Find("response_mean")
	require.Positive(t, mean.Estimate.HalfWidth(), "replications differ from each other")

	real := simulate(t, fmt.Sprintf(contended, "1"))
	require.Equal(t, []string{"given"}, real.Samples, "once for both runs")
	require.Equal(t, real.Runs[0].Account.Arrived, real.Runs[1].Account.Arrived, "both levels meet the same arrivals")
	require.Equal(t, placebo.Runs[0].Account.Arrived, real.Runs[0].Account.Arrived)
	effect := of(real, "service_mean")[0].Estimate
	require.Negative(t, effect.Hi, "the slower forgetting is the faster: %v", effect)
	var apart float64
	for _, run := range real.Runs {
		m, _ := run.Find("service_mean")
		apart += m.Estimate.HalfWidth()
	}
	require.Less(t, effect.HalfWidth(), apart/2, "common random numbers narrow the difference")
}

func TestAnUnstableRunWithdrawsItsEffectsOnly(t *testing.T) {
	t.Parallel()
	r := simulate(t, `
cluster:
  nodes: [{cores: 4}]
  scaling: {kind: fixed, sandboxes: 1}
  keep-alive: unlimited
workload:
  duration: 100s
  functions:
    - {name: f, arrivals: {process: poisson, rate: 2/s}, service: {law: exponential, mean: 100ms}}
fidelity: {replications: 2}
factors:
  - {name: mean, set: "workload.functions[0].service.mean", levels: [100ms, 1s, 200ms]}
`)
	require.Equal(t, "the offered load of f is 2 times what its 1 slots can serve", r.Runs[1].Unstable)
	require.Nil(t, r.Runs[1].Curves)
	for _, list := range [][]experiment.Marginal{r.Runs[1].Functions, r.Runs[1].Nodes, r.Runs[1].Conditions} {
		require.NotEmpty(t, list)
		for _, m := range list {
			for _, one := range m.Metrics {
				require.Equal(t, metrics.StatusUnstable, one.Estimate.Status, "%s of %s", one.Name, m.Name)
			}
		}
	}
	require.NotEmpty(t, r.Runs[0].Curves)
	for _, e := range r.Effects {
		if strings.Contains(e.Formula, "mean 1s") {
			require.Equal(t, metrics.StatusUnstable, e.Estimate.Status, e.Name)
			require.Equal(t, "[mean 1s]: "+r.Runs[1].Unstable, e.Estimate.Note)
		} else {
			require.Equal(t, metrics.StatusOK, e.Estimate.Status, e.Name)
		}
	}
}
