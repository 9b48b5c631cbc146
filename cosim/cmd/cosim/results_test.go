package main

import (
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/cluster"
	"microcosm/cosim/experiment"
	"microcosm/cosim/metrics"
	"microcosm/results"
)

// queue is theory with another mean service time.
func queue(mean string) string {
	return strings.Replace(theory, "mean: 1s", "mean: "+mean, 1)
}

// TestAResultIsShownAgainAsItWas: from its folder or its file, as a table, as JSON
// and as files.
func TestAResultIsShownAgainAsItWas(t *testing.T) {
	workplace(t, map[string]string{"good.yaml": theory})
	shown, _ := cosim(t, exitOK, "run", "good.yaml", "--out", "out")
	all, _ := cosim(t, exitOK, "run", "good.yaml", "--all")
	raw, _ := cosim(t, exitOK, "run", "good.yaml", "--json")
	files := tree(t)
	require.Equal(t, files["out/result.json"], raw)
	for _, path := range []string{"out", "out/", "out/result.json"} {
		again, errs := cosim(t, exitOK, "report", path)
		require.Equal(t, shown, again)
		require.Empty(t, errs)
		again, _ = cosim(t, exitOK, "report", path, "--all")
		require.Equal(t, all, again)
		again, _ = cosim(t, exitOK, "report", path, "--json")
		require.Equal(t, raw, again)
	}
	require.NotEqual(t, shown, all, "--all shows more")
	_, errs := cosim(t, exitOK, "report", "out", "--out", "again")
	again := tree(t)
	for _, name := range []string{"result.json", "report.html", "report.csv", "report.parquet"} {
		require.Contains(t, errs, "wrote again/"+name+"\n")
		require.Equal(t, files["out/"+name], again["again/"+name], name)
	}
}

// TestARunIsKeptInTheStoreWhereItMeasured: by its identity, with its samples; a
// repetition is the same run.
func TestARunIsKeptInTheStoreWhereItMeasured(t *testing.T) {
	workplace(t, map[string]string{"board.yaml": onBoard})
	keep(t, "samples.db", append(measured("fibonacci-go", "warm", 6, 1000), measured("fibonacci-go", "flush", 6, 2000)...)...)
	raw, errs := cosim(t, exitOK, "run", "board.yaml", "--json")
	require.Regexp(t, `ran board: 3 replications of 1 runs in \S+, seed \d+, samples: \S+`, errs)
	cosim(t, exitOK, "run", "board.yaml", "--json")
	cosim(t, exitOK, "run", "board.yaml", "--json", "--seed", "77")
	store, err := results.Open(t.Context(), "samples.db", results.Options{ReadOnly: true})
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	runs, err := store.Runs(t.Context(), "")
	require.NoError(t, err)
	require.Len(t, runs, 2)
	seeds := map[uint64]results.Run{}
	for _, r := range runs {
		seeds[r.Seed] = r
	}
	var result experiment.Result
	require.NoError(t, json.Unmarshal([]byte(raw), &result))
	mine, kept := seeds[result.Seed]
	require.True(t, kept)
	require.Contains(t, seeds, uint64(77))
	require.Equal(t, result.Scenario, mine.Scenario)
	require.Equal(t, "board", mine.Name)
	require.Equal(t, seeds[77].Samples, mine.Samples, "the same samples answered")
}

func compareJSON(t *testing.T, words ...string) *experiment.Comparison {
	t.Helper()
	out, _ := cosim(t, exitOK, append(append([]string{"compare"}, words...), "--json")...)
	var c experiment.Comparison
	require.NoError(t, json.Unmarshal([]byte(out), &c), out)
	return &c
}

// TestDifferencesTurnRoundWithTheirSides: B − A is the opposite of A − B, and what is
// compared with itself differs by exactly nothing, be it run now or read from a file.
func TestDifferencesTurnRoundWithTheirSides(t *testing.T) {
	workplace(t, map[string]string{"slow.yaml": queue("1s"), "fast.yaml": queue("900ms")})
	cosim(t, exitOK, "run", "slow.yaml", "--out", "slow")
	cosim(t, exitOK, "run", "fast.yaml", "--out", "fast")
	forth := compareJSON(t, "slow.yaml", "fast.yaml")
	back := compareJSON(t, "fast.yaml", "slow.yaml")
	require.Equal(t, forth, compareJSON(t, "slow/result.json", "fast/result.json"), "results are as good as scenarios")
	require.Equal(t, forth, compareJSON(t, "slow/result.json", "fast.yaml"), "and may be mixed with them")
	require.Equal(t, experiment.ComparisonSchema, forth.Schema)
	require.Equal(t, forth.A, back.B)
	require.InDelta(t, .03, forth.Margin, 1e-12)
	require.Len(t, forth.Pairs, 1)
	found := map[string]bool{}
	for i, d := range forth.Pairs[0].Differences {
		o := back.Pairs[0].Differences[i]
		found[d.Metric] = true
		require.Equal(t, d.Metric, o.Metric)
		if !d.Estimate.OK() {
			continue
		}
		require.InDelta(t, -d.Estimate.Est, o.Estimate.Est, 1e-12, d.Metric)
		require.InDelta(t, -d.Estimate.Lo, o.Estimate.Hi, 1e-12, d.Metric)
		if d.A != 0 {
			require.InDelta(t, d.Estimate.Est/d.A, d.Relative, 1e-12, d.Metric)
		}
	}
	require.True(t, found["response_mean"] && found["service_mean"], found)
	for _, d := range compareJSON(t, "slow.yaml", "slow/result.json", "--margin", ".5").Pairs[0].Differences {
		if d.Estimate.OK() {
			require.Zero(t, d.Estimate.Est, d.Metric)
			require.Zero(t, d.Estimate.Hi-d.Estimate.Lo, d.Metric)
		}
	}
	out, _ := cosim(t, exitOK, "compare", "slow.yaml", "fast/result.json")
	require.Regexp(t, `service mean +-\d.* below 0`, out)
}

// TestOverridesAreOfBothScenarios: with a common seed the runs face the same luck,
// and with different ones it is said that they did not.
func TestOverridesAreOfBothScenarios(t *testing.T) {
	workplace(t, map[string]string{"slow.yaml": queue("1s"), "fast.yaml": queue("900ms") + "seed: 9\n"})
	c := compareJSON(t, "slow.yaml", "fast.yaml")
	require.Len(t, c.Notes, 1)
	require.Contains(t, c.Notes[0], "did not face the same luck")
	c = compareJSON(t, "slow.yaml", "fast.yaml", "--seed", "4")
	require.Empty(t, c.Notes)
	require.Equal(t, c, compareJSON(t, "slow.yaml", "fast.yaml", "--set", "seed=4"))
	both := compareJSON(t, "slow.yaml", "fast.yaml", "--seed", "4", "--set", "workload.functions[0].service.mean=2s")
	for _, d := range both.Pairs[0].Differences {
		if d.Estimate.OK() {
			require.Zero(t, d.Estimate.Est, "%s: with the same service they are the same", d.Metric)
		}
	}
}

// TestNumbersThatCannotBeComparedAreNoObstacle: a value that is bounded only, one
// without replications, and one that is unstable, in words and in JSON.
func TestNumbersThatCannotBeComparedAreNoObstacle(t *testing.T) {
	workplace(t, nil)
	made := func(name string, shift float64) {
		r := &experiment.Result{Schema: experiment.Schema, Name: name, Scenario: "sha256:" + name, Seed: 1, Replications: 2, Confidence: .95, Samples: []string{"given"}}
		run := experiment.Run{Name: "run", Account: cluster.Account{Arrived: 1, Done: 1, Attempts: 1}}
		run.Replicated = []experiment.Replicated{
			{Metric: "response_mean", Unit: "s", Values: []float64{1 + shift, 2 + shift}},
			{Metric: "response_p99", Unit: "s", Values: []float64{1, 1}, Resampled: &metrics.Resampled{Base: 1, Values: metrics.Draws{1, 1}, Censored: &metrics.Censored{Share: .2, Low: 1, High: math.MaxFloat64}}},
			{Metric: "nothing", Values: []float64{}},
			{Metric: "zero", Values: []float64{0, 0}},
		}
		r.Runs = []experiment.Run{run}
		text, err := r.JSON()
		require.NoError(t, err)
		write(t, map[string]string{name + ".json": string(text)})
	}
	made("a", 0)
	made("b", .5)
	c := compareJSON(t, "a.json", "b.json")
	require.NotEmpty(t, c.Pairs[0].Differences)
	require.InDelta(t, .5, c.Pairs[0].Differences[0].Estimate.Est, 1e-12)
	require.InDelta(t, 1./3, c.Pairs[0].Differences[0].Relative, 1e-12)
	for _, d := range c.Pairs[0].Differences {
		require.False(t, math.IsNaN(d.Relative) || math.IsNaN(d.A), d.Metric)
	}
	out, _ := cosim(t, exitOK, "compare", "a.json", "b.json")
	require.Regexp(t, `response mean +\+500 ms \[500, 500\] +\+33 % +above 0`, out)
	require.Regexp(t, `response p99 .*no verdict`, out)
}

// TestResultsOfAnotherVersionAreTold, with what to do.
func TestResultsOfAnotherVersionAreTold(t *testing.T) {
	workplace(t, map[string]string{"good.yaml": theory})
	cosim(t, exitOK, "run", "good.yaml", "--out", "out")
	text, err := os.ReadFile("out/result.json")
	require.NoError(t, err)
	write(t, map[string]string{"later.json": strings.Replace(string(text), experiment.Schema, "microcosm.result/9", 1), "cut.json": string(text[:len(text)/2])})
	for file, says := range map[string]string{"later.json": "run the scenario again", "cut.json": "not a result of cosim run"} {
		_, errs := cosim(t, exitFailed, "report", file)
		require.Contains(t, errs, says)
		_, errs = cosim(t, exitUsage, "compare", file, "out/result.json")
		require.Contains(t, errs, says)
	}
}
