package results_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/servicetime"
	"microcosm/results"
)

func TestMerge(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	here, there := open(t), open(t)
	all := many(key(nil), 10)
	require.NoError(t, here.Put(ctx, all[:6]...))
	require.NoError(t, there.Put(ctx, all[4:]...))
	require.NoError(t, there.Put(ctx, varied()[3:21]...))
	_, err := there.PutRun(ctx, results.Run{Scenario: "s", Result: []byte("{}")})
	require.NoError(t, err)

	first, err := here.Merge(ctx, there)
	require.NoError(t, err)
	require.Equal(t, 1, first.Runs)
	got, err := here.Samples(ctx, key(nil))
	require.NoError(t, err)
	require.Equal(t, all, got[:10])
	requireSound(t, here)

	second, err := here.Merge(ctx, there)
	require.NoError(t, err)
	require.Equal(t, results.Tally{Present: first.Added + first.Present}, second)
	back, err := there.Merge(ctx, here)
	require.NoError(t, err)
	require.Equal(t, 4, back.Added)
	requireSameSamples(t, here, there)
	self, err := here.Merge(ctx, here)
	require.NoError(t, err)
	require.Zero(t, self.Added)
}

func TestMergeReportsAllConflictsAndStoresNothing(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	here, there := open(t), open(t)
	lukewarm := key(func(k *servicetime.Key) { k.Condition = servicetime.LukewarmAfter(2) })
	require.NoError(t, here.Put(ctx, append(many(key(nil), 20), many(lukewarm, 2)...)...))
	for n := range 20 {
		s := sample(key(nil), n)
		if n%2 == 1 {
			s.RoundTrip++
		}
		require.NoError(t, there.Put(ctx, s))
	}
	s := sample(lukewarm, 1)
	s.Provenance.Host = "node-2"
	require.NoError(t, there.Put(ctx, s, sample(lukewarm, 7)))

	_, err := here.Merge(ctx, there)
	var conflict *results.ConflictError
	require.ErrorAs(t, err, &conflict)
	require.Len(t, conflict.Conflicts, 11)
	require.ErrorContains(t, err, "and 1 more")
	got, err := here.Samples(ctx, lukewarm)
	require.NoError(t, err)
	require.Equal(t, many(lukewarm, 2), got)
}

func TestMergeRefusesADamagedStore(t *testing.T) {
	t.Parallel()
	path := filled(t)
	query(t, path, "UPDATE samples SET busy = busy + 1 WHERE n = 299")
	here := open(t)
	_, err := here.Merge(t.Context(), openAt(t, path, results.Options{ReadOnly: true}))
	var damaged *results.CorruptError
	require.ErrorAs(t, err, &damaged)
	require.Equal(t, path, damaged.Path, "the damaged one is named, not the one it was to go into")
	require.Empty(t, numbers(t, here))
}

// TestMergedRunsAreAUnion: runs are known by what identifies them and by their
// result; who ran them, and when, stays as it was first stored.
func TestMergedRunsAreAUnion(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	here, there := open(t), open(t)
	run := func(scenario string, seed uint64, samples, result, host string) results.Run {
		return results.Run{Name: "n", Scenario: scenario, Seed: seed, Samples: samples, Result: []byte(result), Host: host}
	}
	shared := run("a", 1, "x", `{"p99":1}`, "here")
	_, err := here.PutRun(ctx, shared)
	require.NoError(t, err)
	shared.Host = "there"
	others := []results.Run{
		shared, run("b", 1, "x", `{"p99":1}`, "there"), run("a", 1<<64-1, "x", `{"p99":1}`, "there"),
		run("a", 1, "y", `{"p99":1}`, "there"), run("a", 1, "x", `{"p99":1.0}`, "there"), run("a", 1, "", `"ü"`, "there"),
	}
	for _, r := range others {
		_, err := there.PutRun(ctx, r)
		require.NoError(t, err)
	}
	tally, err := here.Merge(ctx, there)
	require.NoError(t, err)
	require.Equal(t, results.Tally{Runs: len(others) - 1}, tally)
	tally, err = here.Merge(ctx, there)
	require.NoError(t, err)
	require.Zero(t, tally)
	list, err := here.Runs(ctx, "")
	require.NoError(t, err)
	require.Len(t, list, len(others))
	require.Equal(t, "here", list[0].Host, "a run is not replaced by its repetition")
	for i, r := range others[1:] {
		got, err := here.Run(ctx, list[i+1].ID)
		require.NoError(t, err)
		require.Equal(t, []any{r.Scenario, r.Seed, r.Samples, string(r.Result)}, []any{got.Scenario, got.Seed, got.Samples, string(got.Result)})
	}
}
