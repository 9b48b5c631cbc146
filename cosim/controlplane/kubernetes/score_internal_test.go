package kubernetes

import (
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/des"
)

// machine is a node with what is on it.
type machine struct {
	labels   Labels
	taints   []Taint
	capacity allocation
	pods     map[int32]int // by function
	images   []int
}

// world is a cluster as the plugins see it.
func world(t interface{ Helper() }, c Config, machines ...machine) *Kubernetes {
	t.Helper()
	k := New(c)
	k.compile()
	for i, m := range machines {
		spec := &NodeSpec{Labels: m.labels, Taints: m.taints}
		n := &node{spec: spec, up: true, labels: Labels{Hostname: string(rune('a' + i))}, capacity: m.capacity, count: map[int32]int32{}}
		for name, value := range m.labels {
			n.labels[name] = value
		}
		n.agent.store = newStore(len(k.layers))
		for _, image := range m.images {
			n.agent.store.images[int32(image)] = des.Time(0)
		}
		for f, many := range m.pods {
			n.account(f, &k.config.Pods[f], many)
		}
		k.nodes = append(k.nodes, n)
	}
	k.divide()
	return k
}

// by runs one plugin over all nodes.
func (k *Kubernetes) by(name string, function int32) []int64 {
	p := k.prefilter(function)
	scores := make([]int64, len(k.nodes))
	for _, of := range plugins {
		if of.name == name {
			of.score(k, p, k.all(), scores)
		}
	}
	return scores
}

func (k *Kubernetes) all() (nodes []int32) {
	for i := range k.nodes {
		nodes = append(nodes, int32(i))
	}
	return nodes
}

// A worked example, every number of which can be checked on paper.
func TestScoresOfTheWorkedExample(t *testing.T) {
	t.Parallel()
	zone := func(z string) Labels { return Labels{Zone: z} }
	c := Config{
		Scheduler: Scheduler{Weights: DefaultWeights(), Strategy: LeastAllocated, HardPodAffinityWeight: 1},
		Images:    []Image{{Name: "app", Layers: []Layer{{Name: "x", MiB: 400}}}},
		Pods: []PodSpec{
			{ // the pod
				MilliCPU: 500, MemoryMiB: 512,
				NodeAffinity: []NodePreference{{Weight: 5, Match: []Requirement{{Name: Zone, Values: []string{"b"}}}}},
				PodAffinity:  []PodTerm{{Functions: []int{1}, Topology: Hostname, Weight: 10}},
			},
			{MilliCPU: 0, MemoryMiB: 0, Image: NoImage},       // its friend
			{MilliCPU: 2500, MemoryMiB: 5632, Image: NoImage}, // somebody large
		},
	}
	soft := []Taint{{Key: "old", Effect: PreferNoSchedule}}
	k := world(t, c,
		machine{labels: zone("a"), capacity: allocation{4000, 8192}, pods: map[int32]int{0: 2}},
		machine{labels: zone("b"), capacity: allocation{4000, 8192}, pods: map[int32]int{0: 1, 2: 1}, images: []int{0}},
		machine{labels: zone("b"), taints: soft, capacity: allocation{2000, 4096}},
	)
	k.nodes[0].count[1] = 1 // the friend requests nothing, and what stands for nothing is left out here
	want := map[string][]int64{
		// No soft taint that is not tolerated: 100; the most of them: 0.
		"TaintToleration": {100, 100, 0},
		// The preference for zone b, over the largest.
		"NodeAffinity": {0, 100, 100},
		// a: (4000-1500)/4000 = 62, (8192-1536)/8192 = 81, mean 71; b: 12 and 18; c: 75 and 87.
		"NodeResourcesFit": {71, 15, 81},
		// Two, one and no pods; ln 5 each for three hosts with skew 3, ln 4 each for two
		// zones with skew 5, in which there are two and one: 12, 9 and 7.
		"PodTopologySpread": {58, 83, 100},
		// The friend is on the first.
		"InterPodAffinity": {100, 0, 0},
		// a: shares .375 and .1875, b: .875 and .8125, c: .25 and .125.
		"NodeResourcesBalancedAllocation": {90, 96, 93},
		// 400 MiB on one of three nodes, between 23 and 1000 MiB.
		"ImageLocality": {0, 11, 0},
	}
	for name, scores := range want {
		require.Equal(t, scores, k.by(name, 0), name)
	}
	require.Equal(t, []int64{777, 788, 574}, k.scores(k.prefilter(0), k.all()), "with weights 3, 2, 1, 2, 2, 1, 1")
}

// Cases of Kubernetes' own tests (least_allocated_test.go, most_allocated_test.go,
// balanced_allocation_test.go), whose comments derive the same numbers.
func TestScoresOfKubernetesOwnTests(t *testing.T) {
	t.Parallel()
	score := func(name string, s Strategy, cpu, memory int, machines ...machine) []int64 {
		c := Config{Scheduler: Scheduler{Strategy: s}, Pods: []PodSpec{{MilliCPU: cpu, MemoryMiB: memory, Image: NoImage}, {MilliCPU: 6000, MemoryMiB: 5000, Image: NoImage}}}
		return world(t, c, machines...).by(name, 0)
	}
	empty := func(cpu, memory int) machine { return machine{capacity: allocation{cpu, memory}} }
	require.Equal(t, []int64{37, 50}, score("NodeResourcesFit", LeastAllocated, 3000, 5000, empty(4000, 10000), empty(6000, 10000)))
	require.Equal(t, []int64{62, 50}, score("NodeResourcesFit", MostAllocated, 3000, 5000, empty(4000, 10000), empty(6000, 10000)))
	require.Equal(t, []int64{25, 50}, score("NodeResourcesFit", LeastAllocated, 6000, 5000, empty(4000, 10000), empty(12000, 10000)), "a resource that does not suffice scores 0")
	busy := machine{capacity: allocation{20000, 20000}, pods: map[int32]int{1: 1}}
	require.Equal(t, []int64{97}, score("NodeResourcesBalancedAllocation", LeastAllocated, 3000, 5000, busy), "(1-|9/20-10/20|/2)*100")
	require.Equal(t, []int64{0}, score("NodeResourcesBalancedAllocation", LeastAllocated, 0, 0, busy), "a pod without requests is scored by none")
	require.Equal(t, []int64{0}, score("NodeResourcesFit", LeastAllocated, 100, 100, empty(0, 0)), "nodes without limits")
}

// Without a label, an image or a friend there is nothing to prefer.
func TestPluginsAreNeutralWhereNothingIsAsked(t *testing.T) {
	t.Parallel()
	k := world(t, Config{Pods: []PodSpec{{Image: NoImage}}}, machine{}, machine{labels: Labels{"disk": "ssd"}})
	for _, p := range plugins {
		scores := k.by(p.name, 0)
		require.Equal(t, scores[0], scores[1], p.name)
	}
}

func TestAffinityIsSymmetric(t *testing.T) {
	t.Parallel()
	near := []PodTerm{{Functions: []int{1}, Topology: Hostname}}           // 0 requires 1
	away := []PodTerm{{Functions: []int{1}, Topology: "rack", Anti: true}} // 2 cannot bear 1
	soft := []PodTerm{{Functions: []int{1}, Topology: Hostname, Weight: 4, Anti: true}}
	k := world(t, Config{
		Scheduler: Scheduler{HardPodAffinityWeight: 1},
		Kubelet:   Kubelet{MaxPods: 10},
		Pods:      []PodSpec{{Image: NoImage, PodAffinity: near}, {Image: NoImage}, {Image: NoImage, PodAffinity: away}, {Image: NoImage, PodAffinity: soft}},
	}, machine{pods: map[int32]int{0: 3}}, machine{labels: Labels{"rack": "r"}, pods: map[int32]int{2: 1}}, machine{labels: Labels{"rack": "r"}}, machine{pods: map[int32]int{3: 1}})
	require.Equal(t, []int64{100, 57, 57, 0}, k.by("InterPodAffinity", 1), "3, 0, 0 and -4: those who require the pod attract it")
	pass := func(function, i int32) bool { return interPodAffinity(k, k.prefilter(function), i) }
	require.True(t, pass(1, 0))
	require.False(t, pass(1, 1), "there is one that cannot bear it")
	require.False(t, pass(1, 2), "nor in its rack")
	require.False(t, pass(0, 0), "what it requires is nowhere, and it is not it")
	k.nodes[3].count[1] = 1
	require.True(t, pass(0, 3))
	require.True(t, pass(2, 2))
	k.nodes[2].count[1] = 1
	require.False(t, pass(2, 1))
}

func TestTheFirstOfAGroupMayGoAnywhere(t *testing.T) {
	t.Parallel()
	together := []PodTerm{{Functions: []int{0}, Topology: "rack"}}
	k := world(t, Config{Pods: []PodSpec{{Image: NoImage, PodAffinity: together}}}, machine{labels: Labels{"rack": "r"}}, machine{labels: Labels{"rack": "s"}}, machine{})
	pass := func(i int32) bool { return interPodAffinity(k, k.prefilter(0), i) }
	require.Equal(t, []bool{true, true, false}, []bool{pass(0), pass(1), pass(2)}, "where there is a rack")
	k.nodes[1].count[0] = 1
	require.Equal(t, []bool{false, true, false}, []bool{pass(0), pass(1), pass(2)})
}

func TestHardSpread(t *testing.T) {
	t.Parallel()
	spread := []SpreadConstraint{{Topology: Zone, MaxSkew: 1, Hard: true}}
	ssd := []Requirement{{Name: "disk", Values: []string{"ssd"}}}
	in := func(zone string, pods int, disk string) machine {
		return machine{labels: Labels{Zone: zone, "disk": disk}, pods: map[int32]int{0: pods}}
	}
	k := world(t, Config{Pods: []PodSpec{{Image: NoImage, Spread: spread, NodeSelector: ssd}}},
		in("a", 2, "ssd"), in("a", 0, "ssd"), in("b", 1, "ssd"), in("c", 0, "hdd"), machine{labels: Labels{"disk": "ssd"}})
	pass := func(i int32) bool { return topologySpread(k, k.prefilter(0), i) }
	require.Equal(t, []bool{false, false, true}, []bool{pass(0), pass(1), pass(2)}, "2+1-1 > 1; zone c is none of its own: the least is 1")
	require.False(t, pass(4), "a node without the label")
}

func TestFilters(t *testing.T) {
	t.Parallel()
	tolerant := func(text string) []Toleration {
		toleration, err := ParseToleration(text)
		require.NoError(t, err)
		return []Toleration{toleration}
	}
	taint, err := ParseTaint("dedicated=batch:NoSchedule")
	require.NoError(t, err)
	k := world(t, Config{Kubelet: Kubelet{MaxPods: 2}, Pods: []PodSpec{
		{Image: NoImage, MilliCPU: 1000, MemoryMiB: 100}, {Image: NoImage, Tolerations: tolerant("dedicated=batch")},
		{Image: NoImage, Tolerations: tolerant("dedicated=web")}, {Image: NoImage, Tolerations: tolerant("*")},
	}}, machine{taints: []Taint{taint}, capacity: allocation{2000, 1000}}, machine{capacity: allocation{1500, 1000}, pods: map[int32]int{0: 1}},
		machine{capacity: allocation{9000, 9000}, pods: map[int32]int{1: 2}}, machine{pods: map[int32]int{0: 1}})
	tolerates := func(f int32) bool { return taintToleration(k, k.prefilter(f), 0) }
	require.Equal(t, []bool{false, true, false, true}, []bool{tolerates(0), tolerates(1), tolerates(2), tolerates(3)})
	fits := func(f, i int32) bool { return resourcesFit(k, k.prefilter(f), i) }
	require.True(t, fits(0, 0))
	require.False(t, fits(0, 1), "500m are left")
	require.True(t, fits(1, 1), "who requests nothing fits")
	require.False(t, fits(1, 2), "two pods are there")
	require.True(t, fits(0, 3), "a node without limits")
}

// numFeasibleNodesToFind: Kubernetes' own cases (schedule_one_test.go).
func TestNodesToFind(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ all, percentage, want int }{
		{10, 0, 10}, {10, 40, 10}, {1000, 0, 420}, {1000, 40, 400}, {6000, 0, 300}, {6000, 40, 2400}, {99, 0, 99}, {100, 0, 100}, {1000, 5, 100}, {1000, 100, 1000},
	} {
		s := Scheduler{PercentageOfNodes: c.percentage}
		require.Equal(t, c.want, s.nodesToFind(c.all), "%+v", c)
	}
}

func TestBackoffDoubles(t *testing.T) {
	t.Parallel()
	s := Scheduler{InitialBackoff: 1e9, MaxBackoff: 10e9}
	var seconds []int
	for attempts := range 7 {
		seconds = append(seconds, int(s.backoff(attempts).Seconds()))
	}
	require.Equal(t, []int{1, 1, 2, 4, 8, 10, 10}, seconds)
}

func TestSearchesVisitZonesInTurn(t *testing.T) {
	t.Parallel()
	z := func(zone string) machine { return machine{labels: Labels{Zone: zone}} }
	k := world(t, Config{Pods: nil}, z("a"), z("a"), z("a"), z("b"), machine{}, z("b"))
	require.Equal(t, []int32{0, 3, 4, 1, 5, 2}, k.order)
}
