package policy

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"microcosm/cosim/cluster"
	"microcosm/cosim/des"
)

// MinWorkerSet keeps a function on the fewest nodes whose cores cover its
// demand, the first ones of its own order, and takes the least loaded sandbox
// there (Zhang et al., Faster and Cheaper Serverless Computing on Harvested
// Resources, SOSP 2021). The demand is a moving average of the invocations in
// the system.
type MinWorkerSet struct {
	// Headroom is how many cores the set has for each invocation in the system.
	Headroom float64 `yaml:"headroom" range:"0.01..1000"`
	// Memory is the time constant of the average.
	Memory time.Duration `yaml:"memory" range:"1ns.."`
}

// Balancer implements Balancing.
func (p MinWorkerSet) Balancer(choice SandboxChoice) cluster.LoadBalancer {
	return &minWorkerSet{MinWorkerSet: p, choice: choice}
}

type minWorkerSet struct {
	MinWorkerSet
	choice SandboxChoice
	order  []*cluster.Node
	rank   []int // by node
	demand float64
	seen   des.Time
}

// Choose implements cluster.LoadBalancer.
func (b *minWorkerSet) Choose(c *cluster.Candidates, _ *rand.Rand) *cluster.Sandbox {
	f := c.Function()
	if b.order == nil {
		b.rankNodes(f)
	}
	b.observe(f)
	size, cores := 0, 0.
	for size < len(b.order) && (size == 0 || cores < b.demand*b.Headroom) {
		cores += float64(b.order[size].Cores())
		size++
	}
	var inside, nearest *cluster.Sandbox
	for s := range b.choice.ordered(c) {
		rank := b.rank[s.Node().Index()]
		if rank < size && (inside == nil || lighter(s, inside)) {
			inside = s
		}
		if nearest == nil || rank < b.rank[nearest.Node().Index()] {
			nearest = s
		}
	}
	if inside == nil {
		return nearest
	}
	return inside
}

func (b *minWorkerSet) rankNodes(f *cluster.Function) {
	b.order = slices.Clone(f.Nodes())
	slices.SortStableFunc(b.order, func(x, y *cluster.Node) int { return cmp.Compare(weight(f, y), weight(f, x)) })
	b.rank = make([]int, len(b.order))
	for i, n := range b.order {
		b.rank[n.Index()] = i
	}
}

// observe averages the number in the system, seen at arrivals, with a weight
// that decays with time.
func (b *minWorkerSet) observe(f *cluster.Function) {
	now, present := f.Now(), float64(f.InSystem())
	keep := math.Exp(-float64(now.Sub(b.seen)) / float64(b.Memory))
	b.demand, b.seen = keep*b.demand+(1-keep)*present, now
	b.demand = max(b.demand, 0)
}

// lighter reports that a has fewer invocations in it than b or, being equal, a
// less loaded node.
func lighter(a, b *cluster.Sandbox) bool {
	if a.Load() != b.Load() {
		return a.Load() < b.Load()
	}
	return pressure(a) < pressure(b)
}
