package samplefile_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/servicetime"
	"microcosm/results/samplefile"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func sample(n int) servicetime.Sample {
	return servicetime.Sample{
		Key: servicetime.Key{
			Function: "fibonacci-go", Image: "sha256:1111", Input: "default", Platform: "host-test",
			PlatformDigest: "sha256:2222", Condition: servicetime.LukewarmAfter(n / 2), Stack: "sha256:3333",
		},
		N: n, Seed: 18446744073709551610 + uint64(n), Status: servicetime.Valid,
		RoundTrip: servicetime.Ticks(1_000_000 + n), Null: 200_000, Busy: 700_000,
		Counters: map[string]int64{"cycles": int64(3000 + n)},
		Provenance: servicetime.Provenance{
			Backend: "host", SimulatorDigest: "sha256:4444", Boot: "boot-0", Restore: fmt.Sprintf("restore-%d", n/2),
			Host: "node-1", Measured: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC), Cost: 1234567,
		},
	}
}

func some(n int) []servicetime.Sample {
	var list []servicetime.Sample
	for i := range n {
		list = append(list, sample(i))
	}
	return list
}

func write(t testing.TB, samples []servicetime.Sample) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, samplefile.WriteText(&b, samples))
	return b.String()
}

func TestTextLooksAsDocumented(t *testing.T) {
	t.Parallel()
	samples := some(4)
	samples[3].Status, samples[3].Reason = servicetime.Rejected, "wrong reply, \"no\"\nsecond line"
	samples[3].Counters = nil
	samples[2].Counters["l2_misses"] = -1
	got := write(t, samples)
	golden := filepath.Join("testdata", "samples.csv")
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(got), 0o666))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
	read, err := samplefile.ReadText(golden, want)
	require.NoError(t, err)
	require.Equal(t, samples, read)
}

func TestTextKeepsEveryText(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", " ", "leading ", " trailing", `"quoted"`, `"`, "comma, semicolon; tab\tend", "two\nlines", "carriage\r\nreturn", "\r",
		"# comment", "colon: value", "ümläut 漢字 \u00a0", "\u2028", `back\slash`, "\ufeff", "=1+1",
	} {
		varying, constant := some(2), some(2)
		varying[1].Provenance.Note = text
		for i := range constant {
			constant[i].Provenance.Note = text
		}
		for where, samples := range map[string][]servicetime.Sample{"column": varying, "header": constant} {
			data := write(t, samples)
			got, err := samplefile.ReadText("f", []byte(data))
			require.NoError(t, err, "%s %q", where, text)
			require.Equal(t, samples, got, "%s %q", where, text)
			require.Equal(t, data, write(t, got))
		}
	}
}

func TestWindowsLineEndsAndByteOrderMarkAreRead(t *testing.T) {
	t.Parallel()
	data := "\ufeff" + strings.ReplaceAll(write(t, some(3)), "\n", "\r\n")
	got, err := samplefile.ReadText("f", []byte(data))
	require.NoError(t, err)
	require.Equal(t, some(3), got)
}

func TestNoSamplesAreNotWritten(t *testing.T) {
	t.Parallel()
	require.Error(t, samplefile.WriteText(&bytes.Buffer{}, nil))
}

const elsewhere = `# microcosm samples 2
# function: thumbnailer
# image: thumbnailer:2.1
# input: large
# platform: lambda-1769mb
# platform_digest: 2026-11
# stack: python3.12
# host: eu-central-1
# measured: 2026-11-22
# note: from the vendor's log
`

// ended returns a file of samples measured elsewhere, with its last line.
func ended(table string) string {
	return fmt.Sprintf("%s%s# end of %d samples\n", elsewhere, table, strings.Count(table, "\n")-1)
}

func TestSamplesMeasuredElsewhere(t *testing.T) {
	t.Parallel()
	got, err := samplefile.ReadText("f", []byte(ended("condition,service_ms\nwarm,12.5\nwarm,0.1\ncold,250\n")))
	require.NoError(t, err)
	require.Len(t, got, 3)
	require.Equal(t, servicetime.Sample{
		Key: servicetime.Key{
			Function: "thumbnailer", Image: "thumbnailer:2.1", Input: "large", Platform: "lambda-1769mb",
			PlatformDigest: "2026-11", Condition: servicetime.Condition{Kind: servicetime.Warm}, Stack: "python3.12",
		},
		N: 1, Status: servicetime.Valid, RoundTrip: 100_000_000, Busy: 100_000_000,
		Provenance: servicetime.Provenance{
			Backend: "import", Host: "eu-central-1", Measured: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC), Note: "from the vendor's log",
		},
	}, got[1], "numbered within its condition, and the core held throughout")
	require.Equal(t, []int{0, 1, 0}, []int{got[0].N, got[1].N, got[2].N})
}

func TestUnitsOfTimes(t *testing.T) {
	t.Parallel()
	for column, want := range map[string]servicetime.Ticks{
		"service_s": 1_500_000_000_000, "service_ms": 1_500_000_000, "service_us": 1_500_000, "service_ns": 1_500, "round_trip_us": 1_500_000,
	} {
		got, err := samplefile.ReadText("f", []byte(ended("condition,"+column+"\nwarm,1.5\n")))
		require.NoError(t, err, column)
		require.Equal(t, want, got[0].RoundTrip, column)
	}
	got, err := samplefile.ReadText("f", []byte(ended("condition,round_trip_ms,null_us,busy_ns,n\nwarm,2e0,500,1000000,7\n")))
	require.NoError(t, err)
	require.Equal(t, servicetime.Ticks(1_500_000_000), got[0].Service())
	require.Equal(t, servicetime.Ticks(1_000_000_000), got[0].Busy)
	require.Equal(t, 7, got[0].N)
}
