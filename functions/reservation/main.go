// Command reservation serves the rooms that are free, and takes them. Both how many
// are taken on a night and how many there are come from the cache if it has them,
// else from the database.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"microcosm/functions/internal/hotel"
	"microcosm/functions/internal/memcache"
	"microcosm/functions/internal/serve"
	pb "microcosm/functions/proto/reservationpb"
)

const collection = "rooms"

type server struct {
	store *hotel.Store
	cache *memcache.Client
}

func main() {
	hotel.MainCached("reservation.Reservation", load, func(store *hotel.Store, cache *memcache.Client) []grpc.MethodDesc {
		s := &server{store, cache}
		return []grpc.MethodDesc{
			serve.Unary("CheckAvailability", s.checkAvailability),
			serve.Unary("MakeReservation", s.makeReservation),
		}
	})
}

func load(ctx context.Context, store *hotel.Store) error {
	for n := 1; n <= hotel.Number; n++ {
		if err := store.Put(ctx, collection, strconv.Itoa(n), hotel.Rooms(n)); err != nil {
			return err
		}
	}
	taken := hotel.Taken()
	list := night{taken.Hotel, taken.In, taken.Out}.list()
	there := 0
	count := func([]byte) error { there++; return nil }
	if err := store.List(ctx, list, count); err != nil || there > 0 {
		return err
	}
	return store.Append(ctx, map[string]any{list: taken})
}

// night is one night in one hotel.
type night struct{ hotel, in, out string }

func (n night) key() string  { return n.hotel + "_" + n.in + "_" + n.out }
func (n night) list() string { return "reservations:" + n.key() }

// nights are those of a stay.
func nights(id, in, out string) ([]night, error) {
	from, err := time.Parse(time.DateOnly, in)
	if err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "inDate %q: want YYYY-MM-DD", in)
	}
	to, err := time.Parse(time.DateOnly, out)
	if err != nil || to.Sub(from) > 366*24*time.Hour {
		return nil, status.Errorf(codes.InvalidArgument, "outDate %q: want YYYY-MM-DD within a year", out)
	}
	var list []night
	for from.Before(to) {
		next := from.AddDate(0, 0, 1)
		list = append(list, night{id, from.Format(time.DateOnly), next.Format(time.DateOnly)})
		from = next
	}
	return list, nil
}

func (s *server) checkAvailability(ctx context.Context, q *pb.Request) (*pb.Result, error) {
	result := &pb.Result{}
	for _, id := range q.GetHotelId() {
		stay, err := nights(id, q.GetInDate(), q.GetOutDate())
		if err != nil {
			return nil, err
		}
		taken, free, err := s.free(ctx, stay, int(q.GetRoomNumber()))
		if err != nil {
			return nil, err
		}
		for n, rooms := range taken {
			if rooms.cached {
				continue
			}
			if err := s.cache.Set(ctx, n.key(), []byte(strconv.Itoa(rooms.number))); err != nil {
				return nil, err
			}
		}
		if free {
			result.HotelId = append(result.HotelId, id)
		}
	}
	return result, nil
}

func (s *server) makeReservation(ctx context.Context, q *pb.Request) (*pb.Result, error) {
	if len(q.GetHotelId()) == 0 || q.GetRoomNumber() < 1 {
		return nil, status.Error(codes.InvalidArgument, "want a hotel and at least one room")
	}
	id, rooms := q.GetHotelId()[0], int(q.GetRoomNumber())
	stay, err := nights(id, q.GetInDate(), q.GetOutDate())
	if err != nil {
		return nil, err
	}
	taken, free, err := s.free(ctx, stay, rooms)
	if err != nil || !free {
		return &pb.Result{}, err
	}
	lists := map[string]any{}
	for n, before := range taken {
		if err := s.cache.Set(ctx, n.key(), []byte(strconv.Itoa(before.number+rooms))); err != nil {
			return nil, err
		}
		lists[n.list()] = hotel.Reservation{Hotel: id, Customer: q.GetCustomerName(), In: n.in, Out: n.out, Rooms: rooms}
	}
	return &pb.Result{HotelId: []string{id}}, s.store.Append(ctx, lists)
}

// rooms is a number of rooms and whether the cache had it.
type rooms struct {
	number int
	cached bool
}

// free tells how many rooms are taken on each night, up to the first night on which
// not enough are left.
func (s *server) free(ctx context.Context, stay []night, want int) (map[night]rooms, bool, error) {
	taken := map[night]rooms{}
	for _, n := range stay {
		r, err := s.taken(ctx, n)
		if err != nil {
			return nil, false, err
		}
		taken[n] = r
		all, err := s.all(ctx, n.hotel)
		if err != nil {
			return nil, false, err
		}
		if r.number+want > all {
			return taken, false, nil
		}
	}
	return taken, len(stay) > 0, nil
}

func (s *server) taken(ctx context.Context, n night) (rooms, error) {
	if number, err := s.cached(ctx, n.key()); !errors.Is(err, memcache.ErrMiss) {
		return rooms{number, true}, err
	}
	var sum int
	err := s.store.List(ctx, n.list(), func(document []byte) error {
		var r hotel.Reservation
		err := json.Unmarshal(document, &r)
		sum += r.Rooms
		return err
	})
	return rooms{sum, false}, err
}

// all is how many rooms a hotel has.
func (s *server) all(ctx context.Context, id string) (int, error) {
	key := id + "_cap"
	if number, err := s.cached(ctx, key); !errors.Is(err, memcache.ErrMiss) {
		return number, err
	}
	var number int
	found, err := s.store.Get(ctx, collection, id, &number)
	if err != nil {
		return 0, err
	}
	if !found {
		return 0, status.Errorf(codes.NotFound, "no hotel %q", id)
	}
	return number, s.cache.Set(ctx, key, []byte(strconv.Itoa(number)))
}

func (s *server) cached(ctx context.Context, key string) (int, error) {
	text, err := s.cache.Get(ctx, key)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(text))
}
