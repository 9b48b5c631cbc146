// Package shop is the product catalog of the online shop: the function serves it
// and the checks compute from it what a reply must be.
package shop

import (
	_ "embed"
	"fmt"

	"google.golang.org/protobuf/encoding/protojson"

	pb "microcosm/functions/proto/hipstershoppb"
)

//go:embed products.json
var products []byte

// Products are all products in their order.
func Products() (*pb.ListProductsResponse, error) {
	var list pb.ListProductsResponse
	if err := protojson.Unmarshal(products, &list); err != nil {
		return nil, fmt.Errorf("products.json: %w", err)
	}
	return &list, nil
}
