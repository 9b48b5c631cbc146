package servicetime

import "slices"

// MostCensored is the share of censored samples up to which they may be left
// out. Beyond it no plain interval stands: a hung run is not any run.
const MostCensored = .05

// CensoredShare returns the largest share of censored samples in a condition
// that can change an answer, and that condition.
func (l *SampledLaw) CensoredShare() (share float64, worst Condition) {
	for _, c := range l.Cells() {
		if n := c.Valid + c.Censored; n > 0 && float64(c.Censored)/float64(n) > share {
			share, worst = float64(c.Censored)/float64(n), c.Condition
		}
	}
	return share, worst
}

// WithCensored returns the law in which censored samples count: at the time that
// they had run when they were given up, which they exceed, or, where longest is
// true, at the longest time seen in their condition. The truth lies between,
// unless calls that hang would have taken longer than any that was seen.
func (l *SampledLaw) WithCensored(longest bool) Resampler {
	measured := make([]Measured, len(l.measured))
	for i, m := range l.measured {
		measured[i] = Measured{Condition: m.Condition, Samples: slices.Clone(m.Samples)}
		var most Ticks
		for _, s := range m.Samples {
			if s.Status == Valid || s.Status == Censored {
				most = max(most, s.Service())
			}
		}
		for j := range measured[i].Samples {
			s := &measured[i].Samples[j]
			if s.Status != Censored {
				continue
			}
			if longest {
				s.RoundTrip = s.Null + most
			}
			// What hangs may hang on the core: it counts as busy all the time.
			s.Status, s.Reason, s.Busy = Valid, "", s.Service()
		}
	}
	return newLaw(measured, l.given)
}
