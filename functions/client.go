package functions

import (
	"context"
	"fmt"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
)

// RawCodec passes encoded messages through gRPC as they are, so that nothing is
// encoded or decoded within a measured interval. It implements encoding.Codec under
// the name "proto": servers see ordinary protobuf. Safe for concurrent use.
type RawCodec struct{}

// Name is "proto", the codec that the peer uses.
func (RawCodec) Name() string { return "proto" }

// Marshal returns the bytes that v points to; v must be a *[]byte.
func (RawCodec) Marshal(v any) ([]byte, error) {
	b, ok := v.(*[]byte)
	if !ok {
		return nil, fmt.Errorf("raw codec: %T: want *[]byte", v)
	}
	return *b, nil
}

// Unmarshal copies data to the bytes that v points to; v must be a *[]byte.
func (RawCodec) Unmarshal(data []byte, v any) error {
	b, ok := v.(*[]byte)
	if !ok {
		return fmt.Errorf("raw codec: %T: want *[]byte", v)
	}
	*b = append((*b)[:0], data...)
	return nil
}

// A Client is one connection to one function. Safe for concurrent use.
type Client struct {
	conn *grpc.ClientConn
}

// maxMessage bounds a request and a reply, above what any function of the catalog sends.
const maxMessage = 64 << 20

// Dial prepares a connection to host:port, without TLS and never through a proxy. It
// starts to connect and does not wait: WaitReady does. Where ctx has ended, the error
// is its cause.
func Dial(ctx context.Context, addr string) (*Client, error) { return dial(ctx, addr) }

// DialThrough is Dial with connections that connect makes: the first one, and another
// whenever one could not be made or was lost. It may be called from any goroutine until
// the client is closed.
func DialThrough(ctx context.Context, addr string, connect func(context.Context) (net.Conn, error)) (*Client, error) {
	return dial(ctx, addr, grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return connect(ctx) }))
}

func dial(ctx context.Context, addr string, more ...grpc.DialOption) (*Client, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	conn, err := grpc.NewClient("passthrough:///"+addr, append(more,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithNoProxy(),
		grpc.WithDisableServiceConfig(),
		grpc.WithIdleTimeout(0),
		// A function being started is asked again every few milliseconds, since the
		// time until it is ready is itself measured.
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: time.Millisecond, Multiplier: 1.1, MaxDelay: 5 * time.Millisecond},
			MinConnectTimeout: 5 * time.Second,
		}),
		grpc.WithDefaultCallOptions(
			grpc.ForceCodec(RawCodec{}),
			grpc.MaxCallRecvMsgSize(maxMessage), grpc.MaxCallSendMsgSize(maxMessage),
		))...)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", addr, err)
	}
	conn.Connect()
	return &Client{conn: conn}, nil
}

// WaitReady returns when the function has accepted the gRPC connection, or with ctx's
// error.
func (c *Client) WaitReady(ctx context.Context) error {
	for {
		state := c.conn.GetState()
		switch state {
		case connectivity.Ready:
			return nil
		case connectivity.Shutdown:
			return fmt.Errorf("connect to %s: the client is closed", c.conn.Target())
		case connectivity.Idle:
			c.conn.Connect()
		}
		if !c.conn.WaitForStateChange(ctx, state) {
			return fmt.Errorf("connect to %s: %w", c.conn.Target(), context.Cause(ctx))
		}
	}
}

// Invoke sends the call and returns the encoded reply, unchecked. The error is gRPC's
// status error.
func (c *Client) Invoke(ctx context.Context, call Call) ([]byte, error) {
	var reply []byte
	if err := c.conn.Invoke(ctx, call.Method, &call.Request, &reply); err != nil {
		return nil, fmt.Errorf("invoke %s: %w", call.Method, err)
	}
	return reply, nil
}

// Close ends the connection; calls in flight fail.
func (c *Client) Close() error {
	return c.conn.Close()
}
