package des

import "math/bits"

// wheel holds events that are not before its cursor in chains, one for each bucket.
// An event lies on the level of the highest digit, to base 64, in which its instant
// differs from the cursor, in the bucket of that digit: what lies on a level comes
// before all that lies on higher ones.
type wheel struct {
	cursor   Time
	levels   uint32              // which have occupied buckets
	occupied [wheelLevels]uint64 // buckets
	buckets  [wheelLevels * 64]bucket
}

const (
	digitBits   = 6
	wheelLevels = 16 // 11 make 63 bits of time; a power of two spares checks
)

type bucket struct {
	first uint32 // slot
	count uint32
}

func (w *wheel) empty() bool { return w.levels == 0 }

// add puts an event first in the chain of its bucket and returns what follows it there.
func (w *wheel) add(at Time, index uint32) (next uint32) {
	level := (bits.Len64(uint64(at^w.cursor)|1) - 1) / digitBits % wheelLevels
	digit := uint64(at) >> (level * digitBits & 63) % 64
	b := &w.buckets[level*64+int(digit)]
	next, b.first = b.first, index
	b.count++
	w.occupied[level] |= 1 << digit
	w.levels |= 1 << level
	return next
}

// next empties the earliest bucket, moves the cursor to its beginning, and returns its
// chain and its last instant. The wheel must not be empty.
func (w *wheel) next() (first, count uint32, last Time) {
	level := bits.TrailingZeros32(w.levels) % wheelLevels
	digit := bits.TrailingZeros64(w.occupied[level]) % 64
	w.occupied[level] &^= 1 << digit
	if w.occupied[level] == 0 {
		w.levels &^= 1 << level
	}
	b := &w.buckets[level*64+digit]
	first, count = b.first, b.count
	*b = bucket{}
	shift := level * digitBits & 63
	above := w.cursor >> shift >> digitBits << digitBits // in two steps: the shift may be 64 or more
	w.cursor = (above | Time(digit)) << shift
	return first, count, w.cursor | (1<<shift - 1)
}
