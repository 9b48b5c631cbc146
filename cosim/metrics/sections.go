package metrics

import (
	"fmt"
	"time"

	"gonum.org/v1/gonum/stat/distuv"
)

const (
	firstSection   = 64 // values per section at first
	maxSections    = 32 // even, so that sections can be merged in pairs
	leastRemaining = 8  // sections after the warm-up, at least
)

// Sections records successive, possibly correlated durations of one stationary
// run in 16 to 32 sections of equal size, which double when they are full, so
// that quantiles of the run have intervals. The zero value is empty and ready. It
// is not safe for concurrent use.
type Sections struct {
	parts []*Histogram // the last one is being filled
	size  int64
}

// Record adds one duration. A negative one is a programming error and panics.
func (s *Sections) Record(d time.Duration) {
	if len(s.parts) == 0 || s.parts[len(s.parts)-1].Count() == s.size {
		s.extend()
	}
	s.parts[len(s.parts)-1].Record(d)
}

func (s *Sections) extend() {
	if s.size == 0 {
		s.size = firstSection
	}
	if len(s.parts) == maxSections {
		for i := range maxSections / 2 {
			s.parts[2*i].Merge(s.parts[2*i+1])
			s.parts[i] = s.parts[2*i]
		}
		clear(s.parts[maxSections/2:])
		s.parts = s.parts[:maxSections/2]
		s.size *= 2
	}
	s.parts = append(s.parts, new(Histogram))
}

// All returns everything recorded in one new histogram.
func (s *Sections) All() *Histogram {
	all := new(Histogram)
	for _, part := range s.parts {
		all.Merge(part)
	}
	return all
}

// After returns the sections that begin after the first warmUp durations, oldest
// first, as a replication's part of QuantileOf. They are the sections' own: do not
// change them.
func (s *Sections) After(warmUp int64) []*Histogram {
	if s.size == 0 {
		return nil
	}
	skipped := (max(warmUp, 0) + s.size - 1) / s.size
	return s.parts[min(skipped, int64(len(s.parts))):]
}

// EstimateQuantile estimates the steady-state p-quantile of the run from the
// sections that begin after the first warmUp durations, by QuantileOf with the
// autocorrelation time of the sections themselves (AutocorrelationTimeAt). There
// is no interval where fewer than 8 sections are left or the von Neumann test
// finds them correlated: then the run is too short.
func (s *Sections) EstimateQuantile(p, level float64, warmUp int64) Estimate {
	parts := s.After(warmUp)
	sections := newSectioned(parts, p)
	n := sections.all.Count()
	if len(parts) < leastRemaining {
		return NotEstimable(sections.quantile, n, MethodSectioning, fmt.Sprintf(
			"needs at least %d sections after the warm-up, has %d; run longer", leastRemaining, len(parts)))
	}
	shares := make([]float64, len(parts))
	for i, part := range parts {
		shares[i] = sections.shareOf(part)
	}
	if vonNeumann(shares) > distuv.UnitNormal.Quantile(1-correlated) {
		return NotEstimable(sections.quantile, n, MethodSectioning, fmt.Sprintf(
			"the run is too short: %d sections are still correlated after %d values; run longer", len(parts), n))
	}
	return QuantileOf(parts, p, level, AutocorrelationTimeAt(parts, p))
}
