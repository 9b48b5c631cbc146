package gem5bridge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"google.golang.org/grpc"

	"microcosm/cosim/servicetime"
	"microcosm/gem5bridge/bridgepb"
)

// Sample runs a job and yields its samples, valid or not, in the order in which
// they were measured. The last pair holds an error if the job did not end with
// all its valid samples: the failures that the plugin reports (joined), or what
// happened to the plugin itself. Breaking off the loop or ending ctx cancels the
// job. observe, unless nil, is called in between with the plugin's progress.
func (s *Simulator) Sample(ctx context.Context, job Job, observe func(Progress)) iter.Seq2[servicetime.Sample, error] {
	if observe == nil {
		observe = func(Progress) {}
	}
	return func(yield func(servicetime.Sample, error) bool) {
		call, cancel := detach(ctx)
		defer cancel()
		stream, err := s.client.Sample(call, jobToWire(job))
		if err != nil {
			yield(servicetime.Sample{}, fmt.Errorf("sample: %w", s.why(ctx, err)))
			return
		}
		account := newAccount(job)
		for {
			event, err := s.receive(stream)
			if errors.Is(err, io.EOF) {
				if err := account.settle(); err != nil {
					yield(servicetime.Sample{}, fmt.Errorf("sample: %w", err))
				}
				return
			}
			if err != nil {
				yield(servicetime.Sample{}, fmt.Errorf("sample: %w", s.why(ctx, err)))
				return
			}
			switch {
			case event.GetSample() != nil:
				sample, err := account.book(event.GetSample())
				if !yield(sample, err) || err != nil {
					return
				}
			case event.GetProgress() != nil:
				observe(progressFromWire(event.GetProgress()))
			case event.GetLog() != nil:
				record(ctx, s.log, logFromWire(event.GetLog()))
			}
		}
	}
}

// detach returns a context that ends with ctx but has no deadline: gRPC would
// tell the plugin, whose clock might end the call first, as if the plugin had.
func detach(ctx context.Context) (context.Context, context.CancelFunc) {
	call, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, cancel)
	return call, func() { stop(); cancel() }
}

// receive waits for the next event, but no longer than the plugin may be silent.
func (s *Simulator) receive(stream grpc.ServerStreamingClient[bridgepb.Event]) (*bridgepb.Event, error) {
	defer s.watch().Stop()
	return stream.Recv()
}

// watch ends the plugin unless it is stopped within the time of silence.
func (s *Simulator) watch() *time.Timer {
	return time.AfterFunc(s.silence, func() {
		s.silent.Store(true)
		s.child.kill()
	})
}

// account holds a plugin to its job.
type account struct {
	cells []Cell
	valid map[Cell]int // by function, input and condition
}

func newAccount(job Job) *account {
	return &account{cells: job.Cells, valid: map[Cell]int{}}
}

// book takes in a sample, which must be whole.
func (a *account) book(wire *bridgepb.Sample) (servicetime.Sample, error) {
	sample, err := sampleFromWire(wire)
	if err != nil {
		return servicetime.Sample{}, fmt.Errorf("sample: %w", err)
	}
	if sample.Status == servicetime.Valid {
		a.valid[Cell{Function: sample.Key.Function, Input: sample.Key.Input, Condition: sample.Key.Condition}]++
	}
	return sample, nil
}

// settle reports the cells that a plugin has left open though it claims to have
// done them all.
func (a *account) settle() error {
	var open []error
	for _, c := range a.cells {
		name := Cell{Function: c.Function, Input: c.Input, Condition: c.Condition}
		if a.valid[name] < c.Count {
			open = append(open, fmt.Errorf("%w: it ended well after %d of %d samples of %s", ErrProtocol, a.valid[name], c.Count, c))
		}
	}
	return errors.Join(open...)
}
