package servicetime

import (
	"errors"
	"fmt"
	"math"
	"time"

	"gonum.org/v1/gonum/mathext"
)

// Distribution is the law of one time. Implementations are immutable and safe
// for concurrent use.
type Distribution interface {
	// Quantile returns the u-quantile, u in [0, 1), rounded to a nanosecond.
	Quantile(u float64) time.Duration
	// Mean returns the expectation.
	Mean() time.Duration
}

// Deterministic is the law of a constant.
type Deterministic struct{ Value time.Duration }

// Quantile returns the constant.
func (d Deterministic) Quantile(float64) time.Duration { return d.Value }

// Mean returns the constant.
func (d Deterministic) Mean() time.Duration { return d.Value }

// Exponential is the exponential law with the mean Expectation.
type Exponential struct{ Expectation time.Duration }

// Quantile returns −m ln(1−u). The difference is exact for the u that math/rand/v2
// draws, which are multiples of 2⁻⁵³.
func (e Exponential) Quantile(u float64) time.Duration {
	return nanoseconds(-float64(e.Expectation) * math.Log(1-u))
}

// Mean returns the expectation.
func (e Exponential) Mean() time.Duration { return e.Expectation }

// Erlang is the law of a sum of Phases independent exponentials.
type Erlang struct {
	Phases      int
	Expectation time.Duration
}

// Quantile inverts the regularized incomplete gamma function. A share above 0 but
// below 2^-53, which no stream draws, counts as 2^-53: the inversion finds no
// bracket there.
func (e Erlang) Quantile(u float64) time.Duration {
	k := float64(e.Phases)
	if u > 0 {
		u = max(u, 0x1p-53)
	}
	return nanoseconds(float64(e.Expectation) / k * mathext.GammaIncRegInv(k, u))
}

// Mean returns the expectation.
func (e Erlang) Mean() time.Duration { return e.Expectation }

// Lognormal is the log-normal law given by the parameters of its logarithm in
// nanoseconds; NewLognormal takes mean and coefficient of variation.
type Lognormal struct{ mu, sigma float64 }

// NewLognormal returns the log-normal law with the given mean and coefficient
// of variation cv: σ² = ln(1 + cv²), μ = ln(mean) − σ²/2.
func NewLognormal(mean time.Duration, cv float64) Lognormal {
	variance := math.Log1p(cv * cv)
	return Lognormal{mu: math.Log(float64(mean)) - variance/2, sigma: math.Sqrt(variance)}
}

// Quantile returns exp(μ + σ Φ⁻¹(u)).
func (l Lognormal) Quantile(u float64) time.Duration {
	return nanoseconds(math.Exp(l.mu - l.sigma*math.Sqrt2*math.Erfcinv(2*u)))
}

// Mean returns exp(μ + σ²/2).
func (l Lognormal) Mean() time.Duration {
	return nanoseconds(math.Exp(l.mu + l.sigma*l.sigma/2))
}

// HyperExponential is a mixture of two exponentials: mean First with
// probability Share, else mean Second.
type HyperExponential struct {
	Share         float64
	First, Second time.Duration
}

// NewHyperExponential returns the law with the given mean and coefficient of
// variation cv > 1 whose two branches contribute equally to the mean ("balanced
// means": Whitt, Approximating a point process by a renewal process, 1982).
func NewHyperExponential(mean time.Duration, cv float64) HyperExponential {
	c2 := cv * cv
	p := (1 + math.Sqrt((c2-1)/(c2+1))) / 2
	return HyperExponential{
		Share:  p,
		First:  nanoseconds(float64(mean) / (2 * p)),
		Second: nanoseconds(float64(mean) / (2 * (1 - p))),
	}
}

// Quantile solves p e^(−x/a) + (1−p) e^(−x/b) = 1−u. The left side is convex
// and falling, so Newton's method from below converges monotonically.
func (h HyperExponential) Quantile(u float64) time.Duration {
	a, b, p, survival := float64(h.First), float64(h.Second), h.Share, 1-u
	x := 0.0
	for range 200 {
		ea, eb := p*math.Exp(-x/a), (1-p)*math.Exp(-x/b)
		step := (ea + eb - survival) / (ea/a + eb/b)
		x += step
		if step <= 1e-3 { // a thousandth of a nanosecond
			break
		}
	}
	return nanoseconds(x)
}

// Mean returns p a + (1−p) b.
func (h HyperExponential) Mean() time.Duration {
	return nanoseconds(h.Share*float64(h.First) + (1-h.Share)*float64(h.Second))
}

// Description names a distribution the way a scenario does.
type Description struct {
	Law    string        // deterministic, exponential, erlang, lognormal or hyperexponential
	Mean   time.Duration // > 0
	CV     float64       // coefficient of variation, for lognormal (> 0) and hyperexponential (> 1)
	Phases int           // for erlang, 1 to 1000
}

// Laws lists the words that Description.Law may hold.
func Laws() []string {
	return []string{"deterministic", "exponential", "erlang", "lognormal", "hyperexponential"}
}

// Distribution builds the described law, or returns every mistake in the
// description.
func (d Description) Distribution() (Distribution, error) {
	var mistakes []error
	if d.Mean <= 0 {
		mistakes = append(mistakes, fmt.Errorf("mean must be positive, not %v", d.Mean))
	}
	if d.CV != 0 && d.Law != "lognormal" && d.Law != "hyperexponential" {
		mistakes = append(mistakes, fmt.Errorf("cv goes with lognormal and hyperexponential only"))
	}
	if d.Phases != 0 && d.Law != "erlang" {
		mistakes = append(mistakes, fmt.Errorf("phases goes with erlang only"))
	}
	var law Distribution
	switch d.Law {
	case "deterministic":
		law = Deterministic{d.Mean}
	case "exponential":
		law = Exponential{d.Mean}
	case "erlang":
		if d.Phases < 1 || d.Phases > 1000 {
			mistakes = append(mistakes, fmt.Errorf("erlang needs phases from 1 to 1000, not %d", d.Phases))
		}
		law = Erlang{d.Phases, d.Mean}
	case "lognormal":
		if !(d.CV > 0) || d.CV > 1000 {
			mistakes = append(mistakes, fmt.Errorf("lognormal needs a cv above 0 and at most 1000, not %v", d.CV))
		}
		law = NewLognormal(d.Mean, d.CV)
	case "hyperexponential":
		if !(d.CV > 1) || d.CV > 1000 {
			mistakes = append(mistakes, fmt.Errorf("hyperexponential needs a cv above 1 and at most 1000, not %v", d.CV))
		}
		law = NewHyperExponential(d.Mean, d.CV)
	default:
		mistakes = append(mistakes, fmt.Errorf("unknown law %q: want one of %v", d.Law, Laws()))
	}
	if len(mistakes) > 0 {
		return nil, errors.Join(mistakes...)
	}
	return law, nil
}

// nanoseconds rounds to a whole nanosecond and saturates at the largest
// representable duration.
func nanoseconds(x float64) time.Duration {
	if x >= math.MaxInt64 {
		return math.MaxInt64
	}
	return time.Duration(math.Round(x))
}
