package main

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"microcosm/functions/internal/dbtest"
	"microcosm/functions/internal/hotel"
	pb "microcosm/functions/proto/ratepb"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPlansComeDearestFirstAndFromTheCacheTheSecondTime(t *testing.T) {
	t.Parallel()
	h := dbtest.NewHotel(t)
	s := &server{h.Store, h.Cache}
	require.NoError(t, load(t.Context(), h.Store))

	var ids []string
	for _, plan := range hotel.Plans() {
		ids = append(ids, plan.GetHotelId())
	}
	request := &pb.Request{HotelIds: ids, InDate: "2015-04-09", OutDate: "2015-04-11"}
	first, err := s.getRates(t.Context(), request)
	require.NoError(t, err)
	require.Len(t, first.GetRatePlans(), len(ids))
	for i := 1; i < len(ids); i++ {
		require.GreaterOrEqual(t, first.GetRatePlans()[i-1].GetRoomType().GetTotalRate(), first.GetRatePlans()[i].GetRoomType().GetTotalRate())
	}
	asked := h.DB.Asked("HGET")
	second, err := s.getRates(t.Context(), request)
	require.NoError(t, err)
	require.Equal(t, asked, h.DB.Asked("HGET"), "all of it was cached")
	for i, plan := range first.GetRatePlans() {
		require.Equal(t, plan.GetHotelId(), second.GetRatePlans()[i].GetHotelId())
		require.Equal(t, plan.GetRoomType().GetTotalRate(), second.GetRatePlans()[i].GetRoomType().GetTotalRate())
	}
	request.OutDate = "2015-04-12"
	_, err = s.getRates(t.Context(), request)
	require.NoError(t, err)
	require.Greater(t, h.DB.Asked("HGET"), asked, "other dates are cached apart")

	// A hotel without plans has none, and that is remembered, too.
	none := &pb.Request{HotelIds: []string{"9999"}}
	before := h.DB.Asked("HGET")
	for range 2 {
		result, err := s.getRates(t.Context(), none)
		require.NoError(t, err)
		require.Empty(t, result.GetRatePlans())
	}
	require.Equal(t, before+1, h.DB.Asked("HGET"))
}
