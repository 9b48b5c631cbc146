package policy

import (
	"math"
	"math/rand/v2"

	"microcosm/cosim/cluster"
)

// ConsistentHash takes a sandbox on the first node in the function's own order
// that is loaded less than MaxLoad times the average: consistent hashing with
// bounded loads (Mirrokni, Thorup and Zadimoghaddam, SODA 2018). Where no
// candidate's node is, it takes the one whose node is loaded least.
type ConsistentHash struct {
	// MaxLoad is how much more than the average a node may be loaded.
	MaxLoad float64 `yaml:"max-load" range:"1..1000"`
}

// Balancer implements Balancing.
func (p ConsistentHash) Balancer(choice SandboxChoice) cluster.LoadBalancer {
	return &consistentHash{ConsistentHash: p, choice: choice}
}

type consistentHash struct {
	ConsistentHash
	choice  SandboxChoice
	weights []uint64 // by node
}

// Choose implements cluster.LoadBalancer.
func (b *consistentHash) Choose(c *cluster.Candidates, _ *rand.Rand) *cluster.Sandbox {
	if b.weights == nil {
		for _, n := range c.Function().Nodes() {
			b.weights = append(b.weights, weight(c.Function(), n))
		}
	}
	bound := b.bound(c.Function().Nodes())
	var home, least *cluster.Sandbox
	for s := range b.choice.ordered(c) {
		if s.Node().Load() < bound && (home == nil || b.before(s, home)) {
			home = s
		}
		if least == nil || s.Node().Load() < least.Node().Load() {
			least = s
		}
	}
	if home == nil {
		return least
	}
	return home
}

// before reports whether a is to be preferred to b: by its node, and on the same
// node by the invocations in it.
func (b *consistentHash) before(a, other *cluster.Sandbox) bool {
	if a.Node() == other.Node() {
		return a.Load() < other.Load()
	}
	return b.weights[a.Node().Index()] > b.weights[other.Node().Index()]
}

// bound returns the load below which a node may take one more.
func (b *consistentHash) bound(nodes []*cluster.Node) int {
	load, up := 1, 0 // the invocation to be placed is one
	for _, n := range nodes {
		if n.Cores() > 0 {
			up++
		}
		load += n.Load()
	}
	return int(math.Ceil(b.MaxLoad * float64(load) / float64(max(1, up))))
}
