// Command chained-consumer serves the second half of a chain: it takes payloads.
package main

import (
	"context"

	"google.golang.org/grpc"

	"microcosm/functions/internal/serve"
	pb "microcosm/functions/proto/prodconpb"
)

func main() {
	serve.Main(3030, serve.Service{Name: "prodcon.ProducerConsumer", Methods: []grpc.MethodDesc{serve.Unary("ConsumeByte", consume)}})
}

func consume(_ context.Context, q *pb.ConsumeByteRequest) (*pb.ConsumeByteReply, error) {
	return &pb.ConsumeByteReply{Value: len(q.GetValue()) > 0}, nil
}
