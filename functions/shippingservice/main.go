// Command shippingservice serves the price of a delivery, which is one for all, and
// a number under which it can be followed.
package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"google.golang.org/grpc"

	"microcosm/functions/internal/serve"
	pb "microcosm/functions/proto/hipstershoppb"
)

const quote = 8.99 // dollars

func main() {
	serve.Main(50051, serve.Service{Name: "hipstershop.ShippingService", Methods: []grpc.MethodDesc{
		serve.Unary("GetQuote", getQuote),
		serve.Unary("ShipOrder", shipOrder),
	}})
}

func getQuote(context.Context, *pb.GetQuoteRequest) (*pb.GetQuoteResponse, error) {
	units, fraction := math.Modf(quote)
	cents := math.Trunc(fraction * 100)
	return &pb.GetQuoteResponse{CostUsd: &pb.Money{CurrencyCode: "USD", Units: int64(units), Nanos: int32(cents) * 10000000}}, nil
}

func shipOrder(_ context.Context, q *pb.ShipOrderRequest) (*pb.ShipOrderResponse, error) {
	a := q.GetAddress()
	n := len(fmt.Sprintf("%s, %s, %s", a.GetStreetAddress(), a.GetCity(), a.GetState()))
	id := fmt.Sprintf("%s-%d%s-%d%s", letters(2), n, digits(3), n/2, digits(7))
	return &pb.ShipOrderResponse{TrackingId: id}, nil
}

func letters(n int) (s string) {
	for range n {
		s += string(rune('A' + rand.IntN(26)))
	}
	return s
}

func digits(n int) (s string) {
	for range n {
		s += fmt.Sprint(rand.IntN(10))
	}
	return s
}
