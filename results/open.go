package results

import (
	"context"
	"database/sql"
	"embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/mattn/go-sqlite3"
	"github.com/pressly/goose/v3"
	"golang.org/x/sys/unix"

	"microcosm/setup/filelock"
)

//go:embed migrations/*.sql
var migrations embed.FS

const (
	// applicationID marks the file as a store, in bytes 68-71 of SQLite's
	// header: "Mcos" in ASCII.
	applicationID = 0x4d636f73

	// versionTable is where goose records the migrations applied.
	versionTable = "schema_version"

	// turn is how long SQLite itself waits for a lock before begin looks at its
	// context again.
	turn = 200 * time.Millisecond

	readers = 4
)

// Open opens the store at path, creating it or bringing an older one to the
// newest schema first, unless options forbid it. A file that is no store
// (*NotStoreError), comes from a newer version (*VersionError) or is damaged
// (*CorruptError) is refused and not touched; a missing one is an error that
// matches fs.ErrNotExist. The caller closes the store.
func Open(ctx context.Context, path string, options Options) (*Store, error) {
	if path == "" {
		return nil, errors.New("open store: no file named")
	}
	// Connections are opened when they are needed, whatever the folder is then.
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if err := prepare(ctx, path, options); err != nil {
		return nil, err
	}
	s, err := connect(path, options)
	if err == nil {
		err = s.admit(ctx)
	}
	if err != nil {
		var corrupt *CorruptError
		if errors.As(err, &corrupt) {
			corrupt.Unopened = true
		}
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// prepare makes sure that the file exists and is a store, before SQLite may
// write anything beside it.
func prepare(ctx context.Context, path string, options Options) error {
	err := inspect(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if options.ReadOnly || options.MustExist {
		return fmt.Errorf("open store: %w; name an existing one, or let `cosim sample` create it", err)
	}
	parent := filepath.Dir(path)
	if options.MakeParent {
		if err := os.MkdirAll(parent, 0o777); err != nil {
			return fmt.Errorf("create the folder of store %s: %w", path, err)
		}
	} else if _, err := os.Stat(parent); err != nil {
		return fmt.Errorf("create store %s: %w; create that folder first", path, err)
	}
	return create(ctx, path)
}

// inspect tells a store from other files by SQLite's 100-byte header
// (https://www.sqlite.org/fileformat.html, section 1.3).
func inspect(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close() //nolint:errcheck // nothing was written
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return &NotStoreError{Path: path, What: "not a file (" + info.Mode().Type().String() + ")"}
	}
	if info.Size() == 0 {
		return &NotStoreError{Path: path, What: "an empty file"}
	}
	header := make([]byte, 100)
	if _, err := io.ReadFull(file, header); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("read the header of store %s: %w", path, err)
	}
	if !strings.HasPrefix(string(header), "SQLite format 3\x00") {
		return &NotStoreError{Path: path, What: "not an SQLite database"}
	}
	if id := binary.BigEndian.Uint32(header[68:]); id != applicationID {
		return &NotStoreError{Path: path, What: fmt.Sprintf("an SQLite database of another application (application_id %#x)", id)}
	}
	return nil
}

// create builds an empty store aside and links it to path, so that no other
// process ever sees half a store and no file that appeared meanwhile is
// overwritten.
func create(ctx context.Context, path string) (err error) {
	aside, err := os.MkdirTemp(filepath.Dir(path), ".store-*")
	if err != nil {
		return fmt.Errorf("create store %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(aside)) }()
	fresh := filepath.Join(aside, "new.db")
	if err := build(ctx, fresh); err != nil {
		return fmt.Errorf("create store %s: %w", path, err)
	}
	err = os.Link(fresh, path)
	if errors.Is(err, fs.ErrExist) {
		return inspect(path) // another process was faster
	}
	if err != nil {
		return fmt.Errorf("create store %s: %w", path, err)
	}
	return nil
}

func build(ctx context.Context, fresh string) error {
	db, err := sql.Open("sqlite3", dsn(fresh, "mode", "rwc", "_journal_mode", "WAL", "_txlock", "immediate"))
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id = %d", applicationID))
	if err == nil {
		err = migrate(ctx, db)
	}
	return errors.Join(err, db.Close())
}

func migrate(ctx context.Context, db *sql.DB) error {
	provider, err := newProvider(db)
	if err != nil {
		return err
	}
	_, err = provider.Up(ctx)
	return err
}

func newProvider(db *sql.DB) (*goose.Provider, error) {
	folder, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(goose.DialectSQLite3, db, folder, goose.WithTableName(versionTable), goose.WithDisableGlobalRegistry(true))
}

// connect opens the pools. Nothing is read yet.
func connect(path string, options Options) (*Store, error) {
	s := &Store{path: path, patience: options.Patience}
	if s.patience == 0 {
		s.patience = DefaultPatience
	}
	// mode=rw, never rwc: if the file vanished meanwhile, that is an error. It
	// is also the mode of readers, since the last connection to close must be
	// able to remove the log; query_only is what keeps them from writing.
	reading := []string{"mode", "rw", "_query_only", "true", "_busy_timeout", fmt.Sprint(s.patience.Milliseconds())}
	if options.ReadOnly && isSealed(path) {
		reading = sealed
	}
	var err error
	if s.reader, err = openPool(path, readers, reading...); err != nil || options.ReadOnly {
		return s, err
	}
	s.writer, err = openPool(path, 1, "mode", "rw", "_journal_mode", "WAL", "_synchronous", "FULL",
		"_foreign_keys", "true", "_txlock", "immediate", "_busy_timeout", fmt.Sprint(turn.Milliseconds()))
	return s, err
}

// sealed opens a file that nobody writes to, without a log beside it.
var sealed = []string{"mode", "ro", "immutable", "1"}

func openPool(path string, connections int, parameters ...string) (*sql.DB, error) {
	db, err := sql.Open("sqlite3", dsn(path, parameters...))
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db, nil
}

// isSealed reports that SQLite cannot keep its log beside the file, and that
// none is waiting there: then the file can be read as it is.
func isSealed(path string) bool {
	return unix.Access(filepath.Dir(path), unix.W_OK) != nil && !hasLog(path)
}

// hasLog reports that a process uses the store, or ended without closing it.
func hasLog(path string) bool {
	_, err := os.Stat(path + "-wal")
	return err == nil
}

// admit checks the schema version before anything may be written, and migrates
// an older store.
func (s *Store) admit(ctx context.Context) error {
	found, known, err := s.versions(ctx)
	if err != nil || found == known {
		return err
	}
	if found > known || s.writer == nil {
		return &VersionError{Path: s.path, Found: found, Known: known}
	}
	doing := fmt.Sprintf("bring store %s from schema %d to %d", s.path, found, known)
	// The folder's lock keeps others from migrating and leaves no file behind.
	unlock, err := filelock.Take(ctx, filepath.Dir(s.path))
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	err = migrate(ctx, s.writer)
	return s.wrap(doing, errors.Join(err, unlock()))
}

// versions returns the schema version of the file and the newest one known.
// Where nobody uses the file it looks without leaving a trace.
func (s *Store) versions(ctx context.Context) (found, known int64, err error) {
	provider, err := newProvider(s.reader)
	if err != nil {
		return 0, 0, fmt.Errorf("open store %s: %w", s.path, err)
	}
	for _, source := range provider.ListSources() {
		known = max(known, source.Version)
	}
	const query = "SELECT coalesce(max(version_id), 0) FROM " + versionTable + " WHERE is_applied"
	if !hasLog(s.path) {
		db, err := openPool(s.path, 1, sealed...)
		if err != nil {
			return 0, 0, err
		}
		err = db.QueryRowContext(ctx, query).Scan(&found)
		err = errors.Join(err, db.Close())
		// A log that is there now means that the file may have changed meanwhile.
		if err == nil || !hasLog(s.path) {
			return found, known, s.wrap("open store "+s.path, err)
		}
	}
	err = s.reader.QueryRowContext(ctx, query).Scan(&found)
	return found, known, s.wrap("open store "+s.path, err)
}

// dsn names a file, by its absolute path, and its parameters, given as name,
// value pairs.
func dsn(path string, parameters ...string) string {
	values := url.Values{}
	for i := 0; i+1 < len(parameters); i += 2 {
		values.Set(parameters[i], parameters[i+1])
	}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: values.Encode()}).String()
}

func isBusy(err error) bool {
	var report sqlite3.Error
	return errors.As(err, &report) && report.Code == sqlite3.ErrBusy
}
