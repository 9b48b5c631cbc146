package hotel_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"microcosm/functions/internal/dbtest"
	"microcosm/functions/internal/hotel"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestADocumentIsStoredOnce(t *testing.T) {
	t.Parallel()
	s, db := dbtest.OpenStore(t)
	require.NoError(t, s.Put(t.Context(), "c", "1", map[string]int{"a": 1}))
	require.NoError(t, s.Put(t.Context(), "c", "1", map[string]int{"a": 2}))
	var got map[string]int
	found, err := s.Get(t.Context(), "c", "1", &got)
	require.NoError(t, err)
	require.True(t, found)
	require.Equal(t, map[string]int{"a": 1}, got, "the id was taken")
	found, err = s.Get(t.Context(), "c", "2", &got)
	require.NoError(t, err)
	require.False(t, found)
	require.Equal(t, 2, db.Asked("HGET"), "one question each")
}

func TestCollections(t *testing.T) {
	t.Parallel()
	s, _ := dbtest.OpenStore(t)
	require.NoError(t, s.PutAll(t.Context(), "c", map[string]any{"a": 1, "b": 2}))
	require.NoError(t, s.Put(t.Context(), "other", "x", 3))
	sum := 0
	add := func(document []byte) error {
		var n int
		err := json.Unmarshal(document, &n)
		sum += n
		return err
	}
	require.NoError(t, s.All(t.Context(), "c", add))
	require.Equal(t, 3, sum)
	require.NoError(t, s.All(t.Context(), "none", add))
	require.Equal(t, 3, sum)
}

func TestLists(t *testing.T) {
	t.Parallel()
	s, db := dbtest.OpenStore(t)
	require.NoError(t, s.Append(t.Context(), map[string]any{"l": "one"}))
	require.NoError(t, s.Append(t.Context(), map[string]any{"l": "two", "m": "three"}))
	var got []string
	require.NoError(t, s.List(t.Context(), "l", func(document []byte) error {
		got = append(got, string(document))
		return nil
	}))
	require.Equal(t, []string{`"one"`, `"two"`}, got)
	require.Equal(t, 2, db.Asked("EXEC"), "all or none")
}

func TestWhatCannotBeAJSONDocument(t *testing.T) {
	t.Parallel()
	s, db := dbtest.OpenStore(t)
	require.Error(t, s.Put(t.Context(), "c", "1", func() {}))
	require.Error(t, s.PutAll(t.Context(), "c", map[string]any{"a": func() {}}))
	require.Error(t, s.Append(t.Context(), map[string]any{"l": func() {}}))
	require.Zero(t, db.Asked("HSETNX")+db.Asked("RPUSH"), "nothing is sent")
}

func TestTheHotelsDataHangTogether(t *testing.T) {
	t.Parallel()
	require.Len(t, hotel.Profiles(), hotel.Number)
	ids := map[string]bool{}
	for _, h := range hotel.Profiles() {
		require.False(t, ids[h.GetId()], "hotel %s twice", h.GetId())
		ids[h.GetId()] = true
	}
	for _, p := range hotel.Plans() {
		require.True(t, ids[p.GetHotelId()], "a plan of hotel %s, which there is not", p.GetHotelId())
	}
	for n := 1; n <= hotel.Number; n++ {
		require.Positive(t, hotel.Rooms(n))
	}
	require.True(t, ids[hotel.Taken().Hotel])
	require.Zero(t, hotel.Kilometres(37, -122, 37, -122))
	require.InDelta(t, 111.2, hotel.Kilometres(37, -122, 38, -122), .5, "a degree of latitude")
	require.Equal(t, hotel.Hash("a"), hotel.Hash("a"))
	require.NotEqual(t, hotel.Hash("a"), hotel.Hash("b"))
}
