// Package memcache gets and sets values in a memcached server, over a few
// connections kept for reuse. Protocol: memcached's doc/protocol.txt.
package memcache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"microcosm/functions/internal/pool"
)

// ErrMiss is the error of a key that is not in the cache.
var ErrMiss = errors.New("memcache: miss")

// maxItem is memcached's own limit.
const maxItem = 1 << 20

// A Client asks one server; it connects when first asked. Safe for concurrent use.
type Client struct{ pool *pool.Pool }

// New returns a client of the server at host:port.
func New(addr string) *Client { return &Client{pool.New(addr)} }

// Get returns the value of a key, or ErrMiss.
func (c *Client) Get(ctx context.Context, key string) ([]byte, error) {
	var value []byte
	err := c.with(ctx, key, func(conn *pool.Conn) (err error) {
		value, err = ask(conn, key)
		return err
	})
	return value, err
}

// Set stores a value without an expiry.
func (c *Client) Set(ctx context.Context, key string, value []byte) error {
	return c.with(ctx, key, func(conn *pool.Conn) error {
		line, err := answer(conn, fmt.Sprintf("set %s 0 0 %d\r\n%s\r\n", key, len(value), value))
		if err == nil && line != "STORED" {
			err = fmt.Errorf("set: %s", line)
		}
		return err
	})
}

// with runs one exchange; its connection is kept if the exchange ended as it should.
func (c *Client) with(ctx context.Context, key string, exchange func(*pool.Conn) error) error {
	if key == "" || len(key) > 250 || strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return fmt.Errorf("memcache: key %q: want at most 250 bytes without blanks", key)
	}
	err := c.pool.Do(ctx, exchange, missed)
	if err != nil && !missed(err) {
		return fmt.Errorf("memcached at %s: %w", c.pool.Addr(), err)
	}
	return err
}

func missed(err error) bool { return errors.Is(err, ErrMiss) }

// Close closes the connections that nobody uses.
func (c *Client) Close() { c.pool.Close() }

// answer sends a question and reads a line.
func answer(conn *pool.Conn, question string) (string, error) {
	if _, err := conn.Write([]byte(question)); err != nil {
		return "", err
	}
	return line(conn)
}

func line(conn *pool.Conn) (string, error) {
	s, err := conn.R.ReadString('\n')
	return strings.TrimSuffix(s, "\r\n"), err
}

func ask(conn *pool.Conn, key string) ([]byte, error) {
	head, err := answer(conn, "get "+key+"\r\n")
	if err != nil {
		return nil, err
	}
	if head == "END" {
		return nil, ErrMiss
	}
	var name string
	var flags, size int
	if n, err := fmt.Sscanf(head, "VALUE %s %d %d", &name, &flags, &size); n != 3 || err != nil || name != key || size < 0 || size > maxItem {
		return nil, fmt.Errorf("get: unexpected answer %q", head)
	}
	value := make([]byte, size+2)
	if _, err := io.ReadFull(conn.R, value); err != nil {
		return nil, err
	}
	end, err := line(conn)
	if err == nil && end != "END" {
		err = fmt.Errorf("get: %q after the value", end)
	}
	return value[:size], err
}
