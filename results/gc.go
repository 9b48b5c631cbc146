package results

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
)

// Policy says what GC removes. The zero value removes only rows that nothing
// refers to.
type Policy struct {
	// KeepStacks are digests of stacks. If any is given, samples of all other
	// stacks are removed, except members of collections.
	KeepStacks []string
	// DropCollections are names of collections to remove with their samples.
	DropCollections []string
	DryRun          bool // only say what would be removed
}

// Collected says what GC removed, or would remove.
type Collected struct {
	Stacks     []StackCount // samples by stack, ordered by digest
	Keys       int          // keys without samples
	Provenance int          // provenance without samples
	Before     int64        // bytes of the file before
	After      int64        // and after; the same in a dry run
}

// StackCount counts the removed samples of one stack.
type StackCount struct {
	Stack   string
	Samples int
}

// orphans are the rows that nothing refers to, in the order of removal.
var orphans = []struct{ table, unused string }{
	{"keys", "id NOT IN (SELECT key FROM samples)"},
	{"provenance", "id NOT IN (SELECT provenance FROM samples)"},
}

// errDryRun rolls the transaction of a dry run back.
var errDryRun = errors.New("dry run")

// GC removes what the policy names, and then the space it took. It is the only
// way by which samples leave the store, apart from a collection that is
// replaced.
func (s *Store) GC(ctx context.Context, policy Policy) (Collected, error) {
	var done Collected
	var err error
	if done.Before, err = s.size(ctx); err != nil {
		return Collected{}, err
	}
	err = s.write(ctx, "collect garbage", func(tx *sql.Tx) error {
		if err := done.collect(ctx, tx, policy); err != nil {
			return err
		}
		if policy.DryRun {
			return errDryRun
		}
		return nil
	})
	if errors.Is(err, errDryRun) {
		done.After = done.Before
		return done, nil
	}
	if err != nil {
		return Collected{}, err
	}
	if err := s.vacuum(ctx); err != nil {
		return done, s.wrap("the samples are removed, but their space is not freed", err)
	}
	done.After, err = s.size(ctx)
	return done, err
}

func (c *Collected) collect(ctx context.Context, tx *sql.Tx, policy Policy) error {
	if _, err := tx.ExecContext(ctx, "CREATE TEMP TABLE doomed (sample INTEGER PRIMARY KEY) STRICT"); err != nil {
		return err
	}
	defer func() { _, _ = tx.ExecContext(ctx, "DROP TABLE doomed") }() // gone with the connection otherwise
	if err := doomStacks(ctx, tx, policy.KeepStacks); err != nil {
		return err
	}
	for _, name := range policy.DropCollections {
		if err := doomCollection(ctx, tx, name); err != nil {
			return err
		}
	}
	err := each(ctx, tx, `
		SELECT stack, count(*) FROM doomed JOIN samples ON samples.id = sample JOIN keys ON keys.id = key
		GROUP BY stack ORDER BY stack`, nil, func(r *sql.Rows) error {
		var count StackCount
		err := r.Scan(&count.Stack, &count.Samples)
		c.Stacks = append(c.Stacks, count)
		return err
	})
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "DELETE FROM samples WHERE id IN (SELECT sample FROM doomed)"); err != nil {
		return err
	}
	for _, name := range policy.DropCollections {
		if _, err := tx.ExecContext(ctx, "DELETE FROM collections WHERE name = ?", name); err != nil {
			return err
		}
	}
	for i, counter := range []*int{&c.Keys, &c.Provenance} {
		result, err := tx.ExecContext(ctx, "DELETE FROM "+orphans[i].table+" WHERE "+orphans[i].unused)
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		if err != nil {
			return err
		}
		*counter = int(n)
	}
	return nil
}

// doomStacks marks the samples of every stack but the kept ones.
func doomStacks(ctx context.Context, tx *sql.Tx, keep []string) error {
	if len(keep) == 0 {
		return nil
	}
	arguments := make([]any, len(keep))
	for i, stack := range keep {
		arguments[i] = stack
	}
	_, err := tx.ExecContext(ctx, `
		INSERT INTO doomed
		SELECT samples.id FROM samples JOIN keys ON keys.id = samples.key
		WHERE stack NOT IN (?`+strings.Repeat(", ?", len(keep)-1)+`)
			AND samples.collection IS NULL`, arguments...)
	return err
}

// doomCollection marks the samples of a collection.
func doomCollection(ctx context.Context, tx *sql.Tx, name string) error {
	var id int64
	err := tx.QueryRowContext(ctx, "SELECT id FROM collections WHERE name = ?", name).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("there is no collection %q", name)
	}
	if err == nil {
		_, err = tx.ExecContext(ctx, "INSERT OR IGNORE INTO doomed SELECT id FROM samples WHERE collection = ?", id)
	}
	return err
}

// vacuum rewrites the file without the free pages.
func (s *Store) vacuum(ctx context.Context) error {
	if _, err := s.writer.ExecContext(ctx, "VACUUM"); err != nil {
		return err
	}
	_, err := s.writer.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)")
	return err
}

// size returns the bytes of the store's pages.
func (s *Store) size(ctx context.Context) (bytes int64, err error) {
	err = s.reader.QueryRowContext(ctx, "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size").Scan(&bytes)
	return bytes, s.wrap("measure "+s.path, err)
}
