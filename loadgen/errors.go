package loadgen

import (
	"errors"
	"fmt"
)

// FieldError is a mistake in one field of a description.
type FieldError struct {
	Field   string // path in lower case, e.g. "rate" or "states[1].sojourn"
	Problem string // what is wrong and what is wanted
}

// Error returns the field and its problem.
func (e *FieldError) Error() string { return e.Field + ": " + e.Problem }

// fieldErrors collects mistakes that do not depend on each other.
type fieldErrors []error

// check notes a mistake unless ok.
func (l *fieldErrors) check(ok bool, field, format string, args ...any) {
	if !ok {
		*l = append(*l, &FieldError{Field: field, Problem: fmt.Sprintf(format, args...)})
	}
}

func (l fieldErrors) join() error { return errors.Join(l...) }
