package cluster

import "math/bits"

// bitset is a set of small integers that knows its size.
type bitset struct {
	words []uint64
	size  int
}

// grow makes room for the integers below n.
func (b *bitset) grow(n int) {
	for len(b.words)*64 < n {
		b.words = append(b.words, 0)
	}
}

// empty removes all.
func (b *bitset) empty() {
	clear(b.words)
	b.size = 0
}

func (b *bitset) any() bool  { return b.size > 0 }
func (b *bitset) count() int { return b.size }

// has reports whether i, which must have been made room for, is in.
func (b *bitset) has(i int) bool { return b.words[uint(i)/64]>>(uint(i)%64)&1 == 1 }

// holds is has for any i.
func (b *bitset) holds(i int) bool {
	return uint(i)/64 < uint(len(b.words)) && b.has(i)
}

func (b *bitset) set(i int) {
	word, at := &b.words[uint(i)/64], uint(i)%64
	b.size += 1 - int(*word>>at&1)
	*word |= 1 << at
}

func (b *bitset) clear(i int) {
	word, at := &b.words[uint(i)/64], uint(i)%64
	b.size -= int(*word >> at & 1)
	*word &^= 1 << at
}

// first returns the smallest member, or -1.
func (b *bitset) first() int { return b.after(-1) }

// last returns the largest member, or -1.
func (b *bitset) last() int {
	for w := len(b.words) - 1; w >= 0; w-- {
		if b.words[w] != 0 {
			return w*64 + 63 - bits.LeadingZeros64(b.words[w])
		}
	}
	return -1
}

// after returns the smallest member above i, or -1.
func (b *bitset) after(i int) int {
	i++
	for w := i / 64; w < len(b.words); w++ {
		word := b.words[w]
		if w == i/64 {
			word &= ^uint64(0) << (i % 64)
		}
		if word != 0 {
			return w*64 + bits.TrailingZeros64(word)
		}
	}
	return -1
}

// before returns the largest member below i, or -1.
func (b *bitset) before(i int) int {
	i--
	if i < 0 {
		return -1
	}
	for w := i / 64; w >= 0; w-- {
		word := b.words[w]
		if w == i/64 {
			word &= ^uint64(0) >> (63 - i%64)
		}
		if word != 0 {
			return w*64 + 63 - bits.LeadingZeros64(word)
		}
	}
	return -1
}

// nth returns the member with n smaller ones, 0 <= n < count.
func (b *bitset) nth(n int) int {
	for w, word := range b.words {
		here := bits.OnesCount64(word)
		if n >= here {
			n -= here
			continue
		}
		for ; n > 0; n-- {
			word &= word - 1
		}
		return w*64 + bits.TrailingZeros64(word)
	}
	return -1
}
