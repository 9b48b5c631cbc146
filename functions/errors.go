package functions

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

var (
	// ErrUnknownFunction is the error of a name that is not in the catalog.
	ErrUnknownFunction = errors.New("unknown function")
	// ErrUnknownClass is the error of an input class that a function does not have.
	ErrUnknownClass = errors.New("unknown input class")
	// ErrNotInstalled is the error of a function whose folder has not been installed.
	ErrNotInstalled = errors.New("function not installed")
	// ErrWrongReply is the error of a reply whose content is not what the request asks for.
	ErrWrongReply = errors.New("wrong reply")
)

// A Mistake is one thing wrong in a function.yaml, with its place.
type Mistake struct {
	File         string
	Line, Column int    // from 1; 0 if it concerns the whole file
	Text         string // what is wrong and what is wanted
	Excerpt      string // the lines around it, with a mark; "" if there are none
}

// Error is the place and the text on the first line, the excerpt below.
func (m *Mistake) Error() string {
	if m.Line == 0 {
		return fmt.Sprintf("%s: %s", m.File, m.Text)
	}
	s := fmt.Sprintf("%s:%d:%d: %s", m.File, m.Line, m.Column, m.Text)
	if m.Excerpt != "" {
		s += "\n" + m.Excerpt
	}
	return s
}

// mistakes collects what is wrong in one file.
type mistakes struct {
	file   string
	source []byte
	list   []*Mistake
}

func (m *mistakes) add(node ast.Node, format string, args ...any) {
	var tk *token.Token
	if node != nil {
		tk = node.GetToken()
	}
	m.addAt(tk, fmt.Sprintf(format, args...))
}

func (m *mistakes) addAt(tk *token.Token, text string) {
	one := &Mistake{File: m.file, Text: text}
	if tk != nil && tk.Position != nil {
		one.Line, one.Column = tk.Position.Line, max(1, tk.Position.Column)
		one.Excerpt = excerpt(m.source, one.Line, one.Column)
	}
	m.list = append(m.list, one)
}

// all returns every mistake, by place; nil if there is none.
func (m *mistakes) all() error {
	slices.SortStableFunc(m.list, func(a, b *Mistake) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	// An expectation that several classes share is compared with each one's type.
	once := slices.CompactFunc(m.list, func(a, b *Mistake) bool { return *a == *b })
	var wrong []error
	for _, mistake := range once {
		wrong = append(wrong, mistake)
	}
	return errors.Join(wrong...)
}

// excerpt shows a line with those around it and a mark below the column. (The YAML
// library's own excerpt miscounts lines after a folded text.)
func excerpt(source []byte, line, column int) string {
	const around = 2
	lines := strings.Split(strings.TrimSuffix(string(source), "\n"), "\n")
	var s strings.Builder
	for n := max(1, line-around); n <= min(line+around, len(lines)); n++ {
		mark := ' '
		if n == line {
			mark = '>'
		}
		fmt.Fprintf(&s, "%c %3d | %s\n", mark, n, lines[n-1])
		if n == line {
			fmt.Fprintf(&s, "      | %*s\n", column, "^")
		}
	}
	return s.String()
}
