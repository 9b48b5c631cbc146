package scenario

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestDurationsAreReadWithTheirUnit(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for text, want := range map[string]time.Duration{
		"0s": 0, "250us": 250 * time.Microsecond, "1.5h": 90 * time.Minute, "1h30m": 90 * time.Minute,
		"2d": 2 * day, "0.5d": day / 2, "1d12h": 36 * time.Hour, "1d-1h": 23 * time.Hour, "-3s": -3 * time.Second, "106751d": 106751 * day,
	} {
		got, err := parseDuration(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for text, says := range map[string]string{
		"5":          "5 lacks the unit of a duration: write 5s, 5ms or 5us",
		"0":          "0 lacks the unit of a duration",
		"-1.5":       "-1.5 lacks the unit",
		"":           `"" is no duration`,
		"5 s":        `"5 s" is no duration: write one such as 250us`,
		"1w":         `"1w" is no duration`,
		"d":          `"d" is no duration`,
		"1d2":        `"1d2" is no duration`,
		"1dd":        `"1dd" is no duration`,
		"1_000s":     "is no duration",
		"soon":       "is no duration",
		"106752d":    "is longer than 292 years",
		"106751d24h": "is longer than 292 years",
		"-106752d":   "is longer than 292 years",
		"1e3d":       "is no duration",
		"9999999d":   "is longer than 292 years",
	} {
		_, err := parseDuration(text)
		require.ErrorContains(t, err, says, text)
	}
}

func TestWhatADurationWritesItReads(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64().Draw(t, "duration"))
		got, err := parseDuration(d.String())
		if d == math.MinInt64 || d == math.MaxInt64 { // one more than can be negated, and the bound itself
			return
		}
		require.NoError(t, err)
		require.Equal(t, d, got)
	})
}

func TestNumbersAreDecimalAndFinite(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]float64{"1": 1, "-2.5": -2.5, "+3": 3, "1e3": 1000, ".5": .5, "5.": 5, "1E-2": .01} {
		got, ok := parseNumber(text)
		require.True(t, ok, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", " 1", "1 ", "0x10", "1_000", "inf", "-Inf", "NaN", "1e999", "1p3", "one", "1,5", "--1"} {
		_, ok := parseNumber(text)
		require.False(t, ok, text)
	}
}

func TestRates(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Rate{"100/s": 100, "100/sec": 100, "6/min": .1, "36/h": .01, "86400/d": 1, "1e-3/s": .001, "0/s": 0, "-1/s": -1} {
		var r Rate
		require.NoError(t, r.UnmarshalText([]byte(text)), text)
		require.Equal(t, want, r, text)
	}
	for text, says := range map[string]string{
		"100": "100 lacks the unit of a rate: write 100/s, 100/min or 100/h", "fast": `"fast" is no rate: write one such as 5/s or 5/min or 5/h`,
		"100/y": `"100/y" is no rate`, "x/s": `"x/s" is no rate`, "/s": "is no rate", "1/s/s": "is no rate", "5/": "is no rate",
	} {
		var r Rate
		require.ErrorContains(t, r.UnmarshalText([]byte(text)), says, text)
	}
}

func TestSizes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]MiB{"1MiB": 1, "200MiB": 200, "16GiB": 16 << 10, "1.5GiB": 1536, "2TiB": 2 << 20, "0.5GiB": 512, "-1MiB": -1} {
		var m MiB
		require.NoError(t, m.UnmarshalText([]byte(text)), text)
		require.Equal(t, want, m, text)
	}
	for text, says := range map[string]string{
		"200": "200 lacks the unit of a size: write 200MiB or 200GiB", "200MB": "write 200MiB", "4G": "write 4GiB", "512M": "write 512MiB", "1TB": "write 1TiB",
		"64Mi": "write 64MiB", "2Gi": "write 2GiB", "0.5MiB": "write a whole number of MiB", "xMiB": "is no size", "MiB": "is no size",
		"9999999999TiB": "is no size", "large": `"large" is no size: write one such as 5MiB or 5GiB`, "200kB": "is no size",
	} {
		var m MiB
		require.ErrorContains(t, m.UnmarshalText([]byte(text)), says, text)
	}
}

func TestShares(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Share{"40%": .4, "0.4": .4, "29%": .29, "0.07%": .0007, "100%": 1, "250%": 2.5, "0%": 0, "-5%": -.05, "1e-3": .001} {
		var s Share
		require.NoError(t, s.UnmarshalText([]byte(text)), text)
		require.Equal(t, want, s, text)
	}
	for _, text := range []string{"", "%", "half", "4 %", "1e1%", "40%%", "NaN%"} {
		var s Share
		require.ErrorContains(t, s.UnmarshalText([]byte(text)), "is no share: write one such as 40% or 0.4", text)
	}
	for s, want := range map[Share]string{.4: "40%", 0: "0%", 1: "100%", .07: "7%", .29: "29%", .001: "0.1%", .12345: "12.345%", 2.5: "250%", 10: "1000%"} {
		text, err := s.MarshalText()
		require.NoError(t, err)
		require.Equal(t, want, string(text))
	}
}

// What a quantity writes it reads, to the last bit.
func TestQuantitiesReadWhatTheyWrite(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rate := Rate(rapid.Float64Range(0, 1e12).Draw(t, "rate"))
		size := MiB(rapid.Int64Range(-1<<40, 1<<40).Draw(t, "size"))
		share := Share(rapid.Float64Range(0, 1000).Draw(t, "share"))
		warmUp := WarmUp{Time: time.Duration(rapid.Int64Range(0, 1<<62).Draw(t, "time"))}
		if rapid.Bool().Draw(t, "by share") {
			warmUp = WarmUp{Share: share}
		}
		text, _ := rate.MarshalText()
		var r Rate
		require.NoError(t, r.UnmarshalText(text))
		require.Equal(t, rate, r)
		text, _ = size.MarshalText()
		var m MiB
		require.NoError(t, m.UnmarshalText(text))
		require.Equal(t, size, m)
		text, _ = share.MarshalText()
		require.False(t, strings.ContainsAny(string(text), "eE"), "%s", text)
		var s Share
		require.NoError(t, s.UnmarshalText(text))
		require.Equal(t, share, s)
		text, _ = warmUp.MarshalText()
		var w WarmUp
		require.NoError(t, w.UnmarshalText(text))
		require.Equal(t, warmUp, w)
	})
}

func TestAWarmUpIsATimeOrAShareOfTheRun(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{"30s": 30 * time.Second, "7%": 42 * time.Second, "0s": 0, "0%": 0, "100%": 10 * time.Minute, "33.333%": 199998 * time.Millisecond} {
		w := WarmUp{Time: time.Hour, Share: .5} // what was there before does not count
		require.NoError(t, w.UnmarshalText([]byte(text)), text)
		require.Equal(t, want, w.Of(10*time.Minute), text)
	}
	var w WarmUp
	require.ErrorContains(t, w.UnmarshalText([]byte("10")), "lacks the unit of a duration")
	require.ErrorContains(t, w.UnmarshalText([]byte("x%")), "is no share")
}

func TestTheNearestWordIsSuggested(t *testing.T) {
	t.Parallel()
	known := []string{"cores", "memory", "name", "count"}
	for word, want := range map[string]string{"core": "cores", "Cores": "cores", "memroy": "memory", "nam": "name", "platform": "", "cuont": "count"} {
		require.Equal(t, want, nearest(word, known), word)
	}
	require.Equal(t, `did you mean "cores"?`, suggest("core", known))
	require.Equal(t, "want one of cores, memory, name, count", suggest("platform", known))
}

// A key is named in quotes only where YAML needs them, and then reads as text.
func TestQuoting(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"sticky": "sticky", "a-b_c.d/e": "a-b_c.d/e", "12": `"12"`, "true": `"true"`, "No": `"No"`, "null": `"null"`, "y": `"y"`, "": `""`,
		"a b": `"a b"`, "x: y": `"x: y"`, "#": `"#"`, "-a": `"-a"`, `"`: `"\""`, "a\nb": `"a\nb"`, "<&>": `"<&>"`, "truer": "truer",
	} {
		require.Equal(t, want, quote(text), text)
	}
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		root, mistakes := parseYAML("x.yaml", "name: "+quote(text)+"\n")
		require.Empty(t, mistakes, "%q", text)
		value := root.find("name").value
		require.Equal(t, textNode, value.kind)
		require.Equal(t, text, value.text)
	})
}
