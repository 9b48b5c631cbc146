package policy

import (
	"fmt"
	"math/rand/v2"

	"microcosm/cosim/cluster"
)

// LukewarmAware improves on the choice of another policy: among the sandboxes
// that are loaded no more and could start no later it takes the one whose core
// forgot least, by the penalty that the law of its service times expects. Where
// none forgot less it keeps the choice; without a penalty its decisions are
// exactly those of the other policy.
type LukewarmAware struct {
	// TieBreak is the policy that it improves on.
	TieBreak string `yaml:"tie-break" words:"policy.balancers"`
}

// Validate reports a tie-break that cannot be used.
func (p LukewarmAware) Validate() error {
	base, err := lookup(balancings, "tie-break", p.TieBreak)
	if err != nil {
		return err
	}
	if _, itself := base.(LukewarmAware); itself {
		return fmt.Errorf("tie-break %s: it cannot improve on itself; take another policy", p.TieBreak)
	}
	return nil
}

// Balancer implements Balancing. A tie-break that is not valid gives that of the
// defaults.
func (p LukewarmAware) Balancer(choice SandboxChoice) cluster.LoadBalancer {
	base := balancings[p.TieBreak]
	if p.Validate() != nil {
		base = firstAvailable{}
	}
	return lukewarmAware{base: base.Balancer(choice), choice: choice}
}

type lukewarmAware struct {
	base   cluster.LoadBalancer
	choice SandboxChoice
}

// Choose implements cluster.LoadBalancer.
func (b lukewarmAware) Choose(c *cluster.Candidates, r *rand.Rand) *cluster.Sandbox {
	best := b.base.Choose(c, r)
	if c.Len() == 1 {
		return best
	}
	limit, starts, least := best.Load(), best.CanStart(), best.Penalty()
	for s := range b.choice.ordered(c) {
		if least == 0 {
			break
		}
		if s == best || s.Load() > limit || starts && !s.CanStart() {
			continue
		}
		if p := s.Penalty(); p < least {
			best, least = s, p
		}
	}
	return best
}
