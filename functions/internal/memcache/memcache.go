// Package memcache gets and sets values in a memcached server, over a few
// connections kept for reuse. Protocol: memcached's doc/protocol.txt.
package memcache

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// ErrMiss is the error of a key that is not in the cache.
var ErrMiss = errors.New("memcache: miss")

const (
	idle    = 8
	timeout = 2 * time.Second // as in vSwarm's hotel functions
	maxItem = 1 << 20         // memcached's own limit
)

// A Client asks one server; it connects when first asked. Safe for concurrent use.
type Client struct {
	addr string
	free chan *conn
}

type conn struct {
	net.Conn
	rw *bufio.ReadWriter
}

// New returns a client of the server at host:port.
func New(addr string) *Client {
	return &Client{addr: addr, free: make(chan *conn, idle)}
}

// Get returns the value of a key, or ErrMiss.
func (c *Client) Get(ctx context.Context, key string) ([]byte, error) {
	var value []byte
	err := c.with(ctx, key, func(rw *bufio.ReadWriter) (err error) {
		value, err = ask(rw, key)
		return err
	})
	return value, err
}

// Set stores a value without an expiry.
func (c *Client) Set(ctx context.Context, key string, value []byte) error {
	return c.with(ctx, key, func(rw *bufio.ReadWriter) error {
		line, err := answer(rw, fmt.Sprintf("set %s 0 0 %d\r\n%s\r\n", key, len(value), value))
		if err == nil && line != "STORED" {
			err = fmt.Errorf("set: %s", line)
		}
		return err
	})
}

// with runs one exchange; its connection is kept if the exchange ended as it should.
func (c *Client) with(ctx context.Context, key string, exchange func(*bufio.ReadWriter) error) error {
	if key == "" || len(key) > 250 || strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return fmt.Errorf("memcache: key %q: want at most 250 bytes without blanks", key)
	}
	conn, err := c.conn(ctx)
	if err != nil {
		return fmt.Errorf("memcached at %s: %w", c.addr, err)
	}
	err = exchange(conn.rw)
	if err != nil && !errors.Is(err, ErrMiss) {
		return errors.Join(fmt.Errorf("memcached at %s: %w", c.addr, err), conn.Close())
	}
	select {
	case c.free <- conn:
	default:
		err = errors.Join(err, conn.Close())
	}
	return err
}

// Close closes the connections that nobody uses.
func (c *Client) Close() {
	for {
		select {
		case conn := <-c.free:
			_ = conn.Close() // nothing was written that could be lost
		default:
			return
		}
	}
}

func (c *Client) conn(ctx context.Context) (*conn, error) {
	select {
	case conn := <-c.free:
		return conn, conn.SetDeadline(time.Now().Add(timeout))
	default:
	}
	d := net.Dialer{Timeout: timeout}
	nc, err := d.DialContext(ctx, "tcp", c.addr)
	if err != nil {
		return nil, err
	}
	rw := bufio.NewReadWriter(bufio.NewReader(nc), bufio.NewWriter(nc))
	return &conn{nc, rw}, nc.SetDeadline(time.Now().Add(timeout))
}

// answer sends a question and reads a line.
func answer(rw *bufio.ReadWriter, question string) (string, error) {
	if _, err := rw.WriteString(question); err != nil {
		return "", err
	}
	if err := rw.Flush(); err != nil {
		return "", err
	}
	return line(rw)
}

func line(rw *bufio.ReadWriter) (string, error) {
	s, err := rw.ReadString('\n')
	return strings.TrimSuffix(s, "\r\n"), err
}

func ask(rw *bufio.ReadWriter, key string) ([]byte, error) {
	head, err := answer(rw, "get "+key+"\r\n")
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
	if _, err := io.ReadFull(rw, value); err != nil {
		return nil, err
	}
	end, err := line(rw)
	if err == nil && end != "END" {
		err = fmt.Errorf("get: %q after the value", end)
	}
	return value[:size], err
}
