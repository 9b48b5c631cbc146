package report_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/cosim/experiment"
	"microcosm/results/report"
)

// shelf is what Write promises, in a few lines: the files of a directory, and of
// which scenario about.json knows which of them as its own.
type shelf struct {
	files    map[string]string // content by name
	about    bool
	scenario string
	own      map[string]string // content that Write wrote, by name
}

// refuses returns the files that are in the way of new ones.
func (s *shelf) refuses(scenario string, files map[string]string) (in []string) {
	mine := s.about && s.scenario == scenario
	for name, text := range files {
		there, exists := s.files[name]
		wrote, own := s.own[name]
		ours := mine && own && wrote == there
		if exists && there != text && !ours {
			in = append(in, name)
		}
	}
	if s.about && !mine {
		in = append(in, "about.json")
	}
	slices.Sort(in)
	return in
}

func (s *shelf) write(scenario string, files map[string]string) {
	if !s.about || s.scenario != scenario {
		s.own = map[string]string{}
	}
	s.about, s.scenario = true, scenario
	maps.Copy(s.files, files)
	maps.Copy(s.own, files)
}

var fileOf = map[report.Format]string{report.FormatJSON: "result.json", report.FormatHTML: "report.html", report.FormatCSV: "report.csv", report.FormatParquet: "report.parquet"}

// TestWriteAgainstAModel lets a program and its user write into one directory in
// any order: Write refuses exactly what is not its own, all of it at once, and then
// leaves everything as it was.
func TestWriteAgainstAModel(t *testing.T) {
	t.Parallel()
	texts := map[string]map[string]string{} // by scenario and seed, what each format is
	for _, scenario := range []string{"one", "two"} {
		for seed := range uint64(2) {
			dir := t.TempDir()
			written(t, dir, seeded(scenario, seed))
			found := contents(t, dir)
			delete(found, "about.json")
			texts[fmt.Sprint(scenario, seed)] = found
		}
	}
	root := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp(root, "")
		require.NoError(t, err)
		s := &shelf{files: map[string]string{}, own: map[string]string{}}
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			switch rapid.IntRange(0, 3).Draw(t, "step") {
			case 0:
				s.edit(t, dir, texts["one0"])
			case 1:
				s.remove(t, dir)
			default:
				s.compareWrite(t, dir, texts)
			}
			s.requireSame(t, dir)
		}
	})
}

// compareWrite has the program write, and the model.
func (s *shelf) compareWrite(t *rapid.T, dir string, texts map[string]map[string]string) {
	scenario, seed := rapid.SampledFrom([]string{"one", "two"}).Draw(t, "scenario"), rapid.Uint64Range(0, 1).Draw(t, "seed")
	o := report.WriteOptions{
		Formats: rapid.SliceOfNDistinct(rapid.SampledFrom(report.Formats()), 1, 4, rapid.ID).Draw(t, "formats"),
		Force:   rapid.IntRange(0, 4).Draw(t, "force") == 0,
	}
	files := map[string]string{}
	for _, f := range o.Formats {
		files[fileOf[f]] = texts[fmt.Sprint(scenario, seed)][fileOf[f]]
	}
	checked := report.Check(dir, "sha256:"+scenario, o)
	_, err := report.Write(dir, seeded(scenario, seed), o)
	refused := s.refuses(scenario, files)
	if o.Force || len(refused) == 0 {
		require.NoError(t, err)
		s.write(scenario, files)
		return
	}
	require.ErrorIs(t, err, report.ErrForeign)
	require.ErrorIs(t, checked, report.ErrForeign, "what is refused was told beforehand")
	var named []string
	for line := range strings.Lines(err.Error()) {
		path, _, _ := strings.Cut(strings.TrimPrefix(line, "write report: "), " exists")
		named = append(named, filepath.Base(path))
	}
	slices.Sort(named)
	require.Equal(t, refused, named)
}

// edit lets the user put a text into a file.
func (s *shelf) edit(t *rapid.T, dir string, texts map[string]string) {
	name := rapid.SampledFrom([]string{"result.json", "report.html", "report.csv", "report.parquet"}).Draw(t, "file")
	s.files[name] = rapid.SampledFrom([]string{"", "mine", texts[name]}).Draw(t, "text")
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(s.files[name]), 0o600))
}

// remove lets the user remove a file, if it is there.
func (s *shelf) remove(t *rapid.T, dir string) {
	name := rapid.SampledFrom([]string{"result.json", "report.html", "report.csv", "report.parquet", "about.json"}).Draw(t, "file")
	require.NoError(t, os.RemoveAll(filepath.Join(dir, name)))
	delete(s.files, name)
	s.about = s.about && name != "about.json"
}

// requireSame compares directory and model.
func (s *shelf) requireSame(t *rapid.T, dir string) {
	found := map[string]string{}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		require.NoError(t, err)
		found[e.Name()] = string(text)
	}
	require.Equal(t, s.about, found["about.json"] != "")
	delete(found, "about.json")
	require.Equal(t, s.files, found)
}

func seeded(scenario string, seed uint64) *experiment.Result {
	r := empty()
	r.Scenario, r.Seed, r.Notes = "sha256:"+scenario, seed, []string{"n"}
	r.Runs = []experiment.Run{{Name: fmt.Sprint("run of ", scenario, seed)}} // so that every format tells them apart
	return r
}
