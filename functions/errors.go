package functions

import (
	"errors"
	"fmt"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/printer"
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

func mistakeAt(file string, tk *token.Token, text string) *Mistake {
	m := &Mistake{File: file, Text: text}
	if tk == nil || tk.Position == nil {
		return m
	}
	m.Line, m.Column = tk.Position.Line, tk.Position.Column
	var p printer.Printer
	m.Excerpt = p.PrintErrorToken(tk, false)
	return m
}

// mistakes collects what is wrong in one file.
type mistakes struct {
	file string
	list []*Mistake
}

func (m *mistakes) add(node ast.Node, format string, args ...any) {
	var tk *token.Token
	if node != nil {
		tk = node.GetToken()
	}
	m.list = append(m.list, mistakeAt(m.file, tk, fmt.Sprintf(format, args...)))
}
