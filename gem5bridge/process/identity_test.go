package process_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/gem5bridge/process"
)

func TestAnIdentityIsOfOneProcessOnly(t *testing.T) {
	t.Parallel()
	self, err := process.Self()
	require.NoError(t, err)
	require.Equal(t, os.Getpid(), self.PID)
	require.True(t, self.Running())
	require.True(t, self.Here())
	again, err := process.Self()
	require.NoError(t, err)
	require.Equal(t, self, again)
	found, running := process.Look(os.Getpid())
	require.True(t, running)
	require.True(t, self.Is(found))

	for situation, change := range map[string]func(*process.Identity){
		"another process with the same pid": func(id *process.Identity) { id.Start++ },
		"one whose start nobody knows":      func(id *process.Identity) { id.Start = 0 },
		"of another boot":                   func(id *process.Identity) { id.Boot = "185ede92-c789-45fd-8a1b-81efe1739a07" },
		"of no boot":                        func(id *process.Identity) { id.Boot = "" },
		"another pid":                       func(id *process.Identity) { id.PID = 1 },
	} {
		other := self
		change(&other)
		require.False(t, other.Running(), situation)
		require.False(t, other.Is(found), situation)
	}
}

// TestAZombieDoesNotRun: a child that has ended and was not waited for has a pid
// still, and runs no more.
func TestAZombieDoesNotRun(t *testing.T) {
	t.Parallel()
	child := exec.Command("/bin/sleep", "1000")
	require.NoError(t, child.Start())
	found, running := process.Look(child.Process.Pid)
	require.True(t, running)
	self, err := process.Self()
	require.NoError(t, err)
	id := process.Identity{PID: found.PID, Start: found.StartTime, Boot: self.Boot}
	require.True(t, id.Running())
	require.Equal(t, os.Getpid(), found.Parent)

	require.NoError(t, child.Process.Kill())
	require.Eventually(t, func() bool { return !id.Running() }, patience, time.Millisecond)
	_, running = process.Look(child.Process.Pid)
	require.False(t, running)
	require.Empty(t, process.Find(func(s process.Stray) bool { return s.PID == child.Process.Pid }))
	require.False(t, process.Runnable(child.Process.Pid))
	require.Error(t, child.Wait())
	require.False(t, id.Running())
}

func TestAProcessTellsWhoItIs(t *testing.T) {
	t.Parallel()
	p, err := process.Start(process.Spec{Args: []string{"/bin/sleep", "1000"}})
	require.NoError(t, err)
	id := p.Identity()
	require.True(t, id.Running())
	require.Equal(t, p.PID(), id.PID)
	require.Equal(t, p.StartTime(), id.Start)
	p.Stop(0)
	require.False(t, id.Running())
	require.Equal(t, syscall.SIGKILL, p.State().Sys().(syscall.WaitStatus).Signal())
	p.Stop(0) // once more does nothing
	p.Signal(syscall.SIGTERM)
}

// TestAGuardedGroupEndsWithItsKilledParent: what the child has started knows no
// parent-death signal, and ends all the same.
func TestAGuardedGroupEndsWithItsKilledParent(t *testing.T) {
	t.Parallel()
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), "PROCESS_TEST_ROLE=guarding parent")
	out, err := parent.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, parent.Start())
	text := make([]byte, 32)
	n, err := out.Read(text)
	require.NoError(t, err)
	group, err := strconv.Atoi(string(text[:n-1]))
	require.NoError(t, err)
	members := func() int { return len(process.Find(func(s process.Stray) bool { return s.Group == group })) }
	require.Eventually(t, func() bool { return members() == 2 }, patience, time.Millisecond, "the child and its own child")

	require.NoError(t, parent.Process.Kill())
	require.Error(t, parent.Wait())
	require.Eventually(t, func() bool { return members() == 0 }, patience, time.Millisecond)
}

// TestSignalReachesWhoMatches and nobody else.
func TestSignalReachesWhoMatches(t *testing.T) {
	t.Parallel()
	mark := "PROCESS_TEST_SIGNAL=" + strconv.Itoa(os.Getpid())
	marked, _ := shell(t, process.Spec{Env: append(os.Environ(), mark)}, "exec sleep 1000")
	other, _ := shell(t, process.Spec{}, "exec sleep 1000")
	match := func(s process.Stray) bool { return s.HasEnv(mark) }
	require.Eventually(t, func() bool { return len(process.Find(match)) == 1 }, patience, time.Millisecond)
	require.Equal(t, 1, process.Signal(syscall.SIGTERM, match))
	ended(t, marked)
	require.Equal(t, "signal: terminated", marked.State().String())
	require.True(t, alive(other.PID()))
	require.Zero(t, process.Signal(syscall.SIGKILL, match), "nobody is left")
	value, found := process.Find(func(s process.Stray) bool { return s.PID == other.PID() })[0].Env("PATH")
	require.True(t, found)
	require.Equal(t, os.Getenv("PATH"), value)
}

// TestAProcessIsFoundInTheMiddleOfAnExec looks for one that does nothing else.
func TestAProcessIsFoundInTheMiddleOfAnExec(t *testing.T) {
	t.Parallel()
	script := filepath.Join(t.TempDir(), "again")
	require.NoError(t, os.WriteFile(script, []byte(`if [ $1 -gt 0 ]; then exec /bin/sh $0 $(($1 - 1)); fi; exec sleep 1000`), 0o600))
	mark := fmt.Sprintf("PROCESS_TEST=%d %s", os.Getpid(), t.Name())
	p, err := process.Start(process.Spec{Args: []string{"/bin/sh", script, "1000"}, Env: []string{mark}})
	require.NoError(t, err)
	t.Cleanup(func() { p.Stop(0) })
	for range 300 {
		require.Len(t, process.Find(func(s process.Stray) bool { return s.HasEnv(mark) }), 1)
	}
}

// TestAProcessThatIsForkedDuringTheLookIsFound: it was in no list when the look began.
func TestAProcessThatIsForkedDuringTheLookIsFound(t *testing.T) {
	t.Parallel()
	var p *process.Process
	var err error
	found := process.Find(func(s process.Stray) bool {
		if p == nil && err == nil {
			p, err = process.Start(process.Spec{Args: []string{"/bin/sleep", "1000"}})
		}
		return err == nil && s.PID == p.PID()
	})
	require.NoError(t, err)
	p.Stop(0)
	require.Len(t, found, 1)
}
