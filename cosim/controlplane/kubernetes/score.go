package kubernetes

import (
	"math"
	"slices"
)

// maxScore is what the best node gets of each plugin before its weight.
const maxScore = 100

// plugin scores nodes that fit, each from 0 to maxScore.
type plugin struct {
	name   string
	weight func(w Weights) int
	score  func(k *Kubernetes, p *pending, nodes []int32, scores []int64)
}

// plugins are the scoring plugins, in the order of default_plugins.go.
var plugins = []plugin{
	{"TaintToleration", func(w Weights) int { return w.TaintToleration }, scoreTaints},
	{"NodeAffinity", func(w Weights) int { return w.NodeAffinity }, scoreNodeAffinity},
	{"NodeResourcesFit", func(w Weights) int { return w.ResourcesFit }, scoreFit},
	{"PodTopologySpread", func(w Weights) int { return w.TopologySpread }, scoreSpread},
	{"InterPodAffinity", func(w Weights) int { return w.InterPodAffinity }, scorePodAffinity},
	{"NodeResourcesBalancedAllocation", func(w Weights) int { return w.BalancedAllocation }, scoreBalance},
	{"ImageLocality", func(w Weights) int { return w.ImageLocality }, scoreImages},
}

// normalize scales scores to maxScore for the largest, and turns them around where
// reverse (pkg/scheduler/framework/plugins/helper/normalize_score.go).
func normalize(scores []int64, reverse bool) {
	most := int64(0)
	for _, s := range scores {
		most = max(most, s)
	}
	for i, s := range scores {
		if most > 0 {
			s = maxScore * s / most
		}
		if reverse {
			s = maxScore - s
		}
		scores[i] = s
	}
}

// scoreTaints prefers nodes with few soft taints that the pod does not tolerate.
func scoreTaints(k *Kubernetes, p *pending, nodes []int32, scores []int64) {
	for j, i := range nodes {
		for _, taint := range k.nodes[i].spec.Taints {
			if taint.Effect == PreferNoSchedule && !tolerated(p.spec.Tolerations, taint) {
				scores[j]++
			}
		}
	}
	normalize(scores, true)
}

// scoreNodeAffinity adds the weights of the preferences that a node meets.
func scoreNodeAffinity(k *Kubernetes, p *pending, nodes []int32, scores []int64) {
	for j, i := range nodes {
		for _, preference := range p.spec.NodeAffinity {
			if matches(preference.Match, k.nodes[i].labels) {
				scores[j] += int64(preference.Weight)
			}
		}
	}
	normalize(scores, false)
}

// scoreFit prefers the node that the pod would leave emptiest, or fullest: the mean
// over CPU and memory (noderesources/least_allocated.go and most_allocated.go). A
// resource without a limit does not count.
func scoreFit(k *Kubernetes, p *pending, nodes []int32, scores []int64) {
	for j, i := range nodes {
		n := k.nodes[i]
		sum, resources := int64(0), int64(0)
		for _, r := range [...][2]int{
			{n.asked.milliCPU + p.nonzero.milliCPU, n.capacity.milliCPU},
			{n.asked.mib + p.nonzero.mib, n.capacity.mib},
		} {
			requested, capacity := int64(r[0]), int64(r[1])
			if capacity == 0 {
				continue
			}
			resources++
			switch {
			case k.config.Scheduler.Strategy == MostAllocated:
				sum += min(requested, capacity) * maxScore / capacity
			case requested <= capacity:
				sum += (capacity - requested) * maxScore / capacity
			}
		}
		if resources > 0 {
			scores[j] = sum / resources
		}
	}
}

// scoreBalance prefers nodes whose CPU and memory would be taken alike: 1 minus the
// standard deviation of the two shares (noderesources/balanced_allocation.go). A pod
// that requests nothing is scored by none.
func scoreBalance(k *Kubernetes, p *pending, nodes []int32, scores []int64) {
	if p.request == (allocation{}) {
		return
	}
	for j, i := range nodes {
		n := k.nodes[i]
		deviation := 0.0
		if n.capacity.milliCPU > 0 && n.capacity.mib > 0 {
			cpu := min(1, float64(n.used.milliCPU+p.request.milliCPU)/float64(n.capacity.milliCPU))
			memory := min(1, float64(n.used.mib+p.request.mib)/float64(n.capacity.mib))
			deviation = math.Abs((cpu - memory) / 2)
		}
		scores[j] = int64((1 - deviation) * maxScore)
	}
}

// What an image must weigh to count, and from which size on it counts no more
// (imagelocality/image_locality.go).
const (
	smallImage = 23 << 20
	largeImage = 1000 << 20
)

// scoreImages prefers nodes that have the image, the more the larger it is, but less
// while few nodes have it, lest all pods go there.
func scoreImages(k *Kubernetes, p *pending, nodes []int32, scores []int64) {
	image := p.spec.Image
	if image == NoImage {
		return
	}
	holders, all := 0, 0
	for _, n := range k.nodes {
		if n.up {
			all++
			if n.agent.has(k.images, image) {
				holders++
			}
		}
	}
	sum := int64(float64(k.images[image].bytes) * (float64(holders) / float64(all)))
	score := int64(maxScore) * (min(max(sum, smallImage), largeImage) - smallImage) / (largeImage - smallImage)
	for j, i := range nodes {
		if k.nodes[i].agent.has(k.images, image) {
			scores[j] = score
		}
	}
}

// scoreSpread prefers nodes whose domains have few of the function's pods
// (podtopologyspread/scoring.go).
func scoreSpread(k *Kubernetes, p *pending, nodes []int32, scores []int64) {
	constraints, required := softSpread(p.spec)
	if len(constraints) == 0 {
		return
	}
	var needed topologies
	for _, c := range constraints {
		if required {
			needed = append(needed, k.topologies[c.Topology])
		}
	}
	ignored := make([]bool, len(nodes))
	kept := 0
	for j, i := range nodes {
		if ignored[j] = !needed.on(int(i)); !ignored[j] {
			kept++
		}
	}
	sums := make([]float64, len(nodes))
	for _, c := range constraints {
		t := k.topologies[c.Topology]
		size := kept
		var counts []int64
		if c.Topology != Hostname {
			size = domainsOf(t, nodes, ignored)
			counts, _ = k.eligible(p, t, needed)
		}
		weight := math.Log(float64(size + 2))
		for j, i := range nodes {
			d := t.domain[i]
			if ignored[j] || d < 0 {
				continue
			}
			siblings := int64(k.nodes[i].count[p.function])
			if counts != nil {
				siblings = counts[d]
			}
			sums[j] += float64(siblings)*weight + float64(c.MaxSkew-1)
		}
	}
	turnAround(sums, ignored, scores)
}

// softSpread returns the constraints that are scored, and whether nodes need the
// labels of all of them: those of Kubernetes' defaults may be missing.
func softSpread(spec *PodSpec) (soft []SpreadConstraint, required bool) {
	if spec.Spread == nil {
		return defaultSpread, false
	}
	for _, c := range spec.Spread {
		if !c.Hard {
			soft = append(soft, c)
		}
	}
	return soft, true
}

// domainsOf counts the domains of nodes; those without the label are one together.
func domainsOf(t *topology, nodes []int32, ignored []bool) (size int) {
	seen := make([]bool, t.size+1)
	for j, i := range nodes {
		if !ignored[j] && !seen[t.domain[i]+1] {
			seen[t.domain[i]+1] = true
			size++
		}
	}
	return size
}

// turnAround makes of the weighted numbers of pods scores that fall with them.
func turnAround(sums []float64, ignored []bool, scores []int64) {
	least, most := int64(math.MaxInt64), int64(0)
	for j, sum := range sums {
		scores[j] = int64(math.Round(sum))
		if !ignored[j] {
			least, most = min(least, scores[j]), max(most, scores[j])
		}
	}
	for j, s := range scores {
		switch {
		case ignored[j]:
			scores[j] = 0
		case most == 0:
			scores[j] = maxScore
		default:
			scores[j] = maxScore * (most + least - s) / most
		}
	}
}

// scorePodAffinity adds the weights of the preferred affinities between the pod and
// those that are there, in both directions (interpodaffinity/scoring.go).
func scorePodAffinity(k *Kubernetes, p *pending, nodes []int32, scores []int64) {
	scored := false
	add := func(term PodTerm, weight int, functions []int) {
		if weight == 0 {
			return
		}
		if term.Anti {
			weight = -weight
		}
		t := k.topologies[term.Topology]
		counts, sum := k.inDomains(t, functions)
		scored = scored || sum > 0
		for j, i := range nodes {
			if d := t.domain[i]; d >= 0 {
				scores[j] += counts[d] * int64(weight)
			}
		}
	}
	for _, term := range p.spec.PodAffinity {
		add(term, term.Weight, term.Functions)
	}
	for _, other := range k.towards[p.function] {
		weight := other.term.Weight
		if weight == 0 && !other.term.Anti {
			weight = k.config.Scheduler.HardPodAffinityWeight
		}
		add(other.term, weight, []int{int(other.function)})
	}
	if !scored {
		return
	}
	least, most := slices.Min(scores), slices.Max(scores)
	for j, s := range scores {
		scores[j] = 0
		if most > least {
			scores[j] = int64(maxScore * (float64(s-least) / float64(most-least)))
		}
	}
}
