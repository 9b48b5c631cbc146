package metrics

import (
	"iter"
	"math"
	"math/bits"
	"time"
)

// bucket is one non-empty bucket: count values from low to high, both included.
type bucket struct {
	low, high uint64
	count     uint64
}

// buckets yields the non-empty buckets from the smallest values on.
func (h *Histogram) buckets() iter.Seq[bucket] {
	return func(yield func(bucket) bool) {
		for e, p := range h.pages {
			if p == nil {
				continue
			}
			low, width := uint64(0), uint64(1)
			if e > 0 {
				width = 1 << (e - 1)
				low = pageSize * width
			}
			for _, n := range p {
				if n > 0 && !yield(bucket{low: low, high: low + width - 1, count: n}) {
					return
				}
				low += width
			}
		}
	}
}

// Quantile returns the p-quantile: the value of rank ⌈p·count⌉, whose bucket is
// exact and inside which ranks are spread evenly, clipped to the exact minimum
// and maximum. It is within a factor 1 ± QuantileError of that value. p below 0
// counts as 0, above 1 as 1; the quantile of an empty histogram is 0.
func (h *Histogram) Quantile(p float64) time.Duration {
	if h.Count() == 0 {
		return 0
	}
	rank := h.rank(p)
	switch rank {
	case 1:
		return h.Min()
	case h.count:
		return h.Max()
	}
	for b := range h.buckets() {
		if rank > b.count {
			rank -= b.count
			continue
		}
		// The middle of the rank's share of the bucket: width·(2·rank−1)/(2·count).
		high, low := bits.Mul64(b.high-b.low+1, 2*rank-1)
		offset, _ := bits.Div64(high, low, 2*b.count)
		return min(max(time.Duration(b.low+offset), h.Min()), h.Max())
	}
	return h.Max()
}

// rank returns ⌈p·count⌉ between 1 and count, with p·count lowered by a few
// units in the last place: 0.07·100 is 7 and not 7.000000000000001.
func (h *Histogram) rank(p float64) uint64 {
	const roundOff = 1 - 4*0x1p-53
	position := math.Ceil(p * float64(h.count) * roundOff)
	switch {
	case !(position > 1): // also NaN
		return 1
	case position >= float64(h.count):
		return h.count
	}
	return uint64(position)
}

// CountAbove returns how many durations exceed d. It is exact but for the bucket
// that d lies in, whose values are taken to be spread evenly.
func (h *Histogram) CountAbove(d time.Duration) int64 {
	switch {
	case h.Count() == 0 || d >= h.Max():
		return 0
	case d < h.Min():
		return h.Count()
	}
	v := uint64(d)
	var notAbove uint64
	for b := range h.buckets() {
		if b.low > v {
			break
		}
		if b.high > v {
			high, low := bits.Mul64(b.count, v-b.low+1)
			share, _ := bits.Div64(high, low, b.high-b.low+1)
			notAbove += share
			break
		}
		notAbove += b.count
	}
	return int64(h.count - notAbove)
}

// Point is one exact point of a cumulative distribution: Count durations are at
// most Value.
type Point struct {
	Value time.Duration
	Count int64
}

// Points returns at most limit points of the cumulative distribution, values
// rising: the first is the lowest bucket's, unless limit is 1, and the last is
// (Max, Count). Where there are more buckets than limit, those left are spread
// evenly over the logarithm of the value, so that the tail keeps its share.
func (h *Histogram) Points(limit int) []Point {
	if h.Count() == 0 || limit < 1 {
		return nil
	}
	var points []Point
	var total uint64
	for b := range h.buckets() {
		total += b.count
		points = append(points, Point{Value: time.Duration(min(b.high, h.max)), Count: int64(total)})
	}
	if len(points) <= limit {
		return points
	}
	if limit == 1 {
		return points[len(points)-1:]
	}
	kept := points[:0]
	for i := range limit {
		kept = append(kept, points[i*(len(points)-1)/(limit-1)])
	}
	return kept
}
