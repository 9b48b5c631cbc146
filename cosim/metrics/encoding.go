package metrics

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/big"
)

// encodingVersion begins every encoded histogram. The form, all integers as
// unsigned varints (encoding/binary):
//
//	version = 1
//	count                       the rest only where it is not 0
//	minimum, maximum            ns
//	sum                         2 words of 64 bits, low word first
//	squares                     3 words, low word first
//	buckets                     how many are not empty, then for each
//	  gap                         empty buckets since the one before
//	  count
//
// Bucket i·128 + j is entry j of page i. One histogram has one encoding.
const encodingVersion = 1

// errEncoding is wrapped with what is wrong.
var errEncoding = errors.New("not an encoded histogram; record it again")

// AppendBinary appends the histogram to b, in about 4 bytes per bucket that is
// not empty. Equal histograms have equal encodings. The error is always nil.
func (h *Histogram) AppendBinary(b []byte) ([]byte, error) {
	b = binary.AppendUvarint(b, encodingVersion)
	b = binary.AppendUvarint(b, uint64(h.Count()))
	if h.Count() == 0 {
		return b, nil
	}
	b = binary.AppendUvarint(b, uint64(h.Min()))
	b = binary.AppendUvarint(b, h.max)
	for _, word := range h.sum {
		b = binary.AppendUvarint(b, word)
	}
	for _, word := range h.squares {
		b = binary.AppendUvarint(b, word)
	}
	b = binary.AppendUvarint(b, h.occupied())
	next := 0
	for e, p := range h.pages {
		if p == nil {
			continue
		}
		for j, n := range p {
			if n > 0 {
				b = binary.AppendUvarint(b, uint64(e*pageSize+j-next))
				b = binary.AppendUvarint(b, n)
				next = e*pageSize + j + 1
			}
		}
	}
	return b, nil
}

func (h *Histogram) occupied() uint64 {
	var n uint64
	for range h.buckets() {
		n++
	}
	return n
}

// MarshalBinary is AppendBinary to nothing.
func (h *Histogram) MarshalBinary() ([]byte, error) { return h.AppendBinary(nil) }

// UnmarshalBinary replaces the histogram by the one that data, all of it, encodes.
// It refuses, and leaves the histogram alone, where data is not what AppendBinary
// wrote: another version, cut off, or counts and moments that contradict each other.
func (h *Histogram) UnmarshalBinary(data []byte) error {
	r := reader{rest: data}
	if version := r.next(); r.err == nil && version != encodingVersion {
		return fmt.Errorf("histogram: version %d, this program reads %d: %w", version, encodingVersion, errEncoding)
	}
	var decoded Histogram
	decoded.count = r.next()
	if decoded.count > 0 {
		decoded.read(&r)
	}
	if r.err == nil {
		r.err = decoded.check()
	}
	if r.err != nil {
		return fmt.Errorf("histogram: %w: %w", r.err, errEncoding)
	}
	// A varint may be written in more bytes than it needs, and bytes may follow.
	if again, _ := decoded.MarshalBinary(); !bytes.Equal(again, data) { // never fails
		return fmt.Errorf("histogram: more bytes than needed: %w", errEncoding)
	}
	*h = decoded
	return nil
}

func (h *Histogram) read(r *reader) {
	h.below = math.MaxInt64 - min(r.next(), math.MaxInt64)
	h.max = r.next()
	for i := range h.sum {
		h.sum[i] = r.next()
	}
	for i := range h.squares {
		h.squares[i] = r.next()
	}
	const buckets = (lastPage + 1) * pageSize
	position := uint64(0)
	for n := r.next(); n > 0 && r.err == nil; n-- {
		gap, count := r.next(), r.next()
		if gap >= buckets || position+gap >= buckets {
			r.err = errors.New("a bucket beyond the last")
			return
		}
		position += gap
		e := position / pageSize
		if h.pages[e] == nil {
			h.pages[e] = new(page)
		}
		h.pages[e][position%pageSize] = count
		position++
	}
}

// check reports what no sequence of records could have produced.
func (h *Histogram) check() error {
	if h.count == 0 {
		return nil
	}
	low, high, total := new(big.Int), new(big.Int), new(big.Int)
	first, last := bucket{}, bucket{}
	for b := range h.buckets() {
		if first.count == 0 {
			first = b
		}
		last = b
		n := new(big.Int).SetUint64(b.count)
		total.Add(total, n)
		low.Add(low, new(big.Int).Mul(n, new(big.Int).SetUint64(b.low)))
		high.Add(high, new(big.Int).Mul(n, new(big.Int).SetUint64(b.high)))
	}
	sum, squares := bigFromWords(h.sum[:]), bigFromWords(h.squares[:])
	least := math.MaxInt64 - h.below
	switch {
	case h.count > math.MaxInt64 || total.Cmp(new(big.Int).SetUint64(h.count)) != 0:
		return errors.New("the buckets do not add up to the count")
	case least < first.low || least > first.high || h.max < last.low || h.max > last.high || least > h.max:
		return errors.New("minimum or maximum outside of the buckets")
	case sum.Cmp(low) < 0 || sum.Cmp(high) > 0:
		return errors.New("the sum does not agree with the buckets")
	case squares.Mul(squares, total).Cmp(sum.Mul(sum, sum)) < 0:
		return errors.New("a negative variance")
	}
	return nil
}

// reader takes varints from rest until the first error.
type reader struct {
	rest []byte
	err  error
}

func (r *reader) next() uint64 {
	if r.err != nil {
		return 0
	}
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.err = errors.New("cut off")
		return 0
	}
	r.rest = r.rest[n:]
	return v
}
