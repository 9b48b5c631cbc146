package policy

import (
	"math/rand/v2"

	"microcosm/cosim/cluster"
)

// binPack takes the node with the least memory left that suffices (best fit);
// nodes without a memory limit come last, by their number of sandboxes, most
// first.
type binPack struct{}

// Choose implements cluster.Placement.
func (binPack) Choose(f *cluster.Function, nodes []*cluster.Node, _ *rand.Rand) int {
	return first(f, nodes, tighter)
}

func tighter(a, b *cluster.Node) bool {
	freeA, limitedA := a.FreeMiB()
	freeB, limitedB := b.FreeMiB()
	if limitedA != limitedB {
		return limitedA
	}
	if limitedA {
		return freeA < freeB
	}
	return a.Sandboxes() > b.Sandboxes()
}
