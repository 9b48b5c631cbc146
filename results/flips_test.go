package results_test

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/servicetime"
	"microcosm/results"
)

// holdWrite holds the write lock of a store from inside until release.
func holdWrite(path string, inside chan<- struct{}, release <-chan struct{}) error {
	db, err := sql.Open("sqlite3", "file:"+path+"?_txlock=immediate")
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // nothing was written
	tx, err := db.Begin()
	close(inside)
	if err != nil {
		return err
	}
	<-release
	return tx.Rollback()
}

// complete writes a store with rows in every table and returns its path.
func complete(t testing.TB, n int) string {
	t.Helper()
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "store.db")
	s, err := results.Open(ctx, path, results.Options{})
	require.NoError(t, err)
	require.NoError(t, s.Put(ctx, many(key(nil), n)...))
	hung := sample(key(nil), n)
	hung.Status, hung.Reason = servicetime.Censored, "hung"
	require.NoError(t, s.Put(ctx, hung))
	require.NoError(t, s.PutCollection(ctx, "recorded", "d1", many(key(func(k *servicetime.Key) { k.Stack = "shipped" }), 3)))
	_, err = s.PutRun(ctx, results.Run{Name: "n", Scenario: "s", Seed: 7, Samples: "x", Result: []byte(`{"p99":1}`), Version: "1", Host: "h"})
	require.NoError(t, err)
	require.NoError(t, s.Close())
	return path
}

// uncovered are the columns that no digest covers: a row's own number means nothing
// outside; a collection can be had again from where it came from.
var uncovered = []string{
	"runs.id", "collections.id", "collections.name", "collections.digest", "samples.collection",
}

// TestVerifyFindsAChangeInAnyColumn: one value altered in any column of any table
// is found, but for those that are listed as known not to be.
func TestVerifyFindsAChangeInAnyColumn(t *testing.T) {
	t.Parallel()
	whole, err := os.ReadFile(complete(t, 3))
	require.NoError(t, err)
	fresh := func(t *testing.T) string {
		path := filepath.Join(t.TempDir(), "store.db")
		write(t, path, string(whole))
		return path
	}
	db, err := sql.Open("sqlite3", fresh(t))
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	rows, err := db.Query(`
		SELECT m.name, c.name, c.type FROM sqlite_schema AS m, pragma_table_info(m.name) AS c
		WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name <> 'schema_version' ORDER BY 1, 2`)
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	tested := 0
	for rows.Next() {
		var table, column, kind string
		require.NoError(t, rows.Scan(&table, &column, &kind))
		if slices.Contains(uncovered, table+"."+column) {
			continue
		}
		tested++
		t.Run(table+"."+column, func(t *testing.T) {
			t.Parallel()
			path := fresh(t)
			change := fmt.Sprintf("%q || 'x'", column)
			if kind == "INTEGER" {
				change = fmt.Sprintf("coalesce(%q, 0) + 1000", column)
			}
			if column == "digest" || column == "record" {
				change = fmt.Sprintf("'0' || substr(%[1]q, 2, 62) || '0'", column)
			}
			query(t, path, "PRAGMA foreign_keys = OFF", "PRAGMA ignore_check_constraints = ON",
				// In one statement: the pragmas hold for one connection only.
				fmt.Sprintf("PRAGMA ignore_check_constraints = ON; UPDATE %q SET %q = %s WHERE (%q, %q) IN (SELECT %q, %q FROM %q LIMIT 1)",
					table, column, change, column, first(table), column, first(table), table))
			s := openAt(t, path, results.Options{ReadOnly: true})
			found, err := s.Verify(t.Context())
			require.NoError(t, err)
			require.True(t, slices.ContainsFunc(found, func(f results.Finding) bool { return f.Damage }), "%v", found)
			salvaged := open(t)
			_, _, err = salvaged.Salvage(t.Context(), s)
			require.NoError(t, err)
			requireSound(t, salvaged)
			requireOnlyWhatWasStored(t, salvaged, 3)
		})
	}
	require.NoError(t, rows.Err())
	require.Greater(t, tested, 30)
}

// first is a column by which one row of a table is told from the others.
func first(table string) string {
	return map[string]string{"keys": "digest", "provenance": "restore", "samples": "digest", "counters": "name", "runs": "digest", "collections": "name"}[table]
}

// requireOnlyWhatWasStored asserts that every sample of a store is one that was
// stored in a complete one.
func requireOnlyWhatWasStored(t testing.TB, s *results.Store, n int) int {
	t.Helper()
	got, err := s.Samples(t.Context(), key(nil))
	require.NoError(t, err)
	for _, g := range got {
		want := sample(key(nil), g.N)
		if g.N == n {
			want.Status, want.Reason = servicetime.Censored, "hung"
		}
		require.Equal(t, want, g)
	}
	return len(got)
}

// TestNoFlippedByteMakesAWrongAnswer: wherever one byte of the file is changed, the
// store is refused, or says that it is damaged, or answers with what was stored;
// and where it answers with less, Verify says why.
func TestNoFlippedByteMakesAWrongAnswer(t *testing.T) {
	t.Parallel()
	const n = 12
	whole, err := os.ReadFile(complete(t, n))
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "store.db")
	counts := map[string]int{}
	for at := 0; at < len(whole); at += 487 {
		damaged := []byte(string(whole))
		damaged[at] ^= 0x55
		for _, name := range []string{path, path + "-wal", path + "-shm"} {
			require.NoError(t, os.RemoveAll(name))
		}
		write(t, path, string(damaged))
		outcome := answer(t, path, n)
		counts[outcome]++
		if outcome == "less" {
			s := openAt(t, path, results.Options{ReadOnly: true})
			found, err := s.Verify(t.Context())
			require.NoError(t, err)
			require.NotEmpty(t, found, "byte %d", at)
			require.True(t, found[0].Damage, "byte %d: %v", at, found)
		}
	}
	t.Log(counts)
	require.Positive(t, counts["refused"])
	require.Positive(t, counts["damaged"])
	require.Positive(t, counts["all"], "most bytes of a page are free")
}

// answer says what became of a question to a damaged store.
func answer(t *testing.T, path string, n int) string {
	s, err := results.Open(t.Context(), path, results.Options{ReadOnly: true})
	if err != nil {
		return "refused"
	}
	defer func() { require.NoError(t, s.Close()) }()
	if _, err := s.Samples(t.Context(), key(nil)); err != nil {
		require.ErrorContains(t, err, "store.db is damaged")
		require.ErrorContains(t, err, "cosim store verify")
		return "damaged"
	}
	if requireOnlyWhatWasStored(t, s, n) == n+1 {
		return "all"
	}
	return "less"
}

// TestNothingOfACutFileIsImported: whichever file of a folder was cut, and
// wherever, all of the folder stays outside, and the file and the line are named.
func TestNothingOfACutFileIsImported(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	from, into := open(t), open(t)
	require.NoError(t, from.Put(ctx, varied()...))
	folder := filepath.Join(t.TempDir(), "out")
	_, err := from.Export(ctx, folder, results.Filter{}, false)
	require.NoError(t, err)
	_, err = from.ExportParquet(ctx, filepath.Join(folder, "all.parquet"), results.Filter{}, false)
	require.NoError(t, err)
	for path, content := range contents(t, folder) {
		for cut := range 9 {
			size := len(content) * cut / 9
			write(t, path, content[:size])
			tally, err := into.Import(ctx, folder)
			require.ErrorContains(t, err, "import: nothing was stored:\n", "%s after %d bytes", path, size)
			require.ErrorContains(t, err, path+":")
			require.Zero(t, tally)
		}
		write(t, path, content)
	}
	keys, err := into.Keys(ctx, results.Filter{})
	require.NoError(t, err)
	require.Empty(t, keys)
	tally, err := into.Import(ctx, folder)
	require.NoError(t, err, "whole again")
	require.Equal(t, len(varied()), tally.Added)
	requireSameSamples(t, from, into)
}

// TestEveryMistakeOfAnImportIsToldAtOnce, of all files, in their order.
func TestEveryMistakeOfAnImportIsToldAtOnce(t *testing.T) {
	t.Parallel()
	s := open(t)
	folder := t.TempDir()
	good := string(text(t, many(key(nil), 2)))
	write(t, filepath.Join(folder, "a.csv"), strings.Replace(good, "# function: ", "# funktion: ", 1))
	write(t, filepath.Join(folder, "b.csv"), good)
	write(t, filepath.Join(folder, "c.csv"), strings.NewReplacer("warm,0,", "warm,zero,", "warm,1,", "tepid,1,").Replace(good))
	write(t, filepath.Join(folder, "d.parquet"), good)
	_, err := s.Import(t.Context(), folder)
	lines := strings.Split(err.Error(), "\n")
	for i, want := range []string{
		"import: nothing was stored:",
		filepath.Join(folder, "a.csv") + `:2: unknown name "funktion": want one of function, image, `,
		filepath.Join(folder, "a.csv") + `:14: function is missing: give it as a header line "# function: …" or as a column`,
		filepath.Join(folder, "c.csv") + `:15: n: "zero": want a whole number from 0`,
		filepath.Join(folder, "c.csv") + `:16: condition: condition "tepid": want cold, warm, `,
		filepath.Join(folder, "d.parquet") + ": not a sound Parquet file: ",
	} {
		require.Greater(t, len(lines), i, err)
		require.Contains(t, lines[i], want)
	}
	require.Len(t, lines, 6)
	require.Empty(t, numbers(t, s))
}
