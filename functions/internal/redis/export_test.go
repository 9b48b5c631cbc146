package redis

import (
	"bufio"
	"strings"

	"microcosm/functions/internal/pool"
)

// ParseReply reads one reply from a text.
func ParseReply(s string) ([]string, error) {
	return conn{&pool.Conn{R: bufio.NewReader(strings.NewReader(s))}}.reply(maxDepth)
}
