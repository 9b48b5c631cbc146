// Command null serves the empty call that is subtracted from every round trip.
package main

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"

	"microcosm/functions/internal/serve"
)

func main() {
	serve.Main(50051, serve.Service{
		Name: "microcosm.Null",
		Methods: []grpc.MethodDesc{serve.Unary("Call", func(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
			return &emptypb.Empty{}, nil
		})},
	})
}
