// Package results keeps what was measured and what was simulated: one row per
// measured invocation with its provenance, and one per finished run, in one
// SQLite file.
//
// It guarantees that a sample is returned only for exactly the key it was
// measured under, that a stored sample is never changed or replaced, that a
// call stores all of its samples or none, and that several goroutines and
// processes may use one file at once. FORMAT.md documents the file.
//
// It measures nothing, and it does not decide what a service time is: that is
// package servicetime, whose Source it implements from stored samples.
package results

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Options say how Open treats the file. The zero value opens or creates a store
// for reading and writing in a folder that exists.
type Options struct {
	ReadOnly   bool          // never change the file; it must exist
	MustExist  bool          // refuse to create it
	MakeParent bool          // create the missing folders above it
	Patience   time.Duration // how long to wait for other writers; 0 means DefaultPatience
}

// DefaultPatience is how long a writer waits for writers in other processes
// before it gives up.
const DefaultPatience = time.Minute

// Store is an open store. It is safe for concurrent use, by several processes
// too.
type Store struct {
	path     string
	patience time.Duration
	writer   *sql.DB // one connection; nil when read-only
	reader   *sql.DB
}

// Path returns the file's absolute path.
func (s *Store) Path() string { return s.path }

// Close releases the file. Calls in progress end with an error.
func (s *Store) Close() error {
	var err error
	// The writer closes last, so that it can fold the log into the file.
	for _, pool := range []*sql.DB{s.reader, s.writer} {
		if pool != nil {
			err = errors.Join(err, pool.Close())
		}
	}
	if err != nil {
		return fmt.Errorf("close store %s: %w", s.path, err)
	}
	return nil
}

// write runs change in one write transaction: all of it is stored, or nothing.
func (s *Store) write(ctx context.Context, doing string, change func(*sql.Tx) error) error {
	if s.writer == nil {
		return fmt.Errorf("%s: %s: %w", doing, s.path, ErrReadOnly)
	}
	tx, err := s.begin(ctx)
	if err != nil {
		return s.wrap(doing, err)
	}
	if err := change(tx); err != nil {
		_ = tx.Rollback() // the change's own error says more
		return s.wrap(doing, err)
	}
	return s.wrap(doing, tx.Commit())
}

// begin starts a write transaction. SQLite's own waiting cannot be interrupted,
// so it waits in short turns and looks at ctx in between.
func (s *Store) begin(ctx context.Context) (*sql.Tx, error) {
	ctxPatient, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	for {
		tx, err := s.writer.BeginTx(ctx, nil)
		if !isBusy(err) {
			return tx, err
		}
		if ctxPatient.Err() != nil {
			return nil, errors.Join(ctx.Err(), err)
		}
	}
}

// read runs query in one read transaction: it sees one state of the store.
func (s *Store) read(ctx context.Context, doing string, query func(*sql.Tx) error) error {
	tx, err := s.reader.BeginTx(ctx, nil)
	if err != nil {
		return s.wrap(doing, err)
	}
	defer func() { _ = tx.Rollback() }() // nothing was written
	return s.wrap(doing, query(tx))
}
