package dbtest_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"microcosm/functions/internal/dbtest"
	"microcosm/functions/internal/hotel"
	"microcosm/functions/internal/memcache"
)

func TestMain(m *testing.M) {
	// Each check asks real servers.
	if err := flag.Set("rapid.checks", "25"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// busy skips a round in which a client's patience, two seconds, was too short for a
// machine that does much else: whether the command was done then, nobody knows.
func busy(t *rapid.T, errs ...error) {
	for _, err := range errs {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Skip("this machine is too busy")
		}
	}
}

// real starts a database of this machine on a free port until the test ends.
func real(t *testing.T, argv ...string) string {
	t.Helper()
	if _, err := exec.LookPath(argv[0]); err != nil {
		t.Skipf("skipped: %v", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	require.NoError(t, l.Close())
	_, port, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	for i := range argv {
		argv[i] = strings.ReplaceAll(argv[i], "{port}", port)
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = t.TempDir()
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		require.NoError(t, cmd.Process.Kill())
		_ = cmd.Wait() // killed
	})
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			return false
		}
		return conn.Close() == nil
	}, time.Minute, time.Millisecond)
	return addr
}

// ask does something to a store and returns all that can be seen of it.
func ask(ctx context.Context, s *hotel.Store, op, name, id, value string) (got []string, err error) {
	take := func(document []byte) error { got = append(got, string(document)); return nil }
	switch op {
	case "put":
		err = s.Put(ctx, name, id, value)
	case "put all":
		err = s.PutAll(ctx, name, map[string]any{id: value, "more": value + "+"})
	case "get":
		var text string
		var found bool
		found, err = s.Get(ctx, name, id, &text)
		got = []string{fmt.Sprint(found), text}
	case "all":
		err = s.All(ctx, name, take)
		slices.Sort(got) // a hash has no order
	case "append":
		err = s.Append(ctx, map[string]any{"list-" + name: value, "list-" + id: value})
	case "list":
		err = s.List(ctx, "list-"+name, take)
	}
	return got, err
}

// TestTheDatabaseAnswersAsRedisDoes does the same to both.
func TestTheDatabaseAnswersAsRedisDoes(t *testing.T) {
	t.Parallel()
	redis, err := hotel.OpenStoreAt(t.Context(), real(t, "redis-server", "--bind", "127.0.0.1", "--port", "{port}", "--save", "", "--appendonly", "no"))
	require.NoError(t, err)
	t.Cleanup(redis.Close)
	ours, db := dbtest.OpenStore(t)
	round, asked := 0, map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		round++
		for range rapid.IntRange(1, 10).Draw(t, "ops") {
			op := rapid.SampledFrom([]string{"put", "put all", "get", "all", "append", "list"}).Draw(t, "op")
			name := fmt.Sprintf("%d-%s", round, rapid.SampledFrom([]string{"a", "b"}).Draw(t, "name"))
			id := fmt.Sprintf("%d-%s", round, rapid.SampledFrom([]string{"1", "2", "ž\r\n$5"}).Draw(t, "id"))
			value := rapid.String().Draw(t, "value")
			want, errWant := ask(context.Background(), redis, op, name, id, value)
			got, errGot := ask(context.Background(), ours, op, name, id, value)
			busy(t, errWant, errGot)
			require.Equal(t, want, got, op)
			require.Equal(t, errWant, errGot, op)
			for _, command := range map[string][]string{"put": {"HSETNX"}, "put all": {"HSETNX", "HSETNX"}, "get": {"HGET"}, "all": {"HGETALL"}, "append": {"MULTI", "RPUSH", "RPUSH", "EXEC"}, "list": {"LRANGE"}}[op] {
				asked[command]++
			}
		}
	})
	for command, n := range asked {
		require.GreaterOrEqual(t, db.Asked(command), n, command)
		require.LessOrEqual(t, db.Asked(command), n+round, "%s: one more for a round that was skipped", command)
	}
	var number int
	require.NoError(t, ours.Put(t.Context(), "c", "text", "no number"))
	_, err = ours.Get(t.Context(), "c", "text", &number)
	var mismatch *json.UnmarshalTypeError
	require.True(t, errors.As(err, &mismatch), "a document of another type is an error")
}

// TestTheCacheAnswersAsMemcachedDoes does the same to both.
func TestTheCacheAnswersAsMemcachedDoes(t *testing.T) {
	t.Parallel()
	theirs := memcache.New(real(t, "memcached", "-u", "nobody", "-l", "127.0.0.1", "-p", "{port}", "-m", "64"))
	t.Cleanup(theirs.Close)
	server := dbtest.Memcached(t)
	ours := memcache.New(server.Addr)
	t.Cleanup(ours.Close)
	round, gets := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		round++
		for range rapid.IntRange(1, 10).Draw(t, "ops") {
			key := fmt.Sprintf("%d-%s", round, rapid.SampledFrom([]string{"a", "b", strings.Repeat("k", 240), "ž", "a b", ""}).Draw(t, "key"))
			if rapid.Bool().Draw(t, "set") {
				value := rapid.SliceOfN(rapid.Byte(), 0, 50).Draw(t, "value")
				errWant, errGot := theirs.Set(context.Background(), key, value), ours.Set(context.Background(), key, value)
				busy(t, errWant, errGot)
				require.Equal(t, errWant == nil, errGot == nil)
				continue
			}
			want, errWant := theirs.Get(context.Background(), key)
			got, errGot := ours.Get(context.Background(), key)
			busy(t, errWant, errGot)
			require.Equal(t, want, got)
			require.Equal(t, errWant == nil, errGot == nil)
			require.Equal(t, errors.Is(errWant, memcache.ErrMiss), errors.Is(errGot, memcache.ErrMiss))
			if !strings.Contains(key, " ") {
				gets++
			}
		}
	})
	require.GreaterOrEqual(t, server.Asked("get"), gets)
	require.LessOrEqual(t, server.Asked("get"), gets+round)
}
