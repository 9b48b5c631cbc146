package loadgen

import (
	"errors"
	"fmt"
	"strings"
)

// FieldError is a mistake in one field of a description.
type FieldError struct {
	Field   string // path in lower case, e.g. "rate" or "states[1].sojourn"
	Problem string // what is wrong and what is wanted
}

// Error returns the field and its problem.
func (e *FieldError) Error() string { return e.Field + ": " + e.Problem }

// FileError is a mistake in a file.
type FileError struct {
	File    string
	Line    int    // 0 where the file as a whole is meant
	Column  string // name in the header; empty where the row is meant
	Problem string // what is wrong and what is wanted
	Err     error  // the cause, if another package found it; may be nil
}

// Error returns "file:line: column: problem".
func (e *FileError) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d", e.Line)
	}
	if e.Column != "" {
		b.WriteString(": column " + e.Column)
	}
	b.WriteString(": " + e.Problem)
	return b.String()
}

// Unwrap returns the cause.
func (e *FileError) Unwrap() error { return e.Err }

// fieldErrors collects mistakes that do not depend on each other.
type fieldErrors []error

// check notes a mistake unless ok.
func (l *fieldErrors) check(ok bool, field, format string, args ...any) {
	if !ok {
		*l = append(*l, &FieldError{Field: field, Problem: fmt.Sprintf(format, args...)})
	}
}

func (l fieldErrors) join() error { return errors.Join(l...) }
