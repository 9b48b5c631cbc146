package scenario

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// parsed reads a scenario that must be right.
func parsed(t require.TestingT, text []byte) *Scenario {
	s, err := Parse("drawn.yaml", text)
	require.NoError(t, err, "%s", text)
	return s
}

func identity(t require.TestingT, s *Scenario) string {
	id, err := s.Identity()
	require.NoError(t, err)
	return id
}

func TestCanonicalRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		drawn := drawScenario(t).Canonical()
		first := parsed(t, drawn)
		require.Equal(t, string(drawn), string(first.Canonical()))
		second := parsed(t, first.Canonical())
		require.Equal(t, identity(t, first), identity(t, second))
		first.origin, second.origin = origin{}, origin{}
		require.Equal(t, first, second)
	})
}

// TestIdentityIgnoresForm writes a scenario in another order of keys, another
// style and with comments.
func TestIdentityIgnoresForm(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := parsed(t, drawScenario(t).Canonical())
		var b bytes.Buffer
		disguise(t, &b, s.origin.root, 0)
		other := parsed(t, b.Bytes())
		require.Equal(t, identity(t, s), identity(t, other), "%s", b.String())
		require.Equal(t, string(s.Canonical()), string(other.Canonical()))
	})
}

// disguise writes a node with its keys in any order, in flow style below the
// second level, and with comments where they may stand.
func disguise(t *rapid.T, b *bytes.Buffer, n *node, depth int) {
	switch n.kind {
	case mappingNode:
		entries := rapid.Permutation(n.entries).Draw(t, "order")
		if depth >= 2 {
			b.WriteString("{")
			for _, e := range entries {
				b.WriteString(e.key + ": ")
				disguise(t, b, e.value, depth+1)
				b.WriteString(", ")
			}
			b.WriteString("}")
			return
		}
		for _, e := range entries {
			fmt.Fprintf(b, "\n# a comment on %s\n%s%s: ", e.key, strings.Repeat("    ", depth), e.key)
			disguise(t, b, e.value, depth+1)
			b.WriteString(" # and another")
		}
		b.WriteString("\n")
	case listNode:
		b.WriteString("[")
		for _, item := range n.items {
			disguise(t, b, item, depth+2)
			b.WriteString(", ")
		}
		b.WriteString("]")
	case wordNode:
		b.WriteString(n.text)
	default:
		b.WriteString(quoted(n.text))
	}
}

// TestIdentityKnowsEveryKey changes one value anywhere and sees another
// identity, unless it is one of execution.
func TestIdentityKnowsEveryKey(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	rapid.Check(t, func(t *rapid.T) {
		s := parsed(t, drawScenario(t).Canonical())
		other := parsed(t, drawScenario(t).Canonical())
		paths := leaves("", s.origin.root)
		section := rapid.SampledFrom([]string{"name", "description", "seed", "cluster", "workload", "fidelity", "execution"}).Draw(t, "section")
		paths = slices.DeleteFunc(paths, func(path string) bool { first, _, _ := strings.Cut(path, "."); return first != section })
		if len(paths) == 0 {
			return
		}
		path := rapid.SampledFrom(paths).Draw(t, "path")
		value := (place{node: other.origin.root}).descend(path).node
		steps, err := parsePath(path)
		require.NoError(t, err)
		was := (place{node: s.origin.root}).descend(path).node
		if value == nil || value.text == was.text || value.kind != was.kind {
			return
		}
		root, err := s.origin.root.with(steps, value)
		require.NoError(t, err)
		changed, mistakes := s.origin.read(root)
		if len(mistakes) > 0 || bytes.Equal(changed.Canonical(), s.Canonical()) {
			return // it contradicts the rest, or says the same in other words
		}
		seen[section] = true
		same := identity(t, s) == identity(t, changed)
		require.Equal(t, section == "execution", same, "%s: %s instead of %s", path, value.text, was.text)
	})
	if testing.Short() {
		return // a fifth of the draws may leave a section out
	}
	for _, section := range []string{"name", "description", "seed", "cluster", "workload", "fidelity", "execution"} {
		require.Contains(t, seen, section, "no draw changed it")
	}
}

// leaves returns the paths of all scalars.
func leaves(path string, n *node) []string {
	var list []string
	for _, e := range n.entries {
		list = append(list, leaves(strings.TrimPrefix(path+"."+e.key, "."), e.value)...)
	}
	for i, item := range n.items {
		list = append(list, leaves(fmt.Sprintf("%s[%d]", path, i), item)...)
	}
	if n.kind == textNode || n.kind == wordNode {
		list = append(list, path)
	}
	return list
}

// TestEveryKeyIsDrawn keeps the generator honest: a new key that it passes over
// would not be tested above.
func TestEveryKeyIsDrawn(t *testing.T) {
	t.Parallel()
	missing := map[string]bool{}
	var visit func(t reflect.Type)
	visit = func(t reflect.Type) {
		for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
			t = t.Elem()
		}
		if t == reflect.TypeFor[Stage]() {
			t = reflect.TypeFor[Law]()
		}
		if t.Kind() != reflect.Struct || isScalar(t) {
			return
		}
		fields := fieldsOf(t)
		if isPolicy(t) {
			fields = policyKeys(t)
		}
		for _, f := range fields {
			missing[f.key] = true
			visit(f.kind)
		}
	}
	visit(reflect.TypeFor[Scenario]())
	for _, key := range []string{"map", "mapper", "profiles", "error-cap", "memory", "iat", "shift", "granularity", "scale", "skip-incomplete", "for"} {
		delete(missing, key) // need files, contradict most of what is drawn, or have a short form
	}
	scenarios := rapid.Custom(drawScenario)
	for seed := 0; seed < 1000 && len(missing) > 0; seed++ {
		for _, path := range leaves("", parsed(t, scenarios.Example(seed).Canonical()).origin.root) {
			for _, step := range strings.FieldsFunc(path, func(c rune) bool { return c == '.' || c == '[' }) {
				delete(missing, step)
			}
		}
	}
	require.Empty(t, missing)
}
