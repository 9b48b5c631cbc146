package supervisor_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/gem5bridge/job"
	"microcosm/gem5bridge/supervisor"
)

func TestPolicy(t *testing.T) {
	t.Parallel()
	policy := supervisor.Policy{Attempts: 3}
	tests := []struct {
		name    string
		verdict job.Verdict
		attempt int
		want    supervisor.Step
	}{
		{"a hang of the guest may be the seed's", job.GuestHang, 1, supervisor.Step{Again: true, Seed: true, Censored: true}},
		{"a second one is laid to the checkpoint", job.GuestHang, 2, supervisor.Step{Again: true, Seed: true, Checkpoint: true, Censored: true}},
		{"the last attempt is censored too", job.GuestHang, 3, supervisor.Step{Seed: true, Checkpoint: true, Censored: true}},
		{"too long in all", job.Timeout, 1, supervisor.Step{Again: true, Seed: true, Censored: true}},
		{"a boot starts from nothing", job.BootHang, 1, supervisor.Step{Again: true, Seed: true}},
		{"a panic", job.Panic, 1, supervisor.Step{Again: true, Seed: true, Checkpoint: true}},
		{"a crash", job.Crash, 1, supervisor.Step{Again: true, Seed: true, Checkpoint: true}},
		{"a hang of the simulator", job.SimHang, 1, supervisor.Step{Again: true, Seed: true, Checkpoint: true}},
		{"memory is the neighbours'", job.OutOfMemory, 1, supervisor.Step{Again: true, Alone: true}},
		{"damaged output", job.BadOutput, 1, supervisor.Step{Again: true, Seed: true}},
		{"nobody has room on a full disk", job.DiskFull, 1, supervisor.Step{Stop: true}},
		{"the orchestrator ends", job.Interrupted, 1, supervisor.Step{Stop: true}},
		{"somebody ended it", job.Killed, 1, supervisor.Step{}},
		{"all is well", job.Done, 1, supervisor.Step{}},
	}
	for _, test := range tests {
		require.Equal(t, test.want, policy.Next(test.verdict, test.attempt), test.name)
	}
	for v := job.Done; v <= job.Interrupted; v++ {
		require.False(t, supervisor.Policy{}.Next(v, 1).Again, "no policy, no second attempt at %v", v)
	}
}

// script answers attempts with the given verdicts, in order, and remembers what
// they were to take.
type script struct {
	verdicts []job.Verdict
	attempts []supervisor.Attempt
}

func (s *script) attempt(_ context.Context, a supervisor.Attempt) (supervisor.Outcome, error) {
	verdict := s.verdicts[len(s.attempts)]
	s.attempts = append(s.attempts, a)
	return supervisor.Outcome{Verdict: verdict, Text: "because"}, nil
}

func TestRetry(t *testing.T) {
	t.Parallel()
	policy := supervisor.Policy{Attempts: 3, Quarantine: 4}
	tests := []struct {
		name     string
		verdicts []job.Verdict
		attempts []supervisor.Attempt
		says     string // "" for success
		failures int    // remembered
	}{
		{"well at once", []job.Verdict{job.Done}, []supervisor.Attempt{{N: 1}}, "", 0},
		{
			"well with another seed and then another checkpoint", []job.Verdict{job.GuestHang, job.Panic, job.Done},
			[]supervisor.Attempt{{N: 1}, {N: 2, Seeds: 1}, {N: 3, Seeds: 2, Checkpoints: 1}}, "", 0,
		},
		{
			"well when alone, which it stays", []job.Verdict{job.OutOfMemory, job.BadOutput, job.Done},
			[]supervisor.Attempt{{N: 1}, {N: 2, Alone: true}, {N: 3, Alone: true, Seeds: 1}}, "", 0,
		},
		{
			"given up", []job.Verdict{job.Crash, job.Crash, job.SimHang},
			[]supervisor.Attempt{{N: 1}, {N: 2, Seeds: 1, Checkpoints: 1}, {N: 3, Seeds: 2, Checkpoints: 2}},
			"given up after 3 attempts, the last ended with sim-hang: because", 3,
		},
		{"ended by its user", []job.Verdict{job.Killed}, []supervisor.Attempt{{N: 1}}, "killed: because", 0},
		{"a full disk is nobody's fault", []job.Verdict{job.DiskFull}, []supervisor.Attempt{{N: 1}}, "disk-full: because", 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			s := &script{verdicts: test.verdicts}
			err := b.Retry(t.Context(), "cell", policy, s.attempt)
			require.Equal(t, test.attempts, s.attempts)
			if test.says == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, test.says)
				var given *supervisor.GivenUpError
				require.ErrorAs(t, err, &given)
			}
			remembered := 0
			if list, err := b.jobs.Quarantine(1).List(); err == nil && len(list) > 0 {
				remembered = list[0].Failures
			}
			require.Equal(t, test.failures, remembered)
		})
	}
}

func TestWhatFailsAgainAndAgainIsLeftOut(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	policy := supervisor.Policy{Attempts: 2, Quarantine: 3}
	for range 2 {
		s := &script{verdicts: []job.Verdict{job.Panic, job.Panic}}
		require.ErrorContains(t, b.Retry(t.Context(), "cell", policy, s.attempt), "given up")
	}
	// Another orchestrator, another day.
	later := supervisor.New(supervisor.Options{Jobs: b.jobs})
	s := &script{}
	require.ErrorIs(t, later.Retry(t.Context(), "cell", policy, s.attempt), job.ErrQuarantined)
	require.Empty(t, s.attempts)
	s = &script{verdicts: []job.Verdict{job.Done}}
	require.NoError(t, later.Retry(t.Context(), "another cell", policy, s.attempt))

	require.NoError(t, b.jobs.Quarantine(3).Release(t.Context(), "cell"))
	s = &script{verdicts: []job.Verdict{job.Panic, job.Done}}
	require.NoError(t, later.Retry(t.Context(), "cell", policy, s.attempt))
	require.NoError(t, b.jobs.Quarantine(1).Check("cell"), "a success clears the failures")
}

func TestAnAttemptWithoutAVerdictEndsTheRetries(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	reason := errors.New("no such program")
	err := b.Retry(t.Context(), "cell", supervisor.Policy{Attempts: 3, Quarantine: 1}, func(context.Context, supervisor.Attempt) (supervisor.Outcome, error) {
		return supervisor.Outcome{}, reason
	})
	require.ErrorIs(t, err, reason)
	require.NoError(t, b.jobs.Quarantine(1).Check("cell"))
}
