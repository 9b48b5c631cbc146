package functions_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// counters asks a database what it was asked so far: HGET and LRANGE of Redis, gets,
// hits and misses of memcached.
func counters(t *testing.T, question, addr string) map[string]int {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	_, err = fmt.Fprintf(conn, "%s\r\nquit\r\n", question)
	require.NoError(t, err)
	found := map[string]int{}
	line := regexp.MustCompile(`^(?:cmdstat_|STAT )(\w+)(?::calls=| )(\d+)`)
	for s := bufio.NewScanner(conn); s.Scan(); {
		if m := line.FindStringSubmatch(s.Text()); m != nil {
			found[m[1]], err = strconv.Atoi(m[2])
			require.NoError(t, err)
		}
	}
	require.NotEmpty(t, found)
	return found
}

// Every call asks the databases as often as it says, by the databases' own count.
func TestHotelFunctionsReallyAskTheirDatabases(t *testing.T) {
	catalog, root := load(t), install(t)
	for _, c := range []struct {
		function, class                   string
		warm                              int
		hget, lrange, gets, hits, perCall int // expected in perCall calls after warm ones
	}{
		{"profile", "hit", 1, 0, 0, 10, 10, 10},
		{"profile", "miss", 0, 10, 0, 10, 0, 10},
		{"rate", "hit", 1, 0, 0, 10, 10, 10},
		{"rate", "miss", 0, 10, 0, 10, 0, 10},
		{"reservation", "hit", 1, 0, 0, 40, 40, 10}, // two nights: those taken and those there are
		{"reservation", "vswarm", 1, 0, 0, 40, 40, 10},
		{"user", "default", 0, 10, 0, 0, 0, 10},
		{"user", "unknown", 0, 10, 0, 0, 0, 10},
		{"geo", "default", 0, 0, 0, 0, 0, 10}, // these two ask when they start
		{"recommendation", "default", 0, 0, 0, 0, 0, 10},
	} {
		t.Run(c.function+" "+c.class, func(t *testing.T) {
			f := lookup(t, c.function)
			if lack := missing(t, catalog, f, root); lack != "" {
				t.Skipf("skipped: this machine lacks %s", lack)
			}
			r := start(t, catalog, f, root)
			ask := func() map[string]int {
				all := counters(t, "info commandstats", r.databases["database"])
				if addr := r.databases["memcached"]; addr != "" {
					for name, n := range counters(t, "stats", addr) {
						all[name] = n
					}
				}
				return all
			}
			require.Positive(t, ask()["hsetnx"], "it loads its data when it starts")
			call := func(from, to int) {
				for n := from; n < to; n++ {
					one, err := f.Call(c.class, 5, n)
					require.NoError(t, err)
					ctx, cancel := context.WithTimeout(t.Context(), patience)
					reply, err := r.client.Invoke(ctx, one)
					cancel()
					require.NoError(t, err)
					require.NoError(t, one.Check(reply))
				}
			}
			call(0, c.warm)
			before := ask()
			call(c.warm, c.warm+c.perCall)
			after := ask()
			for name, want := range map[string]int{"hget": c.hget, "lrange": c.lrange, "cmd_get": c.gets, "get_hits": c.hits} {
				require.Equal(t, want, after[name]-before[name], "%s: %s", name, strings.Join([]string{c.function, c.class}, " "))
			}
		})
	}
}

// A room that is taken is taken from what is free, in the cache and in the database.
func TestReservationsAreKept(t *testing.T) {
	catalog, root := load(t), install(t)
	f := lookup(t, "reservation")
	if lack := missing(t, catalog, f, root); lack != "" {
		t.Skipf("skipped: this machine lacks %s", lack)
	}
	r := start(t, catalog, f, root)
	invoke := func(method, hotel string, rooms int) bool {
		t.Helper()
		call, err := f.Call("hit", 1, 0)
		require.NoError(t, err)
		call.Method = "/reservation.Reservation/" + method
		// Fields 1 to 5: customer, hotel, in, out, rooms.
		call.Request = []byte("\n\x03Ann\x12" + string(rune(len(hotel))) + hotel + "\x1a\n2031-05-01\x22\n2031-05-03\x28" + string(rune(rooms)))
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		reply, err := r.client.Invoke(ctx, call)
		require.NoError(t, err)
		return len(reply) > 0
	}
	require.True(t, invoke("CheckAvailability", "2", 10), "hotel 2 has ten rooms")
	require.False(t, invoke("CheckAvailability", "2", 11))
	require.True(t, invoke("MakeReservation", "2", 4))
	require.False(t, invoke("CheckAvailability", "2", 7))
	require.True(t, invoke("CheckAvailability", "2", 6))
	require.False(t, invoke("MakeReservation", "2", 7), "a stay that does not fit")
	require.True(t, invoke("MakeReservation", "2", 6))
	require.False(t, invoke("CheckAvailability", "2", 1))

	conn, err := net.Dial("tcp", r.databases["memcached"])
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	_, err = fmt.Fprint(conn, "flush_all\r\n")
	require.NoError(t, err)
	answer, err := bufio.NewReader(conn).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "OK\r\n", answer)
	require.False(t, invoke("CheckAvailability", "2", 1), "the database knows it too")
	require.True(t, invoke("CheckAvailability", "1", 100), "other hotels are as free as before")
}
