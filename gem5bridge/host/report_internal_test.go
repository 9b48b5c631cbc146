package host

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/servicetime"
	"microcosm/functions"
	"microcosm/gem5bridge"
	"microcosm/gem5bridge/process"
)

// reported runs report on one reading and returns what was emitted.
func reported(t *testing.T, c *cell, status servicetime.Status, reason string) (servicetime.Sample, gem5bridge.Progress) {
	t.Helper()
	var events []gem5bridge.Event
	r := &run{
		emit:     func(e gem5bridge.Event) error { events = append(events, e); return nil },
		complete: func(s *servicetime.Sample) { s.Provenance.Backend = "host" },
	}
	got := reading{
		invocation: invocation{roundTrip: 3 * time.Millisecond, cpu: 2 * time.Millisecond, counts: counts{faults: 7}},
		sandbox:    &sandbox{restore: "boot/1/2", calls: 9, usual: &counts{}, warmups: 5}, walked: walked{data: 64, code: 32},
	}
	require.NoError(t, r.report(c, got, 11, status, reason))
	require.Len(t, events, 2)
	return *events[0].Sample, *events[1].Progress
}

func TestReport(t *testing.T) {
	t.Parallel()
	c := &cell{
		Cell: gem5bridge.Cell{Function: "f", Input: "default", Condition: servicetime.Condition{Kind: servicetime.Flush}, First: 4, Count: 2}, index: 3,
		null: nullCall{roundTrip: time.Millisecond, cpu: time.Millisecond / 2},
	}
	s, p := reported(t, c, servicetime.Rejected, "disturbed: by a neighbour")
	require.Equal(t, 4, s.N)
	require.Equal(t, "disturbed: by a neighbour", s.Reason)
	require.Empty(t, s.Provenance.Note)
	require.Equal(t, gem5bridge.Progress{Cell: 3, Done: 0, Of: 2, Run: "boot/1/2", Phase: "measure", WorkItems: 9}, p)

	s, p = reported(t, c, servicetime.Valid, "disturbed: by a neighbour")
	require.Equal(t, 5, s.N, "a rejected sample keeps its number")
	require.Empty(t, s.Reason, "a valid sample has none")
	require.Contains(t, s.Provenance.Note, "kept after 3 rejected ones though disturbed: by a neighbour")
	require.Equal(t, 1, p.Done)
	require.Equal(t, "host", s.Provenance.Backend)
	require.Equal(t, "boot/1/2", s.Provenance.Restore)
	require.EqualValues(t, 11, s.Seed)
	require.Equal(t, 2*time.Millisecond, s.Service().Duration(), "the null call is subtracted")
	require.Equal(t, 1500*time.Microsecond, s.Busy.Duration(), "and its CPU time")
	require.Equal(t, map[string]int64{
		CounterCPU: 2e6, CounterNullCPU: 5e5, CounterWait: 0, CounterWarmups: 5, CounterFlushCode: 32,
		servicetime.CounterVoluntarySwitches: 0, servicetime.CounterInvoluntarySwitches: 0,
		servicetime.CounterMinorFaults: 7, servicetime.CounterFlushBytes: 64,
	}, s.Counters)
}

func TestAReportThatNobodyTakesEndsTheJob(t *testing.T) {
	t.Parallel()
	reason := errors.New("the reader has gone")
	r := &run{emit: func(gem5bridge.Event) error { return reason }, complete: func(*servicetime.Sample) {}}
	require.ErrorIs(t, r.report(&cell{}, reading{sandbox: &sandbox{}}, 1, servicetime.Valid, ""), reason)
}

func TestNothingIsCalibratedWhereNoCallIsMeasured(t *testing.T) {
	t.Parallel()
	// Neither an emit nor a null call: anything done would panic.
	p := &plan{cells: []*cell{{Cell: gem5bridge.Cell{Condition: servicetime.Condition{Kind: servicetime.StageInit}}}}}
	require.NoError(t, (&run{}).calibrate(t.Context(), p))
	require.Zero(t, p.cells[0].null)
}

func TestWalkBytes(t *testing.T) {
	t.Parallel()
	m := &machine{lastLevel: 8 << 20}
	cells := func(words ...string) []gem5bridge.Cell {
		var all []gem5bridge.Cell
		for _, word := range words {
			c, err := servicetime.ParseCondition(word)
			require.NoError(t, err)
			all = append(all, gem5bridge.Cell{Condition: c})
		}
		return all
	}
	require.Zero(t, walkBytes(m, cells("warm", "cold", "lukewarm:4")))
	require.EqualValues(t, 16<<20, walkBytes(m, cells("warm", "flush")), "twice the last level")
	require.EqualValues(t, 32<<20, walkBytes(m, cells("flush", "stressor:32MiB", "stressor:1MiB")))
	require.EqualValues(t, 64<<20, (&machine{}).flushBytes(), "a kernel that does not tell")
	require.EqualValues(t, 64<<20, (&machine{lastLevel: 1 << 30}).flushBytes(), "no more than a second's walk")
}

func TestCountsAddUp(t *testing.T) {
	t.Parallel()
	a, b := counts{1, 2, 3, 4}, counts{10, 20, 30, 40}
	require.Equal(t, counts{11, 22, 33, 44}, a.plus(b))
	require.Equal(t, a, a.plus(b).minus(b))
}

func TestACellTellsItsPlaceAndItsNumbers(t *testing.T) {
	t.Parallel()
	for kind, fresh := range map[servicetime.Kind]bool{
		servicetime.Cold: true, servicetime.StageInit: true, servicetime.Warm: false, servicetime.Flush: false,
	} {
		c := &cell{Cell: gem5bridge.Cell{Function: "f", Input: "large", Condition: servicetime.Condition{Kind: kind}, First: 3}, numbers: 2}
		require.Equal(t, fresh, c.needsNew(), kind)
		require.Equal(t, "f/large", c.place())
		require.Equal(t, 5, c.number())
	}
}

// TestWaitingForAPort waits for one that is served, for a process that ends, and
// in vain.
func TestWaitingForAPort(t *testing.T) {
	t.Parallel()
	start := func(script string) *process.Process {
		p, err := process.Start(process.Spec{Args: []string{"/bin/sh", "-c", script}})
		require.NoError(t, err)
		t.Cleanup(func() { p.Stop(0) })
		return p
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	sleeping := start("exec sleep 1000")
	require.NoError(t, listens(t.Context(), sleeping, listener.Addr().(*net.TCPAddr).Port))

	port, err := freePort()
	require.NoError(t, err)
	require.ErrorContains(t, listens(t.Context(), start("exit 3"), port), "it ended: exit status 3")

	reason := errors.New("it does not serve in time")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(reason)
	require.ErrorIs(t, listens(ctx, sleeping, port), reason)
}

func TestAnInterleavedFunctionThatDoesNotStart(t *testing.T) {
	t.Parallel()
	catalog, err := functions.Load()
	require.NoError(t, err)
	f, err := catalog.Lookup("fibonacci-go")
	require.NoError(t, err)
	l := &launcher{catalog: catalog, machine: &machine{core: 0, clients: []int{0}}, root: t.TempDir(), within: time.Minute}
	_, err = l.launch(t.Context(), f)
	require.ErrorIs(t, err, gem5bridge.ErrNotReady)
	require.ErrorContains(t, err, "fibonacci-go", "its folder is not there")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = l.launch(ctx, f)
	require.ErrorIs(t, err, context.Canceled)
}

func TestLastWords(t *testing.T) {
	t.Parallel()
	s := &sandbox{stderr: &process.Tail{}}
	require.Empty(t, s.lastWords())
	_, err := s.stderr.Write([]byte("panic: out of cheese\ngoroutine 1\n"))
	require.NoError(t, err)
	require.Equal(t, "; its last words: panic: out of cheese | goroutine 1", s.lastWords())
	s.stop() // nothing was started
}
