package platforms

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// scripts are those that make a machine of a platform.
func scripts(t *testing.T) string {
	t.Helper()
	paths, err := filepath.Glob("../config/*.py")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	var all strings.Builder
	for _, path := range paths {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		all.Write(text)
	}
	return all.String()
}

// builtElsewhere are parameters that reach the machine by another way than a
// specification's platform: what gem5bridge/gem5 writes as "memory".
var builtElsewhere = []string{memoryName}

// TestEveryParameterIsBuilt compares the table with what the scripts read: a
// parameter that nobody reads would change the digest and nothing else, and one that
// is not in the table would end every run.
func TestEveryParameterIsBuilt(t *testing.T) {
	t.Parallel()
	text := scripts(t)
	read := map[string]bool{}
	for _, match := range regexp.MustCompile(`spec\[['"]([a-z0-9_.]+)['"]\]`).FindAllStringSubmatch(text, -1) {
		read[match[1]] = true
	}
	for _, name := range wordsOf(t, text, "O3") {
		read[name] = true
	}
	// Level reads the parameters of the cache that it is named after.
	for _, level := range regexp.MustCompile(`Level\(\s*spec, "([a-z0-9]+)"`).FindAllStringSubmatch(text, -1) {
		for _, of := range regexp.MustCompile(`spec\[name \+ ['"](\.[a-z]+)['"]\]`).FindAllStringSubmatch(text, -1) {
			read[level[1]+of[1]] = true
		}
	}
	for _, name := range names {
		if !slices.Contains(builtElsewhere, name) {
			require.True(t, read[name], "no script reads %s", name)
		}
		delete(read, name)
	}
	require.Empty(t, read, "the scripts read what no platform has")
}

func TestEveryWordIsBuilt(t *testing.T) {
	t.Parallel()
	text := scripts(t)
	for dictionary, parameters := range map[string][]string{
		"MODELS": {modelName}, "PREDICTORS": {"predictor.direction"}, "MEMORIES": {"memory.technology"},
		"PREFETCHERS": {"l1i.prefetcher", "l1d.prefetcher", "l2.prefetcher", "l3.prefetcher"},
	} {
		for _, name := range parameters {
			require.ElementsMatch(t, table[name].words, wordsOf(t, text, dictionary), name)
		}
	}
}

// wordsOf returns the keys of a dictionary of the scripts.
func wordsOf(t *testing.T, script, dictionary string) []string {
	t.Helper()
	_, text, found := strings.Cut(script, "\n"+dictionary+" = {\n")
	if !found {
		_, text, found = strings.Cut(script, "\n"+dictionary+" = {")
	}
	require.True(t, found, dictionary)
	text, _, _ = strings.Cut(text, "}")
	var words []string
	for _, match := range regexp.MustCompile(`"([^"]+)":`).FindAllStringSubmatch(text, -1) {
		words = append(words, match[1])
	}
	return words
}
