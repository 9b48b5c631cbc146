package trace_test

import (
	"cmp"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/cosim/des"
	"microcosm/loadgen"
	"microcosm/loadgen/trace"
)

// TestAGzipFileThatWasCutAnywhereIsRefused: no prefix of the file passes for the
// whole one.
func TestAGzipFileThatWasCutAnywhereIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	files := small(5, 0, 2)
	packed := gz(t, files["invocations.csv"])
	write(t, dir, with(files, "invocations.csv", ""))
	for n := 2; n < len(packed); n++ { // of fewer bytes nobody can tell that they are packed
		write(t, dir, map[string]string{"invocations.csv.gz": packed[:n]})
		w, err := trace.Read(trace.Azure2019, dir, trace.Defaults())
		require.ErrorContains(t, err, "invocations.csv.gz", n)
		require.ErrorContains(t, err, "the compressed file ends too early; copy it again", n)
		require.Zero(t, w)
		if told := trace.CheckHeaders(trace.Azure2019, dir); told != nil {
			require.ErrorContains(t, told, "ends too early", "where the header is cut it is told before")
		}
	}
	write(t, dir, map[string]string{"invocations.csv.gz": packed})
	_, err := trace.Read(trace.Azure2019, dir, trace.Defaults())
	require.NoError(t, err)
}

// TestBytesThatFlippedInAGzipFile are noticed, unless they stand where nothing
// depends on them: the content is the same then.
func TestBytesThatFlippedInAGzipFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	files := small(5, 0, 2)
	write(t, dir, with(files, "invocations.csv", ""))
	packed := []byte(gz(t, files["invocations.csv"]))
	noticed := 0
	for i := range packed {
		flipped := slices.Clone(packed)
		flipped[i] ^= 1 << (i % 8)
		write(t, dir, map[string]string{"invocations.csv.gz": string(flipped)})
		w, err := trace.Read(trace.Azure2019, dir, trace.Defaults())
		if err != nil {
			noticed++
			continue
		}
		require.InDelta(t, 7, w.ExpectedInvocations(), 0, "byte %d", i)
	}
	require.GreaterOrEqual(t, noticed, len(packed)-7, "time, flags and system of the header say nothing")
}

// day draws a trace of a day of several functions; most minutes are idle.
func day(t *rapid.T) (rows [][]int) {
	for range rapid.IntRange(1, 4).Draw(t, "functions") {
		row := make([]int, 1440)
		for range rapid.IntRange(1, 30).Draw(t, "active minutes") {
			row[rapid.IntRange(0, 1439).Draw(t, "minute")] = rapid.SampledFrom([]int{1, 2, 7, 60, 500}).Draw(t, "count")
		}
		rows = append(rows, row)
	}
	return rows
}

// files2019 writes counts as a trace, functions and minutes in these orders.
func files2019(rows [][]int, functions, minutes []int) map[string]string {
	var invocations, durations, memory strings.Builder
	invocations.WriteString("HashOwner,HashApp,HashFunction,Trigger")
	for _, m := range minutes {
		fmt.Fprintf(&invocations, ",%d", m+1)
	}
	invocations.WriteString("\n")
	durations.WriteString(durationsHeader)
	memory.WriteString(memoryHeader)
	for _, i := range functions {
		fmt.Fprintf(&invocations, "o,a,f%d,http", i)
		for _, m := range minutes {
			fmt.Fprintf(&invocations, ",%d", rows[i][m])
		}
		invocations.WriteString("\n")
		durations.WriteString(strings.Replace(durationsOfF, ",f,", fmt.Sprintf(",f%d,", i), 1))
		memory.WriteString(strings.Replace(memoryOfF, ",f,", fmt.Sprintf(",f%d,", i), 1))
	}
	return map[string]string{"invocations.csv": invocations.String(), "durations.csv": durations.String(), "memory.csv": memory.String()}
}

func upTo(n int) (list []int) {
	for i := range n {
		list = append(list, i)
	}
	return list
}

// TestADayIsConservedUnderEveryLaw: of each function every minute has its count,
// whatever the law, and the order of rows and columns changes nothing.
func TestADayIsConservedUnderEveryLaw(t *testing.T) {
	t.Parallel()
	dir, other := t.TempDir(), t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		rows := day(rt)
		write(rt, dir, files2019(rows, upTo(len(rows)), upTo(1440)))
		shift := rapid.IntRange(1, 1439).Draw(rt, "columns turned by")
		turned := append(upTo(1440)[shift:], upTo(shift)...)
		write(rt, other, files2019(rows, rapid.Permutation(upTo(len(rows))).Draw(rt, "rows"), turned))
		o := trace.Defaults()
		o.IAT = trace.IAT{Law: trace.Law(rapid.IntRange(int(trace.Exponential), int(trace.Equidistant)).Draw(rt, "law")), Shift: rapid.Bool().Draw(rt, "shift")}
		w, err := trace.Read(trace.Azure2019, dir, o)
		require.NoError(rt, err)
		require.Equal(rt, des.Time(24*time.Hour), w.Horizon)
		same, err := trace.Read(trace.Azure2019, other, o)
		require.NoError(rt, err)
		seed := rapid.Uint64().Draw(rt, "seed")
		for i, f := range w.Functions {
			counts := make([]int, 1440)
			list := arrivals(f.Stream(seed))
			for _, a := range list {
				counts[a.At/des.Time(time.Minute)]++
			}
			require.Equal(rt, rows[i], counts, f.Name)
			j := slices.IndexFunc(same.Functions, func(g loadgen.Function) bool { return g.Name == f.Name })
			require.Equal(rt, list, arrivals(same.Functions[j].Stream(seed)), "a function's luck is its own")
		}
	})
}

// TestAWindowHasTheCountsOfItsMinutes wherever it is cut out of the day.
func TestAWindowHasTheCountsOfItsMinutes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		rows := day(rt)
		first := rapid.IntRange(0, 1439).Draw(rt, "first")
		slots := rapid.IntRange(1, 1440-first).Draw(rt, "slots")
		rows[0][first+slots-1]++
		write(rt, dir, files2019(rows, upTo(len(rows)), upTo(1440)))
		o := trace.Defaults()
		o.Start, o.Length = time.Duration(first)*time.Minute, time.Duration(slots)*time.Minute
		w, err := trace.Read(trace.Azure2019, dir, o)
		require.NoError(rt, err)
		for i, f := range w.Functions {
			counts := make([]int, slots)
			for _, a := range arrivals(f.Stream(1)) {
				counts[a.At/des.Time(time.Minute)]++
			}
			require.Equal(rt, rows[i][first:first+slots], counts)
		}
	})
}

// TestCallsAreThoseOfTheirRows: what Azure 2021 says is every start and duration,
// in order of time whatever the order of the rows.
func TestCallsAreThoseOfTheirRows(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "calls.csv")
	rapid.Check(t, func(rt *rapid.T) {
		want, text := map[string][]loadgen.Arrival{}, "duration,app,end_timestamp,func\n"
		seen := map[string]bool{}
		for range rapid.IntRange(1, 40).Draw(rt, "rows") {
			name := rapid.SampledFrom([]string{"f", "g", "h"}).Draw(rt, "function")
			start, ms := rapid.Int64Range(0, 100_000).Draw(rt, "start"), rapid.Int64Range(1, 90_000).Draw(rt, "duration")
			key := fmt.Sprint(name, start)
			if seen[key] {
				continue
			}
			seen[key] = true
			text += fmt.Sprintf("%d.%03d,app,%d.%03d,%s\n", ms/1000, ms%1000, (start+ms)/1000, (start+ms)%1000, name)
			want[name] = append(want[name], loadgen.Arrival{At: des.Time(start * 1e6), Duration: time.Duration(ms) * time.Millisecond, MemoryMiB: 200})
		}
		require.NoError(rt, os.WriteFile(path, []byte(text), 0o644))
		w, err := trace.Read(trace.Azure2021, path, trace.Defaults())
		require.NoError(rt, err)
		require.Len(rt, w.Functions, len(want))
		for _, f := range w.Functions {
			slices.SortFunc(want[f.Name], func(a, b loadgen.Arrival) int { return cmp.Compare(a.At, b.At) })
			got := arrivals(f.Stream(7))
			require.Len(rt, got, len(want[f.Name]))
			for i, a := range got {
				require.InDelta(rt, float64(want[f.Name][i].At), float64(a.At), 1, "a nanosecond of rounding")
				require.Equal(rt, want[f.Name][i].Duration, a.Duration)
				require.Equal(rt, want[f.Name][i].MemoryMiB, a.MemoryMiB)
				require.Less(rt, a.At, w.Horizon)
			}
		}
	})
}

// Counts as large as a cell can hold are expected, and drawn one by one.
func TestHugeCounts(t *testing.T) {
	t.Parallel()
	o := trace.Defaults()
	o.Scale = 1e-6
	w := read2019(t, small(math.MaxInt32), o)
	require.InDelta(t, math.MaxInt32*1e-6, w.ExpectedInvocations(), 1e-6)
	require.InDelta(t, math.MaxInt32*1e-6, len(arrivals(w.Functions[0].Stream(1))), 1)
	whole := read2019(t, small(math.MaxInt32, 0, math.MaxInt32), iat(trace.Equidistant, false))
	require.InDelta(t, 2*math.MaxInt32, whole.ExpectedInvocations(), 0)
	dir := t.TempDir()
	write(t, dir, with(small(1), "invocations.csv", "HashOwner,HashApp,HashFunction,1\no,a,f,2147483648\n"))
	_, err := trace.Read(trace.Azure2019, dir, trace.Defaults())
	require.ErrorContains(t, err, `invocations.csv:2: column 1: "2147483648" is not a count; want a whole number from 0 to 2147483647`)
}
