package kubernetes

// pending is the pod that is being scheduled, with what its filters and scores share.
type pending struct {
	function int32
	spec     *PodSpec
	request  allocation
	nonzero  allocation
	hard     []spreadState
	near     []termState // required affinity
	far      [][]bool    // domains that are forbidden, by topology of farTopo
	farTopo  []*topology
}

// spreadState is a hard constraint with the pods of each domain.
type spreadState struct {
	SpreadConstraint
	topology *topology
	counts   []int64
	least    int64
}

// termState is a required affinity with the pods of each domain that it looks for.
type termState struct {
	topology *topology
	counts   []int64
	anywhere bool // no pod matches and the pod matches itself: the first may go anywhere
}

// prefilter prepares the filters of a pod (PreFilter of PodTopologySpread and
// InterPodAffinity).
func (k *Kubernetes) prefilter(function int32) *pending {
	spec := &k.config.Pods[function]
	p := &pending{function: function, spec: spec}
	p.request, p.nonzero = spec.request()
	var needed topologies
	for _, c := range spec.Spread {
		if c.Hard {
			t := k.topologies[c.Topology]
			needed = append(needed, t)
			p.hard = append(p.hard, spreadState{SpreadConstraint: c, topology: t})
		}
	}
	for i := range p.hard {
		s := &p.hard[i]
		s.counts, s.least = k.eligible(p, s.topology, needed)
	}
	for _, term := range spec.PodAffinity {
		if term.Weight > 0 {
			continue
		}
		t := k.topologies[term.Topology]
		counts, sum := k.inDomains(t, term.Functions)
		if term.Anti {
			p.forbid(t, counts)
			continue
		}
		self := contains(term.Functions, function)
		p.near = append(p.near, termState{topology: t, counts: counts, anywhere: sum == 0 && self})
	}
	for _, other := range k.towards[function] {
		if term := other.term; term.Weight == 0 && term.Anti {
			t := k.topologies[term.Topology]
			counts, _ := k.inDomains(t, []int{int(other.function)})
			p.forbid(t, counts)
		}
	}
	return p
}

func contains(list []int, x int32) bool {
	for _, y := range list {
		if y == int(x) {
			return true
		}
	}
	return false
}

// forbid keeps the pod out of the domains that have any of what was counted.
func (p *pending) forbid(t *topology, counts []int64) {
	bad := make([]bool, len(counts))
	for d, n := range counts {
		bad[d] = n > 0
	}
	p.far, p.farTopo = append(p.far, bad), append(p.farTopo, t)
}

// inDomains counts the pods of functions by domain, and those in any domain.
func (k *Kubernetes) inDomains(t *topology, functions []int) (counts []int64, sum int64) {
	counts = make([]int64, t.size)
	for i, n := range k.nodes {
		d := t.domain[i]
		if d < 0 {
			continue
		}
		for _, f := range functions {
			c := int64(n.count[int32(f)])
			counts[d] += c
			sum += c
		}
	}
	return counts, sum
}

// topologies are those whose labels a node must have to be considered.
type topologies []*topology

// on reports whether the i-th node has the labels of all of them.
func (list topologies) on(i int) bool {
	for _, t := range list {
		if t.domain[i] < 0 {
			return false
		}
	}
	return true
}

// eligible counts the pod's siblings by domain on the nodes that it may run on and
// that have the labels of its other constraints, and returns the least number of a
// domain with such a node.
func (k *Kubernetes) eligible(p *pending, t *topology, needed topologies) (counts []int64, least int64) {
	counts, least = make([]int64, t.size), -1
	seen := make([]bool, t.size)
	for i, n := range k.nodes {
		if d := t.domain[i]; d >= 0 && n.up && needed.on(i) && matches(p.spec.NodeSelector, n.labels) {
			counts[d] += int64(n.count[p.function])
			seen[d] = true
		}
	}
	for d, there := range seen {
		if there && (least < 0 || counts[d] < least) {
			least = counts[d]
		}
	}
	return counts, max(0, least)
}

// The filters in the order in which Kubernetes runs them; a node must pass all.
var filters = []func(k *Kubernetes, p *pending, i int32) bool{
	nodeSchedulable, taintToleration, nodeAffinity, resourcesFit, topologySpread, interPodAffinity,
}

func (k *Kubernetes) feasible(p *pending, i int32) bool {
	for _, pass := range filters {
		if !pass(k, p, i) {
			return false
		}
	}
	return true
}

func nodeSchedulable(k *Kubernetes, _ *pending, i int32) bool {
	n := k.nodes[i]
	return n.up && n.of.Accepts()
}

func taintToleration(k *Kubernetes, p *pending, i int32) bool {
	for _, taint := range k.nodes[i].spec.Taints {
		if taint.Effect != PreferNoSchedule && !tolerated(p.spec.Tolerations, taint) {
			return false
		}
	}
	return true
}

func nodeAffinity(k *Kubernetes, p *pending, i int32) bool {
	return matches(p.spec.NodeSelector, k.nodes[i].labels)
}

func resourcesFit(k *Kubernetes, p *pending, i int32) bool {
	n := k.nodes[i]
	fits := func(request, used, capacity int) bool {
		return request == 0 || capacity == 0 || used+request <= capacity
	}
	return n.pods < k.config.Kubelet.MaxPods &&
		fits(p.request.milliCPU, n.used.milliCPU, n.capacity.milliCPU) &&
		fits(p.request.mib, n.used.mib, n.capacity.mib)
}

func topologySpread(_ *Kubernetes, p *pending, i int32) bool {
	for _, c := range p.hard {
		d := c.topology.domain[i]
		if d < 0 || c.counts[d]+1-c.least > int64(c.MaxSkew) {
			return false
		}
	}
	return true
}

func interPodAffinity(_ *Kubernetes, p *pending, i int32) bool {
	for j, t := range p.farTopo {
		if d := t.domain[i]; d >= 0 && p.far[j][d] {
			return false
		}
	}
	for _, t := range p.near {
		if d := t.topology.domain[i]; d < 0 || t.counts[d] == 0 && !t.anywhere {
			return false
		}
	}
	return true
}
