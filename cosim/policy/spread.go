package policy

import (
	"math/rand/v2"

	"microcosm/cosim/cluster"
)

// spread takes the node with the fewest sandboxes per core, one that has no core
// now only where no other has room.
type spread struct{}

// Choose implements cluster.Placement.
func (s spread) Choose(f *cluster.Function, nodes []*cluster.Node, _ *rand.Rand) int {
	return first(f, nodes, s.Before)
}

// Before implements cluster.NodeOrder.
func (spread) Before(a, b *cluster.Node) bool {
	if a.Cores() == 0 || b.Cores() == 0 {
		return a.Cores() > 0
	}
	return a.Sandboxes()*b.Cores() < b.Sandboxes()*a.Cores() // a/b < c/d as a·d < c·b: exact
}
