package qemu

import (
	"bytes"
	"io"
	"strings"
	"sync"
	"time"
)

// tailBytes is how much of the console a Result keeps.
const tailBytes = 16 << 10

// panicText begins the line in which a Linux kernel says that it gives up.
const panicText = "Kernel panic - not syncing"

// console is the guest's console: it keeps the end and watches for the lines
// that matter. A writer behind it that fails is not written to again.
type console struct {
	changed chan struct{} // has an element after anything was written

	mu        sync.Mutex
	ready     string
	start     time.Time
	copyTo    io.Writer
	end       []byte // the last bytes
	line      []byte // the line that is not yet complete
	readyTook time.Duration
	panicLine string
}

func newConsole(ready string, copyTo io.Writer, start time.Time) *console {
	return &console{changed: make(chan struct{}, 1), ready: ready, copyTo: copyTo, start: start}
}

// Write takes more of the console. It never fails, so that QEMU is not stopped.
func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.copyTo != nil {
		if _, err := c.copyTo.Write(p); err != nil {
			c.copyTo = nil
		}
	}
	c.end = append(c.end, p...)
	if excess := len(c.end) - tailBytes; excess > 0 {
		c.end = append(c.end[:0], c.end[excess:]...)
	}
	c.line = append(c.line, p...)
	for {
		line, rest, complete := bytes.Cut(c.line, []byte("\n"))
		if !complete {
			break
		}
		c.look(strings.TrimSpace(string(line)))
		c.line = append(c.line[:0], rest...)
	}
	if excess := len(c.line) - tailBytes; excess > 0 { // a guest that never ends its line
		c.line = append(c.line[:0], c.line[excess:]...)
	}
	select {
	case c.changed <- struct{}{}:
	default:
	}
	return len(p), nil
}

// finish looks at the last line, which nothing has ended.
func (c *console) finish() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.look(strings.TrimSpace(string(c.line)))
	c.line = nil
}

func (c *console) look(line string) {
	if line == "" {
		return
	}
	if c.readyTook == 0 && strings.Contains(line, c.ready) {
		c.readyTook = time.Since(c.start)
	}
	if at := strings.Index(line, panicText); at >= 0 && c.panicLine == "" {
		c.panicLine = line[at:]
	}
}

// readyAfter returns how long the guest took to be up; 0: it is not.
func (c *console) readyAfter() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.readyTook
}

// panicked returns the line of the kernel's panic; empty: none.
func (c *console) panicked() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.panicLine
}

func (c *console) tail() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.ReplaceAll(string(c.end), "\r\n", "\n")
}
