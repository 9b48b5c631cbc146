package driver

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"microcosm/functions"
	"microcosm/images/guest/job"
)

// step is one step of a job being done.
type step struct {
	*Driver
	*job.Step
	number   int
	function *functions.Function
	draw     *rand.Rand // who interleaves
}

// newDraw returns the stream of random numbers of a step: steps do not share
// their luck.
func newDraw(seed uint64, number int) *rand.Rand {
	return rand.New(rand.NewPCG(seed, uint64(number)))
}

// cold makes a sandbox for every call and removes it afterwards. Dependencies
// are made once: a database is a remote service and always warm.
func (st *step) cold(ctx context.Context) error {
	if err := st.drop(ctx, st.function.Name); err != nil { // one that is warm would share its pages
		return err
	}
	for n := range st.Count {
		b, err := st.launch(ctx, st.function)
		if err != nil {
			return err
		}
		err = st.call(ctx, b, st.target(), job.Measured, st.First+n)
		if err = errors.Join(err, b.remove(ctx)); err != nil {
			return err
		}
	}
	return nil
}

func (st *step) target() job.Target { return job.Target{Function: st.Function, Input: st.Input} }

// inARow calls one sandbox again and again: the warm-up calls first, each
// measured one after what its mode puts before it.
func (st *step) inARow(ctx context.Context) error {
	if _, err := st.running(ctx, st.function); err != nil {
		return err
	}
	// Who interleaves is there, and has been called, before anything is counted.
	if err := st.prepareMix(ctx); err != nil {
		return err
	}
	for n := range st.Warmup + st.Count {
		phase := job.Measured
		if n < st.Warmup {
			phase = job.Warming
		} else if err := st.before(ctx); err != nil {
			return err
		}
		b, err := st.running(ctx, st.function)
		if err != nil {
			return err
		}
		if err := st.call(ctx, b, st.target(), phase, st.First+n); err != nil {
			return errors.Join(err, st.drop(ctx, st.function.Name))
		}
	}
	return nil
}

// before brings the function's core into the condition of the mode.
func (st *step) before(ctx context.Context) error {
	switch st.Mode {
	case job.Lukewarm:
		for range st.K {
			if err := st.interleave(ctx, st.drawn()); err != nil {
				return err
			}
		}
	case job.Stressor:
		ctx, cancel := context.WithTimeout(ctx, time.Duration(st.job.Deadlines.Call))
		defer cancel()
		if err := st.Walker.Walk(ctx, st.Code, st.Data); err != nil {
			return fmt.Errorf("walk %d bytes of code and %d of data: %w", st.Code, st.Data, err)
		}
	case job.Idle:
		select {
		case <-time.After(time.Duration(st.Pause)):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// others returns the mix without the measured function.
func (st *step) others() []job.Target {
	var others []job.Target
	for _, t := range st.Mix.Functions {
		if t.Function != st.Function {
			others = append(others, t)
		}
	}
	return others
}

func (st *step) drawn() job.Target {
	others := st.others()
	return others[st.draw.IntN(len(others))]
}

func (st *step) prepareMix(ctx context.Context) error {
	for _, t := range st.others() {
		if st.boxes[t.Function] == nil {
			if err := st.interleave(ctx, t); err != nil {
				return err
			}
		}
	}
	return nil
}

// interleave calls another function once, with its next input.
func (st *step) interleave(ctx context.Context, t job.Target) error {
	f, err := st.Catalog(t.Function)
	if err != nil {
		return err
	}
	b, err := st.running(ctx, f)
	if err != nil {
		return fmt.Errorf("interleave %s: %w", t.Function, err)
	}
	n := st.calls[t]
	st.calls[t]++
	if err := st.call(ctx, b, t, job.Interleaved, n); err != nil {
		return errors.Join(fmt.Errorf("interleave %s: %w", t.Function, err), st.drop(ctx, t.Function))
	}
	return nil
}

// call invokes b once, checks the reply and writes the record.
func (st *step) call(ctx context.Context, b *box, t job.Target, phase job.Phase, n int) error {
	f, err := st.Catalog(t.Function)
	if err != nil {
		return err
	}
	call, err := f.Call(t.Input, st.job.Seed, n)
	if err != nil {
		return err
	}
	r := job.Record{
		Kind: job.Call, Status: job.OK, Step: st.number, Function: t.Function, Input: t.Input, Mode: st.Mode, Phase: phase, N: n,
		Marked: st.Marker != nil && (phase == job.Measured || phase == job.Warming && st.MarkWarmup),
	}
	if phase == job.Measured {
		r.Condition = st.Condition().String()
	}
	reply, err := st.invoke(ctx, b, call, &r)
	if err == nil {
		err = call.Check(reply)
	}
	if err != nil {
		err = b.blame(fmt.Errorf("%s (%s, call %d): %w", t.Function, t.Input, n, err))
	}
	return errors.Join(err, st.write(failed(r, err)))
}

// invoke sends the call within a work item and notes in r what it took.
func (st *step) invoke(ctx context.Context, b *box, call functions.Call, r *job.Record) (reply []byte, err error) {
	deadline := time.Duration(st.job.Deadlines.Call)
	late := fmt.Errorf("no reply after %v", deadline)
	ctx, cancel := context.WithTimeoutCause(ctx, deadline, late)
	defer cancel()
	id, thread := uint64(r.Phase), uint64(st.seq)
	took, cores, err := st.timed(func() (err error) {
		if r.Marked {
			st.Marker.WorkBegin(id, thread)
			defer st.Marker.WorkEnd(id, thread)
		}
		reply, err = b.client.Invoke(ctx, call)
		return err
	})
	r.Nanos, r.Cores, r.Bytes = took.Nanoseconds(), cores, len(reply)
	if err == nil {
		return reply, nil
	}
	switch cause := context.Cause(ctx); {
	case cause != nil:
		err = errors.Join(cause, err)
	case status.Code(err) == codes.DeadlineExceeded:
		// The server keeps the deadline too, and its timer may be the first.
		err = errors.Join(late, err)
	}
	select {
	case <-b.sandbox.Ended():
		err = errors.Join(errors.New("it died during the call"), err)
	case <-time.After(obituary):
	}
	return nil, err
}

// obituary is how long after its last connection the death of a process may
// become known.
const obituary = 200 * time.Millisecond
