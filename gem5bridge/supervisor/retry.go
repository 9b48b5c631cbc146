package supervisor

import (
	"context"
	"fmt"

	"microcosm/gem5bridge/job"
)

// Policy decides what follows a job that did not do what it should. The zero
// value gives up at once.
type Policy struct {
	Attempts   int // of one subject in one campaign, the first included
	Quarantine int // failures of a subject in a row, over all campaigns, after which it is left out; 0: never
}

// Step is what follows a verdict.
type Step struct {
	Again      bool // there is another attempt
	Checkpoint bool // from another checkpoint
	Seed       bool // with another seed: a new sample
	Alone      bool // beside no other job
	Censored   bool // the invocation that was under way is a sample, censored at its elapsed time
	Stop       bool // nothing else can succeed either: end the campaign
}

// Next returns what follows the given verdict over attempt number attempt,
// counted from 1.
func (p Policy) Next(verdict job.Verdict, attempt int) Step {
	step, known := steps[verdict]
	if !known {
		return Step{}
	}
	step.Again = step.Again && attempt < p.Attempts
	// The first hang may be the seed's own luck, the second is laid to the checkpoint.
	if verdict == job.GuestHang && attempt > 1 {
		step.Checkpoint = true
	}
	return step
}

// steps are the remedies. A hang, a panic or a crash may depend on the state a
// checkpoint has caught or on the order that a seed draws; a lack of memory on
// who runs beside; a lack of disk on nothing that an attempt could change. What
// the simulated machine did not finish is censored, for leaving it out would
// favour the short; what the simulator failed at says nothing of the guest.
var steps = map[job.Verdict]Step{
	job.BootHang:    {Again: true, Seed: true},
	job.GuestHang:   {Again: true, Seed: true, Censored: true},
	job.SimHang:     {Again: true, Checkpoint: true, Seed: true},
	job.Panic:       {Again: true, Checkpoint: true, Seed: true},
	job.Crash:       {Again: true, Checkpoint: true, Seed: true},
	job.Timeout:     {Again: true, Seed: true, Censored: true},
	job.OutOfMemory: {Again: true, Alone: true},
	job.BadOutput:   {Again: true, Seed: true},
	job.DiskFull:    {Stop: true},
	job.Interrupted: {Stop: true},
	job.Killed:      {}, // somebody wanted it
}

// Attempt is what one attempt has to take.
type Attempt struct {
	N           int // from 1
	Checkpoints int // how often another checkpoint was asked for so far
	Seeds       int // how often another seed was asked for so far
	Alone       bool
}

// Follow adds to an attempt what a step asks of the next.
func (a *Attempt) Follow(step Step) {
	a.Checkpoints += count(step.Checkpoint)
	a.Seeds += count(step.Seed)
	a.Alone = a.Alone || step.Alone
}

// GivenUpError says that a subject did not succeed within its attempts.
type GivenUpError struct {
	Subject  string
	Attempts int
	Outcome  Outcome // of the last
}

// Error names the subject and the last verdict with its evidence.
func (e *GivenUpError) Error() string {
	return fmt.Sprintf("%s: given up after %d attempts, the last ended with %v: %s", e.Subject, e.Attempts, e.Outcome.Verdict, e.Outcome.Text)
}

// Retry runs attempts at a subject until one succeeds. Its error is that of an
// attempt that did not end with a verdict, a *job.QuarantinedError for a subject
// that has failed too often before, or a *GivenUpError. Failures are counted
// across campaigns; a success clears them. The attempt must set Spec.Alone from
// what it is given, and stores what Next says is censored.
func (s *Supervisor) Retry(ctx context.Context, subject string, policy Policy, attempt func(context.Context, Attempt) (Outcome, error)) error {
	quarantine := s.options.Jobs.Quarantine(policy.Quarantine)
	if policy.Quarantine > 0 {
		if err := quarantine.Check(subject); err != nil {
			return err
		}
	}
	for is := (Attempt{N: 1}); ; is.N++ {
		outcome, err := attempt(ctx, is)
		if err != nil {
			return err
		}
		if outcome.OK() {
			return quarantine.Release(ctx, subject)
		}
		step := policy.Next(outcome.Verdict, is.N)
		// What was somebody's wish, or the machine's lack, is not the subject's fault.
		if !step.Stop && outcome.Verdict != job.Killed {
			if err := quarantine.Failed(ctx, subject, outcome.Verdict, outcome.Text); err != nil {
				return err
			}
		}
		if !step.Again {
			return &GivenUpError{subject, is.N, outcome}
		}
		s.options.Log.Warn("trying again", "subject", subject, "verdict", outcome.Verdict.String(), "attempt", is.N, "why", outcome.Text)
		is.Follow(step)
	}
}

func count(yes bool) int {
	if yes {
		return 1
	}
	return 0
}
