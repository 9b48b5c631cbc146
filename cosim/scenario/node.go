package scenario

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// nodeKind is what a node holds.
type nodeKind uint8

const (
	nullNode nodeKind = iota
	textNode          // a scalar that is text for certain: quoted, or no number and no truth value
	wordNode          // a number or truth value, as written
	mappingNode
	listNode
	refusedNode // has a mistake already
)

var kindWords = [...]string{"nothing", "text", "number or truth value", "mapping", "list", "refused"}

// node is one value of a YAML document and where it was written. It is
// immutable.
type node struct {
	kind    nodeKind
	text    string  // of a scalar
	entries []entry // of a mapping, in the order written
	items   []*node // of a list
	at      position
}

// entry is one key of a mapping.
type entry struct {
	key   string
	at    position // of the key
	value *node
}

// source is a text that nodes come from.
type source struct {
	name  string
	lines []string
}

// position is a place in a source; line and column count from 1.
type position struct {
	*source
	line, column int
}

func newSource(name, text string) *source {
	return &source{name: name, lines: strings.Split(text, "\n")}
}

func (s *source) start() position { return position{s, 1, 1} }

// mistake returns a mistake at this place.
func (p position) mistake(key, problem string) Mistake {
	m := Mistake{File: p.name, Line: p.line, Column: p.column, Key: key, Problem: problem}
	m.Excerpt, m.caret = excerpt(strings.TrimRight(p.lines[p.line-1], "\r"), p.column)
	return m
}

// find returns the value of a key of a mapping, nil where it is missing.
func (n *node) find(key string) *entry {
	if n == nil {
		return nil
	}
	for i := range n.entries {
		if n.entries[i].key == key {
			return &n.entries[i]
		}
	}
	return nil
}

const (
	maxBytes  = 1 << 20 // a scenario written by hand has a few thousand
	maxColumn = 4096    // deeper nesting than anyone writes: it bounds the parser's recursion
	maxDepth  = 64
)

// parseYAML returns the only document of a YAML text. Anchors, aliases, tags and
// merge keys are refused: what a scenario says must stand where it is read.
func parseYAML(name, text string) (*node, []Mistake) {
	text = strings.TrimPrefix(text, "\ufeff")     // a byte order mark
	text = strings.ReplaceAll(text, "\r\n", "\n") // the lexer counts lines wrong behind comments otherwise
	src := newSource(name, text)
	if len(text) > maxBytes {
		return nil, []Mistake{src.start().mistake("", fmt.Sprintf("the file has %d bytes: a scenario has at most %d", len(text), maxBytes))}
	}
	tokens := lexer.Tokenize(text)
	if m, ok := tooDeep(src, tokens); ok {
		return nil, []Mistake{m}
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey()) // duplicates are reported with all other mistakes
	if err != nil {
		return nil, []Mistake{syntaxMistake(src, err)}
	}
	c := converter{src: src}
	var root *node
	for _, doc := range file.Docs {
		switch {
		case doc.Body == nil:
		case root != nil:
			c.wrong(doc.Body, "a second document begins here: a file holds one scenario")
		default:
			root = c.convert(doc.Body)
		}
	}
	if root == nil && len(c.mistakes) == 0 {
		c.mistakes = append(c.mistakes, src.start().mistake("", "the file is empty: a scenario needs at least cluster and workload"))
	}
	return root, c.mistakes
}

// tooDeep finds nesting that only a machine would write.
func tooDeep(src *source, tokens token.Tokens) (Mistake, bool) {
	depth := 0
	for _, t := range tokens {
		switch t.Type {
		case token.MappingStartType, token.SequenceStartType:
			depth++
		case token.MappingEndType, token.SequenceEndType:
			depth--
		case token.SequenceEntryType, token.MappingKeyType, token.MappingValueType:
			if t.Position.Column > maxColumn {
				return src.of(t).mistake("", "this line is too long"), true
			}
		}
		if depth > maxDepth {
			return src.of(t).mistake("", "brackets are nested too deeply here"), true
		}
	}
	return Mistake{}, false
}

// of returns where a token stands, within the text: the lexer's positions may lie
// behind its end.
func (s *source) of(t *token.Token) position {
	if t == nil || t.Position == nil {
		return s.start()
	}
	return position{s, min(max(1, t.Position.Line), len(s.lines)), max(1, t.Position.Column)}
}

// ofValue is of for the token of a value; the lexer may count a tab before it in.
func (s *source) ofValue(t *token.Token) position {
	p := s.of(t)
	line := s.lines[p.line-1]
	if len(line) > maxColumn {
		return p
	}
	for i, c := range []rune(line) {
		if i+1 >= p.column && c != ' ' && c != '\t' {
			p.column = i + 1
			break
		}
	}
	return p
}

func syntaxMistake(src *source, err error) Mistake {
	var syntax yaml.Error
	if errors.As(err, &syntax) && strings.Contains(syntax.GetMessage(), "'\t'") {
		return src.of(syntax.GetToken()).mistake("", "not YAML: a tab stands where only spaces may; indent with spaces")
	}
	if errors.As(err, &syntax) {
		return src.of(syntax.GetToken()).mistake("", "not YAML: "+syntax.GetMessage())
	}
	return src.start().mistake("", fmt.Sprintf("not YAML: %v", err))
}

// converter turns the parser's nodes into ours.
type converter struct {
	src      *source
	mistakes []Mistake
}

func (c *converter) wrong(n ast.Node, problem string) {
	c.mistakes = append(c.mistakes, c.src.of(n.GetToken()).mistake("", problem))
}

func (c *converter) convert(n ast.Node) *node {
	at := c.src.ofValue(n.GetToken())
	switch n := n.(type) {
	case *ast.NullNode:
		return &node{kind: nullNode, at: at}
	case *ast.StringNode:
		kind := textNode
		if n.Token.Type == token.StringType && isNumber(n.Value) {
			kind = wordNode // 1e3, which the parser takes for text
		}
		return &node{kind: kind, text: n.Value, at: at}
	case *ast.LiteralNode:
		return &node{kind: textNode, text: n.Value.Value, at: at}
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return &node{kind: wordNode, text: n.GetToken().Value, at: at}
	case *ast.SequenceNode:
		list := &node{kind: listNode, at: at}
		for _, item := range n.Values {
			list.items = append(list.items, c.convert(item))
		}
		return list
	case *ast.MappingNode:
		return c.mapping(at, n.Values)
	case *ast.MappingValueNode:
		return c.mapping(at, []*ast.MappingValueNode{n})
	case *ast.AnchorNode:
		return c.refuse(n, "anchors and aliases are not read here: write the value wherever it is meant")
	case *ast.AliasNode:
		return c.refuse(n, "anchors and aliases are not read here: write the value itself")
	case *ast.TagNode:
		return c.refuse(n, "tags are not read here: write the value without it")
	default:
		return c.refuse(n, strings.ToLower(n.Type().String())+" is not read here")
	}
}

func (c *converter) refuse(n ast.Node, problem string) *node {
	c.wrong(n, problem)
	return &node{kind: refusedNode, at: c.src.of(n.GetToken())}
}

func (c *converter) mapping(at position, values []*ast.MappingValueNode) *node {
	m := &node{kind: mappingNode, at: at}
	for _, v := range values {
		if v.Key.IsMergeKey() {
			return c.refuse(v.Key, "merge keys are not read here: write the keys themselves")
		}
		key := v.Key.GetToken()
		if explicit, ok := v.Key.(*ast.MappingKeyNode); ok && explicit.Value != nil {
			key = explicit.Value.GetToken()
		}
		e := entry{key: key.Value, at: c.src.of(key), value: c.convert(v.Value)}
		if len(m.entries) == 0 {
			m.at = e.at // the parser's token is the first colon
		}
		m.entries = append(m.entries, e)
	}
	return m
}
