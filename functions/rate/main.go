// Command rate serves the rate plans of hotels, dearest first, from the cache if it
// has them, else from the database.
package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"

	"google.golang.org/grpc"

	"microcosm/functions/internal/hotel"
	"microcosm/functions/internal/memcache"
	"microcosm/functions/internal/serve"
	pb "microcosm/functions/proto/ratepb"
)

const collection = "rates"

type server struct {
	store *hotel.Store
	cache *memcache.Client
}

func main() {
	hotel.MainCached("rate.Rate", load, func(store *hotel.Store, cache *memcache.Client) []grpc.MethodDesc {
		s := &server{store, cache}
		return []grpc.MethodDesc{serve.Unary("GetRates", s.getRates)}
	})
}

func load(ctx context.Context, store *hotel.Store) error {
	for _, plan := range hotel.Plans() {
		if err := store.Put(ctx, collection, plan.GetHotelId(), []*pb.RatePlan{plan}); err != nil {
			return err
		}
	}
	return nil
}

func (s *server) getRates(ctx context.Context, q *pb.Request) (*pb.Result, error) {
	result := &pb.Result{}
	for _, id := range q.GetHotelIds() {
		plans, err := s.plans(ctx, id, id+"_"+q.GetInDate()+"_"+q.GetOutDate())
		if err != nil {
			return nil, err
		}
		result.RatePlans = append(result.RatePlans, plans...)
	}
	slices.SortStableFunc(result.RatePlans, func(a, b *pb.RatePlan) int {
		return cmp.Compare(b.GetRoomType().GetTotalRate(), a.GetRoomType().GetTotalRate())
	})
	return result, nil
}

// plans are cached as one JSON object per line; a hotel without plans as nothing.
func (s *server) plans(ctx context.Context, id, key string) ([]*pb.RatePlan, error) {
	var plans []*pb.RatePlan
	text, err := s.cache.Get(ctx, key)
	if err == nil {
		for line := range bytes.Lines(text) {
			plan := &pb.RatePlan{}
			if err := json.Unmarshal(line, plan); err != nil {
				return nil, err
			}
			plans = append(plans, plan)
		}
		return plans, nil
	}
	if !errors.Is(err, memcache.ErrMiss) {
		return nil, err
	}
	if _, err := s.store.Get(ctx, collection, id, &plans); err != nil {
		return nil, err
	}
	for _, plan := range plans {
		line, err := json.Marshal(plan)
		if err != nil {
			return nil, err
		}
		text = append(append(text, line...), '\n')
	}
	return plans, s.cache.Set(ctx, key, text)
}
