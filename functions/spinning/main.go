// Command spinning serves calls that multiply and add and touch no memory. The
// request may be a number of rounds; else it is vSwarm's thirty million.
package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"google.golang.org/grpc"

	"microcosm/functions/internal/serve"
	pb "microcosm/functions/proto/aespb"
)

const (
	usual = 30_000_000
	most  = 10_000_000_000
)

func main() {
	serve.Main(50051, serve.Service{Name: "aes.Aes", Methods: []grpc.MethodDesc{serve.Unary("ShowEncryption", spin)}})
}

func spin(_ context.Context, q *pb.PlainTextMessage) (*pb.ReturnEncryptionInfo, error) {
	begin := time.Now()
	sum := squares(rounds(q.GetPlaintextMessage()))
	return &pb.ReturnEncryptionInfo{EncryptionInfo: fmt.Sprintf("%v | sum: %d", time.Since(begin), sum)}, nil
}

func rounds(text string) uint64 {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return usual
	}
	return min(n, most)
}

// squares adds them, so that the compiler cannot leave the multiplication out.
func squares(n uint64) (sum uint64) {
	for i := range n {
		sum += i * i
	}
	return sum
}
