package job

import (
	"crypto/rand"
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

	"microcosm/gem5bridge/process"
)

// FolderVariable names the registry where nobody names another.
const FolderVariable = "MICROCOSM_JOBS"

// Registry is a folder of records. It is safe for concurrent use, also by
// several processes.
type Registry struct{ folder string }

// DefaultFolder returns the registry's folder: that of the environment, or
// jobs in the user's folder of states.
func DefaultFolder() (string, error) {
	if folder := os.Getenv(FolderVariable); folder != "" {
		return folder, nil
	}
	state := os.Getenv("XDG_STATE_HOME")
	if state == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("no folder for job records: %w; name one with %s", err, FolderVariable)
		}
		state = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(state, "microcosm", "jobs"), nil
}

// Open returns the registry in folder, which is made where it is missing.
func Open(folder string) (*Registry, error) {
	folder, err := filepath.Abs(folder)
	if err == nil {
		err = os.MkdirAll(folder, 0o700)
	}
	if err != nil {
		return nil, fmt.Errorf("open job records: %w", err)
	}
	return &Registry{folder}, nil
}

// Folder returns the registry's folder.
func (r *Registry) Folder() string { return r.folder }

// NewID draws the id of a new job.
func NewID() string { return strings.ToLower(rand.Text()[:10]) }

// New returns the record of a job that begins now in the given process, owned by
// this one. Nothing is written.
func New(id string, leader process.Identity) (Record, error) {
	owner, err := process.Self()
	if err != nil {
		return Record{}, fmt.Errorf("record a job: %w", err)
	}
	now := time.Now().UTC()
	return Record{
		Schema: schema, ID: id, Host: hostname(), Process: leader, Owner: owner, Begun: now,
		Progress: Progress{At: now, Alive: now},
	}, nil
}

// Write writes a record, in place of an older one of the same job. Only the
// job's owner may, or whoever has found it lost.
func (r *Registry) Write(record Record) error {
	if err := record.check(); err != nil {
		return err
	}
	text, err := json.MarshalIndent(record, "", "  ")
	if err != nil {
		return fmt.Errorf("write job record: %w", err)
	}
	// Not synced to the disk: what a machine's failure would lose ends with it.
	if err := renameio.WriteFile(r.file(record.ID), append(text, '\n'), 0o600, renameio.WithExistingPermissions()); err != nil {
		return fmt.Errorf("write job record: %w", err)
	}
	return nil
}

// Load reads the record of the job whose id begins with prefix.
func (r *Registry) Load(prefix string) (Record, error) {
	records, err := r.List()
	matching := slices.DeleteFunc(records, func(r Record) bool { return !strings.HasPrefix(r.ID, prefix) })
	switch {
	case prefix == "" || len(matching) == 0:
		return Record{}, errors.Join(fmt.Errorf("%w: %q; cosim jobs --all lists them", ErrNoJob, prefix), err)
	case len(matching) > 1:
		return Record{}, fmt.Errorf("%w: %q may be %s or %s; give more of its id", ErrNoJob, prefix, matching[0].ID, matching[1].ID)
	}
	return matching[0], nil
}

// List returns all records, the oldest first. A file that cannot be read keeps
// none of the others from being returned; its error is joined.
func (r *Registry) List() ([]Record, error) {
	entries, err := os.ReadDir(r.folder)
	if err != nil {
		return nil, fmt.Errorf("list job records: %w", err)
	}
	var records []Record
	var mistakes []error
	for _, entry := range entries {
		id, isRecord := strings.CutSuffix(entry.Name(), suffix)
		if !isRecord || !idForm.MatchString(id) {
			continue
		}
		record, err := r.read(id)
		if errors.Is(err, fs.ErrNotExist) {
			continue // pruned meanwhile
		}
		if err != nil {
			mistakes = append(mistakes, err)
			continue
		}
		records = append(records, record)
	}
	slices.SortFunc(records, func(a, b Record) int {
		if c := a.Begun.Compare(b.Begun); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return records, errors.Join(mistakes...)
}

func (r *Registry) read(id string) (Record, error) {
	text, err := os.ReadFile(r.file(id))
	if err != nil {
		return Record{}, fmt.Errorf("read job record: %w", err)
	}
	record, err := Parse(text)
	if err == nil && record.ID != id {
		err = fmt.Errorf("job record: it is of job %s", record.ID)
	}
	if err != nil {
		return Record{}, fmt.Errorf("%s: %w; remove the file if no such job runs", r.file(id), err)
	}
	return record, nil
}

// Prune removes the records of jobs that ended before the given time, and
// returns how many.
func (r *Registry) Prune(before time.Time) (int, error) {
	records, err := r.List()
	mistakes := []error{err}
	pruned := 0
	for _, record := range records {
		if record.End == nil || !record.End.At.Before(before) {
			continue
		}
		if err := os.Remove(r.file(record.ID)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			mistakes = append(mistakes, fmt.Errorf("prune job records: %w", err))
			continue
		}
		pruned++
	}
	return pruned, errors.Join(mistakes...)
}

// suffix ends the name of a record's file.
const suffix = ".json"

func (r *Registry) file(id string) string    { return filepath.Join(r.folder, id+suffix) }
func (r *Registry) request(id string) string { return filepath.Join(r.folder, id+".end") }

func hostname() string {
	name, err := os.Hostname()
	if err != nil || name == "" {
		return "localhost" // a machine without a name has no namesake either
	}
	return name
}
