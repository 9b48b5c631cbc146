package trace_test

import (
	"fmt"
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

const callsHeader = "app,func,end_timestamp,duration\n"

func read2021(t require.TestingT, dir, text string, o trace.Options) (loadgen.Workload, error) {
	path := filepath.Join(dir, "calls.csv")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	return trace.Read(trace.Azure2021, path, o)
}

func window(start, length time.Duration) trace.Options {
	o := trace.Defaults()
	o.Start, o.Length = start, length
	return o
}

func TestAzure2021Invocations(t *testing.T) {
	t.Parallel()
	call := func(start, duration time.Duration) loadgen.Arrival {
		return loadgen.Arrival{At: des.Time(start), Duration: duration, MemoryMiB: 200}
	}
	for name, c := range map[string]struct {
		text     string
		options  trace.Options
		horizon  time.Duration
		want     map[string][]loadgen.Arrival
		warnings []string
	}{
		"sorted by start, not by end": {
			text: callsHeader + "a,f,10,9\na,f,3,1\na,f,90,0.5\n", horizon: 2 * time.Minute,
			want: map[string][]loadgen.Arrival{"f": {call(time.Second, 9*time.Second), call(2*time.Second, time.Second), call(89500*time.Millisecond, 500*time.Millisecond)}},
		},
		"columns in another order and case": {
			text: "Duration,END_TIMESTAMP,func,App\n9,10,f,a\n", horizon: time.Minute,
			want: map[string][]loadgen.Arrival{"f": {call(time.Second, 9*time.Second)}},
		},
		"no time at all takes a millisecond": {
			text: callsHeader + "a,f,10,0\na,f,20,0.0004\n", horizon: time.Minute,
			want: map[string][]loadgen.Arrival{"f": {call(10*time.Second, time.Millisecond), call(19999600*time.Microsecond, time.Millisecond)}},
		},
		"durations are rounded to milliseconds": {
			text: callsHeader + "a,f,10,1.0006\n", horizon: time.Minute,
			want: map[string][]loadgen.Arrival{"f": {call(8999400*time.Microsecond, 1001*time.Millisecond)}},
		},
		"a function is known by application and name": {
			text: callsHeader + "a,f,10,1\nb,f,10,1\na,g,10,1\nab,c,10,1\na,bc,10,1\n", horizon: time.Minute,
			want: map[string][]loadgen.Arrival{
				"f@a": {call(9*time.Second, time.Second)}, "f@b": {call(9*time.Second, time.Second)}, "g": {call(9*time.Second, time.Second)},
				"c": {call(9*time.Second, time.Second)}, "bc": {call(9*time.Second, time.Second)},
			},
		},
		"what ends after the horizon is dropped, and functions left empty": {
			text: callsHeader + "a,f,60,1\na,f,60.5,1\na,g,70,20\n", options: window(0, time.Minute), horizon: time.Minute,
			want:     map[string][]loadgen.Arrival{"f": {call(59*time.Second, time.Second)}},
			warnings: []string{"left out 2 of 3 invocations that end after 1m0s"},
		},
		"no time at all at the horizon": {
			text: callsHeader + "a,f,60,0\na,f,5,1\n", options: window(0, time.Minute), horizon: time.Minute,
			want:     map[string][]loadgen.Arrival{"f": {call(4*time.Second, time.Second)}},
			warnings: []string{"left out 1 of 2"},
		},
		"a window": {
			text: callsHeader + "a,f,60,1\na,f,61,1\na,f,90,1\na,f,121,1\n", options: window(time.Minute, time.Minute), horizon: time.Minute,
			want:     map[string][]loadgen.Arrival{"f": {call(0, time.Second), call(29*time.Second, time.Second)}},
			warnings: []string{"left out 1 of 4 invocations that start before 1m0s", "left out 1 of 4 invocations that end after 2m0s"},
		},
		"what began before the trace": {
			text: callsHeader + "a,f,1,5\na,f,8,1\n", horizon: time.Minute,
			want:     map[string][]loadgen.Arrival{"f": {call(7*time.Second, time.Second)}},
			warnings: []string{"left out 1 of 2 invocations that start before 0s"},
		},
		"equal starts of two functions": {
			text: callsHeader + "a,f,2,1\na,g,2,1\n", horizon: time.Minute,
			want: map[string][]loadgen.Arrival{"f": {call(time.Second, time.Second)}, "g": {call(time.Second, time.Second)}},
		},
		"equal starts, allowed": {
			text: callsHeader + "a,f,3,2\na,f,2,1\n", options: trace.Options{AllowEqualStarts: true}, horizon: time.Minute,
			want: map[string][]loadgen.Arrival{"f": {call(time.Second, 2*time.Second), call(time.Second, time.Second)}},
		},
		"compressed": {
			text: gz(t, callsHeader+"a,f,10,9\n"), horizon: time.Minute,
			want: map[string][]loadgen.Arrival{"f": {call(time.Second, 9*time.Second)}},
		},
		"an invocation that outlives its minute": {
			text: callsHeader + "a,f,61,9\n", horizon: 2 * time.Minute,
			want: map[string][]loadgen.Arrival{"f": {call(52*time.Second, 9*time.Second)}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := trace.Defaults()
			o.Start, o.Length, o.AllowEqualStarts = c.options.Start, c.options.Length, c.options.AllowEqualStarts
			w, err := read2021(t, t.TempDir(), c.text, o)
			require.NoError(t, err)
			require.Equal(t, des.Time(c.horizon), w.Horizon)
			got := map[string][]loadgen.Arrival{}
			for _, f := range w.Functions {
				got[f.Name] = arrivals(f.Stream(1))
				require.Equal(t, got[f.Name], arrivals(f.Stream(2)), "nothing is drawn")
				require.InDelta(t, f.ExpectedInvocations, len(got[f.Name]), 0)
				require.Equal(t, strings.SplitN(f.Name, "@", 2)[0], f.Hash)
				require.InDelta(t, 200, f.MedianMemoryMiB, 0)
			}
			require.Equal(t, c.want, got)
			require.Len(t, w.Warnings, len(c.warnings))
			for i, text := range c.warnings {
				require.Contains(t, w.Warnings[i], text)
			}
		})
	}
}

func TestAzure2021Mistakes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text    string
		options trace.Options
		want    []string
	}{
		"empty":               {"", trace.Defaults(), []string{"calls.csv: is empty"}},
		"header only":         {callsHeader, trace.Defaults(), []string{"calls.csv: holds no invocation in the window (of 0 in all)"}},
		"wrong header":        {"HashOwner,HashApp,HashFunction,1\n", trace.Defaults(), []string{"calls.csv:1: the header has no columns app, func, end_timestamp, duration; it has HashOwner"}},
		"everything dropped":  {callsHeader + "a,f,100,1\n", window(0, time.Minute), []string{"holds no invocation in the window (of 1 in all); choose another start and length"}},
		"not a number":        {callsHeader + "a,f,1,1\na,f,soon,x\n", trace.Defaults(), []string{`calls.csv:3: column end_timestamp: "soon" will not do; want a number`, `calls.csv:3: column duration: "x"`}},
		"negative duration":   {callsHeader + "a,f,1,-1\n", trace.Defaults(), []string{`calls.csv:2: column duration: "-1"`}},
		"infinite":            {callsHeader + "a,f,Inf,1\n", trace.Defaults(), []string{`calls.csv:2: column end_timestamp: "Inf"`}},
		"longer than uint32":  {callsHeader + "a,f,5e6,4999999\n", trace.Defaults(), []string{"calls.csv:2: column duration: is 4.999999e+06 seconds, more than 49 days"}},
		"later than time":     {callsHeader + "a,f,1e12,1\n", trace.Defaults(), []string{"calls.csv:2: column end_timestamp: is 1e+12 seconds, more than 146 years"}},
		"nameless":            {callsHeader + ",f,1,1\na,,1,1\n", trace.Defaults(), []string{"calls.csv:2: column app: is empty", "calls.csv:3: column func: is empty"}},
		"short row":           {callsHeader + "a,f,1\n", trace.Defaults(), []string{"calls.csv:2: has 3 cells, the header 4"}},
		"equal starts":        {callsHeader + "a,f,3,2\nb,f,2,1\na,f,2,1\n", trace.Defaults(), []string{"calls.csv:4: function f starts in the same microsecond (1s) as in line 2; remove one row, or allow equal starts"}},
		"equal microseconds":  {callsHeader + "a,f,2.0000003,1\na,f,2.0000001,1\n", trace.Defaults(), []string{"calls.csv:2: function f starts in the same microsecond"}},
		"truncated gzip":      {gz(t, callsHeader+strings.Repeat("a,f,1,1\n", 100))[:40], trace.Defaults(), []string{"the compressed file ends too early; copy it again"}},
		"unterminated quote":  {callsHeader + "\"a,f,1,1\n", trace.Defaults(), []string{"is not CSV: extraneous or missing \" in quoted-field"}},
		"not text at all":     {"\x00\x01\x02", trace.Defaults(), []string{"calls.csv:1: the header has no columns app, "}},
		"start is not before": {callsHeader + "a,f,1,1\n", window(-1, -1), []string{"start: is -1ns; want 0 or more", "length: is -1ns"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, err := read2021(t, t.TempDir(), c.text, c.options)
			require.Error(t, err)
			require.Zero(t, w)
			for _, text := range c.want {
				require.ErrorContains(t, err, text)
			}
		})
	}
	_, err := trace.Read(trace.Azure2021, filepath.Join(t.TempDir(), "none.csv"), trace.Defaults())
	require.ErrorContains(t, err, "none.csv: no such file, with or without .gz")
	_, err = trace.Read(trace.Azure2021, t.TempDir(), trace.Defaults())
	require.ErrorContains(t, err, "is a directory; want a file")
}

func TestOptionsNameEveryMistake(t *testing.T) {
	t.Parallel()
	require.NoError(t, trace.Defaults().Validate())
	err := trace.Options{Start: -1, Length: -1, Scale: -1}.Validate()
	for _, text := range []string{
		"start: is -1ns", "length: is -1ns", "iat: want one of exponential, uniform, equidistant", "granularity: want minute or second", "scale: is -1",
	} {
		require.ErrorContains(t, err, text)
	}
	_, err = trace.Read(trace.InvalidFormat, "", trace.Defaults())
	require.ErrorContains(t, err, "want one of azure2019, azure2021, iat")
}

func TestWordsOfFormatAndGranularity(t *testing.T) {
	t.Parallel()
	for f := trace.Azure2019; f <= trace.IATFiles; f++ {
		var back trace.Format
		text, err := f.MarshalText()
		require.NoError(t, err)
		require.NoError(t, back.UnmarshalText(text))
		require.Equal(t, f, back)
	}
	for g := trace.Minute; g <= trace.Second; g++ {
		var back trace.Granularity
		text, err := g.MarshalText()
		require.NoError(t, err)
		require.NoError(t, back.UnmarshalText(text))
		require.Equal(t, g, back)
	}
	for l := trace.Exponential; l <= trace.Equidistant; l++ {
		var back trace.Law
		text, err := l.MarshalText()
		require.NoError(t, err)
		require.NoError(t, back.UnmarshalText(text))
		require.Equal(t, l, back)
	}
	_, err := trace.ParseFormat("huawei")
	require.ErrorContains(t, err, `trace format "huawei": want one of azure2019, azure2021, iat`)
	_, err = trace.ParseGranularity("hour")
	require.ErrorContains(t, err, "want one of minute, second")
	require.Equal(t, "invalid", trace.Format(9).String())
}

func BenchmarkAzure2021Read(b *testing.B) {
	var text strings.Builder
	text.WriteString(callsHeader)
	const rows = 100_000
	for i := range rows {
		fmt.Fprintf(&text, "%064x,%064x,%d.%03d,%.3f\n", i%100, i%1000, i/10+1, i%1000, float64(i%977)/1000)
	}
	path := filepath.Join(b.TempDir(), "calls.csv")
	require.NoError(b, os.WriteFile(path, []byte(text.String()), 0o644))
	b.ReportAllocs()
	for b.Loop() {
		_, err := trace.Read(trace.Azure2021, path, trace.Defaults())
		require.NoError(b, err)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/row")
}
