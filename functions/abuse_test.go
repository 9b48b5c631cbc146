package functions_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"microcosm/functions"
)

// abuse sends a function what is no request of its own. Each has a gRPC status for an
// answer, and the function is as good as before: a crash would fail every later call.
func abuse(t *testing.T, client *functions.Client, f *functions.Function) {
	t.Helper()
	invoke := func(method string, request []byte) error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := client.Invoke(ctx, functions.Call{Method: method, Request: request})
		return err
	}
	call, err := f.Call(functions.DefaultClass, 1, 0)
	require.NoError(t, err)
	code := func(err error) codes.Code { return status.Code(errors.Unwrap(err)) }
	require.Equal(t, codes.Unimplemented, code(invoke(call.Method+"X", call.Request)), "a method that there is not")
	require.Equal(t, codes.Unimplemented, code(invoke("/nobody.Nothing/Call", call.Request)), "a service that there is not")
	require.Equal(t, codes.Unimplemented, code(invoke("/", nil)), "no method at all")

	r := rand.New(rand.NewPCG(1, 2))
	for _, garbage := range [][]byte{{0xff}, {0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f}, {0x0a, 0x7f, 'a'}, {0x07}, {0x0a, 0x02, 0xc3, 0x28}} {
		if err := invoke(call.Method, garbage); err != nil { // some runtimes take text that is no UTF-8
			require.NotEqual(t, codes.Unavailable, code(err), "the function died of %x", garbage)
			require.NotEqual(t, codes.OK, code(err))
		}
	}
	for range 20 {
		garbage := make([]byte, r.IntN(40))
		for i := range garbage {
			garbage[i] = byte(r.Uint32())
		}
		require.NotContains(t, []codes.Code{codes.Unavailable, codes.DeadlineExceeded}, code(invoke(call.Method, garbage)), "request %x", garbage)
	}
	reply, err := client.Invoke(t.Context(), call)
	require.NoError(t, err, "after all of it")
	require.NoError(t, call.Check(reply))
}

// together makes calls of every class at once. Each has its own right reply.
func together(t *testing.T, client *functions.Client, f *functions.Function) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	var all sync.WaitGroup
	errs := make(chan error, 1000)
	for _, class := range f.Classes() {
		if class == "large" || class == "medium" {
			continue // what they cost is no matter of being called at once
		}
		for n := range 4 {
			all.Go(func() {
				call, err := f.Call(class, 11, n)
				if err == nil {
					var reply []byte
					if reply, err = client.Invoke(ctx, call); err == nil {
						err = call.Check(reply)
					}
				}
				errs <- err
			})
		}
	}
	all.Wait()
	close(errs)
	for err := range errs {
		require.NoError(t, err)
	}
}
