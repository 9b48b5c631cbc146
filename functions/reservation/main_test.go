package main

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"microcosm/functions/internal/dbtest"
	"microcosm/functions/internal/hotel"
	pb "microcosm/functions/proto/reservationpb"
)

func TestNights(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		in, out string
		want    []night
	}{
		"one night":           {"2015-04-09", "2015-04-10", []night{{"7", "2015-04-09", "2015-04-10"}}},
		"over a month's end":  {"2015-04-30", "2015-05-02", []night{{"7", "2015-04-30", "2015-05-01"}, {"7", "2015-05-01", "2015-05-02"}}},
		"over a leap day":     {"2016-02-28", "2016-03-01", []night{{"7", "2016-02-28", "2016-02-29"}, {"7", "2016-02-29", "2016-03-01"}}},
		"no night":            {"2015-04-09", "2015-04-09", nil},
		"out before in":       {"2015-04-09", "2015-04-08", nil},
		"a summer time's end": {"2015-10-24", "2015-10-26", []night{{"7", "2015-10-24", "2015-10-25"}, {"7", "2015-10-25", "2015-10-26"}}},
	} {
		got, err := nights("7", c.in, c.out)
		require.NoError(t, err)
		require.Equal(t, c.want, got, name)
	}
	for _, dates := range [][2]string{{"", "2015-04-09"}, {"2015-04-09", "tomorrow"}, {"2015-13-01", "2015-13-02"}, {"2015-04-09", "2017-04-09"}} {
		_, err := nights("7", dates[0], dates[1])
		require.Equal(t, codes.InvalidArgument, status.Code(err), dates)
	}
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRoomsAreTakenUntilNoneIsLeft(t *testing.T) {
	t.Parallel()
	h := dbtest.NewHotel(t)
	s := &server{h.Store, h.Cache}
	for range 2 { // the second time everything is there
		require.NoError(t, load(t.Context(), h.Store))
	}
	require.Equal(t, 1, h.DB.Asked("RPUSH"), "the one reservation that there is from the beginning")

	request := func(rooms int) *pb.Request {
		return &pb.Request{CustomerName: "Ann", HotelId: []string{"7"}, InDate: "2030-01-01", OutDate: "2030-01-03", RoomNumber: int32(rooms)}
	}
	all := hotel.Rooms(7)
	free, err := s.checkAvailability(t.Context(), request(all))
	require.NoError(t, err)
	require.Equal(t, []string{"7"}, free.GetHotelId())
	made, err := s.makeReservation(t.Context(), request(all-1))
	require.NoError(t, err)
	require.Equal(t, []string{"7"}, made.GetHotelId())
	require.Equal(t, 3, h.DB.Asked("RPUSH"), "one for each night")
	made, err = s.makeReservation(t.Context(), request(2))
	require.NoError(t, err)
	require.Empty(t, made.GetHotelId(), "one is left")
	free, err = s.checkAvailability(t.Context(), request(1))
	require.NoError(t, err)
	require.Equal(t, []string{"7"}, free.GetHotelId())
	_, err = s.makeReservation(t.Context(), &pb.Request{})
	require.Equal(t, codes.InvalidArgument, status.Code(err))
	unknown := request(1)
	unknown.HotelId = []string{"9999"}
	_, err = s.checkAvailability(t.Context(), unknown)
	require.Equal(t, codes.NotFound, status.Code(err))
}
