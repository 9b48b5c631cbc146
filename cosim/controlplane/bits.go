package controlplane

import "math/bits"

// bits64 is a set of small integers.
type bits64 []uint64

func (b *bits64) reset(n int) {
	words := (n + 63) / 64
	if cap(*b) < words {
		*b = make(bits64, words)
	}
	*b = (*b)[:words]
	clear(*b)
}

func (b bits64) set(i int)   { b[i/64] |= 1 << (i % 64) }
func (b bits64) clear(i int) { b[i/64] &^= 1 << (i % 64) }

// from returns the smallest member that is at least i, or -1.
func (b bits64) from(i int) int {
	for w := i / 64; w < len(b); w++ {
		word := b[w]
		if w == i/64 {
			word &= ^uint64(0) << (i % 64)
		}
		if word != 0 {
			return w*64 + bits.TrailingZeros64(word)
		}
	}
	return -1
}

// queue is a growing ring buffer of invocations. The zero value is empty.
type queue struct {
	ring  []int32
	head  int
	count int
}

func (q *queue) push(id int32) {
	if q.count == len(q.ring) {
		ring := make([]int32, max(16, 2*len(q.ring)))
		n := copy(ring, q.ring[q.head:])
		copy(ring[n:], q.ring[:q.head])
		q.ring, q.head = ring, 0
	}
	q.ring[(q.head+q.count)&(len(q.ring)-1)] = id
	q.count++
}

func (q *queue) pop() int32 {
	id := q.ring[q.head]
	q.head = (q.head + 1) & (len(q.ring) - 1)
	q.count--
	return id
}
