package policy

import (
	"fmt"
	"math/rand/v2"
	"time"

	"microcosm/cosim/cluster"
	"microcosm/cosim/des"
)

// Halving is what AWS Lambda was measured to do: of n sandboxes that became idle
// together n·2^−p are left after p periods of 380 s, rounded up, and the last
// one goes when it is alone (Copik et al., SeBS, Middleware 2021, section 6.5).
// It removes every second one of those that have been idle for the same number
// of periods.
type Halving struct {
	// Period after which half of the idle sandboxes go.
	Period time.Duration `yaml:"period" range:"1ns.."`
	// Jitter spreads each period evenly over as much to either side; less than half of it.
	Jitter time.Duration `yaml:"jitter" range:"0s.."`
	// EarlyLoss is the probability that a sandbox goes at the end of a period that it should survive.
	EarlyLoss float64 `yaml:"early-loss" range:"0..1"`
}

// Validate reports a jitter that would mix the periods up.
func (p Halving) Validate() error {
	if 2*p.Jitter >= p.Period {
		return fmt.Errorf("jitter %v is not less than half of the period, %v: lower it", p.Jitter, p.Period)
	}
	return nil
}

// KeepAlive implements Keeping.
func (p Halving) KeepAlive(random *rand.Rand) cluster.KeepAlive {
	return &halving{Halving: p, random: random}
}

type halving struct {
	Halving
	random  *rand.Rand
	cohorts []cohort // by the number of periods survived before
}

// cohort is who is reviewed about now after the same number of periods.
type cohort struct {
	last des.Time
	next bool // the next one goes
}

// Idle implements cluster.KeepAlive.
func (k *halving) Idle(*cluster.Sandbox, des.Time) time.Duration { return k.period() }

// Review implements cluster.KeepAlive.
func (k *halving) Review(s *cluster.Sandbox, now des.Time) time.Duration {
	survived := int((now.Sub(s.IdleSince())+k.Period/2)/k.Period) - 1
	for len(k.cohorts) <= survived {
		k.cohorts = append(k.cohorts, cohort{})
	}
	c := &k.cohorts[max(0, survived)]
	if now.Sub(c.last) > k.Period/2 {
		c.next = false // a new batch, whose first one stays
	}
	goes := c.next
	c.last, c.next = now, !c.next
	if s.Function().Ready() == 1 || goes || k.EarlyLoss > 0 && k.random.Float64() < k.EarlyLoss {
		return 0
	}
	return k.period()
}

func (k *halving) period() time.Duration {
	if k.Jitter == 0 {
		return k.Period
	}
	return max(1, k.Period+time.Duration((2*k.random.Float64()-1)*float64(k.Jitter)))
}
