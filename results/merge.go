package results

import (
	"context"
	"database/sql"
	"fmt"
)

// Merge stores what other holds and s does not: samples and runs. Samples that
// both hold with the same content are skipped; if any differ, nothing is stored
// and the *ConflictError lists all of them. Collections, which can be had from
// where they came from, stay behind. other is only read, and may be open
// read-only.
func (s *Store) Merge(ctx context.Context, other *Store) (Tally, error) {
	var tally Tally
	doing := fmt.Sprintf("merge %s into %s", other.path, s.path)
	err := other.read(ctx, doing, func(from *sql.Tx) error {
		return s.write(ctx, doing, func(to *sql.Tx) error {
			var err error
			read := func(err error) error { return other.wrap(doing, err) } // what is damaged is not s
			if tally, err = mergeSamples(ctx, from, to, read); err == nil {
				tally.Runs, err = mergeRuns(ctx, from, to, read)
			}
			return err
		})
	})
	if err != nil {
		return Tally{}, err
	}
	return tally, nil
}

// mergeSamples passes errors of reading through read.
func mergeSamples(ctx context.Context, from, to *sql.Tx, read func(error) error) (Tally, error) {
	var keys []int64
	err := each(ctx, from, "SELECT id FROM keys ORDER BY id", nil, func(r *sql.Rows) error {
		var id int64
		err := r.Scan(&id)
		keys = append(keys, id)
		return err
	})
	if err != nil {
		return Tally{}, read(err)
	}
	in, err := newInserter(ctx, to, own)
	if err != nil {
		return Tally{}, err
	}
	defer in.close()
	var tally Tally
	for _, key := range keys {
		// One key at a time bounds the memory.
		samples, err := selectSamples(ctx, from, "keys.id = ? AND samples.collection IS NULL", key)
		if err != nil {
			return Tally{}, read(err)
		}
		if err := checkAll(samples); err != nil {
			return Tally{}, err
		}
		if err := in.putAll(ctx, samples, &tally); err != nil {
			return Tally{}, err
		}
	}
	return tally, in.conflict()
}

func mergeRuns(ctx context.Context, from, to *sql.Tx, read func(error) error) (added int, err error) {
	var writing error
	err = each(ctx, from, runColumns+"result FROM runs ORDER BY id", nil, func(r *sql.Rows) error {
		run, err := scanWhole(r)
		if err != nil {
			return err
		}
		var isNew bool
		if isNew, writing = insertRun(ctx, to, run); isNew {
			added++
		}
		return writing
	})
	if writing != nil {
		return 0, writing
	}
	return added, read(err)
}
