package results

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"microcosm/cosim/servicetime"
)

// Samples returns the samples of exactly this key, of every status, in the
// order of their numbers; none is no error.
func (s *Store) Samples(ctx context.Context, key servicetime.Key) ([]servicetime.Sample, error) {
	var samples []servicetime.Sample
	err := s.read(ctx, fmt.Sprintf("read samples of %s", key), func(tx *sql.Tx) error {
		var err error
		samples, err = selectSamples(ctx, tx, "keys.digest = ?", key.Digest())
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

// NextN returns the number of the key's next sample: one more than the largest.
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

const sampleColumns = `samples.id,
	keys.function, keys.image, keys.input, keys.platform, keys.platform_digest, keys.condition, keys.stack,
	samples.n, samples.seed, samples.status, samples.reason, samples.round_trip, samples.null_call, samples.busy,
	provenance.backend, provenance.simulator_digest, provenance.boot, provenance.restore, provenance.host, provenance.note,
	samples.measured, samples.cost`

// orderSamples is the same in both queries of selectSamples, which walk the
// samples in step.
const orderSamples = ` ORDER BY keys.digest, samples.n`

// selectSamples returns the samples that meet a condition over samples, keys
// and provenance, by key and then by number.
func selectSamples(ctx context.Context, tx *sql.Tx, where string, arguments ...any) ([]servicetime.Sample, error) {
	var samples []servicetime.Sample
	var rows []int64
	err := each(ctx, tx, "SELECT "+sampleColumns+fromSamples+where+orderSamples, arguments, func(r *sql.Rows) error {
		row, sample, err := scanSample(r)
		rows, samples = append(rows, row), append(samples, sample)
		return err
	})
	if err != nil {
		return nil, err
	}
	const counters = `SELECT samples.id, counters.name, counters.value
		FROM samples
		JOIN keys ON keys.id = samples.key
		JOIN provenance ON provenance.id = samples.provenance
		JOIN counters ON counters.sample = samples.id
		WHERE `
	at := 0
	err = each(ctx, tx, counters+where+orderSamples, arguments, func(r *sql.Rows) error {
		var row, value int64
		var name string
		if err := r.Scan(&row, &name, &value); err != nil {
			return err
		}
		for rows[at] != row {
			at++ // a sample without counters
		}
		if samples[at].Counters == nil {
			samples[at].Counters = map[string]int64{}
		}
		samples[at].Counters[name] = value
		return nil
	})
	return samples, err
}

func scanSample(r *sql.Rows) (row int64, s servicetime.Sample, err error) {
	var condition, status string
	var seed int64
	var measured sql.NullInt64
	k, p := &s.Key, &s.Provenance
	err = r.Scan(&row, &k.Function, &k.Image, &k.Input, &k.Platform, &k.PlatformDigest, &condition, &k.Stack,
		&s.N, &seed, &status, &s.Reason, &s.RoundTrip, &s.Null, &s.Busy,
		&p.Backend, &p.SimulatorDigest, &p.Boot, &p.Restore, &p.Host, &p.Note, &measured, &p.Cost)
	if err != nil {
		return row, s, err
	}
	s.Seed = uint64(seed)
	if measured.Valid {
		p.Measured = time.Unix(measured.Int64, 0).UTC()
	}
	if k.Condition, err = servicetime.ParseCondition(condition); err != nil {
		return row, s, fmt.Errorf("sample in row %d: %w", row, err)
	}
	s.Status, err = servicetime.ParseStatus(status)
	return row, s, err
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
