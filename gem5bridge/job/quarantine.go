package job

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/renameio/v2"

	"microcosm/setup/filelock"
)

// QuarantineAfter is how many failures in a row are enough where nobody says
// another number.
const QuarantineAfter = 6

// Entry is what a quarantine knows of a subject.
type Entry struct {
	Subject  string    `json:"subject"`
	Failures int       `json:"failures"` // in a row
	Verdict  Verdict   `json:"verdict"`  // of the last failure
	Text     string    `json:"text"`
	At       time.Time `json:"at"`
}

// Quarantine remembers what fails again and again, so that a campaign goes on
// without it, today and after a restart. A subject is whatever the caller names:
// a cell, a checkpoint. It is safe for concurrent use, also by several processes.
type Quarantine struct {
	file  string
	lock  string
	limit int
}

// Quarantine returns the registry's quarantine, which takes a subject in after
// limit failures in a row.
func (r *Registry) Quarantine(limit int) *Quarantine {
	path := filepath.Join(r.folder, "quarantine")
	return &Quarantine{path + ".list", path + ".lock", limit}
}

// Check returns a *QuarantinedError for a subject in quarantine.
func (q *Quarantine) Check(subject string) error {
	entries, err := q.read()
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.Subject == subject && entry.Failures >= q.limit {
			return &QuarantinedError{entry}
		}
	}
	return nil
}

// Failed counts a failure of a subject.
func (q *Quarantine) Failed(ctx context.Context, subject string, verdict Verdict, text string) error {
	return q.edit(ctx, func(entries []Entry) []Entry {
		i := slices.IndexFunc(entries, func(e Entry) bool { return e.Subject == subject })
		if i < 0 {
			i, entries = len(entries), append(entries, Entry{Subject: subject})
		}
		entries[i].Failures++
		entries[i].Verdict, entries[i].Text, entries[i].At = verdict, text, time.Now().UTC()
		return entries
	})
}

// Release forgets the failures of a subject: it succeeded, or somebody has looked
// at it.
func (q *Quarantine) Release(ctx context.Context, subject string) error {
	entries, err := q.read()
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(entries, func(e Entry) bool { return e.Subject == subject }) {
		return nil // the usual case takes no lock
	}
	return q.edit(ctx, func(entries []Entry) []Entry {
		return slices.DeleteFunc(entries, func(e Entry) bool { return e.Subject == subject })
	})
}

// List returns the subjects in quarantine, by name.
func (q *Quarantine) List() ([]Entry, error) {
	entries, err := q.read()
	return slices.DeleteFunc(entries, func(e Entry) bool { return e.Failures < q.limit }), err
}

func (q *Quarantine) read() ([]Entry, error) {
	text, err := os.ReadFile(q.file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var entries []Entry
	if err == nil {
		err = json.Unmarshal(text, &entries)
	}
	if err != nil {
		return nil, fmt.Errorf("read quarantine %s: %w; remove the file to forget it", q.file, err)
	}
	return entries, nil
}

// edit changes the file under its lock.
func (q *Quarantine) edit(ctx context.Context, change func([]Entry) []Entry) (err error) {
	release, err := filelock.Take(ctx, q.lock)
	if err != nil {
		return fmt.Errorf("quarantine: %w", err)
	}
	defer func() { err = errors.Join(err, release()) }()
	entries, err := q.read()
	if err != nil {
		return err
	}
	entries = change(entries)
	slices.SortFunc(entries, func(a, b Entry) int { return strings.Compare(a.Subject, b.Subject) })
	text, err := json.MarshalIndent(entries, "", "  ")
	if err == nil {
		err = renameio.WriteFile(q.file, append(text, '\n'), 0o600)
	}
	if err != nil {
		return fmt.Errorf("write quarantine: %w", err)
	}
	return nil
}
