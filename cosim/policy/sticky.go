package policy

import (
	"math/rand/v2"

	"microcosm/cosim/cluster"
)

// sticky prefers the sandbox that served the function last if its core is idle,
// else the next by ring whose core is idle, else the next by ring.
type sticky struct{}

// Balancer implements Balancing.
func (sticky) Balancer(SandboxChoice) cluster.LoadBalancer { return sticky{} }

// Choose implements cluster.LoadBalancer.
func (sticky) Choose(c *cluster.Candidates, _ *rand.Rand) *cluster.Sandbox {
	last := c.LastServed()
	if c.Has(last) && last.CoreIdle() {
		return last
	}
	next := c.After(last)
	for s := next; ; {
		if s.CoreIdle() {
			return s
		}
		if s = c.After(s); s == next {
			return next
		}
	}
}
