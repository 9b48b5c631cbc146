package report_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/experiment"
	"microcosm/results/report"
)

// contents returns every file below dir by name; a link or a directory counts by
// its kind.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	found := map[string]string{}
	for _, e := range entries {
		if !e.Type().IsRegular() {
			found[e.Name()] = e.Type().String()
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		require.NoError(t, err)
		found[e.Name()] = string(text)
	}
	return found
}

func put(t *testing.T, dir, name, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
}

func written(t *testing.T, dir string, r *experiment.Result) {
	t.Helper()
	_, err := report.Write(dir, r, report.WriteOptions{})
	require.NoError(t, err)
}

// reseeded is small with another seed: other bytes, the same scenario.
func reseeded() *experiment.Result {
	r := small()
	r.Seed++
	return r
}

func other() *experiment.Result {
	r := small()
	r.Scenario = "sha256:another"
	return r
}

func TestWrite(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new", "place")
	r := small()
	paths, err := report.Write(dir, r, report.WriteOptions{})
	require.NoError(t, err)
	var want []string
	for _, name := range []string{"result.json", "report.html", "report.csv", "report.parquet", "about.json"} {
		want = append(want, filepath.Join(dir, name))
	}
	require.Equal(t, want, paths)
	found := contents(t, dir)
	require.Len(t, found, 5, "nothing is left aside")
	back, err := experiment.ParseResult([]byte(found["result.json"]))
	require.NoError(t, err)
	require.Equal(t, r, back)
	require.Equal(t, page(t, r), found["report.html"])
	info, err := os.Stat(paths[0])
	require.NoError(t, err)
	require.NotZero(t, info.Mode()&0o400)
}

func TestWriteOverFiles(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		before func(t *testing.T, dir string)
		result *experiment.Result
		refuse []string // files in the way
	}{
		"the same again":                    {func(t *testing.T, dir string) { written(t, dir, small()) }, small(), nil},
		"another seed of the same scenario": {func(t *testing.T, dir string) { written(t, dir, small()) }, reseeded(), nil},
		"another scenario": {
			func(t *testing.T, dir string) { written(t, dir, other()) }, small(),
			[]string{"result.json", "report.html", "report.parquet", "about.json"}, // of report.csv every byte is equal
		},
		"a report that someone changed": {func(t *testing.T, dir string) {
			written(t, dir, small())
			put(t, dir, "report.csv", "my notes")
		}, reseeded(), []string{"report.csv"}},
		"a file from elsewhere": {func(t *testing.T, dir string) { put(t, dir, "report.html", "<p>mine</p>") }, small(), []string{"report.html"}},
		"a result without about.json": {func(t *testing.T, dir string) {
			written(t, dir, small())
			require.NoError(t, os.Remove(filepath.Join(dir, "about.json")))
		}, reseeded(), []string{"result.json", "report.html"}},
		"an equal result without about.json": {func(t *testing.T, dir string) {
			written(t, dir, small())
			require.NoError(t, os.Remove(filepath.Join(dir, "about.json")))
		}, small(), nil},
		"an about.json from elsewhere": {func(t *testing.T, dir string) { put(t, dir, "about.json", `{"about": "me"}`) }, small(), []string{"about.json"}},
		"a broken about.json":          {func(t *testing.T, dir string) { put(t, dir, "about.json", `{`) }, small(), []string{"about.json"}},
		"a result without a scenario": {func(t *testing.T, dir string) { written(t, dir, empty()) }, func() *experiment.Result {
			r := empty()
			r.Seed = 7
			return r
		}(), []string{"result.json", "report.html", "about.json"}},
		"files of other names": {func(t *testing.T, dir string) { put(t, dir, "notes.txt", "mine") }, small(), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			test.before(t, dir)
			before := contents(t, dir)
			paths, err := report.Write(dir, test.result, report.WriteOptions{})
			if test.refuse == nil {
				require.NoError(t, err)
				require.Equal(t, page(t, test.result), contents(t, dir)["report.html"])
				return
			}
			require.ErrorIs(t, err, report.ErrForeign)
			require.Empty(t, paths)
			require.Equal(t, before, contents(t, dir), "nothing was written")
			for _, f := range test.refuse {
				require.ErrorContains(t, err, filepath.Join(dir, f))
			}

			_, err = report.Write(dir, test.result, report.WriteOptions{Force: true})
			require.NoError(t, err)
			require.Equal(t, page(t, test.result), contents(t, dir)["report.html"])
		})
	}
}

func TestWriteNeverReplacesWhatIsNotAFile(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]func(t *testing.T, dir string){
		"a directory": func(t *testing.T, dir string) { require.NoError(t, os.Mkdir(filepath.Join(dir, "report.html"), 0o755)) },
		"a link": func(t *testing.T, dir string) {
			require.NoError(t, os.Symlink("elsewhere", filepath.Join(dir, "about.json")))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			before(t, dir)
			found := contents(t, dir)
			_, err := report.Write(dir, small(), report.WriteOptions{Force: true})
			require.ErrorContains(t, err, "is not a file")
			require.Equal(t, found, contents(t, dir))
		})
	}
}

func TestWriteIntoAFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, dir, "out", "mine")
	_, err := report.Write(filepath.Join(dir, "out"), small(), report.WriteOptions{})
	require.Error(t, err)
	require.Equal(t, map[string]string{"out": "mine"}, contents(t, dir))
}

func TestWriteSomeFormats(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	paths, err := report.Write(dir, small(), report.WriteOptions{Formats: []report.Format{report.FormatCSV, report.FormatJSON, report.FormatCSV}})
	require.NoError(t, err)
	require.Equal(t, []string{filepath.Join(dir, "report.csv"), filepath.Join(dir, "result.json"), filepath.Join(dir, "about.json")}, paths)

	// What an earlier call wrote stays known as its own.
	_, err = report.Write(dir, reseeded(), report.WriteOptions{Formats: []report.Format{report.FormatJSON}})
	require.NoError(t, err)
	written(t, dir, small())

	_, err = report.Write(dir, small(), report.WriteOptions{Formats: []report.Format{report.FormatInvalid}})
	require.ErrorContains(t, err, "want json, html, csv or parquet")
}

func TestAbout(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := report.Write(dir, small(), report.WriteOptions{Formats: []report.Format{report.FormatJSON}, Run: report.RunRecord{
		Command: []string{"cosim", "run", "a.yaml"}, Version: "1.2", Toolchain: "go1.26", Host: "h", System: "linux/amd64", CPU: "c", Cores: 2,
		Started: time.Date(2026, 11, 22, 1, 2, 3, 0, time.UTC), Wall: 1500 * time.Millisecond, CPUTime: 3 * time.Second,
	}})
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(dir, "about.json"))
	require.NoError(t, err)
	var about map[string]any
	require.NoError(t, json.Unmarshal(text, &about))
	require.Len(t, about["files"], 1)
	delete(about, "files")
	require.Equal(t, map[string]any{
		"schema": "microcosm.about/1", "scenario": small().Scenario,
		"run": map[string]any{
			"command": []any{"cosim", "run", "a.yaml"}, "version": "1.2", "toolchain": "go1.26", "host": "h", "system": "linux/amd64",
			"cpu": "c", "cores": 2.0, "started": "2026-11-22T01:02:03Z", "wall_s": 1.5, "cpu_s": 3.0,
		},
	}, about)
	want, err := small().JSON()
	require.NoError(t, err)
	require.Equal(t, string(want), contents(t, dir)["result.json"], "what is not part of the identity stands in about.json only")
}

func TestFormatWords(t *testing.T) {
	t.Parallel()
	for _, f := range report.Formats() {
		back, err := report.ParseFormat(f.String())
		require.NoError(t, err)
		require.Equal(t, f, back)
	}
	for _, word := range []string{"", "invalid", "pdf", "JSON"} {
		_, err := report.ParseFormat(word)
		require.ErrorContains(t, err, "want json, html, csv or parquet")
	}
	require.Equal(t, "invalid", report.Format(99).String())
}

// FuzzAbout rewrites about.json: nothing that a file says makes Write replace one
// that it did not write.
func FuzzAbout(f *testing.F) {
	dir := f.TempDir()
	_, err := report.Write(dir, small(), report.WriteOptions{Formats: []report.Format{report.FormatJSON}})
	require.NoError(f, err)
	text, err := os.ReadFile(filepath.Join(dir, "about.json"))
	require.NoError(f, err)
	f.Add(text)
	f.Add(bytes.ReplaceAll(text, []byte("result.json"), []byte("../result.json")))
	f.Add([]byte(`{"schema":"microcosm.about/1","files":null}`))
	f.Fuzz(func(t *testing.T, about []byte) {
		dir := t.TempDir()
		put(t, dir, "about.json", string(about))
		put(t, dir, "result.json", "mine")
		_, err := report.Write(dir, small(), report.WriteOptions{Formats: []report.Format{report.FormatJSON}})
		require.ErrorIs(t, err, report.ErrForeign)
		require.Equal(t, map[string]string{"about.json": string(about), "result.json": "mine"}, contents(t, dir))
	})
}

func TestCheckTellsBeforehandWhatWriteWouldRefuse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := small()
	check := func(scenario string, o report.WriteOptions) error { return report.Check(dir, scenario, o) }
	require.NoError(t, check(r.Scenario, report.WriteOptions{}), "an empty directory")
	require.NoError(t, report.Check(filepath.Join(dir, "missing"), r.Scenario, report.WriteOptions{}), "Write makes it")
	written(t, dir, r)
	require.NoError(t, check(r.Scenario, report.WriteOptions{}), "the same scenario")
	before := contents(t, dir)
	for situation, c := range map[string]struct {
		scenario string
		options  report.WriteOptions
		refused  []string
	}{
		"another scenario":          {"sha256:another", report.WriteOptions{}, []string{"result.json", "report.html", "report.csv", "report.parquet", "about.json"}},
		"no scenario":               {"", report.WriteOptions{}, []string{"result.json"}},
		"one format of another":     {"sha256:another", report.WriteOptions{Formats: []report.Format{report.FormatCSV}}, []string{"report.csv", "about.json"}},
		"another scenario by force": {"sha256:another", report.WriteOptions{Force: true}, nil},
	} {
		err := check(c.scenario, c.options)
		if c.refused == nil {
			require.NoError(t, err, situation)
			continue
		}
		require.ErrorIs(t, err, report.ErrForeign, situation)
		for _, name := range c.refused {
			require.ErrorContains(t, err, filepath.Join(dir, name), situation)
		}
	}
	require.Equal(t, before, contents(t, dir), "it only looks")
	require.ErrorContains(t, report.Check(filepath.Join(dir, "report.csv"), r.Scenario, report.WriteOptions{}), "is not a directory")
}
