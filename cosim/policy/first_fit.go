package policy

import (
	"math/rand/v2"

	"microcosm/cosim/cluster"
)

// firstFit takes the first node with enough memory.
type firstFit struct{}

// Choose implements cluster.Placement.
func (firstFit) Choose(f *cluster.Function, nodes []*cluster.Node, _ *rand.Rand) int {
	for i, n := range nodes {
		if n.Fits(f.MemoryMiB()) {
			return i
		}
	}
	return -1
}
