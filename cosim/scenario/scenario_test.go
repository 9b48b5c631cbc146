package scenario_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/cluster"
	"microcosm/cosim/policy"
	"microcosm/cosim/scenario"
	"microcosm/loadgen"
)

// minimal is the shortest scenario: what it does not say is a default.
const minimal = `
cluster: {nodes: [{cores: 2}]}
workload:
  duration: 10m
  functions:
    - {name: jobs, arrivals: {process: poisson, rate: 5/s}, service: {law: exponential, mean: 10ms}}
`

func parse(t *testing.T, text string) *scenario.Scenario {
	t.Helper()
	s, err := scenario.Parse("folder/minimal.yaml", []byte(text))
	require.NoError(t, err)
	return s
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	s := parse(t, minimal)
	require.Equal(t, "minimal", s.Name, "after the file")
	require.Equal(t, uint64(1), s.Seed)
	require.Equal(t, scenario.Cluster{
		Nodes:      []scenario.NodeGroup{{Name: "node", Count: 1, Cores: 2, MemoryOvercommit: 1, Repair: cluster.Unlimited}},
		Discipline: cluster.FCFS, CoreChoice: cluster.CoreLast, Binding: cluster.BindLate,
		LoadBalancing: scenario.Policy[policy.Balancing]{Name: "first-available", With: policy.Balancings()["first-available"]},
		Retry:         scenario.Policy[cluster.Retry]{Name: "none", With: policy.Retries()["none"]},
		Hedging:       scenario.Policy[policy.Hedging]{Name: "none", With: policy.Hedgings()["none"]},
		SandboxChoice: policy.MostRecent,
		Placement:     scenario.Policy[cluster.Placement]{Name: "spread", With: policy.Placements()["spread"]},
		Scaling:       scenario.Scaling{Kind: "concurrency", Max: cluster.Unlimited},
		KeepAlive:     scenario.Policy[policy.Keeping]{Name: "fixed", With: policy.FixedTime{For: 10 * time.Minute}}, Concurrency: 1, QueueLimit: cluster.Unlimited,
		ColdStart: scenario.ColdStart{Create: scenario.Stage{Measured: true}, Init: scenario.Stage{Measured: true}},
	}, s.Cluster)
	require.Equal(t, scenario.Fidelity{
		Stack: "recorded", Model: scenario.Model{Kind: "interleave"}, Penalty: 1, Mix: "catalog", Replications: 10, Resamples: 40, ModelBand: .15, Confidence: .95,
	}, s.Fidelity)
	require.Equal(t, scenario.Execution{Source: "replay"}, s.Execution)
	require.Equal(t, time.Minute, s.Workload.WarmUp.Of(s.Workload.Duration), "10 %")
	require.Equal(t, &scenario.Service{Law: scenario.Law{Law: "exponential", Mean: 10 * time.Millisecond}, Busy: 1}, s.Workload.Functions[0].Service)
}

// TestUnits reads one value in the place of another and looks at the result.
func TestUnits(t *testing.T) {
	t.Parallel()
	for setting, want := range map[string]any{
		"cluster.keep-alive=250us":                             250 * time.Microsecond,
		"cluster.keep-alive=250µs":                             250 * time.Microsecond,
		"cluster.keep-alive=1.5h":                              90 * time.Minute,
		"cluster.keep-alive=2d":                                48 * time.Hour,
		"cluster.keep-alive=1d12h":                             36 * time.Hour,
		"cluster.keep-alive=0s":                                time.Duration(0),
		"cluster.keep-alive=unlimited":                         time.Duration(cluster.Unlimited),
		"cluster.queue-limit=0":                                0,
		"cluster.queue-limit=unlimited":                        cluster.Unlimited,
		"workload.functions[0].arrivals.rate=100/s":            100.,
		"workload.functions[0].arrivals.rate=3/min":            .05,
		"workload.functions[0].arrivals.rate=36/h":             .01,
		"workload.functions[0].arrivals.rate=1e3/s":            1000.,
		"cluster.nodes[0].memory=200MiB":                       200,
		"cluster.nodes[0].memory=1.5GiB":                       1536,
		"cluster.nodes[0].memory=2TiB":                         2 << 20,
		"workload.functions[0].service.busy=40%":               .4,
		"workload.functions[0].service.busy=0.4":               .4,
		"workload.functions[0].service.busy=29%":               .29,
		"fidelity.model.half-depth=fitted":                     0.,
		"fidelity.model.half-depth=1e1":                        10.,
		"workload.warm-up=30s":                                 30 * time.Second,
		"workload.warm-up=7%":                                  42 * time.Second,
		"cluster.cold-start.create=measured":                   "measured",
		"cluster.cold-start.create=0s":                         "0s",
		"cluster.cold-start.create=250ms":                      "250ms",
		"seed=18446744073709551615":                            ^uint64(0),
		"name=123":                                             "123",
		"description=true":                                     "true",
		"workload.functions[0].service.relative-penalty=0.001": .001,
	} {
		t.Run(setting, func(t *testing.T) {
			t.Parallel()
			path, value, _ := strings.Cut(setting, "=")
			s, err := parse(t, minimal).Override(scenario.Setting{Path: path, Value: value})
			require.NoError(t, err)
			f := s.Workload.Functions[0]
			got := map[string]any{
				"cluster.keep-alive": keptFor(s), "cluster.queue-limit": s.Cluster.QueueLimit,
				"workload.functions[0].arrivals.rate": float64(f.Arrivals.Rate), "cluster.nodes[0].memory": int(s.Cluster.Nodes[0].Memory),
				"workload.functions[0].service.busy": float64(f.Service.Busy), "fidelity.model.half-depth": s.Fidelity.Model.HalfDepth,
				"workload.warm-up":          s.Workload.WarmUp.Of(s.Workload.Duration),
				"cluster.cold-start.create": s.Cluster.ColdStart.Create.String(), "seed": s.Seed,
				"name": s.Name, "description": s.Description, "workload.functions[0].service.relative-penalty": f.Service.RelativePenalty,
			}
			require.Equal(t, want, got[path])
		})
	}
}

func keptFor(s *scenario.Scenario) time.Duration {
	fixed, _ := s.Cluster.KeepAlive.With.(policy.FixedTime)
	return fixed.For
}

func TestOverrideSetsAllBeforeItChecks(t *testing.T) {
	t.Parallel()
	s := parse(t, minimal)
	changed, err := s.Override(
		scenario.Setting{Path: "cluster.scaling.kind", Value: "fixed"},
		scenario.Setting{Path: "cluster.scaling.sandboxes", Value: "4"},
		scenario.Setting{Path: "cluster.nodes[0].cores", Value: "8"},
		scenario.Setting{Path: "cluster.cold-start.init.law", Value: "exponential"},
		scenario.Setting{Path: "cluster.cold-start.init.mean", Value: "1s"},
	)
	require.NoError(t, err)
	require.Equal(t, scenario.Scaling{Kind: "fixed", Sandboxes: 4, Min: 4, Max: 4}, changed.Cluster.Scaling)
	require.Equal(t, 8, changed.Cluster.Nodes[0].Cores)
	require.Equal(t, &scenario.Law{Law: "exponential", Mean: time.Second}, changed.Cluster.ColdStart.Init.Law)
	require.Equal(t, 2, s.Cluster.Nodes[0].Cores, "the original stays")

	own, err := s.Override(scenario.Setting{Path: "workload.functions[0].keep-alive", Value: "5m"})
	require.NoError(t, err)
	require.Equal(t, policy.FixedTime{For: 5 * time.Minute}, own.Workload.Functions[0].KeepAlive.With, "a policy of the function's own is one value too")
}

func TestOverrideShowsTheSetting(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ path, value, want string }{
		"wrong unit":            {"cluster.keep-alive", "5", "--set:1:20: cluster.keep-alive: 5 lacks the unit"},
		"wrong type":            {"cluster.concurrency", "many", "--set:1:21: cluster.concurrency: want a whole number, not \"many\""},
		"unknown key":           {"cluster.keepalive", "5s", `unknown key keepalive: did you mean "keep-alive"?`},
		"unknown section":       {"clutser.keep-alive", "5s", `did you mean "cluster"?`},
		"no such item":          {"cluster.nodes[1].cores", "5", "there is no item 1: the list has 1, counted from 0"},
		"list without an index": {"cluster.nodes.cores", "5", "write which item, such as nodes[0]"},
		"not one value":         {"cluster.nodes", "5", "cluster.nodes has keys or items below it"},
		"index of a mapping":    {"cluster[0]", "5", "cluster has no items below it"},
		"below a scalar":        {"seed.value", "5", "seed has no value below it"},
		"below a stage's word":  {"cluster.cold-start.create.mean", "5s", "law: the key is missing"},
		"no path":               {"", "5", "is no path"},
		"empty key":             {"cluster..nodes", "5", "is no path"},
		"open bracket":          {"cluster.nodes[0.cores", "5", "is no path"},
		"negative index":        {"cluster.nodes[-1].cores", "5", "is no path"},
		"needed by another key": {"cluster.scaling.kind", "fixed", "cluster.scaling.sandboxes: the key is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := parse(t, minimal).Override(scenario.Setting{Path: c.path, Value: c.value})
			var mistakes *scenario.Mistakes
			require.ErrorAs(t, err, &mistakes)
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestVariants(t *testing.T) {
	t.Parallel()
	alone, err := parse(t, minimal).Variants()
	require.NoError(t, err)
	require.Len(t, alone, 1)
	require.Empty(t, alone[0].Levels)

	s := parse(t, minimal+`
factors:
  - {name: routing, set: cluster.load-balancing, levels: [sticky, random]}
  - {name: duration, set: workload.duration, levels: [1m, 100m, 2h]}
`)
	variants, err := s.Variants()
	require.NoError(t, err)
	var seen []string
	identities := map[string]bool{}
	for _, v := range variants {
		w := v.Scenario.Workload
		seen = append(seen, fmt.Sprintln(v.Levels, v.Scenario.Cluster.LoadBalancing, w.Duration, w.WarmUp.Of(w.Duration), len(v.Scenario.Factors)))
		id, err := v.Scenario.Identity()
		require.NoError(t, err)
		identities[id] = true
	}
	require.Equal(t, []string{
		"[sticky 1m] sticky 1m0s 6s 0\n", "[sticky 100m] sticky 1h40m0s 10m0s 0\n", "[sticky 2h] sticky 2h0m0s 12m0s 0\n",
		"[random 1m] random 1m0s 6s 0\n", "[random 100m] random 1h40m0s 10m0s 0\n", "[random 2h] random 2h0m0s 12m0s 0\n",
	}, seen)
	require.Len(t, identities, 6)

	again, err := scenario.Parse("folder/minimal.yaml", s.Canonical())
	require.NoError(t, err)
	fromCanonical, err := again.Variants()
	require.NoError(t, err)
	for i, v := range fromCanonical {
		require.Equal(t, string(variants[i].Scenario.Canonical()), string(v.Scenario.Canonical()), "a manifest's variants are the scenario's")
	}
}

func TestOneLevelNeedsNoList(t *testing.T) {
	t.Parallel()
	s := parse(t, minimal+"factors: [{name: n, set: 'cluster.nodes[0].cores', levels: 4}]\n")
	variants, err := s.Variants()
	require.NoError(t, err)
	require.Equal(t, 4, variants[0].Scenario.Cluster.Nodes[0].Cores, "one level needs no list")
}

// TestExamples loads every example, and draws the first arrivals.
func TestExamples(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.yaml")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 8)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			skipWithoutTrace(t, file)
			s, err := scenario.Load(file)
			require.NoError(t, err)
			require.NotEmpty(t, s.Description)
			d, err := s.Demand()
			require.NoError(t, err)
			require.NotEmpty(t, d.Functions)
			for _, f := range d.Functions {
				_, arrives := f.Arrivals.Stream(1).Next()
				require.True(t, arrives, f.Name)
			}
		})
	}
}

const invitro = "../../../shared/data/invitro"

func skipWithoutTrace(t *testing.T, file string) {
	t.Helper()
	if _, err := os.Stat(invitro); err != nil && strings.Contains(file, "invitro") {
		t.Skip("In-Vitro's example trace is not there: ", err)
	}
}

func TestFilesOfOtherSystems(t *testing.T) {
	t.Parallel()
	want := parse(t, minimal)
	for name, text := range map[string]string{
		"carriage returns": strings.ReplaceAll(minimal, "\n", "\r\n"),
		"byte order mark":  "\ufeff" + minimal,
		"document markers": "---" + minimal + "...\n",
		"no last newline":  strings.TrimSuffix(minimal, "\n"),
	} {
		require.Equal(t, string(want.Canonical()), string(parse(t, text).Canonical()), name)
	}
}

func TestLoadSaysWhatToDo(t *testing.T) {
	t.Parallel()
	_, err := scenario.Load("testdata/nowhere.yaml")
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, "check the path")
	_, err = scenario.Load("testdata")
	require.Error(t, err)
}

// arrivals returns the first instants of a stream.
func arrivals(s loadgen.Stream, n int) []loadgen.Arrival {
	var list []loadgen.Arrival
	for a, ok := s.Next(); ok && len(list) < n; a, ok = s.Next() {
		list = append(list, a)
	}
	return list
}
