package report

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/plot/text"
	"pgregory.net/rapid"

	"microcosm/cosim/experiment"
	"microcosm/cosim/metrics"
)

// TestDecimals is the Particle Data Group's rule: of the half-width two digits
// stay where they lie in 10..35, else one.
func TestDecimals(t *testing.T) {
	t.Parallel()
	for half, want := range map[float64]int{
		.123: 2, .354: 2, .355: 1, .827: 1, .949: 1, .951: 1, .9996: 1,
		1: 1, 1.19: 1, 3.54: 1, 3.56: 0, 9.6: 0, 12: 0, 36: -1, 354: -1, 356: -2, .00099: 4, .0001: 5,
	} {
		require.Equal(t, want, decimals(half), "±%v", half)
	}
}

func TestAmounts(t *testing.T) {
	t.Parallel()
	milli, plain := scale{"ms", 1e3}, scale{"", 1}
	for _, c := range []struct {
		situation string
		e         metrics.Estimate
		s         scale
		signed    bool
		want      string
	}{
		{"the digits fit the interval", fine(.0101234, .0099, .0104), milli, false, "10.12 ms [9.90, 10.40]"},
		{"a coarse one", fine(1234.5, 800, 1700), plain, false, "1234 [800, 1700]"},
		{"exact", fine(.0125, .0125, .0125), milli, false, "12.5 ms [12.5, 12.5]"},
		{"nothing, exactly", fine(0, 0, 0), milli, false, "0 ms [0, 0]"},
		{"a positive difference", fine(.002, .001, .003), milli, true, "+2.0 ms [1.0, 3.0]"},
		{"a negative one", fine(-.002, -.003, -.001), milli, true, "-2.0 ms [-3.0, -1.0]"},
		{"one that rounds to nothing has no sign", fine(.00001, -.003, .003), milli, true, "0.0 ms [-3.0, 3.0]"},
		{"without an interval", metrics.NotEstimable(.0123456, 3, "m", "few"), milli, false, "12.3 ms"},
		{"of nothing known", metrics.Estimate{Est: math.NaN(), Status: metrics.StatusNotEstimable}, milli, false, ""},
		{"not estimated", metrics.Estimate{Est: 3}, milli, false, ""},
		{"very large", fine(1e12, .9e12, 1.1e12), plain, false, "1e+12 [9e+11, 1.1e+12]"},
	} {
		require.Equal(t, c.want, amountOf(c.e, c.s, c.signed).String(), c.situation)
	}
}

func fine(est, lo, hi float64) metrics.Estimate {
	return metrics.Estimate{Est: est, Lo: lo, Hi: hi, N: 10, Method: "m", Status: metrics.StatusOK}
}

// TestARoundedIntervalHoldsItsValue: rounding moves value and ends by half a unit
// of the last digit at most, which is a tenth of the half-width or less.
func TestARoundedIntervalHoldsItsValue(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		est := rapid.Float64Range(-1e6, 1e6).Draw(t, "est")
		half := math.Pow(10, rapid.Float64Range(-5, 6).Draw(t, "half"))
		e := fine(est, est-half, est+half)
		a := amountOf(e, scale{"", 1}, false)
		for text, want := range map[string]float64{a.value: e.Est, a.lo: e.Lo, a.hi: e.Hi} {
			if strings.Contains(text, "e") {
				return // scientific: four digits
			}
			require.InDelta(t, want, parseFloat(t, text), max(half*.15, .5), "%v shows as %v", e, a)
		}
	})
}

func parseFloat(t require.TestingT, text string) float64 {
	var x float64
	for i, c := range text {
		if i == 0 && c == '-' {
			return -parseFloat(t, text[1:])
		}
	}
	whole, fraction, _ := strings.Cut(text, ".")
	for _, c := range whole {
		x = 10*x + float64(c-'0')
	}
	for i, c := range fraction {
		x += float64(c-'0') / math.Pow10(i+1)
	}
	return x
}

func TestScales(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, unit string
		magnitude  float64
		want       scale
	}{
		{"response_mean", "s", 90, scale{"s", 1}},
		{"response_mean", "s", 1, scale{"s", 1}},
		{"response_mean", "s", .9, scale{"ms", 1e3}},
		{"response_mean", "s", 1e-3, scale{"ms", 1e3}},
		{"response_mean", "s", 2e-5, scale{"µs", 1e6}},
		{"response_mean", "s", 1e-12, scale{"ns", 1e9}},
		{"response_mean", "s", 0, scale{"s", 1}},
		{"cold_share", "", .5, scale{"%", 100}},
		{"utilization", "", .5, scale{"%", 100}},
		{"slowdown", "", 1.5, scale{"", 1}},
		{"throughput", "1/s", 5, scale{"1/s", 1}},
	} {
		require.Equal(t, c.want, scaleFor(c.name, c.unit, c.magnitude), "%s %v %s", c.name, c.magnitude, c.unit)
	}
	// A row has one unit, unless the smallest of its numbers would be lost in it.
	same := scalesFor("response_mean", "s", []metrics.Estimate{fine(2, 1.9, 2.1), fine(.2, .19, .21)})
	require.Equal(t, []scale{{"s", 1}, {"s", 1}}, same)
	apart := scalesFor("response_mean", "s", []metrics.Estimate{fine(2, 1.9, 2.1), fine(.002, .0019, .0021), fine(0, 0, 0)})
	require.Equal(t, []scale{{"s", 1}, {"ms", 1e3}, {"s", 1}}, apart)
}

func TestNumbersInWords(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", -1234567: "-1,234,567", -999: "-999", math.MaxInt64: "9,223,372,036,854,775,807", math.MinInt64: "-9,223,372,036,854,775,808"} {
		require.Equal(t, want, integer(n))
	}
	for x, want := range map[float64]string{0: "0", 1234.56: "1235", .0012345: "0.00123", 99.96: "100.0", -2.5: "-2.50", 3e9: "3e+09", 1e-9: "1e-09"} {
		require.Equal(t, want, significant(x, 3), "%v", x)
	}
	for text, want := range map[string]string{"1.50": "1.5", "2.000": "2", "100": "100", "1.20e+09": "1.20e+09", "0.0": "0"} {
		require.Equal(t, want, trimmed(text))
	}
	require.Equal(t, "0.00", fixed(-.001, 2), "nothing has no sign")
	require.Equal(t, "-0.01", fixed(-.01, 2))
	require.Equal(t, "1 run", plural(1, "run"))
	require.Equal(t, "0 runs", plural(0, "run"))
	require.Equal(t, "1,200 runs", plural(1200, "run"))
	require.Equal(t, "response p99.9", label("response_p99_9"))
	require.Equal(t, "response p99", label("response_p99"))
	require.Equal(t, "response p99.9", label("response_p99.9"))
	require.Equal(t, "−3 ms [−5 ms, −1 ms]", minus("-3 ms [-5 ms, -1 ms]"))
	require.Equal(t, "a-b", minus("a-b"), "a hyphen stays one")
}

// TestCleanNames: whatever a name holds, it stays on one line and reads from left
// to right.
func TestCleanNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"fibonacci-go": "fibonacci-go", "日本語 🦠": "日本語 🦠", "a\nb\tc\x1b[31m": "a\uFFFDb\uFFFDc\uFFFD[31m",
		"gnp\u202e.exe": "gnp\uFFFD.exe", "\xff": "\uFFFD", "a\u2028b": "a\uFFFDb", "\ufffe": "\uFFFD",
	} {
		require.Equal(t, want, clean(name))
	}
}

func TestReasonsAreNumberedByWhatTheySay(t *testing.T) {
	t.Parallel()
	var r reasons
	require.Equal(t, 1, r.of("p99 needs 368 values, has 12"))
	require.Equal(t, 2, r.of("the backlog grows"))
	require.Equal(t, 1, r.of("p99 needs 368 values, has 13.5"), "other numbers, the same reason")
	require.Equal(t, 1, r.of("p99 needs 368 values, has 12"))
	require.Equal(t, []string{"p99 needs 368 values, has 12 (and 1 like it, with other numbers)", "the backlog grows"}, r.list())
}

func TestRoundSteps(t *testing.T) {
	t.Parallel()
	for x, want := range map[float64]float64{1: 1, 1.1: 2, 2.2: 2.5, 2.6: 5, 5.1: 10, .03: .05, 700: 1000} {
		require.InEpsilon(t, want, roundStep(x), 1e-9, "%v", x)
	}
}

// TestLinearTicksAreRoundAndWithinTheAxis.
func TestLinearTicksAreRoundAndWithinTheAxis(t *testing.T) {
	t.Parallel()
	var values []float64
	for _, tick := range linearTicks(0, 1, 4, percent) {
		values = append(values, tick.Value)
	}
	require.InDeltaSlice(t, []float64{0, .25, .5, .75, 1}, values, 1e-12)
	require.Empty(t, linearTicks(3, 3, 4, percent), "an axis without length")
	rapid.Check(t, func(t *rapid.T) {
		lo := rapid.Float64Range(-1e9, 1e9).Draw(t, "lo")
		length := math.Pow(10, rapid.Float64Range(-3, 9).Draw(t, "length"))
		n := rapid.IntRange(2, 8).Draw(t, "n")
		marks := linearTicks(lo, lo+length, n, percent)
		require.LessOrEqual(t, len(marks), n+1)
		require.GreaterOrEqual(t, len(marks), n/3, "%v to %v", lo, lo+length)
		for _, tick := range marks {
			require.InDelta(t, lo+length/2, tick.Value, length/2*(1+1e-5)+math.Abs(lo)*1e-9)
		}
	})
}

// TestLogTicksLabelWhatFits: within a few decades 1, 2 and 5 are labelled, beyond
// that powers of ten, beyond seven decades only some of them.
func TestLogTicksLabelWhatFits(t *testing.T) {
	t.Parallel()
	labels := func(lo, hi float64) []string {
		var list []string
		for _, tick := range logTicks(lo, hi, seconds) {
			require.GreaterOrEqual(t, tick.Value, lo)
			require.LessOrEqual(t, tick.Value, hi)
			if tick.Label != "" {
				list = append(list, tick.Label)
			}
		}
		return list
	}
	require.Equal(t, []string{"1 ms", "2 ms", "5 ms", "10 ms", "20 ms"}, labels(.9e-3, 30e-3))
	require.Equal(t, []string{"1 µs", "10 µs", "100 µs", "1 ms", "10 ms"}, labels(1e-6, 20e-3))
	require.Equal(t, []string{"2 ms", "3 ms", "4 ms"}, labels(1.9e-3, 4.1e-3))
	require.LessOrEqual(t, len(labels(1e-12, 1e12)), 8)
	require.Equal(t, []string{"1 %", "10 %", "100 %"}, func() (list []string) {
		for _, tick := range logTicks(.005, 1, percent) {
			if tick.Label != "" && strings.HasPrefix(tick.Label, "1") {
				list = append(list, tick.Label)
			}
		}
		return list
	}())
}

func TestClocks(t *testing.T) {
	t.Parallel()
	for end, want := range map[float64]string{3e5: "d", 86400: "h", 7200: "h", 7199: "min", 120: "min", 119: "s", 2: "s", 1.9: "ms", 1e-3: "µs", 1e-9: "ns"} {
		require.Equal(t, want, clockFor(end).name, "a run of %v s", end)
	}
}

// TestThinning keeps the mean and the length of a timeline.
func TestThinning(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		// Parts of equal size, so that the mean of means is the mean.
		of := rapid.IntRange(1, 5).Draw(t, "of")
		means := rapid.SliceOfN(rapid.Float64Range(0, 1e6), maxBuckets*of, maxBuckets*of).Draw(t, "means")
		got, width := thinned(means, 2)
		require.Len(t, got, maxBuckets)
		require.InDelta(t, 2*float64(len(means)), width*float64(len(got)), 1e-9)
		require.InEpsilon(t, 1+sum(means)/float64(len(means)), 1+sum(got)/float64(len(got)), 1e-9)
	})
	short, width := thinned([]float64{1, 2}, 5)
	require.Equal(t, []float64{1, 2}, short)
	require.EqualValues(t, 5, width)
	uneven, _ := thinned(make([]float64, maxBuckets+1), 1)
	require.LessOrEqual(t, len(uneven), maxBuckets)
}

func sum(values []float64) (s float64) {
	for _, v := range values {
		s += v
	}
	return s
}

func TestConditionsFromLightToDark(t *testing.T) {
	t.Parallel()
	marginal := func(name string, share float64) experiment.Marginal {
		return experiment.Marginal{Name: name, Share: metrics.Estimate{Est: share}}
	}
	r := &experiment.Result{Runs: []experiment.Run{
		{Conditions: []experiment.Marginal{marginal("cold", .1), marginal("warm", .5), marginal("lukewarm 1", .005), marginal("lukewarm 2", .3), marginal("flush", .02)}},
		{Conditions: []experiment.Marginal{marginal("lukewarm 1", .009), marginal("flush", math.NaN())}},
	}}
	colours := conditionColours(cross(r, byCondition, 10))
	require.Equal(t, rampColours[0], colours["warm"])
	require.Equal(t, rampColours[2], colours["lukewarm 2"], "half way")
	require.Equal(t, rampColours[4], colours["flush"])
	require.Equal(t, rareColour, colours["lukewarm 1"], "below 1 % in every run")
	require.NotContains(t, rampColours, colours["cold"])
	luminance := func(name string) float64 {
		c := colours[name]
		return .2126*float64(c.R) + .7152*float64(c.G) + .0722*float64(c.B)
	}
	require.Greater(t, luminance("warm"), luminance("lukewarm 2"))
	require.Greater(t, luminance("lukewarm 2"), luminance("flush"), "the colour-blind tell them by lightness")
}

func TestWordsOnAFigureFitTheirRoom(t *testing.T) {
	t.Parallel()
	style := words(inkText, text.XLeft)
	require.Equal(t, "short", shorten("short", style, 200))
	long := strings.Repeat("a long name ", 20)
	cut := shorten(long, style, 100)
	require.LessOrEqual(t, style.Width(cut), 100*style.Width("a")/style.Width("a"))
	require.True(t, strings.HasSuffix(cut, "…"))
	require.True(t, strings.HasPrefix(long, strings.TrimSuffix(cut, "…")))
	require.Equal(t, "…", shorten(long, style, 1), "no room at all")
}

func TestWrap(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"one two", "three"}, wrap("one two  three", 9))
	require.Equal(t, []string{"value", "[1.5, 2.5]"}, wrap("value [1.5, 2.5]", 12), "an interval stays together")
	require.Equal(t, []string{"abcdefgh", "ijkl mn"}, wrap("abcdefghijkl mn", 8), "a word that is longer than a line")
	require.Equal(t, []string{""}, wrap("", 20))
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.RuneFrom([]rune("ab [],漢 "))).Draw(t, "text")
		n := rapid.IntRange(1, 30).Draw(t, "n")
		lines := wrap(text, n)
		for _, line := range lines {
			require.LessOrEqual(t, width(line), max(n, 8), "%q", line)
		}
		require.Equal(t, strings.Join(strings.Fields(text), ""), strings.ReplaceAll(strings.Join(lines, ""), " ", ""), "nothing is lost")
	})
}

// TestCurvesAreDrawnAsFarAsTheyRise.
func TestCurvesAreDrawnAsFarAsTheyRise(t *testing.T) {
	t.Parallel()
	points := func(xp ...float64) (list []experiment.Point) {
		for i := 0; i < len(xp); i += 2 {
			list = append(list, experiment.Point{X: xp[i], P: xp[i+1]})
		}
		return list
	}
	for situation, c := range map[string]struct{ given, want []experiment.Point }{
		"rising":               {points(1, .5, 2, 1), points(1, .5, 2, 1)},
		"time falls":           {points(2, .5, 1, 1), points(2, .5)},
		"share falls":          {points(1, .5, 2, .4), points(1, .5)},
		"beyond 1":             {points(1, .5, 2, 1.1), points(1, .5)},
		"not a number":         {points(math.NaN(), .5), nil},
		"longer than any time": {points(1, .5, 1e13, 1), points(1, .5)},
	} {
		run := &experiment.Run{Curves: []experiment.Curve{{Name: "other", Points: points(9, 9)}, {Name: "response", Points: c.given}}}
		require.Equal(t, len(c.want), len(curveOf(run, "response")), situation)
		require.ElementsMatch(t, c.want, curveOf(run, "response"), situation)
		require.Empty(t, curveOf(run, "service"), situation)
		run.Unstable = "load 1.2"
		require.Empty(t, curveOf(run, "response"), "an unstable run has none")
	}
}
