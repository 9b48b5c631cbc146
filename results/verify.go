package results

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"microcosm/cosim/servicetime"
	"microcosm/results/samplefile"
)

// Finding is one thing Verify found. Damage means that the store no longer
// holds what was written; the others are worth knowing.
type Finding struct {
	Damage bool
	What   string
}

// String returns the finding as one line.
func (f Finding) String() string {
	if f.Damage {
		return "damage: " + f.What
	}
	return "note: " + f.What
}

// Verify reads the whole store and lists everything that is wrong: damaged
// pages, dangling references, keys, samples and runs that do not match their
// digests or that Sample.Check refuses; and notes keys whose samples stem from
// several simulator binaries, and rows that nothing refers to. The error is for
// what kept it from looking.
func (s *Store) Verify(ctx context.Context) ([]Finding, error) {
	v := &verifier{}
	doing := "verify " + s.path
	err := s.read(ctx, doing, func(tx *sql.Tx) error {
		for _, step := range []func(context.Context, *sql.Tx) error{
			v.pages, v.references, v.keys, v.samples, v.runs, v.simulators, v.orphans,
		} {
			if err := step(ctx, tx); err != nil {
				return err
			}
		}
		return nil
	})
	var corrupt *CorruptError
	if errors.As(err, &corrupt) {
		// Damaged pages stop the reading; what was found until then counts.
		v.damage("%v", corrupt.Err)
		err = nil
	}
	return v.found, err
}

type verifier struct{ found []Finding }

func (v *verifier) damage(format string, values ...any) {
	v.found = append(v.found, Finding{Damage: true, What: fmt.Sprintf(format, values...)})
}

func (v *verifier) note(format string, values ...any) {
	v.found = append(v.found, Finding{What: fmt.Sprintf(format, values...)})
}

func (v *verifier) pages(ctx context.Context, tx *sql.Tx) error {
	return each(ctx, tx, "PRAGMA integrity_check", nil, func(r *sql.Rows) error {
		var text string
		err := r.Scan(&text)
		if err == nil && text != "ok" {
			v.damage("SQLite: %s", text)
		}
		return err
	})
}

func (v *verifier) references(ctx context.Context, tx *sql.Tx) error {
	return each(ctx, tx, "PRAGMA foreign_key_check", nil, func(r *sql.Rows) error {
		var table, parent string
		var row, constraint sql.NullInt64
		err := r.Scan(&table, &row, &parent, &constraint)
		which := "a row" // counters have no numbers
		if row.Valid {
			which = fmt.Sprintf("row %d", row.Int64)
		}
		if err == nil {
			v.damage("%s of %s refers to a missing row of %s", which, table, parent)
		}
		return err
	})
}

func (v *verifier) keys(ctx context.Context, tx *sql.Tx) error {
	const query = `SELECT digest, function, image, input, platform, platform_digest, condition, stack FROM keys ORDER BY id`
	return each(ctx, tx, query, nil, func(r *sql.Rows) error {
		var digest, condition string
		key, err := scanKey(r, []any{&digest}, &condition)
		if err != nil {
			return err
		}
		if key.Condition.String() != condition {
			v.damage("key %s: %q is no condition", digest, condition)
		} else if key.Digest() != digest {
			v.damage("key %s does not match its digest %s", key, digest)
		}
		return nil
	})
}

func (v *verifier) samples(ctx context.Context, tx *sql.Tx) error {
	var keys []int64
	err := each(ctx, tx, "SELECT id FROM keys ORDER BY id", nil, func(r *sql.Rows) error {
		var id int64
		err := r.Scan(&id)
		keys = append(keys, id)
		return err
	})
	if err != nil {
		return err
	}
	for _, key := range keys {
		rows, err := loadSamples(ctx, tx, "keys.id = ?", key)
		if err != nil {
			return err
		}
		digests := map[servicetime.Key]string{}
		for _, row := range rows {
			if err := row.check(digests); err != nil {
				v.damage("%v", err)
			} else if err := samplefile.Check(row.sample); err != nil {
				v.damage("%v", err)
			}
		}
	}
	return nil
}

func (v *verifier) runs(ctx context.Context, tx *sql.Tx) error {
	return each(ctx, tx, runColumns+"result FROM runs ORDER BY id", nil, func(r *sql.Rows) error {
		run, err := scanRun(r)
		if err != nil {
			return err
		}
		for _, wrong := range []error{run.checkResult(), run.checkRecord()} {
			if wrong != nil {
				v.damage("%v", wrong)
			}
		}
		return nil
	})
}

func (v *verifier) simulators(ctx context.Context, tx *sql.Tx) error {
	var mixed []KeySummary
	err := each(ctx, tx, summarizeKeys+"true GROUP BY keys.id HAVING count(DISTINCT simulator_digest) > 1", nil, func(r *sql.Rows) error {
		_, key, err := scanSummary(r)
		mixed = append(mixed, key)
		return err
	})
	for _, key := range mixed {
		v.note("the samples of %s stem from %d simulator binaries: %s", key.Key, len(key.Simulators), strings.Join(key.Simulators, ", "))
	}
	return err
}

func (v *verifier) orphans(ctx context.Context, tx *sql.Tx) error {
	for _, o := range orphans {
		var n int
		if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM "+o.table+" WHERE "+o.unused).Scan(&n); err != nil {
			return err
		}
		if n > 0 {
			v.note("%d rows of %s are no longer used; `cosim store gc` removes them", n, o.table)
		}
	}
	return nil
}
