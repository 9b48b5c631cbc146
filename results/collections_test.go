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

func TestACollectionThatContradictsAMeasuredSample(t *testing.T) {
	t.Parallel()
	s := open(t)
	ctx := t.Context()
	require.NoError(t, s.PutCollection(ctx, "recorded", "v1", many(key(nil), 2)))
	mine := sample(key(nil), 3)
	mine.RoundTrip++
	require.NoError(t, s.Put(ctx, mine))
	err := s.PutCollection(ctx, "recorded", "v2", many(key(nil), 5))
	var conflict *results.ConflictError
	require.ErrorAs(t, err, &conflict)
	require.Len(t, conflict.Conflicts, 1)
	list, err := s.Collections(ctx)
	require.NoError(t, err)
	require.Equal(t, []results.Collection{{Name: "recorded", Digest: "v1", Samples: 2}}, list, "the old version stays")
	require.Equal(t, []int{0, 1, 3}, numbers(t, s))
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
