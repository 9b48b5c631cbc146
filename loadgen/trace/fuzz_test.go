package trace_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/des"
	"microcosm/loadgen"
	"microcosm/loadgen/trace"
)

// requireSound reads a trace that may be anything: it ends in mistakes that name
// their file, or in a workload whose streams keep their contract.
func requireSound(t *testing.T, format trace.Format, path string, o trace.Options) (loadgen.Workload, bool) {
	t.Helper()
	w, err := trace.Read(format, path, o)
	if err != nil {
		var mistake *loadgen.FileError
		var field *loadgen.FieldError
		require.True(t, errors.As(err, &mistake) || errors.As(err, &field), err)
		require.LessOrEqual(t, strings.Count(err.Error(), "\n"), 1000)
		return w, false
	}
	names := map[string]bool{}
	total := 0.
	for _, f := range w.Functions {
		require.False(t, names[f.Name], "name %q twice", f.Name)
		names[f.Name] = true
		total += f.ExpectedInvocations
		if f.ExpectedInvocations > 1e5 {
			continue // a large count is no mistake, but takes its time
		}
		last, n := des.Time(0), 0
		s := f.Stream(1)
		for a, ok := s.Next(); ok; a, ok = s.Next() {
			require.GreaterOrEqual(t, a.At, last)
			require.Less(t, a.At, w.Horizon)
			require.GreaterOrEqual(t, a.Duration, time.Duration(0))
			require.GreaterOrEqual(t, a.MemoryMiB, 0)
			last, n = a.At, n+1
		}
		require.InDelta(t, f.ExpectedInvocations, n, .5)
	}
	require.Positive(t, total, "a trace without invocations is a mistake")
	return w, true
}

func FuzzAzure2019(f *testing.F) {
	plain := small(5, 0, 2)
	f.Add(plain["invocations.csv"], plain["durations.csv"], plain["memory.csv"], uint8(0))
	f.Add("\ufeffHashOwner,HashApp,HashFunction,7,8\no,a,f,1,2\no,a,g,1,2\n", plain["durations.csv"], plain["memory.csv"], uint8(15))
	f.Add(gz(f, plain["invocations.csv"]), gz(f, plain["durations.csv"]), "", uint8(6))
	f.Add("HashOwner,HashApp,HashFunction,1\n\"o,a,f,1\n", durationsHeader+"o,a,f,1,1,1,1,1e12,1,1,1,NaN,-1,0x1p4\n", memoryHeader, uint8(8))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, invocations, durations, memory string, choice uint8) {
		write(t, dir, map[string]string{"invocations.csv": invocations, "durations.csv": durations, "memory.csv": memory})
		o := iat(trace.Law(choice%3+1), choice&4 != 0)
		o.SkipIncomplete = choice&8 != 0
		if choice&16 != 0 {
			o.Start, o.Length = time.Minute, time.Minute
		}
		requireSound(t, trace.Azure2019, dir, o)
	})
}

func FuzzAzure2021(f *testing.F) {
	f.Add(callsHeader+"a,f,10,9\na,f,3,1\na,f,90,0.5\n", uint8(0))
	f.Add(callsHeader+"a,f,2,1\na,f,2,1\nb,f,1e12,1e12\nb,f,-0,0\n", uint8(1))
	f.Add("duration,func,app,end_timestamp,more\n1e-9,f,a,1e-9,\n", uint8(2))
	f.Add(gz(f, callsHeader+"a,f,10,9\n"), uint8(3))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string, choice uint8) {
		path := filepath.Join(dir, "calls.csv")
		write(t, dir, map[string]string{"calls.csv": text})
		o := trace.Defaults()
		o.AllowEqualStarts = choice&1 != 0
		if choice&2 != 0 {
			o.Start, o.Length = time.Second, time.Hour
		}
		requireSound(t, trace.Azure2021, path, o)
	})
}

func FuzzIAT(f *testing.F) {
	f.Add(inVitroFile, false)
	f.Add(gz(f, inVitroFile), true)
	f.Add(`{"HashOwner":"o","HashApp":"a","HashFunction":"f","IAT":[0,1.5],"PerMinuteCount":[2],"RuntimeSpecification":[{"Runtime":1,"Memory":2},{}]}`, false)
	f.Add(`{"IAT":[1e300,-1,"x",null],"PerMinuteCount":{},"RuntimeSpecification":[[]]}`, true)
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string, cut bool) {
		o := trace.Defaults()
		if cut {
			o.Start, o.Length = time.Second, time.Minute
		}
		write(t, dir, map[string]string{"iat0.json": text})
		w, ok := requireSound(t, trace.IATFiles, filepath.Join(dir, "iat0.json"), o)
		if !ok || w.Horizon > des.Time(1000*time.Hour) {
			return
		}
		again := filepath.Join(dir, "again")
		require.NoError(t, os.RemoveAll(again))
		require.NoError(t, trace.WriteIAT(again, w, 0))
		back, err := trace.Read(trace.IATFiles, again, trace.Defaults())
		require.NoError(t, err)
		require.Equal(t, arrivals(w.Functions[0].Stream(0)), arrivals(back.Functions[0].Stream(0)))
	})
}
