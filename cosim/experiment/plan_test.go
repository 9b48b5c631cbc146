package experiment_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/cluster"
	"microcosm/cosim/experiment"
	"microcosm/cosim/metrics"
	"microcosm/cosim/scenario"
	"microcosm/cosim/servicetime"
)

// many is a cluster of so many small functions, 99 busier ones and the busiest.
func many(small int) string {
	return fmt.Sprintf(`
cluster:
  nodes: [{cores: 16, count: 4}]
  keep-alive: unlimited
workload:
  duration: 10s
  warm-up: 0s
  functions:
    - {name: small, copies: %d, arrivals: {process: constant, rate: 1/s}, service: {law: deterministic, mean: 1ms}}
    - {name: busy, copies: 99, arrivals: {process: constant, rate: 2/s}, service: {law: deterministic, mean: 1ms}}
    - {name: busiest, arrivals: {process: constant, rate: 4/s}, service: {law: deterministic, mean: 1ms}}
fidelity: {replications: 2}
`, small)
}

func TestMoreThanAThousandFunctionsShareARecord(t *testing.T) {
	t.Parallel()
	r := simulate(t, many(901))
	run := r.Runs[0]
	require.Len(t, run.Functions, 101)
	byName := map[string]experiment.Marginal{}
	share, total := 0.0, int64(0)
	for _, f := range run.Functions {
		byName[f.Name] = f
		share += f.Share.Est
		total += f.Invocations
	}
	require.Contains(t, byName, "busiest")
	require.Contains(t, byName, "busy-0")
	require.Contains(t, byName, "busy-98")
	rest := byName["(the rest) (901 functions)"]
	require.Equal(t, 2*rest.Invocations/901, byName["busy-0"].Invocations, "twice as many as each of the rest")
	require.InDelta(t, 1, share, 1e-9)
	require.Equal(t, run.Account.Done, total)
	require.InDelta(t, float64(rest.Invocations)/float64(total), rest.Share.Est, 1e-9)

	exactly := simulate(t, many(900))
	require.Len(t, exactly.Runs[0].Functions, 1000, "up to a thousand are apart")
}

func TestMoreThanAHundredNodesAreNotApart(t *testing.T) {
	t.Parallel()
	for nodes, wanted := range map[int]int{100: 100, 101: 0} {
		r := simulate(t, strings.Replace(many(1), "cores: 16, count: 4", fmt.Sprintf("cores: 1, count: %d", nodes), 1),
			scenario.Setting{Path: "workload.functions[2].arrivals.rate", Value: "100/s"},
			scenario.Setting{Path: "cluster.load-balancing", Value: "random"},
			scenario.Setting{Path: "cluster.scaling.kind", Value: "fixed"},
			scenario.Setting{Path: "cluster.scaling.sandboxes", Value: "101"})
		require.Len(t, r.Runs[0].Nodes, wanted)
	}
}

const twoPlatforms = `
cluster:
  nodes:
    - {name: old, cores: 8, platform: slow}
    - {name: new, cores: 8, count: 2}
  scaling: {kind: fixed, sandboxes: 24}
  load-balancing: random
  keep-alive: unlimited
workload:
  duration: 10s
  functions:
    - {name: fibonacci-go, arrivals: {process: poisson, rate: 50/s}}
    - {name: aes-go, input: default, arrivals: {process: poisson, rate: 50/s}}
fidelity: {platform: fast, replications: 2}
`

func TestNodesOfTwoPlatformsDrawFromTwoLaws(t *testing.T) {
	t.Parallel()
	laws := byPlatform(map[string]servicetime.Law{
		"slow": constant{service: 30 * time.Millisecond}, "fast": constant{service: 10 * time.Millisecond, interpolated: true},
	})
	laws.labels, laws.notes = []string{"bench@1", "bench@2"}, []string{"as measured"}
	r := simulateWith(t, twoPlatforms, opens(laws))
	run := r.Runs[0]
	require.InDelta(t, .03, inMarginal(t, run.Nodes, "old-0", "service_mean"), 1e-12)
	require.InDelta(t, .01, inMarginal(t, run.Nodes, "new-0", "service_mean"), 1e-12)
	require.InDelta(t, .01, inMarginal(t, run.Nodes, "new-1", "service_mean"), 1e-12)
	require.Equal(t, []servicetime.Request{
		{Function: "fibonacci-go", Input: "default", Platform: "slow"}, {Function: "fibonacci-go", Input: "default", Platform: "fast"},
		{Function: "aes-go", Input: "default", Platform: "slow"}, {Function: "aes-go", Input: "default", Platform: "fast"},
	}, laws.asked, "each law once, whatever the number of nodes and replications")
	require.Equal(t, []string{"bench@1", "bench@2"}, r.Samples)
	require.Len(t, r.Notes, 3)
	require.Contains(t, r.Notes[0], "for this sample set")
	require.Equal(t, "as measured", r.Notes[1])
	share := 0.0
	for _, n := range run.Nodes {
		if n.Name != "old-0" {
			share += 100 * n.Share.Est
		}
	}
	var told float64
	_, err := fmt.Sscanf(r.Notes[2], "%f %% of the service times were interpolated between measured conditions", &told)
	require.NoError(t, err, r.Notes[2])
	require.InDelta(t, share, told, 3)
}

func TestEverythingThatCannotBeOpenedIsToldOnce(t *testing.T) {
	t.Parallel()
	text := roomy + `
factors:
  - {name: routing, set: cluster.load-balancing, levels: [sticky, random]}
  - {name: penalty, set: fidelity.penalty, levels: ["0", "1"]}
`
	closed := errors.New("the store is closed")
	_, err := experiment.Simulate(context.Background(), parse(t, text), experiment.Options{Open: func(context.Context, *scenario.Scenario) (experiment.Measured, error) {
		return nil, closed
	}})
	require.ErrorIs(t, err, closed)
	require.EqualError(t, err, "the store is closed")

	_, err = experiment.Simulate(context.Background(), parse(t, text), experiment.Options{Open: func(_ context.Context, s *scenario.Scenario) (experiment.Measured, error) {
		return nil, fmt.Errorf("nothing at penalty %g", s.Fidelity.Penalty)
	}})
	require.EqualError(t, err, "nothing at penalty 0\nnothing at penalty 1")

	_, err = experiment.Simulate(context.Background(), parse(t, text), experiment.Options{})
	require.ErrorContains(t, err, "there is no store")
}

func TestEveryFunctionAndPlatformWithoutALawIsTold(t *testing.T) {
	t.Parallel()
	_, err := experiment.Simulate(context.Background(), parse(t, twoPlatforms), opens(&source{law: func(r servicetime.Request) (servicetime.Law, error) {
		return nil, &servicetime.NotSampledError{Request: r}
	}}))
	require.ErrorIs(t, err, servicetime.ErrNotSampled)
	for _, function := range []string{"fibonacci-go", "aes-go"} {
		require.ErrorContains(t, err, "function "+function)
		for _, platform := range []string{"slow", "fast"} {
			wanted := (&servicetime.NotSampledError{Request: servicetime.Request{Function: function, Input: "default", Platform: platform}}).Error()
			require.Equal(t, 1, strings.Count(err.Error(), wanted), "%s in %v", wanted, err)
		}
	}
}

func TestALawThatFailsInTheMiddleEndsTheRun(t *testing.T) {
	t.Parallel()
	broken := errors.New("this law is broken")
	r, err := experiment.Simulate(context.Background(), parse(t, roomy), opens(byPlatform(map[string]servicetime.Law{"here": constant{err: broken}})))
	require.ErrorIs(t, err, broken)
	require.Nil(t, r)
	var interrupted *experiment.InterruptedError
	require.NotErrorAs(t, err, &interrupted)
}

func TestStagesOfAColdStart(t *testing.T) {
	t.Parallel()
	text := func(stages string) string {
		return fmt.Sprintf(`
cluster:
  nodes: [{cores: 4}]
  keep-alive: 0s
  cold-start: {%s}
workload:
  duration: 10s
  warm-up: 0s
  functions:
    - {name: f, arrivals: {process: constant, rate: 1/s}, service: {law: deterministic, mean: 100ms}}
fidelity: {platform: here, replications: 2}
`, stages)
	}
	for situation, c := range map[string]struct {
		stages                 string
		response               float64
		createGiven, initGiven bool
	}{
		"both given":               {"create: 250ms, init: 30ms", .38, true, true},
		"both take no time":        {"create: 0s, init: 0s", .1, true, true},
		"create is given by a law": {"create: {law: erlang, mean: 1s, phases: 2}, init: 0s", 0, true, true},
		"init is measured":         {"create: 250ms, init: measured", .35, true, false},
		"create is measured":       {"create: measured, init: 30ms", .13, false, true},
		"measured unless given":    {"", .1, false, false},
	} {
		s := parse(t, text(c.stages))
		options, err := experiment.LawOptions(s)
		require.NoError(t, err)
		require.Equal(t, c.createGiven, options.Create != nil, situation)
		require.Equal(t, c.initGiven, options.Init != nil, situation)
		r := simulate(t, text(c.stages))
		if c.response > 0 {
			require.InDelta(t, 1, estimate(t, &r.Runs[0], "cold_share"), 1e-12, situation)
			require.InDelta(t, c.response, estimate(t, &r.Runs[0], "response_mean"), 1e-9, situation)
		} else {
			require.InDelta(t, 1.1, estimate(t, &r.Runs[0], "response_mean"), .6, situation)
			require.Equal(t, time.Second, options.Create.Mean())
		}
		require.Equal(t, []string{"given"}, r.Samples)
	}
}

func TestLawOptionsFollowTheScenario(t *testing.T) {
	t.Parallel()
	s := parse(t, strings.Replace(roomy, "platform: here", "platform: here, penalty: 0.5, mix: mine, model: {kind: idle, tau: 3s}", 1))
	options, err := experiment.LawOptions(s)
	require.NoError(t, err)
	require.Equal(t, servicetime.LawOptions{
		Model: servicetime.ConditionModel{Kind: servicetime.Idle, Tau: 3 * time.Second}, Mix: "mine", Penalty: .5,
	}, options)
}

// load is a station with a given arrival rate, service time 1 s.
func load(cluster, rate, more string) string {
	return fmt.Sprintf(`
cluster:
  %s
  keep-alive: unlimited
workload:
  duration: 100s
  functions:
    - {name: f, arrivals: {process: constant, rate: %s}, service: {law: deterministic, mean: 1s%s}}
fidelity: {replications: 2}
`, cluster, rate, more)
}

func TestOverloadIsKnownBeforehand(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct{ text, unstable string }{
		"the cores cannot serve it":                       {load("nodes: [{cores: 2}]", "3/s", ""), "the offered load is 1.5 times what the 2 cores can serve"},
		"the cores of all nodes count":                    {load("nodes: [{cores: 2}, {name: more, cores: 1, count: 2}]", "3/s", ""), ""},
		"the slots cannot serve it":                       {load("nodes: [{cores: 8}]\n  scaling: {kind: fixed, sandboxes: 2}\n  concurrency: 2", "6/s", ""), "the offered load of f is 1.5 times what its 4 slots can serve"},
		"the most sandboxes there can be cannot serve it": {load("nodes: [{cores: 8}]\n  scaling: {max: 2}", "2/s", ""), "the offered load of f is 1 times what its 2 slots can serve"},
		"a call holds its slot longer than its core":      {load("nodes: [{cores: 2}]\n  scaling: {kind: fixed, sandboxes: 2}", "3/s", ", busy: 50%"), "the offered load of f is 1.5 times what its 2 slots can serve"},
		"a call leaves its core":                          {load("nodes: [{cores: 2}]\n  scaling: {kind: fixed, sandboxes: 9}", "3/s", ", busy: 50%"), ""},
		"the queue rejects":                               {load("nodes: [{cores: 2}]\n  scaling: {kind: fixed, sandboxes: 2}\n  queue-limit: 3", "3/s", ""), ""},
	} {
		r := simulate(t, c.text)
		require.Equal(t, c.unstable, r.Runs[0].Unstable, situation)
	}
}

func TestOverloadOfSeveralPlatformsCountsTheFastest(t *testing.T) {
	t.Parallel()
	overload := "offered load"
	text := strings.Replace(twoPlatforms, "rate: 50/s", "rate: 150/s", 2) // 300/s on 24 cores
	slow := known{constant{service: 100 * time.Millisecond}}
	for situation, c := range map[string]struct {
		fast servicetime.Law
		over bool
	}{
		"too slow even if all were as fast": {known{constant{service: 81 * time.Millisecond}}, true},
		"not too slow if all were as fast":  {known{constant{service: 79 * time.Millisecond}}, false},
		"a law that does not tell its mean": {constant{service: 200 * time.Millisecond}, false},
	} {
		r := simulateWith(t, text, opens(byPlatform(map[string]servicetime.Law{"slow": slow, "fast": c.fast})))
		require.Equal(t, c.over, strings.Contains(r.Runs[0].Unstable, overload), "%s: %s", situation, r.Runs[0].Unstable)
	}
}

func TestASingleReplicationHasNoIntervalButOfItsResponses(t *testing.T) {
	t.Parallel()
	r := simulate(t, station(1, fixed(1), "{process: poisson, rate: 0.5/s}", "{law: exponential, mean: 1s}", "20000s"),
		scenario.Setting{Path: "fidelity.replications", Value: "1"})
	mean, _ := r.Runs[0].Find("response_mean")
	require.Equal(t, metrics.StatusOK, mean.Estimate.Status)
	require.Equal(t, metrics.MethodBatchMeans, mean.Estimate.Method)
	require.InDelta(t, 2, mean.Estimate.Est, .4)
	for _, m := range r.Runs[0].Metrics {
		if strings.HasPrefix(m.Name, "response_") {
			continue // see single_test.go
		}
		require.Equal(t, metrics.StatusNotEstimable, m.Estimate.Status, "%s: %v", m.Name, m.Estimate)
		require.NotEmpty(t, m.Estimate.Note)
	}
}

func TestATraceRunsUntilItIsDone(t *testing.T) {
	t.Parallel()
	s, err := scenario.Load("../scenario/examples/trace.yaml")
	require.NoError(t, err)
	s, err = s.Override(scenario.Setting{Path: "cluster.cold-start.create", Value: "100h"}, scenario.Setting{Path: "fidelity.replications", Value: "2"})
	require.NoError(t, err)
	r, err := experiment.Simulate(context.Background(), s, experiment.Options{})
	require.NoError(t, err)
	run := r.Runs[0]
	require.True(t, run.Terminating)
	require.Empty(t, run.Unstable)
	require.Equal(t, []string{"trace"}, r.Samples)
	require.Positive(t, run.Account.Arrived)
	require.Equal(t, cluster.Account{Arrived: run.Account.Arrived, Done: run.Account.Arrived, Attempts: run.Account.Attempts}, run.Account)
	require.Greater(t, estimate(t, &run, "response_mean"), 3600.)
}

func TestASteadyRunEndsWithSomeLeft(t *testing.T) {
	t.Parallel()
	r := simulate(t, load("nodes: [{cores: 1}]", "10/s", ""))
	account := r.Runs[0].Account
	require.False(t, r.Runs[0].Terminating)
	require.NoError(t, account.Balance())
	require.Positive(t, account.Queued, "the run ends after its horizon and a drain of the same length")
}

func TestSandboxesThatFoundNoMemoryAreNoted(t *testing.T) {
	t.Parallel()
	text := `
cluster:
  nodes: [{cores: 4, memory: %s}]
  keep-alive: 0s
workload:
  duration: 10s
  functions:
    - {name: f, arrivals: {process: constant, rate: 3/s}, service: {law: deterministic, mean: 500ms}, memory: 1GiB}
fidelity: {replications: 1}
`
	tight := simulate(t, fmt.Sprintf(text, "1GiB"))
	require.Contains(t, strings.Join(tight.Notes, "\n"), "times a new sandbox found no memory and had to wait")
	require.Empty(t, simulate(t, fmt.Sprintf(text, "4GiB")).Notes)
}
