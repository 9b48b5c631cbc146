// Command chained-producer serves the first half of a chain: each call sends one or
// several payloads to the consumer at CONSUMER_ADDR and answers when all are taken.
// TRANSFER_SIZE_KB is the size of a payload, ten unless set.
package main

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"microcosm/functions/internal/serve"
	hello "microcosm/functions/proto/helloworldpb"
	pb "microcosm/functions/proto/prodconpb"
)

const (
	usualKiB = 10
	mostKiB  = 4095 // gRPC takes 4 MiB
	mostFan  = 1000
)

type producer struct {
	consumer string
	payload  []byte
}

func main() {
	serve.MainAfter(3031, func(context.Context) ([]serve.Service, error) {
		p, err := newProducer(os.Getenv("CONSUMER_ADDR"), os.Getenv("TRANSFER_SIZE_KB"))
		return []serve.Service{
			{Name: "helloworld.Greeter", Methods: []grpc.MethodDesc{serve.Unary("SayHello", p.sayHello)}},
			{Name: "prodcon.ProdConDriver", Methods: []grpc.MethodDesc{serve.Unary("Benchmark", p.benchmark)}},
		}, err
	})
}

func newProducer(consumer, sizeKiB string) (producer, error) {
	size, err := strconv.Atoi(cmp.Or(sizeKiB, strconv.Itoa(usualKiB)))
	if err != nil || size < 1 || size > mostKiB {
		return producer{}, fmt.Errorf("TRANSFER_SIZE_KB=%s: want 1 to %d", sizeKiB, mostKiB)
	}
	p := producer{cmp.Or(consumer, "127.0.0.1:3030"), make([]byte, size<<10)}
	chacha := rand.NewChaCha8([32]byte{1}) // like random bytes, but always the same
	_, err = chacha.Read(p.payload)
	return p, err
}

// sayHello sends one payload.
func (p producer) sayHello(ctx context.Context, _ *hello.HelloRequest) (*hello.HelloReply, error) {
	if err := p.send(ctx, 1); err != nil {
		return nil, err
	}
	return &hello.HelloReply{Message: "Success"}, nil
}

func (p producer) benchmark(ctx context.Context, q *pb.BenchType) (*pb.BenchResponse, error) {
	n := int(q.GetFanAmount())
	if n < 1 || n > mostFan {
		return nil, status.Errorf(codes.InvalidArgument, "fanAmount %d: want 1 to %d", n, mostFan)
	}
	group, ctx := errgroup.WithContext(ctx)
	switch q.GetName() {
	case "FANOUT":
		for range n {
			group.Go(func() error { return p.send(ctx, 1) })
		}
	case "BROADCAST":
		group.Go(func() error { return p.send(ctx, n) })
	default:
		return nil, status.Errorf(codes.InvalidArgument, "name %q: want FANOUT or BROADCAST", q.GetName())
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return &pb.BenchResponse{Ok: true}, nil
}

// send passes n payloads at once over one new connection: as vSwarm's producer, none
// is kept between calls.
func (p producer) send(ctx context.Context, n int) error {
	conn, err := grpc.NewClient("passthrough:///"+p.consumer, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithNoProxy())
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // all replies have been read
	group, ctx := errgroup.WithContext(ctx)
	for range n {
		group.Go(func() error {
			var reply pb.ConsumeByteReply
			err := conn.Invoke(ctx, "/prodcon.ProducerConsumer/ConsumeByte", &pb.ConsumeByteRequest{Value: p.payload}, &reply)
			if err == nil && !reply.GetValue() {
				err = status.Error(codes.Aborted, "the consumer did not take the payload")
			}
			return err
		})
	}
	return group.Wait()
}
