package main

import (
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/scenario"
	"microcosm/cosim/servicetime"
	"microcosm/gem5bridge"
	"microcosm/results"
)

func logTo(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

// alone is one function on one core, whose one sandbox is never interrupted.
const alone = `
cluster:
  nodes: [{cores: 1}]
  scaling: {kind: fixed, sandboxes: 1}
  keep-alive: unlimited
workload:
  duration: 2s
  functions:
    - {name: fibonacci-go, arrivals: {process: poisson, rate: 100/s}}
fidelity: {platform: abacus, stack: local, replications: 2}
`

// shared is the same core with a second function, so that there is something to
// forget.
var shared = strings.Replace(alone, "fidelity:", "    - {name: aes-go, arrivals: {process: constant, rate: 100/s}}\nfidelity:", 1)

func parsed(t *testing.T, text string) *scenario.Scenario {
	t.Helper()
	s, err := scenario.Parse("bench.yaml", []byte(text))
	require.NoError(t, err)
	return s
}

// simulated runs a scenario and returns its result as it is stored.
func simulated(t *testing.T, b *bench, s *scenario.Scenario, x *sources) string {
	t.Helper()
	result, err := b.app.simulate(t.Context(), s, x)
	require.NoError(t, err)
	text, err := result.JSON()
	require.NoError(t, err)
	return string(text)
}

func TestInlineMeasuresWhatTheRunAsksForAndNothingElse(t *testing.T) {
	t.Parallel()
	b := newBench(t, "inline")
	s := parsed(t, alone)
	measured := simulated(t, b, s, b.sources)
	cells := b.cells(t)
	require.Equal(t, "fibonacci-go/default warm", cells[0])
	require.ElementsMatch(t, []string{"fibonacci-go/default warm", "fibonacci-go/default flush"}, cells,
		"its sandbox is new to the core once, and then alone on it")
	require.Contains(t, b.log.String(), "simulating again with what was measured")

	require.Equal(t, measured, simulated(t, b, s, b.replaying()), "what was measured inline replays to the same bytes")
	require.Equal(t, measured, simulated(t, b, s, b.sources), "nothing is missing any more")
	require.Empty(t, b.cells(t), "and nothing is measured twice")
}

func TestInlineTakesTheTimesOfTheConditionsThatTheClusterPicks(t *testing.T) {
	t.Parallel()
	b := newBench(t, "inline")
	s := parsed(t, shared)
	result, err := b.app.simulate(t.Context(), s, b.sources)
	require.NoError(t, err)
	require.ElementsMatch(t, []string{
		"fibonacci-go/default warm", "fibonacci-go/default flush", "aes-go/default warm", "aes-go/default flush",
	}, b.cells(t), "what lies between warm and flush is interpolated")
	service, found := result.Runs[0].Find("service_mean")
	require.True(t, found)
	require.Greater(t, service.Estimate.Est, 1e-3)
	require.Less(t, service.Estimate.Est, 2e-3)
}

func TestAheadMeasuresBeforeTheRun(t *testing.T) {
	t.Parallel()
	b := newBench(t, "ahead")
	s := parsed(t, shared)
	first := simulated(t, b, s, b.sources)
	cells := b.cells(t)
	for _, function := range []string{"fibonacci-go", "aes-go"} {
		for _, condition := range []string{"cold", "warm", "lukewarm:1", "lukewarm:4", "lukewarm:16", "flush", "stage:init"} {
			require.Contains(t, cells, function+"/default "+condition)
		}
	}
	require.NotContains(t, strings.Join(cells, "\n"), "stage:create", "which abacus cannot measure")
	require.NotContains(t, b.log.String(), "simulating again")
	require.Equal(t, first, simulated(t, b, s, b.replaying()))
}

func TestWhatWasMeasuredBeforeAFailureIsKept(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"inline", "ahead"} {
		b := newBench(t, kind)
		s := parsed(t, shared)
		b.limit(t, "3")
		_, err := b.app.simulate(t.Context(), s, b.sources)
		require.ErrorIs(t, err, gem5bridge.ErrDeadline, kind)
		require.ErrorContains(t, err, "out of beads", kind)
		kept, err := b.store.Pick(t.Context(), results.Filter{})
		require.NoError(t, err)
		require.GreaterOrEqual(t, len(kept), 3, kind)

		b.limit(t, "")
		again := simulated(t, b, s, b.sources)
		all, err := b.store.Pick(t.Context(), results.Filter{})
		require.NoError(t, err)
		require.Subset(t, all, kept, kind)
		keys, err := b.store.Keys(t.Context(), results.Filter{})
		require.NoError(t, err)
		for _, k := range keys {
			require.Equal(t, 5, k.Valid, "%s: as many as wanted of %s, those before the failure included", kind, k.Key)
		}
		require.Equal(t, again, simulated(t, b, s, b.replaying()), kind)
	}
}

func TestInlineTopsUpWhatARunRestsOnAndNothingElse(t *testing.T) {
	t.Parallel()
	b := newBench(t, "inline")
	short := func(words ...string) {
		b.limit(t, "3") // of a job
		for _, word := range words {
			condition, err := servicetime.ParseCondition(word)
			require.NoError(t, err)
			_, err = b.sources.fill(t.Context(), "default", []string{"fibonacci-go"}, []servicetime.Condition{condition})
			require.ErrorIs(t, err, gem5bridge.ErrDeadline)
		}
		b.limit(t, "")
		b.cells(t)
	}
	counts := func() map[string]int {
		counts := map[string]int{}
		keys, err := b.store.Keys(t.Context(), results.Filter{})
		require.NoError(t, err)
		for _, k := range keys {
			counts[k.Key.Condition.String()] = k.Valid
		}
		return counts
	}
	short("warm", "cold", "flush", "stage:init")
	s := parsed(t, alone)
	first := simulated(t, b, s, b.sources)
	require.ElementsMatch(t, []string{"fibonacci-go/default warm", "fibonacci-go/default flush"}, b.cells(t))
	require.Equal(t, map[string]int{"warm": 5, "flush": 5, "cold": 3, "stage:init": 3}, counts(), "no call of the run was cold")
	require.Equal(t, first, simulated(t, b, s, b.replaying()))

	placebo := parsed(t, strings.Replace(shared, "stack: local", "stack: local, penalty: 0", 1))
	short("lukewarm:2")
	simulated(t, b, placebo, b.sources)
	require.Equal(t, 3, counts()["lukewarm:2"], "without a penalty, every call is warm")
	simulated(t, b, parsed(t, shared), b.sources)
	require.Equal(t, 5, counts()["lukewarm:2"], "which interpolation rests on")
}

func TestReplayRefusesWhatNobodyMeasured(t *testing.T) {
	t.Parallel()
	b := newBench(t, "replay")
	_, err := b.app.simulate(t.Context(), parsed(t, alone), b.replaying())
	require.ErrorIs(t, err, servicetime.ErrNotSampled)
	require.ErrorContains(t, err, "cosim sample --platform abacus --functions fibonacci-go")
	require.Empty(t, b.cells(t))
}
