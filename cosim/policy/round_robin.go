package policy

import (
	"math/rand/v2"

	"microcosm/cosim/cluster"
)

// roundRobin takes the candidate that follows the sandbox served last, in the
// ring of creation.
type roundRobin struct{}

// Balancer implements Balancing.
func (roundRobin) Balancer(SandboxChoice) cluster.LoadBalancer { return roundRobin{} }

// Choose implements cluster.LoadBalancer.
func (roundRobin) Choose(c *cluster.Candidates, _ *rand.Rand) *cluster.Sandbox {
	return c.After(c.LastServed())
}
