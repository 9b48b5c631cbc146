package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"microcosm/functions"
	"microcosm/gem5bridge"
	"microcosm/gem5bridge/process"
)

// A process rests when its CPU clock has stood still for restCheck. It is given
// restWithin after a reply.
const (
	restWithin = 20 * time.Millisecond
	restCheck  = 30 * time.Microsecond
)

// sandbox is one process of a function and the connection to it. It is used by
// one goroutine.
type sandbox struct {
	function *functions.Function
	process  *process.Process
	client   *functions.Client
	port     int
	meter    meter
	stderr   *process.Tail
	restore  string // id of the process, unique among all of this machine

	env       []string           // where to find what it depends on
	databases []*process.Process // on the client's cores
	callees   []*sandbox         // functions it calls, on its own core

	started invocation // from fork until it accepted the connection
	told    bool       // started has been reported
	calls   int        // invocations so far
	usual   *counts    // what an invocation counts once warm; nil before warming up
	warmups int        // calls it took to warm up
}

// invocation is what was measured of one call, or of a start.
type invocation struct {
	roundTrip time.Duration // at the client, on the monotonic clock
	cpu       time.Duration // of the function's process meanwhile, and of those it calls
	counts    counts
}

// stop ends the process and what it depends on, at once. It may be called again.
func (s *sandbox) stop() {
	if s.client != nil {
		_ = s.client.Close() // nothing is in flight
	}
	if s.process != nil {
		s.process.Stop(0)
	}
	for _, callee := range s.callees {
		callee.stop()
	}
	for _, database := range s.databases {
		database.Stop(0)
	}
}

// cpu is the CPU time used on the functions' core.
func (s *sandbox) cpu() time.Duration {
	used := s.meter.cpu()
	for _, callee := range s.callees {
		used += callee.cpu()
	}
	return used
}

// counts is what was counted on the functions' core.
func (s *sandbox) counts() counts {
	all := s.meter.counts()
	for _, callee := range s.callees {
		all = all.plus(callee.counts())
	}
	return all
}

// invoke makes one call, checks the reply's content and returns what it
// measured, also when the call went wrong. The process rests before and after.
// The error is the context's or a *gem5bridge.Failure without its condition.
func (s *sandbox) invoke(ctx context.Context, call functions.Call, deadline time.Duration) (invocation, error) {
	failure := func(kind error, format string, args ...any) error {
		return &gem5bridge.Failure{Kind: kind, Function: s.function.Name, Text: fmt.Sprintf(format, args...)}
	}
	reply, measured, late, err := s.roundTrip(ctx, call, deadline)
	s.calls++
	switch {
	case ctx.Err() != nil:
		return measured, ctx.Err()
	case late:
		return measured, failure(gem5bridge.ErrDeadline, "no reply within %v", deadline)
	case err != nil && s.died():
		return measured, failure(gem5bridge.ErrFunctionDied, "%v%s", s.process.State(), s.lastWords())
	case err != nil:
		return measured, failure(gem5bridge.ErrWrongReply, "%v", err)
	}
	if err := call.Check(reply); err != nil {
		return measured, failure(gem5bridge.ErrWrongReply, "%v", err)
	}
	s.rest()
	return measured, nil
}

// roundTrip makes the call. The deadline is kept on this side: one that gRPC
// sends along would be work for the function.
func (s *sandbox) roundTrip(ctx context.Context, call functions.Call, deadline time.Duration) (reply []byte, measured invocation, late bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	before := s.counts()
	timer := time.AfterFunc(deadline, func() { cancel(os.ErrDeadlineExceeded) })
	defer timer.Stop()

	cpu, begin := s.cpu(), time.Now()
	reply, err = s.client.Invoke(ctx, call)
	measured.roundTrip = time.Since(begin)
	measured.cpu = max(0, s.cpu()-cpu)

	measured.counts = s.counts().minus(before)
	late = measured.roundTrip > deadline || errors.Is(context.Cause(ctx), os.ErrDeadlineExceeded)
	return reply, measured, late, err
}

// died reports whether the process has ended, which a broken connection tells a
// little earlier than the kernel does.
func (s *sandbox) died() bool {
	select {
	case <-s.process.Done():
		return true
	case <-time.After(100 * time.Millisecond):
		return false
	}
}

// rest waits until the process has finished what it does after its reply, so
// that the next invocation on the core starts on an idle one.
func (s *sandbox) rest() {
	for begin := time.Now(); time.Since(begin) < restWithin; {
		before := s.cpu()
		time.Sleep(restCheck)
		if s.cpu() == before {
			return
		}
	}
}

func (s *sandbox) lastWords() string {
	lines := s.stderr.Lines()
	if len(lines) == 0 {
		return ""
	}
	return "; its last words: " + strings.Join(lines, " | ")
}
