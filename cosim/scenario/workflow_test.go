package scenario_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/scenario"
)

const flowHead = "cluster: {nodes: [{cores: 1}]}\nworkload:\n  duration: 10s\n  workflows:\n"

func TestWorkflowsBecomeFunctions(t *testing.T) {
	t.Parallel()
	s, err := scenario.Parse("w.yaml", []byte(flowHead+`    - name: w
      arrivals: {process: poisson, rate: 2/s}
      latency: 1ms
      bandwidth: 1MB/s
      steps:
        - {name: a, service: {law: exponential, mean: 1s}, memory: 64MiB, branch: one, next: [{to: b, probability: 25%, payload: 1.5kB}, {to: f, probability: 75%}]}
        - {name: b, service: {law: exponential, mean: 1s}}
        - {name: f}
    - name: g
      arrivals: {process: constant, rate: 1/s}
      generate: {width: 2, depth: 2, join: true, payload: 1KiB, service: {law: exponential, mean: 1s}}
  functions:
    - {name: f, arrivals: {process: constant, rate: 3/s}, service: {law: exponential, mean: 1s}}
`))
	require.NoError(t, err)
	d, err := s.Demand()
	require.NoError(t, err)
	var names []string
	for _, f := range d.Functions {
		names = append(names, f.Name)
	}
	require.Equal(t, []string{"f", "w.a", "w.b", "g.f0", "g.f1", "g.f2", "g.f3", "g.f4"}, names)
	require.Nil(t, d.Functions[1].Arrivals)
	require.Equal(t, scenario.MiB(64), d.Functions[1].Memory)
	require.InDelta(t, 20, d.Functions[1].ExpectedInvocations, 1e-9)
	require.InDelta(t, 5, d.Functions[2].ExpectedInvocations, 1e-9, "a quarter of the flows")
	require.InDelta(t, 30+15, d.Functions[0].ExpectedInvocations, .1, "its own and those of the workflow")
	require.Equal(t, int64(1500), d.Flows[0].Graph.Steps[0].Next[0].Payload)
	require.Equal(t, 0, d.Flows[0].Graph.Steps[2].Function)
	require.Len(t, d.Flows[1].Graph.Steps, 5)
	require.False(t, d.Terminating)

	again, err := scenario.Parse("w.yaml", s.Canonical())
	require.NoError(t, err, "%s", s.Canonical())
	require.Equal(t, string(s.Canonical()), string(again.Canonical()))
}

func TestNoserversFilesInAScenario(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
		return file
	}
	write("dag.json", `{"StartAt": ["F0"], "Functions": {"F0": {"Next": ["F1"], "DurationMilli": [1000], "MemoryMib": [170]}, "F1": {"Next": [], "DurationMilli": [5], "MemoryMib": [170]}}}`)
	write("calls.csv", "timestamp,dag_name,num_invocations\n0,test,1\n500,test,2\n")
	s, err := scenario.Load(write("s.yaml", flowHead+"    - {name: w, file: dag.json, invocations: calls.csv}\n"))
	require.NoError(t, err)
	d, err := s.Demand()
	require.NoError(t, err)
	require.True(t, d.Terminating, "recorded invocations end by themselves")
	require.True(t, d.Functions[0].Traced)
	require.Equal(t, scenario.MiB(170), d.Functions[0].Memory)
	require.InDelta(t, 3, d.Flows[0].ExpectedFlows, 0)
	files, err := s.Files()
	require.NoError(t, err)
	require.Len(t, files, 2, "both count for the result's identity")
	stream := d.Flows[0].Arrivals.Stream(1)
	for range 3 {
		_, ok := stream.Next()
		require.True(t, ok)
	}
	_, ok := stream.Next()
	require.False(t, ok)

	write("dag.json", "{\"Functions\": {\n\"F0\": {\"Next\": [\"F0\"], \"DurationMilli\": [1]}}}")
	write("calls.csv", "timestamp,dag_name,num_invocations\n0,a,1\n1,b,1\n")
	_, err = scenario.Load(filepath.Join(dir, "s.yaml"))
	require.ErrorContains(t, err, "dag.json:2: F0: it is reached again from itself: F0 → F0")
	require.ErrorContains(t, err, `invokes 2 workflows, but none called "w"`)
}

func TestEveryMistakeOfAWorkflowIsNamed(t *testing.T) {
	t.Parallel()
	_, err := scenario.Parse("w.yaml", []byte(flowHead+`    - name: cycle
      arrivals: {process: poisson, rate: 2/s}
      steps:
        - {name: a, service: {law: exponential, mean: 1s}, next: [{to: b}]}
        - {name: b, service: {law: exponential, mean: 1s}, next: [{to: a}]}
    - name: payload
      arrivals: {process: poisson, rate: 2/s}
      latency: 5
      bandwidth: 10
      steps:
        - {name: a, service: {law: exponential, mean: 1s}, next: [{to: b, payload: 64, probability: 120%}, {to: c}]}
        - {name: b, service: {law: exponential, mean: 1s}, branch: some}
    - name: nothing
    - name: both
      arrivals: {process: poisson, rate: 2/s}
      file: none.json
      generate: {width: 0, depth: 1, service: {law: exponential, mean: 1s}}
    - name: both
      arrivals: {process: poisson, rate: 2/s}
      steps: [{name: a, service: {law: exponential, mean: 1s}, branch: one, next: [{to: b, probability: 10%}]}, {name: b, function: x, service: {law: exponential, mean: 1s}}]
`))
	require.Error(t, err)
	for _, want := range []string{
		"w.yaml:8:18: workload.workflows[0].steps[0].name: it is reached again from itself: a → b → a",
		"w.yaml:12:16: ", "5 lacks the unit of a duration",
		"w.yaml:13:18: ", `"10" is no bandwidth`,
		"w.yaml:15:84: ", "64 lacks the unit of a payload: write 64B, 64KiB or 64MB",
		"w.yaml:15:101: ", "120% is out of range", "w.yaml:15:113: ", `there is no step "c"`, "w.yaml:16:",
		"want one of steps, file and generate, not 0 of them",
		"want one of steps, file and generate, not 2 of them",
		"workload.workflows[3] is called \"both\" too",
		"contradicts service",
	} {
		require.ErrorContains(t, err, want)
	}
}
