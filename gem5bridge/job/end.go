package job

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"

	"microcosm/gem5bridge/process"
)

// Grace is how long a job may take to heed each signal: SIGINT lets gem5 write
// its statistics, SIGTERM lets it end, SIGKILL needs no consent.
type Grace struct {
	Interrupt time.Duration
	Terminate time.Duration
}

// DefaultGrace is long enough for a large statistics file on a busy machine.
var DefaultGrace = Grace{Interrupt: 10 * time.Second, Terminate: 5 * time.Second}

// poll is how often ending processes are looked at.
const poll = 10 * time.Millisecond

// Members matches the processes of a job: those of the group whose leader is
// the recorded process, and those that carry the job's mark, wherever they went.
// Of another boot or machine it matches none.
func (r Record) Members() func(process.Stray) bool {
	if !r.Process.Here() {
		return func(process.Stray) bool { return false }
	}
	mark := Variable + "=" + r.ID
	return func(s process.Stray) bool {
		if r.Process.Is(s) || s.HasEnv(mark) {
			return true
		}
		// A group may outlive its leader, and its number may then be a stranger's.
		return s.Group == r.Process.PID && r.Process.Running()
	}
}

// End ends a job from outside: SIGINT, then SIGTERM, then SIGKILL to its
// processes, each of which is matched again before it is signalled. It returns
// when none is left and the record is closed, by its owner or, where that is
// gone, by End with the given verdict. A job that cannot be matched is left
// alone: the error is a *StrangerError.
func (r *Registry) End(ctx context.Context, record Record, verdict Verdict, text string, grace Grace) error {
	switch record.State() {
	case Ended:
		return &StrangerError{record, fmt.Sprintf("it has ended: %v", record.End.Verdict)}
	case Elsewhere:
		return &StrangerError{record, fmt.Sprintf("it runs on %s", record.Host)}
	}
	if err := os.WriteFile(r.request(record.ID), []byte(text), 0o600); err != nil {
		return fmt.Errorf("end job %s: %w", record.ID, err)
	}
	if err := endAll(ctx, record.Members(), grace); err != nil {
		return fmt.Errorf("end job %s: %w", record.ID, err)
	}
	return r.settle(ctx, record, verdict, text)
}

// endAll signals what matches until nothing is left.
func endAll(ctx context.Context, match func(process.Stray) bool, grace Grace) error {
	for _, step := range []struct {
		signal syscall.Signal
		wait   time.Duration
	}{{syscall.SIGINT, grace.Interrupt}, {syscall.SIGTERM, grace.Terminate}} {
		if process.Signal(step.signal, match) == 0 {
			return nil
		}
		gone, err := awaitNone(ctx, match, step.wait)
		if gone || err != nil {
			return err
		}
	}
	if left := process.KillStrays(match); len(left) > 0 {
		return fmt.Errorf("process %d cannot be killed", left[0].PID)
	}
	return nil
}

func awaitNone(ctx context.Context, match func(process.Stray) bool, patience time.Duration) (bool, error) {
	deadline := time.Now().Add(patience)
	for time.Now().Before(deadline) {
		if len(process.Find(match)) == 0 {
			return true, nil
		}
		select {
		case <-ctx.Done():
			return false, context.Cause(ctx)
		case <-time.After(poll):
		}
	}
	return false, nil
}

// settle waits until the owner has closed the record and closes it where the
// owner is gone, or does not.
func (r *Registry) settle(ctx context.Context, record Record, verdict Verdict, text string) error {
	const patience = 10 * time.Second
	deadline := time.Now().Add(patience)
	for record.Owner.Running() && time.Now().Before(deadline) {
		now, err := r.read(record.ID)
		if errors.Is(err, fs.ErrNotExist) || err == nil && now.End != nil {
			return nil
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(poll):
		}
	}
	record.End = &End{Verdict: verdict, Text: text, At: time.Now().UTC()}
	_ = os.Remove(r.request(record.ID)) // it may not be there
	return r.Write(record)
}

// EndRequested reports whether somebody outside has asked for the end of a job,
// and why, and forgets it. The job's owner asks once the job has ended.
func (r *Registry) EndRequested(id string) (string, bool) {
	text, err := os.ReadFile(r.request(id))
	if err != nil {
		return "", false
	}
	_ = os.Remove(r.request(id)) // at worst it is left behind
	return string(text), true
}

// Recover ends what is left of the jobs whose orchestrator was killed, and
// closes their records as interrupted. It returns those records.
func (r *Registry) Recover(ctx context.Context) ([]Record, error) {
	records, err := r.List()
	mistakes := []error{err}
	var recovered []Record
	for _, record := range records {
		if record.State() != Lost {
			continue
		}
		if err := r.End(ctx, record, Interrupted, "its orchestrator was killed", Grace{}); err != nil {
			mistakes = append(mistakes, err)
			continue
		}
		recovered = append(recovered, record)
	}
	return recovered, errors.Join(mistakes...)
}

// silent is how long a supervisor may leave its record unwritten.
const silent = 2 * time.Minute

// Stuck says why a job should be ended, and "" if it should not: its
// orchestrator has ended or does not look after it, or it has gone past a limit.
func (r Record) Stuck(now time.Time) string {
	switch r.State() {
	case Ended, Elsewhere:
		return ""
	case Lost:
		return "its orchestrator has ended"
	}
	if since := now.Sub(r.Progress.At); since > silent {
		return fmt.Sprintf("its supervisor has said nothing for %v", since.Round(time.Second))
	}
	if verdict, text := r.Limits.Overdue(r.Progress, r.Begun); verdict != Invalid {
		return fmt.Sprintf("%v: %s", verdict, text)
	}
	return ""
}
