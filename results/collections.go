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
			SELECT name, collections.digest, count(samples.id)
			FROM collections LEFT JOIN samples ON collection = collections.id
			GROUP BY collections.id ORDER BY name`, nil, func(r *sql.Rows) error {
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
// otherwise it replaces what the collection held. What was stored by other means
// is another layer: it stays as it is, whatever the collection says of the same
// key and number. Samples that contradict each other are a *ConflictError.
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
		in, err := newInserter(ctx, tx, layer(collection))
		if err != nil {
			return err
		}
		defer in.close()
		if err := in.putAll(ctx, samples, new(Tally)); err != nil {
			return err
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
	if _, err := tx.ExecContext(ctx, "DELETE FROM samples WHERE collection = ?", id); err != nil {
		return 0, err
	}
	_, err = tx.ExecContext(ctx, "UPDATE collections SET digest = ? WHERE id = ?", digest, id)
	return id, err
}

// layer is where a sample stands: in the collection of that row, or, for 0,
// among those that were stored by other means.
type layer int64

const own layer = 0

// row returns the layer as samples.collection has it.
func (l layer) row() sql.NullInt64 { return sql.NullInt64{Int64: int64(l), Valid: l != own} }
