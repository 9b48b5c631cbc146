package main

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"microcosm/functions/internal/dbtest"
	"microcosm/functions/internal/hotel"
	pb "microcosm/functions/proto/profilepb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAProfileComesFromTheCacheOnceItWasAskedFor(t *testing.T) {
	t.Parallel()
	h := dbtest.NewHotel(t)
	s := &server{h.Store, h.Cache}
	require.NoError(t, load(t.Context(), h.Store))
	require.Equal(t, hotel.Number, h.DB.Asked("HSETNX"))

	ask := func(locale string, ids ...string) []*pb.Hotel {
		result, err := s.getProfiles(t.Context(), &pb.Request{HotelIds: ids, Locale: locale})
		require.NoError(t, err)
		return result.GetHotels()
	}
	first := ask("", "2", "1", "2")
	require.Len(t, first, 3)
	require.Equal(t, []string{"2", "1", "2"}, []string{first[0].GetId(), first[1].GetId(), first[2].GetId()})
	require.Equal(t, 2, h.DB.Asked("HGET"), "the second 2 is in the cache")
	again := ask("", "1", "2")
	require.Equal(t, 2, h.DB.Asked("HGET"))
	require.Equal(t, first[0].GetName(), again[1].GetName())
	ask("de", "1")
	require.Equal(t, 3, h.DB.Asked("HGET"), "every language is cached apart")
	require.Empty(t, ask(""))

	_, err := s.getProfiles(t.Context(), &pb.Request{HotelIds: []string{"0"}})
	require.Equal(t, codes.NotFound, status.Code(err))
	_, err = s.getProfiles(t.Context(), &pb.Request{HotelIds: []string{"no such hotel"}})
	require.ErrorContains(t, err, "without blanks", "a key that the cache cannot have")
}
