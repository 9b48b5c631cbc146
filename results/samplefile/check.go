package samplefile

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"microcosm/cosim/servicetime"
)

// Check reports why a sample cannot be stored and given back unchanged.
func Check(s servicetime.Sample) error {
	if err := s.Check(); err != nil {
		return err
	}
	fail := func(format string, values ...any) error {
		return fmt.Errorf("sample %d of %s: %s", s.N, s.Key, fmt.Sprintf(format, values...))
	}
	if s.N > maxNumber {
		return fail("the number must not exceed %d", maxNumber)
	}
	c, err := servicetime.ParseCondition(s.Key.Condition.String())
	if err != nil {
		return fail("%v", err)
	}
	if c != s.Key.Condition {
		return fail("the condition %#v is not what its word %q means", s.Key.Condition, s.Key.Condition)
	}
	p := s.Provenance
	for name, text := range map[string]string{
		"function": s.Key.Function, "image": s.Key.Image, "input": s.Key.Input, "platform": s.Key.Platform,
		"platform digest": s.Key.PlatformDigest, "stack": s.Key.Stack, "backend": p.Backend,
		"simulator digest": p.SimulatorDigest, "boot": p.Boot, "restore": p.Restore, "host": p.Host,
	} {
		if !isLine(text) {
			return fail("%s %q must be one line of valid UTF-8", name, text)
		}
	}
	for name, text := range map[string]string{"reason": s.Reason, "note": p.Note} {
		if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
			return fail("%s %q must be valid UTF-8 without NUL", name, text)
		}
	}
	for name := range s.Counters {
		if !isLine(name) || name == "" || strings.ContainsAny(name, `"\`) {
			return fail(`counter name %q must be one line without " and \`, name)
		}
	}
	if p.Cost < 0 {
		return fail("the cost %v is negative", p.Cost)
	}
	if year := p.Measured.UTC().Year(); !p.Measured.IsZero() && (year < 1970 || year > 9999) {
		return fail("the date of measurement %v is not plausible", p.Measured)
	}
	return nil
}

// isLine reports valid UTF-8 without control characters.
func isLine(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl)
}
