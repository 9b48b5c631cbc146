package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const wrongScenario = `
cluster:
  nodes: [{cores: 0}]
workload:
  duration: 10s
  functions:
    - {name: f, arrivals: {process: poisson, rate: -1/s}, service: {law: exponential, mean: 1s}}
`

// TestEveryMistakeOfACommandLineIsNamedAtOnce: exit status 2 where the caller is
// wrong and 1 where the world is, nothing on standard output, and no file touched.
func TestEveryMistakeOfACommandLineIsNamedAtOnce(t *testing.T) {
	workplace(t, map[string]string{
		"good.yaml": theory, "bad.yaml": wrongScenario, "worse.yaml": "workload: {}\n", "foreign.json": `{"name": "not ours"}`,
		"out/report.html": "mine", "out/report.csv": "mine", "report.md": "mine", "note.csv": "hello,world\n",
		"walk.jsonl": `{"settings": {"stable-window": "5s", "target-burst": "1"}}` + "\n",
	})
	cosim(t, exitOK, "run", "good.yaml", "--manifest", "m.json", "--out", "ours")
	before := tree(t)
	for _, c := range []struct {
		line string
		code int
		says []string
	}{
		{"run bad.yaml", 2, []string{"bad.yaml:3:", "bad.yaml:7:", "2 mistakes"}},
		{"run absent.yaml", 1, []string{"read scenario: open absent.yaml"}},
		{"run good.yaml --set seed --set x=1 --set nonsense", 2, []string{"--set seed: want KEY=VALUE", "--set nonsense: want KEY=VALUE"}},
		{"run good.yaml --set x=1 --set seed=y --set fidelity.replications=-1", 2, []string{"x", "seed", "replications", "3 mistakes"}},
		{"run good.yaml --plan --budget 3s", 2, []string{"--plan and --budget go with --precision"}},
		{"run good.yaml --precision p99 --budget -1s", 2, []string{`--precision "p99"`, "--budget -1s"}},
		{"run good.yaml --precision p99:5% --out out", 2, []string{"set execution.source: ahead", "out/report.html exists", "out/report.csv exists"}},
		{"run good.yaml --out out --manifest foreign.json", 1, []string{"out/report.html exists", "out/report.csv exists", "foreign.json exists and is no manifest"}},
		{"run good.yaml --out good.yaml --manifest nowhere/m.json", 1, []string{"good.yaml is not a directory", "create that folder first"}},
		{"run good.yaml --iat out", 1, []string{"empty or does not exist"}},
		{"run m.json --seed 1 --plan --precision p99:1% --backend host", 2, []string{"without --seed", "without --plan", "without --precision", "without --backend"}},
		{"run m.json --out out", 1, []string{"out/report.html exists", "out/report.csv exists"}},
		{"run foreign.json", 2, []string{"foreign.json is no manifest"}},
		{"run good.yaml --budget soon", 2, []string{"budget"}},
		{"sample --conditions hot,lukewarm:-1 -n 0 --deadline -1s --slots -2", 2, []string{`"hot"`, `"lukewarm:-1"`, "-n 0", "--deadline -1s", "--slots -2"}},
		{"sample --backend nowhere", 2, []string{`back end "nowhere": want host, gem5, or the path of a plugin`}},
		{"sample --override l2.size", 2, []string{"l2.size"}},
		{"sample", 1, []string{"no installed functions in", "--functions-dir"}},
		{"sample --verify recorded -n 1", 2, []string{"a test needs at least two samples"}},
		{"compare bad.yaml worse.yaml --margin 2", 2, []string{"--margin 2", "bad.yaml:3:", "worse.yaml:1"}},
		{"compare absent.json foreign.json", 2, []string{"read result: open absent.json", "foreign.json: result has schema"}},
		{"compare ours/result.json ours/result.json --seed 3 --replications 9", 2, []string{"ours/result.json is the result of a run that is over: --seed changes nothing of it", "--replications changes nothing"}},
		{"compare good.yaml", 2, []string{"cosim compare --help"}},
		{"report foreign.json", 1, []string{"foreign.json: result has schema"}},
		{"report out", 1, []string{"out/result.json"}},
		{"store list --condition hot", 2, []string{`"hot"`}},
		{"store list --own --collection recorded --condition hot", 2, []string{"--own and --collection recorded exclude each other", `"hot"`}},
		{"store merge absent.db missing.db", 1, []string{"absent.db", "missing.db"}},
		{"store import note.csv absent.csv", 1, []string{"note.csv:", "absent.csv"}},
		{"store export exported --function nobody", 1, []string{"holds no samples like that"}},
		{"store gc --keep-stack", 2, []string{"keep-stack"}},
		{"store slowdown warm", 2, []string{"cosim store slowdown --help"}},
		{"jobs --all --follow x", 2, []string{"ask one"}},
		{"jobs --follow x --release y", 2, []string{"ask one"}},
		{"kill absent missing", 1, []string{`"absent"`, `"missing"`}},
		{"kill --stuck absent", 2, []string{"either ids"}},
		{"autoscale walk.jsonl absent.jsonl", 2, []string{"stable-window", "target-burst", "read walk: open absent.jsonl"}},
		{"images list --staged nowhere", 1, []string{"nowhere"}},
		{"images pack fibonacci-goo", 2, []string{"did you mean fibonacci-go"}},
		{"images pack fibonacci-go --isa vax,mips", 2, []string{`vax`, `mips`}},
		{"images import note.csv good.yaml bad.yaml", 2, []string{"note.csv", "good.yaml and bad.yaml are both compose files"}},
		{"images import note.csv --isa vax", 2, []string{"vax"}},
		{"reality --functions aes-go,aes-go --utilization much,0% --rounds 1 -n 0 --out report.md", 2,
			[]string{`--utilization "much"`, "aes-go is named twice", "utilization 0: want", "1 rounds: want 3", "-n 0", "report.md exists and is no report of cosim reality"}},
		{"reality --out nowhere/report.md", 1, []string{"create that folder first"}},
		{"doctor now", 2, []string{"cosim doctor --help"}},
		{"version 2", 2, []string{"cosim version --help"}},
		{"bridge nonsense", 2, []string{`unknown command "nonsense" for cosim bridge`}},
		{"completion klingon", 2, []string{`unknown command "klingon" for cosim completion`}},
		{"completion fsh", 2, []string{"did you mean bash or fish or zsh?"}},
		{"--stor x version", 2, []string{"stor"}},
	} {
		t.Run(c.line, func(t *testing.T) {
			out, errs := cosim(t, c.code, strings.Fields(c.line)...)
			for _, says := range c.says {
				require.Contains(t, errs, says)
			}
			require.Empty(t, out)
			require.Equal(t, before, tree(t), "nothing is made, changed or removed")
		})
	}
}

// TestMistakesInJSON: what a program reads has the place of every mistake.
func TestMistakesInJSON(t *testing.T) {
	workplace(t, map[string]string{"bad.yaml": wrongScenario})
	out, errs := cosim(t, exitUsage, "run", "bad.yaml", "--json")
	var got struct {
		Mistakes []struct {
			File    string `json:"file"`
			Line    int    `json:"line"`
			Message string `json:"message"`
		} `json:"mistakes"`
	}
	require.NoError(t, json.Unmarshal([]byte(out), &got), out)
	require.Len(t, got.Mistakes, 2)
	require.Equal(t, 3, got.Mistakes[0].Line)
	require.Equal(t, 7, got.Mistakes[1].Line)
	require.Contains(t, errs, "bad.yaml:3:", "people read them all the same")
}

// TestMistakesOfTwoScenariosInJSON: a comparison tells what is wrong with both.
func TestMistakesOfTwoScenariosInJSON(t *testing.T) {
	workplace(t, map[string]string{"bad.yaml": wrongScenario, "worse.yaml": "workload: {}\n", "good.yaml": theory})
	for line, want := range map[string]map[string]int{
		"compare bad.yaml worse.yaml --json":            {"bad.yaml": 2, "worse.yaml": 3},
		"compare worse.yaml bad.yaml --margin 2 --json": {"bad.yaml": 2, "worse.yaml": 3},
		"compare good.yaml bad.yaml --json":             {"bad.yaml": 2},
	} {
		out, _ := cosim(t, exitUsage, strings.Fields(line)...)
		var got struct {
			Mistakes []struct {
				File string `json:"file"`
			} `json:"mistakes"`
		}
		require.NoError(t, json.Unmarshal([]byte(out), &got), out)
		files := map[string]int{}
		for _, m := range got.Mistakes {
			files[m.File]++
		}
		require.Equal(t, want, files, line)
	}
}

// TestAScenarioThatNothingAnswersNamesTheCommand, and writes no report.
func TestAScenarioThatNothingAnswersNamesTheCommand(t *testing.T) {
	workplace(t, map[string]string{"board.yaml": onBoard})
	out, errs := cosim(t, exitFailed, "run", "board.yaml", "--out", "out", "--manifest", "m.json")
	require.Contains(t, errs, "cosim sample --platform board-7 --functions fibonacci-go")
	require.Empty(t, out)
	require.Equal(t, map[string]string{"board.yaml": onBoard}, tree(t))
}
