package supervisor

import (
	"context"
	"fmt"
	"os"
	"time"

	"microcosm/gem5bridge/job"
	"microcosm/gem5bridge/process"
)

// recordEvery is how often the record of a running job is written.
const recordEvery = 2 * time.Second

// run is one job under watch.
type run struct {
	supervisor *Supervisor
	spec       Spec
	process    *process.Process
	record     job.Record
	watch      *watch
	oomKills   int64 // before the job began
	begun      time.Time
	written    time.Time // when the record was
	unwritten  bool      // the last try to write it failed
}

// run watches the job until it has ended and closes its record.
func (r *run) run(ctx context.Context) (Outcome, error) {
	verdict, text := r.guard(ctx)
	mark := job.Variable + "=" + r.record.ID
	strays := process.KillStrays(func(s process.Stray) bool { return s.HasEnv(mark) })
	r.watch.ended(r.process.State())
	r.look()
	if verdict == job.Invalid {
		verdict, text = r.judge()
	}
	outcome := Outcome{
		ID: r.record.ID, Verdict: verdict, Text: text, State: r.process.State(), Progress: r.record.Progress,
		Wall: time.Since(r.begun), Console: r.watch.console.last.Lines(), Tail: r.tail(),
	}
	_, _ = r.supervisor.options.Jobs.EndRequested(r.record.ID) // answered, if there is one
	r.record.End = &job.End{Verdict: verdict, Text: text, At: time.Now().UTC()}
	err := r.supervisor.options.Jobs.Write(r.record)
	if err != nil {
		// The store holds what was measured; the record would only have told.
		r.supervisor.options.Log.Warn("the record of an ended job cannot be written", "job", r.record.ID, "err", err)
	}
	if len(strays) > 0 {
		return outcome, fmt.Errorf("run %s: process %d cannot be killed", r.spec.What, strays[0].PID)
	}
	if verdict == job.Interrupted {
		return outcome, fmt.Errorf("run %s: %w", r.spec.What, context.Cause(ctx))
	}
	return outcome, nil
}

// guard returns when the job has ended: by itself, with job.Invalid, or because
// of the verdict returned.
func (r *run) guard(ctx context.Context) (job.Verdict, string) {
	ticker := time.NewTicker(r.supervisor.options.Poll)
	defer ticker.Stop()
	for {
		select {
		case <-r.process.Done():
			return job.Invalid, ""
		case <-ctx.Done():
			end(r.process, cancelGrace)
			return job.Interrupted, fmt.Sprint(context.Cause(ctx))
		case <-ticker.C:
		}
		r.look()
		if verdict, text := r.verdict(); verdict != job.Invalid {
			r.supervisor.options.Log.Warn("ending a job", "job", r.record.ID, "what", r.spec.What, "verdict", verdict.String(), "why", text)
			end(r.process, r.supervisor.options.Grace)
			return verdict, text
		}
	}
}

// look observes the job and lets others know.
func (r *run) look() {
	r.record.Progress = r.watch.look(time.Now().UTC())
	if r.spec.Observe != nil {
		r.spec.Observe(r.record.Progress)
	}
	if time.Since(r.written) < recordEvery {
		return
	}
	r.written = time.Now()
	err := r.supervisor.options.Jobs.Write(r.record)
	if err != nil && !r.unwritten {
		r.supervisor.options.Log.Warn("the record of a job cannot be written", "job", r.record.ID, "err", err)
	}
	r.unwritten = err != nil
}

// verdict is over a job that still runs.
func (r *run) verdict() (job.Verdict, string) {
	if line := r.watch.console.panicked; line != "" {
		return job.Panic, "the guest's console says: " + line
	}
	if damage := r.watch.events.damage; damage != nil {
		return job.BadOutput, damage.Error()
	}
	if text := r.supervisor.noRoom(r.spec); text != "" {
		return job.DiskFull, text
	}
	return r.spec.Limits.Overdue(r.record.Progress, r.record.Begun)
}

// tail returns the last lines of the simulator's output.
func (r *run) tail() []string {
	var tail process.Tail
	if text, err := os.ReadFile(r.watch.log); err == nil {
		_, _ = tail.Write(text) // never fails
	}
	return tail.Lines()
}
