package scenario_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/controlplane/scaling"
	"microcosm/cosim/scenario"
)

const knativeScenario = `
cluster:
  nodes: [{cores: 4}]
  concurrency: 5
  controlplane: knative
  knative: {config-map: map.yaml, service: service.yaml, stable-window: 30s, target-burst-capacity: 10}
workload:
  duration: 100s
  functions:
    - {name: f, arrivals: {process: poisson, rate: 1/s}, service: {law: exponential, mean: 1s}}
`

// written puts files into a folder and parses the first as a scenario.
func written(t *testing.T, files map[string]string) (*scenario.Scenario, error) {
	folder := t.TempDir()
	for name, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644))
	}
	s, err := scenario.Load(filepath.Join(folder, "s.yaml"))
	if err != nil {
		return nil, err
	}
	return s, nil
}

func TestKnativeReadsConfigMapAndService(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"s.yaml": knativeScenario,
		"map.yaml": `apiVersion: v1
kind: ConfigMap
metadata: {name: config-autoscaler}
data:
  _example: |
    stable-window: "1s"
  stable-window: "90s"
  panic-window-percentage: "20"
`,
		"service.yaml": `apiVersion: serving.knative.dev/v1
kind: Service
spec:
  template:
    metadata:
      annotations:
        autoscaling.knative.dev/min-scale: "2"
        autoscaling.knative.dev/target: "3"
        prometheus.io/port: "9090"
    spec: {containers: [{image: x}]}
`,
	}
	s, err := written(t, files)
	require.NoError(t, err)
	spec, err := s.Cluster.Knative.Revision(5)
	require.NoError(t, err)
	require.Equal(t, 30*time.Second, spec.StableWindow, "the scenario's own key wins over the file")
	require.Equal(t, 6*time.Second, spec.PanicWindow, "20 % of it, from the file")
	require.Equal(t, 10.0, spec.TargetBurstCapacity)
	require.EqualValues(t, 2, spec.MinScale)
	require.Equal(t, 3.0, spec.Total)
	require.Equal(t, 5, spec.ContainerConcurrency, "the function's own")

	files["s.yaml"] = string(s.Canonical())
	again, err := written(t, files)
	require.NoError(t, err)
	require.Equal(t, files["s.yaml"], string(again.Canonical()), "the normal form is a scenario too")
	before, err := s.Identity()
	require.NoError(t, err)
	files["map.yaml"] = strings.Replace(files["map.yaml"], `"20"`, `"21"`, 1)
	other, err := written(t, files)
	require.NoError(t, err)
	after, err := other.Identity()
	require.NoError(t, err)
	require.NotEqual(t, before, after, "what the ConfigMap says is part of the identity")

	files["service.yaml"] += "      containerConcurrency: 0\n"
	files["service.yaml"] = strings.Replace(files["service.yaml"], "    spec: {containers: [{image: x}]}\n", "    spec:\n      containers: [{image: x}]\n", 1)
	s, err = written(t, files)
	require.NoError(t, err)
	spec, err = s.Cluster.Knative.Revision(5)
	require.NoError(t, err)
	require.Zero(t, spec.ContainerConcurrency, "without a limit, as the Service says")
}

func TestEveryMistakeInKnativesFilesHasItsLine(t *testing.T) {
	t.Parallel()
	_, err := written(t, map[string]string{
		"s.yaml": strings.Replace(knativeScenario, "stable-window: 30s", "stable-window: 5s, max-scale: -1", 1) + "",
		"map.yaml": `kind: ConfigMap
data:
  max-scale-up-rate: "1"
  panic-window-percentage: 10
  stable_window: "60s"
`,
		"service.yaml": `kind: Service
spec:
  template:
    metadata:
      annotations:
        autoscaling.knative.dev/target: "none"
        autoscaling.knative.dev/minimum: "1"
    spec:
      containerConcurrency: 2000
`,
	})
	var mistakes *scenario.Mistakes
	require.ErrorAs(t, err, &mistakes)
	text := err.Error()
	for _, says := range []string{
		"s.yaml:6:", "cluster.knative.stable-window: 5s: want whole seconds", "cluster.knative.max-scale: -1 must not be negative",
		"map.yaml:3:", "1: want more than 1",
		"map.yaml:4:", `Kubernetes wants a text here: write "10", in quotes`,
		"map.yaml:5:", "is no setting of the autoscaler",
		"service.yaml:6:", `"none" is no value: want a number`,
		"service.yaml:7:", "is no annotation of the autoscaler",
		"service.yaml:9:", "want 0, for no limit, to 1000",
	} {
		require.Contains(t, text, says)
	}
	require.Len(t, mistakes.List, 8)
}

func TestKnativeNeedsItsFilesAndLeavesNothingToOthers(t *testing.T) {
	t.Parallel()
	_, err := written(t, map[string]string{
		"s.yaml":   strings.Replace(knativeScenario, "  concurrency: 5\n", "  keep-alive: 1m\n  scaling: {kind: fixed, sandboxes: 2}\n  hedging: {policy: fixed, delay: 1s}\n", 1),
		"map.yaml": "kind: Secret\n",
	})
	for _, says := range []string{"keep-alive: is decided by Knative", "scaling: is decided by Knative", "hedging: is decided by Knative", "there is no file", "want a Kubernetes object with kind: ConfigMap"} {
		require.ErrorContains(t, err, says)
	}
	_, err = written(t, map[string]string{"s.yaml": strings.Replace(knativeScenario, "  controlplane: knative\n", "", 1)})
	require.ErrorContains(t, err, "goes with controlplane: knative only")
	_, err = written(t, map[string]string{"s.yaml": strings.Replace(knativeScenario, "controlplane: knative", "controlplane: kubernetes", 1)})
	require.ErrorContains(t, err, "controlplane")
}

func TestTheHPARemembersForFiveMinutesUnlessTold(t *testing.T) {
	t.Parallel()
	for written, want := range map[string]time.Duration{"": 5 * time.Minute, ", stabilization: 90s": 90 * time.Second, ", stabilization: 0s": scaling.None} {
		s, err := scenario.Parse("s.yaml", []byte(strings.Replace(knativeScenario, "{config-map: map.yaml, service: service.yaml, stable-window: 30s, target-burst-capacity: 10}",
			"{autoscaler: {kind: hpa"+written+"}}", 1)))
		require.NoError(t, err)
		require.Equal(t, want, s.Cluster.Knative.Autoscaler.Options().Stabilization, written)
	}
	_, err := scenario.Parse("s.yaml", []byte(strings.Replace(knativeScenario, "{config-map: map.yaml, service: service.yaml, stable-window: 30s, target-burst-capacity: 10}",
		"{autoscaler: {kind: rps, stabilization: 1m}}", 1)))
	require.ErrorContains(t, err, "stabilization")
}
