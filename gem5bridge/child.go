package gem5bridge

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/go-plugin/runner"

	"microcosm/gem5bridge/process"
)

// drain is how long output is still read after the plugin has ended.
const drain = time.Second

// child runs the plugin's process for go-plugin, whose own runner ends the
// plugin only, never what the plugin has started, and waits for ever for output
// that a stray holds open.
type child struct {
	args  []string
	env   []string
	start context.Context // its end kills the plugin, until serving is called

	serving func() bool      // ends the rule of start; false if that came first
	process *process.Process // nil before Start
	stdout  *os.File
	stderr  *os.File
	first   firstLine
}

var _ runner.Runner = (*child)(nil)

// Start starts the plugin as the leader of a session of its own.
func (c *child) Start(context.Context) error {
	outR, outW, err := os.Pipe()
	if err != nil {
		return err
	}
	errR, errW, err := os.Pipe()
	if err != nil {
		return errors.Join(err, outR.Close(), outW.Close())
	}
	p, err := process.Start(process.Spec{Args: c.args, Env: c.env, Session: true, Stdout: outW, Stderr: errW})
	_, _ = outW.Close(), errW.Close() // the plugin has its own copies
	if err != nil {
		_, _ = outR.Close(), errR.Close() // never used
		return err
	}
	c.process, c.stdout, c.stderr = p, outR, errR
	c.serving = context.AfterFunc(c.start, c.kill)
	go func() {
		<-p.Done()
		time.AfterFunc(drain, c.closeOutput)
	}()
	return nil
}

func (c *child) closeOutput() { _, _ = c.stdout.Close(), c.stderr.Close() } // pipes: nothing to lose

// Wait waits until the plugin and its session have ended.
func (c *child) Wait(context.Context) error {
	<-c.process.Done()
	c.closeOutput()
	if state := c.process.State(); !state.Success() {
		return errors.New(state.String())
	}
	return nil
}

// Kill ends the plugin and its session. It does not wait.
func (c *child) Kill(context.Context) error {
	if c.process != nil {
		c.kill()
	}
	return nil
}

// kill ends the plugin and its session; it must have been started.
func (c *child) kill() { c.process.Signal(syscall.SIGKILL) }

// dead reports whether the plugin has ended within patience.
func (c *child) dead(patience time.Duration) bool {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-c.process.Done():
		return true
	case <-timer.C:
		return false
	}
}

// Stdout is what the plugin says, the handshake first.
func (c *child) Stdout() io.ReadCloser {
	return struct {
		io.Reader
		io.Closer
	}{io.TeeReader(c.stdout, &c.first), c.stdout}
}

// Stderr is the plugin's log.
func (c *child) Stderr() io.ReadCloser { return c.stderr }

// Name is the plugin's program.
func (c *child) Name() string { return c.args[0] }

// ID is the plugin's pid. It is never empty, or go-plugin would not clean up.
func (c *child) ID() string {
	if c.process == nil {
		return "not started"
	}
	return strconv.Itoa(c.process.PID())
}

// Diagnose has nothing to add: Connect explains.
func (c *child) Diagnose(context.Context) string { return "" }

// PluginToHost returns the address as it is: both see the same files.
func (c *child) PluginToHost(network, address string) (string, string, error) {
	return network, address, nil
}

// HostToPlugin returns the address as it is: both see the same files.
func (c *child) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}

// firstLine is a writer that keeps the first line of what is written to it, cut
// at 4 KiB. It is safe for concurrent use.
type firstLine struct {
	mu    sync.Mutex
	text  []byte
	ended bool
}

func (l *firstLine) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.ended {
		line, _, ended := bytes.Cut(text, []byte("\n"))
		l.text = append(l.text, line[:min(len(line), 4096-len(l.text))]...)
		l.ended = ended
	}
	return len(text), nil
}

func (l *firstLine) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text)
}

// spokenVersion returns the protocol version of a handshake line
// "CORE|VERSION|NETWORK|ADDRESS|…".
func spokenVersion(line string) (int, bool) {
	parts := strings.Split(line, "|")
	if len(parts) < 4 {
		return 0, false
	}
	version, err := strconv.Atoi(parts[1])
	return version, err == nil
}
