package trace

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// Law is the law of the gaps between the arrivals of one slot.
type Law uint8

// The laws of gaps. All are normalised so that the gaps of a slot fill it.
const (
	InvalidLaw  Law = iota
	Exponential     // without shift: one arrival at the slot's start, the others uniform
	Uniform         // gaps uniform before they are normalised
	Equidistant     // equal gaps
)

var lawWords = [...]string{"invalid", "exponential", "uniform", "equidistant"}

// String returns the word of the law.
func (l Law) String() string { return word(lawWords[:], int(l)) }

// ParseLaw reads what String writes, in any case, except "invalid".
func ParseLaw(text string) (Law, error) {
	i, err := parseWord("inter-arrival times", lawWords[:], text)
	return Law(i), err
}

// MarshalText returns the word of the law.
func (l Law) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText is ParseLaw.
func (l *Law) UnmarshalText(text []byte) (err error) {
	*l, err = ParseLaw(string(text))
	return err
}

// IAT says where the arrivals of a slot lie: inter-arrival times as In-Vitro
// draws them.
type IAT struct {
	Law Law

	// Shift cuts the slot at a random instant and exchanges the two pieces.
	// Without it every active function has an arrival at the very start of each
	// slot: a burst that no real platform sees.
	Shift bool
}

const shiftSuffix = "_shift"

// String returns the name that In-Vitro's configuration uses, e.g.
// "exponential_shift".
func (a IAT) String() string {
	if a.Shift {
		return a.Law.String() + shiftSuffix
	}
	return a.Law.String()
}

// ParseIAT reads what String writes, in any case, except "invalid".
func ParseIAT(text string) (IAT, error) {
	word, shift := strings.CutSuffix(strings.ToLower(text), shiftSuffix)
	law, err := ParseLaw(word)
	if err != nil {
		return IAT{}, fmt.Errorf("%w, each with or without %s", err, shiftSuffix)
	}
	return IAT{Law: law, Shift: shift}, nil
}

// MarshalText returns what String returns.
func (a IAT) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText is ParseIAT.
func (a *IAT) UnmarshalText(text []byte) (err error) {
	*a, err = ParseIAT(string(text))
	return err
}

// spread places n arrivals in one slot after another. In-Vitro draws n gaps, sums
// them up and only then knows where the first one ends. Here they are drawn
// twice, by setting the generator back, so that no slot needs memory.
type spread struct {
	iat  IAT
	slot time.Duration
	pcg  *rand.PCG
	rng  *rand.Rand // of pcg; keeps no state of its own

	n, left  int64    // arrivals of this slot, and those still to come
	index    int64    // number of the gap that comes next
	position float64  // of the next arrival, in units of the gaps
	total    float64  // sum of the gaps
	first    rand.PCG // before the first gap
	after    rand.PCG // after all draws of the slot
}

// begin starts a slot of n arrivals.
func (s *spread) begin(n int64) {
	s.n, s.left, s.index, s.position, s.total, s.first = n, n, 0, 0, 0, *s.pcg
	for range n {
		s.total += s.gap()
	}
	if s.total == 0 {
		s.total = 1 // all gaps are 0, and so is every position
	}
	if !s.iat.Shift {
		s.after = *s.pcg
		*s.pcg = s.first
		return
	}
	cut := s.rng.Float64() * s.total
	s.after = *s.pcg
	*s.pcg = s.first
	for s.position <= cut && s.index < n {
		s.position += s.gap()
		s.index++
	}
	s.position = max(0, s.position-cut)
}

// next returns the next arrival of the slot, from its start, in [0, slot). It
// must not be called when none is left.
func (s *spread) next() time.Duration {
	at := time.Duration(s.position * float64(s.slot) / s.total)
	s.left--
	if s.left == 0 {
		*s.pcg = s.after
	} else {
		if s.index == s.n {
			*s.pcg, s.index = s.first, 0
		}
		s.position += s.gap()
		s.index++
	}
	return min(at, s.slot-1) // rounding may end at the slot's end
}

func (s *spread) gap() float64 {
	switch s.iat.Law {
	case Exponential:
		return s.rng.ExpFloat64()
	case Uniform:
		return s.rng.Float64()
	default:
		return 1
	}
}
