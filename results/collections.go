package results

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"microcosm/cosim/servicetime"
	"microcosm/results/samplefile"
)

// Collection is a named set of samples that came in together.
type Collection struct {
	Name    string // e.g. "recorded"
	Digest  string // of the files it came from
	Samples int
}

// Label names the collection and its content, e.g. "recorded@0f3a…", where a
// scenario or a selection expects a stack.
func (c Collection) Label() string { return Label(c.Name, c.Digest) }

// Label joins a collection's name and digest as Selection.Stack expects them.
func Label(name, digest string) string { return name + "@" + digest }

// Collections lists the collections by name.
func (s *Store) Collections(ctx context.Context) ([]Collection, error) {
	var list []Collection
	err := s.read(ctx, "list collections", func(tx *sql.Tx) error {
		return each(ctx, tx, `
			SELECT name, digest, count(sample)
			FROM collections LEFT JOIN collection_samples ON collection = id
			GROUP BY id ORDER BY name`, nil, func(r *sql.Rows) error {
			var c Collection
			err := r.Scan(&c.Name, &c.Digest, &c.Samples)
			list = append(list, c)
			return err
		})
	})
	return list, err
}

// PutCollection stores samples as the collection of that name, in one
// transaction. If the collection has this digest already, nothing happens;
// otherwise it replaces what the collection held: samples that came in with it
// go, those that were stored by other means stay. Samples whose key and number
// exist with other content outside of the collection are a *ConflictError.
func (s *Store) PutCollection(ctx context.Context, name, digest string, samples []servicetime.Sample) error {
	if name == "" || digest == "" || strings.Contains(name, "@") {
		return fmt.Errorf("collection %q with digest %q: both must be given, the name without @", name, digest)
	}
	if err := checkAll(samples); err != nil {
		return err
	}
	return s.write(ctx, "store collection "+name, func(tx *sql.Tx) error {
		collection, err := renewCollection(ctx, tx, name, digest)
		if err != nil || collection == 0 {
			return err
		}
		in, err := newInserter(ctx, tx)
		if err != nil {
			return err
		}
		defer in.close()
		for _, sample := range samples {
			added, err := in.put(ctx, sample)
			if err != nil {
				return err
			}
			if err := in.join(ctx, collection, sample, added); err != nil {
				return err
			}
		}
		return in.conflict()
	})
}

// EnsureCollection makes the samples in a folder's files the collection of that
// name, as PutCollection does, and returns its label. Where the store has just
// these files already, it only compares digests. A folder without files of
// samples is left out: the label is then "".
func (s *Store) EnsureCollection(ctx context.Context, name string, folder fs.FS) (label string, err error) {
	digest, err := samplefile.FolderDigest(folder)
	if err != nil || digest == "" {
		return "", err
	}
	label = Label(name, digest)
	held, err := s.Collections(ctx)
	if err != nil {
		return "", err
	}
	if slices.ContainsFunc(held, func(c Collection) bool { return c.Label() == label }) {
		return label, nil
	}
	samples, err := samplefile.ReadFolder(folder, name)
	if err != nil {
		return "", fmt.Errorf("collection %s: nothing was stored:\n%w", name, err)
	}
	return label, s.PutCollection(ctx, name, digest, samples)
}

// renewCollection returns the row of an empty collection with that name and
// digest, or 0 if the store holds it already.
func renewCollection(ctx context.Context, tx *sql.Tx, name, digest string) (int64, error) {
	var id int64
	var held string
	err := tx.QueryRowContext(ctx, "SELECT id, digest FROM collections WHERE name = ?", name).Scan(&id, &held)
	if errors.Is(err, sql.ErrNoRows) {
		err = tx.QueryRowContext(ctx, "INSERT INTO collections (name, digest) VALUES (?, ?) RETURNING id", name, digest).Scan(&id)
		return id, err
	}
	if err != nil || held == digest {
		return 0, err
	}
	if err := dropMembers(ctx, tx, id); err != nil {
		return 0, err
	}
	_, err = tx.ExecContext(ctx, "UPDATE collections SET digest = ? WHERE id = ?", digest, id)
	return id, err
}

// ownMembers selects the samples that came in with collection ?1 and belong to
// no other.
const ownMembers = `
	SELECT sample FROM collection_samples WHERE collection = ?1 AND owned = 1
	EXCEPT SELECT sample FROM collection_samples WHERE collection <> ?1`

// dropMembers empties a collection: its own members are deleted, the others
// only leave it.
func dropMembers(ctx context.Context, tx *sql.Tx, collection int64) error {
	_, err := tx.ExecContext(ctx, "DELETE FROM samples WHERE id IN ("+ownMembers+")", collection)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "DELETE FROM collection_samples WHERE collection = ?", collection)
	return err
}

// join makes a stored sample a member; owned if it came in with the collection.
func (in *inserter) join(ctx context.Context, collection int64, sample servicetime.Sample, owned bool) error {
	_, err := in.tx.ExecContext(ctx, `
		INSERT INTO collection_samples (sample, collection, owned)
		SELECT id, ?, ? FROM samples WHERE key = ? AND n = ?
		ON CONFLICT (sample, collection) DO NOTHING`, collection, owned, in.keys[sample.Key].id, sample.N)
	return err
}
