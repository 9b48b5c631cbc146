package policy

import (
	"math/rand/v2"

	"microcosm/cosim/cluster"
)

// ShortestQueue joins the shortest queue, any of them with equal probability on
// a tie.
type ShortestQueue struct {
	// Of is whose invocations count: those of the sandbox, or of its node.
	Of string `yaml:"of" words:"sandbox|node"`
}

// Balancer implements Balancing.
func (p ShortestQueue) Balancer(SandboxChoice) cluster.LoadBalancer { return p }

// Choose implements cluster.LoadBalancer.
func (p ShortestQueue) Choose(c *cluster.Candidates, r *rand.Rand) *cluster.Sandbox {
	var best *cluster.Sandbox
	least, ties := 0, 0
	for i := range c.Len() {
		s := c.At(i)
		length := s.Load()
		if p.Of == "node" {
			length = s.Node().Load()
		}
		switch {
		case best == nil || length < least:
			best, least, ties = s, length, 1
		case length == least:
			if ties++; r.IntN(ties) == 0 { // reservoir of one
				best = s
			}
		}
	}
	return best
}
