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
