package supervisor_test

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/gem5bridge/bridgetest"
	"microcosm/gem5bridge/job"
	"microcosm/gem5bridge/process"
	"microcosm/gem5bridge/supervisor"
)

// hoarding bounds memory, and leaves the time to take it: pages cost more of it the
// busier the machine is.
func hoarding(l *job.Limits) {
	l.Memory, l.Host, l.Commit, l.Work = 200<<20, patience, patience, patience
}

// TestVerdicts runs every stand-in: the verdict is right, the record is closed
// with it, and no process is left.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	tests := []struct {
		standIn string
		phase   string
		limits  func(*job.Limits)
		verdict job.Verdict
		text    string
	}{
		{standIn: "works", verdict: job.Done},
		{standIn: "is slow but alive", verdict: job.Done},
		{standIn: "says nothing", limits: idle, verdict: job.SimHang, text: "idle"},
		{standIn: "stops", limits: idle, verdict: job.SimHang, text: "idle"},
		{standIn: "spins before it begins", verdict: job.SimHang, text: "since tick 0"},
		{standIn: "spins without a tick", verdict: job.SimHang, text: "since tick 1000"},
		{standIn: "ignores signals and forks", verdict: job.SimHang, text: "since tick 1000"},
		{standIn: "ticks without committing", verdict: job.GuestHang, text: "since instruction 1000, though ticks pass"},
		{standIn: "ticks without committing", phase: "boot", verdict: job.BootHang, text: "though ticks pass"},
		{standIn: "commits without working", verdict: job.GuestHang, text: "since work item 1 and console byte 10"},
		{standIn: "commits without working", phase: "boot", verdict: job.BootHang, text: "though instructions commit"},
		{standIn: "complains of stalls", verdict: job.GuestHang, text: "though instructions commit"},
		{standIn: "panics and lives on", verdict: job.Panic, text: "Kernel panic - not syncing"},
		{standIn: "exits well with half an event", verdict: job.BadOutput, text: "break off after line 2"},
		{standIn: "exits well without an end", verdict: job.BadOutput, text: "break off"},
		{standIn: "exits well without a word", verdict: job.BadOutput, text: "break off"},
		{standIn: "writes NaN", verdict: job.BadOutput, text: "event 1 is damaged"},
		{standIn: "counts below nothing", verdict: job.BadOutput, text: "counts backwards"},
		{standIn: "goes back in time", verdict: job.BadOutput, text: "goes back in time"},
		{standIn: "writes an event twice", verdict: job.BadOutput, text: "event 2 is out of order"},
		{standIn: "mixes up its events", verdict: job.BadOutput, text: "event 1 is out of order"},
		{standIn: "goes on after its end", verdict: job.BadOutput, text: "after the end"},
		{standIn: "takes much memory", limits: hoarding, verdict: job.OutOfMemory, text: "more than the 200 MiB"},
		{standIn: "is out of memory", verdict: job.OutOfMemory, text: "std::bad_alloc"},
		{standIn: "finds its disk full", verdict: job.DiskFull, text: "no space left on device"},
		{standIn: "does not see its disk full", verdict: job.DiskFull, text: "no space left on device"},
		{standIn: "works", limits: func(l *job.Limits) { l.Disk = 1 << 60 }, verdict: job.DiskFull, text: "must stay free"},
		{standIn: "gives up", verdict: job.Crash, text: "exit status 1: fatal: Can't open disk image"},
		{standIn: "crashes", verdict: job.Crash, text: "segmentation fault"},
		{standIn: "is killed by a stranger", verdict: job.Killed, text: "signal: killed, by an unknown"},
		{standIn: "is terminated by a stranger", verdict: job.Killed, text: "signal: terminated, by an unknown"},
		{standIn: "panics and lives on", limits: func(l *job.Limits) { l.Total = time.Nanosecond }, verdict: job.Timeout, text: "more than the 1ns"},
	}
	played := map[string]bool{"heeds SIGINT": true} // by another test
	for _, test := range tests {
		played[test.standIn] = true
		name := strings.TrimSpace(test.standIn + " " + test.phase)
		t.Run(name+" is "+test.verdict.String(), func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			spec := standIn(t, test.standIn)
			if test.phase != "" {
				spec.Phase = test.phase
			}
			if test.limits != nil {
				test.limits(&spec.Limits)
			}
			if test.verdict == job.Timeout {
				spec.Panics = never
			}
			outcome, err := b.Run(t.Context(), spec)
			require.NoError(t, err)
			require.Equal(t, test.verdict.String(), outcome.Verdict.String(), outcome.Text)
			require.Contains(t, outcome.Text, test.text)
			if outcome.State == nil {
				return // it was not even started
			}
			requireGone(t, outcome.ID)
			record, err := b.jobs.Load(outcome.ID)
			require.NoError(t, err)
			require.Equal(t, test.verdict, record.End.Verdict)
			require.Equal(t, outcome.Text, record.End.Text)
		})
	}
	for name := range bridgetest.StandIns {
		require.True(t, played[name], "nothing tests the stand-in that %s", name)
	}
}

func TestWhatAJobHasDoneIsTold(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	spec := standIn(t, "works")
	spec.Of = 3
	var seen []job.Progress
	spec.Observe = func(p job.Progress) { seen = append(seen, p) }
	outcome, err := b.Run(t.Context(), spec)
	require.NoError(t, err)
	last := outcome.Progress
	require.EqualValues(t, 3, last.Items)
	require.EqualValues(t, 3000, last.Ticks)
	require.EqualValues(t, 3000, last.Instructions)
	require.EqualValues(t, 3000, last.LastItem)
	require.EqualValues(t, len("agent: up\n"), last.Console)
	require.Positive(t, last.CPU)
	require.Equal(t, []string{"agent: up"}, outcome.Console)
	require.Equal(t, last, seen[len(seen)-1])
	for i := range seen[1:] {
		require.GreaterOrEqual(t, seen[i+1].CPU, seen[i].CPU, "CPU time never falls")
	}
}

// TestAJobThatNobodyLookedAtTellsItsCPUTime: what was used between the last look and
// the end counts, by the children it waited for too.
func TestAJobThatNobodyLookedAtTellsItsCPUTime(t *testing.T) {
	t.Parallel()
	jobs, err := job.Open(t.TempDir())
	require.NoError(t, err)
	s := supervisor.New(supervisor.Options{Jobs: jobs, Poll: time.Hour})
	const loop = "for ((i=0;i<30000;i++)); do :; done"
	used := func(script string) time.Duration {
		outcome, err := s.Run(t.Context(), supervisor.Spec{What: "busy", Args: []string{"/bin/bash", "-c", script}, Folder: t.TempDir()})
		require.NoError(t, err)
		require.Equal(t, job.BadOutput, outcome.Verdict, "it wrote no events")
		state := outcome.State
		require.Equal(t, state.UserTime()+state.SystemTime(), outcome.Progress.CPU)
		record, err := jobs.Load(outcome.ID)
		require.NoError(t, err)
		require.Equal(t, outcome.Progress.CPU, record.Progress.CPU)
		return outcome.Progress.CPU
	}
	nothing := used(":")
	require.Positive(t, nothing)
	require.Greater(t, used(loop), nothing)
	require.Greater(t, used("("+loop+") & wait"), nothing)
}

func TestACheckThatFailsIsBadOutput(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	spec := standIn(t, "works")
	spec.Check = func() error { return errors.New("statistics of item 2 are negative") }
	outcome, err := b.Run(t.Context(), spec)
	require.NoError(t, err)
	require.Equal(t, job.BadOutput, outcome.Verdict)
	require.Equal(t, "statistics of item 2 are negative", outcome.Text)
}

func TestAJobThatIsAskedToEndMayFinishItsFiles(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	reason := errors.New("enough")
	spec := standIn(t, "heeds SIGINT")
	spec.Limits = job.Limits{}
	spec.Observe = func(p job.Progress) {
		if p.Console > 0 {
			cancel(reason)
		}
	}
	outcome, err := b.Run(ctx, spec)
	require.ErrorIs(t, err, reason)
	require.Equal(t, job.Interrupted, outcome.Verdict)
	requireGone(t, outcome.ID)
	// On a busy machine it may be killed before it could.
	if outcome.State.Success() {
		require.Equal(t, []string{"agent: up", "statistics written"}, outcome.Console)
	}
}

func TestAStrangerIsNotTouchedByKills(t *testing.T) {
	t.Parallel()
	stranger, err := process.Start(process.Spec{Args: []string{"/bin/sleep", "1000"}})
	require.NoError(t, err)
	t.Cleanup(func() { stranger.Stop(0) })
	b := newBench(t)
	outcome, err := b.Run(t.Context(), standIn(t, "ignores signals and forks"))
	require.NoError(t, err)
	require.Equal(t, job.SimHang, outcome.Verdict)
	require.True(t, stranger.Identity().Running())
}

// TestAJobEndedFromOutside ends a running job as cosim kill does, from another
// registry on the same folder.
func TestAJobEndedFromOutside(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	outside, err := job.Open(b.jobs.Folder())
	require.NoError(t, err)
	spec := standIn(t, "ignores signals and forks")
	spec.Limits = job.Limits{}
	ended := make(chan error, 1)
	asked := false
	spec.Observe = func(p job.Progress) {
		if p.Items == 0 || asked {
			return
		}
		asked = true
		records, err := outside.List()
		if err != nil || len(records) != 1 {
			ended <- errors.Join(err, errors.New("the job is not listed"))
			return
		}
		go func() {
			ended <- outside.End(t.Context(), records[0], job.Killed, "by cosim kill", job.Grace{Interrupt: 10 * time.Millisecond, Terminate: 10 * time.Millisecond})
		}()
	}
	outcome, err := b.Run(t.Context(), spec)
	require.NoError(t, err)
	require.NoError(t, <-ended)
	require.Equal(t, job.Killed, outcome.Verdict)
	require.Equal(t, "by cosim kill", outcome.Text)
	requireGone(t, outcome.ID)
	_, err = os.Stat(filepath.Join(b.jobs.Folder(), outcome.ID+".end"))
	require.ErrorIs(t, err, os.ErrNotExist, "the request is answered")
}

// TestAKilledOrchestrator kills the orchestrator without warning: the job's whole
// group ends with it, what left the group is found by its mark, and the record is
// closed as interrupted.
func TestAKilledOrchestrator(t *testing.T) {
	t.Parallel()
	for _, standIn := range []string{"says nothing", "ignores signals and forks"} {
		t.Run("of a job that "+standIn, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			orchestrator := exec.Command(bridgetest.Plugin("orchestrator").Command[0])
			orchestrator.Env = append(os.Environ(), append(bridgetest.Plugin("orchestrator").Env, "JOBS="+folder, "STANDIN="+standIn)...)
			out, err := orchestrator.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, orchestrator.Start())
			line, err := bufio.NewReader(out).ReadString('\n')
			require.NoError(t, err)
			id := strings.TrimSpace(line)
			jobs, err := job.Open(folder)
			require.NoError(t, err)
			record, err := jobs.Load(id)
			require.NoError(t, err)
			require.Equal(t, job.Running, record.State())

			require.NoError(t, orchestrator.Process.Kill())
			require.Error(t, orchestrator.Wait())
			group := func(s process.Stray) bool { return s.Group == record.Process.PID }
			require.Eventually(t, func() bool { return len(process.Find(group)) == 0 }, patience, 5*time.Millisecond, "the group has ended")
			require.Equal(t, job.Lost, record.State())
			require.NotEmpty(t, record.Stuck(time.Now()))

			s := supervisor.New(supervisor.Options{Jobs: jobs})
			require.NoError(t, s.Recover(t.Context()))
			requireGone(t, id)
			record, err = jobs.Load(id)
			require.NoError(t, err)
			require.Equal(t, job.Interrupted, record.End.Verdict)
			require.NoError(t, s.Recover(t.Context()), "there is nothing more to do")
		})
	}
}
