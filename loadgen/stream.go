package loadgen

import (
	"math"
	"math/rand/v2"
	"time"

	"microcosm/cosim/des"
)

// clock turns gaps in fractional nanoseconds into instants before end. It
// carries the fraction along, so that rounding never biases a rate.
type clock struct {
	at       des.Time
	fraction float64 // of a nanosecond, in [0, 1)
	end      des.Time
}

// advance moves the clock by gap nanoseconds, gap >= 0. It reports false, and
// does so for ever after, where that reaches the end.
func (c *clock) advance(gap float64) bool {
	const far = 1 << 62 // 146 years: the heaviest tail fits no integer
	gap += c.fraction
	if !(gap < far) || int64(gap) >= int64(c.end-c.at) {
		c.at = c.end
		return false
	}
	whole := int64(gap)
	c.at += des.Time(whole)
	c.fraction = gap - float64(whole)
	return true
}

type empty struct{}

func (empty) Next() (Arrival, bool) { return Arrival{}, false }

// periodic sends size arrivals at one instant, then the next size a period of
// size/rate later. Instants are computed from their number, so they never drift.
type periodic struct {
	clock
	rate  float64
	size  int
	n     int64 // arrivals so far
	fixed Arrival
}

func (s *periodic) Next() (Arrival, bool) {
	before := s.n - s.n%int64(s.size)
	after := math.Round(float64(before) * float64(time.Second) / s.rate)
	if !(after < float64(s.end-s.at)) {
		return Arrival{}, false
	}
	s.n++
	a := s.fixed
	a.At = s.at.Add(time.Duration(after))
	return a, true
}

// renewal sends arrivals with independent gaps of one law.
type renewal struct {
	clock
	rng *rand.Rand
	gap func(*rand.Rand) float64 // nanoseconds
}

func (s *renewal) Next() (Arrival, bool) {
	if !s.advance(s.gap(s.rng)) {
		return Arrival{}, false
	}
	return Arrival{At: s.at}, true
}

// gap returns the law of the gaps, in nanoseconds.
func (p Process) gap() func(*rand.Rand) float64 {
	mean := float64(time.Second) / p.Rate
	switch p.Kind {
	case Uniform:
		return func(rng *rand.Rand) float64 { return 2 * mean * rng.Float64() }
	case Pareto:
		// Pareto of the first kind: the mean is shape·least/(shape−1), and
		// log(gap/least) is exponential with rate shape.
		least := mean * (p.Shape - 1) / p.Shape
		return func(rng *rand.Rand) float64 { return least * math.Exp(rng.ExpFloat64()/p.Shape) }
	default:
		return func(rng *rand.Rand) float64 { return mean * rng.ExpFloat64() }
	}
}

// mmpp is a Markov-modulated Poisson process (Fischer and Meier-Hellstern, "The
// MMPP cookbook", 1993): exponential sojourns, and Poisson arrivals at the
// state's rate. It starts in the stationary distribution of the chain.
type mmpp struct {
	clock
	rng    *rand.Rand
	states []State
	state  int
	left   float64 // nanoseconds until the state is left
}

func newMMPP(states []State, c clock, rng *rand.Rand) *mmpp {
	s := &mmpp{clock: c, rng: rng, states: states}
	total := 0.0
	for _, state := range states {
		total += float64(state.Sojourn)
	}
	u := rng.Float64() * total
	for s.state < len(states)-1 && u >= float64(states[s.state].Sojourn) {
		u -= float64(states[s.state].Sojourn)
		s.state++
	}
	s.left = rng.ExpFloat64() * float64(states[s.state].Sojourn)
	return s
}

func (s *mmpp) Next() (Arrival, bool) {
	for {
		// Both laws forget, so the time to the next arrival is drawn anew in
		// each state. At rate 0 it is infinite.
		gap := s.rng.ExpFloat64() * float64(time.Second) / s.states[s.state].Rate
		if gap < s.left {
			if !s.advance(gap) {
				return Arrival{}, false
			}
			s.left -= gap
			return Arrival{At: s.at}, true
		}
		if !s.advance(s.left) {
			return Arrival{}, false
		}
		s.state = (s.state + 1 + s.rng.IntN(len(s.states)-1)) % len(s.states)
		s.left = s.rng.ExpFloat64() * float64(s.states[s.state].Sojourn)
	}
}

// sine thins a Poisson process of the largest rate (Lewis and Shedler,
// "Simulation of nonhomogeneous Poisson processes by thinning", 1979).
type sine struct {
	clock
	rng       *rand.Rand
	mean      float64 // gap at the largest rate, nanoseconds
	amplitude float64
	angular   float64 // 2π/period, per nanosecond
	start     des.Time
}

func newSine(p Process, c clock, rng *rand.Rand) *sine {
	return &sine{
		clock: c, rng: rng, amplitude: p.Amplitude, start: c.at,
		mean:    float64(time.Second) / (p.Rate * (1 + p.Amplitude)),
		angular: 2 * math.Pi / float64(p.Period),
	}
}

func (s *sine) Next() (Arrival, bool) {
	for s.advance(s.mean * s.rng.ExpFloat64()) {
		rate := 1 + s.amplitude*math.Sin(s.angular*float64(s.at-s.start))
		if s.rng.Float64()*(1+s.amplitude) < rate {
			return Arrival{At: s.at}, true
		}
	}
	return Arrival{}, false
}
