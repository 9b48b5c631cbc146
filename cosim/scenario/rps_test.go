package scenario_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/cosim/des"
	"microcosm/cosim/scenario"
)

// rps returns a scenario of In-Vitro's RPS mode with these keys, and with more of
// the cluster's.
func rps(keys, cluster string) string {
	return "cluster: {nodes: [{cores: 2, memory: 1GiB}], " + cluster + "}\nworkload:\n  duration: 2m\n  rps: {" + keys + "}\n"
}

const given = "service: {law: deterministic, mean: 100ms}"

// The warm function takes what the cold ones leave; of those there are as many as
// it takes that each has a cool-down between two invocations.
func TestRPSModeIsAWarmFunctionAndColdOnes(t *testing.T) {
	t.Parallel()
	d := demand(t, parse(t, rps("rate: 2/s, cold-share: 25%, cooldown: 8s, memory: 170MiB, "+given, "keep-alive: 1s, concurrency: 3")))
	require.Len(t, d.Functions, 1+4, "0.5/s cold over 8 s are four")
	require.False(t, d.Terminating)
	require.Empty(t, d.Warnings)
	var names []string
	total := 0
	for i, f := range d.Functions {
		names = append(names, f.Name)
		require.Equal(t, scenario.MiB(170), f.Memory)
		require.Equal(t, 3, f.Concurrency)
		require.Equal(t, "deterministic", f.Service.Law.Law)
		require.False(t, f.Traced)
		require.Empty(t, f.Measured)
		at := arrivals(f.Arrivals.Stream(1), 1e6)
		require.Equal(t, at, arrivals(f.Arrivals.Stream(2), 1e6), "no luck is involved")
		require.InDelta(t, f.ExpectedInvocations, len(at), 1e-9)
		total += len(at)
		start, gap := des.Time(0), time.Second*2/3
		if i > 0 {
			start, gap = des.Time(time.Duration(i-1)*2*time.Second), 8*time.Second
		}
		require.Equal(t, start, at[0].At)
		require.InDelta(t, gap, at[1].At.Sub(at[0].At), 1)
	}
	require.Equal(t, []string{"warm-function", "cold-function-0", "cold-function-1", "cold-function-2", "cold-function-3"}, names)
	require.Equal(t, "warm-function", d.Functions[0].Group)
	require.Equal(t, "cold-function", d.Functions[3].Group)
	require.Equal(t, 240, total, "2/s over 2 min")
}

func TestRPSModeOfAMeasuredFunction(t *testing.T) {
	t.Parallel()
	read := func(keys string) *scenario.Demand {
		s, err := scenario.Reader{Catalog: catalog(t)}.Parse("x.yaml", []byte(rps(keys, "keep-alive: 1s")+"fidelity: {platform: skylake-x86}\n"))
		require.NoError(t, err)
		require.True(t, s.Measures())
		return demand(t, s)
	}
	d := read("rate: 1/s, cold-share: 100%, cooldown: 10s, function: auth-go, input: deny")
	require.Len(t, d.Functions, 10, "no warm one is left")
	for _, f := range d.Functions {
		require.Equal(t, "auth-go", f.Measured)
		require.Equal(t, "deny", f.Input)
		require.Nil(t, f.Service)
		require.Positive(t, f.Memory, "the catalog's")
	}
	d = read("rate: 1/s, function: auth-go")
	require.Len(t, d.Functions, 1)
	require.Equal(t, "default", d.Functions[0].Input)
	require.False(t, parse(t, rps("rate: 1/s, "+given, "")).Measures())
}

// Whatever the mode's numbers, a rate over a time is a number of invocations, and no
// cold function is invoked before it is cold.
func TestRPSModeKeepsRateAndCooldown(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		rate := rapid.Float64Range(.1, 40).Draw(rt, "rate")
		cold := rapid.Float64Range(0, 1).Draw(rt, "cold")
		cooldown := time.Duration(rapid.Int64Range(1e6, 5e10).Draw(rt, "cooldown"))
		d := demand(t, parse(t, rps(fmt.Sprintf("rate: %v/s, cold-share: %v, cooldown: %v, %s", rate, cold, cooldown, given), "")))
		total, byGroup := 0, map[string]int{}
		for _, f := range d.Functions {
			at := arrivals(f.Arrivals.Stream(1), 1e6)
			total += len(at)
			byGroup[f.Group] += len(at)
			for i := range at {
				require.Less(rt, at[i].At, d.Horizon)
				if i > 0 && f.Group == "cold-function" {
					require.GreaterOrEqual(rt, at[i].At.Sub(at[i-1].At), cooldown-2)
				}
			}
		}
		require.InDelta(rt, rate*120, total, 2)
		require.InDelta(rt, rate*120*cold, byGroup["cold-function"], 1)
	})
}

// A share that is varied needs no other key to change.
func TestRPSModeUnderLevels(t *testing.T) {
	t.Parallel()
	s := parse(t, rps("rate: 2/s, cold-share: 5%, cooldown: 30s, "+given, "")+"factors: [{name: cold, set: workload.rps.cold-share, levels: [0%, 5%, 100%]}]\n")
	variants, err := s.Variants()
	require.NoError(t, err)
	var functions []int
	for _, v := range variants {
		functions = append(functions, len(demand(t, v.Scenario).Functions))
	}
	require.Equal(t, []int{1, 1 + 3, 60}, functions)

	_, err = s.Override(scenario.Setting{Path: "workload.rps.cooldown", Value: "1e6h"})
	require.ErrorContains(t, err, "workload.rps.cooldown")
	again, err := scenario.Parse("folder/minimal.yaml", s.Canonical())
	require.NoError(t, err)
	require.Equal(t, string(s.Canonical()), string(again.Canonical()))
}

func TestColdFunctionsThatWouldStayWarmAreTold(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct{ cluster, says string }{
		"the default keep-alive":    {"", "cluster.keep-alive, 10m0s, is no less than the 8 s between two invocations of a cold function of workload.rps"},
		"one that never ends":       {"keep-alive: unlimited", "cluster.keep-alive, unlimited,"},
		"one as long as the gap":    {"keep-alive: 8s", "cluster.keep-alive, 8s,"},
		"one that is shorter":       {"keep-alive: 7.999s", ""},
		"one that learns":           {"keep-alive: hybrid-histogram", ""},
		"sandboxes that stay":       {"keep-alive: 1s, scaling: {min: 1}", "cluster.scaling keeps sandboxes of every function"},
		"a fixed number":            {"keep-alive: 1s, scaling: {kind: fixed, sandboxes: 2}", "cluster.scaling keeps sandboxes"},
		"Knative decides by itself": {"controlplane: knative", ""},
	} {
		d := demand(t, parse(t, rps("rate: 2/s, cold-share: 25%, cooldown: 8s, "+given, c.cluster)))
		if c.says == "" {
			require.Empty(t, d.Warnings, situation)
			continue
		}
		require.Len(t, d.Warnings, 1, situation)
		require.Contains(t, d.Warnings[0], c.says, situation)
	}
	require.Empty(t, demand(t, parse(t, rps("rate: 2/s, "+given, ""))).Warnings, "none is to be cold")
}

func TestEveryMistakeOfRPSModeIsNamed(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		keys string
		says []string // all of them
	}{
		"nothing":               {"", []string{"workload.rps: want either function (of the catalog) or service (a given law)", "workload.rps.rate: the key is missing: add rate: a rate such as 100/s or 5/min"}},
		"no unit":               {"rate: 5, " + given, []string{"workload.rps.rate: 5 lacks the unit of a rate: write 5/s, 5/min or 5/h"}},
		"no cool-down":          {"rate: 5/s, cold-share: 1%, " + given, []string{"workload.rps.cooldown: the key is missing: add cooldown: after which time a function is cold again, such as 60s"}},
		"In-Vitro's names":      {"rate: 5/s, " + given + ", RpsTarget: 3, cooldwn: 3s", []string{"workload.rps.RpsTarget: unknown key", `workload.rps.cooldwn: unknown key: did you mean "cooldown"?`}},
		"a share beyond all":    {"rate: 5/s, cold-share: 20, cooldown: 1s, " + given, []string{"workload.rps.cold-share: 20 is out of range: want from 0% to 100%"}},
		"no rate":               {"rate: 0/s, cold-share: 20%, cooldown: 1s, " + given, []string{"workload.rps.rate: is 0; want invocations per second, above 0 and at most 1e+09"}},
		"too many functions":    {"rate: 1000000/s, cold-share: 20%, cooldown: 1h, " + given, []string{"workload.rps.cooldown: needs 720000000 cold functions (rate × cold share × cooldown); want at most 1000000"}},
		"two origins of time":   {"rate: 5/s, function: auth-go, " + given, []string{"workload.rps: want either function (of the catalog) or service (a given law)"}},
		"input of a given law":  {"rate: 5/s, input: deny, " + given, []string{"workload.rps.input: contradicts service: a given law uses no measurement; remove one of the two"}},
		"an unknown function":   {"rate: 5/s, function: auth-goo", []string{"workload.rps.function: ", "fidelity.platform: the key is missing: workload.rps needs measured service times"}},
		"an unknown input":      {"rate: 5/s, function: auth-go, input: denied", []string{"workload.rps.input: ", "fidelity.platform"}},
		"memory of no node":     {"rate: 5/s, memory: 2GiB, " + given, []string{"workload.rps.memory: fits on no node: the largest has 1GiB"}},
		"a law that is none":    {"rate: 5/s, service: {law: erlang, mean: 1s}", []string{"workload.rps.service.phases: the key is missing"}},
		"several at once":       {"rate: 5, cold-share: 200%, memory: 2, service: {law: gamma, mean: 1s}", []string{"workload.rps.rate", "workload.rps.cold-share", "workload.rps.memory", "workload.rps.service.law"}},
		"a word for the mode":   {"rate", []string{"workload.rps.rate: is empty"}},
		"a rate beyond measure": {"rate: 1e10/s, " + given, []string{"workload.rps.rate: is 1e+10; want"}},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			_, err := scenario.Reader{Catalog: catalog(t)}.Parse("x.yaml", []byte(rps(c.keys, "")))
			var mistakes *scenario.Mistakes
			require.ErrorAs(t, err, &mistakes)
			for _, says := range c.says {
				require.ErrorContains(t, err, says)
			}
			if situation != "a word for the mode" {
				require.Len(t, mistakes.List, len(c.says), "%v", err)
			}
			for _, m := range mistakes.List {
				if strings.HasPrefix(m.Key, "workload.rps.") {
					require.Equal(t, 4, m.Line)
				}
			}
		})
	}
	_, err := scenario.Parse("x.yaml", []byte("cluster: {nodes: [{cores: 2}]}\nworkload: {rps: {rate: 5/s, "+given+"}}\n"))
	require.ErrorContains(t, err, "workload.duration: the key is missing")
}

// The mode's functions have names that others cannot take.
func TestNamesOfRPSModeAreTaken(t *testing.T) {
	t.Parallel()
	text := func(name, copies string) []byte {
		return []byte(rps("rate: 2/s, cold-share: 25%, cooldown: 8s, "+given, "") +
			"  functions: [{name: " + name + ", copies: " + copies + ", arrivals: {process: poisson, rate: 5/s}, " + given + "}]\n")
	}
	for name, says := range map[string]string{
		"warm-function, 1":   `x.yaml:5:22: workload.functions[0].name: workload.rps is called "warm-function" too`,
		"cold-function, 2":   `workload.functions[0].name: workload.rps is called "cold-function" too`,
		"cold-function-3, 1": `workload.functions[0].name: a copy of workload.rps is called "cold-function-3" too`,
		"cold-function-4, 1": "",
		"cold-function, 1":   "",
		"warm-function, 2":   "",
	} {
		name, copies, _ := strings.Cut(name, ", ")
		_, err := scenario.Parse("x.yaml", text(name, copies))
		if says == "" {
			require.NoError(t, err, name)
			continue
		}
		require.ErrorContains(t, err, says)
	}

	s, err := scenario.Parse("tiny.yaml", []byte("cluster: {nodes: [{cores: 1}], keep-alive: 1s}\nworkload:\n  trace: {format: azure2021, path: testdata/tiny.csv}\n  rps: {rate: 10/s, cold-share: 10%, cooldown: 2s, "+given+"}\n"))
	require.NoError(t, err)
	d := demand(t, s)
	require.Len(t, d.Functions, 2+3, "beside a trace")
	require.True(t, d.Terminating)
}

// Where pods may ask to be near others, the mode's functions can be named.
func TestPodsNearFunctionsOfRPSMode(t *testing.T) {
	t.Parallel()
	text := func(name string) []byte {
		return []byte(rps("rate: 2/s, cold-share: 25%, cooldown: 8s, "+given,
			"orchestrator: kubernetes, kubernetes: {pod: {pod-affinity: [{functions: ["+name+"], topology: kubernetes.io/hostname}]}}, keep-alive: 1s"))
	}
	for _, name := range []string{"warm-function", "cold-function", "cold-function-3"} {
		_, err := scenario.Parse("x.yaml", text(name))
		require.NoError(t, err, name)
	}
	_, err := scenario.Parse("x.yaml", text("cold-function-4"))
	require.ErrorContains(t, err, `there is no function "cold-function-4"`)
}
