package host_test

import (
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/procfs"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"microcosm/functions"
	"microcosm/gem5bridge"
	"microcosm/gem5bridge/bridgetest"
	"microcosm/gem5bridge/host"
	"microcosm/gem5bridge/process"
	"microcosm/loadgen/openloop"
)

func backend(t *testing.T, catalog *functions.Catalog) *host.Backend {
	t.Helper()
	b, err := host.New(catalog)
	require.NoError(t, err)
	return b
}

// every is a plan of n calls, one each period, of the targets in turn.
func every(period time.Duration, n, targets int) []openloop.Planned {
	var plan []openloop.Planned
	for i := range n {
		plan = append(plan, openloop.Planned{At: time.Duration(i) * period, Target: i % targets})
	}
	return plan
}

// children returns how many processes this one has.
func children(t *testing.T) int {
	t.Helper()
	all, err := procfs.AllProcs()
	require.NoError(t, err)
	n := 0
	for _, p := range all {
		if stat, err := p.Stat(); err == nil && stat.PPID == os.Getpid() {
			n++
		}
	}
	return n
}

// TestALoadIsServedAsPlanned: every planned call is made and measured, in its
// order, never early, and whatever the machine is doing.
func TestALoadIsServedAsPlanned(t *testing.T) {
	catalog, err := functions.Load()
	require.NoError(t, err)
	b, before := backend(t, catalog), children(t)
	load := host.Load{
		Setup: gem5bridge.Setup{Functions: installed}, Functions: goMix.Functions, Input: functions.DefaultClass,
		Plan: every(2*time.Millisecond, 300, 3), Seed: 5, Within: time.Minute,
	}
	var loaded host.Loaded
	require.NoError(t, b.AsClient(func() error {
		loaded, err = b.Load(t.Context(), load)
		return err
	}))
	require.Len(t, loaded.Served, len(load.Plan))
	last := time.Duration(0)
	for i, s := range loaded.Served {
		require.Equal(t, load.Plan[i], s.Planned)
		require.GreaterOrEqual(t, s.Began, s.At)
		require.GreaterOrEqual(t, s.Began, last, "one at a time")
		require.Greater(t, s.Ended, s.Began)
		last = s.Ended
	}
	m := loaded.Machine
	require.Greater(t, m.Took, 299*2*time.Millisecond)
	require.Positive(t, m.Functions)
	require.Less(t, m.Functions, 1.1, "no more than their core")
	require.Equal(t, before, children(t), "nothing is left running")
}

func TestALoadGoesWrong(t *testing.T) {
	for name, test := range map[string]struct {
		want error
		says string
	}{
		"dies-later":            {gem5bridge.ErrFunctionDied, "exit status 5; its last words: out of crackers"},
		"hangs-later":           {gem5bridge.ErrDeadline, "not served within 3s of its last call"},
		"answers-wrongly-later": {gem5bridge.ErrWrongReply, "want an empty message"},
		"answers-wrongly":       {gem5bridge.ErrWrongReply, "warm up"},
		"ends-at-once":          {gem5bridge.ErrNotReady, "no such module"},
	} {
		t.Run(name, func(t *testing.T) {
			descriptions, root := oddFolders(t, name)
			t.Setenv(oddVariable, descriptions)
			catalog, err := oddCatalog()
			require.NoError(t, err)
			before := children(t)
			_, err = backend(t, catalog).Load(t.Context(), host.Load{
				Setup: gem5bridge.Setup{Functions: root}, Functions: []string{name}, Input: functions.DefaultClass,
				Plan: every(100*time.Microsecond, later, 1), Within: 3 * time.Second,
			})
			require.ErrorIs(t, err, test.want)
			require.ErrorContains(t, err, test.says)
			require.Equal(t, before, children(t), "nothing is left running")
		})
	}
}

func TestAHopelessLoadIsNotBegun(t *testing.T) {
	catalog, err := functions.Load()
	require.NoError(t, err)
	_, err = backend(t, catalog).Load(t.Context(), host.Load{
		Setup: gem5bridge.Setup{Functions: installed, Platform: "moon", Settings: map[string]string{"speed": "high"}}, Functions: []string{"aes-go", "aes-goo", "auth-go"}, Input: "defaul",
		Plan: []openloop.Planned{{Target: 0}, {Target: 3}},
	})
	for _, says := range []string{"moon", "speed", "aes-goo", "defaul", "call 1 is for target 3 of 3"} {
		require.ErrorContains(t, err, says)
	}
}

// TestTheClientIsItselfAgain: cores, niceness, processors and collector are what
// they were, whether it went well or not.
func TestTheClientIsItselfAgain(t *testing.T) {
	catalog, err := functions.Load()
	require.NoError(t, err)
	b := backend(t, catalog)
	cores, err := process.Cores()
	require.NoError(t, err)
	niceness, processors := process.Niceness(), runtime.GOMAXPROCS(0)
	percent, limit := debug.SetGCPercent(77), debug.SetMemoryLimit(1<<40)
	defer func() {
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(limit)
	}()
	inside := 0
	err = b.AsClient(func() error {
		inside = runtime.GOMAXPROCS(0)
		require.Equal(t, int64(256<<20), debug.SetMemoryLimit(-1))
		return os.ErrClosed
	})
	require.ErrorIs(t, err, os.ErrClosed)
	require.Positive(t, inside)
	require.LessOrEqual(t, inside, max(1, len(cores)-1), "a processor for every core of the client's")
	now, err := process.Cores()
	require.NoError(t, err)
	require.Equal(t, cores, now)
	require.Equal(t, niceness, process.Niceness())
	require.Equal(t, processors, runtime.GOMAXPROCS(0))
	require.Equal(t, 77, debug.SetGCPercent(77))
	require.Equal(t, int64(1<<40), debug.SetMemoryLimit(1<<40))
}

// TestTheCoreIsKeptAwake by a process of the lowest priority, on that core alone,
// until it is stopped.
func TestTheCoreIsKeptAwake(t *testing.T) {
	catalog, err := functions.Load()
	require.NoError(t, err)
	b, before := backend(t, catalog), children(t)
	awake := bridgetest.Plugin("awake")
	variable, role, _ := strings.Cut(awake.Env[0], "=")
	t.Setenv(variable, role)
	stop, err := b.KeepAwake(awake.Command)
	require.NoError(t, err)
	var set unix.CPUSet
	found := 0
	all, err := procfs.AllProcs()
	require.NoError(t, err)
	for _, p := range all {
		stat, err := p.Stat()
		if err != nil || stat.PPID != os.Getpid() {
			continue
		}
		attributes, err := unix.SchedGetAttr(p.PID, 0)
		require.NoError(t, err)
		if attributes.Policy != unix.SCHED_IDLE {
			continue
		}
		found++
		require.NoError(t, unix.SchedGetaffinity(p.PID, &set))
		require.Equal(t, 1, set.Count())
	}
	require.Equal(t, 1, found)
	stop()
	require.Equal(t, before, children(t))

	_, err = b.KeepAwake([]string{"/nowhere/at/all"})
	require.ErrorContains(t, err, "keep the functions' core awake")
}
