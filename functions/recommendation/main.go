// Command recommendation serves the hotels that are nearest, best rated or cheapest.
// It reads all hotels from the database when it starts and goes through them for
// every call, as vSwarm's function does.
package main

import (
	"context"
	"encoding/json"
	"math"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"microcosm/functions/internal/hotel"
	"microcosm/functions/internal/serve"
	pb "microcosm/functions/proto/recommendationpb"
)

const collection = "ranks"

type server struct {
	hotels map[string]hotel.Rank
}

func main() {
	serve.MainAfter(hotel.Port, func(ctx context.Context) ([]serve.Service, error) {
		s, err := open(ctx)
		return []serve.Service{{
			Name:    "recommendation.Recommendation",
			Methods: []grpc.MethodDesc{serve.Unary("GetRecommendations", s.getRecommendations)},
		}}, err
	})
}

func open(ctx context.Context) (*server, error) {
	s := &server{hotels: map[string]hotel.Rank{}}
	store, err := hotel.OpenStore(ctx)
	if err != nil {
		return s, err
	}
	for _, rank := range hotel.Ranks() {
		if err := store.Put(ctx, collection, rank.ID, rank); err != nil {
			return s, err
		}
	}
	return s, store.All(ctx, collection, func(document []byte) error {
		var rank hotel.Rank
		err := json.Unmarshal(document, &rank)
		s.hotels[rank.ID] = rank
		return err
	})
}

func (s *server) getRecommendations(_ context.Context, q *pb.Request) (*pb.Result, error) {
	switch q.GetRequire() {
	case "dis":
		return s.least(func(r hotel.Rank) float64 { return hotel.Kilometres(q.GetLat(), q.GetLon(), r.Lat, r.Lon) }), nil
	case "rate":
		return s.least(func(r hotel.Rank) float64 { return -r.Rate }), nil
	case "price":
		return s.least(func(r hotel.Rank) float64 { return r.Price }), nil
	}
	return nil, status.Errorf(codes.InvalidArgument, "require %q: want dis, rate or price", q.GetRequire())
}

// least goes through the hotels twice: for the least cost and for those that have it.
func (s *server) least(cost func(hotel.Rank) float64) *pb.Result {
	least := math.Inf(1)
	for _, r := range s.hotels {
		least = min(least, cost(r))
	}
	result := &pb.Result{}
	for _, r := range s.hotels {
		if cost(r) == least {
			result.HotelIds = append(result.HotelIds, r.ID)
		}
	}
	slices.Sort(result.HotelIds)
	return result
}
