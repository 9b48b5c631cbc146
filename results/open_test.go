package results_test

import (
	"bytes"
	"database/sql"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/results"
)

// query runs statements on a database file behind the package's back.
func query(t testing.TB, path string, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite3", path)
	require.NoError(t, err)
	for _, statement := range statements {
		_, err := db.Exec(statement)
		require.NoError(t, err, statement)
	}
	require.NoError(t, db.Close())
}

// filled writes a store of some pages and returns its path.
func filled(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "store.db")
	s, err := results.Open(t.Context(), path, results.Options{})
	require.NoError(t, err)
	require.NoError(t, s.Put(t.Context(), many(key(nil), 300)...))
	require.NoError(t, s.Close())
	return path
}

// contents returns every file of a folder with its content.
func contents(t testing.TB, folder string) map[string]string {
	t.Helper()
	files := map[string]string{}
	require.NoError(t, filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		files[path] = string(data)
		return err
	}))
	return files
}

func TestOpenRefusesWhatIsNoStore(t *testing.T) {
	t.Parallel()
	notStore := func(t *testing.T, err error) {
		var refused *results.NotStoreError
		require.ErrorAs(t, err, &refused)
	}
	newer := func(t *testing.T, err error) {
		var version *results.VersionError
		require.ErrorAs(t, err, &version)
		require.EqualValues(t, 99, version.Found)
	}
	corrupt := func(t *testing.T, err error) {
		var damaged *results.CorruptError
		require.ErrorAs(t, err, &damaged)
		require.True(t, damaged.Unopened)
		require.NotContains(t, err.Error(), "store verify", "which would have to open it")
		require.ErrorContains(t, err, "cosim store import")
	}
	for _, c := range []struct {
		situation string
		make      func(t *testing.T, path string)
		want      func(*testing.T, error)
		text      string
	}{
		{"a text file", func(t *testing.T, path string) { write(t, path, "function,service_ms\nfib,1\n") }, notStore, "not an SQLite database"},
		{"a short file", func(t *testing.T, path string) { write(t, path, "S") }, notStore, "not an SQLite database"},
		{"an empty file", func(t *testing.T, path string) { write(t, path, "") }, notStore, "an empty file"},
		{"a header and nothing else", func(t *testing.T, path string) { write(t, path, "SQLite format 3\x00") }, notStore, "another application"},
		{"a folder", func(t *testing.T, path string) { require.NoError(t, os.Mkdir(path, 0o777)) }, notStore, "not a file"},
		{"the database of another application", func(t *testing.T, path string) {
			query(t, path, "CREATE TABLE songs (title TEXT)", "PRAGMA application_id = 1196444487")
		}, notStore, "another application"},
		{"a database without an application", func(t *testing.T, path string) { query(t, path, "CREATE TABLE keys (id INTEGER)") }, notStore, "another application"},
		{"a store of a newer version", func(t *testing.T, path string) {
			require.NoError(t, os.Rename(filled(t), path))
			query(t, path, "INSERT INTO schema_version (version_id, is_applied) VALUES (99, 1)")
		}, newer, "update the program"},
		{"a store cut short", func(t *testing.T, path string) {
			data, err := os.ReadFile(filled(t))
			require.NoError(t, err)
			write(t, path, string(data[:len(data)/2]))
		}, corrupt, "is damaged"},
		{"a store with an overwritten schema", func(t *testing.T, path string) {
			data, err := os.ReadFile(filled(t))
			require.NoError(t, err)
			copy(data[100:4096], bytes.Repeat([]byte{0xa5}, 3996))
			write(t, path, string(data))
		}, corrupt, "is damaged"},
	} {
		for _, options := range []results.Options{{}, {ReadOnly: true}} {
			t.Run(fmt.Sprintf("%s, read-only %v", c.situation, options.ReadOnly), func(t *testing.T) {
				t.Parallel()
				folder := t.TempDir()
				path := filepath.Join(folder, "store.db")
				c.make(t, path)
				before := contents(t, folder)
				s, err := results.Open(t.Context(), path, options)
				require.Nil(t, s)
				c.want(t, err)
				require.ErrorContains(t, err, c.text)
				require.ErrorContains(t, err, path)
				require.Equal(t, before, contents(t, folder), "nothing is touched or left behind")
			})
		}
	}
}

func write(t testing.TB, path, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(text), 0o666))
}

func TestOpenAMissingFile(t *testing.T) {
	t.Parallel()
	for _, options := range []results.Options{{ReadOnly: true}, {MustExist: true}, {ReadOnly: true, MakeParent: true}} {
		folder := t.TempDir()
		_, err := results.Open(t.Context(), filepath.Join(folder, "deep", "store.db"), options)
		require.ErrorIs(t, err, fs.ErrNotExist)
		require.Empty(t, contents(t, folder))
		require.NoDirExists(t, filepath.Join(folder, "deep"))
	}
	_, err := results.Open(t.Context(), "", results.Options{})
	require.ErrorContains(t, err, "no file named")
}

func TestOpenInAFolderThatDoesNotExist(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "cache", "microcosm", "store.db")
	_, err := results.Open(t.Context(), path, results.Options{})
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, "create that folder")
	require.NoDirExists(t, filepath.Dir(path))
	openAt(t, path, results.Options{MakeParent: true})
	require.FileExists(t, path)
}

func TestPathsThatLookLikeParameters(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a?mode=memory", "per%20cent", "hash#tag", "with space", "ümläut.db", "a&b=c", ":memory:"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			s, err := results.Open(t.Context(), filepath.Join(folder, name), results.Options{})
			require.NoError(t, err)
			require.NoError(t, s.Put(t.Context(), sample(key(nil), 0)))
			require.NoError(t, s.Close())
			entries, err := os.ReadDir(folder)
			require.NoError(t, err)
			require.Len(t, entries, 1, "one file, its log folded in")
			require.Equal(t, name, entries[0].Name())
		})
	}
}

func TestRelativePaths(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, path := range []string{"store.db", "./other.db", ":memory:"} {
		s, err := results.Open(t.Context(), path, results.Options{})
		require.NoError(t, err)
		require.NoError(t, s.Put(t.Context(), sample(key(nil), 0)))
		require.NoError(t, s.Close())
		require.FileExists(t, "./"+path)
	}
}

func TestReadOnly(t *testing.T) {
	t.Parallel()
	path := filled(t)
	s := openAt(t, path, results.Options{ReadOnly: true})
	got, err := s.Samples(t.Context(), key(nil))
	require.NoError(t, err)
	require.Len(t, got, 300)
	require.ErrorIs(t, s.Put(t.Context(), sample(key(nil), 300)), results.ErrReadOnly)
	_, err = s.GC(t.Context(), results.Policy{})
	require.ErrorIs(t, err, results.ErrReadOnly)
	requireSound(t, s)

	writer := openAt(t, path, results.Options{})
	require.NoError(t, writer.Put(t.Context(), sample(key(nil), 300)))
	got, err = s.Samples(t.Context(), key(nil))
	require.NoError(t, err)
	require.Len(t, got, 301, "a reader sees what was stored meanwhile")
}

func TestReadOnlyInAFolderThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 {
		t.Skip("root may write everywhere")
	}
	path := filled(t)
	require.NoError(t, os.Chmod(filepath.Dir(path), 0o555))
	s := openAt(t, path, results.Options{ReadOnly: true})
	got, err := s.Samples(t.Context(), key(nil))
	require.NoError(t, err)
	require.Len(t, got, 300)
}

func TestASampleThatWasAlteredInTheFileIsNotServed(t *testing.T) {
	t.Parallel()
	for name, statement := range map[string]string{
		"time":      "UPDATE samples SET round_trip = round_trip + 1 WHERE n = 7",
		"counter":   "UPDATE counters SET value = value + 1 WHERE name = 'cycles'",
		"lost":      "DELETE FROM counters WHERE name = 'cycles'",
		"origin":    "UPDATE provenance SET host = 'elsewhere'",
		"condition": "UPDATE keys SET condition = 'flush'",
		"image":     "UPDATE keys SET image = 'sha256:1112'",
		"word":      "UPDATE keys SET condition = 'tepid'",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filled(t)
			query(t, path, statement)
			s := openAt(t, path, results.Options{})
			_, err := s.Samples(t.Context(), key(nil))
			var damaged *results.CorruptError
			require.ErrorAs(t, err, &damaged)
			found, err := s.Verify(t.Context())
			require.NoError(t, err)
			require.NotEmpty(t, found)
			require.True(t, found[0].Damage, found[0])
		})
	}
}

func TestOpenIsCancelled(t *testing.T) {
	t.Parallel()
	path := filled(t)
	ctx, cancel := contextCancelled(t)
	defer cancel()
	_, err := results.Open(ctx, path, results.Options{})
	require.ErrorIs(t, err, ctx.Err())
	_, err = results.Open(ctx, filepath.Join(t.TempDir(), "new.db"), results.Options{})
	require.ErrorIs(t, err, ctx.Err())
}

func TestALongWriterElsewhereEndsTheWaiting(t *testing.T) {
	t.Parallel()
	path := filled(t)
	db, err := sql.Open("sqlite3", "file:"+path+"?_txlock=immediate")
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	tx, err := db.Begin()
	require.NoError(t, err)
	defer func() { require.NoError(t, tx.Rollback()) }()

	s := openAt(t, path, results.Options{Patience: 1})
	err = s.Put(t.Context(), sample(key(nil), 500))
	require.ErrorContains(t, err, "another process writes to it")
	got, err := s.Samples(t.Context(), key(nil))
	require.NoError(t, err, "readers do not wait")
	require.Len(t, got, 300)
}
