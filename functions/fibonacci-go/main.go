// Command fibonacci-go serves the Fibonacci benchmark: it adds its way up to
// the number asked for in arbitrary precision and answers it in decimal.
package main

import (
	"context"
	"fmt"
	"math/big"
	"strconv"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"microcosm/functions/internal/serve"
	pb "microcosm/functions/proto/fibonaccipb"
)

func main() {
	serve.Main(50051, serve.Service{
		Name:    "fibonacci.Greeter",
		Methods: []grpc.MethodDesc{serve.Unary("SayHello", sayHello)},
	})
}

func sayHello(_ context.Context, in *pb.HelloRequest) (*pb.HelloReply, error) {
	x, err := strconv.ParseInt(in.GetName(), 10, 32)
	if err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "name %q: want a whole number", in.GetName())
	}
	y := fibonacci(int(x)).String()
	return &pb.HelloReply{Message: fmt.Sprintf("fn: Fib: y = fib(x) | x: %d y: %s | runtime: GoLang", x, y)}, nil
}

// fibonacci takes x additions. The sum goes through a third number, as in
// vSwarm's benchmark, so each step also copies two.
func fibonacci(x int) *big.Int {
	a, b, sum := big.NewInt(0), big.NewInt(1), new(big.Int)
	for range x {
		sum.Add(a, b)
		a.Set(b)
		b.Set(sum)
	}
	return a
}
