package results

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"maps"
	"slices"
	"strconv"

	"microcosm/cosim/servicetime"
)

// Digest returns the SHA-256, in hexadecimal, of everything a sample says: its
// key, number, times, counters and provenance. FORMAT.md gives the bytes.
func Digest(sample servicetime.Sample) string {
	s := canonical(sample)
	h := sha256.New()
	p := s.Provenance
	measured := ""
	if !p.Measured.IsZero() {
		measured = strconv.FormatInt(p.Measured.Unix(), 10)
	}
	field(h, s.Key.Digest(), strconv.Itoa(s.N), strconv.FormatUint(s.Seed, 10), s.Status.String(), s.Reason,
		decimal(s.RoundTrip), decimal(s.Null), decimal(s.Busy),
		p.Backend, p.SimulatorDigest, p.Boot, p.Restore, p.Host, measured, decimal(p.Cost), p.Note)
	for _, name := range slices.Sorted(maps.Keys(s.Counters)) {
		field(h, name, decimal(s.Counters[name]))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// SetDigest returns the SHA-256, in hexadecimal, of a set of samples, whatever
// their order: the third part of a run's identity.
func SetDigest(samples []servicetime.Sample) string {
	digests := make([]string, len(samples))
	for i, s := range samples {
		digests[i] = Digest(s)
	}
	slices.Sort(digests)
	h := sha256.New()
	field(h, digests...)
	return hex.EncodeToString(h.Sum(nil))
}

// field writes length and text, which keeps ("ab","c") and ("a","bc") apart.
func field(h hash.Hash, texts ...string) {
	for _, text := range texts {
		_, _ = io.WriteString(h, fmt.Sprintf("%d:%s;", len(text), text)) // a hash never fails
	}
}

func decimal[T ~int64](v T) string { return strconv.FormatInt(int64(v), 10) }
