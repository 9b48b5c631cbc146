package scenario

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Rate is a number of arrivals per second.
type Rate float64

// UnmarshalText reads a rate such as "100/s", "5/min" or "3/h".
func (r *Rate) UnmarshalText(text []byte) error {
	digits, unit, found := strings.Cut(string(text), "/")
	if !found {
		return missingUnit(string(text), "a rate", "/s", "/min", "/h")
	}
	per, known := map[string]float64{"s": 1, "sec": 1, "min": 60, "h": 3600, "d": 86400}[unit]
	value, ok := parseNumber(digits)
	if !known || !ok {
		return fmt.Errorf("%q is no rate: write one such as 100/s, 5/min or 3/h", text)
	}
	*r = Rate(value / per)
	return nil
}

// MarshalText writes the rate as UnmarshalText reads it.
func (r Rate) MarshalText() ([]byte, error) { return []byte(number(float64(r)) + "/s"), nil }

// MiB is an amount of memory in mebibytes.
type MiB int

// UnmarshalText reads a size such as "200MiB" or "16GiB".
func (m *MiB) UnmarshalText(text []byte) error {
	s := string(text)
	for _, unit := range []struct {
		name string
		mib  float64
	}{{"MiB", 1}, {"GiB", 1 << 10}, {"TiB", 1 << 20}} {
		digits, found := strings.CutSuffix(s, unit.name)
		if !found {
			continue
		}
		value, ok := parseNumber(digits)
		size := value * unit.mib
		if !ok || size != math.Trunc(size) || math.Abs(size) > 1<<40 {
			return fmt.Errorf("%q is no size: write a whole number of MiB such as 200MiB or 16GiB", s)
		}
		*m = MiB(size)
		return nil
	}
	for decimal, binary := range map[string]string{"MB": "MiB", "GB": "GiB", "TB": "TiB", "M": "MiB", "Mi": "MiB", "G": "GiB", "Gi": "GiB", "m": "MiB", "g": "GiB"} {
		if digits, found := strings.CutSuffix(s, decimal); found && isNumber(digits) {
			return fmt.Errorf("%q has a unit that is not read here: write %s%s", s, digits, binary)
		}
	}
	return missingUnit(s, "a size", "MiB", "GiB")
}

// MarshalText writes the size as UnmarshalText reads it.
func (m MiB) MarshalText() ([]byte, error) {
	if m != 0 && m%1024 == 0 {
		return fmt.Appendf(nil, "%dGiB", m/1024), nil
	}
	return fmt.Appendf(nil, "%dMiB", m), nil
}

// Share is a part of a whole: 0.4 and "40%" are the same.
type Share float64

// UnmarshalText reads a share such as "40%" or "0.4".
func (s *Share) UnmarshalText(text []byte) error {
	digits, percent := strings.CutSuffix(string(text), "%")
	value, ok := parseNumber(digits)
	if percent && ok && !strings.ContainsAny(digits, "eE") {
		value, ok = parseNumber(digits + "e-2") // rounded once, unlike value/100
	}
	if !ok || percent && strings.ContainsAny(digits, "eE") {
		return fmt.Errorf("%q is no share: write one such as 40%% or 0.4", text)
	}
	*s = Share(value)
	return nil
}

// MarshalText writes the share as UnmarshalText reads it.
func (s Share) MarshalText() ([]byte, error) {
	// The decimal point moves in the text, since 100·s may round.
	whole, fraction, _ := strings.Cut(strconv.FormatFloat(float64(s), 'f', -1, 64), ".")
	fraction += "00"
	text := strings.TrimLeft(whole+fraction[:2], "0") + "." + strings.TrimRight(fraction[2:], "0")
	text = strings.TrimSuffix(text, ".")
	if text == "" || text[0] == '.' {
		text = "0" + text
	}
	return []byte(text + "%"), nil
}

// WarmUp is a time, or a share of the whole run.
type WarmUp struct {
	Time  time.Duration
	Share Share
}

// Of returns the warm-up of a run of the given duration.
func (w WarmUp) Of(duration time.Duration) time.Duration {
	return w.Time + time.Duration(math.Round(float64(w.Share)*float64(duration)))
}

// UnmarshalText reads a duration or a percentage.
func (w *WarmUp) UnmarshalText(text []byte) error {
	if strings.HasSuffix(string(text), "%") {
		w.Time = 0
		return w.Share.UnmarshalText(text)
	}
	d, err := parseDuration(string(text))
	*w = WarmUp{Time: d}
	return err
}

// MarshalText writes the warm-up as UnmarshalText reads it.
func (w WarmUp) MarshalText() ([]byte, error) {
	if w.Share != 0 {
		return w.Share.MarshalText()
	}
	return []byte(w.Time.String()), nil
}

// parseDuration reads what time.ParseDuration does, and days; a number without
// a unit is refused even where it is 0.
func parseDuration(text string) (time.Duration, error) {
	if isNumber(text) {
		return 0, missingUnit(text, "a duration", "s", "ms", "us")
	}
	wrong := fmt.Errorf("%q is no duration: write one such as 250us, 380s, 1.5h or 2d", text)
	rest, days := text, 0.0
	if before, after, found := strings.Cut(text, "d"); found {
		value, ok := parseNumber(before)
		if !ok || strings.ContainsAny(before, "eE") { // 1e3s is none either
			return 0, wrong
		}
		days, rest = value, after
	}
	d := time.Duration(0)
	if rest != "" || text == "" {
		parsed, err := time.ParseDuration(rest)
		if err != nil || isNumber(rest) {
			return 0, wrong
		}
		d = parsed
	}
	whole := math.Round(days * 24 * float64(time.Hour))
	if math.Abs(whole)+math.Abs(float64(d)) >= math.MaxInt64 {
		return 0, fmt.Errorf("%q is longer than 292 years, the longest duration", text)
	}
	return d + time.Duration(whole), nil
}

// parseNumber reads a finite decimal number.
func parseNumber(text string) (float64, bool) {
	if strings.ContainsAny(text, "xXpP_iInN") {
		return 0, false
	}
	value, err := strconv.ParseFloat(text, 64)
	return value, err == nil && !math.IsInf(value, 0)
}

func isNumber(text string) bool {
	_, ok := parseNumber(text)
	return ok
}

func missingUnit(text, what string, units ...string) error {
	if !isNumber(text) {
		return fmt.Errorf("%q is no %s: write one such as 5%s", text, strings.TrimPrefix(what, "a "), strings.Join(units, " or 5"))
	}
	for i, unit := range units {
		units[i] = text + unit
	}
	last := len(units) - 1
	return errors.New(text + " lacks the unit of " + what + ": write " + strings.Join(units[:last], ", ") + " or " + units[last])
}

func number(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }
