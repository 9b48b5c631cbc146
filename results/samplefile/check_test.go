package samplefile_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/servicetime"
	"microcosm/results/samplefile"
)

// TestWhatCannotBeKeptIsRefused: every reason, with the whole message; and what
// is refused is in no file either.
func TestWhatCannotBeKeptIsRefused(t *testing.T) {
	t.Parallel()
	const who = "sample 3 of f/large lukewarm:4 on p: "
	for _, c := range []struct {
		situation string
		change    func(*servicetime.Sample)
		want      string
	}{
		{"a number that text cannot hold", func(s *servicetime.Sample) { s.N = math.MaxInt32 + 1 }, "sample 2147483648 of f/large lukewarm:4 on p: the number must not exceed 2147483647"},
		{"a negative cost", func(s *servicetime.Sample) { s.Provenance.Cost = -1 }, who + "the cost -1ns is negative"},
		{"a date before computers kept time", func(s *servicetime.Sample) { s.Provenance.Measured = time.Unix(-1, 0).UTC() }, who + "the date of measurement 1969-12-31 23:59:59 +0000 UTC is not plausible"},
		{"a date of five digits", func(s *servicetime.Sample) { s.Provenance.Measured = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }, who + "the date of measurement 10000-01-01 00:00:00 +0000 UTC is not plausible"},
		{"a function of two lines", func(s *servicetime.Sample) { s.Key.Function = "a\nb" }, "sample 3 of a\nb/large lukewarm:4 on p: function \"a\\nb\" must be one line of valid UTF-8"},
		{"an image with a tab", func(s *servicetime.Sample) { s.Key.Image = "a\tb" }, who + `image "a\tb" must be one line of valid UTF-8`},
		{"an input that is no UTF-8", func(s *servicetime.Sample) { s.Key.Input = "\xff" }, "sample 3 of f/\xff lukewarm:4 on p: input \"\\xff\" must be one line of valid UTF-8"},
		{"a platform with an escape", func(s *servicetime.Sample) { s.Key.Platform = "\x1b[1m" }, "sample 3 of f/large lukewarm:4 on \x1b[1m: platform \"\\x1b[1m\" must be one line of valid UTF-8"},
		{"a platform digest with NUL", func(s *servicetime.Sample) { s.Key.PlatformDigest = "\x00" }, who + `platform digest "\x00" must be one line of valid UTF-8`},
		{"a stack with a carriage return", func(s *servicetime.Sample) { s.Key.Stack = "a\r" }, who + `stack "a\r" must be one line of valid UTF-8`},
		{"a back end of two lines", func(s *servicetime.Sample) { s.Provenance.Backend = "a\nb" }, who + `backend "a\nb" must be one line of valid UTF-8`},
		{"a simulator of two lines", func(s *servicetime.Sample) { s.Provenance.SimulatorDigest = "a\nb" }, who + `simulator digest "a\nb" must be one line of valid UTF-8`},
		{"a boot of two lines", func(s *servicetime.Sample) { s.Provenance.Boot = "a\nb" }, who + `boot "a\nb" must be one line of valid UTF-8`},
		{"a restore of two lines", func(s *servicetime.Sample) { s.Provenance.Restore = "a\u0085b" }, who + `restore "a\u0085b" must be one line of valid UTF-8`},
		{"a host of two lines", func(s *servicetime.Sample) { s.Provenance.Host = "a\nb" }, who + `host "a\nb" must be one line of valid UTF-8`},
		{"a note that is no UTF-8", func(s *servicetime.Sample) { s.Provenance.Note = "a\xc3" }, who + `note "a\xc3" must be valid UTF-8 without NUL`},
		{"a reason with NUL", func(s *servicetime.Sample) { s.Status, s.Reason = servicetime.Censored, "\x00" }, who + `reason "\x00" must be valid UTF-8 without NUL`},
		{"a counter without a name", func(s *servicetime.Sample) { s.Counters = map[string]int64{"": 1} }, who + `counter name "" must be one line without " and \`},
		{"a counter with a quote", func(s *servicetime.Sample) { s.Counters = map[string]int64{`a"`: 1} }, who + `counter name "a\"" must be one line without " and \`},
		{"a counter with a backslash", func(s *servicetime.Sample) { s.Counters = map[string]int64{`a\`: 1} }, who + `counter name "a\\" must be one line without " and \`},
		{"a counter of two lines", func(s *servicetime.Sample) { s.Counters = map[string]int64{"a\n": 1} }, who + `counter name "a\n" must be one line without " and \`},
		{"no stack", func(s *servicetime.Sample) { s.Key.Stack = "" }, who + "every field of the key must be given"},
		{"a time beyond reason", func(s *servicetime.Sample) { s.Null = 1 << 61 }, who + "a time beyond 26 days is not plausible"},
	} {
		t.Run(c.situation, func(t *testing.T) {
			t.Parallel()
			s := wholeSample()
			s.N, s.Status, s.Reason = 3, servicetime.Valid, ""
			require.NoError(t, samplefile.Check(s))
			c.change(&s)
			require.EqualError(t, samplefile.Check(s), c.want)
			_, err := samplefile.ReadFile("f.parquet", table(t, []servicetime.Sample{s}))
			require.ErrorContains(t, err, "f.parquet: ", "a table that holds it is refused")
			_, err = samplefile.ReadText("f.csv", []byte(write(t, []servicetime.Sample{s})))
			require.ErrorContains(t, err, "f.csv:", "a text that holds it is refused")
		})
	}
}

// TestAConditionIsWhatItsWordMeans: a value that no word makes would come back as
// another one.
func TestAConditionIsWhatItsWordMeans(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		condition servicetime.Condition
		want      string
	}{
		{servicetime.Condition{Kind: servicetime.Warm, K: 3}, `is not what its word "warm" means`},
		{servicetime.Condition{Kind: servicetime.Flush, Mix: "catalog"}, `is not what its word "flush" means`},
		{servicetime.Condition{Kind: servicetime.Lukewarm, K: 0, Mix: "catalog"}, `is not what its word "lukewarm:0" means`},
		{servicetime.Condition{Kind: servicetime.Lukewarm, K: 3}, `the mix's name has letters`},
		{servicetime.Condition{Kind: servicetime.Lukewarm, K: -1, Mix: "catalog"}, `K must be a whole number`},
		{servicetime.Condition{Kind: servicetime.Lukewarm, K: 3, Mix: "a b"}, `the mix's name has letters`},
		{servicetime.Condition{Kind: servicetime.Stressor}, `bytes must be a whole number from 1`},
		{servicetime.Condition{Kind: servicetime.Stressor, Bytes: 5, K: 1}, `is not what its word "stressor:5" means`},
		{servicetime.Condition{Kind: servicetime.FlushStructure}, `condition "flush:"`},
		{servicetime.Condition{Kind: servicetime.FlushStructure, Structures: "l1i,l1d"}, `condition "flush:l1i,l1d"`},
		{servicetime.Condition{Kind: 99}, `condition "invalid"`},
	} {
		s := wholeSample()
		s.Key.Condition = c.condition
		err := samplefile.Check(s)
		require.ErrorContains(t, err, c.want, "%#v", c.condition)
		require.ErrorContains(t, err, "sample 7 of f/large "+c.condition.String()+" on p: ")
	}
}

// TestTheEdgesOfWhatIsKept: what lies just within the bounds comes back to the bit
// from text and from a table.
func TestTheEdgesOfWhatIsKept(t *testing.T) {
	t.Parallel()
	var samples []servicetime.Sample
	for _, change := range []func(*servicetime.Sample){
		func(s *servicetime.Sample) { s.N = math.MaxInt32 },
		func(s *servicetime.Sample) { s.Seed = math.MaxUint64 },
		func(s *servicetime.Sample) { s.Seed = 1 << 63 },
		func(s *servicetime.Sample) {
			s.RoundTrip, s.Null, s.Busy = math.MaxInt64/4, math.MaxInt64/4, math.MaxInt64/4
		},
		func(s *servicetime.Sample) { s.RoundTrip, s.Null, s.Busy = 0, 0, 0 },
		func(s *servicetime.Sample) { s.Status, s.Reason, s.RoundTrip = servicetime.Valid, "", 1 },
		func(s *servicetime.Sample) { s.Status, s.Reason = servicetime.Rejected, "\n" },
		func(s *servicetime.Sample) { s.Provenance.Cost = math.MaxInt64 },
		func(s *servicetime.Sample) { s.Provenance.Measured = time.Time{} },
		func(s *servicetime.Sample) { s.Provenance.Measured = time.Unix(0, 0).UTC() },
		func(s *servicetime.Sample) {
			s.Provenance.Measured = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
		},
		func(s *servicetime.Sample) { s.Counters = nil },
		func(s *servicetime.Sample) {
			s.Counters = map[string]int64{"least": math.MinInt64, "most": math.MaxInt64, "none": 0}
		},
		func(s *servicetime.Sample) {
			s.Counters = map[string]int64{" ": 1, " a": 2, "a ": 3, "a": 4, "A": 5, "a,b": 6, "'": 7, "\u2028": 8, "counter:": 9, "n": 10, "😀": 11}
		},
		func(s *servicetime.Sample) { s.Provenance.Note = strings.Repeat("long ", 100_000) + "end" },
		func(s *servicetime.Sample) { s.Provenance.Note = "\"\\\r\n\t\x7f\u0085\u2029\ufffd" },
		func(s *servicetime.Sample) { s.Key.Function = "\u00a0ﬁ\u200b" },
		func(s *servicetime.Sample) { s.Key.Function = "e\u0301" },
		func(s *servicetime.Sample) { s.Key.Function = "\u00e9" },
		func(s *servicetime.Sample) { s.Key.Function = `\.` },
		func(s *servicetime.Sample) { s.Key.Input = "# end of 1 samples" },
		func(s *servicetime.Sample) { s.Key.Condition = servicetime.LukewarmAfter(math.MaxInt32) },
		func(s *servicetime.Sample) {
			s.Key.Condition = servicetime.Condition{Kind: servicetime.Stressor, Bytes: math.MaxInt64}
		},
		func(s *servicetime.Sample) {
			s.Key.Condition = servicetime.Condition{Kind: servicetime.FlushStructure, Structures: "+"}
		},
	} {
		s := wholeSample()
		s.N = len(samples)
		change(&s)
		require.NoError(t, samplefile.Check(s))
		for name, data := range map[string][]byte{"f.csv": []byte(write(t, []servicetime.Sample{s})), "f.parquet": table(t, []servicetime.Sample{s})} {
			got, err := samplefile.ReadFile(name, data)
			require.NoError(t, err, "%s %.200v", name, s)
			require.Equal(t, []servicetime.Sample{s}, got, name)
		}
		samples = append(samples, s)
	}
	for name, data := range map[string][]byte{"f.csv": []byte(write(t, samples)), "f.parquet": table(t, samples)} {
		got, err := samplefile.ReadFile(name, data)
		require.NoError(t, err)
		require.Equal(t, samples, got, "%s: all of them together, with all their counters", name)
	}
}
