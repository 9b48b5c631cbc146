package cluster

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// fewestFirst is a NodeOrder with many ties.
type fewestFirst struct{}

func (fewestFirst) Before(a, b *Node) bool                           { return a.sandboxes < b.sandboxes }
func (fewestFirst) Choose(*Function, []*Node, *rand.Rand) (node int) { return -1 }

// TestTheTournamentEndsLikeAScan compares it with asking every node, after every change
// of any of them.
func TestTheTournamentEndsLikeAScan(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var nodes []*Node
		for i := range rapid.IntRange(1, 40).Draw(t, "nodes") {
			n := newNode(i, NodeConfig{Cores: 1, MaxSandboxes: 4}, 0, CoreLowest)
			n.up = rapid.Bool().Draw(t, "up")
			nodes = append(nodes, n)
		}
		r := newRanking(fewestFirst{}, nodes)
		for range rapid.IntRange(0, 60).Draw(t, "changes") {
			n := nodes[rapid.IntRange(0, len(nodes)-1).Draw(t, "which")]
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0:
				n.up = !n.up
			case 1:
				n.sandboxes = max(0, n.sandboxes-1)
			default:
				n.sandboxes++
			}
			r.changed(n)
			var want *Node
			for _, n := range nodes {
				if n.open() && (want == nil || n.sandboxes < want.sandboxes) {
					want = n
				}
			}
			got, open := r.first()
			require.Equal(t, want != nil, open)
			if open {
				require.Equal(t, want.index, got.index)
			}
		}
	})
}
