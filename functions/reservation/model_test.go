package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"pgregory.net/rapid"

	"microcosm/functions/internal/dbtest"
	"microcosm/functions/internal/hotel"
	"microcosm/functions/internal/memcache"
	pb "microcosm/functions/proto/reservationpb"
)

// busy skips a round in which the clients' patience, two seconds, was too short.
func busy(t *rapid.T, err error) {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Skip("this machine is too busy")
	}
}

// TestNoNightIsSoldTwice makes reservations by chance, with caches that are lost in
// between, and keeps the books by hand.
func TestNoNightIsSoldTwice(t *testing.T) {
	t.Parallel()
	h := dbtest.NewHotel(t)
	if err := load(t.Context(), h.Store); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Skip("skipped: this machine is too busy for a client that waits two seconds")
	} else {
		require.NoError(t, err)
	}
	first := time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC)
	round := 0
	rapid.Check(t, func(r *rapid.T) {
		round++
		s := &server{h.Store, h.Cache}
		books := map[string]int{} // rooms taken, by hotel and night
		for range rapid.IntRange(1, 15).Draw(r, "calls") {
			id := strconv.Itoa(rapid.SampledFrom([]int{2, 7}).Draw(r, "hotel"))
			from := rapid.IntRange(0, 5).Draw(r, "from")
			to := from + rapid.IntRange(-1, 3).Draw(r, "nights")
			day := func(n int) string { return first.AddDate(0, 0, n+10*round).Format(time.DateOnly) }
			rooms := rapid.SampledFrom([]int{1, 3, 5, 10, 11, 299, 300}).Draw(r, "rooms")
			n, err := strconv.Atoi(id)
			require.NoError(r, err)
			free := to > from
			for night := from; night < to; night++ {
				free = free && books[fmt.Sprint(id, "@", night)]+rooms <= hotel.Rooms(n)
			}
			var want []string
			if free {
				want = append(want, id)
			}
			q := &pb.Request{CustomerName: "Ann", HotelId: []string{id}, InDate: day(from), OutDate: day(to), RoomNumber: int32(rooms)}
			if rapid.Bool().Draw(r, "make") {
				got, err := s.makeReservation(context.Background(), q)
				busy(r, err)
				require.NoError(r, err)
				require.ElementsMatch(r, want, got.GetHotelId())
				for night := from; free && night < to; night++ {
					books[fmt.Sprint(id, "@", night)] += rooms
				}
			} else {
				got, err := s.checkAvailability(context.Background(), q)
				busy(r, err)
				require.NoError(r, err)
				require.ElementsMatch(r, want, got.GetHotelId())
			}
			if rapid.IntRange(0, 3).Draw(r, "lost") == 0 { // the database alone knows it all
				s.cache = memcache.New(dbtest.Memcached(t).Addr)
				t.Cleanup(s.cache.Close)
			}
		}
	})
}

func TestRequestsForRoomsThatCannotBe(t *testing.T) {
	t.Parallel()
	h := dbtest.NewHotel(t)
	s := &server{h.Store, h.Cache}
	if err := load(t.Context(), h.Store); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Skip("skipped: this machine is too busy for a client that waits two seconds")
	} else {
		require.NoError(t, err)
	}
	good := func() *pb.Request {
		return &pb.Request{HotelId: []string{"1"}, InDate: "2030-01-01", OutDate: "2030-01-02", RoomNumber: 1}
	}
	for situation, c := range map[string]struct {
		change func(*pb.Request)
		code   codes.Code
	}{
		"no hotel":                  {func(q *pb.Request) { q.HotelId = nil }, codes.InvalidArgument},
		"no room":                   {func(q *pb.Request) { q.RoomNumber = 0 }, codes.InvalidArgument},
		"less than no room":         {func(q *pb.Request) { q.RoomNumber = -5 }, codes.InvalidArgument},
		"no day":                    {func(q *pb.Request) { q.InDate = "" }, codes.InvalidArgument},
		"a day in another writing":  {func(q *pb.Request) { q.OutDate = "02.01.2030" }, codes.InvalidArgument},
		"a day that there is not":   {func(q *pb.Request) { q.OutDate = "2030-02-30" }, codes.InvalidArgument},
		"years":                     {func(q *pb.Request) { q.OutDate = "2040-01-01" }, codes.InvalidArgument},
		"a hotel that there is not": {func(q *pb.Request) { q.HotelId[0] = "81" }, codes.NotFound},
	} {
		q := good()
		c.change(q)
		_, err := s.makeReservation(t.Context(), q)
		require.Equal(t, c.code, status.Code(err), situation)
	}
	require.Equal(t, 1, h.DB.Asked("RPUSH"), "nothing was reserved")
	several := good()
	several.HotelId = []string{"1", "2", "3"}
	several.RoomNumber = 11
	got, err := s.checkAvailability(t.Context(), several)
	require.NoError(t, err)
	require.Equal(t, []string{"1", "3"}, got.GetHotelId(), "in the order asked for")
	got, err = s.checkAvailability(t.Context(), &pb.Request{})
	require.NoError(t, err)
	require.Empty(t, got.GetHotelId(), "nobody asked for anything")
}
