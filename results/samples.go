package results

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"microcosm/cosim/servicetime"
)

// Samples returns the samples of exactly this key, of every status, in the
// order of their numbers; none is no error. Where layers differ, it returns what
// the zero Filter picks.
func (s *Store) Samples(ctx context.Context, key servicetime.Key) ([]servicetime.Sample, error) {
	var samples []servicetime.Sample
	err := s.read(ctx, fmt.Sprintf("read samples of %s", key), func(tx *sql.Tx) error {
		var err error
		samples, err = selectSamples(ctx, tx, "keys.digest = ? AND "+topmost, key.Digest())
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, sample := range samples {
		if sample.Key != key {
			return nil, &CorruptError{Path: s.path, Err: fmt.Errorf("the digest of %s names %s", key, sample.Key)}
		}
	}
	return samples, nil
}

// NextN returns the number of the key's next sample: one more than the largest,
// in collections too.
func (s *Store) NextN(ctx context.Context, key servicetime.Key) (int, error) {
	var n int
	err := s.reader.QueryRowContext(ctx, `
		SELECT coalesce(max(n) + 1, 0) FROM samples WHERE key = (SELECT id FROM keys WHERE digest = ?)`, key.Digest()).Scan(&n)
	return n, s.wrap(fmt.Sprintf("number the samples of %s", key), err)
}

const fromSamples = `
	FROM samples
	JOIN keys ON keys.id = samples.key
	JOIN provenance ON provenance.id = samples.provenance
	WHERE `

const fromCounters = `
	FROM samples
	JOIN keys ON keys.id = samples.key
	JOIN provenance ON provenance.id = samples.provenance
	JOIN counters ON counters.sample = samples.id
	WHERE `

const sampleColumns = `samples.id,
	keys.function, keys.image, keys.input, keys.platform, keys.platform_digest, keys.condition, keys.stack,
	samples.n, samples.seed, samples.status, samples.reason, samples.round_trip, samples.null_call, samples.busy,
	provenance.backend, provenance.simulator_digest, provenance.boot, provenance.restore, provenance.host, provenance.note,
	samples.measured, samples.cost, samples.digest`

// orderSamples is the same in both queries of loadSamples, which walk the
// samples in step.
const orderSamples = ` ORDER BY keys.digest, samples.n, samples.id`

// stored is a row of samples as it stands in the file.
type stored struct {
	row    int64
	sample servicetime.Sample
	digest string
	err    error // a word in it means nothing
}

// check reports that the row no longer says what was written. digests remembers
// those of keys.
func (s stored) check(digests map[servicetime.Key]string) error {
	if s.err != nil {
		return fmt.Errorf("sample in row %d: %w", s.row, s.err)
	}
	key, known := digests[s.sample.Key]
	if !known {
		key = s.sample.Key.Digest()
		digests[s.sample.Key] = key
	}
	if digestUnder(key, s.sample) != s.digest {
		return fmt.Errorf("sample %d of %s in row %d does not match its digest", s.sample.N, s.sample.Key, s.row)
	}
	return nil
}

// selectSamples returns the samples that meet a condition over samples, keys
// and provenance, by key and then by number. All are checked against their
// digests: a sample that was altered in the file is never served.
func selectSamples(ctx context.Context, tx *sql.Tx, where string, arguments ...any) ([]servicetime.Sample, error) {
	rows, err := loadSamples(ctx, tx, where, arguments...)
	if err != nil {
		return nil, err
	}
	samples := make([]servicetime.Sample, len(rows))
	digests := map[servicetime.Key]string{}
	for i, row := range rows {
		if err := row.check(digests); err != nil {
			return nil, &damage{err}
		}
		samples[i] = row.sample
	}
	return samples, nil
}

// loadSamples is selectSamples without the check.
func loadSamples(ctx context.Context, tx *sql.Tx, where string, arguments ...any) ([]stored, error) {
	var rows []stored
	err := each(ctx, tx, "SELECT "+sampleColumns+fromSamples+where+orderSamples, arguments, func(r *sql.Rows) error {
		row, err := scanSample(r)
		rows = append(rows, row)
		return err
	})
	if err != nil {
		return nil, err
	}
	at := 0
	err = each(ctx, tx, "SELECT samples.id, counters.name, counters.value"+fromCounters+where+orderSamples, arguments, func(r *sql.Rows) error {
		var row, value int64
		var name string
		if err := r.Scan(&row, &name, &value); err != nil {
			return err
		}
		for rows[at].row != row {
			at++ // a sample without counters
		}
		s := &rows[at].sample
		if s.Counters == nil {
			s.Counters = map[string]int64{}
		}
		s.Counters[name] = value
		return nil
	})
	return rows, err
}

func scanSample(r *sql.Rows) (stored, error) {
	var row stored
	var condition, status string
	var seed int64
	var measured sql.NullInt64
	s := &row.sample
	k, p := &s.Key, &s.Provenance
	err := r.Scan(&row.row, &k.Function, &k.Image, &k.Input, &k.Platform, &k.PlatformDigest, &condition, &k.Stack,
		&s.N, &seed, &status, &s.Reason, &s.RoundTrip, &s.Null, &s.Busy,
		&p.Backend, &p.SimulatorDigest, &p.Boot, &p.Restore, &p.Host, &p.Note, &measured, &p.Cost, &row.digest)
	if err != nil {
		return row, err
	}
	s.Seed, p.Measured = uint64(seed), timeOrZero(measured)
	k.Condition, err = servicetime.ParseCondition(condition)
	if err == nil && k.Condition.String() != condition {
		err = fmt.Errorf("condition %q is written %q", condition, k.Condition)
	}
	row.err = err
	s.Status, err = servicetime.ParseStatus(status)
	row.err = errors.Join(row.err, err)
	return row, nil
}

// each runs scan on every row of a query.
func each(ctx context.Context, tx *sql.Tx, query string, arguments []any, scan func(*sql.Rows) error) error {
	rows, err := tx.QueryContext(ctx, query, arguments...)
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // rows.Err below reports what matters
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
