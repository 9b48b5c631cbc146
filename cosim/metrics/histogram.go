package metrics

import (
	"fmt"
	"math"
	"math/big"
	"math/bits"
	"slices"
	"time"
)

const (
	pageBits = 7             // log2 of the buckets per octave
	pageSize = 1 << pageBits // buckets per octave
	lastPage = 63 - pageBits // page of math.MaxInt64
)

// QuantileError bounds the relative error of Histogram.Quantile: the width of a
// bucket over its lower edge. A bucket's half-width is half of that, 1/256.
const QuantileError = 1.0 / pageSize

// Histogram counts durations >= 0 in log-linear buckets of relative half-width
// at most 1/256 and knows their count, minimum, maximum, sum and sum of squares
// exactly. Durations below 256 ns have a bucket each. The zero value is empty
// and ready; a nil *Histogram reads as an empty one. It must not be copied after
// the first Record, and is not safe for concurrent use.
type Histogram struct {
	count   uint64
	sum     [2]uint64 // of values in ns, low word first
	squares [3]uint64 // of squared values in ns², low word first: never overflows
	max     uint64
	// below is MaxInt64 − minimum: as a maximum its zero value is right for an
	// empty histogram.
	below uint64
	// pages[0] counts 0 … 127 ns; pages[e] counts the octave from 64·2^e ns in
	// buckets of 2^(e-1) ns. The entries after lastPage stay nil: the first of them
	// belongs to negative durations, the others spare a check.
	pages [64]*page
}

type page [pageSize]uint64

// Record adds one duration. A negative one is a programming error and panics.
func (h *Histogram) Record(d time.Duration) {
	v := uint64(d)
	e, i := place(v)
	p := h.pages[e]
	if p == nil {
		p = h.allocate(e, d)
	}
	p[i]++
	h.count++
	h.max, h.below = max(h.max, v), max(h.below, math.MaxInt64-v)
	h.addSum([2]uint64{v})
	high, low := bits.Mul64(v, v)
	h.addSquares([3]uint64{low, high})
}

// chunk values below moderate have a sum of 64 bits, and one of squares of 128.
const (
	chunk    = 256
	moderate = 1 << 55 // ns, more than a year
)

// RecordAll records each of a list, in less time than one by one.
func (h *Histogram) RecordAll(list []time.Duration) {
	for part := range slices.Chunk(list, chunk) {
		least, most := uint64(math.MaxUint64), uint64(0)
		for _, d := range part {
			least, most = min(least, uint64(d)), max(most, uint64(d))
		}
		if most < moderate {
			h.recordModerate(part)
			h.count += uint64(len(part))
			h.max, h.below = max(h.max, most), max(h.below, math.MaxInt64-least)
			continue
		}
		for _, d := range part {
			h.Record(d)
		}
	}
}

// recordModerate enters up to chunk durations below moderate in the buckets and sums.
func (h *Histogram) recordModerate(list []time.Duration) {
	var sum, low, high, carry uint64
	for _, d := range list {
		v := uint64(d)
		e, i := place(v)
		p := h.pages[e]
		if p == nil {
			p = h.allocate(e, d)
		}
		p[i]++
		sum += v
		above, below := bits.Mul64(v, v)
		low, carry = bits.Add64(low, below, 0)
		high, _ = bits.Add64(high, above, carry)
	}
	h.addSum([2]uint64{sum})
	h.addSquares([3]uint64{low, high})
}

// place returns the page and the bucket of a duration in ns: 128 more for every octave
// above the first 256, in which there is one for each.
func place(v uint64) (e, bucket uint64) {
	shift := uint64(bits.Len64(v|(2*pageSize-1))) - pageBits - 1
	i := shift<<pageBits + v>>(shift&63)
	return i >> pageBits & 63, i % pageSize
}

func (h *Histogram) allocate(e uint64, d time.Duration) *page {
	if d < 0 {
		panic(fmt.Sprintf("metrics: record of the negative duration %v", d))
	}
	h.pages[e] = new(page)
	return h.pages[e]
}

func (h *Histogram) addSum(s [2]uint64) {
	var carry uint64
	h.sum[0], carry = bits.Add64(h.sum[0], s[0], 0)
	h.sum[1], _ = bits.Add64(h.sum[1], s[1], carry)
}

func (h *Histogram) addSquares(s [3]uint64) {
	var carry uint64
	h.squares[0], carry = bits.Add64(h.squares[0], s[0], 0)
	h.squares[1], carry = bits.Add64(h.squares[1], s[1], carry)
	h.squares[2], _ = bits.Add64(h.squares[2], s[2], carry)
}

// Merge adds everything o has recorded, as if it had been recorded here. A nil
// o adds nothing; o is not changed.
func (h *Histogram) Merge(o *Histogram) {
	if o == nil {
		return
	}
	for e, from := range o.pages {
		if from == nil {
			continue
		}
		if h.pages[e] == nil {
			h.pages[e] = new(page)
		}
		for i, n := range from {
			h.pages[e][i] += n
		}
	}
	h.count += o.count
	h.max = max(h.max, o.max)
	h.below = max(h.below, o.below)
	h.addSum(o.sum)
	h.addSquares(o.squares)
}

// Equal reports whether both have recorded the same: the same counts in every
// bucket and the same exact moments and extremes.
func (h *Histogram) Equal(o *Histogram) bool {
	if h.Count() == 0 || o.Count() == 0 {
		return h.Count() == o.Count()
	}
	for e := range h.pages {
		a, b := h.pages[e], o.pages[e]
		if (a == nil) != (b == nil) || a != nil && *a != *b {
			return false
		}
	}
	return h.count == o.count && h.sum == o.sum && h.squares == o.squares && h.max == o.max && h.below == o.below
}

// Count returns how many durations were recorded.
func (h *Histogram) Count() int64 {
	if h == nil {
		return 0
	}
	return int64(h.count)
}

// Min returns the least duration recorded, exactly; 0 when empty.
func (h *Histogram) Min() time.Duration {
	if h.Count() == 0 {
		return 0
	}
	return time.Duration(math.MaxInt64 - h.below)
}

// Max returns the greatest duration recorded, exactly; 0 when empty.
func (h *Histogram) Max() time.Duration {
	if h.Count() == 0 {
		return 0
	}
	return time.Duration(h.max)
}

// Sum returns the sum of all durations in seconds, exact but for the rounding
// to float64.
func (h *Histogram) Sum() float64 {
	if h.Count() == 0 {
		return 0
	}
	return wordsToFloat(h.sum[:]) / 1e9
}

// Mean returns the arithmetic mean in seconds, exact but for rounding; 0 when
// empty.
func (h *Histogram) Mean() float64 {
	if h.Count() == 0 {
		return 0
	}
	return h.Sum() / float64(h.count)
}

// Variance returns the unbiased sample variance in seconds², exact but for
// rounding; 0 for fewer than two durations.
func (h *Histogram) Variance() float64 {
	if h.Count() < 2 {
		return 0
	}
	n := new(big.Int).SetUint64(h.count)
	sum := bigFromWords(h.sum[:])
	// (n Σx² − (Σx)²) / (n (n−1)), in integers: no cancellation.
	numerator := bigFromWords(h.squares[:])
	numerator.Mul(numerator, n).Sub(numerator, sum.Mul(sum, sum))
	denominator := new(big.Int).Sub(n, big.NewInt(1))
	denominator.Mul(denominator, n)
	variance, _ := new(big.Rat).SetFrac(numerator, denominator).Float64()
	return variance / 1e18
}

func wordsToFloat(words []uint64) float64 {
	var f float64
	for i := len(words) - 1; i >= 0; i-- {
		f = f*0x1p64 + float64(words[i])
	}
	return f
}

func bigFromWords(words []uint64) *big.Int {
	n := new(big.Int)
	for i := len(words) - 1; i >= 0; i-- {
		n.Lsh(n, 64)
		n.Or(n, new(big.Int).SetUint64(words[i]))
	}
	return n
}
