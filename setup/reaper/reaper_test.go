package reaper_test

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"microcosm/gem5bridge/job"
	"microcosm/gem5bridge/process"
	"microcosm/setup/reaper"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// begin starts a sleeping job that this process owns, and changes its record.
func begin(t *testing.T, jobs *job.Registry, change func(*job.Record)) job.Record {
	t.Helper()
	id := job.NewID()
	p, err := process.Start(process.Spec{Args: []string{"/bin/sleep", "1000"}, Env: append(os.Environ(), job.Variable+"="+id)})
	require.NoError(t, err)
	t.Cleanup(func() { p.Stop(0) })
	record, err := job.New(id, p.Identity())
	require.NoError(t, err)
	change(&record)
	require.NoError(t, jobs.Write(record))
	return record
}

// TestOnlyWhatIsStuckIsReaped has a healthy job and one that is stuck in each
// way, beside a process that nobody has recorded.
func TestOnlyWhatIsStuckIsReaped(t *testing.T) {
	t.Parallel()
	jobs, err := job.Open(t.TempDir())
	require.NoError(t, err)
	stranger, err := process.Start(process.Spec{Args: []string{"/bin/sleep", "1000"}})
	require.NoError(t, err)
	t.Cleanup(func() { stranger.Stop(0) })

	healthy := begin(t, jobs, func(*job.Record) {})
	lost := begin(t, jobs, func(r *job.Record) { r.Owner.Start-- })
	foreign := begin(t, jobs, func(r *job.Record) { r.Owner.Boot, r.Process.Boot, r.Host = "another", "another", "elsewhere" })
	old := begin(t, jobs, func(r *job.Record) { r.End = &job.End{Verdict: job.Done, At: time.Now().AddDate(0, -1, 0)} })

	reaped, err := reaper.Reap(t.Context(), jobs, job.Grace{Interrupt: time.Minute})
	require.NoError(t, err)
	require.Len(t, reaped, 1)
	require.Equal(t, lost.ID, reaped[0].Job.ID)
	require.Contains(t, reaped[0].Why, "orchestrator has ended")

	require.False(t, lost.Process.Running())
	for name, id := range map[string]process.Identity{"healthy": healthy.Process, "unrecorded": stranger.Identity(), "ended by its record": old.Process} {
		require.True(t, id.Running(), name)
	}
	self := foreign.Process
	self.Boot = stranger.Identity().Boot
	require.True(t, self.Running(), "of another machine by its record")

	after, err := jobs.Load(lost.ID)
	require.NoError(t, err)
	require.Equal(t, job.Interrupted, after.End.Verdict)
	_, err = jobs.Load(old.ID)
	require.ErrorIs(t, err, job.ErrNoJob, "old records are cleared away")

	reaped, err = reaper.Reap(t.Context(), jobs, job.Grace{})
	require.NoError(t, err)
	require.Empty(t, reaped)
}
