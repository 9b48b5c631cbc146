package pool_test

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"microcosm/functions/internal/pool"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo answers every byte with itself and counts connections.
func echo(t *testing.T) (*pool.Pool, *atomic.Int64) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var accepted atomic.Int64
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			accepted.Add(1)
			all.Go(func() {
				_, _ = io.Copy(c, c) // until the client closes
				_ = c.Close()
			})
		}
	})
	p := pool.New(l.Addr().String())
	t.Cleanup(func() {
		p.Close()
		require.NoError(t, l.Close())
		all.Wait()
	})
	return p, &accepted
}

func ask(c *pool.Conn) error {
	if _, err := c.Write([]byte{'x'}); err != nil {
		return err
	}
	b, err := c.R.ReadByte()
	if err == nil && b != 'x' {
		err = errors.New("another's answer")
	}
	return err
}

func never(error) bool { return false }

func TestAConnectionIsUsedAgain(t *testing.T) {
	t.Parallel()
	p, accepted := echo(t)
	for range 5 {
		require.NoError(t, p.Do(t.Context(), ask, never))
	}
	require.Equal(t, int64(1), accepted.Load())
}

func TestOneInAnUnknownStateIsNot(t *testing.T) {
	t.Parallel()
	p, accepted := echo(t)
	broken, answer := errors.New("broken"), errors.New("an answer")
	fail := func(err error) func(*pool.Conn) error {
		return func(c *pool.Conn) error { return errors.Join(ask(c), err) }
	}
	isAnswer := func(err error) bool { return errors.Is(err, answer) }
	require.ErrorIs(t, p.Do(t.Context(), fail(answer), isAnswer), answer)
	require.NoError(t, p.Do(t.Context(), ask, isAnswer))
	require.Equal(t, int64(1), accepted.Load(), "an answer leaves it as it was")
	require.ErrorIs(t, p.Do(t.Context(), fail(broken), isAnswer), broken)
	require.NoError(t, p.Do(t.Context(), ask, isAnswer))
	require.Equal(t, int64(2), accepted.Load())
}

func TestNobodySharesAConnection(t *testing.T) {
	t.Parallel()
	p, accepted := echo(t)
	const callers = 20
	errs := make(chan error, callers)
	// All are inside at once, so each needs a connection of its own.
	var inside sync.WaitGroup
	inside.Add(callers)
	for range callers {
		go func() {
			errs <- p.Do(context.Background(), func(c *pool.Conn) error {
				inside.Done()
				inside.Wait()
				return ask(c)
			}, never)
		}()
	}
	for range callers {
		require.NoError(t, <-errs)
	}
	require.Equal(t, int64(callers), accepted.Load())
	before := accepted.Load()
	require.NoError(t, p.Do(t.Context(), ask, never))
	require.Equal(t, before, accepted.Load(), "a few were kept")
}

func TestNoServer(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	require.NoError(t, l.Close())
	p := pool.New(addr)
	require.Equal(t, addr, p.Addr())
	require.Error(t, p.Do(t.Context(), ask, never))
	p.Close()
}
