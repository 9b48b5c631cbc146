package kubernetes_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/cosim/cluster"
	"microcosm/cosim/controlplane/kubernetes"
	"microcosm/cosim/policy"
	"microcosm/cosim/servicetime"
)

// drawn is any small cluster with any pods, limits and images.
func drawn(t *rapid.T) *setting {
	span := func(name string, most int) time.Duration {
		return time.Duration(rapid.IntRange(0, most).Draw(t, name)) * ms
	}
	pick := func(name string, from ...int) int { return rapid.SampledFrom(from).Draw(t, name) }
	law := func(name string, most int) servicetime.Distribution {
		if rapid.Bool().Draw(t, name+" given") {
			return nil
		}
		return servicetime.Exponential{Expectation: span(name, most) + 1}
	}
	s := &setting{keep: span("keep", 3000)}
	functions := rapid.IntRange(1, 4).Draw(t, "functions")
	nodes := rapid.IntRange(1, 4).Draw(t, "nodes")
	s.kube = plain(nodes, functions)
	for i := range rapid.IntRange(1, 3).Draw(t, "images") {
		image := kubernetes.Image{Name: fmt.Sprint(i)}
		for range rapid.IntRange(1, 4).Draw(t, "layers") {
			n := rapid.IntRange(0, 4).Draw(t, "layer")
			image.Layers = append(image.Layers, kubernetes.Layer{Name: fmt.Sprint(n), MiB: 10 + 20*n})
		}
		s.kube.Images = append(s.kube.Images, image)
	}
	for i := range nodes {
		n := cluster.NodeConfig{Name: fmt.Sprint("n", i), Cores: pick("cores", 1, 4), MemoryMiB: pick("memory", 0, 400, 2000), Platform: "p"}
		for range rapid.IntRange(0, 2).Draw(t, "failures") {
			n.FailAt = append(n.FailAt, span("fails at", 20_000))
		}
		n.Notice = span("notice", 500)
		n.Repair = rapid.SampledFrom([]time.Duration{cluster.Unlimited, 0, sec}).Draw(t, "repair")
		s.nodes = append(s.nodes, n)
		s.kube.Nodes[i].Labels = kubernetes.Labels{kubernetes.Zone: fmt.Sprint(pick("zone", 0, 1))}
		if rapid.IntRange(0, 3).Draw(t, "tainted") == 0 {
			effect := rapid.SampledFrom([]kubernetes.Effect{kubernetes.NoSchedule, kubernetes.PreferNoSchedule}).Draw(t, "effect")
			s.kube.Nodes[i].Taints = []kubernetes.Taint{{Key: "k", Effect: effect}}
		}
	}
	for i := range functions {
		var at []time.Duration
		now := time.Duration(0)
		for range rapid.IntRange(0, 60).Draw(t, "calls") {
			now += span("gap", 800)
			at = append(at, now)
		}
		s.arrivals = append(s.arrivals, at)
		f := cluster.FunctionConfig{Name: fmt.Sprint("f", i), Laws: given(span("service", 2000)+1, span("create", 500), span("init", 500)), MemoryMiB: pick("sandbox", 0, 100, 300)}
		if f.MemoryMiB > 0 && rapid.Bool().Draw(t, "fixed") {
			f.Scaler = policy.Fixed{Sandboxes: rapid.IntRange(0, 5).Draw(t, "sandboxes")}
		}
		s.functions = append(s.functions, f)
		p := &s.kube.Pods[i]
		p.Image = rapid.IntRange(kubernetes.NoImage, len(s.kube.Images)-1).Draw(t, "image")
		p.MilliCPU, p.MemoryMiB = pick("cpu", 0, 100, 1500), pick("request", 0, 100)
		if rapid.Bool().Draw(t, "tolerant") {
			p.Tolerations = []kubernetes.Toleration{{}}
		}
		if rapid.IntRange(0, 2).Draw(t, "friendly") == 0 {
			p.PodAffinity = []kubernetes.PodTerm{{Functions: []int{rapid.IntRange(0, functions-1).Draw(t, "friend")}, Topology: kubernetes.Zone, Weight: pick("weight", 0, 5), Anti: rapid.Bool().Draw(t, "anti")}}
		}
		if rapid.IntRange(0, 2).Draw(t, "spread") == 0 {
			p.Spread = []kubernetes.SpreadConstraint{{Topology: kubernetes.Zone, MaxSkew: pick("skew", 1, 2), Hard: rapid.Bool().Draw(t, "hard")}}
		}
	}
	k, r := &s.kube.Kubelet, &s.kube.Registry
	s.kube.Scheduler.Cycle, s.kube.Scheduler.Bind = law("cycle", 50), law("bind", 100)
	k.MaxPods = pick("pods", 1, 3, 110)
	k.QPS, k.Burst, k.StartRequests, k.ReadyRequests = pick("qps", 0, 1, 20), pick("burst", 1, 10), pick("start", 0, 3), pick("ready", 0, 2)
	k.RegistryQPS, k.RegistryBurst, k.PullBackoff = pick("registry qps", 0, 1, 5), pick("registry burst", 1, 3), sec
	k.ParallelPulls, k.ParallelLayers, k.Creations = pick("pulls", 0, 1, 2), pick("at a time", 1, 3), pick("creations", 0, 1, 3)
	r.Bandwidth, r.NodeBandwidth, r.Unpack = float64(pick("registry", 0, 100, 500)*mib), float64(pick("link", 0, 50, 200)*mib), float64(pick("unpack", 0, 100)*mib)
	r.Latency, r.Disk = law("latency", 200), pick("disk", 0, 60, 200)
	if rapid.IntRange(0, 4).Draw(t, "whole") == 0 {
		r.Pull = law("pull", 2000)
	}
	return s
}

// Whatever Kubernetes is asked for, and however nodes come and go: the books of the
// cluster balance (Run checks them), no node has more pods or grants more requests
// than it may, and equal inputs give equal outcomes.
func TestKubernetesKeepsTheBooks(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := drawn(t)
		a := s.run(t)
		notes := s.notes
		b := s.run(t)
		require.Equal(t, a.Account, b.Account)
		require.Equal(t, notes, s.notes)
		require.Equal(t, a.Starts, b.Starts)
		require.Equal(t, a.Downloaded, b.Downloaded)
		reliable := true
		for _, n := range s.nodes {
			reliable = reliable && len(n.FailAt) == 0
		}
		if reliable {
			require.Zero(t, a.Account.Failed)
			if h := a.Starts[cluster.StageStart]; h != nil && a.Starts[cluster.StageSchedule] != nil {
				require.LessOrEqual(t, h.Count(), a.Starts[cluster.StageSchedule].Count())
			}
			if s.kube.Registry.Disk == 0 {
				most := int64(0) // each layer once per node
				seen := map[string]bool{}
				for _, image := range s.kube.Images {
					for _, l := range image.Layers {
						if !seen[l.Name] {
							seen[l.Name] = true
							most += int64(l.MiB) << 20
						}
					}
				}
				require.LessOrEqual(t, a.Downloaded, most*int64(len(s.nodes)))
			}
		}
	})
}
