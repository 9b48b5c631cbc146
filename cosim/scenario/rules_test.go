package scenario_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/cosim/scenario"
	"microcosm/cosim/servicetime"
)

// with returns the minimal scenario with some keys set.
func with(t *testing.T, settings ...string) (*scenario.Scenario, error) {
	t.Helper()
	var list []scenario.Setting
	for _, s := range settings {
		path, value, ok := strings.Cut(s, "=")
		require.True(t, ok, s)
		list = append(list, scenario.Setting{Path: path, Value: value})
	}
	return parse(t, minimal).Override(list...)
}

// TestRulesBetweenKeys breaks one rule at a time; the message tells what to do.
func TestRulesBetweenKeys(t *testing.T) {
	t.Parallel()
	const arrivals, law = "workload.functions[0].arrivals.", "workload.functions[0].service."
	for situation, c := range map[string]struct {
		settings []string
		says     string
	}{
		"negative keep-alive":          {[]string{"cluster.keep-alive=-1s"}, "-1s is out of range: want at least 0s, or unlimited"},
		"no cores":                     {[]string{"cluster.nodes[0].cores=0"}, "0 is out of range: want from 1 to 1024"},
		"too many cores":               {[]string{"cluster.nodes[0].cores=1025"}, "1025 is out of range"},
		"no concurrency":               {[]string{"cluster.concurrency=0"}, "cluster.concurrency: 0 is out of range: want from 1 to 1000000"},
		"penalty below zero":           {[]string{"fidelity.penalty=-0.1"}, "-0.1 is out of range: want from 0 to 1000"},
		"confidence of all":            {[]string{"fidelity.confidence=100%"}, "100% is out of range: want from 50% to 99.99%"},
		"min above max":                {[]string{"cluster.scaling.min=3", "cluster.scaling.max=2"}, "3 is more than max, 2: lower min or raise max"},
		"fixed without a number":       {[]string{"cluster.scaling.kind=fixed"}, "sandboxes: the key is missing"},
		"a number without fixed":       {[]string{"cluster.scaling.sandboxes=3"}, "goes with kind: fixed only; remove it"},
		"a rate of nothing":            {[]string{arrivals + "rate=0/s"}, arrivals + "rate:"},
		"a negative rate":              {[]string{arrivals + "rate=-5/s"}, arrivals + "rate:"},
		"Pareto without a mean":        {[]string{arrivals + "process=pareto", arrivals + "shape=1"}, arrivals + "shape:"},
		"a burst of none":              {[]string{arrivals + "process=burst", arrivals + "size=0"}, arrivals + "size:"},
		"a wave below zero":            {[]string{arrivals + "process=sine", arrivals + "amplitude=120%", arrivals + "period=1h"}, arrivals + "amplitude:"},
		"a wave without a length":      {[]string{arrivals + "process=sine", arrivals + "amplitude=10%", arrivals + "period=0s"}, arrivals + "period:"},
		"a shape for Poisson":          {[]string{arrivals + "shape=2"}, "goes with process: pareto only; remove it"},
		"lognormal without variation":  {[]string{law + "law=lognormal", law + "cv=0"}, "lognormal wants a coefficient of variation above 0"},
		"hyperexponential at 1":        {[]string{law + "law=hyperexponential", law + "cv=1"}, "at 1 write law: exponential"},
		"Erlang of no phase":           {[]string{law + "law=erlang", law + "phases=0"}, "erlang wants a whole number of phases from 1 to 1000"},
		"a phase for an exponential":   {[]string{law + "phases=2"}, "goes with law: erlang only; remove it"},
		"nothing held":                 {[]string{law + "busy=0%"}, "0% is out of range: want from 0.01% to 100%"},
		"a warm-up of all":             {[]string{"workload.warm-up=100%"}, "100% leaves nothing to record: want less than the duration"},
		"a warm-up of the duration":    {[]string{"workload.warm-up=10m"}, "10m leaves nothing to record"},
		"a negative warm-up":           {[]string{"workload.warm-up=-1s"}, "-1s is out of range: want 0s or more"},
		"memory beyond the node":       {[]string{"cluster.nodes[0].memory=100MiB", "workload.functions[0].memory=101MiB"}, "fits on no node: the largest has 100MiB"},
		"a platform that is no name":   {[]string{"fidelity.platform=a b"}, `"a b" is no name: want letters, digits`},
		"a name with a slash":          {[]string{"workload.functions[0].name=a/b"}, "want a name on one line, without slashes"},
		"an override without a value":  {[]string{"fidelity.overrides=l2.size"}, "want NAME=VALUE"},
		"an override given twice":      {[]string{"fidelity.overrides=a=1, a=2"}, "a is given twice"},
		"a missing failure file":       {[]string{"cluster.failure=nowhere.json"}, "there is no file folder/nowhere.json: check the path"},
		"a folder as failure file":     {[]string{"cluster.failure=../testdata"}, "is a folder: want a file"},
		"stagger without a schedule":   {[]string{"cluster.nodes[0].stagger=1s"}, "goes with core-schedule only: remove it"},
		"two laws of a life":           {[]string{"cluster.nodes[0].survival=../testdata/survival.csv", "cluster.nodes[0].lifetime.law=exponential", "cluster.nodes[0].lifetime.mean=1h"}, "contradicts lifetime: remove one of the two"},
		"input of a given law":         {[]string{"workload.functions[0].input=default"}, "contradicts service: a function with a given law uses no measurement"},
		"function of a given law":      {[]string{"workload.functions[0].function=aes-go"}, "contradicts service"},
		"samples without measuring":    {[]string{"execution.samples=3"}, "goes with source: ahead, inline only; remove it"},
		"tau with interleave":          {[]string{"fidelity.model.tau=1s"}, "goes with kind: idle, none only; remove it"},
		"Knative without the plane":    {[]string{"cluster.knative.container-concurrency=1"}, "goes with controlplane: knative only; remove it"},
		"a load balancer that is none": {[]string{"cluster.load-balancing=stickey"}, `"stickey" is not known: did you mean "sticky"?`},
		"a jitter that mixes periods":  {[]string{"cluster.keep-alive.policy=aws", "cluster.keep-alive.jitter=200s"}, "is not less than half of the period"},
		"a tie-break that is itself":   {[]string{"cluster.load-balancing.policy=lukewarm-aware", "cluster.load-balancing.tie-break=lukewarm-aware"}, "it cannot improve on itself"},
		"head behind tail":             {[]string{"cluster.keep-alive.policy=hybrid-histogram", "cluster.keep-alive.head=0.9", "cluster.keep-alive.tail=0.1"}, "lies behind tail"},
		"a parameter of another":       {[]string{"cluster.load-balancing.policy=sticky", "cluster.load-balancing.max-load=2"}, "max-load"},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			_, err := with(t, c.settings...)
			var mistakes *scenario.Mistakes
			require.ErrorAs(t, err, &mistakes)
			require.ErrorContains(t, err, c.says)
			require.Len(t, mistakes.List, 1, "one slip is reported once: %v", err)
		})
	}
}

func TestRulesAreKeptAtTheirBounds(t *testing.T) {
	t.Parallel()
	for _, settings := range [][]string{
		{"cluster.nodes[0].cores=1"}, {"cluster.nodes[0].cores=1024"}, {"cluster.keep-alive=0s"}, {"cluster.keep-alive=unlimited"}, {"cluster.queue-limit=0"},
		{"fidelity.penalty=0"}, {"fidelity.confidence=50%"}, {"fidelity.confidence=99.99%"}, {"cluster.scaling.min=2", "cluster.scaling.max=2"},
		{"workload.warm-up=0s"}, {"workload.warm-up=99.9%"}, {"workload.warm-up=9m59s"}, {"workload.functions[0].service.busy=100%"},
		{"cluster.nodes[0].memory=128MiB"}, {"cluster.nodes[0].memory=100MiB", "workload.functions[0].memory=100MiB"},
		{"fidelity.model.kind=idle", "fidelity.model.tau=1ns"}, {"execution.source=inline", "execution.samples=1"}, {"cluster.retry.policy=fixed", "cluster.retry.attempts=65535"},
		{"workload.functions[0].service.law=lognormal", "workload.functions[0].service.cv=1000"}, {"workload.functions[0].service.law=erlang", "workload.functions[0].service.phases=1000"},
	} {
		_, err := with(t, settings...)
		require.NoError(t, err, settings)
	}
}

// Mistakes do not hide each other: those of many rules are told at once, in the
// order of the file.
func TestAllMistakesAreToldAtOnceInOrder(t *testing.T) {
	t.Parallel()
	_, err := scenario.Parse("bad.yaml", []byte(`
seed: -1
cluster:
  nodes: [{cores: 0}, {name: a, cores: 4, cors: 3}, {name: a, cores: 1}]
  keep-alive: 5
  binding: erly
workload:
  duration: 10m
  functions:
    - {name: jobs, arrivals: {process: poisson, rate: 5}, service: {law: gamma, mean: 10ms}}
fidelity: {confidence: 3, penalty: x}
`))
	var mistakes *scenario.Mistakes
	require.ErrorAs(t, err, &mistakes)
	var keys []string
	line := 0
	for _, m := range mistakes.List {
		keys = append(keys, m.Key)
		require.GreaterOrEqual(t, m.Line, line)
		line = m.Line
		require.NotEmpty(t, m.Excerpt)
		require.Positive(t, m.Column)
		require.Equal(t, "bad.yaml", m.File)
	}
	require.Equal(t, []string{
		"seed", "cluster.nodes[0].cores", "cluster.nodes[1].cors", "cluster.nodes[2].name", "cluster.keep-alive", "cluster.binding",
		"workload.functions[0].arrivals.rate", "workload.functions[0].service.law", "fidelity.confidence", "fidelity.penalty",
	}, keys)
}

func TestNamesThatTwoWouldShare(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		functions string
		says      string
	}{
		"twice the same":          {"a, 1; b, 1; a, 1", `workload.functions[0] is called "a" too`},
		"copies of the same":      {"a, 2; a, 3", `workload.functions[0] is called "a" too`},
		"a copy's number":         {"a, 3; a-2, 1", `a copy of workload.functions[0] is called "a-2" too`},
		"beyond the copies":       {"a, 3; a-3, 1", ""},
		"not as copies are named": {"a, 3; a-02, 1", ""},
		"one alone, many beside":  {"a, 1; a, 3", ""},
		"a dash alone":            {"a, 2; a-, 1", ""},
	} {
		text := "cluster: {nodes: [{cores: 2}]}\nworkload:\n  duration: 10m\n  functions:\n"
		for item := range strings.SplitSeq(c.functions, "; ") {
			name, copies, _ := strings.Cut(item, ", ")
			text += "    - {name: " + name + ", copies: " + copies + ", arrivals: {process: poisson, rate: 5/s}, service: {law: exponential, mean: 10ms}}\n"
		}
		_, err := scenario.Parse("names.yaml", []byte(text))
		if c.says == "" {
			require.NoError(t, err, situation)
		} else {
			require.ErrorContains(t, err, c.says, situation)
		}
	}
}

func TestSharesOfConditions(t *testing.T) {
	t.Parallel()
	model := func(shares string) error {
		_, err := scenario.Parse("s.yaml", []byte(minimal+"fidelity: {model: {kind: none, shares: ["+shares+"]}}\n"))
		return err
	}
	require.NoError(t, model("{condition: warm, share: 25%}, {condition: 'lukewarm:4', share: 25%}, {condition: flush, share: 50%}"))
	for shares, says := range map[string]string{
		"{condition: warm, share: 50%}":                                 "add up to 50 %, not to 100 %",
		"{condition: warm, share: 60%}, {condition: flush, share: 60%}": "add up to 120 %",
		"{condition: cold, share: 100%}":                                "is no condition that can be drawn: want warm, lukewarm:K or flush",
		"{condition: tepid, share: 100%}":                               "fidelity.model.shares[0].condition",
		"{condition: 'stage:init', share: 100%}":                        "is no condition that can be drawn",
		"{condition: warm}":                                             "share: the key is missing",
		"{condition: warm, share: 101%}":                                "101% is out of range",
	} {
		require.ErrorContains(t, model(shares), says, shares)
	}
	for word, want := range map[string]servicetime.State{"warm": {}, "lukewarm:7": {K: 7}, "flush": {New: true}} {
		got, err := scenario.ConditionShare{Condition: word}.State()
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
}

func TestFactorsThatContradictThemselves(t *testing.T) {
	t.Parallel()
	for factors, says := range map[string]string{
		"[{name: a, set: cluster.binding, levels: [late, late]}]":                                                    "is level 1 already: remove one of them",
		"[{name: a, set: execution.slots, levels: [1, 2]}]":                                                          "execution.slots changes no result",
		"[{name: a, set: name, levels: [x, y]}]":                                                                     "name changes no result",
		"[{name: a, set: cluster.bindin, levels: [late]}]":                                                           `did you mean "binding"?`,
		"[{name: a, set: cluster.binding, levels: [late]}, {name: a, set: cluster.core-choice, levels: [last]}]":     "factor 1 is called so already",
		"[{name: a, set: cluster.binding, levels: [late]}, {name: b, set: cluster.binding, levels: [early]}]":        "factor 1 sets it already: put the levels together",
		"[{name: a, set: cluster.binding, levels: []}]":                                                              "the list is empty",
		"[{name: a, set: cluster.binding, levels: [{x: 1}]}]":                                                        "want one word or number, not a mapping",
		"[{name: a, set: cluster.binding, levels: [sometimes]}]":                                                     `"sometimes" is not known`,
		"[{name: a, set: cluster.scaling.min, levels: [1, 5]}, {name: b, set: cluster.scaling.max, levels: [3, 9]}]": "5 is more than max, 3: lower min or raise max",
		"[{name: a, set: 'cluster.nodes[3].cores', levels: [1]}]":                                                    "there is no item 3",
	} {
		_, err := scenario.Parse("f.yaml", []byte(minimal+"factors: "+factors+"\n"))
		require.ErrorContains(t, err, says, factors)
		require.ErrorContains(t, err, "f.yaml:", factors)
	}
	var many []string
	for i := range 40 {
		many = append(many, time.Duration(i+1).String())
	}
	levels := strings.ReplaceAll(strings.Join(many, ", "), "ns", "s")
	_, err := scenario.Parse("f.yaml", []byte(minimal+"factors: [{name: a, set: cluster.keep-alive, levels: ["+levels+"]}, {name: b, set: 'workload.functions[0].service.mean', levels: ["+levels+"]}]\n"))
	require.ErrorContains(t, err, "more than 1000 combinations of levels: take fewer")
}

// Setting a key to what it is changes nothing, and settings of different keys may
// come in any order.
func TestOverridesAreValuesNotSteps(t *testing.T) {
	t.Parallel()
	settings := []scenario.Setting{
		{Path: "cluster.load-balancing", Value: "random"}, {Path: "cluster.nodes[0].cores", Value: "7"}, {Path: "workload.duration", Value: "2h"},
		{Path: "fidelity.penalty", Value: "0.5"}, {Path: "seed", Value: "99"}, {Path: "cluster.scaling.max", Value: "12"},
	}
	base, err := parse(t, minimal).Override(settings...)
	require.NoError(t, err)
	rapid.Check(t, func(rt *rapid.T) {
		order := rapid.Permutation(settings).Draw(rt, "order")
		s, err := parse(t, minimal).Override(order...)
		require.NoError(rt, err)
		require.Equal(rt, string(base.Canonical()), string(s.Canonical()))
		again, err := s.Override(order...)
		require.NoError(rt, err)
		require.Equal(rt, string(s.Canonical()), string(again.Canonical()))
		one := order[0]
		first, err := parse(t, minimal).Override(scenario.Setting{Path: one.Path, Value: "0"}, one)
		if err == nil { // the later of two settings of a key counts
			alone, err := parse(t, minimal).Override(one)
			require.NoError(rt, err)
			require.Equal(rt, string(alone.Canonical()), string(first.Canonical()))
		}
	})
}

// The identity is that of what may change a result: neither of execution, nor of
// where files lie, but of what is in them.
func TestIdentityFollowsTheContentOfFiles(t *testing.T) {
	t.Parallel()
	write := func(folder, content string) *scenario.Scenario {
		require.NoError(t, os.MkdirAll(folder, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(folder, "survival.csv"), []byte(content), 0o644))
		text := strings.Replace(minimal, "{cores: 2}", "{cores: 2, survival: survival.csv}", 1)
		require.NoError(t, os.WriteFile(filepath.Join(folder, "minimal.yaml"), []byte(text), 0o644))
		s, err := scenario.Load(filepath.Join(folder, "minimal.yaml"))
		require.NoError(t, err)
		return s
	}
	identity := func(s *scenario.Scenario) string {
		id, err := s.Identity()
		require.NoError(t, err)
		return id
	}
	const table = "seconds,survival\n0,1\n3600,0\n"
	root := t.TempDir()
	a, b, c := write(filepath.Join(root, "a"), table), write(filepath.Join(root, "b"), table), write(filepath.Join(root, "c"), strings.Replace(table, "3600", "3601", 1))
	require.Equal(t, identity(a), identity(b))
	require.NotEqual(t, identity(a), identity(c))
	files, err := a.Files()
	require.NoError(t, err)
	require.Len(t, files, 1)
	require.Equal(t, "cluster.nodes[0].survival", files[0].Key)
	require.Equal(t, filepath.Join(root, "a", "survival.csv"), files[0].Path)
	require.Len(t, files[0].SHA256, 64)
	elsewhere, err := a.Override(scenario.Setting{Path: "execution.slots", Value: "7"})
	require.NoError(t, err)
	require.Equal(t, identity(a), identity(elsewhere))
	require.NoError(t, os.Remove(files[0].Path))
	_, err = a.Identity()
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, "cluster.nodes[0].survival")
}

func TestMistakesAreOneError(t *testing.T) {
	t.Parallel()
	_, err := scenario.Parse("x.yaml", []byte("cluster: 3\nworkload: 4\n"))
	var mistakes *scenario.Mistakes
	require.True(t, errors.As(err, &mistakes))
	require.Len(t, mistakes.List, 2)
	for _, m := range mistakes.List {
		require.Contains(t, err.Error(), m.Problem)
	}
}
