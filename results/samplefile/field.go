package samplefile

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"microcosm/cosim/servicetime"
)

// field is one value of a sample as text. In a file it stands in the header,
// once for all rows, or in a column.
type field struct {
	name string
	// required fields must be given; the others have a meaning when absent.
	required bool
	// inHeader fields go to the header when all rows agree.
	inHeader bool
	// text is where a field that is text itself lives; nil for the others.
	text func(*servicetime.Sample) *string
	get  func(*servicetime.Sample) string
	set  func(*servicetime.Sample, string) error
}

// fields lists the fields in the order of the header and of the columns.
var fields = []field{
	text("function", true, func(s *servicetime.Sample) *string { return &s.Key.Function }),
	text("image", true, func(s *servicetime.Sample) *string { return &s.Key.Image }),
	text("input", true, func(s *servicetime.Sample) *string { return &s.Key.Input }),
	text("platform", true, func(s *servicetime.Sample) *string { return &s.Key.Platform }),
	text("platform_digest", true, func(s *servicetime.Sample) *string { return &s.Key.PlatformDigest }),
	text("stack", true, func(s *servicetime.Sample) *string { return &s.Key.Stack }),
	{name: "condition", required: true, get: condition, set: setCondition},
	{name: "n", get: func(s *servicetime.Sample) string { return strconv.Itoa(s.N) }, set: setN},
	{name: "seed", get: func(s *servicetime.Sample) string { return strconv.FormatUint(s.Seed, 10) }, set: setSeed},
	{name: "status", inHeader: true, get: func(s *servicetime.Sample) string { return s.Status.String() }, set: setStatus},
	text("reason", false, func(s *servicetime.Sample) *string { return &s.Reason }),
	ticks("round_trip", func(s *servicetime.Sample) *servicetime.Ticks { return &s.RoundTrip }),
	ticks("null", func(s *servicetime.Sample) *servicetime.Ticks { return &s.Null }),
	ticks("busy", func(s *servicetime.Sample) *servicetime.Ticks { return &s.Busy }),
	{name: "cost_ns", get: func(s *servicetime.Sample) string { return strconv.FormatInt(int64(s.Provenance.Cost), 10) }, set: setCost},
	text("backend", false, func(s *servicetime.Sample) *string { return &s.Provenance.Backend }),
	text("simulator_digest", false, func(s *servicetime.Sample) *string { return &s.Provenance.SimulatorDigest }),
	text("host", true, func(s *servicetime.Sample) *string { return &s.Provenance.Host }),
	text("boot", false, func(s *servicetime.Sample) *string { return &s.Provenance.Boot }),
	text("restore", false, func(s *servicetime.Sample) *string { return &s.Provenance.Restore }),
	{name: "measured", required: true, inHeader: true, get: measured, set: setMeasured},
	text("note", true, func(s *servicetime.Sample) *string { return &s.Provenance.Note }),
}

func text(name string, required bool, at func(*servicetime.Sample) *string) field {
	return field{
		name: name, required: required, inHeader: true, text: at,
		get: func(s *servicetime.Sample) string { return quote(*at(s)) },
		set: func(s *servicetime.Sample, v string) (err error) {
			*at(s), err = unquote(v)
			return err
		},
	}
}

func ticks(name string, at func(*servicetime.Sample) *servicetime.Ticks) field {
	return field{
		name: name + "_ps",
		get:  func(s *servicetime.Sample) string { return strconv.FormatInt(int64(*at(s)), 10) },
		set: func(s *servicetime.Sample, v string) (err error) {
			*at(s), err = parseTicks(v, "ps")
			return err
		},
	}
}

// quote returns text as it stands in a file: itself, or as a quoted Go string
// where it would not survive as one trimmed line.
func quote(text string) string {
	plain := utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl) &&
		strings.TrimSpace(text) == text && !strings.HasPrefix(text, `"`) && !strings.HasPrefix(text, "#")
	if plain {
		return text
	}
	return strconv.Quote(text)
}

func unquote(text string) (string, error) {
	if !strings.HasPrefix(text, `"`) {
		return text, nil
	}
	value, err := strconv.Unquote(text)
	if err != nil {
		return "", fmt.Errorf(`text that begins with " must be a quoted string`)
	}
	return value, nil
}

func condition(s *servicetime.Sample) string { return s.Key.Condition.String() }

func setCondition(s *servicetime.Sample, v string) (err error) {
	s.Key.Condition, err = servicetime.ParseCondition(v)
	return err
}

// maxNumber is the largest number of a sample: the next one must fit into every
// format and every platform's int.
const maxNumber = math.MaxInt32

func setN(s *servicetime.Sample, v string) error {
	n, err := strconv.ParseInt(v, 10, 32)
	if err != nil || n < 0 {
		return fmt.Errorf("%q: want a whole number from 0 to %d", v, maxNumber)
	}
	s.N = int(n)
	return nil
}

func setSeed(s *servicetime.Sample, v string) (err error) {
	if s.Seed, err = strconv.ParseUint(v, 10, 64); err != nil {
		return fmt.Errorf("%q: want a whole number from 0 to 2^64-1", v)
	}
	return nil
}

func setStatus(s *servicetime.Sample, v string) (err error) {
	s.Status, err = servicetime.ParseStatus(v)
	return err
}

func setCost(s *servicetime.Sample, v string) error {
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n < 0 {
		return fmt.Errorf("%q: want a whole number of nanoseconds from 0", v)
	}
	s.Provenance.Cost = time.Duration(n)
	return nil
}

func measured(s *servicetime.Sample) string {
	if s.Provenance.Measured.IsZero() {
		return ""
	}
	return s.Provenance.Measured.UTC().Format(time.RFC3339)
}

// setMeasured reads a date and time with its zone, or a date alone. Empty means
// that it is not known.
func setMeasured(s *servicetime.Sample, v string) error {
	if v == "" {
		return nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, v); err == nil {
			s.Provenance.Measured = time.Unix(t.Unix(), 0).UTC()
			return nil
		}
	}
	return fmt.Errorf("%q: want a date like 2026-11-22T10:00:00Z or 2026-11-22", v)
}

// unitsPS are the units a time's column may name, in picoseconds.
var unitsPS = map[string]float64{"ps": 1, "ns": 1e3, "us": 1e6, "ms": 1e9, "s": 1e12}

// parseTicks reads a time in the given unit, rounded to the nearest tick.
func parseTicks(v, unit string) (servicetime.Ticks, error) {
	if unit == "ps" {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil || n < 0 {
			return 0, fmt.Errorf("%q: want a whole number of picoseconds from 0", v)
		}
		return servicetime.Ticks(n), nil
	}
	x, err := strconv.ParseFloat(v, 64)
	if err != nil || strings.Trim(v, "0123456789.eE+-") != "" || x < 0 {
		return 0, fmt.Errorf("%q: want a number of %s from 0", v, unit)
	}
	const limit = 1 << 61 // within what Sample.Check admits as plausible
	t := x*unitsPS[unit] + 0.5
	if t >= limit {
		return 0, fmt.Errorf("%q %s: a time beyond 26 days is not plausible", v, unit)
	}
	return servicetime.Ticks(t), nil
}
