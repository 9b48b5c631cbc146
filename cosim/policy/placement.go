package policy

import (
	"math/rand/v2"

	"microcosm/cosim/cluster"
)

// spread takes the node with the fewest sandboxes per core.
type spread struct{}

// Choose implements cluster.Placement.
func (spread) Choose(nodes []*cluster.Node, memoryMiB int, _ *rand.Rand) int {
	best := -1
	for i, n := range nodes {
		// a/b < c/d as a·d < c·b: exact.
		if n.Fits(memoryMiB) && (best < 0 || n.Sandboxes()*nodes[best].Cores() < nodes[best].Sandboxes()*n.Cores()) {
			best = i
		}
	}
	return best
}

// binPack takes the node with the least memory left that suffices (best fit);
// nodes without a memory limit come last, by their number of sandboxes, most
// first.
type binPack struct{}

// Choose implements cluster.Placement.
func (binPack) Choose(nodes []*cluster.Node, memoryMiB int, _ *rand.Rand) int {
	best := -1
	for i, n := range nodes {
		if n.Fits(memoryMiB) && (best < 0 || tighter(n, nodes[best])) {
			best = i
		}
	}
	return best
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

// firstFit takes the first node with enough memory.
type firstFit struct{}

// Choose implements cluster.Placement.
func (firstFit) Choose(nodes []*cluster.Node, memoryMiB int, _ *rand.Rand) int {
	for i, n := range nodes {
		if n.Fits(memoryMiB) {
			return i
		}
	}
	return -1
}

// anyNode takes any node with enough memory, each with equal probability.
type anyNode struct{}

// Choose implements cluster.Placement.
func (anyNode) Choose(nodes []*cluster.Node, memoryMiB int, r *rand.Rand) int {
	chosen, seen := -1, 0
	for i, n := range nodes {
		if !n.Fits(memoryMiB) {
			continue
		}
		seen++
		if r.IntN(seen) == 0 { // reservoir of one
			chosen = i
		}
	}
	return chosen
}
