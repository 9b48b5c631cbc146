package report

import (
	"math"
	"strconv"
	"strings"

	"microcosm/cosim/metrics"
)

// scale is the unit in which an estimate is shown: shown = value · factor.
type scale struct {
	unit   string
	factor float64
}

var timeScales = []scale{{"s", 1}, {"ms", 1e3}, {"µs", 1e6}, {"ns", 1e9}}

// scaleFor returns the scale for a value of the given magnitude.
func scaleFor(name, unit string, magnitude float64) scale {
	switch {
	case unit == "s":
		for _, s := range timeScales {
			if magnitude*s.factor >= 1-1e-9 {
				return s
			}
		}
		if magnitude > 0 {
			return timeScales[len(timeScales)-1]
		}
		return timeScales[0]
	case unit == "" && isShare(name):
		return scale{"%", 100}
	default:
		return scale{clean(unit), 1}
	}
}

// magnitude tells the order of what an estimate shows: of its value, or of its
// interval where that is much the larger.
func magnitude(e metrics.Estimate) float64 {
	m := math.Abs(e.Est)
	switch {
	case stands(e):
		m = max(m, (e.Hi-e.Lo)/2)
	case e.Status == metrics.StatusBounds && !known(m) && known(e.Lo):
		m = math.Abs(e.Lo)
	case e.Status == metrics.StatusBounds && !known(m):
		m = math.Abs(e.Hi)
	}
	if !known(m) {
		return 0
	}
	return m
}

// scalesFor returns one scale per estimate: the same for all, so that a row is
// compared at a glance, unless the smallest would be lost in it.
func scalesFor(name, unit string, estimates []metrics.Estimate) []scale {
	low, high := math.Inf(1), 0.0
	for _, e := range estimates {
		if m := magnitude(e); m > 0 {
			low, high = min(low, m), max(high, m)
		}
	}
	common := scaleFor(name, unit, high)
	scales := make([]scale, len(estimates))
	for i, e := range estimates {
		scales[i] = common
		if m := magnitude(e); m > 0 && low*common.factor < 0.1 {
			scales[i] = scaleFor(name, unit, m)
		}
	}
	return scales
}

// decimals says how many digits behind the point a number with this half-width
// deserves: two digits of the half-width where they lie in 100..354 (or round up
// to 1000), else one. Particle Data Group, Review of Particle Physics (2024),
// section 5.3 of the introduction, "Rounding".
func decimals(half float64) int {
	exponent := int(math.Floor(math.Log10(half)))
	lead := math.Round(half / math.Pow10(exponent) * 100)
	if lead < 355 {
		return 1 - exponent
	}
	return -exponent
}

// digits is the number of significant digits of a value without an interval.
const digits = 3

// amount is an estimate ready to be shown: "12.3", "ms", "11.9", "12.7".
type amount struct {
	value, unit, lo, hi string // lo and hi are empty where there is no interval, value where nothing is known
}

// amountOf rounds an estimate so that its digits fit its interval. With signed,
// the value carries its sign even if positive.
func amountOf(e metrics.Estimate, s scale, signed bool) amount {
	a := amount{unit: s.unit}
	if !known(e.Est) || e.Status == metrics.StatusInvalid {
		return amount{}
	}
	est, lo, hi := e.Est*s.factor, e.Lo*s.factor, e.Hi*s.factor
	half := (hi - lo) / 2
	switch {
	case !stands(e):
		a.value = significant(est, digits)
	case half == 0:
		a.value = trimmed(significant(est, digits+3))
		a.lo, a.hi = a.value, a.value
	case max(math.Abs(est), half) >= 1e7 || half < 1e-6:
		a.value, a.lo, a.hi = scientific(est), scientific(lo), scientific(hi)
	default:
		n := max(decimals(half), 0)
		a.value, a.lo, a.hi = fixed(est, n), fixed(lo, n), fixed(hi, n)
	}
	if signed && est > 0 && strings.Trim(a.value, "0.") != "" {
		a.value = "+" + a.value
	}
	return a
}

// String returns "12.3 ms [11.9, 12.7]", "12.3 ms" or "".
func (a amount) String() string {
	text := a.withUnit()
	if a.lo != "" {
		text += " [" + a.lo + ", " + a.hi + "]"
	}
	return text
}

func (a amount) withUnit() string {
	if a.unit == "" || a.value == "" {
		return a.value
	}
	return a.value + " " + a.unit
}

// known reports whether x is a number, and not so large that scaling it would
// overflow.
func known(x float64) bool { return math.Abs(x) <= 1e290 }

// stands reports whether value and interval can be shown as numbers.
func stands(e metrics.Estimate) bool { return e.OK() && known(e.Est) && known(e.Lo) && known(e.Hi) }

func fixed(x float64, decimals int) string {
	text := strconv.FormatFloat(x, 'f', decimals, 64)
	if strings.Trim(text, "-0.") == "" {
		return strings.TrimPrefix(text, "-") // -0.0
	}
	return text
}

func scientific(x float64) string { return strconv.FormatFloat(x, 'g', 4, 64) }

// significant shows x with n significant digits.
func significant(x float64, n int) string {
	if x == 0 {
		return "0"
	}
	if a := math.Abs(x); a >= 1e9 || a < 1e-6 {
		return strconv.FormatFloat(x, 'g', n, 64)
	}
	behind := n - 1 - int(math.Floor(math.Log10(math.Abs(x))))
	return strconv.FormatFloat(x, 'f', max(behind, 0), 64)
}

// trimmed drops zeros that end the digits behind the point.
func trimmed(text string) string {
	if strings.Contains(text, ".") && !strings.Contains(text, "e") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}
