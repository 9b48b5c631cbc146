// Package redis asks a Redis server. It knows just what the hotel functions need:
// commands of texts, and batches of them, over a few connections kept for reuse.
// Protocol: RESP2, redis.io/docs/reference/protocol-spec.
package redis

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"microcosm/functions/internal/pool"
)

// ErrNil is the error of a value that is not there.
var ErrNil = errors.New("redis: nil")

const (
	maxDepth  = 4
	maxLength = 64 << 20         // of a reply's text, in bytes, or elements
	patience  = 30 * time.Second // with a server that is still starting
	retry     = 5 * time.Millisecond
)

// A Client asks one server. Safe for concurrent use.
type Client struct{ pool *pool.Pool }

// Open connects to host:port and waits for a server that is still starting.
func Open(ctx context.Context, addr string) (*Client, error) {
	c := &Client{pool.New(addr)}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		_, err := c.Do(ctx, "PING")
		if err == nil {
			return c, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("connect to redis at %s: %w", addr, err)
		case <-time.After(retry):
		}
	}
}

// Do sends one command and returns its reply: a text, or several. The error of a
// value that is not there is ErrNil.
func (c *Client) Do(ctx context.Context, command ...string) ([]string, error) {
	replies, err := c.Batch(ctx, command)
	if err != nil {
		return nil, err
	}
	return replies[0], nil
}

// Batch sends all commands before it reads the first reply.
func (c *Client) Batch(ctx context.Context, commands ...[]string) (replies [][]string, err error) {
	err = c.pool.Do(ctx, func(on *pool.Conn) (err error) {
		replies, err = conn{on}.batch(commands)
		return err
	}, answered)
	if err != nil && !answered(err) {
		return nil, fmt.Errorf("redis at %s: %w", c.pool.Addr(), err)
	}
	return replies, err
}

// answered reports whether an error is the server's answer.
func answered(err error) bool {
	var refused serverError
	return errors.As(err, &refused) || errors.Is(err, ErrNil)
}

// Close closes the connections that nobody uses.
func (c *Client) Close() { c.pool.Close() }

// conn speaks RESP on a connection.
type conn struct{ *pool.Conn }

func (c conn) batch(commands [][]string) ([][]string, error) {
	var text []byte
	for _, command := range commands {
		text = fmt.Appendf(text, "*%d\r\n", len(command))
		for _, arg := range command {
			text = fmt.Appendf(text, "$%d\r\n%s\r\n", len(arg), arg)
		}
	}
	if _, err := c.Write(text); err != nil {
		return nil, err
	}
	replies := make([][]string, len(commands))
	var first error // all replies have to be read, whatever is wrong with one
	for i := range commands {
		reply, err := c.reply(maxDepth)
		if err != nil && !answered(err) {
			return nil, err
		}
		if first == nil {
			first = err
		}
		replies[i] = reply
	}
	return replies, first
}

// serverError is what the server says when it refuses a command.
type serverError string

func (e serverError) Error() string { return "redis: " + string(e) }

// reply reads one reply; lists within it at most depth deep, flattened.
func (c conn) reply(depth int) ([]string, error) {
	line, err := c.R.ReadString('\n')
	if err != nil {
		return nil, err
	}
	if len(line) < 3 || line[len(line)-2] != '\r' {
		return nil, fmt.Errorf("reply %q is not RESP", line)
	}
	kind, line := line[0], line[1:len(line)-2]
	switch kind {
	case '+', ':':
		return []string{line}, nil
	case '-':
		return nil, serverError(line)
	}
	n, err := strconv.Atoi(line)
	if err != nil || n < -1 || n > maxLength || kind != '$' && kind != '*' {
		return nil, fmt.Errorf("reply %q is not RESP", string(kind)+line)
	}
	if n == -1 {
		return nil, ErrNil
	}
	if kind == '$' {
		text := make([]byte, n+2)
		if _, err := io.ReadFull(c.R, text); err != nil {
			return nil, err
		}
		return []string{string(text[:n])}, nil
	}
	if depth == 0 {
		return nil, errors.New("reply nests too deeply")
	}
	var list []string
	for range n {
		item, err := c.reply(depth - 1)
		if errors.Is(err, ErrNil) {
			item, err = []string{""}, nil
		}
		if err != nil {
			return nil, err
		}
		list = append(list, item...)
	}
	return list, nil
}
