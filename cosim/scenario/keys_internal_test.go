package scenario

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/setup/spelling"
)

// TestAKeyThatIsMisspeltIsRecognized anywhere: the key is named at its place, with
// what was meant, and is not said to be missing as well.
func TestAKeyThatIsMisspeltIsRecognized(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := parsed(t, drawScenario(t).Canonical())
		paths := slices.DeleteFunc(everywhere("", s.origin.root), func(path string) bool {
			key := path[strings.LastIndex(path, ".")+1:]
			return strings.HasSuffix(path, "]") || len(key) < 5 || strings.HasSuffix(path, ".policy")
		})
		path := rapid.SampledFrom(paths).Draw(t, "path")
		steps, err := parsePath(path)
		require.NoError(t, err)
		parent, key := steps[:len(steps)-1], steps[len(steps)-1].key
		cut := rapid.IntRange(1, len(key)-2).Draw(t, "cut")
		misspelt := key[:cut] + key[cut+1:]
		mapping := *nodeAt(s.origin.root, parent)
		var siblings []string
		mapping.entries = slices.Clone(mapping.entries)
		for i := range mapping.entries {
			siblings = append(siblings, mapping.entries[i].key)
			if mapping.entries[i].key == key {
				mapping.entries[i].key = misspelt
			}
		}
		if slices.Contains(siblings, misspelt) || misspelt == key {
			return
		}
		root, err := s.origin.root.with(parent, &mapping)
		require.NoError(t, err)
		_, mistakes := s.origin.read(root)
		above := strings.TrimSuffix(path, key)
		i := slices.IndexFunc(mistakes, func(m Mistake) bool { return m.Key == above+misspelt })
		require.GreaterOrEqual(t, i, 0, "%s: %v", path, mistakes)
		require.Contains(t, mistakes[i].Problem, "unknown key: did you mean ")
		near := spelling.Nearest(misspelt, append(siblings, key))
		require.Contains(t, near, key)
		for _, m := range mistakes {
			require.False(t, m.Key == path && strings.Contains(m.Problem, "the key is missing"), "%s: %s", path, m.Problem)
		}
	})
}

// TestWhatIsWrittenOnceMustNotBeWrittenTwice: every key, at the place of the second.
func TestWhatIsWrittenOnceMustNotBeWrittenTwice(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := string(drawScenario(t).Canonical())
		lines := strings.SplitAfter(text, "\n")
		var tops []int // sections: what is written twice is the whole of one
		for i, line := range lines {
			if line != "" && line[0] != ' ' {
				tops = append(tops, i)
			}
		}
		n := rapid.IntRange(0, len(tops)-1).Draw(t, "section")
		end := len(lines)
		if n+1 < len(tops) {
			end = tops[n+1]
		}
		key, _, _ := strings.Cut(lines[tops[n]], ":")
		_, err := Parse("drawn.yaml", []byte(text+strings.Join(lines[tops[n]:end], "")))
		var mistakes *Mistakes
		require.ErrorAs(t, err, &mistakes)
		last := mistakes.List[len(mistakes.List)-1]
		require.Equal(t, key, last.Key)
		require.Equal(t, strings.Count(text, "\n")+1, last.Line)
		require.Equal(t, 1, last.Column)
		require.Equal(t, "given twice: remove this one or that on line "+number(float64(tops[n]+1)), last.Problem)
	})
}
