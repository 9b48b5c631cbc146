package policy

import (
	"math/rand/v2"

	"microcosm/cosim/cluster"
)

// firstAvailable takes the first candidate in the order of the sandbox choice.
// With late binding every candidate has a free slot.
type firstAvailable struct{ choice SandboxChoice }

// Balancer implements Balancing.
func (firstAvailable) Balancer(c SandboxChoice) cluster.LoadBalancer { return firstAvailable{c} }

// Choose implements cluster.LoadBalancer.
func (b firstAvailable) Choose(c *cluster.Candidates, _ *rand.Rand) *cluster.Sandbox {
	return b.choice.choose(c)
}
