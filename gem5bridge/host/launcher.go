package host

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"microcosm/functions"
	"microcosm/gem5bridge"
	"microcosm/gem5bridge/process"
)

// pollListen is the resolution of stage:init.
const pollListen = 200 * time.Microsecond

// launcher starts sandboxes and what they depend on.
type launcher struct {
	catalog *functions.Catalog
	machine *machine
	root    string        // of the installed functions
	env     []string      // of every process
	within  time.Duration // a process serves
}

// launch starts a process of f on the functions' core and waits until it accepts
// a connection. What f depends on runs before: databases on the client's cores,
// functions of the catalog on the functions' core. Its errors are the context's,
// or a *gem5bridge.Failure of kind ErrNotReady.
func (l *launcher) launch(ctx context.Context, f *functions.Function) (*sandbox, error) {
	s := &sandbox{function: f, stderr: &process.Tail{}}
	err := l.support(ctx, s)
	const tries = 3 // a port may be taken between choosing and using it
	for range tries {
		if err == nil {
			err = l.start(ctx, s)
		}
		if err == nil || !strings.Contains(strings.ToLower(s.lastWords()), "address already in use") {
			break
		}
	}
	if err == nil {
		return s, nil
	}
	s.stop()
	var dependency *gem5bridge.Failure
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.As(err, &dependency):
		return nil, err
	default:
		return nil, &gem5bridge.Failure{Kind: gem5bridge.ErrNotReady, Function: f.Name, Text: err.Error() + s.lastWords()}
	}
}

// support starts what s depends on and tells s where.
func (l *launcher) support(ctx context.Context, s *sandbox) error {
	for _, d := range s.function.Dependencies {
		var port int
		var err error
		if d.Function == "" {
			port, err = l.database(ctx, s, d)
		} else {
			port, err = l.callee(ctx, s, d)
		}
		if err != nil {
			return fmt.Errorf("%s that it needs: %w", d.Name, err)
		}
		s.env = append(s.env, fmt.Sprintf("%s=127.0.0.1:%d", d.Env, port))
	}
	return nil
}

func (l *launcher) database(ctx context.Context, s *sandbox, d functions.Dependency) (port int, err error) {
	if port, err = freePort(); err != nil {
		return 0, err
	}
	p, err := l.process(d.Command("127.0.0.1", port), nil, l.machine.clients, s.stderr)
	if err != nil {
		return 0, err
	}
	s.databases = append(s.databases, p)
	return port, listens(ctx, p, port)
}

func (l *launcher) callee(ctx context.Context, s *sandbox, d functions.Dependency) (port int, err error) {
	f, err := l.catalog.Lookup(d.Function)
	if err != nil {
		return 0, err
	}
	callee, err := l.launch(ctx, f)
	if err != nil {
		return 0, err
	}
	s.callees = append(s.callees, callee)
	return callee.port, nil
}

// start starts the function itself and takes the time until it serves.
func (l *launcher) start(ctx context.Context, s *sandbox) error {
	ctx, cancel := context.WithTimeoutCause(ctx, l.within, fmt.Errorf("it does not serve within %v", l.within))
	defer cancel()
	var err error
	if s.port, err = freePort(); err != nil {
		return err
	}
	argv, env, err := s.function.Command(l.root, s.port)
	if err != nil {
		return err
	}
	begin := time.Now()
	if s.process, err = l.process(argv, slices.Concat(env, s.env), []int{l.machine.core}, s.stderr); err != nil {
		return err
	}
	if s.meter, err = newMeter(s.process.PID()); err != nil {
		return err
	}
	if err := listens(ctx, s.process, s.port); err != nil {
		return err
	}
	if s.client, err = functions.Dial(ctx, fmt.Sprintf("127.0.0.1:%d", s.port)); err != nil {
		return err
	}
	if err := s.client.WaitReady(ctx); err != nil {
		return err
	}
	s.started = invocation{roundTrip: time.Since(begin), cpu: s.meter.cpu(), counts: s.meter.counts()}
	s.restore = fmt.Sprintf("%s/%d/%d", l.machine.boot, s.process.PID(), s.process.StartTime())
	return nil
}

func (l *launcher) process(argv, env []string, cores []int, out *process.Tail) (*process.Process, error) {
	return process.Start(process.Spec{
		Args: argv, Env: slices.Concat(l.env, env), Dir: "/", Cores: cores, Nice: nice, Stdout: out, Stderr: out,
	})
}

// listens waits until p listens on port. gRPC's own attempts lie some
// milliseconds apart, too coarse for a runtime that starts in ten; the price is
// one more connection to accept before the first call.
func listens(ctx context.Context, p *process.Process, port int) error {
	dialer := net.Dialer{Timeout: time.Second}
	ticker := time.NewTicker(pollListen)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-p.Done():
			return fmt.Errorf("it ended: %v", p.State())
		case <-ticker.C:
		}
		conn, err := dialer.DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			return conn.Close()
		}
	}
}

// freePort returns a port of the loopback interface that is free now.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	port := l.Addr().(*net.TCPAddr).Port // what a tcp listener has
	return port, l.Close()
}
