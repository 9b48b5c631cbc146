package results

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strconv"
	"time"

	"microcosm/cosim/servicetime"
)

// Digest returns the SHA-256, in hexadecimal, of everything a sample says: its
// key, number, times, counters and provenance. FORMAT.md gives the bytes.
func Digest(sample servicetime.Sample) string {
	return digestUnder(sample.Key.Digest(), canonical(sample))
}

// digestUnder is Digest for a canonical sample whose key's digest is known.
func digestUnder(key string, s servicetime.Sample) string {
	p := s.Provenance
	measured := ""
	if !p.Measured.IsZero() {
		measured = strconv.FormatInt(p.Measured.Unix(), 10)
	}
	text := fields(make([]byte, 0, 1024), key, strconv.Itoa(s.N), strconv.FormatUint(s.Seed, 10), s.Status.String(), s.Reason,
		decimal(s.RoundTrip), decimal(s.Null), decimal(s.Busy),
		p.Backend, p.SimulatorDigest, p.Boot, p.Restore, p.Host, measured, decimal(p.Cost), p.Note)
	for _, name := range slices.Sorted(maps.Keys(s.Counters)) {
		text = fields(text, name, decimal(s.Counters[name]))
	}
	return hexDigest(text)
}

// SetDigest returns the SHA-256, in hexadecimal, of a set of samples, whatever
// their order: the third part of a run's identity.
func SetDigest(samples []servicetime.Sample) string {
	digests := make([]string, len(samples))
	for i, s := range samples {
		digests[i] = Digest(s)
	}
	slices.Sort(digests)
	return hexDigest(fields(nil, digests...))
}

// fields appends length and text of each, as Key.Digest does: that keeps
// ("ab","c") and ("a","bc") apart.
func fields(to []byte, texts ...string) []byte {
	for _, text := range texts {
		to = strconv.AppendInt(to, int64(len(text)), 10)
		to = append(to, ':')
		to = append(to, text...)
		to = append(to, ';')
	}
	return to
}

func hexDigest(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

func decimal[T ~int64](v T) string { return strconv.FormatInt(int64(v), 10) }

// canonical returns the sample as the store gives it back: the date to the
// second and in UTC, an empty set of counters nil.
func canonical(s servicetime.Sample) servicetime.Sample {
	s.Provenance.Measured = toSecond(s.Provenance.Measured)
	if len(s.Counters) == 0 {
		s.Counters = nil
	}
	return s
}

func toSecond(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return time.Unix(t.Unix(), 0).UTC()
}
