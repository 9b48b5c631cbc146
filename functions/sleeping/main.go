// Command sleeping serves calls that wait and do nothing else. The request may name
// how long, as 20ms; else it is the fifty milliseconds of vSwarm's function.
package main

import (
	"context"
	"time"

	"google.golang.org/grpc"

	"microcosm/functions/internal/serve"
	pb "microcosm/functions/proto/aespb"
)

const (
	usual   = 50 * time.Millisecond
	longest = time.Minute
)

func main() {
	serve.Main(50051, serve.Service{Name: "aes.Aes", Methods: []grpc.MethodDesc{serve.Unary("ShowEncryption", sleep)}})
}

func sleep(ctx context.Context, q *pb.PlainTextMessage) (*pb.ReturnEncryptionInfo, error) {
	begin := time.Now()
	select {
	case <-time.After(delay(q.GetPlaintextMessage())):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return &pb.ReturnEncryptionInfo{EncryptionInfo: time.Since(begin).String()}, nil
}

func delay(text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return usual
	}
	return min(d, longest)
}
