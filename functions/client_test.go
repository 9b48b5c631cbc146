package functions_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"microcosm/functions"
	"microcosm/functions/internal/serve"
	pb "microcosm/functions/proto/fibonaccipb"
)

// echo serves fibonacci.Greeter on a listener, answering what it was asked.
func echo(t *testing.T, l net.Listener) {
	t.Helper()
	server := grpc.NewServer()
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "fibonacci.Greeter",
		Methods: []grpc.MethodDesc{serve.Unary("SayHello", func(_ context.Context, q *pb.HelloRequest) (*pb.HelloReply, error) {
			if q.GetName() == "fail" {
				return nil, status.Error(codes.ResourceExhausted, "no more")
			}
			return &pb.HelloReply{Message: q.GetName()}, nil
		})},
	}, nil)
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(l) }()
	t.Cleanup(func() { server.Stop(); <-done })
}

func TestClientWaitsForAFunctionThatIsStillStarting(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	client, err := functions.Dial(ctx, addr)
	require.NoError(t, err)
	defer func() { _ = client.Close() }()

	short, stop := context.WithTimeout(ctx, 50*time.Millisecond)
	defer stop()
	require.ErrorIs(t, client.WaitReady(short), context.DeadlineExceeded, "nobody listens yet")

	l, err := net.Listen("tcp", addr)
	require.NoError(t, err)
	echo(t, l)
	require.NoError(t, client.WaitReady(ctx))

	call := functions.Call{Method: "/fibonacci.Greeter/SayHello", Request: []byte("\n\x02hi")}
	first, err := client.Invoke(ctx, call)
	require.NoError(t, err)
	require.Equal(t, "\n\x02hi", string(first), "the bytes of the reply as they are")
	call.Request = []byte("\n\x02ho")
	_, err = client.Invoke(ctx, call)
	require.NoError(t, err)
	require.Equal(t, "\n\x02hi", string(first), "a reply is the caller's own")

	call.Request = []byte("\n\x04fail")
	_, err = client.Invoke(ctx, call)
	require.Equal(t, codes.ResourceExhausted, status.Code(errors.Unwrap(err)))
	call.Method = "/fibonacci.Greeter/Nothing"
	_, err = client.Invoke(ctx, call)
	require.ErrorContains(t, err, "unknown method Nothing")

	require.NoError(t, client.Close())
	require.ErrorContains(t, client.WaitReady(ctx), "the client is closed")
}

func TestDialEndsWithItsContext(t *testing.T) {
	t.Parallel()
	gone := errors.New("the function ended")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(gone)
	_, err := functions.Dial(ctx, "127.0.0.1:1")
	require.ErrorIs(t, err, gone)
}

func TestRawCodecTakesBytesOnly(t *testing.T) {
	t.Parallel()
	codec := functions.RawCodec{}
	require.Equal(t, "proto", codec.Name())
	in := []byte("abc")
	data, err := codec.Marshal(&in)
	require.NoError(t, err)
	require.Equal(t, "abc", string(data))
	var out []byte
	require.NoError(t, codec.Unmarshal(data, &out))
	data[0] = 'x'
	require.Equal(t, "abc", string(out), "a copy")
	_, err = codec.Marshal("abc")
	require.Error(t, err)
	require.Error(t, codec.Unmarshal(data, "abc"))
}
