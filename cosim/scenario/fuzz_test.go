package scenario_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"

	"microcosm/cosim/scenario"
)

// FuzzParse feeds any text: the answer is a scenario that its canonical form
// gives again, or at least one mistake at a line of the text.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.yaml")
	require.NoError(f, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(string(text))
	}
	archive, err := txtar.ParseFile("testdata/mistakes.txtar")
	require.NoError(f, err)
	for _, file := range archive.Files {
		if strings.HasSuffix(file.Name, ".yaml") {
			f.Add(string(file.Data))
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := scenario.Parse("testdata/fuzz.yaml", []byte(text))
		if err != nil {
			var wrong *scenario.Mistakes
			require.True(t, errors.As(err, &wrong))
			require.NotEmpty(t, wrong.List)
			for _, m := range wrong.List {
				require.NotEmpty(t, m.Problem)
				require.GreaterOrEqual(t, m.Line, 1)
				require.LessOrEqual(t, m.Line, 1+strings.Count(text, "\n"))
				require.GreaterOrEqual(t, m.Column, 1)
			}
			require.NotEmpty(t, err.Error())
			return
		}
		again, err := scenario.Parse("testdata/fuzz.yaml", s.Canonical())
		require.NoError(t, err, "%s", s.Canonical())
		require.Equal(t, string(s.Canonical()), string(again.Canonical()))
	})
}

// TestParseOfWhatOnlyAMachineWrites must end soon, with a mistake.
func TestParseOfWhatOnlyAMachineWrites(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"brackets":          strings.Repeat("[", 1<<18),
		"braces":            strings.Repeat("{a: ", 1<<16),
		"brackets, closed":  strings.Repeat("[", 1000) + strings.Repeat("]", 1000),
		"dashes":            strings.Repeat("- ", 1<<17),
		"question marks":    strings.Repeat("? ", 1<<17),
		"indentation":       indented(1000),
		"anchors":           strings.Repeat("&a ", 1<<16),
		"tags":              strings.Repeat("!!map ", 1<<15),
		"laughs":            "a: &a [1,1]\nb: &b [*a,*a]\nc: &c [*b,*b]\n",
		"one long line":     "cluster: " + strings.Repeat("x", 1<<20-100),
		"many keys":         strings.Repeat("a: 1\n", 1<<12),
		"many documents":    strings.Repeat("a: 1\n---\n", 1<<11),
		"too large":         strings.Repeat("#\n", 1<<20),
		"no UTF-8":          "name: \xff\xfe\ncluster: \x80",
		"zeros":             "name: a\x00b\n\x00: 1",
		"byte order mark":   "\ufeffcluster: {}\nworkload: {}",
		"carriage returns":  "cluster: {}\rworkload: {}\r\nname: 3\r",
		"an unclosed quote": "name: \"abc\ncluster: 1",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := scenario.Parse("x.yaml", []byte(text))
			var wrong *scenario.Mistakes
			require.ErrorAs(t, err, &wrong)
			require.NotEmpty(t, wrong.List)
			require.Less(t, len(wrong.List[0].String()), 2000, "a long line is cut")
		})
	}
}

// indented returns a mapping in a mapping and so on.
func indented(depth int) string {
	var b strings.Builder
	for i := range depth {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}
