package main

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "microcosm/functions/proto/fibonaccipb"
)

func TestSayHello(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"0":   "fn: Fib: y = fib(x) | x: 0 y: 0 | runtime: GoLang",
		"1":   "fn: Fib: y = fib(x) | x: 1 y: 1 | runtime: GoLang",
		"2":   "fn: Fib: y = fib(x) | x: 2 y: 1 | runtime: GoLang",
		"10":  "fn: Fib: y = fib(x) | x: 10 y: 55 | runtime: GoLang",
		"-3":  "fn: Fib: y = fib(x) | x: -3 y: 0 | runtime: GoLang",
		"93":  "fn: Fib: y = fib(x) | x: 93 y: 12200160415121876738 | runtime: GoLang",
		"100": "fn: Fib: y = fib(x) | x: 100 y: 354224848179261915075 | runtime: GoLang",
	} {
		got, err := sayHello(context.Background(), &pb.HelloRequest{Name: name})
		require.NoError(t, err)
		require.Equal(t, want, got.GetMessage())
	}
	for _, name := range []string{"", "ten", "1.5", "99999999999"} {
		_, err := sayHello(context.Background(), &pb.HelloRequest{Name: name})
		require.Equal(t, codes.InvalidArgument, status.Code(err), name)
	}
}
