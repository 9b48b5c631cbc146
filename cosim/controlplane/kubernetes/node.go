package kubernetes

import (
	"microcosm/cosim/cluster"
)

// node is what the scheduler and the kubelet keep of one machine.
type node struct {
	spec   *NodeSpec
	of     *cluster.Node
	labels Labels // with the hostname
	up     bool

	capacity allocation // 0: without a limit
	used     allocation // requested
	asked    allocation // requested, with what stands for a request that is missing
	pods     int
	count    map[int32]int32 // pods by function

	agent kubelet
}

// allocation is an amount of each resource.
type allocation struct{ milliCPU, mib int }

func (a *allocation) add(b allocation, times int) {
	a.milliCPU += times * b.milliCPU
	a.mib += times * b.mib
}

// What a pod that requests nothing counts in scores (pkg/scheduler/util/pod_resources.go).
const (
	defaultMilliCPU = 100
	defaultMiB      = 200
)

// request returns what the pod asks for, and what counts in scores.
func (p *PodSpec) request() (request, nonzero allocation) {
	request = allocation{p.MilliCPU, p.MemoryMiB}
	nonzero = request
	if nonzero.milliCPU == 0 {
		nonzero.milliCPU = defaultMilliCPU
	}
	if nonzero.mib == 0 {
		nonzero.mib = defaultMiB
	}
	return request, nonzero
}

// account adds a pod of the function, or takes it away.
func (n *node) account(f int32, p *PodSpec, times int) {
	request, nonzero := p.request()
	n.used.add(request, times)
	n.asked.add(nonzero, times)
	n.pods += times
	n.count[f] += int32(times)
	if n.count[f] == 0 {
		delete(n.count, f)
	}
}

// topology divides the nodes by the value of a label.
type topology struct {
	key    string
	domain []int32 // by node; -1 where the label is missing
	size   int     // number of values
}

func newTopology(key string, nodes []*node) *topology {
	t := &topology{key: key, domain: make([]int32, len(nodes))}
	values := map[string]int32{}
	for i, n := range nodes {
		value, there := n.labels[key]
		if !there {
			t.domain[i] = -1
			continue
		}
		d, known := values[value]
		if !known {
			d = int32(len(values))
			values[value] = d
		}
		t.domain[i] = d
	}
	t.size = len(values)
	return t
}

// interleaved lists the nodes zone by zone in turn, as the scheduler's node tree
// does, so that a search that stops early has seen all zones.
func interleaved(zones *topology) []int32 {
	lists := make([][]int32, zones.size+1) // the last one for nodes without a zone
	for i, d := range zones.domain {
		if d < 0 {
			d = int32(zones.size)
		}
		lists[d] = append(lists[d], int32(i))
	}
	var order []int32
	for rank := 0; len(order) < len(zones.domain); rank++ {
		for _, list := range lists {
			if rank < len(list) {
				order = append(order, list[rank])
			}
		}
	}
	return order
}
