package process_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"microcosm/gem5bridge/process"
)

// patience is how long a test waits for the kernel on a busy machine.
const patience = time.Minute

func TestMain(m *testing.M) {
	switch os.Getenv("PROCESS_TEST_ROLE") {
	case "parent":
		parent(process.Spec{Args: []string{"/bin/sleep", "1000"}})
		return
	case "guarding parent":
		parent(process.Spec{Args: []string{"/bin/sh", "-c", "sleep 1000 & wait"}, Guarded: true})
		return
	}
	goleak.VerifyTestMain(m)
}

// parent starts a child, says its pid and waits to be killed.
func parent(spec process.Spec) {
	child, err := process.Start(spec)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(child.PID())
	<-child.Done()
}

func shell(t *testing.T, spec process.Spec, script string) (*process.Process, *process.Tail) {
	t.Helper()
	var out process.Tail
	spec.Args = []string{"/bin/bash", "-c", script}
	spec.Stdout, spec.Stderr = &out, &out
	p, err := process.Start(spec)
	require.NoError(t, err)
	t.Cleanup(func() { p.Stop(0) })
	return p, &out
}

func ended(t *testing.T, p *process.Process) {
	t.Helper()
	select {
	case <-p.Done():
	case <-time.After(patience):
		require.Fail(t, "the process has not ended")
	}
}

func alive(pid int) bool {
	return len(process.Find(func(s process.Stray) bool { return s.PID == pid })) > 0
}

func TestHowAProcessEnds(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, script, want string }{
		{"by itself", "exit 0", "exit status 0"},
		{"with a status", "exit 3", "exit status 3"},
		{"by a signal", "kill -SEGV $$", "signal: segmentation fault"},
		{"leaving a child that holds its output", "sleep 1000 & exit 4", "exit status 4"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p, _ := shell(t, process.Spec{}, test.script)
			ended(t, p)
			require.Contains(t, p.State().String(), test.want)
			require.Eventually(t, func() bool {
				return len(process.Find(func(s process.Stray) bool { return s.Group == p.PID() })) == 0
			}, patience, time.Millisecond, "what is left of the group has been killed")
		})
	}
}

func TestAProgramThatDoesNotExist(t *testing.T) {
	t.Parallel()
	_, err := process.Start(process.Spec{Args: []string{"/nonexistent/program"}})
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, "start /nonexistent/program")
	_, err = process.Start(process.Spec{})
	require.ErrorContains(t, err, "no program given")
}

func TestASessionEndsWithItsLeader(t *testing.T) {
	t.Parallel()
	// Job control puts the background job into a group of its own.
	p, out := shell(t, process.Spec{Session: true}, "set -m; sleep 1000 & echo $!; exit 0")
	ended(t, p)
	pid, err := strconv.Atoi(strings.Join(out.Lines(), ""))
	require.NoError(t, err)
	require.False(t, alive(pid), "pid %d outlived its session", pid)
}

func TestStrangersAreNotTouched(t *testing.T) {
	t.Parallel()
	stranger, _ := shell(t, process.Spec{Session: true}, "echo; exec sleep 1000")
	p, _ := shell(t, process.Spec{Session: true}, "sleep 1000 & sleep 1000")
	p.Stop(0)
	require.True(t, alive(stranger.PID()))
	p.Signal(syscall.SIGKILL) // its pid may be anybody's now
	require.True(t, alive(stranger.PID()))
}

func TestTermIsIgnored(t *testing.T) {
	t.Parallel()
	p, out := shell(t, process.Spec{}, `trap "" TERM; echo ready; while :; do sleep 0.01; done`)
	require.Eventually(t, func() bool { return len(out.Lines()) > 0 }, patience, time.Millisecond)
	p.Stop(50 * time.Millisecond)
	require.Equal(t, "signal: killed", p.State().String())
}

func TestTermIsHeeded(t *testing.T) {
	t.Parallel()
	p, out := shell(t, process.Spec{}, `trap "exit 7" TERM; echo ready; while :; do sleep 0.01; done`)
	require.Eventually(t, func() bool { return len(out.Lines()) > 0 }, patience, time.Millisecond)
	p.Stop(patience)
	require.Equal(t, 7, p.State().ExitCode())
}

func TestAChildDiesWithItsKilledParent(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "PROCESS_TEST_ROLE=parent")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var pid int
	_, err = fmt.Fscan(out, &pid)
	require.NoError(t, err)
	require.True(t, alive(pid))

	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	require.Eventually(t, func() bool { return !alive(pid) }, patience, time.Millisecond)
}

func TestAChildStaysOnItsCores(t *testing.T) {
	t.Parallel()
	cores, err := process.Cores()
	require.NoError(t, err)
	last := cores[len(cores)-1]
	p, out := shell(t, process.Spec{Cores: []int{last}}, "grep Cpus_allowed_list /proc/self/status | cut -f 2")
	ended(t, p)
	require.Equal(t, []string{strconv.Itoa(last)}, out.Lines())

	again, err := process.Cores()
	require.NoError(t, err)
	require.Equal(t, cores, again, "the parent's own cores have changed")

	_, err = process.Start(process.Spec{Args: []string{"/bin/true"}, Cores: []int{1023}})
	require.ErrorContains(t, err, "confine to cores [1023]")
}

func TestNicenessIsInherited(t *testing.T) {
	t.Parallel()
	want := process.Niceness() + 1
	p, out := shell(t, process.Spec{Nice: want}, "nice")
	ended(t, p)
	require.Equal(t, []string{strconv.Itoa(want)}, out.Lines())
}

func TestAProcessIsKnownByItsStartTime(t *testing.T) {
	t.Parallel()
	p, _ := shell(t, process.Spec{}, "exec sleep 1000")
	found := process.Find(func(s process.Stray) bool { return s.PID == p.PID() })
	require.Len(t, found, 1)
	require.Equal(t, found[0].StartTime, p.StartTime())
	require.Equal(t, os.Getpid(), found[0].Parent)
	require.Nil(t, p.State())
}

func TestStraysAreKilledByTheirMark(t *testing.T) {
	t.Parallel()
	mark := fmt.Sprintf("PROCESS_TEST_MARK=%d", os.Getpid())
	marked := func(s process.Stray) bool { return s.HasEnv(mark) }
	// Sessions of their own: no group or session leads to them.
	p, out := shell(t, process.Spec{Env: append(os.Environ(), mark)}, "setsid sleep 1000 & setsid sleep 1000 & echo ready; wait")
	require.Eventually(t, func() bool { return len(out.Lines()) > 0 && len(process.Find(marked)) == 3 }, patience, time.Millisecond)
	require.Empty(t, process.KillStrays(marked))
	require.Empty(t, process.Find(marked))
	ended(t, p)
}

func TestEachThreadReachesThoseStartedLater(t *testing.T) {
	t.Parallel()
	seen := map[int]bool{}
	err := process.EachThread(func(tid int) error {
		seen[tid] = true
		if len(seen) == 1 {
			return syscall.ESRCH // as if it had ended meanwhile
		}
		return nil
	})
	require.NoError(t, err)
	require.True(t, seen[os.Getpid()], "the first thread has the process's id")

	reason := errors.New("enough")
	require.ErrorIs(t, process.EachThread(func(int) error { return reason }), reason)
}
