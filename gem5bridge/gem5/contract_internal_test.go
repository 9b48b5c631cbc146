package gem5

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/servicetime"
	"microcosm/gem5bridge/gem5/events"
	"microcosm/gem5bridge/gem5/platforms"
	guest "microcosm/images/guest/job"
)

// python runs a program with the configuration's scripts on its path, hands it value
// and reads what it answers.
func python(t *testing.T, program string, value, answer any) {
	t.Helper()
	path, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is missing: the scripts are not asked")
	}
	given, err := json.Marshal(value)
	require.NoError(t, err)
	cmd := exec.Command(path, "-B", "-c", "import json, sys\nvalue = json.load(sys.stdin)\n"+program)
	cmd.Env = append(os.Environ(), "PYTHONPATH=config")
	cmd.Stdin = strings.NewReader(string(given))
	out, err := cmd.Output()
	require.NoError(t, err, "%s", out)
	require.NoError(t, json.Unmarshal(out, answer), "%s", out)
}

// settles is the rule as FORMAT.md says it, slowly: after how many items a series has
// settled, and why; 0 if it never does.
func settles(cpis []float64, rule settle) (int, string) {
	middle := func(values []float64) float64 {
		sorted := slices.Sorted(slices.Values(values))
		return sorted[(len(sorted)-1)/2]
	}
	if rule.Most == 0 {
		return 0, events.SettledAsked
	}
	for n := 1; n <= len(cpis); n++ {
		if n >= rule.Least && n >= 2*rule.Window {
			last, before := middle(cpis[n-rule.Window:n]), middle(cpis[n-2*rule.Window:n-rule.Window])
			if last-before <= rule.Tolerance*before && before-last <= rule.Tolerance*before {
				return n, events.SettledByTest
			}
		}
		if n >= rule.Most {
			return n, events.SettledByCap
		}
	}
	return 0, ""
}

// TestItemsSettleAsTheFormatSays draws series of cycles, most of which fall to a
// level with noise, and asks the script and the sentence.
func TestItemsSettleAsTheFormatSays(t *testing.T) {
	t.Parallel()
	type series struct {
		Rule   settle
		Cycles []int64
	}
	var all []series
	draw := rand.New(rand.NewPCG(1, 2))
	for range 400 {
		s := series{Rule: settle{Window: 1 + draw.IntN(4), Tolerance: []float64{0, .01, .05, .3}[draw.IntN(4)], Least: draw.IntN(8), Most: draw.IntN(16)}}
		extra, noise := draw.Float64()*9, []float64{0, .002, .1}[draw.IntN(3)]
		for range draw.IntN(24) {
			s.Cycles = append(s.Cycles, int64(1000*(1+extra)*(1+noise*draw.NormFloat64())))
			extra *= .3 + .6*draw.Float64()
		}
		all = append(all, s)
	}
	// The rules that are in use.
	for _, word := range conditions {
		rule := cellOf(t, word, 5).settle(1)
		all = append(all, series{rule, []int64{9000, 5000, 2000, 1500, 1200, 1010, 1000, 1000, 1001, 999, 1000, 1000, 1000, 1000}})
	}
	var answers []struct {
		After   int
		Cause   string
		Counted int
	}
	python(t, `
import types, settle
answers = []
for s in value:
    rule = {name.lower(): n for name, n in s["Rule"].items()}
    settling, after = settle.Settling(types.SimpleNamespace(settle=rule)), 0
    for n, cycles in enumerate(s["Cycles"] or [], 1):
        if settling.add(cycles, 1000):
            after = n
    answers.append({"After": after, "Cause": settling.cause, "Counted": settling.counted})
print(json.dumps(answers))`, all, &answers)
	require.Len(t, answers, len(all))
	causes := map[string]int{}
	for i, s := range all {
		var cpis []float64
		for _, cycles := range s.Cycles {
			cpis = append(cpis, float64(cycles)/1000)
		}
		after, cause := settles(cpis, s.Rule)
		require.Equal(t, after, answers[i].After, "%+v", s)
		require.Equal(t, cause, answers[i].Cause, "%+v", s)
		want := 0
		if cause != "" {
			want = len(s.Cycles) - after
		}
		require.Equal(t, want, answers[i].Counted, "items that count: %+v", s)
		causes[cause]++
	}
	for _, cause := range []string{events.SettledByTest, events.SettledByCap, events.SettledAsked, ""} {
		require.Greater(t, causes[cause], 5, "the series try %q too seldom: %v", cause, causes)
	}
}

// TestTheSpecificationIsOneThing compares the fields that the back end writes, those
// that the scripts want, and those that are described.
func TestTheSpecificationIsOneThing(t *testing.T) {
	t.Parallel()
	var written []string
	fields := reflect.TypeFor[spec]()
	for i := range fields.NumField() {
		written = append(written, fields.Field(i).Tag.Get("json"))
	}
	var wanted []string
	python(t, "import spec\nprint(json.dumps(list(spec.Spec.FIELDS)))", nil, &wanted)
	require.ElementsMatch(t, written, wanted)

	text, err := os.ReadFile("FORMAT.md")
	require.NoError(t, err)
	_, section, _ := strings.Cut(string(text), "## The specification\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var described []string
	for _, row := range regexp.MustCompile("(?m)^\\| (`[^|]*) \\|").FindAllStringSubmatch(section, -1) {
		for _, name := range regexp.MustCompile("`([A-Za-z]+)`").FindAllStringSubmatch(row[1], -1) {
			described = append(described, name[1])
		}
	}
	require.ElementsMatch(t, written, described)
}

// TestTheScriptsReadWhatIsWritten writes the specification of a run of every mode on
// every platform and has the scripts read it.
func TestTheScriptsReadWhatIsWritten(t *testing.T) {
	t.Parallel()
	var paths []string
	var want []spec
	for _, name := range platforms.Names() {
		for _, mode := range []string{modeBoot, modePrepare, modeMeasure} {
			r := runsOn(t, name, map[string]string{"memory.size": "2GiB"})
			r.image.folder, r.bootLoader = "relative/images", "/boot.arm64"
			q := request{spec: spec{Mode: mode, CommandLine: r.commandLine(1), Count: 3, Settle: cellOf(t, "warm", 1).settle(0), ItemLimit: servicetime.TicksOf(1e9), Limit: 1 << 60}}
			if mode != modeBoot {
				q.spec.Restore = "/checkpoint"
				q.job = &guest.Job{Format: guest.Format, ID: "a", Then: guest.Off, Steps: []guest.Step{{Mode: guest.Warm, Function: "aes-go", Count: 1}}}
			}
			if mode == modeMeasure {
				q.spec.Detail, q.spec.Flush = detailItems, []string{"l1i", "tlb"}
			}
			folder := t.TempDir()
			require.NoError(t, r.write(folder, &q))
			require.Equal(t, mode == modeBoot, q.spec.ReadFile == "", "a boot has no job")
			paths, want = append(paths, filepath.Join(folder, specName)), append(want, q.spec)
		}
	}
	var got []map[string]any
	python(t, `
import spec
answers = []
for path in value:
    s = spec.read(path)
    answers.append({name: getattr(s, name) for name in s.FIELDS} | {"detailed": s.detailed, "clock": s["core.clock"]})
print(json.dumps(answers))`, paths, &got)
	for i, is := range got {
		require.Equal(t, want[i].Mode, is["mode"])
		require.Equal(t, want[i].Mode == modeMeasure, is["detailed"])
		require.EqualValues(t, 2<<30, is["memory"])
		require.EqualValues(t, want[i].Platform["core.clock"], is["clock"])
		require.EqualValues(t, want[i].ItemLimit, is["itemLimit"], "ticks are not rounded on the way")
		require.True(t, filepath.IsAbs(is["kernel"].(string)), "gem5 has another working directory")
		require.True(t, strings.HasSuffix(is["disk"].(string), "/relative/images/"+filepath.Base(is["disk"].(string))))
		require.Len(t, is["platform"], len(want[i].Platform))
	}
}

// TestWhatIsLeftOfARunIsRead has folders of runs that ended in every way.
func TestWhatIsLeftOfARunIsRead(t *testing.T) {
	t.Parallel()
	const start = `{"line":0,"event":"start","tick":0,"format":1,"gem5":"24","isa":"x86_64","mode":"measure","period":333}` + "\n"
	end := func(cause string) string {
		return start + `{"line":1,"event":"end","tick":5,"cause":"` + cause + `","code":0,"works":0}` + "\n"
	}
	line := func(r guest.Record) string {
		text, err := guest.Line(r)
		require.NoError(t, err)
		return string(text)
	}
	begun := line(guest.Record{Job: "a", Kind: guest.Start, Status: guest.OK})
	ended := begun + line(guest.Record{Job: "a", Seq: 1, Kind: guest.End, Status: guest.OK, Records: 2})
	for _, c := range []struct {
		name, events, records string
		want                  []string // in the damage; none: the run is whole
		kept                  int      // records
	}{
		{"whole", end(events.CauseExit), ended, nil, 2},
		{"enough, and ended within its job", end(events.CauseEnough), begun, nil, 1},
		{"overdue, and ended within its job", end(events.CauseOverdue), begun, nil, 1},
		{"out of time, within its job", end(events.CauseLimit), begun, []string{"the records have no end: 1 came"}, 1},
		{"the guest switched off without a word", end(events.CauseExit), begun, []string{"the records have no end"}, 1},
		{"events cut short", start, ended, []string{"the events have no end: 1 lines came"}, 2},
		{"enough, with a damaged record", end(events.CauseEnough), begun + strings.Replace(begun, "start", "stars", 1), []string{"damaged record"}, 1},
		{"records of another job", end(events.CauseExit), line(guest.Record{Job: "b", Kind: guest.Start, Status: guest.OK}), []string{`record 0 is of job "b", not "a"`, "no end"}, 1},
		{"a job that was not understood", end(events.CauseFail), line(guest.Record{Job: "unknown", Kind: guest.End, Status: guest.Failed, Reason: "no JSON", Records: 1}), nil, 1},
		{"no records at all", end(events.CauseExit), "", []string{"no such file", "records-a"}, 0},
		{"nothing", "", "", []string{"no such file", "events.jsonl"}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			for name, text := range map[string]string{events.Name: c.events, "records-a": c.records} {
				if text != "" {
					require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600))
				}
			}
			got := read(folder, &guest.Job{ID: "a"})
			require.Len(t, got.records, c.kept)
			if len(c.want) == 0 {
				require.NoError(t, got.damage)
				return
			}
			for _, want := range c.want {
				require.ErrorContains(t, got.damage, want)
			}
		})
	}
	t.Run("a boot, which has no job", func(t *testing.T) {
		t.Parallel()
		folder := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(folder, events.Name), []byte(end(events.CauseCheckpoint)), 0o600))
		require.NoError(t, read(folder, nil).damage)
	})
}
