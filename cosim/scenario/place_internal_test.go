package scenario

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// odder is a text that no key with a type of its own takes. Its characters have
// one, two, three and four bytes.
const odder = "☠wröng😀"

// spoiledText draws a scenario with one value that is wrong, written in any form,
// and returns the path of the value. ok is false where the key takes any text.
func spoiledText(t *rapid.T) (path, text string, ok bool) {
	s := parsed(t, drawScenario(t).Canonical())
	path = rapid.SampledFrom(leaves("", s.origin.root)).Draw(t, "path")
	steps, err := parsePath(path)
	require.NoError(t, err)
	root, err := s.origin.root.with(steps, &node{kind: textNode, text: odder, at: s.origin.root.at})
	require.NoError(t, err)
	_, mistakes := s.origin.read(root)
	ok = slices.ContainsFunc(mistakes, func(m Mistake) bool { return m.Key == path && strings.Contains(m.Problem, odder) })
	var b bytes.Buffer
	disguise(t, &b, root, 0)
	return path, b.String(), ok
}

// otherSystems are what editors and systems make of the same text.
var otherSystems = map[string]func(text string) string{
	"as it is":         func(text string) string { return text },
	"carriage returns": func(text string) string { return strings.ReplaceAll(text, "\n", "\r\n") },
	"byte order mark":  func(text string) string { return "\ufeff" + text },
	"document markers": func(text string) string { return "# first\n---" + text + "\n...\n" },
	"more blanks":      func(text string) string { return strings.ReplaceAll(text, ": ", ":   ") },
	"no last newline":  func(text string) string { return strings.TrimRight(text, "\n") },
}

// TestAMistakeStandsWhereItIsWritten in whatever form the scenario is written: its
// line, its column in characters, and an excerpt with the caret below it.
func TestAMistakeStandsWhereItIsWritten(t *testing.T) {
	t.Parallel()
	seen := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		path, text, ok := spoiledText(t)
		if !ok {
			return
		}
		system := evenly(t, "system", "as it is", "carriage returns", "byte order mark", "document markers", "more blanks", "no last newline")
		text = otherSystems[system](text)
		_, err := Parse("drawn.yaml", []byte(text))
		var mistakes *Mistakes
		require.ErrorAs(t, err, &mistakes, text)
		i := slices.IndexFunc(mistakes.List, func(m Mistake) bool { return m.Key == path })
		require.GreaterOrEqual(t, i, 0, "%v", err)
		m := mistakes.List[i]
		lines := strings.Split(strings.TrimPrefix(text, "\ufeff"), "\n")
		before, _, found := strings.Cut(lines[m.Line-1], odder)
		require.True(t, found, "%s: line %d", system, m.Line)
		require.Equal(t, len([]rune(before)), m.Column, "%s: the quote before it\n%s", system, lines[m.Line-1])
		excerpt := []rune(m.Excerpt)
		require.Equal(t, `"`+odder, string(excerpt[m.caret:min(len(excerpt), m.caret+1+len([]rune(odder)))]), system)
		require.NotContains(t, m.Excerpt, "\r")
		require.LessOrEqual(t, len(excerpt), maxExcerpt+2)
		requireCaret(t, m)
		seen[system]++
	})
	require.NotEmpty(t, seen)
}

// requireCaret looks at what is printed: the caret stands below the first character
// of what is wrong, where a tab takes as much room in both lines.
func requireCaret(t *rapid.T, m Mistake) {
	lines := strings.Split(m.String(), "\n")
	require.Len(t, lines, 3, "%s", m)
	shown, below := []rune(lines[1]), []rune(lines[2])
	require.Equal(t, '^', below[len(below)-1])
	require.Equal(t, `"`+odder, string(shown[len(below)-1:len(below)+len([]rune(odder))]))
	for i, r := range below[:len(below)-1] {
		if r == '\t' {
			require.Equal(t, '\t', shown[i])
		}
	}
}
