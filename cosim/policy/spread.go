package policy

import (
	"math/rand/v2"

	"microcosm/cosim/cluster"
)

// spread takes the node with the fewest sandboxes per core.
type spread struct{}

// Choose implements cluster.Placement.
func (spread) Choose(f *cluster.Function, nodes []*cluster.Node, _ *rand.Rand) int {
	best := -1
	for i, n := range nodes {
		// a/b < c/d as a·d < c·b: exact.
		if n.Fits(f.MemoryMiB()) && (best < 0 || n.Sandboxes()*nodes[best].Cores() < nodes[best].Sandboxes()*n.Cores()) {
			best = i
		}
	}
	return best
}
