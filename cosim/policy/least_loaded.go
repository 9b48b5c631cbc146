package policy

import (
	"math"
	"math/rand/v2"

	"microcosm/cosim/cluster"
)

// leastLoaded takes a candidate with the fewest invocations in it (join the
// shortest queue); among those the sandbox choice decides when all are equal,
// else the one whose node has the fewest waiting and busy, then the first.
type leastLoaded struct{ choice SandboxChoice }

// Balancer implements Balancing.
func (leastLoaded) Balancer(c SandboxChoice) cluster.LoadBalancer { return leastLoaded{c} }

// Choose implements cluster.LoadBalancer.
func (b leastLoaded) Choose(c *cluster.Candidates, _ *rand.Rand) *cluster.Sandbox {
	best, equal := c.At(0), true
	for i := 1; i < c.Len(); i++ {
		s := c.At(i)
		switch {
		case s.Load() < best.Load():
			best, equal = s, false
		case s.Load() > best.Load():
			equal = false
		case pressure(s) < pressure(best):
			best, equal = s, false
		case pressure(s) > pressure(best):
			equal = false
		}
	}
	if equal {
		return b.choice.choose(c)
	}
	return best
}

// pressure is how many invocations a sandbox's node has per core, waiting ones
// included; a node that has no core now is under more than any other.
func pressure(s *cluster.Sandbox) float64 {
	n := s.Node()
	if n.Cores() == 0 {
		return math.Inf(1)
	}
	return float64(n.Busy()+n.Waiting()) / float64(n.Cores())
}
