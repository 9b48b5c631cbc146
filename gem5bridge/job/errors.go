package job

import (
	"errors"
	"fmt"
)

var (
	// ErrNoJob says that no job, or more than one, has the id.
	ErrNoJob = errors.New("no such job")

	// ErrQuarantined is matched by every *QuarantinedError.
	ErrQuarantined = errors.New("quarantined")
)

// StrangerError says that a job's process could not be matched on pid, start
// time and boot id, so that nothing was signalled.
type StrangerError struct {
	Record Record
	Why    string
}

// Error says what does not match.
func (e *StrangerError) Error() string {
	return fmt.Sprintf("job %s is left alone: %s", e.Record.ID, e.Why)
}

// QuarantinedError says that a subject has failed too often in a row.
type QuarantinedError struct {
	Entry Entry
}

// Error names the subject, its failures and the remedy.
func (e *QuarantinedError) Error() string {
	return fmt.Sprintf("%s is %v after %d failures in a row, the last a %v: %s; look at it, then run cosim jobs --release %q",
		e.Entry.Subject, ErrQuarantined, e.Entry.Failures, e.Entry.Verdict, e.Entry.Text, e.Entry.Subject)
}

// Unwrap makes errors.Is(err, ErrQuarantined) true.
func (e *QuarantinedError) Unwrap() error { return ErrQuarantined }
