package samplefile_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"

	"microcosm/cosim/servicetime"
	"microcosm/results/samplefile"
)

func table(t testing.TB, samples []servicetime.Sample) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, samplefile.WriteParquet(&b, samples))
	return b.Bytes()
}

func TestParquetRoundTrip(t *testing.T) {
	t.Parallel()
	samples := some(1000)
	samples[3].Status, samples[3].Reason, samples[3].Counters = servicetime.Censored, "hung\n", nil
	samples[4].Provenance = servicetime.Provenance{}
	samples[5].Counters["system.cpu0.ipc::total"] = -5
	data := table(t, samples)
	got, err := samplefile.ReadFile("f.parquet", data)
	require.NoError(t, err)
	require.Equal(t, samples, got)
	require.Equal(t, data, table(t, got))
}

// row is a table as another program may write it: columns in another order,
// nullable text, microseconds.
type row struct {
	N              int64     `parquet:"n"`
	Function       *string   `parquet:"function,optional"`
	Image          string    `parquet:"image"`
	Input          string    `parquet:"input"`
	Platform       string    `parquet:"platform"`
	PlatformDigest string    `parquet:"platform_digest"`
	Condition      string    `parquet:"condition"`
	Stack          string    `parquet:"stack"`
	Seed           uint64    `parquet:"seed"`
	Status         string    `parquet:"status"`
	Reason         string    `parquet:"reason"`
	RoundTrip      int64     `parquet:"round_trip_ps"`
	Null           int64     `parquet:"null_ps"`
	Busy           int64     `parquet:"busy_ps"`
	Backend        string    `parquet:"backend"`
	Simulator      string    `parquet:"simulator_digest"`
	Host           string    `parquet:"host"`
	Boot           string    `parquet:"boot"`
	Restore        string    `parquet:"restore"`
	Measured       time.Time `parquet:"measured,timestamp(microsecond)"`
	Cost           int64     `parquet:"cost_ns"`
	Note           string    `parquet:"note"`
	Cycles         *int64    `parquet:"counter:cycles,optional"`
}

func rowOf(s servicetime.Sample) row {
	p, cycles := s.Provenance, s.Counters["cycles"]
	return row{
		int64(s.N), &s.Key.Function, s.Key.Image, s.Key.Input, s.Key.Platform, s.Key.PlatformDigest, s.Key.Condition.String(), s.Key.Stack,
		s.Seed, s.Status.String(), s.Reason, int64(s.RoundTrip), int64(s.Null), int64(s.Busy),
		p.Backend, p.SimulatorDigest, p.Host, p.Boot, p.Restore, p.Measured, int64(p.Cost), p.Note, &cycles,
	}
}

func foreign[T any](t testing.TB, rows ...T) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, parquet.Write(&b, rows))
	return b.Bytes()
}

func TestParquetFromOtherPrograms(t *testing.T) {
	t.Parallel()
	got, err := samplefile.ReadFile("f.parquet", foreign(t, rowOf(sample(0)), rowOf(sample(1))))
	require.NoError(t, err)
	require.Equal(t, some(2), got)
}

func TestParquetMistakes(t *testing.T) {
	t.Parallel()
	broken := rowOf(sample(1))
	broken.Function, broken.Condition = nil, "tepid"
	negative := rowOf(sample(2))
	negative.Busy = -1
	_, err := samplefile.ReadFile("f.parquet", foreign(t, rowOf(sample(0)), broken, negative, rowOf(sample(0))))
	for _, want := range []string{"f.parquet: row 2: function: empty", `f.parquet: row 2: condition: condition "tepid"`, "f.parquet: row 3: sample 2", "f.parquet: row 4: sample 0 of fibonacci-go/default warm on host-test stands in row 1 already"} {
		require.ErrorContains(t, err, want)
	}

	_, err = samplefile.ReadFile("f.parquet", foreign(t, struct {
		N        string  `parquet:"n"`
		Seed     float64 `parquet:"seed"`
		Measured int64   `parquet:"measured"`
		Colour   string  `parquet:"colour"`
	}{}))
	for _, want := range []string{`column "n" is STRING, want INT(64,true)`, `column "seed" is DOUBLE`, `column "measured" must be a timestamp`, `unknown column "colour"`, `column "function" is missing`, `column "busy_ps" is missing`} {
		require.ErrorContains(t, err, want)
	}

	data := table(t, some(10))
	for _, cut := range []int{0, 4, 100, len(data) / 2, len(data) - 1} {
		_, err := samplefile.ReadFile("f.parquet", data[:cut])
		require.ErrorContains(t, err, "f.parquet: not a sound Parquet file", cut)
	}
}

// TestPandasReadsTheTable asks pandas itself, where a Python that has it is
// named in PANDAS_PYTHON.
func TestPandasReadsTheTable(t *testing.T) {
	t.Parallel()
	python := os.Getenv("PANDAS_PYTHON")
	if python == "" {
		t.Skip("PANDAS_PYTHON names no Python with pandas and pyarrow")
	}
	folder := t.TempDir()
	in, out := filepath.Join(folder, "in.parquet"), filepath.Join(folder, "out.parquet")
	samples := some(8)
	samples[2].Counters = nil
	require.NoError(t, os.WriteFile(in, table(t, samples), 0o666))
	script := `
import pandas, sys
t = pandas.read_parquet(sys.argv[1], dtype_backend="numpy_nullable")
t["service_ps"] = (t.round_trip_ps - t.null_ps).clip(lower=1)
assert list(t.seed) == [18446744073709551610 + n for n in range(6)] + [0, 1], t.seed
assert t.measured.dt.tz is not None and t.measured[0].year == 2026, t.measured
assert t["counter:cycles"].isna().sum() == 1, t["counter:cycles"]
print(t.groupby("condition").service_ps.median())
t.drop(columns="service_ps").to_parquet(sys.argv[2])
`
	output, err := exec.CommandContext(t.Context(), python, "-c", script, in, out).CombinedOutput()
	require.NoError(t, err, string(output))
	data, err := os.ReadFile(out)
	require.NoError(t, err)
	got, err := samplefile.ReadFile(out, data)
	require.NoError(t, err)
	require.Equal(t, samples, got)
}
