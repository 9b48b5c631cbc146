package scenario

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestTheSchemaAcceptsEveryDrawnScenario in its normal form: whatever keys meet.
func TestTheSchemaAcceptsEveryDrawnScenario(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		root := parsed(t, drawScenario(t).Canonical()).origin.root
		require.Empty(t, violations(root))
	})
}

// everywhere returns the paths of all nodes below the root.
func everywhere(path string, n *node) (list []string) {
	for _, e := range n.entries {
		p := strings.TrimPrefix(path+"."+e.key, ".")
		list = append(append(list, p), everywhere(p, e.value)...)
	}
	for i, item := range n.items {
		p := path + "[" + number(float64(i)) + "]"
		list = append(append(list, p), everywhere(p, item)...)
	}
	return list
}

// values are what may stand where something else is wanted.
var values = []node{
	{kind: wordNode, text: "1.5"}, {kind: wordNode, text: "-1"}, {kind: wordNode, text: "0"}, {kind: wordNode, text: "7"}, {kind: wordNode, text: "1e3"},
	{kind: wordNode, text: "99999999999"}, {kind: wordNode, text: "true"}, {kind: textNode, text: "5"}, {kind: textNode, text: "true"}, {kind: textNode, text: ""},
	{kind: textNode, text: "5s"}, {kind: textNode, text: "+5s"}, {kind: textNode, text: "1h30m"}, {kind: textNode, text: "1d2h"}, {kind: textNode, text: "5 s"},
	{kind: textNode, text: "40%"}, {kind: textNode, text: "+40%"}, {kind: textNode, text: "400%"}, {kind: textNode, text: "3/s"}, {kind: textNode, text: "1e3/min"},
	{kind: textNode, text: "64MiB"}, {kind: textNode, text: "1e3MiB"}, {kind: textNode, text: ".5GiB"}, {kind: textNode, text: "1MB"}, {kind: textNode, text: "64KiB"},
	{kind: textNode, text: "1e3MB/s"}, {kind: textNode, text: "250m"}, {kind: textNode, text: "unlimited"}, {kind: textNode, text: "measured"}, {kind: textNode, text: "fitted"},
	{kind: textNode, text: "random"}, {kind: textNode, text: "knative"}, {kind: textNode, text: "some words"}, {kind: textNode, text: "ahead"},
	{kind: nullNode}, {kind: listNode}, {kind: mappingNode}, {kind: listNode, items: []*node{{kind: wordNode, text: "3"}}},
	{kind: listNode, items: []*node{{kind: textNode, text: "a"}}}, {kind: mappingNode, entries: []entry{{key: "x", value: &node{kind: wordNode, text: "1"}}}},
}

// mutated returns a copy of a document in which one thing is another, missing or new.
func mutated(t *rapid.T, root *node) (*node, string) {
	path := rapid.SampledFrom(everywhere("", root)).Draw(t, "path")
	steps, err := parsePath(path)
	require.NoError(t, err)
	at := place{node: root}.descend(path).node.at
	var value *node
	switch what := rapid.SampledFrom([]string{"replace", "replace", "replace", "move", "remove", "add"}).Draw(t, "what"); what {
	case "replace":
		other := rapid.SampledFrom(values).Draw(t, "value")
		value = placed(&other, at)
	case "move":
		value = place{node: root}.descend(rapid.SampledFrom(everywhere("", root)).Draw(t, "from")).node
	case "remove":
		parent := steps[:len(steps)-1]
		if last := steps[len(steps)-1]; last.key != "" {
			below := nodeAt(root, parent).without(last.key)
			changed, err := root.with(parent, below)
			require.NoError(t, err)
			return changed, "without " + path
		}
		value = &node{kind: nullNode, at: at}
	default:
		value = &node{kind: mappingNode, at: at, entries: []entry{{key: "unheard-of", at: at, value: &node{kind: wordNode, text: "1", at: at}}}}
		if old := nodeAt(root, steps); old.kind == mappingNode {
			value.entries = append(slices.Clone(old.entries), value.entries...)
		}
	}
	changed, err := root.with(steps, value)
	require.NoError(t, err)
	return changed, "another " + path
}

// placed returns a copy of a node that stands at a place.
func placed(n *node, at position) *node {
	c := *n
	c.at, c.items, c.entries = at, nil, nil
	for _, item := range n.items {
		c.items = append(c.items, placed(item, at))
	}
	for _, e := range n.entries {
		c.entries = append(c.entries, entry{e.key, at, placed(e.value, at)})
	}
	return &c
}

func nodeAt(root *node, steps []step) *node {
	for _, s := range steps {
		if s.key == "" {
			root = root.items[s.index]
		} else {
			root = root.find(s.key).value
		}
	}
	return root
}

// visible are the mistakes that a schema sees without a view of the whole.
var visible = regexp.MustCompile(`^unknown key|^want (a whole number|a number|true or false|keys such as|a list)|^want a (duration|rate|size|share) .*, not a|lacks the unit of|^is empty: |the list is empty|` +
	` is not known: |^goes with [a-z-]+: .* only; remove it$|^the key is missing: add [a-z-]+: (a|one|true|text)\b`)

// ofFactors is what mutated says of a change in a factor.
var ofFactors = regexp.MustCompile(`^(another|without) factors\[`)

var ofLevels = regexp.MustCompile(`^factors\[\d+\]\.levels`)

// TestSchemaAndReaderAgree on documents that are spoiled in one place: what the
// reader accepts the schema accepts, and what is wrong with one key by itself both
// refuse.
func TestSchemaAndReaderAgree(t *testing.T) {
	t.Parallel()
	accepted, refused := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		s := parsed(t, drawScenario(t).Canonical())
		root, what := mutated(t, s.origin.root)
		if root.kind != mappingNode {
			return
		}
		changed, mistakes := s.origin.read(root)
		wrong := violations(root)
		if len(mistakes) == 0 {
			accepted++
			require.Empty(t, wrong, "%s: the reader accepts it", what)
			require.Empty(t, violations(parsed(t, changed.Canonical()).origin.root))
			return
		}
		for _, m := range mistakes {
			// A schema sees neither the other sections, nor that 1e3 is not written as a
			// whole number, nor what Knative's settings, any text, are to mean, nor what the
			// key wants that a factor sets: such a mistake bears the name of either key.
			hidden := strings.Contains(m.Problem, "goes with cluster.") || strings.HasSuffix(m.Problem, "not 1e3") || strings.HasPrefix(m.Key, "cluster.knative.") ||
				ofLevels.MatchString(m.Key) || ofFactors.MatchString(what) && !strings.HasPrefix(m.Key, "factors[")
			if visible.MatchString(m.Problem) && !hidden {
				refused++
				require.NotEmpty(t, wrong, "%s: %s: %s", what, m.Key, m.Problem)
			}
		}
	})
	if !testing.Short() { // few draws may be of one kind
		require.Positive(t, accepted)
		require.Positive(t, refused)
	}
}

// TestWhatAPatternOfTheSchemaAcceptsHasAUnit: the schema's patterns and the readers
// of texts with units take the same ones.
func TestWhatAPatternOfTheSchemaAcceptsHasAUnit(t *testing.T) {
	t.Parallel()
	digits := rapid.SampledFrom([]string{"0", "5", "1.5", ".5", "5.", "007", "1e3", "1E3", "1e-3", "+5", "-5", "1_0", "0x5", "", "x", " 5"})
	units := rapid.SampledFrom([]string{"s", "ms", "us", "µs", "μs", "ns", "m", "h", "d", "w", "", "%", "/s", "/sec", "/min", "/h", "/d", "/y", "MiB", "GiB", "TiB", "MB", "KiB", "B", "kB", "GB", "MB/s", "KiB/s", " s"})
	readers := map[string]func(text string) error{
		"time.Duration": func(text string) error { _, err := parseDuration(text); return err },
		"Rate":          func(text string) error { var r Rate; return r.UnmarshalText([]byte(text)) },
		"MiB":           func(text string) error { var m MiB; return m.UnmarshalText([]byte(text)) },
		"CPU":           func(text string) error { var c CPU; return c.UnmarshalText([]byte(text)) },
		"Bytes":         func(text string) error { var b Bytes; return b.UnmarshalText([]byte(text)) },
		"Bandwidth":     func(text string) error { var b Bandwidth; return b.UnmarshalText([]byte(text)) },
		"Share":         func(text string) error { var s Share; return s.UnmarshalText([]byte(text)) },
	}
	patterns := map[string]string{
		"time.Duration": durationPattern, "Rate": ratePattern, "MiB": sizePattern, "CPU": cpuPattern, "Bytes": bytesPattern, "Bandwidth": bandwidthPattern, "Share": percentPattern,
	}
	rapid.Check(t, func(t *rapid.T) {
		text := digits.Draw(t, "digits") + units.Draw(t, "unit")
		for kind, read := range readers {
			matches := regexp.MustCompile(patterns[kind]).MatchString(text)
			err := read(text)
			switch {
			case strings.HasPrefix(text, "-"): // read, and then out of range
			case err == nil && !isNumber(text): // a number is another choice of the schema's
				require.True(t, matches, "%s %q is read", kind, text)
			case err != nil && matches: // of the right form, and yet no such amount
				require.Contains(t, []string{"MiB", "Bytes", "Bandwidth", "CPU"}, kind, "%q: %v", text, err)
			}
		}
	})
}
