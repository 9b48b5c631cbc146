package metrics

import (
	"fmt"
	"math"
)

// MinimumForQuantile returns the least number of independent values from which
// a two-sided, equal-tailed order-statistic interval of the p-quantile exists:
// the widest one, from the smallest to the largest value, misses on either side
// with probability p^n and (1−p)^n, of which each must be at most (1−level)/2
// (David and Nagaraja, Order Statistics, 3rd ed., section 7.1). It is 368 for p =
// 0.99 at level 0.95. A one-sided bound at level a needs what a two-sided
// interval needs at level 2a − 1: 299 for p = 0.99 at 0.95. It is math.MaxInt64
// where p or level lies outside of (0, 1).
func MinimumForQuantile(p, level float64) int64 {
	if !(p > 0 && p < 1) || !validLevel(level) {
		return math.MaxInt64
	}
	tail := (1 - level) / 2
	n := math.Ceil(math.Log(tail) / math.Log(max(p, 1-p)) * (1 - 1e-12))
	if n >= math.MaxInt64 {
		return math.MaxInt64
	}
	return max(1, int64(n))
}

// tailValues is how many effectively independent values of a section must lie
// beyond its quantile for that quantile to be used. With fewer it is biased
// towards the middle: at b = 20 sections of 18 exponential values, nominal 95 %
// intervals of p99 cover 86 %.
const tailValues = 5

// QuantileOf estimates the p-quantile from sections: independent replications, or
// successive batches of one run that are long enough to be uncorrelated. tau is
// the autocorrelation time of the values within a section, 1 where they are
// independent; below MinimumForQuantile effectively independent values (all
// values over tau) there is no interval.
//
// The centre is the quantile of all values. Around it, sectioning takes the
// variance from the sections' own quantiles,
//
//	S² = 1/(b(b−1)) Σ (q_j − q)², interval q ± t_{b−1}·S,
//
// (Asmussen and Glynn, Stochastic Simulation, section III.5; Nakayama, ACM TOMACS 24
// (2014), 19). Sections of unequal size n_j weigh n_j/Σn, and b is then the
// effective number of sections (Σn)²/Σn².
//
// Where the sections are too short for quantiles of their own, the variance is
// that of their shares of values up to q, and the interval is from quantile p − t·S
// to quantile p + t·S of all values: MethodShares.
func QuantileOf(sections []*Histogram, p, level, tau float64) Estimate {
	s := newSectioned(sections, p)
	n := s.all.Count()
	switch {
	case !(p > 0 && p < 1):
		return NotEstimable(math.NaN(), n, MethodSectioning, fmt.Sprintf("the quantile must lie between 0 and 1, is %v", p))
	case n == 0:
		return NotEstimable(math.NaN(), 0, MethodSectioning, "has no values")
	case !validLevel(level):
		return NotEstimable(s.quantile, n, MethodSectioning, badLevel(level))
	case !(tau >= 0):
		return NotEstimable(s.quantile, n, MethodSectioning, "the autocorrelation time is not known")
	}
	tau = max(tau, 1)
	if need, have := MinimumForQuantile(p, level), float64(n)/tau; have < float64(need) {
		return NotEstimable(s.quantile, n, MethodSectioning, fmt.Sprintf(
			"p%.4g needs %d effectively independent values, has %.0f (%d values, autocorrelation time %.3g)", 100*p, need, math.Floor(have), n, tau))
	}
	if s.effective < 2-1e-9 {
		return NotEstimable(s.quantile, n, MethodSectioning, fmt.Sprintf("needs at least 2 sections of similar size, has the equivalent of %.2g", s.effective))
	}
	t := tQuantile(1-(1-level)/2, s.effective-1)
	if float64(n)/tau/s.effective*min(p, 1-p) < tailValues {
		half := t * s.shareDeviation()
		return interval(s.quantile, s.all.Quantile(p-half).Seconds(), s.all.Quantile(p+half).Seconds(), n, MethodShares)
	}
	half := t * s.quantileDeviation()
	return interval(s.quantile, max(0, s.quantile-half), s.quantile+half, n, MethodSectioning)
}

// AutocorrelationTimeAt estimates from sections the autocorrelation time of the
// event that decides about the p-quantile, a value being at most the quantile:
// the variance of its share over what independent values would give, at least 1.
// It is NaN for fewer than 2 sections, and rough for fewer than 10: its relative
// standard error is √(2/(b−1)).
func AutocorrelationTimeAt(sections []*Histogram, p float64) float64 {
	s := newSectioned(sections, p)
	if s.effective < 2-1e-9 {
		return math.NaN()
	}
	share := s.share()
	if share == 0 || share == 1 {
		return 1
	}
	deviation := s.shareDeviation()
	return max(1, float64(s.all.Count())*deviation*deviation/(share*(1-share)))
}

// AutocorrelationTime estimates from sections the autocorrelation time of the
// values themselves, τ = m·Var(section means)/Var(values), at least 1: n values
// tell as much about the mean as n/τ independent ones. It is NaN for fewer than 2
// sections, and as rough as AutocorrelationTimeAt.
func AutocorrelationTime(sections []*Histogram) float64 {
	s := newSectioned(sections, .5)
	if s.effective < 2-1e-9 {
		return math.NaN()
	}
	variance := s.all.Variance()
	if variance == 0 {
		return 1
	}
	mean := s.all.Mean()
	deviation := s.deviation(func(h *Histogram) float64 { return h.Mean() - mean })
	return max(1, float64(s.all.Count())*deviation*deviation/variance)
}

// sectioned is sections beside their union.
type sectioned struct {
	p         float64
	parts     []*Histogram // non-empty
	all       Histogram
	quantile  float64 // p-quantile of all, in seconds
	effective float64 // number of sections of equal size that vary as much
}

func newSectioned(sections []*Histogram, p float64) *sectioned {
	s := &sectioned{p: p}
	var squares float64
	for _, h := range sections {
		if h.Count() == 0 {
			continue
		}
		s.parts = append(s.parts, h)
		s.all.Merge(h)
		squares += float64(h.Count()) * float64(h.Count())
	}
	n := float64(s.all.Count())
	if n > 0 {
		s.effective = n * n / squares
		s.quantile = s.all.Quantile(p).Seconds()
	}
	return s
}

// deviation returns the standard error of a weighted mean of sections from each
// section's difference to it.
func (s *sectioned) deviation(difference func(*Histogram) float64) float64 {
	n := float64(s.all.Count())
	var sum float64
	for _, h := range s.parts {
		d := float64(h.Count()) / n * difference(h)
		sum += d * d
	}
	return math.Sqrt(sum * s.effective / (s.effective - 1))
}

func (s *sectioned) quantileDeviation() float64 {
	return s.deviation(func(h *Histogram) float64 { return h.Quantile(s.p).Seconds() - s.quantile })
}

// share is the share of values up to the quantile: p, or more in an atom.
func (s *sectioned) share() float64 { return s.shareOf(&s.all) }

func (s *sectioned) shareOf(h *Histogram) float64 {
	return 1 - float64(h.CountAbove(s.all.Quantile(s.p)))/float64(h.Count())
}

func (s *sectioned) shareDeviation() float64 {
	share := s.share()
	return s.deviation(func(h *Histogram) float64 { return s.shareOf(h) - share })
}
