package policy

import (
	"math/rand/v2"

	"microcosm/cosim/cluster"
)

// leastAllocated takes the node of whose memory the largest share is free; nodes
// without a memory limit come first, by their number of sandboxes, fewest first.
type leastAllocated struct{}

// Choose implements cluster.Placement.
func (l leastAllocated) Choose(f *cluster.Function, nodes []*cluster.Node, _ *rand.Rand) int {
	return first(f, nodes, l.Before)
}

// Before implements cluster.NodeOrder.
func (leastAllocated) Before(a, b *cluster.Node) bool {
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
