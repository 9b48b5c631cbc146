// Package dbtest is a database and a cache for tests: the commands of Redis and
// memcached that the hotel functions use, in memory, with counters.
package dbtest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/functions/internal/hotel"
	"microcosm/functions/internal/memcache"
)

// Server counts what it is asked.
type Server struct {
	Addr string

	mu     sync.Mutex
	asked  map[string]int
	hashes map[string]map[string]string
	order  map[string][]string // of a hash's fields
	lists  map[string][]string
	values map[string]string // of memcached
}

// Asked returns how often a command came, e.g. "HGET" or "get".
func (s *Server) Asked(command string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[command]
}

// Redis starts a database that ends with the test.
func Redis(t testing.TB) *Server { return start(t, (*Server).redis) }

// Memcached starts a cache that ends with the test.
func Memcached(t testing.TB) *Server { return start(t, (*Server).memcached) }

// Hotel is what a hotel function starts with: a store in a database and a cache.
type Hotel struct {
	DB     *Server // of the store
	Cached *Server // of the cache
	Store  *hotel.Store
	Cache  *memcache.Client
}

// OpenStore starts a database that is empty and opens the store in it.
func OpenStore(t testing.TB) (*hotel.Store, *Server) {
	t.Helper()
	db := Redis(t)
	store, err := hotel.OpenStoreAt(t.Context(), db.Addr)
	require.NoError(t, err)
	t.Cleanup(store.Close)
	return store, db
}

// NewHotel starts a database and a cache, both empty, and opens them.
func NewHotel(t testing.TB) Hotel {
	t.Helper()
	store, db := OpenStore(t)
	cached := Memcached(t)
	cache := memcache.New(cached.Addr)
	t.Cleanup(cache.Close)
	return Hotel{db, cached, store, cache}
}

func start(t testing.TB, serve func(*Server, *bufio.Reader, io.Writer) error) *Server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &Server{
		Addr: l.Addr().String(), asked: map[string]int{}, hashes: map[string]map[string]string{}, order: map[string][]string{},
		lists: map[string][]string{}, values: map[string]string{},
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				r := bufio.NewReader(conn)
				for serve(s, r, conn) == nil { // until the client closes
				}
				_ = conn.Close()
			})
		}
	})
	t.Cleanup(func() { // clients have closed their connections by now
		require.NoError(t, l.Close())
		all.Wait()
	})
	return s
}

// redis answers one command.
func (s *Server) redis(r *bufio.Reader, w io.Writer) error {
	n, err := header(r, '*')
	if err != nil {
		return err
	}
	var words []string
	for range n {
		size, err := header(r, '$')
		if err != nil {
			return err
		}
		text := make([]byte, size+2)
		if _, err := io.ReadFull(r, text); err != nil {
			return err
		}
		words = append(words, string(text[:size]))
	}
	_, err = io.WriteString(w, s.answer(words))
	return err
}

func header(r *bufio.Reader, kind byte) (int, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return 0, err
	}
	if line[0] != kind {
		return 0, fmt.Errorf("%q is no %q", line, kind)
	}
	return strconv.Atoi(strings.TrimSpace(line[1:]))
}

func (s *Server) answer(words []string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked[words[0]]++
	switch words[0] {
	case "PING":
		return "+PONG\r\n"
	case "HSETNX":
		return s.setField(words[1], words[2], words[3])
	case "HGET":
		if value, ok := s.hashes[words[1]][words[2]]; ok {
			return bulk(value)
		}
		return "$-1\r\n"
	case "HGETALL":
		var all []string
		for _, field := range s.order[words[1]] {
			all = append(all, field, s.hashes[words[1]][field])
		}
		return array(all)
	case "RPUSH":
		s.lists[words[1]] = append(s.lists[words[1]], words[2:]...)
		return fmt.Sprintf(":%d\r\n", len(s.lists[words[1]]))
	case "LRANGE":
		return array(s.lists[words[1]])
	case "MULTI":
		return "+OK\r\n"
	case "EXEC":
		return "*0\r\n"
	}
	return "-ERR unknown command\r\n"
}

func (s *Server) setField(hash, field, value string) string {
	if s.hashes[hash] == nil {
		s.hashes[hash] = map[string]string{}
	}
	if _, taken := s.hashes[hash][field]; taken {
		return ":0\r\n"
	}
	s.hashes[hash][field] = value
	s.order[hash] = append(s.order[hash], field)
	return ":1\r\n"
}

func bulk(text string) string { return fmt.Sprintf("$%d\r\n%s\r\n", len(text), text) }

func array(items []string) string {
	text := fmt.Sprintf("*%d\r\n", len(items))
	for _, item := range items {
		text += bulk(item)
	}
	return text
}

// memcached answers one command.
func (s *Server) memcached(r *bufio.Reader, w io.Writer) error {
	line, err := r.ReadString('\n')
	if err != nil {
		return err
	}
	words := strings.Fields(line)
	if len(words) < 2 {
		return fmt.Errorf("%q is no command", line)
	}
	var text []byte
	if words[0] == "set" {
		size, err := strconv.Atoi(words[4])
		if err != nil {
			return err
		}
		text = make([]byte, size+2)
		if _, err := io.ReadFull(r, text); err != nil {
			return err
		}
	}
	_, err = io.WriteString(w, s.remember(words, text))
	return err
}

func (s *Server) remember(words []string, text []byte) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked[words[0]]++
	if words[0] == "set" {
		s.values[words[1]] = strings.TrimSuffix(string(text), "\r\n")
		return "STORED\r\n"
	}
	value, ok := s.values[words[1]]
	if !ok {
		return "END\r\n"
	}
	return fmt.Sprintf("VALUE %s 0 %d\r\n%s\r\nEND\r\n", words[1], len(value), value)
}
