package main

import (
	"context"
	"net"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"

	"microcosm/functions/internal/serve"
	hello "microcosm/functions/proto/helloworldpb"
	pb "microcosm/functions/proto/prodconpb"
)

// consumer counts payloads, their bytes and connections.
type consumer struct {
	payloads, bytes, connections atomic.Int64
	refuse                       atomic.Bool
}

func (c *consumer) consume(_ context.Context, q *pb.ConsumeByteRequest) (*pb.ConsumeByteReply, error) {
	c.payloads.Add(1)
	c.bytes.Add(int64(len(q.GetValue())))
	return &pb.ConsumeByteReply{Value: !c.refuse.Load()}, nil
}

func (c *consumer) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (c *consumer) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (c *consumer) HandleRPC(context.Context, stats.RPCStats)                         {}
func (c *consumer) HandleConn(_ context.Context, s stats.ConnStats) {
	if _, ok := s.(*stats.ConnBegin); ok {
		c.connections.Add(1)
	}
}

func TestProducerSendsWhatItIsAskedFor(t *testing.T) {
	t.Parallel()
	c := &consumer{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := grpc.NewServer(grpc.StatsHandler(c))
	server.RegisterService(&grpc.ServiceDesc{ServiceName: "prodcon.ProducerConsumer", Methods: []grpc.MethodDesc{serve.Unary("ConsumeByte", c.consume)}}, nil)
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(l) }()
	t.Cleanup(func() { server.Stop(); <-done })

	p, err := newProducer(l.Addr().String(), "2")
	require.NoError(t, err)
	expect := func(payloads, connections int64) {
		t.Helper()
		require.Equal(t, payloads, c.payloads.Swap(0))
		require.Equal(t, payloads*2048, c.bytes.Swap(0))
		require.Equal(t, connections, c.connections.Swap(0))
	}
	reply, err := p.sayHello(t.Context(), &hello.HelloRequest{})
	require.NoError(t, err)
	require.Equal(t, "Success", reply.GetMessage())
	expect(1, 1)
	ok, err := p.benchmark(t.Context(), &pb.BenchType{Name: "FANOUT", FanAmount: 3})
	require.NoError(t, err)
	require.True(t, ok.GetOk())
	expect(3, 3)
	_, err = p.benchmark(t.Context(), &pb.BenchType{Name: "BROADCAST", FanAmount: 4})
	require.NoError(t, err)
	expect(4, 1)

	for _, bad := range []*pb.BenchType{{Name: "FANIN", FanAmount: 1}, {Name: "FANOUT"}, {Name: "FANOUT", FanAmount: mostFan + 1}} {
		_, err = p.benchmark(t.Context(), bad)
		require.Equal(t, codes.InvalidArgument, status.Code(err))
	}
	c.refuse.Store(true)
	_, err = p.sayHello(t.Context(), &hello.HelloRequest{})
	require.Equal(t, codes.Aborted, status.Code(err))
}

func TestSizeOfAPayload(t *testing.T) {
	t.Parallel()
	p, err := newProducer("", "")
	require.NoError(t, err)
	require.Len(t, p.payload, 10240)
	again, err := newProducer("", "")
	require.NoError(t, err)
	require.Equal(t, p.payload, again.payload, "a payload is no chance")
	for _, size := range []string{"0", "-1", "4096", "ten"} {
		_, err := newProducer("", size)
		require.ErrorContains(t, err, "TRANSFER_SIZE_KB")
	}
}
