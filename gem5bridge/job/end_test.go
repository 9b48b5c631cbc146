package job_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/gem5bridge/job"
	"microcosm/gem5bridge/process"
)

// soon is enough for a shell, and short for one that pays no heed.
var soon = job.Grace{Interrupt: 100 * time.Millisecond, Terminate: 100 * time.Millisecond}

// orphan makes a job whose owner has ended of one that runs.
func orphan(t *testing.T, jobs *job.Registry, r job.Record) job.Record {
	t.Helper()
	r.Owner.Start--
	require.NoError(t, jobs.Write(r))
	return r
}

func TestEndLeavesNothing(t *testing.T) {
	t.Parallel()
	for situation, script := range map[string]string{
		"a job that heeds":                   "sleep 1000",
		"a job that ignores all but KILL":    `trap "" INT TERM; sleep 1000; sleep 1000`,
		"a job with children everywhere":     "sleep 1000 & setsid sleep 1000 & setsid sh -c 'trap \"\" INT TERM; sleep 1000' & wait",
		"a job whose leader has ended early": "setsid sleep 1000 & exit 0",
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			jobs := open(t)
			r := orphan(t, jobs, start(t, jobs, script))
			require.NoError(t, jobs.End(t.Context(), r, job.Killed, "enough", soon))
			require.Empty(t, process.Find(marked(r)))
			r, err := jobs.Load(r.ID)
			require.NoError(t, err)
			require.Equal(t, job.Killed, r.End.Verdict)
			require.Equal(t, "enough", r.End.Text)
			_, asked := jobs.EndRequested(r.ID)
			require.False(t, asked)

			var stranger *job.StrangerError
			require.ErrorAs(t, jobs.End(t.Context(), r, job.Killed, "again", soon), &stranger)
			require.ErrorContains(t, stranger, "it has ended: killed")
		})
	}
}

// TestEndTouchesNoStranger gives records that match a running process in all but
// one thing each. The process carries no mark, as any other program would not.
func TestEndTouchesNoStranger(t *testing.T) {
	t.Parallel()
	for situation, change := range map[string]func(*job.Record){
		"the pid was given to another":        func(r *job.Record) { r.Process.Start++ },
		"the machine was started again":       func(r *job.Record) { r.Process.Boot = "another" },
		"the record is of another machine":    func(r *job.Record) { r.Process.Boot, r.Owner.Boot, r.Host = "another", "another", "elsewhere" },
		"the process is of another job":       func(r *job.Record) { r.Process.PID = 1 << 22 },
		"a record without a start time":       func(r *job.Record) { r.Process.Start = 0 },
		"its group is led by another process": func(r *job.Record) { r.Process.Start-- },
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			jobs := open(t)
			stranger, err := process.Start(process.Spec{Args: []string{"/bin/sh", "-c", "sleep 1000 & wait"}})
			require.NoError(t, err)
			t.Cleanup(func() { stranger.Stop(0) })
			r, err := job.New(job.NewID(), stranger.Identity())
			require.NoError(t, err)
			r.Owner.Start--
			change(&r)
			_ = jobs.End(t.Context(), r, job.Killed, "enough", soon) // refused or not, nobody may be hurt
			require.Empty(t, process.Find(r.Members()))
			require.True(t, stranger.Identity().Running())
			require.Nil(t, stranger.State())
		})
	}
}

func TestAJobOfAnotherMachineIsRefused(t *testing.T) {
	t.Parallel()
	jobs := open(t)
	r := record(t)
	r.Owner.Boot, r.Host = "another", "elsewhere"
	require.NoError(t, jobs.Write(r))
	err := jobs.End(t.Context(), r, job.Killed, "enough", soon)
	require.ErrorContains(t, err, "it runs on elsewhere")
	recovered, err := jobs.Recover(t.Context())
	require.NoError(t, err)
	require.Empty(t, recovered)
	r, err = jobs.Load(r.ID)
	require.NoError(t, err)
	require.Nil(t, r.End)
}

func TestWaitingForTheEndEndsWithTheContext(t *testing.T) {
	t.Parallel()
	jobs := open(t)
	r := orphan(t, jobs, start(t, jobs, `trap "" INT TERM; while :; do sleep 1000; done`))
	reason := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(reason)
	require.ErrorIs(t, jobs.End(ctx, r, job.Killed, "", job.Grace{Interrupt: patience}), reason)
}

// TestRecover kills an owner without warning. What was not killed with it is
// ended, and nothing else.
func TestRecover(t *testing.T) {
	t.Parallel()
	jobs := open(t)
	mine := start(t, jobs, "sleep 1000")
	owner := exec.Command(os.Args[0])
	owner.Env = append(os.Environ(), "JOB_TEST_OWN="+jobs.Folder())
	out, err := owner.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, owner.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	var id, none string
	_, err = fmt.Sscan(line, &id, &none)
	require.NoError(t, err)
	require.Equal(t, "<nil>", none)
	theirs, err := jobs.Load(id)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return len(process.Find(marked(theirs))) >= 2 }, patience, time.Millisecond)
	recovered, err := jobs.Recover(t.Context())
	require.NoError(t, err)
	require.Empty(t, recovered, "both owners live")

	require.NoError(t, owner.Process.Kill())
	require.Error(t, owner.Wait())
	require.Eventually(t, func() bool { return theirs.State() == job.Lost }, patience, time.Millisecond)
	recovered, err = jobs.Recover(t.Context())
	require.NoError(t, err)
	require.Len(t, recovered, 1)
	require.Equal(t, id, recovered[0].ID)
	require.Empty(t, process.Find(marked(theirs)))
	theirs, err = jobs.Load(id)
	require.NoError(t, err)
	require.Equal(t, job.Interrupted, theirs.End.Verdict)

	require.True(t, mine.Process.Running())
	require.Equal(t, job.Running, mine.State())
}
