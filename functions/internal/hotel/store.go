package hotel

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"google.golang.org/grpc"

	"microcosm/functions/internal/memcache"
	"microcosm/functions/internal/redis"
	"microcosm/functions/internal/serve"
)

// Port is where hotel functions listen: vSwarm's.
const Port = 8083

// A Store holds documents in a database, grouped in collections by their ids.
// Safe for concurrent use.
type Store struct {
	db *redis.Client
}

// OpenStore connects to the database that DB_ADDR names and waits until it answers.
func OpenStore(ctx context.Context) (*Store, error) {
	return OpenStoreAt(ctx, cmp.Or(os.Getenv("DB_ADDR"), "127.0.0.1:6379"))
}

// OpenStoreAt is OpenStore for the database at host:port.
func OpenStoreAt(ctx context.Context, addr string) (*Store, error) {
	db, err := redis.Open(ctx, addr)
	return &Store{db}, err
}

// Close closes the connections that nobody uses.
func (s *Store) Close() { s.db.Close() }

// OpenCache returns the cache that MEMCACHED_ADDR names.
func OpenCache() *memcache.Client {
	return memcache.New(cmp.Or(os.Getenv("MEMCACHED_ADDR"), "127.0.0.1:11211"))
}

// MainCached serves, until SIGTERM, a service whose documents lie in a database behind
// a cache: load fills the database before methods are served.
func MainCached(service string, load func(context.Context, *Store) error, methods func(*Store, *memcache.Client) []grpc.MethodDesc) {
	serve.MainAfter(Port, func(ctx context.Context) ([]serve.Service, error) {
		store, err := OpenStore(ctx)
		if err != nil {
			return nil, err
		}
		if err := load(ctx, store); err != nil {
			return nil, err
		}
		return []serve.Service{{Name: service, Methods: methods(store, OpenCache())}}, nil
	})
}

// Put stores a document unless its id is taken: one question to the database, as
// vSwarm's functions count before they insert.
func (s *Store) Put(ctx context.Context, collection, id string, document any) error {
	text, err := json.Marshal(document)
	if err != nil {
		return err
	}
	_, err = s.db.Do(ctx, "HSETNX", collection, id, string(text))
	return err
}

// PutAll stores many documents at once unless their ids are taken.
func (s *Store) PutAll(ctx context.Context, collection string, documents map[string]any) error {
	commands := make([][]string, 0, len(documents))
	for id, document := range documents {
		text, err := json.Marshal(document)
		if err != nil {
			return err
		}
		commands = append(commands, []string{"HSETNX", collection, id, string(text)})
	}
	_, err := s.db.Batch(ctx, commands...)
	return err
}

// Get reads a document into the value pointed to; false means there is none.
func (s *Store) Get(ctx context.Context, collection, id string, document any) (bool, error) {
	reply, err := s.db.Do(ctx, "HGET", collection, id)
	if errors.Is(err, redis.ErrNil) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, json.Unmarshal([]byte(reply[0]), document)
}

// All calls take with every document of a collection.
func (s *Store) All(ctx context.Context, collection string, take func(document []byte) error) error {
	reply, err := s.db.Do(ctx, "HGETALL", collection)
	if err != nil {
		return err
	}
	if len(reply)%2 != 0 {
		return fmt.Errorf("collection %s: %d ids and documents", collection, len(reply))
	}
	for i := 1; i < len(reply); i += 2 {
		if err := take([]byte(reply[i])); err != nil {
			return err
		}
	}
	return nil
}

// Append adds documents to lists of documents, all or none.
func (s *Store) Append(ctx context.Context, lists map[string]any) error {
	commands := [][]string{{"MULTI"}}
	for list, document := range lists {
		text, err := json.Marshal(document)
		if err != nil {
			return err
		}
		commands = append(commands, []string{"RPUSH", list, string(text)})
	}
	_, err := s.db.Batch(ctx, append(commands, []string{"EXEC"})...)
	return err
}

// List calls take with every document of a list.
func (s *Store) List(ctx context.Context, list string, take func(document []byte) error) error {
	reply, err := s.db.Do(ctx, "LRANGE", list, "0", "-1")
	if err != nil {
		return err
	}
	for _, document := range reply {
		if err := take([]byte(document)); err != nil {
			return err
		}
	}
	return nil
}
