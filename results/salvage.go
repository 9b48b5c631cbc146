package results

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/mattn/go-sqlite3"

	"microcosm/cosim/servicetime"
	"microcosm/results/samplefile"
)

// Salvage is Merge from a store that Verify calls damaged: it stores every
// sample and run of other that still is what was written, and returns what it
// left behind. Those that s holds with other content are a *ConflictError, as in
// Merge, and then nothing is stored.
func (s *Store) Salvage(ctx context.Context, other *Store) (Tally, []Finding, error) {
	var tally Tally
	v := &salvager{}
	doing := fmt.Sprintf("salvage %s into %s", other.path, s.path)
	err := other.read(ctx, doing, func(from *sql.Tx) error {
		return s.write(ctx, doing, func(to *sql.Tx) error {
			in, err := newInserter(ctx, to, own)
			if err != nil {
				return err
			}
			defer in.close()
			if err := v.samples(ctx, from, in, &tally); err != nil {
				return err
			}
			if err := v.runs(ctx, from, to, &tally); err != nil {
				return err
			}
			return in.conflict()
		})
	})
	if err != nil {
		return Tally{}, v.found, err
	}
	return tally, v.found, nil
}

type salvager struct{ verifier }

// samples reads row by row, so that a damaged page takes no others with it.
func (v *salvager) samples(ctx context.Context, from *sql.Tx, in *inserter, tally *Tally) error {
	rows, err := v.numbers(ctx, from, "samples", "WHERE collection IS NULL")
	if err != nil {
		return err
	}
	for _, row := range rows {
		loaded, err := loadSamples(ctx, from, "samples.id = ?", row)
		if v.lost(err, "the sample in row %d", row) {
			continue
		}
		if err != nil {
			return err
		}
		if len(loaded) == 0 {
			v.damage("the sample in row %d has lost its key or its provenance", row)
			continue
		}
		if err := errors.Join(loaded[0].check(map[servicetime.Key]string{}), samplefile.Check(loaded[0].sample)); err != nil {
			v.damage("%v", err)
			continue
		}
		if err := in.putAll(ctx, []servicetime.Sample{loaded[0].sample}, tally); err != nil {
			return err
		}
	}
	return nil
}

func (v *salvager) runs(ctx context.Context, from, to *sql.Tx, tally *Tally) error {
	rows, err := v.numbers(ctx, from, "runs", "")
	if err != nil {
		return err
	}
	for _, row := range rows {
		run, err := scanWhole(from.QueryRowContext(ctx, runColumns+"result FROM runs WHERE id = ?", row))
		var altered *damage
		if errors.As(err, &altered) {
			v.damage("%v", err)
			continue
		}
		if v.lost(err, "run %d", row) {
			continue
		}
		if err != nil {
			return err
		}
		added, err := insertRun(ctx, to, run)
		if err != nil {
			return err
		}
		if added {
			tally.Runs++
		}
	}
	return nil
}

// numbers returns the numbers of a table's rows, as many as can be read.
func (v *salvager) numbers(ctx context.Context, from *sql.Tx, table, where string) ([]int64, error) {
	var rows []int64
	// By the rows themselves: an index may be what is damaged.
	err := each(ctx, from, "SELECT id FROM "+table+" NOT INDEXED "+where+" ORDER BY id", nil, func(r *sql.Rows) error {
		var row int64
		err := r.Scan(&row)
		rows = append(rows, row)
		return err
	})
	if v.lost(err, "what follows the first %d rows of %s", len(rows), table) {
		return rows, nil
	}
	return rows, err
}

// lost notes what a damaged page took away, and reports whether one did.
func (v *salvager) lost(err error, what string, values ...any) bool {
	var report sqlite3.Error
	if !errors.As(err, &report) || report.Code != sqlite3.ErrCorrupt {
		return false
	}
	v.damage("%s: %v", fmt.Sprintf(what, values...), err)
	return true
}
