package gem5bridge

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"microcosm/cosim/servicetime"
	"microcosm/gem5bridge/bridgepb"
)

// kinds pairs each kind of failure with its name on the wire and the status
// code that a foreign client sees.
var kinds = []struct {
	err  error
	wire bridgepb.Failure_Kind
	code codes.Code
}{
	{ErrInvalidJob, bridgepb.Failure_INVALID_JOB, codes.InvalidArgument},
	{ErrUnsupported, bridgepb.Failure_UNSUPPORTED, codes.Unimplemented},
	{ErrNotReady, bridgepb.Failure_NOT_READY, codes.FailedPrecondition},
	{ErrWrongReply, bridgepb.Failure_WRONG_REPLY, codes.DataLoss},
	{ErrFunctionDied, bridgepb.Failure_FUNCTION_DIED, codes.Aborted},
	{ErrDeadline, bridgepb.Failure_DEADLINE, codes.DeadlineExceeded},
	{ErrCancelled, bridgepb.Failure_CANCELLED, codes.Canceled},
}

// statusOf puts a back end's error on the wire: one Failure per joined error,
// the code of the first.
func statusOf(err error) error {
	if err == nil {
		return nil
	}
	var wire bridgepb.Failures
	code := codes.Unknown
	for i, leaf := range leaves(err) {
		failure, c := failureToWire(leaf)
		if i == 0 {
			code = c
		}
		wire.Failures = append(wire.Failures, failure)
	}
	st, detailErr := status.New(code, textToWire(err.Error())).WithDetails(&wire)
	if detailErr != nil {
		return status.Error(code, err.Error()) // cannot be: the detail is a generated message
	}
	return st.Err()
}

// leaves returns the errors that errors.Join put together, in order.
func leaves(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, leaves(e)...)
	}
	return all
}

func failureToWire(err error) (*bridgepb.Failure, codes.Code) {
	var f *Failure
	if !errors.As(err, &f) {
		f = &Failure{Text: err.Error()}
		if errors.Is(err, context.Canceled) {
			f.Kind = ErrCancelled
		}
	}
	wire := &bridgepb.Failure{
		Message:   textToWire(f.Text),
		Function:  f.Function,
		Input:     f.Input,
		Condition: conditionToWire(f.Condition),
	}
	for _, k := range kinds {
		if errors.Is(f.Kind, k.err) {
			wire.Kind = k.wire
			return wire, k.code
		}
	}
	return wire, codes.Unknown
}

// failuresOf rebuilds what statusOf put on the wire; nil if err carries nothing
// of the kind.
func failuresOf(err error) error {
	var all []error
	for _, detail := range status.Convert(err).Details() {
		wire, ok := detail.(*bridgepb.Failures)
		if !ok {
			continue
		}
		for _, f := range wire.GetFailures() {
			all = append(all, failureFromWire(f))
		}
	}
	return errors.Join(all...)
}

func failureFromWire(wire *bridgepb.Failure) error {
	f := &Failure{Function: wire.GetFunction(), Input: wire.GetInput(), Text: wire.GetMessage()}
	if c, err := servicetime.ParseCondition(wire.GetCondition()); err == nil {
		f.Condition = c
	}
	for _, k := range kinds {
		if k.wire == wire.GetKind() {
			f.Kind = k.err
		}
	}
	return f
}
