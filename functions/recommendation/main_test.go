package main

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"microcosm/functions/internal/hotel"
	pb "microcosm/functions/proto/recommendationpb"
)

func TestGetRecommendations(t *testing.T) {
	t.Parallel()
	place := func(id string, lat, lon float64) hotel.Place { return hotel.Place{ID: id, Lat: lat, Lon: lon} }
	s := &server{hotels: map[string]hotel.Rank{
		"a": {Place: place("a", 10, 10), Rate: 3, Price: 50},
		"b": {Place: place("b", 10, 11), Rate: 5, Price: 40},
		"c": {Place: place("c", 20, 10), Rate: 5, Price: 70},
	}}
	for name, c := range map[string]struct {
		q    *pb.Request
		want []string
	}{
		"the nearest":             {&pb.Request{Require: "dis", Lat: 11, Lon: 10}, []string{"a"}},
		"the nearest of others":   {&pb.Request{Require: "dis", Lat: 19, Lon: 12}, []string{"c"}},
		"two that are rated best": {&pb.Request{Require: "rate"}, []string{"b", "c"}},
		"the cheapest":            {&pb.Request{Require: "price"}, []string{"b"}},
	} {
		got, err := s.getRecommendations(context.Background(), c.q)
		require.NoError(t, err, name)
		require.Equal(t, c.want, got.GetHotelIds(), name)
	}
	_, err := s.getRecommendations(context.Background(), &pb.Request{Require: "stars"})
	require.Equal(t, codes.InvalidArgument, status.Code(err))
}
