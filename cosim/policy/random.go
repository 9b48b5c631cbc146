package policy

import (
	"math/rand/v2"

	"microcosm/cosim/cluster"
)

// random takes any candidate, each with equal probability.
type random struct{}

// Balancer implements Balancing.
func (random) Balancer(SandboxChoice) cluster.LoadBalancer { return random{} }

// Choose implements cluster.LoadBalancer.
func (random) Choose(c *cluster.Candidates, r *rand.Rand) *cluster.Sandbox { return c.Random(r) }
