package main

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"microcosm/functions/internal/shop"
	pb "microcosm/functions/proto/hipstershoppb"
)

func TestProducts(t *testing.T) {
	t.Parallel()
	list, err := shop.Products()
	require.NoError(t, err)
	s := server{list}
	all, err := s.listProducts(context.Background(), &pb.Empty{})
	require.NoError(t, err)
	require.Len(t, all.GetProducts(), 9)

	mug, err := s.getProduct(context.Background(), &pb.GetProductRequest{Id: "6E92ZMYYFZ"})
	require.NoError(t, err)
	require.Equal(t, "Mug", mug.GetName())
	require.EqualValues(t, 8, mug.GetPriceUsd().GetUnits())
	_, err = s.getProduct(context.Background(), &pb.GetProductRequest{Id: "mug"})
	require.Equal(t, codes.NotFound, status.Code(err))

	for query, want := range map[string][]string{
		"MUG":     {"Mug"},
		"gl":      {"Sunglasses", "Watch", "Bamboo Glass Jar"}, // one of them in "glow"
		"kitchen": {"Salt & Pepper Shakers"},
		"nothing": nil,
	} {
		found, err := s.searchProducts(context.Background(), &pb.SearchProductsRequest{Query: query})
		require.NoError(t, err)
		var names []string
		for _, p := range found.GetResults() {
			names = append(names, p.GetName())
		}
		require.Equal(t, want, names, query)
	}
}
