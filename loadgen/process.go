package loadgen

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"microcosm/cosim/des"
)

// Kind is the family of an arrival process.
type Kind uint8

// The kinds of arrival process. Gaps between arrivals are independent for
// Uniform, Poisson and Pareto, whose first arrival comes one gap after the
// start; Constant and Burst begin at the start itself.
const (
	Invalid  Kind = iota
	Constant      // one arrival every 1/rate
	Uniform       // gaps uniform on [0, 2/rate)
	Poisson       // gaps exponential with mean 1/rate
	MMPP          // Poisson whose rate follows a Markov chain over the states
	Pareto        // gaps Pareto with the given shape and mean 1/rate
	Burst         // size arrivals at one instant, every size/rate
	Sine          // Poisson with rate·(1 + amplitude·sin(2πt/period))
)

var kindWords = [...]string{"invalid", "constant", "uniform", "poisson", "mmpp", "pareto", "burst", "sine"}

// String returns the word of the kind.
func (k Kind) String() string {
	if int(k) < len(kindWords) {
		return kindWords[k]
	}
	return kindWords[Invalid]
}

// ParseKind reads what String writes, in any case, except "invalid".
func ParseKind(word string) (Kind, error) {
	for k := Constant; int(k) < len(kindWords); k++ {
		if strings.EqualFold(kindWords[k], word) {
			return k, nil
		}
	}
	return Invalid, fmt.Errorf("arrival process %q: want one of %s", word, strings.Join(kindWords[Constant:], ", "))
}

// MarshalText returns the word of the kind.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText is ParseKind.
func (k *Kind) UnmarshalText(text []byte) error {
	parsed, err := ParseKind(string(text))
	*k = parsed
	return err
}

// State is one state of an MMPP.
type State struct {
	Rate    float64       // invocations per second while in it, >= 0
	Sojourn time.Duration // mean time spent in it before another is entered, > 0
}

// Process describes an arrival process. The zero value is invalid; fields that
// do not belong to the kind must be zero. A Process is immutable.
type Process struct {
	Kind      Kind
	Rate      float64       // mean arrivals per second; not for MMPP
	Shape     float64       // Pareto: > 1; the variance is infinite up to 2
	Size      int           // Burst: arrivals per burst, >= 1
	Amplitude float64       // Sine: relative, from 0 to 1
	Period    time.Duration // Sine: > 0
	States    []State       // MMPP: at least two; left for each other one with equal probability
	Offset    time.Duration // the process starts that much later
}

// MaxRate is the largest rate: one arrival in each unit of virtual time.
const MaxRate = 1e9

// Validate reports every mistake at once, each a *FieldError, joined.
func (p Process) Validate() error {
	var l fieldErrors
	l.check(p.Kind != Invalid && int(p.Kind) < len(kindWords), "kind", "want one of %s", strings.Join(kindWords[Constant:], ", "))
	if p.Kind == MMPP {
		l.check(p.Rate == 0, "rate", "an mmpp has a rate in each state; remove this one")
		p.checkStates(&l)
	} else {
		l.check(p.Rate > 0 && p.Rate <= MaxRate, "rate", "is %v; want invocations per second, above 0 and at most %g", p.Rate, MaxRate)
		l.check(len(p.States) == 0, "states", "belong to mmpp only")
	}
	if p.Kind == Pareto {
		l.check(p.Shape > 1 && p.Shape <= 1e6, "shape", "is %v; want more than 1, else the mean is infinite", p.Shape)
	} else {
		l.check(p.Shape == 0, "shape", "belongs to pareto only")
	}
	if p.Kind == Burst {
		l.check(p.Size >= 1, "size", "is %d; want at least 1", p.Size)
	} else {
		l.check(p.Size == 0, "size", "belongs to burst only")
	}
	if p.Kind == Sine {
		l.check(p.Amplitude >= 0 && p.Amplitude <= 1, "amplitude", "is %v; want a share of the rate, from 0 to 1", p.Amplitude)
		l.check(p.Period > 0, "period", "is %v; want more than 0", p.Period)
	} else {
		l.check(p.Amplitude == 0, "amplitude", "belongs to sine only")
		l.check(p.Period == 0, "period", "belongs to sine only")
	}
	l.check(p.Offset >= 0, "offset", "is %v; want 0 or more", p.Offset)
	return l.join()
}

func (p Process) checkStates(l *fieldErrors) {
	l.check(len(p.States) >= 2, "states", "has %d; want at least 2, each with rate and sojourn", len(p.States))
	arrives := len(p.States) == 0
	for i, s := range p.States {
		arrives = arrives || s.Rate != 0
		l.check(s.Rate >= 0 && s.Rate <= MaxRate, fmt.Sprintf("states[%d].rate", i), "is %v; want invocations per second, from 0 to %g", s.Rate, MaxRate)
		l.check(s.Sojourn > 0, fmt.Sprintf("states[%d].sojourn", i), "is %v; want a mean time above 0", s.Sojourn)
	}
	l.check(arrives, "states", "have rate 0 throughout; want at least one above 0")
}

// MeanRate returns the long-run arrivals per second. For MMPP the chain spends
// time in proportion to the mean sojourn times, since every state is entered
// equally often.
func (p Process) MeanRate() float64 {
	if p.Kind != MMPP {
		return p.Rate
	}
	arrivals, seconds := 0.0, 0.0
	for _, s := range p.States {
		arrivals += s.Rate * s.Sojourn.Seconds()
		seconds += s.Sojourn.Seconds()
	}
	return arrivals / seconds
}

// Function returns a function with this arrival process: its streams draw from
// the random stream "arrivals/<name>" and end before the horizon.
func (p Process) Function(name string, horizon des.Time) Function {
	active := horizon.Sub(des.Time(p.Offset))
	return Function{
		Name:                name,
		ExpectedInvocations: p.MeanRate() * max(0, active).Seconds(),
		Source: SourceFunc(func(seed uint64) Stream {
			return p.Stream(Rand(seed, "arrivals/"+name), horizon)
		}),
	}
}

// Stream returns the arrivals before the horizon, drawn from rng, which the
// stream then owns. The process must be valid; an invalid one has no arrivals.
func (p Process) Stream(rng *rand.Rand, horizon des.Time) Stream {
	c := clock{at: des.Time(p.Offset), end: horizon}
	switch p.Kind {
	case Constant:
		return &periodic{clock: c, rate: p.Rate, size: 1}
	case Burst:
		return &periodic{clock: c, rate: p.Rate, size: p.Size}
	case Uniform, Poisson, Pareto:
		return &renewal{clock: c, rng: rng, gap: p.gap()}
	case MMPP:
		return newMMPP(p.States, c, rng)
	case Sine:
		return newSine(p, c, rng)
	default:
		return empty{}
	}
}
