package knative

import (
	"math"
	"slices"
	"time"

	"microcosm/cosim/des"
)

// bucketSize is the granularity of metrics: one value a second.
const bucketSize = des.Time(time.Second)

// Window averages a metric over the last seconds: a ring of one bucket a second
// to which values are added. Averages are over the part of the window in which
// there were values, so that a young revision is not taken for an idle one. Its
// arithmetic follows Knative's step by step: equal records give equal averages,
// to the last bit on one architecture.
type Window struct {
	buckets []float64
	decay   float64 // of the weighted average; 0: linear
	total   float64 // of all buckets, stale ones included
	written bool
	first   int64 // bucket of the first record since the window was last empty
	last    int64 // bucket of the latest record
}

// NewWindow returns an empty window of whole seconds, at least one. A weighted
// window counts recent seconds more.
func NewWindow(length time.Duration, weighted bool) *Window {
	n := max(1, int((length+time.Second-1)/time.Second))
	w := &Window{buckets: make([]float64, n)}
	if weighted {
		w.decay = decayOf(n)
	}
	return w
}

const (
	leastDecay    = .2   // below it the average would be close to the linear one
	outsideWeight = 1e-4 // of the sum of weights that may lie outside of the window
	precision     = 1e6  // linear averages are rounded to six digits
)

// decayOf returns the share of the newest bucket in a weighted average of n.
func decayOf(n int) float64 {
	return math.Max(1-math.Pow(outsideWeight, 1/float64(n)), leastDecay)
}

func bucketOf(at des.Time) int64 { return int64(at / bucketSize) }

// Record adds a value to the bucket of its second. A gap counts as zeros; a gap
// as long as the window begins a new, partial window; a value older than the
// window is ignored.
func (w *Window) Record(at des.Time, value float64) {
	now, n := bucketOf(at), int64(len(w.buckets))
	switch {
	case !w.written || now-w.last >= n:
		clear(w.buckets)
		w.total = 0
		w.first, w.last, w.written = now, now, true
	case now > w.last:
		for i := w.last + 1; i <= now; i++ {
			b := &w.buckets[i%n]
			w.total -= *b
			*b = 0
		}
		w.last = now
	case w.last-now >= n:
		return
	case now < w.last:
		w.first = min(w.first, now)
	}
	w.buckets[now%n] += value
	w.total += value
}

// Empty reports that there was no record for longer than the window.
func (w *Window) Empty(at des.Time) bool {
	return !w.written || bucketOf(at)-w.last > int64(len(w.buckets))
}

// Average returns the average over the window that ends at the instant, 0 where
// it is empty.
func (w *Window) Average(at des.Time) float64 {
	if w.decay > 0 {
		return w.weighted(at)
	}
	now, n := bucketOf(at), int64(len(w.buckets))
	if !w.written || now-w.last >= n {
		return 0
	}
	total, gap := w.total, max(0, now-w.last)
	for i := w.last + 1; i <= now; i++ {
		total -= w.buckets[i%n]
	}
	filled := min(w.last-w.first+1, n-gap)
	return math.Round(total/float64(filled)*precision) / precision
}

func (w *Window) weighted(at des.Time) float64 {
	if w.Empty(at) {
		return 0
	}
	now, n := bucketOf(at), int64(len(w.buckets))
	weight, count := w.decay, n
	if gap := now - w.last; gap > 0 {
		weight *= math.Pow(1-w.decay, float64(gap))
		count -= gap
	}
	sum := 0.0
	for i := range count {
		value := w.buckets[(w.last+n-i)%n] * weight // rounded before it is added, on every architecture
		sum += value
		weight *= 1 - w.decay
	}
	return sum
}

// silent reports that no bucket holds anything, or nothing that still counts.
func (w *Window) silent(at des.Time) bool {
	return w.Empty(at) || !slices.ContainsFunc(w.buckets, func(b float64) bool { return b != 0 })
}

// skip is Record(at, 0) for every second up to the instant, in one step: for
// times in which nothing but zeros would have been recorded.
func (w *Window) skip(at des.Time) {
	now := bucketOf(at)
	if !w.written || now <= w.last {
		return
	}
	clear(w.buckets)
	w.total, w.last = 0, now
}

// peak is the maximum of a number over the last steps of time.
type peak struct {
	step    des.Time
	highest []peakValue // a ring, descending
	first   int
	length  int
}

type peakValue struct {
	step  int64
	value int32
}

func newPeak(length, step time.Duration) *peak {
	return &peak{step: des.Time(step), highest: make([]peakValue, max(1, int((length+step-1)/step)))}
}

func (p *peak) at(i int) *peakValue { return &p.highest[(p.first+i)%len(p.highest)] }

// record adds a value and returns the maximum. Two values of one step count as
// the larger.
func (p *peak) record(at des.Time, value int32) int32 {
	step := int64(at / p.step)
	for p.length > 0 && value >= p.at(p.length-1).value {
		p.length--
	}
	for p.length > 0 && step-p.at(0).step >= int64(len(p.highest)) {
		p.first = (p.first + 1) % len(p.highest)
		p.length--
	}
	if p.length == 0 || p.at(p.length-1).step != step {
		*p.at(p.length) = peakValue{step, value}
		p.length++
	}
	return p.at(0).value
}
