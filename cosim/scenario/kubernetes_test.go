package scenario_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/controlplane/kubernetes"
	"microcosm/cosim/scenario"
	"microcosm/cosim/servicetime"
)

// pods returns what Kubernetes is told by a scenario.
func pods(t *testing.T, text string) (kubernetes.Config, *scenario.Demand) {
	t.Helper()
	s, err := scenario.Parse("k.yaml", []byte(text))
	require.NoError(t, err)
	d := demand(t, s)
	c, err := s.Kubernetes(d)
	require.NoError(t, err)
	c.Random = func(string) *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }
	nodes, err := s.Nodes()
	require.NoError(t, err)
	require.NoError(t, c.Check(len(nodes), len(d.Functions)))
	return c, d
}

const orchestrated = `
cluster:
  nodes:
    - {name: a, count: 2, cores: 4, memory: 8GiB, labels: [disk=ssd, zone=a]}
    - {name: b, cores: 4, memory: 8GiB, taints: ["dedicated=batch:NoSchedule", "old:PreferNoSchedule"], images: [app]}
  orchestrator: kubernetes
  resources: {cpu-request: 250m}
  kubernetes:
    scheduler: {strategy: most-allocated, cycle: {law: deterministic, mean: 3ms}, pod-initial-backoff: 2s, weights: {image-locality: 9}}
    kubelet: {max-pods: 7, kube-api-qps: unlimited, container-creations: unlimited, registry-qps: 3, max-parallel-image-pulls: unlimited}
    registry: {bandwidth: 100MB/s, node-bandwidth: 1MiB/s, unpack: 5kB/s, disk: 9GiB, pull: {law: exponential, mean: 1s}}
    images:
      - {name: app, layers: [{name: base, size: 40MiB}, {name: libraries, size: 7MiB}]}
      - {name: own, layers: [{name: base, size: 40MiB}, {name: code, size: 3MiB, own: true}]}
    pod:
      image: own
      node-selector: [disk=ssd, "!gpu"]
      topology-spread: [{topology: zone, max-skew: 3, when-unsatisfiable: schedule-anyway}, {topology: rack}]
workload:
  duration: 1m
  functions:
    - {name: web, copies: 2, memory: 256MiB, arrivals: {process: constant, rate: 1/s}, service: {law: exponential, mean: 10ms}}
    - name: batch
      memory: 1GiB
      resources: {cpu-request: 1.5, memory-request: 512MiB}
      pod:
        image: app
        tolerations: [dedicated=batch, "*"]
        node-affinity: [{weight: 7, match: ["zone in (a, b)", x]}]
        pod-affinity: [{functions: [web], kind: anti-affinity, topology: zone, weight: 3}, {functions: [web-1, batch]}]
      arrivals: {process: constant, rate: 1/s}
      service: {law: exponential, mean: 10ms}
    - {name: bare, pod: {}, resources: {}, arrivals: {process: constant, rate: 1/s}, service: {law: exponential, mean: 10ms}}
`

func TestKubernetesIsToldItsSettings(t *testing.T) {
	t.Parallel()
	c, _ := pods(t, orchestrated)
	weights := kubernetes.DefaultWeights()
	weights.ImageLocality = 9
	require.Equal(t, kubernetes.Scheduler{
		Weights: weights, Strategy: kubernetes.MostAllocated, Cycle: servicetime.Deterministic{Value: 3 * time.Millisecond},
		InitialBackoff: 2 * time.Second, MaxBackoff: 10 * time.Second, LongestUnschedulable: 5 * time.Minute, HardPodAffinityWeight: 1,
	}, c.Scheduler)
	require.Equal(t, kubernetes.Kubelet{
		MaxPods: 7, QPS: 0, Burst: 100, StartRequests: 3, ReadyRequests: 2, RegistryQPS: 3, RegistryBurst: 10,
		PullBackoff: 10 * time.Second, MaxPullBackoff: 5 * time.Minute, ParallelPulls: 0, ParallelLayers: 3, Creations: 0,
	}, c.Kubelet, "unlimited is 0 there")
	require.Equal(t, kubernetes.Registry{
		Bandwidth: 1e8, NodeBandwidth: 1 << 20, Unpack: 5000, Disk: 9 << 10, Pull: servicetime.Exponential{Expectation: time.Second},
	}, c.Registry)
}

func TestKubernetesIsToldItsNodes(t *testing.T) {
	t.Parallel()
	c, _ := pods(t, orchestrated)
	require.Len(t, c.Nodes, 3, "one each, in the order of the nodes")
	for _, n := range c.Nodes[:2] {
		require.Equal(t, kubernetes.Labels{"disk": "ssd", "zone": "a"}, n.Labels)
		require.Empty(t, n.Taints)
		require.Empty(t, n.Images)
	}
	require.Empty(t, c.Nodes[2].Labels)
	require.Equal(t, []kubernetes.Taint{{Key: "dedicated", Value: "batch", Effect: kubernetes.NoSchedule}, {Key: "old", Effect: kubernetes.PreferNoSchedule}}, c.Nodes[2].Taints)
	require.Len(t, c.Nodes[2].Images, 1)
	require.Equal(t, "app", c.Images[c.Nodes[2].Images[0]].Name)
}

func TestKubernetesIsToldItsPods(t *testing.T) {
	t.Parallel()
	c, d := pods(t, orchestrated)
	require.Len(t, c.Pods, len(d.Functions))
	web, batch, bare := c.Pods[0], c.Pods[2], c.Pods[3]
	require.Equal(t, 250, web.MilliCPU)
	require.Equal(t, 256, web.MemoryMiB, "all that it may use")
	require.Len(t, web.NodeSelector, 2)
	require.Equal(t, kubernetes.Requirement{Name: "disk", Values: []string{"ssd"}}, web.NodeSelector[0])
	require.Equal(t, kubernetes.Requirement{Name: "gpu", Not: true}, web.NodeSelector[1])
	require.Equal(t, []kubernetes.SpreadConstraint{{Topology: "zone", MaxSkew: 3}, {Topology: "rack", MaxSkew: 1, Hard: true}}, web.Spread)
	require.Empty(t, web.PodAffinity)

	require.Equal(t, 1500, batch.MilliCPU)
	require.Equal(t, 512, batch.MemoryMiB)
	require.Empty(t, batch.NodeSelector, "a pod of its own takes the place of all pods'")
	require.Len(t, batch.Tolerations, 2)
	require.Len(t, batch.NodeAffinity, 1)
	require.Equal(t, 7, batch.NodeAffinity[0].Weight)
	require.Equal(t, []string{"a", "b"}, batch.NodeAffinity[0].Match[0].Values)
	require.Equal(t, []kubernetes.PodTerm{
		{Functions: []int{0, 1}, Topology: "zone", Weight: 3, Anti: true},
		{Functions: []int{1, 2}, Topology: kubernetes.Hostname},
	}, batch.PodAffinity, "a group stands for its copies")

	require.Equal(t, kubernetes.NoImage, bare.Image)
	require.Zero(t, bare.MilliCPU, "nothing is requested")
	require.Equal(t, 128, bare.MemoryMiB)
}

// An image with a layer of a function's own is another one for each function; what
// they share keeps its name.
func TestLayersOfAFunctionsOwn(t *testing.T) {
	t.Parallel()
	c, _ := pods(t, orchestrated)
	require.NotEqual(t, c.Pods[0].Image, c.Pods[1].Image)
	image := func(i int) kubernetes.Image { return c.Images[c.Pods[i].Image] }
	require.Equal(t, kubernetes.Image{Name: "own", Layers: []kubernetes.Layer{{Name: "base", MiB: 40}, {Name: "code/web-0", MiB: 3}}}, image(0))
	require.Equal(t, kubernetes.Image{Name: "own", Layers: []kubernetes.Layer{{Name: "base", MiB: 40}, {Name: "code/web-1", MiB: 3}}}, image(1))
	require.Equal(t, "libraries", image(2).Layers[1].Name)
	require.Equal(t, c.Pods[2].Image, c.Nodes[2].Images[0], "one image, however often it is named")
	require.Len(t, c.Images, 3)
}

// Functions of RPS mode are pods too, and can be named one by one or as a group.
func TestPodsOfRPSMode(t *testing.T) {
	t.Parallel()
	c, d := pods(t, rps("rate: 2/s, cold-share: 25%, cooldown: 8s, memory: 170MiB, "+given,
		"orchestrator: kubernetes, kubernetes: {pod: {pod-affinity: [{functions: [cold-function, warm-function], kind: anti-affinity, weight: 1}]}}, keep-alive: 1s"))
	require.Len(t, d.Functions, 5)
	for _, p := range c.Pods {
		require.Equal(t, []int{1, 2, 3, 4, 0}, p.PodAffinity[0].Functions)
		require.Equal(t, 170, p.MemoryMiB)
	}
}

// Where functions are known only when a trace was read, a name that none has is told
// then.
func TestPodsNearFunctionsOfATrace(t *testing.T) {
	t.Parallel()
	s, err := scenario.Parse("k.yaml", []byte(`
cluster:
  nodes: [{cores: 4}]
  orchestrator: kubernetes
  kubernetes: {pod: {pod-affinity: [{functions: [nobody]}]}}
workload: {trace: {format: azure2021, path: testdata/tiny.csv}}
`))
	require.NoError(t, err)
	_, err = s.Kubernetes(demand(t, s))
	require.ErrorContains(t, err, `pod-affinity: there is no function "nobody"`)
	require.ErrorContains(t, err, "function "+demand(t, s).Functions[0].Name+": ")
}

func TestAmountsOfCPU(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]scenario.CPU{"250m": 250, "0.25": 250, "2": 2000, "0": 0, "1e3m": 1000, "1.5": 1500} {
		var c scenario.CPU
		require.NoError(t, c.UnmarshalText([]byte(text)), text)
		require.Equal(t, want, c, text)
		again, err := c.MarshalText()
		require.NoError(t, err)
		require.NoError(t, c.UnmarshalText(again))
		require.Equal(t, want, c, text)
	}
	for _, text := range []string{"", "m", "-1", "0.5m", "0.0001", "1e10", "1k", "two", "NaN", "Inf"} {
		var c scenario.CPU
		require.ErrorContains(t, c.UnmarshalText([]byte(text)), "is no amount of CPU: write one such as 250m, 0.5 or 2", text)
	}
}
