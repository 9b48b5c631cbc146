package policy

import (
	"math/rand/v2"

	"microcosm/cosim/cluster"
)

// locality takes the first node in the function's own order that has room, so
// that a function's sandboxes stand together and a node that comes or goes moves
// few of them. consistent-hash and min-worker-set follow the same order.
type locality struct{}

// Choose implements cluster.Placement.
func (locality) Choose(f *cluster.Function, nodes []*cluster.Node, _ *rand.Rand) int {
	best, heaviest := -1, uint64(0)
	for i, n := range nodes {
		if w := weight(f, n); n.Fits(f.MemoryMiB()) && (best < 0 || w > heaviest) {
			best, heaviest = i, w
		}
	}
	return best
}

// weight ranks the nodes of a function: rendezvous hashing, which is consistent
// without a ring (Thaler and Ravishankar, Using Name-Based Mappings to Increase
// Hit Rates, 1998).
func weight(f *cluster.Function, n *cluster.Node) uint64 {
	const offset, prime = 14695981039346656037, 1099511628211 // FNV-1a
	h := uint64(offset)
	for _, text := range []string{f.Name(), "\x00", n.Name()} {
		for i := range len(text) {
			h = (h ^ uint64(text[i])) * prime
		}
	}
	// The finalizer of SplitMix64: FNV alone leaves names that differ in their
	// last byte close together.
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}
