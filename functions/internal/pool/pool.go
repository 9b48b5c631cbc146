// Package pool keeps a few connections to one server for reuse, as clients of
// databases do: the common part of packages redis and memcache.
package pool

import (
	"bufio"
	"context"
	"errors"
	"net"
	"time"
)

const (
	idle    = 8               // connections kept when nobody uses them
	timeout = 2 * time.Second // of an exchange, as in vSwarm's hotel functions
)

// A Pool has the connections to one server. It connects when first asked. Safe for
// concurrent use.
type Pool struct {
	addr string
	free chan *Conn
}

// A Conn is a connection that is read through a buffer.
type Conn struct {
	net.Conn
	R *bufio.Reader
}

// New returns a pool for the server at host:port.
func New(addr string) *Pool { return &Pool{addr, make(chan *Conn, idle)} }

// Addr returns the server's address.
func (p *Pool) Addr() string { return p.addr }

// Do runs one exchange on a connection that nobody else uses meanwhile. The
// connection is kept unless the exchange's error is one that leaves it in an unknown
// state; answer says which errors are answers and do not.
func (p *Pool) Do(ctx context.Context, exchange func(*Conn) error, answer func(error) bool) error {
	c, err := p.conn(ctx)
	if err != nil {
		return err
	}
	err = exchange(c)
	if err != nil && !answer(err) {
		return errors.Join(err, c.Close())
	}
	select {
	case p.free <- c:
	default:
		err = errors.Join(err, c.Close())
	}
	return err
}

// Close closes the connections that nobody uses.
func (p *Pool) Close() {
	for {
		select {
		case c := <-p.free:
			_ = c.Close() // nothing was written that could be lost
		default:
			return
		}
	}
}

func (p *Pool) conn(ctx context.Context) (*Conn, error) {
	select {
	case c := <-p.free:
		return c, c.SetDeadline(time.Now().Add(timeout))
	default:
	}
	d := net.Dialer{Timeout: timeout}
	c, err := d.DialContext(ctx, "tcp", p.addr)
	if err != nil {
		return nil, err
	}
	return &Conn{c, bufio.NewReader(c)}, c.SetDeadline(time.Now().Add(timeout))
}
