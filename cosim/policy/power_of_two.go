package policy

import (
	"math/rand/v2"

	"microcosm/cosim/cluster"
)

// powerOfTwo draws two candidates and takes the one with fewer invocations in
// it, the first on a tie (Mitzenmacher, The Power of Two Choices in Randomized
// Load Balancing, 2001).
type powerOfTwo struct{}

// Balancer implements Balancing.
func (powerOfTwo) Balancer(SandboxChoice) cluster.LoadBalancer { return powerOfTwo{} }

// Choose implements cluster.LoadBalancer.
func (powerOfTwo) Choose(c *cluster.Candidates, r *rand.Rand) *cluster.Sandbox {
	if c.Len() == 1 {
		return c.At(0)
	}
	i := r.IntN(c.Len())
	j := r.IntN(c.Len() - 1)
	if j >= i {
		j++
	}
	first, second := c.At(i), c.At(j)
	if second.Load() < first.Load() {
		return second
	}
	return first
}
