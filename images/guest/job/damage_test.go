package job_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/images/guest/job"
)

// TestNoFlippedBitPassesForAWholeStream flips bits of every byte in turn: the lowest,
// that of letters' case and the highest. The reader notices, or reads what was written.
func TestNoFlippedBitPassesForAWholeStream(t *testing.T) {
	t.Parallel()
	want := records()
	good := []byte(write(t, want))
	unnoticed := 0
	for at := range good {
		for _, bit := range []int{0, 5, 7} {
			text := bytes.Clone(good)
			text[at] ^= 1 << bit
			got, err := job.ReadRecords(bytes.NewReader(text))
			if err == nil {
				require.Equal(t, want, got, "bit %d of byte %d, %q", bit, at, good[at])
				unnoticed++
			}
		}
	}
	require.Less(t, unnoticed, 64, "the case of hexadecimal digits, and no more")
}

func TestAStreamThatIsCutAnywhereHasNoEnd(t *testing.T) {
	t.Parallel()
	want := records()
	good := write(t, want)
	for n := range len(good) - 1 { // the last newline ends nothing
		got, err := job.ReadRecords(strings.NewReader(good[:n]))
		require.ErrorIs(t, err, job.ErrIncomplete, "cut after %d bytes", n)
		require.Equal(t, want[:len(got)], append([]job.Record{}, got...), "what came before is right")
		require.Equal(t, strings.Count(good[:n+1], "\n"), len(got), "a line that is whole counts, cut after %d bytes", n)
	}
	got, err := job.ReadRecords(strings.NewReader(good[:len(good)-1]))
	require.NoError(t, err)
	require.Equal(t, want, got)
}

// TestLinesThatMoveAreNoticed shuffles, doubles and drops lines. What is read is the
// beginning of what was written, and all of it only if the lines are as they were.
func TestLinesThatMoveAreNoticed(t *testing.T) {
	t.Parallel()
	want := records()
	lines := strings.SplitAfter(strings.TrimSuffix(write(t, want), "\n"), "\n")
	rapid.Check(t, func(t *rapid.T) {
		order := rapid.SliceOfN(rapid.IntRange(0, len(lines)-1), 0, 6).Draw(t, "order")
		var text strings.Builder
		for _, i := range order {
			text.WriteString(strings.TrimSuffix(lines[i], "\n") + "\r\n[ 1.0] noise\n")
		}
		got, err := job.ReadRecords(strings.NewReader(text.String()))
		if slices.Equal(order, []int{0, 1, 2, 3}) {
			require.NoError(t, err)
			require.Equal(t, want, got)
			return
		}
		require.Error(t, err)
		require.LessOrEqual(t, len(got), len(want))
		require.Equal(t, want[:len(got)], append([]job.Record{}, got...))
	})
}

func TestEveryDamagedRecordIsNamed(t *testing.T) {
	t.Parallel()
	good := write(t, records())
	text := strings.NewReplacer(`"seq":1`, `"seq":7`, `"seq":3`, `"seq":9`).Replace(good)
	got, err := job.ReadRecords(strings.NewReader(text))
	require.Len(t, got, 1)
	require.Equal(t, 2, strings.Count(err.Error(), "damaged record"), err)
	require.ErrorIs(t, err, job.ErrIncomplete)
}

func TestAConsoleThatCannotBeRead(t *testing.T) {
	t.Parallel()
	good := write(t, records())
	broken := errors.New("the pipe broke")
	got, err := job.ReadRecords(io.MultiReader(strings.NewReader(good[:300]), iotest.ErrReader(broken)))
	require.ErrorIs(t, err, broken)
	require.ErrorIs(t, err, job.ErrIncomplete)
	require.NotEmpty(t, got)
	got, err = job.ReadRecords(iotest.OneByteReader(strings.NewReader(good)))
	require.NoError(t, err, "it comes as slowly as a serial line")
	require.Len(t, got, 4)

	_, err = job.ReadRecords(strings.NewReader(strings.Repeat("x", 2<<20) + "\n" + good))
	require.ErrorContains(t, err, "read records: ", "a line beyond any record")
}

func TestWhatARecordMustHave(t *testing.T) {
	t.Parallel()
	call := job.Record{Job: "x", Kind: job.Call, Status: job.OK, Function: "geo", Phase: job.Measured}
	for name, c := range map[string]struct {
		change func(*job.Record)
		err    string
	}{
		"a call":                   {func(*job.Record) {}, ""},
		"a failed call":            {func(r *job.Record) { r.Status, r.Reason = job.Failed, "no reply" }, ""},
		"success with a reason":    {func(r *job.Record) { r.Reason = "so" }, "a failure, and nothing else, has a reason"},
		"a call without a phase":   {func(r *job.Record) { r.Phase = job.PhaseInvalid }, "a call, and nothing else, has a phase"},
		"a stage with a phase":     {func(r *job.Record) { r.Kind = job.Init }, "a call, and nothing else, has a phase"},
		"a stage of nothing":       {func(r *job.Record) { *r = job.Record{Job: "x", Kind: job.Create, Status: job.OK} }, "function is missing"},
		"a negative time":          {func(r *job.Record) { r.Nanos = -1 }, "a number is negative"},
		"a negative call":          {func(r *job.Record) { r.N = -1 }, "a number is negative"},
		"an end of no records":     {func(r *job.Record) { *r = job.Record{Job: "x", Kind: job.End, Status: job.OK} }, "an end, and nothing else, has a number of records"},
		"a call of several":        {func(r *job.Record) { r.Records = 2 }, "an end, and nothing else, has a number of records"},
		"two mistakes at one time": {func(r *job.Record) { r.Nanos, r.Function = -1, "" }, "a number is negative\nfunction is missing"},
	} {
		r := call
		c.change(&r)
		line, err := job.Line(r)
		require.NoError(t, err, name)
		got, is, err := job.ParseLine(line)
		require.True(t, is, name)
		if c.err == "" {
			require.NoError(t, err, name)
			require.Equal(t, r, got, name)
			continue
		}
		require.ErrorContains(t, err, c.err, name)
	}
	_, err := job.Line(job.Record{Job: "x"})
	require.ErrorContains(t, err, "write a record: ", "a record without a kind cannot be written")
}

// TestAReasonOfAnyTextSurvives: reasons are what programs print.
func TestAReasonOfAnyTextSurvives(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := job.Record{Job: "x", Kind: job.Start, Status: job.Failed, Reason: "r" + rapid.String().Draw(t, "reason")}
		line, err := job.Line(r)
		require.NoError(t, err)
		require.Equal(t, 1, bytes.Count(line, []byte("\n")), "one line, whatever it says")
		got, is, err := job.ParseLine(append([]byte("[ 0.1] half a li"), line...))
		require.NoError(t, err)
		require.True(t, is)
		require.Equal(t, r, got)
	})
}
