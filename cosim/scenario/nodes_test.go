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
	"microcosm/cosim/scenario"
	"microcosm/cosim/servicetime"
)

// machines is a scenario of these nodes and of more of the cluster's keys.
func machines(nodes, more string) string {
	return "cluster:\n  nodes: [" + nodes + "]\n" + more + `
workload:
  duration: 10m
  functions:
    - {name: jobs, arrivals: {process: poisson, rate: 5/s}, service: {law: exponential, mean: 10ms}}
`
}

func TestGroupsBecomeNodes(t *testing.T) {
	t.Parallel()
	s, err := written(t, map[string]string{
		"s.yaml": machines("{cores: 2}, {name: big, count: 3, cores: 8, memory: 16GiB, platform: neoverse-n1, core-schedule: cores.csv, stagger: 90s, notice: 5s, repair: 1m},"+
			"{name: spot, cores: 1, lifetime: {law: erlang, mean: 1h, phases: 3}, fail-at: 7m}, {name: old, cores: 4, survival: lives.csv}", "") + "fidelity: {platform: skylake-x86}\n",
		"cores.csv": "seconds,cores\n60,8\n30.5,0\n",
		"lives.csv": "seconds,survival\n0,1\n100,0.25\n",
	})
	require.NoError(t, err)
	nodes, err := s.Nodes()
	require.NoError(t, err)
	require.Len(t, nodes, 6)
	require.Equal(t, cluster.NodeConfig{Name: "node-0", Cores: 2, Platform: "skylake-x86", Reliability: cluster.Reliability{Repair: cluster.Unlimited}}, nodes[0])
	for i := range 3 {
		n := nodes[1+i]
		require.Equal(t, fmt.Sprint("big-", i), n.Name)
		require.Equal(t, 8, n.Cores)
		require.Equal(t, 16<<10, n.MemoryMiB)
		require.Equal(t, "neoverse-n1", n.Platform, "its own wins over the fidelity's")
		require.Equal(t, cluster.CoreSchedule{Steps: []cluster.CoreStep{{For: time.Minute, Cores: 8}, {For: 30500 * time.Millisecond}}, Offset: time.Duration(i) * 90 * time.Second}, n.Schedule)
		require.Equal(t, 5*time.Second, n.Notice)
		require.Equal(t, time.Minute, n.Repair)
		require.Nil(t, n.Lifetime)
	}
	require.Equal(t, []time.Duration{7 * time.Minute}, nodes[4].FailAt)
	want, err := servicetime.Description{Law: "erlang", Mean: time.Hour, Phases: 3}.Distribution()
	require.NoError(t, err)
	require.Equal(t, want, nodes[4].Lifetime)
	require.InDelta(t, 100, nodes[5].Lifetime.Quantile(.75).Seconds(), 1e-6, "a quarter lives longer")
}

// A node takes any number of sandboxes unless somebody says how many, and under
// Knative as many as a kubelet; Kubernetes' own kubelets say so themselves.
func TestNodesTakeSoManySandboxes(t *testing.T) {
	t.Parallel()
	const kubernetes = "  orchestrator: kubernetes\n  kubernetes: {images: [{name: x, layers: [{name: y, size: 1MiB}]}], pod: {image: x}}\n"
	for want, text := range map[int][]string{
		0:   {machines("{cores: 2}", ""), machines("{cores: 2}", "  controlplane: knative\n"+kubernetes)},
		110: {machines("{cores: 2}", "  controlplane: knative\n")},
		7:   {machines("{cores: 2, max-sandboxes: 7}", ""), machines("{cores: 2, max-sandboxes: 7}", "  controlplane: knative\n")},
	} {
		for _, one := range text {
			s, err := scenario.Parse("s.yaml", []byte(one))
			require.NoError(t, err)
			nodes, err := s.Nodes()
			require.NoError(t, err)
			require.Equal(t, want, nodes[0].MaxSandboxes, one)
		}
	}
}

func TestInVitrosFailureFindsItsNode(t *testing.T) {
	t.Parallel()
	read := func(failure string) ([]cluster.NodeConfig, error) {
		s, err := written(t, map[string]string{
			"s.yaml":       machines("{name: worker, count: 2, cores: 2, fail-at: 1m}", "  failure: failure.json"),
			"failure.json": failure,
		})
		require.NoError(t, err)
		return s.Nodes()
	}
	nodes, err := read(`{"FailureEnabled": true, "FailAt": 90.5, "FailComponent": "worker_node", "FailNode": "worker-1"}`)
	require.NoError(t, err)
	require.Equal(t, []time.Duration{time.Minute}, nodes[0].FailAt)
	require.Equal(t, []time.Duration{time.Minute, 90500 * time.Millisecond}, nodes[1].FailAt, "beside its own")
	nodes, err = read(`{"FailureEnabled": false, "FailAt": 90, "FailComponent": "data_plane", "FailNode": "nobody"}`)
	require.NoError(t, err)
	require.Equal(t, []time.Duration{time.Minute}, nodes[1].FailAt, "it is turned off")
	_, err = read(`{"FailureEnabled": true, "FailAt": 90, "FailComponent": "worker_node", "FailNode": "worker-2"}`)
	require.ErrorContains(t, err, "failure.json: there is no node worker-2: nodes are called by their group's name and a number, such as worker-0")
	_, err = read(`{"FailureEnabled": true, "FailAt": -1, "FailComponent": "data_plane"}`)
	for _, says := range []string{`FailComponent "data_plane" is not simulated`, "FailNode is empty", "FailAt is -1"} {
		require.ErrorContains(t, err, says)
	}
}

// Mistakes in the files of several groups are told together, with their lines.
func TestMistakesInFilesOfNodes(t *testing.T) {
	t.Parallel()
	s, err := written(t, map[string]string{
		"s.yaml":    machines("{name: a, cores: 2, core-schedule: many.csv}, {name: b, cores: 2, survival: rise.csv}, {name: c, cores: 2, core-schedule: half.csv}", ""),
		"many.csv":  "seconds,cores\n60,2\n60,3\n",
		"rise.csv":  "seconds,survival\n10,0.5\n20,0.6\n5,0.1\n",
		"half.csv":  "seconds,cores\n60,1.5\n",
		"other.csv": "",
	})
	require.NoError(t, err)
	_, err = s.Nodes()
	for _, says := range []string{
		"read cluster.nodes[0]: ", "many.csv: has up to 3 cores, but the nodes have 2: raise cores",
		"read cluster.nodes[1]: ", "rise.csv:3: a survival of 0.6 follows 0.5: nobody comes back to life", "rise.csv:4: 5 seconds follow 10: want ascending times",
		"read cluster.nodes[2]: ", "half.csv:2: 1.5 cores: want a whole number from 0 to 1024",
	} {
		require.ErrorContains(t, err, says)
	}
}

// A file that goes away between reading the scenario and running it is missed by name.
func TestFilesThatGoAway(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for name, text := range map[string]string{
		"s.yaml":    machines("{cores: 2, core-schedule: cores.csv}, {name: b, cores: 1, survival: lives.csv}", "  failure: failure.json"),
		"cores.csv": "seconds,cores\n60,1\n", "lives.csv": "seconds,survival\n100,0.25\n", "failure.json": "{}",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600))
	}
	s, err := scenario.Load(filepath.Join(folder, "s.yaml"))
	require.NoError(t, err)
	for _, name := range []string{"cores.csv", "lives.csv", "failure.json"} {
		require.NoError(t, os.Remove(filepath.Join(folder, name)))
	}
	_, err = s.Nodes()
	require.ErrorIs(t, err, os.ErrNotExist)
	_, wrong := s.Files()
	require.ErrorIs(t, wrong, os.ErrNotExist)
	for _, name := range []string{"cores.csv", "lives.csv", "failure.json"} {
		require.ErrorContains(t, err, name)
	}
}

// Names of nodes must differ once they are numbered, which all of them are.
func TestNodesThatWouldShareAName(t *testing.T) {
	t.Parallel()
	for nodes, says := range map[string]string{
		"{cores: 1}, {cores: 2}": `cluster.nodes[0] is called "node" too`,
		"{name: a, cores: 1}, {name: b, cores: 2}, {name: a, cores: 3}": `cluster.nodes[0] is called "a" too`,
		"{name: a, cores: 1}, {name: a-0, cores: 2}":                    "",
	} {
		_, err := scenario.Parse("x.yaml", []byte(machines(nodes, "")))
		if says == "" {
			require.NoError(t, err, nodes)
		} else {
			require.ErrorContains(t, err, says)
		}
	}
	s, err := scenario.Parse("x.yaml", []byte(machines("{name: a, count: 2, cores: 1}, {name: a-0, cores: 2}, {name: a-0-0, cores: 2}", "")))
	require.NoError(t, err)
	list, err := s.Nodes()
	require.NoError(t, err)
	var names []string
	for _, n := range list {
		names = append(names, n.Name)
	}
	require.Equal(t, "a-0 a-1 a-0-0 a-0-0-0", strings.Join(names, " "))
}

func TestModelsOfConditions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		settings    []string
		depths      string
		independent bool
	}{
		{nil, "interleave", false},
		{[]string{"fidelity.model.kind=idle"}, "idle", false},
		{[]string{"fidelity.model.kind=none"}, "interleave", true},
		{[]string{"fidelity.model.kind=none", "fidelity.model.of=idle"}, "idle", true},
	} {
		s, err := with(t, c.settings...)
		require.NoError(t, err)
		require.Equal(t, c.depths, s.Fidelity.Model.Depths(), c.settings)
		require.Equal(t, c.independent, s.Fidelity.Model.Independent(), c.settings)
	}
}
