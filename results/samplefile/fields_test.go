package samplefile_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/servicetime"
	"microcosm/results/samplefile"
)

// named is a field's name and value as text.
type named struct{ name, value string }

// whole is one sample, field by field, in the order of the document.
func whole() []named {
	return []named{
		{"function", "f"},
		{"image", "i"},
		{"input", "large"},
		{"platform", "p"},
		{"platform_digest", "d"},
		{"stack", "s"},
		{"condition", "lukewarm:4"},
		{"n", "7"},
		{"seed", "18446744073709551615"},
		{"status", "censored"},
		{"reason", "hung"},
		{"round_trip_ps", "1000"},
		{"null_ps", "200"},
		{"busy_ps", "300"},
		{"cost_ns", "400"},
		{"backend", "gem5"},
		{"simulator_digest", "x"},
		{"host", "h"},
		{"boot", "b"},
		{"restore", "r"},
		{"measured", "2026-11-22T10:00:00Z"},
		{"note", "a note"},
		{"counter:cycles", "9"},
	}
}

func wholeSample() servicetime.Sample {
	return servicetime.Sample{
		Key: servicetime.Key{Function: "f", Image: "i", Input: "large", Platform: "p", PlatformDigest: "d", Condition: servicetime.LukewarmAfter(4), Stack: "s"},
		N:   7, Seed: 1<<64 - 1, Status: servicetime.Censored, Reason: "hung", RoundTrip: 1000, Null: 200, Busy: 300,
		Counters: map[string]int64{"cycles": 9},
		Provenance: servicetime.Provenance{
			Backend: "gem5", SimulatorDigest: "x", Boot: "b", Restore: "r", Host: "h",
			Measured: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC), Cost: 400, Note: "a note",
		},
	}
}

// fileOf returns a file of one sample whose fields stand in the header where
// inHeader says so, and in columns otherwise.
func fileOf(fields []named, inHeader func(name string) bool) string {
	var header strings.Builder
	var names, cells []string
	for _, f := range fields {
		if inHeader(f.name) {
			fmt.Fprintf(&header, "# %s: %s\n", f.name, f.value)
		} else {
			names, cells = append(names, f.name), append(cells, f.value)
		}
	}
	return fmt.Sprintf("# microcosm samples 2\n%s%s\n%s\n# end of 1 samples\n", header.String(), strings.Join(names, ","), strings.Join(cells, ","))
}

// documentedField is a row of the table of fields in ../FORMAT.md.
type documentedField struct {
	name   string
	either bool   // header or column
	absent string // what it means when absent
}

func documentedFields(t *testing.T) []documentedField {
	t.Helper()
	document, err := os.ReadFile("../FORMAT.md")
	require.NoError(t, err)
	var list []documentedField
	for _, row := range regexp.MustCompile(`(?m)^\| ([a-z_, ]+) \| (either|column) \| always \| (.+) \|$`).FindAllStringSubmatch(string(document), -1) {
		for name := range strings.SplitSeq(row[1], ", ") {
			list = append(list, documentedField{name, row[2] == "either", row[3]})
		}
	}
	require.Len(t, list, len(whole())-1, "all but the counters")
	return list
}

func TestAFieldStandsWhereTheDocumentSays(t *testing.T) {
	t.Parallel()
	for _, f := range documentedFields(t) {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			got, err := samplefile.ReadText("f.csv", []byte(fileOf(whole(), func(string) bool { return false })))
			require.NoError(t, err)
			require.Equal(t, []servicetime.Sample{wholeSample()}, got, "all in columns")
			got, err = samplefile.ReadText("f.csv", []byte(fileOf(whole(), func(name string) bool { return name == f.name })))
			if f.either {
				require.NoError(t, err)
				require.Equal(t, []servicetime.Sample{wholeSample()}, got, "in the header")
				return
			}
			require.ErrorContains(t, err, "f.csv:2: "+f.name+" differs from sample to sample: give it as a column")
			require.Empty(t, got)
		})
	}
}

func TestAFieldThatIsAbsentMeansWhatTheDocumentSays(t *testing.T) {
	t.Parallel()
	change := map[string]func(*servicetime.Sample){
		"numbered from 0 within each key, in the order of rows": func(s *servicetime.Sample) { s.N = 0 },
		"`valid`":                func(s *servicetime.Sample) { s.Status = servicetime.Valid },
		"the whole service time": func(s *servicetime.Sample) { s.Busy = 800 },
		"`import`: measured elsewhere, see below": func(s *servicetime.Sample) { s.Provenance.Backend = "import" },
	}
	zero := map[string]func(*servicetime.Sample){
		"seed":             func(s *servicetime.Sample) { s.Seed = 0 },
		"null_ps":          func(s *servicetime.Sample) { s.Null = 0 },
		"cost_ns":          func(s *servicetime.Sample) { s.Provenance.Cost = 0 },
		"reason":           func(s *servicetime.Sample) { s.Reason = "" },
		"simulator_digest": func(s *servicetime.Sample) { s.Provenance.SimulatorDigest = "" },
		"boot":             func(s *servicetime.Sample) { s.Provenance.Boot = "" },
		"restore":          func(s *servicetime.Sample) { s.Provenance.Restore = "" },
	}
	for _, f := range documentedFields(t) {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			fields, want := whole(), wholeSample()
			if f.name == "reason" || f.name == "status" { // the two go together
				want.Status, want.Reason = servicetime.Valid, ""
				for i := range fields {
					fields[i].value = strings.NewReplacer("censored", "valid", "hung", "").Replace(fields[i].value)
				}
			}
			without := slices.DeleteFunc(fields, func(n named) bool { return n.name == f.name })
			got, err := samplefile.ReadText("f.csv", []byte(fileOf(without, func(string) bool { return false })))
			if strings.HasPrefix(f.absent, "a mistake") {
				require.Empty(t, got)
				require.Error(t, err)
				require.Regexp(t, `^f\.csv:2: (`+f.name+`|a time) is missing: give (it |a column )`, err.Error())
				require.NotContains(t, err.Error(), "\n", "one mistake")
				return
			}
			apply := change[f.absent]
			if f.absent == "0" || f.absent == "empty" {
				apply = zero[f.name]
			}
			require.NotNil(t, apply, "%q has no meaning here", f.absent)
			apply(&want)
			require.NoError(t, err)
			require.Equal(t, []servicetime.Sample{want}, got)
		})
	}
}

// TestWhereToGiveAMissingFieldIsSaid: the remedy names a place where the field may
// stand.
func TestWhereToGiveAMissingFieldIsSaid(t *testing.T) {
	t.Parallel()
	for _, f := range documentedFields(t) {
		if f.absent != "a mistake" {
			continue
		}
		without := slices.DeleteFunc(whole(), func(n named) bool { return n.name == f.name })
		_, err := samplefile.ReadText("f.csv", []byte(fileOf(without, func(string) bool { return false })))
		want := fmt.Sprintf("f.csv:2: %s is missing: give it as a column", f.name)
		if f.either {
			want = fmt.Sprintf("f.csv:2: %s is missing: give it as a header line \"# %s: …\" or as a column", f.name, f.name)
		}
		require.EqualError(t, err, want)
	}
}

// TestBadValuesSayWhatIsWanted: every field in turn, the whole message.
func TestBadValuesSayWhatIsWanted(t *testing.T) {
	t.Parallel()
	const (
		number  = "want a whole number from 0 to 2147483647"
		ps      = "want a whole number of picoseconds from 0"
		date    = "want a date like 2026-11-22T10:00:00Z or 2026-11-22"
		counted = "want a whole number"
		quoted  = `text that begins with " must be a quoted string`
	)
	for _, c := range []struct{ field, value, want string }{
		{"n", "", number},
		{"n", "-1", number},
		{"n", "1.0", number},
		{"n", "2147483648", number},
		{"n", "１", number},
		{"seed", "-1", "want a whole number from 0 to 2^64-1"},
		{"seed", "18446744073709551616", "want a whole number from 0 to 2^64-1"},
		{"seed", "0x1", "want a whole number from 0 to 2^64-1"},
		{"status", "", "want valid, censored or rejected"},
		{"status", "Valid", "want valid, censored or rejected"},
		{"status", "invalid", "want valid, censored or rejected"},
		{"round_trip_ps", "1.5", ps},
		{"round_trip_ps", "-1", ps},
		{"round_trip_ps", "9223372036854775808", ps},
		{"null_ps", "NaN", ps},
		{"busy_ps", "1e3", ps},
		{"cost_ns", "-1", "want a whole number of nanoseconds from 0"},
		{"cost_ns", "1s", "want a whole number of nanoseconds from 0"},
		{"condition", "", "want cold, warm, lukewarm:K[@MIX], flush"},
		{"condition", "WARM", "want cold, warm, lukewarm:K[@MIX], flush"},
		{"condition", "lukewarm:2147483648", "K must be a whole number from 0 to 2147483647"},
		{"measured", "22.11.2026", date},
		{"measured", "2026-11-22T10:00:00", date},
		{"measured", "2026-13-01", date},
		{"measured", "2026-02-30", date},
		{"counter:cycles", "9.0", counted},
		{"counter:cycles", "NaN", counted},
		{"counter:cycles", "9223372036854775808", counted},
		{"note", `"""open"`, quoted},
		{"function", `"""\q"""`, quoted},
	} {
		fields := whole()
		for i := range fields {
			if fields[i].name == c.field {
				fields[i].value = c.value
			}
		}
		got, err := samplefile.ReadText("f.csv", []byte(fileOf(fields, func(string) bool { return false })))
		require.Empty(t, got)
		require.ErrorContains(t, err, "f.csv:3: "+c.field+": ", "%s = %q", c.field, c.value)
		require.ErrorContains(t, err, c.want, "%s = %q", c.field, c.value)
		require.NotContains(t, err.Error(), "\n", "one mistake")
	}
}

// TestTimesAreRoundedToTheNearestTick against exact decimal arithmetic.
func TestTimesAreRoundedToTheNearestTick(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		column, value string
		want          servicetime.Ticks
	}{
		{"service_ns", "0.0004", 0}, // refused below: a valid sample takes time
		{"service_ns", "0.0005", 1},
		{"service_ns", "0.0014", 1},
		{"service_ns", "1.0016", 1002},
		{"service_us", "+3", 3_000_000},
		{"service_us", ".5", 500_000},
		{"service_us", "5.", 5_000_000},
		{"service_ms", "1e-3", 1_000_000},
		{"service_ms", "1E3", 1_000_000_000_000},
		{"service_ms", "0.1", 100_000_000},
		{"service_s", "2305843.0092136", 2_305_843_009_213_600_000},
		{"round_trip_ps", "2305843009213693951", 1<<61 - 1},
	} {
		got, err := samplefile.ReadText("f.csv", []byte(ended("condition,"+c.column+"\nwarm,"+c.value+"\n")))
		if c.want == 0 {
			require.EqualError(t, err, "f.csv:12: sample 0 of thumbnailer/large warm on lambda-1769mb: a valid sample takes time")
			continue
		}
		require.NoError(t, err, c)
		require.InDelta(t, float64(c.want), float64(got[0].RoundTrip), float64(c.want)*1e-15, c)
	}
	for _, c := range []struct{ column, value, want string }{
		{"service_s", "2305843.1", `f.csv:12: service_s: "2305843.1" s: a time beyond 26 days is not plausible`},
		{"service_ms", "1e300", `f.csv:12: service_ms: "1e300" ms: a time beyond 26 days is not plausible`},
		{"service_ms", "1e400", `f.csv:12: service_ms: "1e400": want a number of ms from 0`},
		{"service_us", "-1", `f.csv:12: service_us: "-1": want a number of us from 0`},
		{"service_us", "Inf", `f.csv:12: service_us: "Inf": want a number of us from 0`},
		{"service_us", "nan", `f.csv:12: service_us: "nan": want a number of us from 0`},
		{"service_us", "1_000", `f.csv:12: service_us: "1_000": want a number of us from 0`},
		{"service_us", "0x1p3", `f.csv:12: service_us: "0x1p3": want a number of us from 0`},
		{"service_us", " 1", `f.csv:12: service_us: " 1": want a number of us from 0`},
		{"service_us", "\"1,5\"", `f.csv:12: service_us: "1,5": want a number of us from 0`},
		{"service_us", "", `f.csv:12: service_us: "": want a number of us from 0`},
		{"round_trip_ps", "2305843009213693952", "f.csv:12: sample 0 of thumbnailer/large warm on lambda-1769mb: a time beyond 26 days is not plausible"},
	} {
		_, err := samplefile.ReadText("f.csv", []byte(ended("condition,"+c.column+"\nwarm,"+c.value+"\n")))
		require.EqualError(t, err, c.want)
	}
}

func TestDatesAreReadInTheirZone(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"2026-11-22T10:00:00Z": "2026-11-22T10:00:00Z", "2026-11-22T12:00:00+02:00": "2026-11-22T10:00:00Z",
		"2026-11-22T10:00:00.999Z": "2026-11-22T10:00:00Z", "2026-11-22": "2026-11-22T00:00:00Z",
		"2024-02-29": "2024-02-29T00:00:00Z", "1970-01-01": "1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z": "9999-12-31T23:59:59Z",
	} {
		data := strings.Replace(ended("condition,service_ms\nwarm,1\n"), "2026-11-22", value, 1)
		got, err := samplefile.ReadText("f.csv", []byte(data))
		require.NoError(t, err, value)
		require.Equal(t, want, got[0].Provenance.Measured.Format(time.RFC3339), value)
		require.Equal(t, time.UTC, got[0].Provenance.Measured.Location())
		again, err := samplefile.ReadText("f.csv", []byte(write(t, got)))
		require.NoError(t, err)
		require.Equal(t, got, again)
	}
}
