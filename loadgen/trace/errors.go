package trace

import (
	"errors"
	"fmt"
	"strings"
)

// Mistake is one thing that is wrong in a trace.
type Mistake struct {
	File    string
	Line    int    // 0 where the file as a whole is meant
	Column  string // name in the header; empty where the row is meant
	Problem string // what is wrong and what is wanted
	Err     error  // the cause, if another package found it; may be nil
}

// Error returns "file:line: column: problem".
func (m *Mistake) Error() string {
	var b strings.Builder
	b.WriteString(m.File)
	if m.Line > 0 {
		fmt.Fprintf(&b, ":%d", m.Line)
	}
	if m.Column != "" {
		b.WriteString(": column " + m.Column)
	}
	b.WriteString(": " + m.Problem)
	return b.String()
}

// Unwrap returns the cause.
func (m *Mistake) Unwrap() error { return m.Err }

// maxMistakes is how many are listed before reading stops.
const maxMistakes = 50

// mistakes collects what is wrong, so that one reading tells all.
type mistakes []error

func (l *mistakes) add(m Mistake) { *l = append(*l, &m) }

// full reports that reading on is of no use to anyone.
func (l *mistakes) full() bool { return len(*l) >= maxMistakes }

func (l *mistakes) join() error {
	if l.full() {
		*l = append((*l)[:maxMistakes], fmt.Errorf("reading stopped after %d mistakes: there may be more", maxMistakes))
	}
	return errors.Join(*l...)
}
