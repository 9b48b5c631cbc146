package kubernetes

import "math"

// naive is a cluster as Kubernetes' documentation tells it: a list of pods, each on a
// node, and rules that look at every pod and every node anew. It shares no code with
// the plugins but the types of the configuration.
type naive struct {
	config   Config
	machines []machine
	pods     []naivePod
}

type naivePod struct {
	function int
	node     int
}

func newNaive(c Config, machines []machine) *naive {
	n := &naive{config: c, machines: machines}
	for i, m := range machines {
		for f, many := range m.pods {
			for range many {
				n.pods = append(n.pods, naivePod{int(f), i})
			}
		}
	}
	return n
}

// label returns a label of a node; every node has its hostname.
func (n *naive) label(node int, key string) (string, bool) {
	if key == Hostname {
		return string(rune('a' + node)), true
	}
	value, there := n.machines[node].labels[key]
	return value, there
}

// selects are the operators In, NotIn, Exists and DoesNotExist of node selectors.
func (n *naive) selects(all []Requirement, node int) bool {
	for _, r := range all {
		value, there := n.label(node, r.Name)
		listed := false
		for _, v := range r.Values {
			listed = listed || there && v == value
		}
		switch {
		case r.Values == nil && !r.Not && !there, // Exists
			r.Values == nil && r.Not && there,           // DoesNotExist
			r.Values != nil && !r.Not && !listed,        // In
			r.Values != nil && r.Not && there && listed: // NotIn
			return false
		}
	}
	return true
}

// tolerated: the effect is the same or not given, the key too, and the operator is
// Exists or the value is the same.
func (n *naive) tolerated(function int, taint Taint) bool {
	for _, t := range n.config.Pods[function].Tolerations {
		effect := t.Effect == EffectInvalid || t.Effect == taint.Effect
		key := t.Key == "" || t.Key == taint.Key
		value := t.exists || t.Value == taint.Value
		if effect && key && value {
			return true
		}
	}
	return false
}

// on counts the pods of functions on nodes.
func (n *naive) on(which func(node int) bool, functions ...int) (count int) {
	for _, p := range n.pods {
		for _, f := range functions {
			if p.function == f && which(p.node) {
				count++
			}
		}
	}
	return count
}

// with returns which nodes have the same value of a label as one that has it.
func (n *naive) with(key string, node int) func(int) bool {
	value, there := n.label(node, key)
	return func(other int) bool {
		v, has := n.label(other, key)
		return there && has && v == value
	}
}

// labelled reports that a node has the keys of all constraints.
func (n *naive) labelled(constraints []SpreadConstraint, node int) bool {
	for _, c := range constraints {
		if _, there := n.label(node, c.Topology); !there {
			return false
		}
	}
	return true
}

// The filters, in the words of kubernetes.io/docs/concepts/scheduling-eviction.

func (n *naive) passesTaints(function, node int) bool {
	for _, taint := range n.machines[node].taints {
		if taint.Effect != PreferNoSchedule && !n.tolerated(function, taint) {
			return false
		}
	}
	return true
}

func (n *naive) passesAffinity(function, node int) bool {
	return n.selects(n.config.Pods[function].NodeSelector, node)
}

func (n *naive) passesFit(function, node int) bool {
	cpu, memory, pods := n.config.Pods[function].MilliCPU, n.config.Pods[function].MemoryMiB, 1
	wantsCPU, wantsMemory := cpu > 0, memory > 0
	for _, p := range n.pods {
		if p.node == node {
			cpu += n.config.Pods[p.function].MilliCPU
			memory += n.config.Pods[p.function].MemoryMiB
			pods++
		}
	}
	c := n.machines[node].capacity
	return pods <= n.config.Kubelet.MaxPods &&
		(!wantsCPU || c.milliCPU == 0 || cpu <= c.milliCPU) && (!wantsMemory || c.mib == 0 || memory <= c.mib)
}

// passesSpread: on the nodes that the selector allows and that have the keys of all
// constraints, the domain would have at most the skew more than the emptiest.
func (n *naive) passesSpread(function, node int) bool {
	spec := n.config.Pods[function]
	var hard []SpreadConstraint
	for _, c := range spec.Spread {
		if c.Hard {
			hard = append(hard, c)
		}
	}
	counts := func(other int) bool { return n.selects(spec.NodeSelector, other) && n.labelled(hard, other) }
	for _, c := range hard {
		if _, there := n.label(node, c.Topology); !there {
			return false
		}
		least := math.MaxInt
		for other := range n.machines {
			if counts(other) {
				same := n.with(c.Topology, other)
				least = min(least, n.on(func(i int) bool { return counts(i) && same(i) }, function))
			}
		}
		if least == math.MaxInt {
			least = 0
		}
		same := n.with(c.Topology, node)
		if n.on(func(i int) bool { return counts(i) && same(i) }, function)+1-least > c.MaxSkew {
			return false
		}
	}
	return true
}

func (n *naive) passesPodAffinity(function, node int) bool {
	for _, term := range n.config.Pods[function].PodAffinity {
		if term.Weight > 0 {
			continue
		}
		_, there := n.label(node, term.Topology)
		here := n.on(n.with(term.Topology, node), term.Functions...)
		if term.Anti && here > 0 {
			return false
		}
		if term.Anti {
			continue
		}
		anywhere := n.on(func(i int) bool { _, has := n.label(i, term.Topology); return has }, term.Functions...)
		first := anywhere == 0 && contains(term.Functions, int32(function))
		if !there || here == 0 && !first {
			return false
		}
	}
	for _, other := range n.pods {
		for _, term := range n.config.Pods[other.function].PodAffinity {
			if term.Weight == 0 && term.Anti && contains(term.Functions, int32(function)) && n.with(term.Topology, other.node)(node) {
				return false
			}
		}
	}
	return true
}

// The scores of nodes that have passed.

// asked is what counts of a request that is missing: a tenth of a core, 200 MiB.
func asked(p PodSpec) (cpu, memory int) {
	cpu, memory = p.MilliCPU, p.MemoryMiB
	if cpu == 0 {
		cpu = 100
	}
	if memory == 0 {
		memory = 200
	}
	return cpu, memory
}

func (n *naive) scoreFit(function int, nodes []int32) (scores []int64) {
	for _, node := range nodes {
		cpu, memory := asked(n.config.Pods[function])
		for _, p := range n.pods {
			if p.node == int(node) {
				c, m := asked(n.config.Pods[p.function])
				cpu, memory = cpu+c, memory+m
			}
		}
		sum, many := 0, 0
		for _, r := range [][2]int{{cpu, n.machines[node].capacity.milliCPU}, {memory, n.machines[node].capacity.mib}} {
			if r[1] == 0 {
				continue
			}
			many++
			switch used := min(r[0], r[1]); n.config.Scheduler.Strategy {
			case MostAllocated:
				sum += used * 100 / r[1]
			default:
				sum += (r[1] - used) * 100 / r[1]
			}
		}
		scores = append(scores, int64(sum/max(1, many)))
	}
	return scores
}

func (n *naive) scoreBalance(function int, nodes []int32) (scores []int64) {
	for _, node := range nodes {
		spec, c := n.config.Pods[function], n.machines[node].capacity
		cpu, memory := spec.MilliCPU, spec.MemoryMiB
		if cpu == 0 && memory == 0 {
			scores = append(scores, 0)
			continue
		}
		for _, p := range n.pods {
			if p.node == int(node) {
				cpu += n.config.Pods[p.function].MilliCPU
				memory += n.config.Pods[p.function].MemoryMiB
			}
		}
		var shares []float64
		if c.milliCPU > 0 {
			shares = append(shares, min(1, float64(cpu)/float64(c.milliCPU)))
		}
		if c.mib > 0 {
			shares = append(shares, min(1, float64(memory)/float64(c.mib)))
		}
		deviation := 0.0
		if len(shares) == 2 {
			deviation = math.Abs(shares[0]-shares[1]) / 2
		}
		scores = append(scores, int64((1-deviation)*100))
	}
	return scores
}

func (n *naive) scoreTaints(function int, nodes []int32) []int64 {
	var counts []int64
	most := int64(0)
	for _, node := range nodes {
		count := int64(0)
		for _, taint := range n.machines[node].taints {
			if taint.Effect == PreferNoSchedule && !n.tolerated(function, taint) {
				count++
			}
		}
		counts, most = append(counts, count), max(most, count)
	}
	for j := range counts {
		counts[j] = 100 - 100*counts[j]/max(1, most)
	}
	return counts
}

func (n *naive) scoreNodeAffinity(function int, nodes []int32) []int64 {
	var sums []int64
	most := int64(0)
	for _, node := range nodes {
		sum := int64(0)
		for _, preference := range n.config.Pods[function].NodeAffinity {
			if n.selects(preference.Match, int(node)) {
				sum += int64(preference.Weight)
			}
		}
		sums, most = append(sums, sum), max(most, sum)
	}
	for j := range sums {
		sums[j] = 100 * sums[j] / max(1, most)
	}
	return sums
}

// scoreImages: the bytes of the image here, less where few nodes have it, between 23
// and 1000 MiB.
func (n *naive) scoreImages(function int, nodes []int32) []int64 {
	scores := make([]int64, len(nodes))
	image := n.config.Pods[function].Image
	if image == NoImage {
		return scores
	}
	mib := 0
	for _, l := range n.config.Images[image].Layers {
		mib += l.MiB
	}
	has := func(node int) bool {
		for _, i := range n.machines[node].images {
			if i == image {
				return true
			}
		}
		return false
	}
	holders := 0
	for node := range n.machines {
		if has(node) {
			holders++
		}
	}
	for j, node := range nodes {
		bytes := 0.0
		if has(int(node)) {
			bytes = math.Floor(float64(mib<<20) * (float64(holders) / float64(len(n.machines))))
		}
		bytes = min(max(bytes, 23<<20), 1000<<20)
		scores[j] = 100 * (int64(bytes) - 23<<20) / (977 << 20)
	}
	return scores
}
