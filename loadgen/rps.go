package loadgen

import (
	"fmt"
	"math"
	"time"

	"microcosm/cosim/des"
)

// RPS is In-Vitro's requests-per-second mode: one function that is invoked often
// enough to stay warm, and as many functions as are needed so that each of them
// is invoked once per cool-down only, hence cold.
//
// It equals In-Vitro's generator where the cold rate, or its inverse, is whole.
// Elsewhere In-Vitro lets cold functions coincide; here they stay evenly spaced.
type RPS struct {
	Rate      float64       // invocations per second in all
	ColdShare float64       // share of them that is to be cold, 0 to 1
	Cooldown  time.Duration // time after which a function is cold again
	Duration  time.Duration // of every invocation; 0: the service time is sampled
	MemoryMiB int           // of every invocation
}

// The names of the functions of RPS; a dash and a number follow that of cold ones.
const (
	WarmFunction = "warm-function"
	ColdFunction = "cold-function"
)

// maxColdFunctions bounds what a mistyped cool-down can ask for.
const maxColdFunctions = 1_000_000

// Validate reports every mistake at once, each a *FieldError, joined.
func (r RPS) Validate() error {
	var l fieldErrors
	rateFits := r.Rate > 0 && r.Rate <= MaxRate
	shareFits := r.ColdShare >= 0 && r.ColdShare <= 1
	l.check(rateFits, "rate", "is %v; want invocations per second, above 0 and at most %g", r.Rate, MaxRate)
	l.check(shareFits, "cold-share", "is %v; want a share from 0 to 1", r.ColdShare)
	l.check(r.Cooldown > 0 || r.Cooldown == 0 && r.ColdShare == 0, "cooldown", "is %v; want more than 0", r.Cooldown)
	if rateFits && shareFits && r.Cooldown > 0 {
		l.check(r.coldFunctions() <= maxColdFunctions, "cooldown", "needs %.0f cold functions (rate × cold share × cooldown); want at most %d", r.coldFunctions(), maxColdFunctions)
	}
	l.check(r.Duration >= 0, "duration", "is %v; want 0 or more", r.Duration)
	l.check(r.MemoryMiB >= 0, "memory", "is %d; want 0 or more", r.MemoryMiB)
	return l.join()
}

// ColdFunctions returns how many functions share the cold invocations. The RPS
// must be valid.
func (r RPS) ColdFunctions() int { return int(r.coldFunctions()) }

func (r RPS) coldFunctions() float64 { return ceil(r.Rate * r.ColdShare * r.Cooldown.Seconds()) }

// ceil rounds up what exceeds a whole number by more than rounding does: 0.3 per
// second in 10 s is 3, though 3·0.1·10 is a little more.
func ceil(x float64) float64 { return math.Ceil(x - 1e-9) }

// Functions returns the warm function, if any, and then the cold ones, invoked
// until the horizon. The RPS must be valid.
func (r RPS) Functions(horizon des.Time) []Function {
	var functions []Function
	if warm := r.Rate * (1 - r.ColdShare); warm > 0 {
		functions = append(functions, r.function(WarmFunction, warm, 0, horizon))
	}
	coldRate, n := r.Rate*r.ColdShare, r.ColdFunctions()
	for i := range n {
		offset := math.Round(float64(i) * float64(time.Second) / coldRate)
		functions = append(functions, r.function(fmt.Sprintf("%s-%d", ColdFunction, i), coldRate/float64(n), des.Time(offset), horizon))
	}
	return functions
}

func (r RPS) function(name string, rate float64, offset, horizon des.Time) Function {
	return Function{
		Name:                name,
		ExpectedInvocations: ceil(max(0, horizon.Sub(offset)).Seconds() * rate),
		MedianDuration:      r.Duration,
		MedianMemoryMiB:     float64(r.MemoryMiB),
		Source: SourceFunc(func(uint64) Stream {
			return &periodic{
				clock: clock{at: offset, end: horizon}, rate: rate, size: 1,
				fixed: Arrival{Duration: r.Duration, MemoryMiB: r.MemoryMiB},
			}
		}),
	}
}
