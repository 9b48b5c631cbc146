package functions

import (
	"errors"
	"math"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"microcosm/setup/spelling"
)

// The readers below take one YAML node each, add a mistake where it is not what
// they want, and then return a zero value so that reading can go on.

// parseYAML returns the body of the only document in the source, nil after a mistake.
func (m *mistakes) parseYAML() ast.Node {
	file, err := parser.ParseBytes(m.source, 0)
	if err != nil {
		var syntax yaml.Error
		if errors.As(err, &syntax) {
			m.addAt(syntax.GetToken(), syntax.GetMessage())
		} else {
			m.add(nil, "%v", err)
		}
		return nil
	}
	if len(file.Docs) != 1 || file.Docs[0].Body == nil {
		m.add(nil, "want one YAML document that describes a function")
		return nil
	}
	return file.Docs[0].Body
}

// entry is one key of a mapping with its value.
type entry struct {
	key   string
	name  ast.Node
	value ast.Node
}

// entries returns what is in a mapping, in the order written.
func (m *mistakes) entries(node ast.Node) []entry {
	if _, ok := node.(*ast.NullNode); ok || node == nil {
		m.add(node, "empty: want a mapping")
		return nil
	}
	mapping, ok := node.(ast.MapNode)
	if !ok {
		m.add(node, "want a mapping, not a %s", kind(node))
		return nil
	}
	var list []entry
	for it := mapping.MapRange(); it.Next(); {
		name := it.Key()
		list = append(list, entry{key: keyText(name), name: name, value: it.Value()})
	}
	return list
}

func keyText(key ast.MapKeyNode) string {
	if s, ok := key.(*ast.StringNode); ok {
		return s.Value
	}
	return key.GetToken().Value
}

// fields reads a mapping with known keys; required ones that are missing and
// keys that nobody knows are mistakes.
func (m *mistakes) fields(node ast.Node, required []string, known map[string]func(ast.Node)) {
	seen := map[string]bool{}
	list := m.entries(node)
	for _, e := range list {
		read, ok := known[e.key]
		if !ok {
			names := make([]string, 0, len(known))
			for name := range known {
				names = append(names, name)
			}
			m.add(e.name, "unknown key %q%s", e.key, suggest(e.key, names))
			continue
		}
		seen[e.key] = true
		read(e.value)
	}
	if list == nil {
		return
	}
	for _, key := range required {
		if !seen[key] {
			m.add(list[0].name, "key %q is missing", key)
		}
	}
}

// text reads a scalar as the text it was written as.
func (m *mistakes) text(node ast.Node) string {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value
	case *ast.LiteralNode:
		return n.Value.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return node.GetToken().Value
	}
	m.add(node, "want text, not a %s", kind(node))
	return ""
}

// word reads text that must not be empty.
func (m *mistakes) word(node ast.Node) string {
	before := len(m.list)
	s := m.text(node)
	if s == "" && len(m.list) == before {
		m.add(node, "must not be empty")
	}
	return s
}

// whole reads an integer from lo to hi.
func (m *mistakes) whole(node ast.Node, lo, hi int64) int64 {
	n, ok := node.(*ast.IntegerNode)
	if !ok {
		m.add(node, "want a whole number, not a %s", kind(node))
		return 0
	}
	var v int64
	switch x := n.Value.(type) {
	case int64:
		v = x
	case uint64:
		if x > math.MaxInt64 {
			m.add(node, "%d is too large: want %d to %d", x, lo, hi)
			return 0
		}
		v = int64(x)
	}
	if v < lo || v > hi {
		m.add(node, "%d is out of range: want %d to %d", v, lo, hi)
		return 0
	}
	return v
}

// items reads a sequence.
func (m *mistakes) items(node ast.Node) []ast.Node {
	seq, ok := node.(*ast.SequenceNode)
	if !ok {
		m.add(node, "want a list, not a %s", kind(node))
		return nil
	}
	return seq.Values
}

// words reads a sequence of non-empty texts.
func (m *mistakes) words(node ast.Node) []string {
	var list []string
	for _, item := range m.items(node) {
		list = append(list, m.word(item))
	}
	return list
}

func kind(node ast.Node) string {
	switch node.(type) {
	case nil, *ast.NullNode:
		return "nothing"
	case ast.MapNode:
		return "mapping"
	case *ast.SequenceNode:
		return "list"
	}
	return strings.ToLower(node.Type().String())
}

// suggest names the candidates nearest to a mistyped name, "" if there are none.
func suggest(name string, candidates []string) string {
	near := spelling.Nearest(name, candidates)
	if len(near) == 0 {
		slices.Sort(candidates)
		return ": known are " + strings.Join(candidates, ", ")
	}
	return ": did you mean " + strings.Join(near, " or ") + "?"
}
