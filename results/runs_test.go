package results_test

import (
	"io/fs"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/results"
)

func TestRuns(t *testing.T) {
	t.Parallel()
	s := open(t)
	ctx := t.Context()
	run := results.Run{
		Name: "quickstart", Scenario: "sha256:aa", Seed: 1<<63 + 5, Samples: "sha256:bb", Result: []byte("{ \"p99\":\t1.50 }\n"),
		Version: "1.0", Host: "node-1", Finished: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC), Elapsed: 1500 * time.Millisecond,
	}
	id, err := s.PutRun(ctx, run)
	require.NoError(t, err)
	again := run
	again.Host, again.Elapsed = "node-2", time.Hour
	same, err := s.PutRun(ctx, again)
	require.NoError(t, err)
	require.Equal(t, id, same, "the same result of the same run is one row")

	different := run
	different.Result = []byte("{}")
	other, err := s.PutRun(ctx, different)
	require.NoError(t, err)
	require.NotEqual(t, id, other, "a run that does not repeat itself must show")

	run.ID = id
	got, err := s.Run(ctx, id)
	require.NoError(t, err)
	require.Equal(t, run, got, "the result to the byte")

	list, err := s.Runs(ctx, "sha256:aa")
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.Nil(t, list[0].Result)
	list, err = s.Runs(ctx, "")
	require.NoError(t, err)
	require.Len(t, list, 2)
	list, err = s.Runs(ctx, "sha256:cc")
	require.NoError(t, err)
	require.Empty(t, list)

	_, err = s.Run(ctx, 99)
	require.ErrorIs(t, err, fs.ErrNotExist)
	requireSound(t, s)
}

func TestAnAlteredRunIsNeitherServedNorMerged(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "store.db")
	s := openAt(t, path, results.Options{})
	id, err := s.PutRun(ctx, results.Run{Name: "quickstart", Scenario: "s", Result: []byte(`{"p99": 1}`)})
	require.NoError(t, err)
	query(t, path, `UPDATE runs SET result = '{"p99": 2}'`)
	var damaged *results.CorruptError
	_, err = s.Run(ctx, id)
	require.ErrorAs(t, err, &damaged)
	list, err := s.Runs(ctx, "")
	require.NoError(t, err)
	require.Len(t, list, 1, "what it was is still told")

	other := open(t)
	_, err = other.Merge(ctx, s)
	require.ErrorAs(t, err, &damaged)
	list, err = other.Runs(ctx, "")
	require.NoError(t, err)
	require.Empty(t, list)
}

// TestARunUnderAnotherNameIsNotServed: whatever a row says of a run is covered.
func TestARunUnderAnotherNameIsNotServed(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	for _, change := range []string{"name = 'another'", "seed = seed + 1", "host = ''", "elapsed = 1", "finished = finished - 86400"} {
		path := filepath.Join(t.TempDir(), "store.db")
		s := openAt(t, path, results.Options{})
		id, err := s.PutRun(ctx, results.Run{Name: "quickstart", Scenario: "s", Seed: 1<<63 + 5, Host: "node-1", Result: []byte(`{"p99": 1}`), Elapsed: time.Second})
		require.NoError(t, err)
		query(t, path, "UPDATE runs SET "+change)
		var damaged *results.CorruptError
		_, err = s.Run(ctx, id)
		require.ErrorAs(t, err, &damaged, change)
		require.ErrorContains(t, err, "what the store says of run 1 does not match its digest")
		_, err = s.Runs(ctx, "")
		require.ErrorAs(t, err, &damaged, change)
		into := open(t)
		_, err = into.Merge(ctx, s)
		require.ErrorAs(t, err, &damaged, change)
		_, lost, err := into.Salvage(ctx, s)
		require.NoError(t, err)
		require.Len(t, lost, 1, change)
		list, err := into.Runs(ctx, "")
		require.NoError(t, err)
		require.Empty(t, list)
	}
}

func TestPutRunRefuses(t *testing.T) {
	t.Parallel()
	s := open(t)
	for name, run := range map[string]results.Run{
		"no scenario":   {Result: []byte("{}")},
		"no JSON":       {Scenario: "s", Result: []byte("p99=1")},
		"negative time": {Scenario: "s", Result: []byte("{}"), Elapsed: -1},
	} {
		_, err := s.PutRun(t.Context(), run)
		require.Error(t, err, name)
	}
}
