package servicetime

import (
	"cmp"
	"slices"
	"sort"
	"time"
)

// curve is the empirical quantile function of one condition: pairs of service
// and busy time in order of service time, linear between order statistics
// (Hyndman and Fan, Sample Quantiles in Statistical Packages, 1996, type 7). Of a
// resample it has a tail, see tail.go.
type curve struct {
	pairs   []pair
	us      []float64 // of the pairs; nil where they are equidistant from 0 to 1
	from    float64   // where the tail begins; 1 where there is none
	samples int
	average pair
}

// pair is a service and a busy time in nanoseconds.
type pair struct{ service, busy float64 }

// newCurve returns nil where no sample is valid.
func newCurve(m Measured) *curve {
	c := &curve{from: 1}
	for _, s := range m.Samples {
		if s.Status == Valid {
			c.pairs = append(c.pairs, pair{
				service: float64(s.Service()) / TicksPerNanosecond,
				busy:    float64(min(s.Busy, s.Service())) / TicksPerNanosecond,
			})
		}
	}
	if len(c.pairs) == 0 {
		return nil
	}
	slices.SortFunc(c.pairs, func(a, b pair) int {
		return cmp.Or(cmp.Compare(a.service, b.service), cmp.Compare(a.busy, b.busy))
	})
	c.samples, c.average = len(c.pairs), average(c.pairs)
	if m.tailed {
		c.addTail()
	}
	return c
}

func average(pairs []pair) pair {
	var sum pair
	for _, p := range pairs {
		sum.service += p.service
		sum.busy += p.busy
	}
	n := float64(len(pairs))
	return pair{sum.service / n, sum.busy / n}
}

func (c *curve) at(u float64) pair {
	last := len(c.pairs) - 1
	if c.us != nil {
		i := min(sort.SearchFloat64s(c.us, u), last)
		if i == 0 || c.us[i] <= u {
			return c.pairs[i]
		}
		return mix(c.pairs[i-1], c.pairs[i], (u-c.us[i-1])/(c.us[i]-c.us[i-1]))
	}
	x := u * float64(last)
	i := min(int(x), last)
	if i == last {
		return c.pairs[i]
	}
	return mix(c.pairs[i], c.pairs[i+1], x-float64(i))
}

// knots returns where the curve bends, between 0 and 1.
func (c *curve) knots() []float64 {
	var us []float64
	for i := 1; i < len(c.pairs)-1; i++ {
		if c.us != nil {
			us = append(us, c.us[i])
		} else {
			us = append(us, float64(i)/float64(len(c.pairs)-1))
		}
	}
	return us
}

// mean returns the mean of the samples, those in the tail replaced by its mean.
func (c *curve) mean() pair { return c.average }

// Quantile returns the u-quantile of the service time.
func (c *curve) Quantile(u float64) time.Duration { return nanoseconds(c.at(u).service) }

// Mean returns the mean service time.
func (c *curve) Mean() time.Duration { return nanoseconds(c.mean().service) }

func mix(a, b pair, w float64) pair {
	return pair{a.service + w*(b.service-a.service), a.busy + w*(b.busy-a.busy)}
}
