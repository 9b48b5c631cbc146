package policy

import (
	"math"
	"math/rand/v2"
	"time"

	"microcosm/cosim/cluster"
)

// noRetry fails a request with its first attempt.
type noRetry struct{}

// Again implements cluster.Retry.
func (noRetry) Again(int, cluster.Loss, *rand.Rand) (time.Duration, bool) { return 0, false }

// FixedRetry tries again after the same time each time.
type FixedRetry struct {
	// Attempts is how many are made at most, the first one included.
	Attempts int `yaml:"attempts" range:"1..65535"`
	// Delay is the time before each further one.
	Delay time.Duration `yaml:"delay" range:"0s.."`
	// Rejected says that requests which found every queue full are tried again too.
	Rejected bool `yaml:"rejected"`
}

// Again implements cluster.Retry.
func (p FixedRetry) Again(attempt int, why cluster.Loss, _ *rand.Rand) (time.Duration, bool) {
	return p.Delay, attempt < p.Attempts && (p.Rejected || why != cluster.LossRejected)
}

// Backoff tries again after a time that doubles from attempt to attempt, of
// which a random share is taken (full jitter: Brooker, Exponential Backoff And
// Jitter, AWS Architecture Blog, 2015).
type Backoff struct {
	// Attempts is how many are made at most, the first one included.
	Attempts int `yaml:"attempts" range:"1..65535"`
	// Base is the time before the second one.
	Base time.Duration `yaml:"base" range:"0s.."`
	// Cap bounds it.
	Cap time.Duration `yaml:"cap" range:"0s.."`
	// Jitter says that a random share of the time is taken.
	Jitter bool `yaml:"jitter"`
	// Rejected says that requests which found every queue full are tried again too.
	Rejected bool `yaml:"rejected"`
}

// Again implements cluster.Retry.
func (p Backoff) Again(attempt int, why cluster.Loss, random *rand.Rand) (time.Duration, bool) {
	if attempt >= p.Attempts || why == cluster.LossRejected && !p.Rejected {
		return 0, false
	}
	delay := min(float64(p.Cap), math.Ldexp(float64(p.Base), attempt-1))
	if p.Jitter {
		delay *= random.Float64()
	}
	return time.Duration(delay), true
}
