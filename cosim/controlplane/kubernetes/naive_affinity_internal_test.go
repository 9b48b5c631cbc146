package kubernetes

import "math"

// scoreSpread: siblings in the node's domains, weighted by the number of domains, and
// turned around.
func (n *naive) scoreSpread(function int, nodes []int32) []int64 {
	spec := n.config.Pods[function]
	constraints := []SpreadConstraint{{Topology: Hostname, MaxSkew: 3}, {Topology: Zone, MaxSkew: 5}}
	needs := func(int) bool { return true }
	if spec.Spread != nil {
		constraints = nil
		for _, c := range spec.Spread {
			if !c.Hard {
				constraints = append(constraints, c)
			}
		}
		needs = func(node int) bool { return n.labelled(constraints, node) }
	}
	scores := make([]int64, len(nodes))
	if len(constraints) == 0 {
		return scores
	}
	least, most := int64(math.MaxInt64), int64(0)
	for j, node := range nodes {
		if !needs(int(node)) {
			continue
		}
		sum := 0.0
		for _, c := range constraints {
			if _, there := n.label(int(node), c.Topology); there {
				sum += float64(n.siblings(function, int(node), c, needs))*n.weight(nodes, c, needs) + float64(c.MaxSkew-1)
			}
		}
		scores[j] = int64(math.Round(sum))
		least, most = min(least, scores[j]), max(most, scores[j])
	}
	for j, node := range nodes {
		switch {
		case !needs(int(node)):
			scores[j] = 0
		case most == 0:
			scores[j] = 100
		default:
			scores[j] = 100 * (most + least - scores[j]) / most
		}
	}
	return scores
}

// siblings counts those in the node's domain: on hosts each counts, in larger domains
// those on nodes that the pod could use.
func (n *naive) siblings(function, node int, c SpreadConstraint, needs func(int) bool) int {
	if c.Topology == Hostname {
		return n.on(func(i int) bool { return i == node }, function)
	}
	same := n.with(c.Topology, node)
	return n.on(func(i int) bool {
		return same(i) && needs(i) && n.selects(n.config.Pods[function].NodeSelector, i)
	}, function)
}

// weight is ln(domains + 2): a topology of few domains counts less.
func (n *naive) weight(nodes []int32, c SpreadConstraint, needs func(int) bool) float64 {
	values := map[string]bool{}
	for _, node := range nodes {
		if needs(int(node)) {
			value, _ := n.label(int(node), c.Topology)
			values[value] = true
		}
	}
	return math.Log(float64(len(values) + 2))
}

// scorePodAffinity: each pod that is there gives the weights of its terms, and of
// those of the new pod that it meets, to all nodes of its domain.
func (n *naive) scorePodAffinity(function int, nodes []int32) []int64 {
	given := make([]int64, len(n.machines))
	give := func(p naivePod, term PodTerm, weight int, matched bool) {
		if term.Anti {
			weight = -weight
		}
		for node := range n.machines {
			if matched && n.with(term.Topology, p.node)(node) {
				given[node] += int64(weight)
			}
		}
	}
	for _, p := range n.pods {
		for _, term := range n.config.Pods[function].PodAffinity {
			give(p, term, term.Weight, contains(term.Functions, int32(p.function)))
		}
		for _, term := range n.config.Pods[p.function].PodAffinity {
			weight := term.Weight
			if weight == 0 && !term.Anti {
				weight = n.config.Scheduler.HardPodAffinityWeight
			}
			give(p, term, weight, contains(term.Functions, int32(function)))
		}
	}
	least, most := int64(math.MaxInt64), int64(math.MinInt64)
	for _, node := range nodes {
		least, most = min(least, given[node]), max(most, given[node])
	}
	scores := make([]int64, len(nodes))
	for j, node := range nodes {
		if most > least {
			scores[j] = int64(100 * (float64(given[node]-least) / float64(most-least)))
		}
	}
	return scores
}
