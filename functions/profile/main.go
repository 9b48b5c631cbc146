// Command profile serves descriptions of hotels, from the cache if it has them,
// else from the database.
package main

import (
	"context"
	"encoding/json"
	"errors"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"microcosm/functions/internal/hotel"
	"microcosm/functions/internal/memcache"
	"microcosm/functions/internal/serve"
	pb "microcosm/functions/proto/profilepb"
)

const collection = "profiles"

type server struct {
	store *hotel.Store
	cache *memcache.Client
}

func main() {
	hotel.MainCached("profile.Profile", load, func(store *hotel.Store, cache *memcache.Client) []grpc.MethodDesc {
		s := &server{store, cache}
		return []grpc.MethodDesc{serve.Unary("GetProfiles", s.getProfiles)}
	})
}

func load(ctx context.Context, store *hotel.Store) error {
	for _, h := range hotel.Profiles() {
		if err := store.Put(ctx, collection, h.GetId(), h); err != nil {
			return err
		}
	}
	return nil
}

func (s *server) getProfiles(ctx context.Context, q *pb.Request) (*pb.Result, error) {
	result := &pb.Result{}
	for _, id := range q.GetHotelIds() {
		h, err := s.profile(ctx, id, q.GetLocale())
		if err != nil {
			return nil, err
		}
		result.Hotels = append(result.Hotels, h)
	}
	return result, nil
}

// profile is cached by language, though there is one text for all.
func (s *server) profile(ctx context.Context, id, locale string) (*pb.Hotel, error) {
	key, h := id, &pb.Hotel{}
	if locale != "" {
		key += "_" + locale
	}
	text, err := s.cache.Get(ctx, key)
	if err == nil {
		return h, json.Unmarshal(text, h)
	}
	if !errors.Is(err, memcache.ErrMiss) {
		return nil, err
	}
	found, err := s.store.Get(ctx, collection, id, h)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, status.Errorf(codes.NotFound, "no hotel %q", id)
	}
	if text, err = json.Marshal(h); err != nil {
		return nil, err
	}
	return h, s.cache.Set(ctx, key, text)
}
