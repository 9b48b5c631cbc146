package redis

import (
	"bufio"
	"strings"
)

// ParseReply reads one reply from a text.
func ParseReply(s string) ([]string, error) {
	return (&conn{r: bufio.NewReader(strings.NewReader(s))}).reply(maxDepth)
}
