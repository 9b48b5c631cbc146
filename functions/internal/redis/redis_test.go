package redis_test

import (
	"bufio"
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"microcosm/functions/internal/redis"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server answers one connection after the other: each line of a script when a
// command of as many lines as given has come.
func server(t *testing.T, answers ...string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	t.Cleanup(func() { require.NoError(t, l.Close()); <-done })
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			r := bufio.NewReader(conn)
			for {
				head, err := r.ReadString('\n')
				if err != nil {
					break
				}
				for range 2 * int(head[1]-'0') { // a length and a text for each argument
					if _, err := r.ReadString('\n'); err != nil {
						break
					}
				}
				answer := "+PONG\r\n"
				if len(answers) > 0 {
					answer, answers = answers[0], answers[1:]
				}
				if _, err := conn.Write([]byte(answer)); err != nil {
					break
				}
				if strings.HasSuffix(answer, "close") {
					break
				}
			}
			_ = conn.Close()
		}
	}()
	return l.Addr().String()
}

func open(t *testing.T, answers ...string) *redis.Client {
	t.Helper()
	c, err := redis.Open(t.Context(), server(t, append([]string{"+PONG\r\n"}, answers...)...))
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func TestReplies(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer string
		want   []string
		err    string
	}{
		"a status":                       {"+OK\r\n", []string{"OK"}, ""},
		"a number":                       {":-7\r\n", []string{"-7"}, ""},
		"a text":                         {"$5\r\na\r\nbc\r\n", []string{"a\r\nbc"}, ""},
		"an empty text":                  {"$0\r\n\r\n", []string{""}, ""},
		"nothing":                        {"$-1\r\n", nil, "redis: nil"},
		"several":                        {"*3\r\n$1\r\na\r\n:2\r\n$-1\r\n", []string{"a", "2", ""}, ""},
		"several, but none":              {"*0\r\n", nil, ""},
		"a refusal":                      {"-ERR unknown command\r\n", nil, "redis: ERR unknown command"},
		"a line without end":             {"+OKclose", nil, "EOF"},
		"an empty line":                  {"\r\n", nil, "is not RESP"},
		"a kind that is none":            {"!1\r\n", nil, "is not RESP"},
		"a length that is no number":     {"$x\r\n", nil, "is not RESP"},
		"a length that is too large":     {"$999999999999\r\n", nil, "is not RESP"},
		"a text that ends early":         {"$9\r\nabclose", nil, "EOF"},
		"several of which one is broken": {"*2\r\n+a\r\n?\r\n", nil, "is not RESP"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := open(t, c.answer).Do(t.Context(), "GET", "k")
			if c.err != "" {
				require.ErrorContains(t, err, c.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}

func TestABatchReadsAllReplies(t *testing.T) {
	t.Parallel()
	c := open(t, "+1\r\n", "-no\r\n", "$-1\r\n", "+4\r\n")
	got, err := c.Batch(t.Context(), []string{"a"}, []string{"b"}, []string{"c"}, []string{"d"})
	require.ErrorContains(t, err, "redis: no", "the first thing wrong")
	require.Equal(t, [][]string{{"1"}, nil, nil, {"4"}}, got)
	again, err := c.Do(t.Context(), "PING")
	require.NoError(t, err)
	require.Equal(t, []string{"PONG"}, again, "the connection is as good as before")
}

func TestABrokenConnectionIsReplaced(t *testing.T) {
	t.Parallel()
	c := open(t, "+half close")
	_, err := c.Do(t.Context(), "GET", "k")
	require.Error(t, err)
	_, err = c.Do(t.Context(), "PING")
	require.NoError(t, err)
}

func TestOpenEndsWithItsContext(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	require.NoError(t, l.Close())
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = redis.Open(ctx, addr)
	require.ErrorContains(t, err, "connect to redis at "+addr)
}

func FuzzReply(f *testing.F) {
	for _, s := range []string{"+OK\r\n", ":1\r\n", "$3\r\nabc\r\n", "*2\r\n$1\r\na\r\n:2\r\n", "$-1\r\n", "-ERR\r\n", "*-1\r\n", "*1\r\n*1\r\n+a\r\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, reply string) {
		list, err := redis.ParseReply(reply)
		if err != nil && list != nil {
			t.Fatalf("%q: both %q and %v", reply, list, err)
		}
	})
}
