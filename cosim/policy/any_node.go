package policy

import (
	"math/rand/v2"

	"microcosm/cosim/cluster"
)

// anyNode takes any node with enough memory, each with equal probability.
type anyNode struct{}

// Choose implements cluster.Placement.
func (anyNode) Choose(f *cluster.Function, nodes []*cluster.Node, r *rand.Rand) int {
	chosen, seen := -1, 0
	for i, n := range nodes {
		if !n.Fits(f.MemoryMiB()) {
			continue
		}
		seen++
		if r.IntN(seen) == 0 { // reservoir of one
			chosen = i
		}
	}
	return chosen
}
