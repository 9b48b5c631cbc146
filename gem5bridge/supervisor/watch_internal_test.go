package supervisor

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/gem5bridge/job"
	"microcosm/gem5bridge/process"
)

// TestHeartbeats drives a watch by hand: seconds of CPU time pass, and the levels
// move or do not.
func TestHeartbeats(t *testing.T) {
	t.Parallel()
	begun := time.Unix(1000, 0)
	w := &watch{console: console{panics: linuxPanics}}
	cpu := 0
	look := func(seconds int, lines ...string) job.Quiet {
		cpu += seconds
		for _, line := range lines {
			if strings.HasPrefix(line, "{") {
				require.NoError(t, w.events.take([]byte(line)))
			} else {
				w.console.take([]byte(line))
			}
		}
		w.take(begun, time.Duration(cpu)*time.Second, 0, w.grown)
		return w.progress.Quiet
	}
	quiet := func(host, commit, work int) job.Quiet {
		return job.Quiet{Host: time.Duration(host) * time.Second, Commit: time.Duration(commit) * time.Second, Work: time.Duration(work) * time.Second}
	}
	require.Equal(t, quiet(5, 5, 5), look(5), "building")
	require.Equal(t, quiet(0, 6, 6), look(1, `{"line":0,"event":"start","tick":10}`), "the clock runs")
	require.Equal(t, quiet(0, 0, 7), look(1, `{"line":1,"event":"beat","tick":20,"instructions":[3,4],"works":0}`), "the cores run")
	require.Equal(t, quiet(1, 1, 0), look(1, "Linux version 6.1"), "the guest speaks")
	require.Equal(t, quiet(2, 2, 1), look(1, "rcu: INFO: rcu_sched self-detected stall on CPU", " native_queued_spin_lock_slowpath"), "to complain is no work")
	require.Equal(t, quiet(0, 3, 0), look(1, `{"line":2,"event":"work","tick":30,"id":1,"n":0}`), "an item is done")
	require.EqualValues(t, 1, w.progress.Items)
	require.EqualValues(t, 30, w.progress.LastItem)
	require.Equal(t, 10*time.Second, w.progress.FirstItem)
	require.Equal(t, quiet(1, 4, 0), look(1, "the guest is well again"), "work ends the complaints")
	require.Equal(t, quiet(0, 0, 1), look(1, `{"line":3,"event":"beat","tick":40,"instructions":[3,5],"works":1}`), "an item counts once")
	require.Equal(t, quiet(0, 1, 0), look(1, `{"line":4,"event":"beat","tick":50,"instructions":[3,5],"works":9}`), "items that no event told")
	w.take(begun, time.Duration(cpu+1)*time.Second, 0, w.grown+1)
	require.Equal(t, quiet(1, 2, 0), w.progress.Quiet, "a file has grown")
}

func TestDamagedEvents(t *testing.T) {
	t.Parallel()
	const start, beat = `{"line":0,"event":"start","tick":5}`, `{"line":1,"event":"beat","tick":9,"instructions":[4,4],"works":2}`
	for line, want := range map[string]string{
		`{"line":2,"event":"beat","tick":9,"instructions":[4,5],"works":2}`:   "",
		`{"line":2,"event":"something new","tick":9,"anything":{"at":"all"}}`: "",
		`{"line":2,"event":"end","tick":9}`:                                   "",
		`{"line":2,"event":"beat","tick":9,"instructions":[5,2],"works":2}`:   "counts backwards",
		`{"line":2,"event":"beat","tick":9,"instructions":[4,4],"works":1}`:   "counts backwards",
		`{"line":2,"event":"beat","tick":8,"instructions":[4,4],"works":2}`:   "goes back in time, from tick 9",
		`{"line":1,"event":"beat","tick":9,"instructions":[4,4],"works":2}`:   "event 2 is out of order",
		`{"line":3,"event":"beat","tick":9,"instructions":[4,4],"works":2}`:   "event 2 is out of order",
		`{"event":"beat","tick":9,"instructions":[4,4],"works":2}`:            "event 2 is out of order",
		`{"line":2,"event":"beat","tick":NaN}`:                                "event 2 is damaged",
		`{"line":2,"event":"beat","tick":1e999}`:                              "event 2 is damaged",
		`{"line":2,"event":"beat","tick":9,"instructions":[4,-4.5]}`:          "event 2 is damaged",
		`null`: "event 2 is out of order",
		``:     "event 2 is damaged",
	} {
		var e events
		require.NoError(t, e.take([]byte(start)))
		require.NoError(t, e.take([]byte(beat)))
		err := e.take([]byte(line))
		if want == "" {
			require.NoError(t, err, line)
		} else {
			require.ErrorContains(t, err, want, line)
		}
	}
}

func FuzzEvents(f *testing.F) {
	f.Add(`{"line":0,"event":"beat","tick":9,"instructions":[4,4],"works":2}`)
	f.Add(`{"line":0,"event":"end","tick":-1}`)
	f.Fuzz(func(t *testing.T, line string) {
		var e events
		if e.take([]byte(line)) == nil {
			require.EqualValues(t, 1, e.lines)
			require.GreaterOrEqual(t, int64(e.tick), int64(0))
			require.GreaterOrEqual(t, e.instructions, int64(0))
			require.GreaterOrEqual(t, e.works, int64(0))
		}
	})
}

// TestLinesOfAGrowingFile reads a file that grows by pieces cut anywhere.
func TestLinesOfAGrowingFile(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		path := filepath.Join(folder, fmt.Sprint(n))
		want := rapid.SliceOf(rapid.StringMatching("[a-z]{0,9}")).Draw(t, "lines")
		text := strings.Join(append(want, "partial"), "\n")
		tail := tailFile{path: path}
		var got []string
		read := func() { tail.lines(func(line []byte) { got = append(got, string(line)) }) }
		read() // it is not there yet
		file, err := os.Create(path)
		require.NoError(t, err)
		defer file.Close()
		for len(text) > 0 {
			size := rapid.IntRange(1, len(text)).Draw(t, "piece")
			_, err := file.WriteString(text[:size])
			require.NoError(t, err)
			text = text[size:]
			read()
		}
		require.Equal(t, len(want), len(got))
		for i := range want {
			require.Equal(t, want[i], got[i])
		}
		require.Equal(t, "partial", string(tail.partial))
	})
}

func TestALineThatNeverEndsIsCut(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "console")
	require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("x", 3*lineBytes)), 0o600))
	tail := tailFile{path: path}
	cut := 0
	for range 2 {
		tail.lines(func(line []byte) { cut += len(line) })
	}
	require.GreaterOrEqual(t, cut, lineBytes)
	require.Less(t, len(tail.partial), lineBytes)
}

func TestConsole(t *testing.T) {
	t.Parallel()
	for line, dead := range map[string]bool{
		"[    1.2] Kernel panic - not syncing: VFS: Unable to mount root fs":   true,
		"[    1.2] Oops: 0000 [#1] PREEMPT SMP":                                true,
		"[    1.2] BUG: unable to handle page fault for address: ffff":         true,
		"[    1.2] Unable to handle kernel NULL pointer dereference at 0":      true,
		"[    1.2] kernel BUG at mm/slub.c:1":                                  true,
		"[    1.2] watchdog: BUG: soft lockup - CPU#0 stuck for 22s!":          false,
		"agent: the function says: Whoops":                                     false,
		"[    1.2] Command line: panic=-1 oops=panic":                          false,
		"[    1.2] Freeing unused kernel image memory: 1024K, if that matters": false,
	} {
		c := console{panics: linuxPanics}
		c.take([]byte(line))
		require.Equal(t, dead, c.panicked != "", line)
		require.Equal(t, []string{line}, c.last.Lines())
	}
}

// TestTheMeterNeverRunsBackwards lets a member of the group end.
func TestTheMeterNeverRunsBackwards(t *testing.T) {
	t.Parallel()
	var out process.Tail
	p, err := process.Start(process.Spec{
		Args:   []string{"/bin/bash", "-c", "(for ((i=0;i<50000;i++)); do :; done) & wait; echo ended; sleep 1000"},
		Stdout: &out,
	})
	require.NoError(t, err)
	t.Cleanup(func() { p.Stop(0) })
	m := meter{leader: p.PID()}
	var last time.Duration
	var memory int64 // 0 at a look between fork and exec
	for deadline := time.Now().Add(time.Minute); len(out.Lines()) == 0; time.Sleep(time.Millisecond) {
		require.True(t, time.Now().Before(deadline), "the group's member does not end")
		cpu, held := m.read()
		require.GreaterOrEqual(t, cpu, last)
		last, memory = cpu, max(memory, held)
	}
	cpu, held := m.read()
	require.GreaterOrEqual(t, cpu, last)
	require.Positive(t, max(memory, held))
}

// TestSignalsOfTheKernel judges a job that the kernel, or somebody, has killed.
func TestSignalsOfTheKernel(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		kills int64
		want  job.Verdict
	}{
		"memory was short":     {1, job.OutOfMemory},
		"memory was not short": {0, job.Killed},
	} {
		jobs, err := job.Open(t.TempDir())
		require.NoError(t, err)
		s := New(Options{Jobs: jobs, Poll: 10 * time.Millisecond})
		calls := int64(0)
		s.oomKills = func() int64 { calls++; return c.kills * calls }
		outcome, err := s.Run(t.Context(), Spec{What: situation, Args: []string{"/bin/sh", "-c", "kill -KILL $$"}, Folder: t.TempDir()})
		require.NoError(t, err)
		require.Equal(t, c.want, outcome.Verdict, situation)
	}
	require.GreaterOrEqual(t, kernelOOMKills(), int64(0))
}

// TestTheDiskFillsMeanwhile has room at the start and none later.
func TestTheDiskFillsMeanwhile(t *testing.T) {
	t.Parallel()
	jobs, err := job.Open(t.TempDir())
	require.NoError(t, err)
	s := New(Options{Jobs: jobs, Poll: 10 * time.Millisecond})
	room := int64(2 << 20)
	s.free = func(string) (int64, error) { room -= 1 << 20; return room, nil }
	outcome, err := s.Run(t.Context(), Spec{What: "fills", Args: []string{"/bin/sleep", "1000"}, Folder: t.TempDir(), Limits: job.Limits{Disk: 1 << 20}})
	require.NoError(t, err)
	require.Equal(t, job.DiskFull, outcome.Verdict)
	require.Contains(t, outcome.Text, "0 MiB free, 1 MiB must stay free")
}
