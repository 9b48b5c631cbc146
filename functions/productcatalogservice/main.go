// Command productcatalogservice serves the shop's products: all, one by its id, or
// those that a text occurs in.
package main

import (
	"context"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"microcosm/functions/internal/serve"
	"microcosm/functions/internal/shop"
	pb "microcosm/functions/proto/hipstershoppb"
)

type server struct {
	list *pb.ListProductsResponse
}

func main() {
	serve.MainAfter(3550, func(context.Context) ([]serve.Service, error) {
		list, err := shop.Products()
		s := server{list}
		return []serve.Service{{Name: "hipstershop.ProductCatalogService", Methods: []grpc.MethodDesc{
			serve.Unary("ListProducts", s.listProducts),
			serve.Unary("GetProduct", s.getProduct),
			serve.Unary("SearchProducts", s.searchProducts),
		}}}, err
	})
}

func (s server) listProducts(context.Context, *pb.Empty) (*pb.ListProductsResponse, error) {
	return &pb.ListProductsResponse{Products: s.list.GetProducts()}, nil
}

func (s server) getProduct(_ context.Context, q *pb.GetProductRequest) (*pb.Product, error) {
	for _, p := range s.list.GetProducts() {
		if p.GetId() == q.GetId() {
			return p, nil
		}
	}
	return nil, status.Errorf(codes.NotFound, "no product with ID %s", q.GetId())
}

func (s server) searchProducts(_ context.Context, q *pb.SearchProductsRequest) (*pb.SearchProductsResponse, error) {
	found := &pb.SearchProductsResponse{}
	for _, p := range s.list.GetProducts() {
		query := strings.ToLower(q.GetQuery())
		if strings.Contains(strings.ToLower(p.GetName()), query) || strings.Contains(strings.ToLower(p.GetDescription()), query) {
			found.Results = append(found.Results, p)
		}
	}
	return found, nil
}
