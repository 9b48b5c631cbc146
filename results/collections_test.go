package results_test

import (
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/servicetime"
	"microcosm/results"
)

// numbers returns the numbers of the samples of the test's key.
func numbers(t testing.TB, s *results.Store) []int {
	t.Helper()
	samples, err := s.Samples(t.Context(), key(nil))
	require.NoError(t, err)
	list := []int{}
	for _, sample := range samples {
		list = append(list, sample.N)
	}
	return list
}

func TestACollectionIsReplacedByItsNextVersion(t *testing.T) {
	t.Parallel()
	s := open(t)
	ctx := t.Context()
	all := many(key(nil), 6)
	require.NoError(t, s.Put(ctx, all[0], all[5]), "measured here")
	require.NoError(t, s.PutCollection(ctx, "recorded", "v1", all[:4]))
	require.NoError(t, s.PutCollection(ctx, "other", "x", all[3:4]))
	require.Equal(t, []int{0, 1, 2, 3, 5}, numbers(t, s))

	require.NoError(t, s.PutCollection(ctx, "recorded", "v1", nil), "the same digest: nothing happens")
	require.Equal(t, []int{0, 1, 2, 3, 5}, numbers(t, s))

	changed := sample(key(nil), 2)
	changed.RoundTrip++
	require.NoError(t, s.PutCollection(ctx, "recorded", "v2", []servicetime.Sample{changed, all[4]}),
		"a sample of the old version gives way to the new one")
	require.Equal(t, []int{0, 2, 3, 4, 5}, numbers(t, s), "1 is gone, 0 was measured here, 3 belongs to another collection")
	got, err := s.Samples(ctx, key(nil))
	require.NoError(t, err)
	require.Equal(t, changed, got[1])

	list, err := s.Collections(ctx)
	require.NoError(t, err)
	require.Equal(t, []results.Collection{{Name: "other", Digest: "x", Samples: 1}, {Name: "recorded", Digest: "v2", Samples: 2}}, list)
	require.Equal(t, "recorded@v2", list[1].Label())

	keys, err := s.Keys(ctx, results.Filter{Collection: "recorded"})
	require.NoError(t, err)
	require.Len(t, keys, 1)
	require.Equal(t, 2, keys[0].Valid)
	requireSound(t, s)
}

// TestACollectionStandsBesideWhatWasMeasured: an upgrade brings samples under
// keys and numbers that the user has measured too, with the same software.
func TestACollectionStandsBesideWhatWasMeasured(t *testing.T) {
	t.Parallel()
	s := open(t)
	ctx := t.Context()
	require.NoError(t, s.PutCollection(ctx, "recorded", "v1", many(key(nil), 2)))
	shipped, mine := many(key(nil), 5), many(key(nil), 4)[1:]
	for i := range mine {
		mine[i].RoundTrip += servicetime.Ticks(i) // the first is the same in both
	}
	require.NoError(t, s.Put(ctx, mine...))
	require.NoError(t, s.PutCollection(ctx, "recorded", "v2", shipped))

	request := servicetime.Request{Function: shipped[0].Key.Function, Input: shipped[0].Key.Input, Platform: shipped[0].Key.Platform}
	answers := func(selection results.Selection) []servicetime.Sample {
		selected, err := s.Select(ctx, request, selection)
		require.NoError(t, err)
		return selected.Samples
	}
	mixed := []servicetime.Sample{shipped[0], mine[0], mine[1], mine[2], shipped[4]}
	require.Equal(t, shipped, answers(results.Selection{Stack: "recorded@v2"}), "exactly what shipped, whatever was measured")
	require.Equal(t, mixed, answers(results.Selection{}), "what was measured here goes before")
	for filter, want := range map[results.Filter]int{{}: 5, {Own: true}: 3, {Collection: "recorded"}: 5} {
		keys, err := s.Keys(ctx, filter)
		require.NoError(t, err)
		require.Len(t, keys, 1, filter)
		require.Equal(t, want, keys[0].Valid, filter)
		picked, err := s.Pick(ctx, filter)
		require.NoError(t, err)
		require.Len(t, picked, want, filter)
	}
	next, err := s.NextN(ctx, key(nil))
	require.NoError(t, err)
	require.Equal(t, 5, next)
	requireSound(t, s)

	other := open(t)
	_, err = other.Merge(ctx, s)
	require.NoError(t, err)
	got, err := other.Samples(ctx, key(nil))
	require.NoError(t, err)
	require.Equal(t, mine, got, "a merge takes what was measured")

	_, err = s.GC(ctx, results.Policy{DropCollections: []string{"recorded"}})
	require.NoError(t, err)
	require.Equal(t, mine, answers(results.Selection{}), "and nothing of the user's is ever lost")
}

func TestACollectionThatContradictsItself(t *testing.T) {
	t.Parallel()
	s := open(t)
	ctx := t.Context()
	require.NoError(t, s.PutCollection(ctx, "recorded", "v1", many(key(nil), 2)))
	again := sample(key(nil), 3)
	again.RoundTrip++
	err := s.PutCollection(ctx, "recorded", "v2", append(many(key(nil), 5), again))
	var conflict *results.ConflictError
	require.ErrorAs(t, err, &conflict)
	require.Len(t, conflict.Conflicts, 1)
	list, err := s.Collections(ctx)
	require.NoError(t, err)
	require.Equal(t, []results.Collection{{Name: "recorded", Digest: "v1", Samples: 2}}, list, "the old version stays")
	require.Equal(t, []int{0, 1}, numbers(t, s))
}

func TestCollectionsNeedANameAndADigest(t *testing.T) {
	t.Parallel()
	s := open(t)
	for _, c := range []results.Collection{{Name: "", Digest: "d"}, {Name: "n", Digest: ""}, {Name: "a@b", Digest: "d"}} {
		require.Error(t, s.PutCollection(t.Context(), c.Name, c.Digest, nil))
	}
}

func TestEnsureCollection(t *testing.T) {
	t.Parallel()
	s := open(t)
	ctx := t.Context()
	label, err := s.EnsureCollection(ctx, "recorded", fstest.MapFS{"README.md": {Data: []byte("nothing yet")}})
	require.NoError(t, err)
	require.Empty(t, label)

	folder := fstest.MapFS{"README.md": {Data: []byte("about")}, "host/fib.csv": {Data: text(t, many(key(nil), 3))}}
	label, err = s.EnsureCollection(ctx, "recorded", folder)
	require.NoError(t, err)
	require.Equal(t, []int{0, 1, 2}, numbers(t, s))
	again, err := s.EnsureCollection(ctx, "recorded", folder)
	require.NoError(t, err)
	require.Equal(t, label, again)
	list, err := s.Collections(ctx)
	require.NoError(t, err)
	require.Equal(t, label, list[0].Label())

	folder["host/fib.csv"].Data = text(t, many(key(nil), 2))
	next, err := s.EnsureCollection(ctx, "recorded", folder)
	require.NoError(t, err)
	require.NotEqual(t, label, next)
	require.Equal(t, []int{0, 1}, numbers(t, s))

	folder["host/fib.csv"].Data = []byte("function,time\n")
	_, err = s.EnsureCollection(ctx, "recorded", folder)
	require.ErrorContains(t, err, "recorded/host/fib.csv:1")
}
