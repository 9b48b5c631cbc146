package policy

import (
	"math/rand/v2"

	"microcosm/cosim/cluster"
)

// leastAllocated takes the node of whose memory the largest share is free; nodes
// without a memory limit come first, by their number of sandboxes, fewest first.
type leastAllocated struct{}

// Choose implements cluster.Placement.
func (leastAllocated) Choose(f *cluster.Function, nodes []*cluster.Node, _ *rand.Rand) int {
	best := -1
	for i, n := range nodes {
		if n.Fits(f.MemoryMiB()) && (best < 0 || emptier(n, nodes[best])) {
			best = i
		}
	}
	return best
}

func emptier(a, b *cluster.Node) bool {
	freeA, limitedA := a.FreeMiB()
	freeB, limitedB := b.FreeMiB()
	if limitedA != limitedB {
		return limitedB
	}
	if limitedA {
		return freeA*b.MemoryMiB() > freeB*a.MemoryMiB() // the larger share, exactly
	}
	return a.Sandboxes() < b.Sandboxes()
}
