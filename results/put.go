package results

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"microcosm/cosim/servicetime"
	"microcosm/results/samplefile"
)

// Put stores samples in one transaction: all, or none. A sample that is stored
// already with the same content is skipped. Samples whose key and number exist
// with other content are a *ConflictError, which lists all of them; every
// sample that cannot be stored is reported too. What collections hold is no
// concern of Put's. Dates are kept to the second.
func (s *Store) Put(ctx context.Context, samples ...servicetime.Sample) error {
	if err := checkAll(samples); err != nil {
		return err
	}
	_, err := s.putAll(ctx, "store samples", samples)
	return err
}

// putAll stores checked samples in one transaction.
func (s *Store) putAll(ctx context.Context, doing string, samples []servicetime.Sample) (Tally, error) {
	var tally Tally
	err := s.write(ctx, doing, func(tx *sql.Tx) error {
		in, err := newInserter(ctx, tx, own)
		if err != nil {
			return err
		}
		defer in.close()
		if err := in.putAll(ctx, samples, &tally); err != nil {
			return err
		}
		return in.conflict()
	})
	if err != nil {
		return Tally{}, err
	}
	return tally, nil
}

func checkAll(samples []servicetime.Sample) error {
	var mistakes []error
	for _, sample := range samples {
		if err := samplefile.Check(sample); err != nil {
			mistakes = append(mistakes, err)
		}
	}
	return errors.Join(mistakes...)
}

// inserter stores samples in one layer within one transaction and collects the
// conflicts.
type inserter struct {
	tx          *sql.Tx
	layer       layer
	sample      *sql.Stmt
	counters    *sql.Stmt
	keys        map[servicetime.Key]keyRow
	provenances map[servicetime.Provenance]int64
	conflicts   []Conflict
}

type keyRow struct {
	id     int64
	digest string
}

const insertSample = `
	INSERT INTO samples (collection, key, n, seed, status, reason, round_trip, null_call, busy, provenance, measured, cost, digest)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
	ON CONFLICT (key, n, coalesce(collection, 0)) DO NOTHING`

// All counters of a sample in one statement: crossing into C once per counter
// costs more than SQLite's own work.
const insertCounters = `INSERT INTO counters (sample, name, value) SELECT ?, key, value FROM json_each(?)`

func newInserter(ctx context.Context, tx *sql.Tx, into layer) (*inserter, error) {
	in := &inserter{tx: tx, layer: into, keys: map[servicetime.Key]keyRow{}, provenances: map[servicetime.Provenance]int64{}}
	var err error
	if in.sample, err = tx.PrepareContext(ctx, insertSample); err != nil {
		return nil, err
	}
	in.counters, err = tx.PrepareContext(ctx, insertCounters)
	return in, err
}

func (in *inserter) close() {
	// The transaction's end frees the statements in any case.
	_ = in.sample.Close()
	_ = in.counters.Close()
}

// conflict returns the conflicts met so far as an error.
func (in *inserter) conflict() error {
	if len(in.conflicts) > 0 {
		return &ConflictError{Conflicts: in.conflicts}
	}
	return nil
}

// putAll stores checked samples and counts them.
func (in *inserter) putAll(ctx context.Context, samples []servicetime.Sample, tally *Tally) error {
	for _, sample := range samples {
		added, err := in.put(ctx, sample)
		if err != nil {
			return err
		}
		if added {
			tally.Added++
		} else {
			tally.Present++
		}
	}
	return nil
}

// put stores one checked sample. It reports false for one that was there
// already; a conflict is noted, not returned.
func (in *inserter) put(ctx context.Context, sample servicetime.Sample) (added bool, err error) {
	sample = canonical(sample)
	key, err := in.key(ctx, sample.Key)
	if err != nil {
		return false, err
	}
	provenance, err := in.provenance(ctx, sample.Provenance)
	if err != nil {
		return false, err
	}
	digest := digestUnder(key.digest, sample)
	result, err := in.sample.ExecContext(ctx, in.layer.row(), key.id, sample.N, int64(sample.Seed), sample.Status.String(), sample.Reason,
		int64(sample.RoundTrip), int64(sample.Null), int64(sample.Busy), provenance, unixOrNull(sample.Provenance.Measured), int64(sample.Provenance.Cost), digest)
	if err != nil {
		return false, fmt.Errorf("sample %d of %s: %w", sample.N, sample.Key, err)
	}
	changed, err := result.RowsAffected()
	if err != nil {
		return false, err
	}
	if changed == 0 {
		return false, in.compare(ctx, key.id, sample, digest)
	}
	if len(sample.Counters) == 0 {
		return true, nil
	}
	row, err := result.LastInsertId()
	if err != nil {
		return false, err
	}
	_, err = in.counters.ExecContext(ctx, row, countersJSON(sample))
	return true, err
}

// key returns the row of a key, inserting it if it is new.
func (in *inserter) key(ctx context.Context, k servicetime.Key) (keyRow, error) {
	if row, known := in.keys[k]; known {
		return row, nil
	}
	row := keyRow{digest: k.Digest()}
	err := in.tx.QueryRowContext(ctx, "SELECT id FROM keys WHERE digest = ?", row.digest).Scan(&row.id)
	if errors.Is(err, sql.ErrNoRows) {
		err = in.tx.QueryRowContext(ctx, `
			INSERT INTO keys (digest, function, image, input, platform, platform_digest, condition, stack)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`,
			row.digest, k.Function, k.Image, k.Input, k.Platform, k.PlatformDigest, k.Condition.String(), k.Stack).Scan(&row.id)
	}
	if err != nil {
		return keyRow{}, fmt.Errorf("key %s: %w", k, err)
	}
	in.keys[k] = row
	return row, nil
}

// provenance returns the row of what samples of one restore share.
func (in *inserter) provenance(ctx context.Context, p servicetime.Provenance) (int64, error) {
	p.Measured, p.Cost = time.Time{}, 0 // these two are columns of the sample
	if id, known := in.provenances[p]; known {
		return id, nil
	}
	fields := []any{p.Backend, p.SimulatorDigest, p.Boot, p.Restore, p.Host, p.Note}
	var id int64
	err := in.tx.QueryRowContext(ctx, `
		SELECT id FROM provenance
		WHERE backend = ? AND simulator_digest = ? AND boot = ? AND restore = ? AND host = ? AND note = ?`, fields...).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		err = in.tx.QueryRowContext(ctx, `
			INSERT INTO provenance (backend, simulator_digest, boot, restore, host, note)
			VALUES (?, ?, ?, ?, ?, ?) RETURNING id`, fields...).Scan(&id)
	}
	if err != nil {
		return 0, fmt.Errorf("provenance: %w", err)
	}
	in.provenances[p] = id
	return id, nil
}

// compare notes a conflict if the stored sample is another one.
func (in *inserter) compare(ctx context.Context, key int64, sample servicetime.Sample, digest string) error {
	const same = "samples.key = ? AND samples.n = ? AND samples.collection IS ?"
	var stored string
	err := in.tx.QueryRowContext(ctx, "SELECT digest FROM samples WHERE "+same, key, sample.N, in.layer.row()).Scan(&stored)
	if err != nil || stored == digest {
		return err
	}
	old, err := selectSamples(ctx, in.tx, same, key, sample.N, in.layer.row())
	for i := range old { // there is one
		in.conflicts = append(in.conflicts, Conflict{Key: sample.Key, N: sample.N, Differs: differences(old[i], sample)})
	}
	return err
}

func countersJSON(s servicetime.Sample) string {
	text := []byte{'{'}
	for i, name := range slices.Sorted(maps.Keys(s.Counters)) {
		if i > 0 {
			text = append(text, ',')
		}
		// check allows no quote, backslash or control character in a name.
		text = append(text, '"')
		text = append(text, name...)
		text = append(text, `":`...)
		text = strconv.AppendInt(text, s.Counters[name], 10)
	}
	return string(append(text, '}'))
}

func unixOrNull(t time.Time) sql.NullInt64 {
	return sql.NullInt64{Int64: t.Unix(), Valid: !t.IsZero()}
}
