package scenario

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// eachKey calls visit for every key of the schema, those of policies included. At a
// list it looks below its first item.
func eachKey(visit func(path string, all []field, f field)) {
	var walk func(path string, t reflect.Type)
	walk = func(path string, t reflect.Type) {
		if t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if t == reflect.TypeFor[Stage]() {
			t = reflect.TypeFor[Law]()
		}
		switch {
		case isPolicy(t):
			for _, prototype := range reflect.Zero(t).Interface().(chosen).prototypes() {
				fields := parametersOf(prototype)
				for _, f := range fields {
					visit(path+"."+f.key, fields, f)
				}
			}
		case t.Kind() == reflect.Slice:
			walk(path+"[0]", t.Elem())
		case t.Kind() == reflect.Struct && !isScalar(t):
			fields := fieldsOf(t)
			for _, f := range fields {
				p := strings.TrimPrefix(path+"."+f.key, ".")
				visit(p, fields, f)
				walk(p, f.kind)
			}
		}
	}
	walk("", reflect.TypeFor[Scenario]())
}

// scalarOf reads a text as the value of a key.
func scalarOf(t *testing.T, f field, text string) reflect.Value {
	kind := f.kind
	if kind.Kind() == reflect.Pointer {
		kind = kind.Elem()
	}
	v := reflect.New(kind).Elem()
	require.NoError(t, parseScalar(v, &node{kind: standardKind(v, field{standard: text}), text: text}, ""), "%s: %s", f.key, text)
	return v
}

// TestTagsMeanWhatTheySay: bounds are in order and can be read, defaults lie within
// them, a key that belongs to others stands below them, and keys are written alike.
func TestTagsMeanWhatTheySay(t *testing.T) {
	t.Parallel()
	keys := 0
	eachKey(func(path string, all []field, f field) {
		keys++
		require.Regexp(t, `^[a-z0-9]+(-[a-z0-9]+)*$`, f.key, path)
		require.False(t, f.needed && f.hasStandard, "%s: a key with a default need not be given", path)
		if f.sibling != "" {
			i := slices.IndexFunc(all, func(s field) bool { return s.key == f.sibling })
			require.GreaterOrEqual(t, i, 0, path)
			require.Less(t, i, slices.IndexFunc(all, func(s field) bool { return s.key == f.key }), "%s: its owner is read before", path)
			for _, value := range f.siblings {
				require.Contains(t, all[i].words, value, path)
			}
		}
		if len(f.words) > 0 && f.hasStandard {
			require.Contains(t, f.words, f.standard, path)
		}
		if f.also != "" {
			require.Contains(t, []string{"unlimited", "fitted", "measured"}, f.also, path)
		}
		if f.bounds == "" {
			return
		}
		low, high, found := strings.Cut(f.bounds, "..")
		require.True(t, found && low != "", path)
		least := scalarOf(t, f, low)
		if high != "" {
			require.Negative(t, compare(least, scalarOf(t, f, high)), path)
		}
		if f.hasStandard && f.standard != f.also {
			standard := scalarOf(t, f, f.standard)
			require.GreaterOrEqual(t, compare(standard, least), 0, "%s: %s", path, f.standard)
			require.True(t, high == "" || compare(standard, scalarOf(t, f, high)) <= 0, "%s: %s", path, f.standard)
		}
	})
	require.Greater(t, keys, 150)
}

// TestASettingIsWhatTheFileWouldSay: a value that is set is the same as one that is
// written in the file at its key.
func TestASettingIsWhatTheFileWouldSay(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := string(drawScenario(t).Canonical())
		s := parsed(t, []byte(text))
		other := parsed(t, drawScenario(t).Canonical())
		var both []string
		for _, path := range leaves("", s.origin.root) {
			if (place{node: other.origin.root}).descend(path).node != nil {
				both = append(both, path)
			}
		}
		path := rapid.SampledFrom(both).Draw(t, "path")
		was, value := (place{node: s.origin.root}).descend(path).node, (place{node: other.origin.root}).descend(path).node
		if value.kind != textNode && value.kind != wordNode || isList(path) {
			return
		}
		lines := strings.Split(text, "\n")
		line := lines[was.at.line-1]
		written := value.text
		if value.kind == textNode {
			written = quoted(written)
		}
		lines[was.at.line-1] = string([]rune(line)[:was.at.column-1]) + written
		edited, wrongFile := Parse("drawn.yaml", []byte(strings.Join(lines, "\n")))
		set, wrongSet := s.Override(Setting{Path: path, Value: value.text})
		if wrongFile != nil {
			require.Error(t, wrongSet, "%s: %v", path, wrongFile)
			return
		}
		require.NoError(t, wrongSet, path)
		require.Equal(t, string(edited.Canonical()), string(set.Canonical()), path)
		require.Equal(t, identity(t, edited), identity(t, set))
	})
}

func isList(path string) bool {
	return strings.HasSuffix(path, "]") || strings.HasPrefix(path, "factors")
}

// TestVariantsAreAllCombinations: as many as the product of the levels, the last
// factor fastest, each the scenario with its levels set.
func TestVariantsAreAllCombinations(t *testing.T) {
	t.Parallel()
	levels := map[string][]string{
		"cluster.nodes[0].cores": {"1", "2", "64"}, "fidelity.penalty": {"0", "0.5", "1e-3"}, "seed": {"1", "2", "3"}, "workload.warm-up": {"0s", "5%", "10s"},
		"workload.functions[0].arrivals.rate": {"1/s", "5/min", "0.25/h"}, "cluster.concurrency": {"1", "2", "3"}, "fidelity.platform": {"x", "12", "true"},
	}
	rapid.Check(t, func(t *rapid.T) {
		base := parsed(t, []byte(shortest))
		keys := rapid.Permutation(slices.Sorted(maps.Keys(levels))).Draw(t, "keys")[:rapid.IntRange(1, 4).Draw(t, "factors")]
		text, want := shortest+"factors:\n", [][]string{nil}
		for i, key := range keys {
			own := rapid.Permutation(levels[key]).Draw(t, "levels")[:rapid.IntRange(1, 3).Draw(t, "number")]
			var longer [][]string
			for _, w := range want {
				for _, level := range own {
					longer = append(longer, append(slices.Clone(w), level))
				}
			}
			want = longer
			text += fmt.Sprintf("  - {name: f%d, set: %q, levels: [%s]}\n", i, key, strings.Join(own, ", "))
		}
		variants, err := parsed(t, []byte(text)).Variants()
		require.NoError(t, err)
		require.Len(t, variants, len(want))
		for i, v := range variants {
			require.Equal(t, want[i], v.Levels)
			require.Empty(t, v.Scenario.Factors)
			var settings []Setting
			for j, key := range keys {
				settings = append(settings, Setting{key, want[i][j]})
			}
			alone, err := base.Override(settings...)
			require.NoError(t, err)
			require.Equal(t, string(alone.Canonical()), string(v.Scenario.Canonical()))
		}
	})
}

const shortest = `
cluster: {nodes: [{cores: 2}]}
workload:
  duration: 10m
  functions:
    - {name: jobs, arrivals: {process: poisson, rate: 5/s}, service: {law: exponential, mean: 10ms}}
`
