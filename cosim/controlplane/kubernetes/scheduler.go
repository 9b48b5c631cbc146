package kubernetes

import (
	"fmt"

	"microcosm/cosim/cluster"
	"microcosm/cosim/servicetime"
)

// Bounds on how many nodes that fit are looked for before the best is chosen
// (pkg/scheduler/schedule_one.go).
const (
	fewestNodes      = 100
	leastPercentage  = 5
	startPercentage  = 50
	nodesPerPercent  = 125
	percentageOfAll  = 100
	noNode           = -1
	onlyOneCandidate = 1
)

// nodesToFind is numFeasibleNodesToFind.
func (s *Scheduler) nodesToFind(all int) int {
	if all < fewestNodes {
		return all
	}
	percentage := s.PercentageOfNodes
	if percentage == 0 {
		percentage = max(leastPercentage, startPercentage-all/nodesPerPercent)
	}
	return max(fewestNodes, all*percentage/percentageOfAll)
}

// wake begins a scheduling cycle unless one is under way.
func (k *Kubernetes) wake() {
	if k.cycling {
		return
	}
	e, ok := k.next()
	if !ok {
		return
	}
	k.cycling, k.current = true, e
	k.l.Remind(k.l.Now().Add(draw(k.config.Scheduler.Cycle, k.random)), signal(signalCycle, 0, 0))
}

// endCycle places the pod, or puts it aside, and goes on with the next.
func (k *Kubernetes) endCycle() {
	k.cycling = false
	if k.valid(k.current) {
		id := k.current.pod
		k.pods[id].attempts++
		if i := k.choose(k.pods[id].function); i == noNode {
			k.giveUp(id)
		} else {
			k.bind(id, i)
		}
	}
	k.wake()
}

// choose returns a node for a pod of the function, or noNode.
func (k *Kubernetes) choose(function int32) int32 {
	p := k.prefilter(function)
	found := k.search(p)
	switch len(found) {
	case 0:
		return noNode
	case onlyOneCandidate:
		return found[0]
	}
	return k.select1(found, k.scores(p, found))
}

// search returns nodes that pass all filters, at most as many as are to be scored.
// It goes on where the last search ended.
func (k *Kubernetes) search(p *pending) []int32 {
	want := k.config.Scheduler.nodesToFind(len(k.nodes))
	k.found = k.found[:0]
	looked := 0
	for ; looked < len(k.order) && len(k.found) < want; looked++ {
		if i := k.order[(k.start+looked)%len(k.order)]; k.feasible(p, i) {
			k.found = append(k.found, i)
		}
	}
	k.start = (k.start + looked) % len(k.order)
	return k.found
}

// scores returns the weighted sum of all plugins for each node.
func (k *Kubernetes) scores(p *pending, nodes []int32) []int64 {
	total := make([]int64, len(nodes))
	scores := make([]int64, len(nodes))
	for _, of := range plugins {
		weight := of.weight(k.config.Scheduler.Weights)
		if weight == 0 {
			continue
		}
		clear(scores)
		of.score(k, p, nodes, scores)
		for j, s := range scores {
			total[j] += int64(weight) * s
		}
	}
	return total
}

// select1 draws one of the nodes with the highest score.
func (k *Kubernetes) select1(nodes []int32, scores []int64) int32 {
	best := nodes[:0:0]
	highest := int64(-1)
	for j, s := range scores {
		if s > highest {
			highest, best = s, best[:0]
		}
		if s == highest {
			best = append(best, nodes[j])
		}
	}
	if len(best) == onlyOneCandidate {
		return best[0]
	}
	return best[k.random.IntN(len(best))]
}

// bind puts the pod on the node, whose kubelet hears of it after the binding.
func (k *Kubernetes) bind(id, node int32) {
	p := &k.pods[id]
	k.forget(id)
	p.ticket = 0
	p.node = node
	k.settle(id, k.l.Place(k.functions[p.function], int(node)))
	k.l.Remind(k.l.Now().Add(draw(k.config.Scheduler.Bind, k.random)), k.pods[id].signal(signalBound, id))
}

// settle books the pod of a sandbox on its node. The books are those of the cluster,
// and within the limit of pods.
func (k *Kubernetes) settle(id int32, s *cluster.Sandbox) {
	p := &k.pods[id]
	p.sandbox = s
	for int(s.ID()) >= len(k.bySandbox) {
		k.bySandbox = append(k.bySandbox, none)
	}
	k.bySandbox[s.ID()] = id
	n := k.nodes[p.node]
	n.account(p.function, &k.config.Pods[p.function], 1)
	if n.pods != n.of.Sandboxes() || n.pods > k.config.Kubelet.MaxPods {
		k.l.Fail(fmt.Errorf("kubernetes: node %s has %d pods in the books and %d sandboxes, of at most %d", n.of.Name(), n.pods, n.of.Sandboxes(), k.config.Kubelet.MaxPods))
	}
}

// draw returns a time of the law, or nothing without one.
func draw(law servicetime.Distribution, random source) (d duration) {
	if law == nil {
		return 0
	}
	return max(0, law.Quantile(random.Float64()))
}
