package memcache_test

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"microcosm/functions/internal/memcache"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server keeps values as memcached does; to the key "say" it answers what was
// stored, as it is.
func server(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	t.Cleanup(func() { require.NoError(t, l.Close()); <-done })
	go func() {
		defer close(done)
		values := map[string]string{}
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serve(conn, values)
			_ = conn.Close()
		}
	}()
	return l.Addr().String()
}

func serve(conn net.Conn, values map[string]string) {
	r := bufio.NewReader(conn)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		words, answer := strings.Fields(line), ""
		value, there := values[words[1]]
		switch {
		case words[0] == "set":
			text, err := r.ReadString('\n')
			if err != nil {
				return
			}
			values[words[1]] = strings.TrimSuffix(text, "\r\n")
			answer = "STORED\r\n"
			if words[1] == "full" {
				answer = "SERVER_ERROR out of memory storing object\r\n"
			}
		case words[1] == "say":
			answer = strings.ReplaceAll(value, "|", "\r\n")
		case there:
			answer = fmt.Sprintf("VALUE %s 0 %d\r\n%s\r\nEND\r\n", words[1], len(value), value)
		default:
			answer = "END\r\n"
		}
		if _, err := conn.Write([]byte(strings.TrimSuffix(answer, "close"))); err != nil || strings.HasSuffix(answer, "close") {
			return
		}
	}
}

func open(t *testing.T) *memcache.Client {
	t.Helper()
	c := memcache.New(server(t))
	t.Cleanup(c.Close)
	return c
}

func TestSetAndGet(t *testing.T) {
	t.Parallel()
	c := open(t)
	_, err := c.Get(t.Context(), "a")
	require.ErrorIs(t, err, memcache.ErrMiss)
	require.NoError(t, c.Set(t.Context(), "a", []byte("one")))
	got, err := c.Get(t.Context(), "a")
	require.NoError(t, err)
	require.Equal(t, "one", string(got))
	require.NoError(t, c.Set(t.Context(), "b", nil))
	got, err = c.Get(t.Context(), "b")
	require.NoError(t, err, "an empty value is a value")
	require.Empty(t, got)
	require.ErrorContains(t, c.Set(t.Context(), "full", []byte("x")), "out of memory")
}

func TestKeysThatMemcachedCannotHave(t *testing.T) {
	t.Parallel()
	c := open(t)
	for _, key := range []string{"", "a b", "a\r\nflush_all", strings.Repeat("k", 251)} {
		require.ErrorContains(t, c.Set(t.Context(), key, nil), "want at most 250 bytes without blanks")
		_, err := c.Get(t.Context(), key)
		require.Error(t, err)
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"an error":                 "ERROR|",
		"another key's value":      "VALUE other 0 1|x|END|",
		"a size that is no number": "VALUE say 0 x|x|END|",
		"a size below zero":        "VALUE say 0 -1|x|END|",
		"a size beyond any":        "VALUE say 0 99999999|x|END|",
		"a value that ends early":  "VALUE say 0 5|abclose",
		"no end":                   "VALUE say 0 1|x|VALUE say 0 1|x|END|",
		"nothing":                  "close",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := open(t)
			require.NoError(t, c.Set(t.Context(), "say", []byte(answer)))
			_, err := c.Get(t.Context(), "say")
			require.ErrorContains(t, err, "memcached at ")
			require.NotErrorIs(t, err, memcache.ErrMiss)
			_, err = c.Get(t.Context(), "a")
			require.ErrorIs(t, err, memcache.ErrMiss, "the next call has a connection of its own")
		})
	}
}
