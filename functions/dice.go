package functions

import (
	"hash/fnv"
	"math/bits"
)

// dice is the random stream of one call. It is written out here because a request
// must stay the same, bit for bit, whatever library draws elsewhere.
type dice struct {
	state uint64
}

const golden = 0x9e3779b97f4a7c15

// newDice seeds a stream from the three things that a call depends on.
func newDice(seed uint64, class string, n int) *dice {
	h := fnv.New64a()
	h.Write([]byte(class)) //nolint:errcheck // a hash never fails
	d := &dice{state: seed}
	d.state = d.next() ^ h.Sum64()
	d.state = d.next() ^ uint64(n)
	return d
}

// next is SplitMix64. Steele, Lea and Flood, OOPSLA 2014, figure 19.
func (d *dice) next() uint64 {
	d.state += golden
	z := d.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// between draws from lo to hi, both included. The bias of taking the high word of
// a product is below span / 2^64. Lemire, ACM TOMACS 29(1), 2019.
func (d *dice) between(lo, hi int64) int64 {
	span := uint64(hi) - uint64(lo) + 1
	if span == 0 {
		return int64(d.next())
	}
	high, _ := bits.Mul64(d.next(), span)
	return lo + int64(high)
}

// fraction draws from [0, 1) in steps of 2^-53.
func (d *dice) fraction() float64 {
	return float64(d.next()>>11) / (1 << 53)
}

const alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

// letters draws n letters.
func (d *dice) letters(n int64) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[d.between(0, int64(len(alphabet)-1))]
	}
	return string(b)
}
