package trace_test

import (
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/cosim/des"
	"microcosm/loadgen"
	"microcosm/loadgen/trace"
)

const (
	durationsHeader = "HashOwner,HashApp,HashFunction,Average,Count,Minimum,Maximum,percentile_Average_0,percentile_Average_1,percentile_Average_25,percentile_Average_50,percentile_Average_75,percentile_Average_99,percentile_Average_100\n"
	memoryHeader    = "HashOwner,HashApp,HashFunction,SampleCount,AverageAllocatedMb,AverageAllocatedMb_pct1,AverageAllocatedMb_pct5,AverageAllocatedMb_pct25,AverageAllocatedMb_pct50,AverageAllocatedMb_pct75,AverageAllocatedMb_pct95,AverageAllocatedMb_pct99,AverageAllocatedMb_pct100\n"

	durationsOfF = "o,a,f,50,100,0,100,0,1,25,50,75,99,100\n"
	memoryOfF    = "o,a,f,100,5000,100,500,2500,5000,7500,9500,9900,10000\n"
)

// small is a correct trace of one function f with the given counts.
func small(counts ...int) map[string]string {
	header, row := "HashOwner,HashApp,HashFunction,Trigger", "o,a,f,http"
	for i, n := range counts {
		header += fmt.Sprintf(",%d", i+1)
		row += fmt.Sprintf(",%d", n)
	}
	return map[string]string{
		"invocations.csv": header + "\n" + row + "\n",
		"durations.csv":   durationsHeader + durationsOfF,
		"memory.csv":      memoryHeader + memoryOfF,
	}
}

// with returns files with one of them replaced or, where text is "", left out.
func with(files map[string]string, name, text string) map[string]string {
	files = maps.Clone(files)
	delete(files, name)
	if text != "" {
		files[name] = text
	}
	return files
}

func write(t require.TestingT, dir string, files map[string]string) {
	for name, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
}

func read2019(t *testing.T, files map[string]string, o trace.Options) loadgen.Workload {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, files)
	w, err := trace.Read(trace.Azure2019, dir, o)
	require.NoError(t, err)
	return w
}

func arrivals(s loadgen.Stream) []loadgen.Arrival {
	var list []loadgen.Arrival
	for a, ok := s.Next(); ok; a, ok = s.Next() {
		list = append(list, a)
	}
	return list
}

func TestAzure2019Functions(t *testing.T) {
	t.Parallel()
	w := read2019(t, small(5, 0, 2), trace.Defaults())
	require.Empty(t, w.Warnings)
	require.Equal(t, des.Time(3*time.Minute), w.Horizon)
	require.Len(t, w.Functions, 1)
	f := w.Functions[0]
	require.Equal(t, []string{"f", "o", "a", "f"}, []string{f.Name, f.Owner, f.App, f.Hash})
	require.InDelta(t, 7, f.ExpectedInvocations, 0)
	require.Equal(t, 50*time.Millisecond, f.MedianDuration)
	require.InDelta(t, 5000, f.MedianMemoryMiB, 0)
	require.Len(t, arrivals(f.Stream(1)), 7)
}

func TestAzure2019LayoutsThatMeanTheSame(t *testing.T) {
	t.Parallel()
	plain := small(5, 0, 2)
	want := arrivals(read2019(t, plain, trace.Defaults()).Functions[0].Stream(1))
	for name, files := range map[string]map[string]string{
		"no trigger":           with(plain, "invocations.csv", "HashOwner,HashApp,HashFunction,1,2,3\no,a,f,5,0,2\n"),
		"another order":        with(plain, "invocations.csv", "3,HashFunction,1,HashApp,2,HashOwner\n2,f,5,a,0,o\n"),
		"another case":         with(plain, "invocations.csv", "hashowner,HASHAPP,hashFunction,trigger,1,2,3\no,a,f,http,5,0,2\n"),
		"byte order mark":      with(plain, "invocations.csv", "\ufeff"+plain["invocations.csv"]),
		"lines end as in DOS":  with(plain, "invocations.csv", strings.ReplaceAll(plain["invocations.csv"], "\n", "\r\n")),
		"no last line end":     with(plain, "invocations.csv", strings.TrimSpace(plain["invocations.csv"])),
		"cut out of a day":     with(plain, "invocations.csv", "HashOwner,HashApp,HashFunction,Trigger,541,542,543\no,a,f,http,5,0,2\n"),
		"unnamed index column": with(plain, "invocations.csv", ",HashOwner,HashApp,HashFunction,1,2,3\n0,o,a,f,5,0,2\n"),
		"compressed":           with(with(plain, "invocations.csv", ""), "invocations.csv.gz", gz(t, plain["invocations.csv"])),
		"all compressed under plain names": {
			"invocations.csv": gz(t, plain["invocations.csv"]),
			"durations.csv":   gz(t, plain["durations.csv"]),
			"memory.csv":      gz(t, "\ufeff"+plain["memory.csv"]),
		},
		"joined by the function's hash alone": with(plain, "durations.csv", durationsHeader+"other,app,f,50,100,0,100,0,1,25,50,75,99,100\n"),
		"profiles of functions not invoked":   with(plain, "memory.csv", memoryHeader+memoryOfF+"o,a,g,1,1,1,1,1,1,1,1,1,1\n"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, want, arrivals(read2019(t, files, trace.Defaults()).Functions[0].Stream(1)))
		})
	}
}

func TestAzure2019Mistakes(t *testing.T) {
	t.Parallel()
	plain := small(5, 0, 2)
	for name, c := range map[string]struct {
		files map[string]string
		want  []string
	}{
		"all files missing":    {nil, []string{"invocations.csv: no such file", "durations.csv: no such file", "memory.csv: no such file"}},
		"a file missing":       {with(plain, "memory.csv", ""), []string{"memory.csv: no such file, with or without .gz; check the trace's path"}},
		"empty file":           {with(plain, "durations.csv", "\n"), []string{"durations.csv: is empty"}},
		"no rows":              {with(plain, "invocations.csv", "HashOwner,HashApp,HashFunction,1\n"), []string{"invocations.csv: holds no invocation"}},
		"never invoked":        {small(0, 0), []string{"invocations.csv: holds no invocation in the window of 2 slots from slot 1"}},
		"truncated gzip":       {with(plain, "invocations.csv", gz(t, plain["invocations.csv"])[:60]), []string{"invocations.csv:", "the compressed file ends too early; copy it again"}},
		"gzip cut in header":   {with(plain, "invocations.csv", gz(t, plain["invocations.csv"])[:5]), []string{"the compressed file ends too early"}},
		"damaged gzip":         {with(plain, "invocations.csv", damaged(gz(t, plain["invocations.csv"]))), []string{"the compressed file is damaged; copy it again"}},
		"git lfs pointer":      {with(plain, "invocations.csv", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"), []string{"is a Git LFS pointer, not the trace; fetch the file itself with 'git lfs pull'"}},
		"wrong header":         {with(plain, "invocations.csv", "app,func,end_timestamp,duration\na,f,1,1\n"), []string{"invocations.csv:1: the header has no columns HashOwner, HashApp, HashFunction; it has app, func, end_timestamp, duration", "no columns 1, 2, … with counts"}},
		"a minute missing":     {with(plain, "invocations.csv", "HashOwner,HashApp,HashFunction,1,3\no,a,f,5,2\n"), []string{"invocations.csv:1: the header has no column 2, but 1 to 3"}},
		"a minute twice":       {with(plain, "invocations.csv", "HashOwner,HashApp,HashFunction,1,1\no,a,f,5,2\n"), []string{"invocations.csv:1: column 1: stands twice in the header, as column 4 and 5"}},
		"percentile missing":   {with(plain, "memory.csv", strings.ReplaceAll(plain["memory.csv"], "_pct99", "_p99")), []string{"memory.csv:1: the header has no column AverageAllocatedMb_pct99; it has HashOwner, HashApp"}},
		"not a number":         {with(plain, "invocations.csv", "HashOwner,HashApp,HashFunction,1,2\no,a,f,5,many\n"), []string{`invocations.csv:2: column 2: "many" is not a count; want a whole number from 0`}},
		"negative count":       {with(plain, "invocations.csv", "HashOwner,HashApp,HashFunction,1,2\no,a,f,-5,1\n"), []string{`invocations.csv:2: column 1: "-5" is not a count`}},
		"half an invocation":   {with(plain, "invocations.csv", "HashOwner,HashApp,HashFunction,1,2\no,a,f,.5,1\n"), []string{`invocations.csv:2: column 1: ".5" is not a count`}},
		"row cut short":        {with(plain, "invocations.csv", "HashOwner,HashApp,HashFunction,1,2\no,a,f,5\n"), []string{"invocations.csv:2: has 4 cells, the header 5; complete or remove the row"}},
		"stray quote":          {with(plain, "invocations.csv", "HashOwner,HashApp,HashFunction,1\no,a\",f,5\n"), []string{"invocations.csv:2: is not CSV: bare \" in non-quoted"}},
		"function twice":       {with(plain, "invocations.csv", "HashOwner,HashApp,HashFunction,1\no,a,f,5\no,a,g,0\no,a,f,5\n"), []string{"invocations.csv:4: column HashFunction: function f stands here and in line 2; remove one row"}},
		"nameless function":    {with(plain, "invocations.csv", "HashOwner,HashApp,HashFunction,1\no,a,,5\n"), []string{"invocations.csv:2: column HashFunction: is empty"}},
		"durations twice":      {with(plain, "durations.csv", durationsHeader+durationsOfF+durationsOfF), []string{"durations.csv:3: column HashFunction: function f stands here and in line 2"}},
		"no durations":         {with(plain, "durations.csv", durationsHeader), []string{"invocations.csv:2: function f has 7 invocations but no row in durations.csv; add one, remove it, or skip"}},
		"no memory":            {with(plain, "memory.csv", memoryHeader), []string{"invocations.csv:2: function f has 7 invocations but no row in memory.csv"}},
		"percentiles decrease": {with(plain, "durations.csv", durationsHeader+"o,a,f,50,100,0,100,0,1,25,50,49.5,99,100\n"), []string{"durations.csv:2: column percentile_Average_75: is 49.5, below percentile_Average_50, which is 50; percentiles must not decrease"}},
		"negative duration":    {with(plain, "durations.csv", durationsHeader+"o,a,f,50,100,0,100,-1,1,25,50,75,99,100\n"), []string{`durations.csv:2: column percentile_Average_0: "-1" will not do; want a number from 0`}},
		"duration is NaN":      {with(plain, "durations.csv", durationsHeader+"o,a,f,50,100,0,100,0,1,25,NaN,75,99,100\n"), []string{`durations.csv:2: column percentile_Average_50: "NaN" will not do`}},
		"percentiles of none":  {with(plain, "memory.csv", memoryHeader+"o,a,f,0,1,1,1,1,1,1,1,1,1\n"), []string{"memory.csv:2: column SampleCount: is 0: percentiles of nothing"}},
		"an ambiguous hash joins nothing": {
			map[string]string{
				"invocations.csv": "HashOwner,HashApp,HashFunction,1\no,a,f,1\no,b,f,1\n",
				"durations.csv":   durationsHeader + durationsOfF + "other,app,f,9,9,9,9,9,9,9,9,9,9,9\n",
				"memory.csv":      memoryHeader + memoryOfF + "o,b,f,1,1,1,1,1,1,1,1,1,1\n",
			},
			[]string{"invocations.csv:3: function f has 1 invocations but no row in durations.csv"},
		},
		"several at once": {
			map[string]string{
				"invocations.csv": "HashOwner,HashApp,HashFunction,1,2\no,a,f,x,y\no,a,g,1\n",
				"durations.csv":   durationsHeader + "o,a,f,50,100,0,100,0,1,25,50,75,99,bad\n",
				"memory.csv":      "HashOwner\n",
			},
			[]string{"invocations.csv:2: column 1:", "invocations.csv:2: column 2:", "invocations.csv:3: has 4 cells", "durations.csv:2: column percentile_Average_100:", "memory.csv:1: the header has no columns HashApp, HashFunction, SampleCount, "},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, dir, c.files)
			w, err := trace.Read(trace.Azure2019, dir, trace.Defaults())
			require.Error(t, err)
			require.Zero(t, w)
			for _, text := range c.want {
				require.ErrorContains(t, err, text)
			}
			require.NotContains(t, err.Error(), "column :")
			var mistake *loadgen.FileError
			require.ErrorAs(t, err, &mistake)
			require.Contains(t, mistake.File, dir)
		})
	}
}

func TestAzure2019ThatIsNoDirectory(t *testing.T) {
	t.Parallel()
	_, err := trace.Read(trace.Azure2019, filepath.Join(t.TempDir(), "none"), trace.Defaults())
	require.ErrorContains(t, err, "none: no such directory; an Azure 2019 trace is a directory with invocations.csv, durations.csv and memory.csv")
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestMistakesAreListedUpToFifty(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, with(small(1), "invocations.csv", "HashOwner,HashApp,HashFunction,1\n"+strings.Repeat("o,a,f,x\n", 1000)))
	_, err := trace.Read(trace.Azure2019, dir, trace.Defaults())
	lines := strings.Split(err.Error(), "\n")
	require.Len(t, lines, 51)
	require.Equal(t, "reading stopped after 50 mistakes: there may be more", lines[50])
}

func TestFunctionsWithoutProfilesMayBeSkipped(t *testing.T) {
	t.Parallel()
	files := with(small(1), "invocations.csv", "HashOwner,HashApp,HashFunction,1\no,a,f,6\no,a,g,2\no,a,idle,0\n")
	o := trace.Defaults()
	o.SkipIncomplete = true
	w := read2019(t, files, o)
	require.Len(t, w.Warnings, 1)
	require.Contains(t, w.Warnings[0], "left out 1 of 3 functions, with 2 of 8 invocations (25.00 %), for want of durations or memory")
	require.Len(t, w.Functions, 2)
	require.Equal(t, "idle", w.Functions[1].Name, "a function that is never invoked needs no profile")
	require.Empty(t, arrivals(w.Functions[1].Stream(1)))

	dir := t.TempDir()
	write(t, dir, with(files, "durations.csv", durationsHeader))
	_, err := trace.Read(trace.Azure2019, dir, o)
	require.ErrorContains(t, err, "no function has both durations and memory: nothing is left")
}

func TestFunctionsOfSeveralApplicationsMayShareAHash(t *testing.T) {
	t.Parallel()
	w := read2019(t, map[string]string{
		"invocations.csv": "HashOwner,HashApp,HashFunction,1\no,a,f,1\no,b,f,1\np,b,f,1\no,a,g,1\n",
		"durations.csv":   durationsHeader + durationsOfF + "o,b,f,9,9,9,9,9,9,9,9,9,9,9\np,b,f,7,7,7,7,7,7,7,7,7,7,7\no,a,g,1,1,1,1,1,1,1,1,1,1,1\n",
		"memory.csv":      memoryHeader + memoryOfF + "o,b,f,1,1,1,1,1,1,1,1,1,1\np,b,f,1,1,1,1,1,1,1,1,1,1\no,a,g,1,1,1,1,1,1,1,1,1,1\n",
	}, trace.Defaults())
	var names []string
	for _, f := range w.Functions {
		names = append(names, f.Name)
	}
	require.Equal(t, []string{"f@a", "f@b@o", "f@b@p", "g"}, names)
	require.Equal(t, 9*time.Millisecond, arrivals(w.Functions[1].Stream(1))[0].Duration)
	require.Equal(t, 7*time.Millisecond, arrivals(w.Functions[2].Stream(1))[0].Duration)
}

func TestAWindowBecomesTheBeginningOfTime(t *testing.T) {
	t.Parallel()
	files := small(1, 2, 0, 4, 5, 6)
	equidistant := func(start, length time.Duration) trace.Options {
		o := trace.Defaults()
		o.Start, o.Length, o.IAT = start, length, trace.IAT{Law: trace.Equidistant}
		return o
	}
	w := read2019(t, files, equidistant(time.Minute, 3*time.Minute))
	require.Equal(t, des.Time(3*time.Minute), w.Horizon)
	require.InDelta(t, 6, w.Functions[0].ExpectedInvocations, 0)
	var at []des.Time
	for _, a := range arrivals(w.Functions[0].Stream(1)) {
		at = append(at, a.At)
	}
	require.Equal(t, []des.Time{0, 30e9, 120e9, 135e9, 150e9, 165e9}, at)

	require.Equal(t, des.Time(2*time.Minute), read2019(t, files, equidistant(4*time.Minute, 0)).Horizon, "to the end")

	bySecond := equidistant(time.Second, 3*time.Second)
	bySecond.Granularity = trace.Second
	w = read2019(t, files, bySecond)
	require.Equal(t, des.Time(3*time.Second), w.Horizon)
	require.Equal(t, des.Time(2e9+75e7), arrivals(w.Functions[0].Stream(1))[5].At)

	for name, c := range map[string]struct {
		options trace.Options
		want    string
	}{
		"beyond the end":      {equidistant(4*time.Minute, 3*time.Minute), "holds 6m0s; start 4m0s and length 3m0s reach beyond that"},
		"at the end":          {equidistant(6*time.Minute, 0), "reach beyond that"},
		"half a minute":       {equidistant(30*time.Second, 0), "must be whole multiples of the granularity, 1m0s"},
		"nothing happens":     {equidistant(2*time.Minute, time.Minute), "holds no invocation in the window of 1 slots from slot 3"},
		"longer than 2^63 ns": {equidistant(math.MaxInt64/time.Minute*time.Minute, time.Minute), "reach beyond that"},
	} {
		dir := t.TempDir()
		write(t, dir, files)
		_, err := trace.Read(trace.Azure2019, dir, c.options)
		require.ErrorContains(t, err, c.want, name)
	}
}

func TestScaledCountsHaveTheExactMean(t *testing.T) {
	t.Parallel()
	for _, factor := range []float64{.001, .25, .999, 1.5, 3} {
		o := trace.Defaults()
		o.Scale = factor
		f := read2019(t, small(3, 0, 100, 7, 7), o).Functions[0]
		require.InDelta(t, 117*factor, f.ExpectedInvocations, 1e-9)
		const seeds = 500
		sum, first := 0., 0.
		for seed := range uint64(seeds) {
			list := arrivals(f.Stream(seed))
			require.InDelta(t, 117*factor, len(list), 1)
			sum += float64(len(list))
			for _, a := range list {
				if a.At < des.Time(time.Minute) {
					first++
				}
			}
		}
		// A systematic sample of a count n has variance at most 1/4.
		require.InDelta(t, 117*factor, sum/seeds, 4*.5/math.Sqrt(seeds))
		require.InDelta(t, 3*factor, first/seeds, 4*.5/math.Sqrt(seeds))
	}
}

func TestCountsPerMinuteAreConserved(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		counts := rapid.SliceOfN(rapid.IntRange(0, 40), 1, 12).Draw(t, "counts")
		o := trace.Defaults()
		o.IAT.Law = trace.Law(rapid.IntRange(int(trace.Exponential), int(trace.Equidistant)).Draw(t, "law"))
		o.IAT.Shift = rapid.Bool().Draw(t, "shift")
		o.Granularity = trace.Granularity(rapid.IntRange(int(trace.Minute), int(trace.Second)).Draw(t, "granularity"))
		slot := map[trace.Granularity]time.Duration{trace.Minute: time.Minute, trace.Second: time.Second}[o.Granularity]
		counts[0]++ // a trace without invocations is refused
		write(t, dir, small(counts...))
		w, err := trace.Read(trace.Azure2019, dir, o)
		require.NoError(t, err)

		got := make([]int, len(counts))
		last := des.Time(0)
		for _, a := range arrivals(w.Functions[0].Stream(rapid.Uint64().Draw(t, "seed"))) {
			require.GreaterOrEqual(t, a.At, last)
			require.Less(t, a.At, w.Horizon)
			got[a.At/des.Time(slot)]++
			last = a.At
		}
		require.Equal(t, counts, got)
	})
}
