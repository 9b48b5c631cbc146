package process

import (
	"bytes"
	"strings"
	"sync"
)

// Bounds of a Tail.
const (
	tailLines = 20
	tailWidth = 512 // bytes of a line that are kept
)

// Tail is a writer that keeps the last lines written to it. The zero value is
// ready; it is safe for concurrent use.
type Tail struct {
	mu      sync.Mutex
	lines   []string
	partial []byte
}

// Write never fails.
func (t *Tail) Write(text []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(text)
	for {
		line, rest, ended := bytes.Cut(text, []byte("\n"))
		t.partial = append(t.partial, line[:min(len(line), tailWidth-len(t.partial))]...)
		if !ended {
			return n, nil
		}
		t.end()
		text = rest
	}
}

func (t *Tail) end() {
	if line := strings.TrimRight(string(t.partial), "\r"); line != "" {
		t.lines = append(t.lines, line)
	}
	t.partial = t.partial[:0]
	if excess := len(t.lines) - tailLines; excess > 0 {
		t.lines = append(t.lines[:0], t.lines[excess:]...)
	}
}

// Lines returns the last lines, the oldest first, each cut at 512 bytes; empty
// lines are left out, and a last line without its end counts.
func (t *Tail) Lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := append([]string(nil), t.lines...)
	if len(t.partial) > 0 {
		lines = append(lines, string(t.partial))
	}
	return lines
}
