package job_test

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/gem5bridge/job"
)

func TestQuarantine(t *testing.T) {
	t.Parallel()
	jobs := open(t)
	q := jobs.Quarantine(2)
	require.NoError(t, q.Check("cell"))
	require.NoError(t, q.Failed(t.Context(), "cell", job.Panic, "first"))
	require.NoError(t, q.Check("cell"), "once is no habit")
	require.NoError(t, q.Failed(t.Context(), "cell", job.GuestHang, "second"))
	require.NoError(t, q.Failed(t.Context(), "other", job.Crash, "once"))

	// Another process sees the same.
	again, err := job.Open(jobs.Folder())
	require.NoError(t, err)
	err = again.Quarantine(2).Check("cell")
	require.ErrorIs(t, err, job.ErrQuarantined)
	require.ErrorContains(t, err, "after 2 failures in a row, the last a guest-hang: second")
	require.ErrorContains(t, err, `cosim jobs --release "cell"`)
	list, err := q.List()
	require.NoError(t, err)
	require.Len(t, list, 1)
	records, err := jobs.List()
	require.NoError(t, err, "what is not a record is none of theirs")
	require.Empty(t, records)
	require.Equal(t, "cell", list[0].Subject)

	require.NoError(t, q.Release(t.Context(), "cell"))
	require.NoError(t, again.Quarantine(2).Check("cell"))
	require.NoError(t, q.Release(t.Context(), "never heard of"))
	require.NoError(t, q.Failed(t.Context(), "other", job.Crash, "twice"))
	require.Error(t, q.Check("other"), "releasing one keeps what is known of others")
}

func TestNoFailureIsLostBetweenProcesses(t *testing.T) {
	t.Parallel()
	jobs := open(t)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 5 {
				if err := jobs.Quarantine(40).Failed(t.Context(), "cell", job.Crash, ""); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	require.ErrorContains(t, jobs.Quarantine(40).Check("cell"), "after 40 failures")
	require.NoError(t, jobs.Quarantine(41).Check("cell"))
}

func TestADamagedQuarantineSaysWhatToDo(t *testing.T) {
	t.Parallel()
	jobs := open(t)
	require.NoError(t, os.WriteFile(filepath.Join(jobs.Folder(), "quarantine.list"), []byte("{"), 0o600))
	require.ErrorContains(t, jobs.Quarantine(1).Check("cell"), "remove the file")
	require.ErrorContains(t, jobs.Quarantine(1).Failed(t.Context(), "cell", job.Crash, ""), "remove the file")
}
