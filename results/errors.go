package results

import (
	"errors"
	"fmt"
	"strings"

	"github.com/mattn/go-sqlite3"

	"microcosm/cosim/servicetime"
)

// ErrReadOnly says that a store opened with Options.ReadOnly was asked to
// change.
var ErrReadOnly = errors.New("the store was opened read-only")

// NotStoreError says that the file at Path is no store. It was neither changed
// nor replaced.
type NotStoreError struct {
	Path string
	What string // what it is instead, e.g. "not an SQLite database"
}

// Error says what the file is and what to do.
func (e *NotStoreError) Error() string {
	return fmt.Sprintf("%s is %s, and was left as it is; name another file for the store, or move this one away", e.Path, e.What)
}

// VersionError says that the store at Path has a schema this program cannot
// use: a newer one, or, when it may only read, an older one. It was not changed.
type VersionError struct {
	Path  string
	Found int64 // the file's schema version
	Known int64 // the newest schema version this program knows
}

// Error says which version was found and what to do.
func (e *VersionError) Error() string {
	if e.Found > e.Known {
		return fmt.Sprintf("%s was written by a newer version of this program (schema %d, known up to %d) and was left as it is; update the program or name another file", e.Path, e.Found, e.Known)
	}
	return fmt.Sprintf("%s has the older schema %d and was opened for reading only; open it once for writing to bring it to schema %d", e.Path, e.Found, e.Known)
}

// CorruptError says that SQLite found the store at Path damaged, or that a row
// does not hold what was written.
type CorruptError struct {
	Path string
	Err  error
	// Unopened says that the damage keeps the store from being opened, so that
	// nothing in it can be listed or saved.
	Unopened bool
}

// Error says what is damaged and what to do.
func (e *CorruptError) Error() string {
	if e.Unopened {
		return fmt.Sprintf("%s is damaged so that it cannot be opened: %v; move it away, and fill a new store with `cosim store import` from an export or `cosim store merge` from a copy", e.Path, e.Err)
	}
	return fmt.Sprintf("%s is damaged: %v; list the damage with `cosim store verify`, then save what is sound with `cosim --store NEW store merge --salvage %s`", e.Path, e.Err, e.Path)
}

// Unwrap returns what SQLite or the check reported.
func (e *CorruptError) Unwrap() error { return e.Err }

// Conflict is one sample that exists with other content.
type Conflict struct {
	Key     servicetime.Key
	N       int
	Differs []string // what differs, as "round_trip 5 is 7 in the store"
}

// ConflictError lists every sample that could not be stored because its key and
// number exist with other content. Nothing of that call was stored.
type ConflictError struct {
	Conflicts []Conflict
}

// maxListed bounds how many members of a long list an error message spells out.
const maxListed = 10

// Error lists the conflicts and says what to do.
func (e *ConflictError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d samples exist with other content, and nothing was stored:", len(e.Conflicts))
	for i, c := range e.Conflicts {
		if i == maxListed {
			fmt.Fprintf(&b, "\n  and %d more", len(e.Conflicts)-maxListed)
			break
		}
		fmt.Fprintf(&b, "\n  sample %d of %s: %s", c.N, c.Key, strings.Join(c.Differs, ", "))
	}
	b.WriteString("\na measurement is never replaced: give a repeated one the next number, or keep the two in different stores")
	return b.String()
}

// AmbiguousError says that several stacks answer for a function and none was
// chosen.
type AmbiguousError struct {
	Request servicetime.Request
	Found   []Stack
}

// Error lists the stacks and says how to choose.
func (e *AmbiguousError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d stacks answer for %s/%s on %s, and they must not be pooled; name one:", len(e.Found), e.Request.Function, e.Request.Input, e.Request.Platform)
	for i, s := range e.Found {
		if i == maxListed {
			fmt.Fprintf(&b, "\n  and %d more (`cosim store list` shows all)", len(e.Found)-maxListed)
			break
		}
		fmt.Fprintf(&b, "\n  %s", s)
	}
	return b.String()
}

// damage is an error that wrap turns into a CorruptError.
type damage struct{ error }

// wrap says what was being done, and turns SQLite's reports of damage into a
// CorruptError.
func (s *Store) wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	if isDamage(err) {
		return err
	}
	var altered *damage
	if errors.As(err, &altered) {
		return &CorruptError{Path: s.path, Err: altered.error}
	}
	var report sqlite3.Error
	if errors.As(err, &report) {
		switch report.Code {
		case sqlite3.ErrCorrupt, sqlite3.ErrNotADB:
			return &CorruptError{Path: s.path, Err: fmt.Errorf("%s: %w", doing, err)}
		case sqlite3.ErrReadonly:
			return fmt.Errorf("%s: %w: %w", doing, ErrReadOnly, err)
		case sqlite3.ErrFull:
			return fmt.Errorf("%s: %s: %w; free space on its disk and repeat", doing, s.path, err)
		case sqlite3.ErrBusy:
			return fmt.Errorf("%s: %s: %w; another process writes to it, repeat when it is done", doing, s.path, err)
		}
	}
	return fmt.Errorf("%s: %w", doing, err)
}

func isDamage(err error) bool {
	var corrupt *CorruptError
	return errors.As(err, &corrupt)
}
