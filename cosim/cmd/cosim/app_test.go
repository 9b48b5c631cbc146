package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/experiment"
	"microcosm/cosim/scenario"
	"microcosm/cosim/servicetime"
	"microcosm/results"
)

func TestTheStoreIsTheFirstThatIsNamed(t *testing.T) {
	home := t.TempDir()
	for situation, c := range map[string]struct {
		flag, scenario, env, xdg string
		path                     string
		makeParent               bool
	}{
		"the flag before all else":     {"flag.db", "scenario.db", "env.db", "/data", "flag.db", false},
		"the scenario without a flag":  {"", "scenario.db", "env.db", "/data", "scenario.db", false},
		"the environment without both": {"", "", "env.db", "/data", "env.db", false},
		"the user's data folder":       {"", "", "", "/data", "/data/microcosm/samples.db", true},
		"the user's home":              {"", "", "", "", filepath.Join(home, ".local/share/microcosm/samples.db"), true},
	} {
		t.Setenv(storeVariable, c.env)
		t.Setenv("XDG_DATA_HOME", c.xdg)
		t.Setenv("HOME", home)
		path, makeParent, err := (&app{store: c.flag}).storePath(c.scenario)
		require.NoError(t, err, situation)
		require.Equal(t, c.path, path, situation)
		require.Equal(t, c.makeParent, makeParent, situation)
	}
	t.Setenv(storeVariable, "")
	t.Setenv("XDG_DATA_HOME", "")
	t.Setenv("HOME", "")
	_, _, err := new(app).storePath("")
	require.ErrorContains(t, err, "--store")
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	live, cancelled := context.Background(), func() context.Context {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		return ctx
	}()
	_, mistakes := scenario.Parse("bad.yaml", []byte("cluster: {}"))
	require.Error(t, mistakes)
	for situation, c := range map[string]struct {
		ctx  context.Context
		err  error
		code int
		says string
	}{
		"all is well":                        {live, nil, 0, ""},
		"all is well in spite of Ctrl-C":     {cancelled, nil, 0, ""},
		"a failure":                          {live, errors.New("disk full"), 1, "cosim: disk full"},
		"the scenario's timeout":             {live, &experiment.InterruptedError{Done: 1, Of: 2, Cause: context.DeadlineExceeded}, 1, "1 of 2 replications done"},
		"a mistake of the caller's":          {live, usage("want %s", "more"), 2, "cosim: want more"},
		"a wrapped mistake of the caller's":  {live, fmt.Errorf("here: %w", usage("want more")), 2, "here: want more"},
		"a bad scenario":                     {live, fmt.Errorf("load: %w", mistakes), 2, "bad.yaml:1"},
		"a bad scenario in spite of Ctrl-C":  {cancelled, mistakes, 2, "bad.yaml:1"},
		"Ctrl-C":                             {cancelled, &experiment.InterruptedError{Done: 1, Of: 2, Cause: context.Canceled}, 130, "interrupted: 1 of 2 replications done"},
		"Ctrl-C that shows as another error": {cancelled, errors.New("the back end is gone"), 130, "interrupted: the back end is gone"},
	} {
		var out, errs bytes.Buffer
		require.Equal(t, c.code, (&app{out: &out, err: &errs}).exit(c.ctx, c.err), situation)
		require.Contains(t, errs.String(), c.says, situation)
		require.Empty(t, out.String(), situation)
	}
	var out, errs bytes.Buffer
	require.Equal(t, exitUsage, (&app{out: &out, err: &errs, json: true}).exit(live, mistakes))
	require.True(t, json.Valid(out.Bytes()), out.String())
}

// theory is a scenario that needs no store.
const theory = `
cluster:
  nodes: [{cores: 1}]
workload:
  duration: 100s
  functions:
    - {name: f, arrivals: {process: poisson, rate: 0.5/s}, service: {law: exponential, mean: 1s}}
fidelity: {replications: 2}
`

func TestExitCodesOfCommandLines(t *testing.T) {
	folder := t.TempDir()
	t.Setenv(storeVariable, filepath.Join(folder, "samples.db"))
	t.Setenv(functionsVariable, filepath.Join(folder, "none"))
	t.Chdir(folder)
	for name, text := range map[string]string{
		"good.yaml": theory, "bad.yaml": "cluster: {}\n", "damaged.json": "{", "foreign.json": `{"name": "not ours"}`,
		"measured.yaml": strings.Replace(theory, "{name: f, arrivals: {process: poisson, rate: 0.5/s}, service: {law: exponential, mean: 1s}}", "{name: fibonacci-go, arrivals: {process: poisson, rate: 1/s}}", 1) + "  #\n",
		"late.yaml":     strings.Replace(theory, "duration: 100s", "duration: 1000000000s", 1) + "execution: {timeout: 1ms}\n",
	} {
		require.NoError(t, os.WriteFile(name, []byte(strings.Replace(text, "replications: 2}\n  #", "replications: 2, platform: nowhere}", 1)), 0o644))
	}
	for _, c := range []struct {
		line string
		code int
		says string
	}{
		{"version", 0, ""},
		{"--help", 0, ""},
		{"run good.yaml", 0, "ran good: 2 replications of 1 runs"},
		{"run bad.yaml", 2, "bad.yaml:1"},
		{"run good.yaml --set seed=x", 2, "seed"},
		{"run good.yaml --set seed", 2, "KEY=VALUE"},
		{"run good.yaml --replications 0", 2, "replications"},
		{"run good.yaml bad.yaml", 2, "cosim run --help"},
		{"run late.yaml", 1, "0 of 2 replications done"},
		{"run measured.yaml", 1, "not sampled"},
		{"run measured.yaml --set execution.source=ahead", 2, "fidelity.stack: local"},
		{"run damaged.json", 2, "damaged.json is no manifest"},
		{"run foreign.json", 2, "foreign.json is no manifest"},
		{"run absent.json", 1, "read manifest"},
		{"run good.yaml --manifest foreign.json", 1, "left alone"},
		{"report good.yaml", 1, "good.yaml: not a result"},
		{"report absent.json", 1, "read result"},
		{"report", 2, "cosim report --help"},
		{"sample --conditions hot", 2, "hot"},
		{"sample -n 0", 2, "at least one"},
		{"sample --verify recorded -n 1", 2, "at least two"},
		{"sample --backend nowhere", 2, "nowhere"},
		{"sample", 1, "--functions-dir"},
		{"sample --deadline soon", 2, "deadline"},
		{"store list --condition hot", 2, "hot"},
		{"store merge", 2, "cosim store merge --help"},
		{"store merge absent.db", 1, "absent.db"},
		{"store list --no-such-flag", 2, "no-such-flag"},
		{"doctor extra", 2, "cosim doctor --help"},
		{"doctor", 1, "something is missing"},
		{"fly", 2, `unknown command "fly" for cosim; see cosim --help`},
		{"rnu good.yaml", 2, "did you mean run?"},
		{"store lst", 2, "did you mean list?"},
		{"store fly --json", 2, `unknown command "fly" for cosim store`},
		{"store", 0, ""},
		{"", 0, ""},
	} {
		var out, errs bytes.Buffer
		require.Equal(t, c.code, run(strings.Fields(c.line), nil, &out, &errs), "%s\n%s", c.line, errs.String())
		require.Contains(t, errs.String(), c.says, c.line)
	}
	foreign, err := os.ReadFile("foreign.json")
	require.NoError(t, err)
	require.JSONEq(t, `{"name": "not ours"}`, string(foreign))
}

func TestEveryVerbThatAnswersDoesSoInJSON(t *testing.T) {
	folder := t.TempDir()
	t.Setenv(storeVariable, filepath.Join(folder, "samples.db"))
	t.Setenv(functionsVariable, filepath.Join(folder, "none"))
	t.Chdir(folder)
	require.NoError(t, os.WriteFile("good.yaml", []byte(theory), 0o644))
	answer := func(code int, line string, into any) {
		var out, errs bytes.Buffer
		require.Equal(t, code, run(append(strings.Fields(line), "--json"), nil, &out, &errs), "%s: %s", line, errs.String())
		require.NoError(t, json.Unmarshal(out.Bytes(), into), "%s: %s", line, out.String())
	}
	var version about
	answer(0, "version", &version)
	require.Equal(t, experiment.Schema, version.Result)

	var fromRun, fromReport experiment.Result
	answer(0, "run good.yaml --out out", &fromRun)
	answer(0, "report out/result.json", &fromReport)
	require.Equal(t, 2, fromRun.Replications)
	require.Equal(t, fromRun.Scenario, fromReport.Scenario)

	var keys []results.KeySummary
	answer(0, "store list --collection recorded --condition warm", &keys)
	require.NotEmpty(t, keys)
	for _, k := range keys {
		require.Equal(t, servicetime.Condition{Kind: servicetime.Warm}, k.Key.Condition)
	}
	var findings []results.Finding
	answer(0, "store verify", &findings)
	var collected results.Collected
	cosim(t, exitOK, "store", "export", "files", "--function", "aes-go", "--condition", "warm")
	cosim(t, exitOK, "store", "import", "files")
	answer(0, "store gc --keep-stack another --dry-run", &collected)
	require.NotEmpty(t, collected.Stacks)

	// One missing thing keeps nothing else from being examined.
	var doctor []finding
	answer(1, "doctor", &doctor)
	status := map[string]string{}
	for _, f := range doctor {
		status[f.Check] = f.Status
		require.NotEmpty(t, f.Detail, f.Check)
		if f.Status == "missing" {
			require.NotEmpty(t, f.Remedy, f.Check)
		}
	}
	require.Equal(t, "ok", status["store"])
	require.Equal(t, "ok", status["recorded samples"])
	require.Equal(t, "missing", status["functions"])
	require.Equal(t, "missing", status["back end host"])
	require.Contains(t, status, "cores")
}

func TestProgressOfAPipedRunIsALineNowAndThen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var text bytes.Buffer
		p := (&app{log: slog.New(slog.NewTextHandler(&text, nil))}).progress("replications", 100)
		p.step()
		require.Empty(t, text.String(), "a short run says nothing")
		time.Sleep(logEvery + time.Millisecond)
		p.step()
		p.step()
		require.Equal(t, 1, strings.Count(text.String(), "\n"), text.String())
		require.Contains(t, text.String(), "what=replications done=2 of=100")
		time.Sleep(logEvery + time.Millisecond)
		p.step()
		p.finish()
		require.Equal(t, 2, strings.Count(text.String(), "\n"), text.String())
		require.Contains(t, text.String(), "done=4 of=100")
	})
}

func TestNotesOnSamples(t *testing.T) {
	t.Parallel()
	request := servicetime.Request{Function: "f", Platform: "p"}
	valid := servicetime.Sample{Status: servicetime.Valid, RoundTrip: 20, Null: 10}
	short := servicetime.Sample{Status: servicetime.Valid, RoundTrip: 10, Null: 10}
	censored := servicetime.Sample{Status: servicetime.Censored, RoundTrip: 5, Null: 10}
	require.Empty(t, lawNotes(request, results.Selected{Samples: []servicetime.Sample{valid}, Simulators: []string{"a"}}))
	require.Equal(t, []string{
		"f on p: 1 of 4 samples are no longer than the null call and count as next to nothing",
		"f on p: 2 of 4 samples are censored and left out",
		"f on p: samples of 2 simulator binaries are pooled",
	}, lawNotes(request, results.Selected{Samples: []servicetime.Sample{valid, short, censored, censored}, Simulators: []string{"a", "b"}}))
}
