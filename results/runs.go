package results

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"time"
)

// Run is one finished run of the cluster model. Scenario, Seed and Samples are
// its identity: Result follows from them.
type Run struct {
	ID       int64         // given by the store
	Name     string        // the scenario's name, for people
	Scenario string        // digest of the scenario's sections that are its identity
	Seed     uint64        //
	Samples  string        // SetDigest of the samples it drew from; empty if it used none
	Result   []byte        // the result as JSON, kept to the byte
	Version  string        // program that ran it
	Host     string        // machine that ran it
	Finished time.Time     // to the second, UTC
	Elapsed  time.Duration // wall time it took
}

// PutRun stores a finished run and returns its number. Storing the same result
// of the same run again returns the number it has.
func (s *Store) PutRun(ctx context.Context, run Run) (int64, error) {
	if run.Scenario == "" || !json.Valid(run.Result) {
		return 0, fmt.Errorf("store run %q: it needs the scenario's digest and a result in JSON", run.Name)
	}
	if run.Elapsed < 0 {
		return 0, fmt.Errorf("store run %q: the elapsed time %v is negative", run.Name, run.Elapsed)
	}
	var id int64
	err := s.write(ctx, "store run "+run.Name, func(tx *sql.Tx) error {
		if _, err := insertRun(ctx, tx, run); err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, "SELECT id FROM runs WHERE scenario = ? AND seed = ? AND samples = ? AND digest = ?",
			run.Scenario, int64(run.Seed), run.Samples, hexDigest(run.Result)).Scan(&id)
	})
	return id, err
}

func insertRun(ctx context.Context, tx *sql.Tx, run Run) (added bool, err error) {
	digest := hexDigest(run.Result)
	result, err := tx.ExecContext(ctx, `
		INSERT INTO runs (name, scenario, seed, samples, version, host, finished, elapsed, result, digest, record)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (scenario, seed, samples, digest) DO NOTHING`,
		run.Name, run.Scenario, int64(run.Seed), run.Samples, run.Version, run.Host,
		run.Finished.Unix(), int64(run.Elapsed), string(run.Result), digest, recordDigest(run, digest))
	if err != nil {
		return false, err
	}
	changed, err := result.RowsAffected()
	return changed > 0, err
}

const runColumns = "SELECT id, name, scenario, seed, samples, version, host, finished, elapsed, digest, record, "

// Runs lists the runs of a scenario's digest, or all for "", oldest first,
// without their results. A row that was altered is a *CorruptError.
func (s *Store) Runs(ctx context.Context, scenario string) ([]Run, error) {
	var runs []Run
	err := s.read(ctx, "list runs", func(tx *sql.Tx) error {
		return each(ctx, tx, runColumns+"NULL FROM runs WHERE ?1 = '' OR scenario = ?1 ORDER BY id", []any{scenario}, func(r *sql.Rows) error {
			run, err := scanRun(r)
			if err == nil {
				err = run.checkRecord()
			}
			runs = append(runs, run.Run)
			return err
		})
	})
	return runs, err
}

// Run returns one run with its result, both checked against their digests: what
// was altered in the file is never served. An unknown number is an error that
// matches fs.ErrNotExist.
func (s *Store) Run(ctx context.Context, id int64) (Run, error) {
	run, err := scanWhole(s.reader.QueryRowContext(ctx, runColumns+"result FROM runs WHERE id = ?", id))
	if errors.Is(err, sql.ErrNoRows) {
		return Run{}, fmt.Errorf("run %d: %w in %s", id, fs.ErrNotExist, s.path)
	}
	return run, s.wrap(fmt.Sprintf("read run %d", id), err)
}

// scanWhole scans a run with its result and checks both.
func scanWhole(r interface{ Scan(...any) error }) (Run, error) {
	run, err := scanRun(r)
	if err == nil {
		err = errors.Join(run.checkResult(), run.checkRecord())
	}
	if err != nil {
		return Run{}, err
	}
	return run.Run, nil
}

// storedRun is a run and the digests its row has.
type storedRun struct {
	Run
	digest string // of the result
	record string // of everything else; empty in rows of before schema 5
}

func scanRun(r interface{ Scan(...any) error }) (run storedRun, err error) {
	var seed, finished int64
	err = r.Scan(&run.ID, &run.Name, &run.Scenario, &seed, &run.Samples, &run.Version, &run.Host, &finished, &run.Elapsed, &run.digest, &run.record, &run.Result)
	run.Seed, run.Finished = uint64(seed), time.Unix(finished, 0).UTC()
	return run, err
}

func (r storedRun) checkResult() error {
	if hexDigest(r.Result) != r.digest {
		return &damage{fmt.Errorf("the result of run %d does not match its digest", r.ID)}
	}
	return nil
}

func (r storedRun) checkRecord() error {
	if r.record != "" && recordDigest(r.Run, r.digest) != r.record {
		return &damage{fmt.Errorf("what the store says of run %d does not match its digest", r.ID)}
	}
	return nil
}

// recordDigest returns the SHA-256, in hexadecimal, of everything a row says of a
// run whose result has that digest. FORMAT.md gives the bytes.
func recordDigest(r Run, result string) string {
	return hexDigest(fields(nil, r.Name, r.Scenario, strconv.FormatUint(r.Seed, 10), r.Samples, r.Version, r.Host,
		decimal(r.Finished.Unix()), decimal(r.Elapsed), result))
}
