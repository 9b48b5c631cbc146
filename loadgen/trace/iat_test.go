package trace_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/des"
	"microcosm/loadgen"
	"microcosm/loadgen/trace"
)

// roundTrip writes a workload resolved and reads it back.
func roundTrip(t *testing.T, w loadgen.Workload, seed uint64) loadgen.Workload {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "resolved")
	require.NoError(t, trace.WriteIAT(dir, w, seed))
	back, err := trace.Read(trace.IATFiles, dir, trace.Defaults())
	require.NoError(t, err)
	return back
}

func TestAResolvedTraceReadsBackIdentical(t *testing.T) {
	t.Parallel()
	processes := map[string]loadgen.Process{
		"constant": {Kind: loadgen.Constant, Rate: 3},
		"poisson":  {Kind: loadgen.Poisson, Rate: 20},
		"pareto":   {Kind: loadgen.Pareto, Rate: 5, Shape: 1.2},
		"burst":    {Kind: loadgen.Burst, Rate: 10, Size: 25},
	}
	const horizon = des.Time(10 * time.Minute)
	synthetic := loadgen.Workload{Horizon: horizon}
	for name, p := range processes {
		synthetic.Functions = append(synthetic.Functions, p.Function(name, horizon))
	}
	synthetic.Functions = append(synthetic.Functions,
		loadgen.RPS{Rate: 7, ColdShare: .5, Cooldown: 3 * time.Second, Duration: 20 * time.Millisecond, MemoryMiB: 128}.Functions(horizon)...)

	calls, err := read2021(t, t.TempDir(), callsHeader+"a,f,10.00000012345,9\na,f,90,0.5\nb,\"odd \"\"ñ\"\" name\",3,1\n", trace.Defaults())
	require.NoError(t, err)
	for name, w := range map[string]loadgen.Workload{
		"processes":  synthetic,
		"azure 2019": read2019(t, small(5, 0, 300, 1), iat(trace.Exponential, true)),
		"azure 2021": calls,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			back := roundTrip(t, w, 11)
			require.Equal(t, w.Horizon, back.Horizon)
			require.Len(t, back.Functions, len(w.Functions))
			for i, f := range w.Functions {
				require.Equal(t, arrivals(f.Stream(11)), arrivals(back.Functions[i].Stream(99)))
				require.Equal(t, f.Name, back.Functions[i].Name)
				require.Equal(t, f.App, back.Functions[i].App)
				require.Equal(t, f.Owner, back.Functions[i].Owner)
			}
		})
	}
}

// What In-Vitro itself writes: an entry per line, times with fractions, no names.
const inVitroFile = `{
 "IAT": [
  0,
  10915517.87088835,
  30667196.9999999
 ],
 "PerMinuteCount": [
  3,
  0
 ],
 "RawDuration": [
  4.31,
  0
 ],
 "RuntimeSpecification": [
  {
   "Runtime": 50,
   "Memory": 120
  },
  {
   "Runtime": 60,
   "Memory": 128
  },
  {
   "Runtime": 7,
   "Memory": 110
  }
 ]
}`

func TestReadInVitrosFile(t *testing.T) {
	t.Parallel()
	want := []loadgen.Arrival{
		{At: 0, Duration: 50 * time.Millisecond, MemoryMiB: 120},
		{At: 10_915_517_871, Duration: 60 * time.Millisecond, MemoryMiB: 128},
		{At: 10_915_517_871 + 30_667_197_000, Duration: 7 * time.Millisecond, MemoryMiB: 110},
	}
	dir := t.TempDir()
	write(t, dir, map[string]string{"iat0.json": inVitroFile, "iat1.json.gz": gz(t, inVitroFile), "other.json": "x", "iatX.json": "x"})
	w, err := trace.Read(trace.IATFiles, dir, trace.Defaults())
	require.NoError(t, err)
	require.Equal(t, des.Time(2*time.Minute), w.Horizon)
	require.Equal(t, "iat0", w.Functions[0].Name)
	require.Equal(t, "iat1", w.Functions[1].Name)
	require.Equal(t, 50*time.Millisecond, w.Functions[0].MedianDuration)
	require.InDelta(t, 120, w.Functions[0].MedianMemoryMiB, 0)
	for _, f := range w.Functions {
		require.Equal(t, want, arrivals(f.Stream(1)))
	}

	one, err := trace.Read(trace.IATFiles, filepath.Join(dir, "iat0.json"), window(10*time.Second, 20*time.Second))
	require.NoError(t, err)
	require.Equal(t, des.Time(20*time.Second), one.Horizon)
	require.Equal(t, []loadgen.Arrival{{At: 915_517_871, Duration: 60 * time.Millisecond, MemoryMiB: 128}}, arrivals(one.Functions[0].Stream(1)))
	require.Contains(t, one.Warnings[0], "left out 2 of 3 invocations that lie outside the window")
}

func TestInVitroCanReadWhatIsWritten(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "resolved")
	require.NoError(t, trace.WriteIAT(dir, read2019(t, small(4, 0, 1), iat(trace.Equidistant, false)), 1))
	text, err := os.ReadFile(filepath.Join(dir, "iat0.json"))
	require.NoError(t, err)
	var file struct { // In-Vitro's FunctionSpecification
		IAT                  []float64
		PerMinuteCount       []int
		RawDuration          []float64
		RuntimeSpecification []struct{ Runtime, Memory int }
	}
	require.NoError(t, json.Unmarshal(text, &file))
	require.Equal(t, []float64{0, 15e6, 15e6, 15e6, 75e6}, file.IAT)
	require.Equal(t, []int{4, 0, 1}, file.PerMinuteCount)
	require.Nil(t, file.RawDuration)
	require.Len(t, file.RuntimeSpecification, 5)
	require.Positive(t, file.RuntimeSpecification[0].Runtime)
}

func TestResolvedTraceMistakes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		files map[string]string
		want  []string
	}{
		"no files":           {map[string]string{"other.json": "{}"}, []string{"holds no iat0.json; write one with In-Vitro's -iatGeneration"}},
		"a file missing":     {map[string]string{"iat0.json": inVitroFile, "iat2.json": inVitroFile}, []string{"holds iat2.json where iat1.json should follow"}},
		"plain and packed":   {map[string]string{"iat0.json": inVitroFile, "iat0.json.gz": gz(t, inVitroFile)}, []string{"where iat1.json should follow; restore the missing file, or remove the one too many"}},
		"not an object":      {map[string]string{"iat0.json": "[]"}, []string{"iat0.json:1: want \"{\" here, not ["}},
		"another file":       {map[string]string{"iat0.json": `{"proxy-function": "x"}`}, []string{"iat0.json: has no IAT; want a file that In-Vitro's -iatGeneration wrote"}},
		"ends early":         {map[string]string{"iat0.json": inVitroFile[:40]}, []string{"iat0.json:5: ends too early; write or copy it again"}},
		"empty file":         {map[string]string{"iat0.json": ""}, []string{"iat0.json:1: ends too early"}},
		"truncated gzip":     {map[string]string{"iat0.json": gz(t, inVitroFile)[:90]}, []string{"ends too early; write or copy it again"}},
		"damaged gzip":       {map[string]string{"iat0.json": damaged(gz(t, inVitroFile))}, []string{"the compressed file is damaged"}},
		"negative gap":       {map[string]string{"iat0.json": "{\"IAT\": [\n0,\n-5]}"}, []string{"iat0.json:3: IAT: -5 will not do; want microseconds from 0"}},
		"a word for a gap":   {map[string]string{"iat0.json": `{"IAT": ["now"]}`}, []string{"iat0.json:1: a value of kind string stands where a number belongs"}},
		"gap of 1e300":       {map[string]string{"iat0.json": `{"IAT": [1e300]}`}, []string{"want microseconds from 0"}},
		"gaps past time":     {map[string]string{"iat0.json": `{"IAT": [4e15,4e15], "RuntimeSpecification": [{},{}]}`}, []string{"iat0.json: invocation 1 comes more than 146 years after the start"}},
		"negative runtime":   {map[string]string{"iat0.json": `{"IAT": [0], "RuntimeSpecification": [{"Runtime": -1}]}`}, []string{"{Runtime: -1, Memory: 0} will not do"}},
		"runtimes missing":   {map[string]string{"iat0.json": `{"IAT": [0, 1]}`}, []string{"holds 2 IAT but 0 RuntimeSpecification; want one of each per invocation"}},
		"counts disagree":    {map[string]string{"iat0.json": `{"IAT": [0], "PerMinuteCount": [2], "RuntimeSpecification": [{}]}`}, []string{"PerMinuteCount adds up to 2, but there are 1 IAT"}},
		"negative count":     {map[string]string{"iat0.json": `{"IAT": [0], "PerMinuteCount": [-2]}`}, []string{"PerMinuteCount: -2 is not a count"}},
		"not an array":       {map[string]string{"iat0.json": `{"IAT": 7}`}, []string{"IAT: want an array here, not 7"}},
		"two objects":        {map[string]string{"iat0.json": inVitroFile + "{}"}, []string{"something follows the object"}},
		"nothing to do":      {map[string]string{"iat0.json": `{"IAT": null}`}, []string{"holds no invocation in the window (of 0 in all)"}},
		"mistakes in two":    {map[string]string{"iat0.json": "[]", "iat1.json": "7"}, []string{"iat0.json:1: want", "iat1.json:1: want"}},
		"broken JSON, where": {map[string]string{"iat0.json": "{\n \"IAT\": [\n  0,\n  x\n ]}"}, []string{"iat0.json:4: "}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write(t, dir, c.files)
			w, err := trace.Read(trace.IATFiles, dir, trace.Defaults())
			require.Error(t, err)
			require.Zero(t, w)
			for _, text := range c.want {
				require.ErrorContains(t, err, text)
			}
		})
	}
	_, err := trace.Read(trace.IATFiles, filepath.Join(t.TempDir(), "none"), trace.Defaults())
	require.ErrorContains(t, err, "none: no such file or directory")
}

func TestWritingLeavesOthersAlone(t *testing.T) {
	t.Parallel()
	w := loadgen.Workload{Horizon: des.Time(time.Minute), Functions: []loadgen.Function{
		loadgen.Process{Kind: loadgen.Constant, Rate: 1}.Function("f", des.Time(time.Minute)),
	}}
	parent := t.TempDir()
	left := func() (names []string) {
		entries, err := os.ReadDir(parent)
		require.NoError(t, err)
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return names
	}

	used := filepath.Join(parent, "used")
	require.NoError(t, os.Mkdir(used, 0o755))
	write(t, used, map[string]string{"iat0.json": "precious"})
	require.ErrorContains(t, trace.WriteIAT(used, w, 1), "name a directory that is empty or does not exist")
	text, err := os.ReadFile(filepath.Join(used, "iat0.json"))
	require.NoError(t, err)
	require.Equal(t, "precious", string(text))
	require.Equal(t, []string{"used"}, left(), "nothing half-written stays")

	require.ErrorContains(t, trace.WriteIAT(filepath.Join(parent, "no", "where"), w, 1), "create the directory it is to stand in")
	require.ErrorContains(t, trace.WriteIAT(filepath.Join(parent, "endless"), loadgen.Workload{Horizon: des.End}, 1), "must be set and finite")

	late := w
	late.Horizon = 1
	require.ErrorContains(t, trace.WriteIAT(filepath.Join(parent, "late"), late, 1), "function f: its stream yields 1s after 0s; want increasing instants before the horizon")
	require.Equal(t, []string{"used"}, left(), "nothing half-written stays")

	empty := filepath.Join(parent, "empty")
	require.NoError(t, os.Mkdir(empty, 0o755))
	require.NoError(t, trace.WriteIAT(empty, w, 1))
	require.FileExists(t, filepath.Join(empty, "iat0.json"))
}
