package host

import (
	"errors"
	"fmt"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/cosim/servicetime"
	"microcosm/gem5bridge"
)

func TestSettled(t *testing.T) {
	t.Parallel()
	repeat := func(n int, d time.Duration) []time.Duration {
		times := make([]time.Duration, n)
		for i := range times {
			times[i] = d
		}
		return times
	}
	falling := repeat(20, 0)
	for i := range falling {
		falling[i] = time.Duration(100-4*i) * time.Microsecond
	}
	spiked := repeat(20, 100)
	spiked[19], spiked[9] = 10000, 20000
	tests := []struct {
		name    string
		times   []time.Duration
		elapsed time.Duration
		want    bool
	}{
		{"nothing called", nil, time.Hour, false},
		{"two windows of the same", repeat(16, time.Millisecond), 0, true},
		{"one call short of two windows", repeat(15, time.Millisecond), 0, false},
		{"still falling", falling, 0, false},
		{"single spikes do not count", spiked, 0, true},
		{"long enough", repeat(3, time.Second), 3 * time.Second, true},
		{"too few even so", repeat(2, time.Second), 3 * time.Second, false},
		{"often enough", append(repeat(192, 1), repeat(8, time.Second)...), 0, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, test.want, settled(test.times, test.elapsed))
		})
	}
}

func TestMedian(t *testing.T) {
	t.Parallel()
	require.Equal(t, int64(0), gem5bridge.Median[int64](nil))
	require.Equal(t, int64(3), gem5bridge.Median([]int64{9, 1, 3}))
	require.Equal(t, int64(2), gem5bridge.Median([]int64{4, 2, 1, 9}), "the lower of two")
	values := []int64{3, 1, 2}
	gem5bridge.Median(values)
	require.Equal(t, []int64{3, 1, 2}, values, "the argument is left as it is")
}

func TestSharesOfTheRounds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		total := rapid.IntRange(1, 50).Draw(t, "rounds")
		count := rapid.IntRange(0, 200).Draw(t, "count")
		sum, least, most := 0, count, 0
		for round := range total {
			n := share(count, round, total)
			sum, least, most = sum+n, min(least, n), max(most, n)
		}
		require.Equal(t, count, sum)
		require.LessOrEqual(t, most-least, 1, "as even as can be")
	})
}

func TestRoundsOf(t *testing.T) {
	t.Parallel()
	of := func(kind servicetime.Kind, count int) int {
		return roundsOf(&cell{Cell: gem5bridge.Cell{Condition: servicetime.Condition{Kind: kind}, Count: count}})
	}
	require.Equal(t, 6, of(servicetime.Warm, 30))
	require.Equal(t, 2, of(servicetime.Flush, 2))
	require.Equal(t, 30, of(servicetime.Cold, 30), "each needs a new process")
	require.Equal(t, 9, of(servicetime.StageInit, 9))
}

func TestDisturbed(t *testing.T) {
	t.Parallel()
	usual := &counts{involuntary: 2, wait: 100 * time.Microsecond}
	tests := []struct {
		name  string
		usual *counts
		got   counts
		want  string
	}{
		{"as usual", usual, *usual, ""},
		{"as much as a flush costs", usual, counts{involuntary: 14, wait: 800 * time.Microsecond}, ""},
		{"somebody had a slice", usual, counts{wait: 900 * time.Microsecond}, "its threads waited 900µs for the core, usually 100µs"},
		{"preempted often", usual, counts{involuntary: 15}, "15 involuntary switches, usually 2"},
		{"a first call among its own threads", nil, counts{wait: 11 * time.Millisecond}, ""},
		{"a first call that waited", nil, counts{wait: 13 * time.Millisecond}, "waited 13ms for the core and ran 10ms"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := reading{invocation: invocation{cpu: 10 * time.Millisecond, counts: test.got}, sandbox: &sandbox{usual: test.usual}}
			if test.want == "" {
				require.Empty(t, r.disturbed())
			} else {
				require.Contains(t, r.disturbed(), test.want)
			}
		})
	}
}

func TestBusyIsPositiveAndWithinTheServiceTime(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		duration := func(name string) time.Duration { return time.Duration(rapid.Int64Range(0, 1<<40).Draw(t, name)) }
		c := &cell{
			Cell: gem5bridge.Cell{Function: "f", Input: "i", Condition: servicetime.Condition{Kind: servicetime.Warm}},
			null: nullCall{roundTrip: duration("null"), cpu: duration("null cpu")},
			key: servicetime.Key{
				Function: "f", Image: "1", Input: "i", Platform: "p", PlatformDigest: "2", Stack: "3",
				Condition: servicetime.Condition{Kind: servicetime.Warm},
			},
		}
		r := reading{invocation: invocation{roundTrip: max(1, duration("round trip")), cpu: duration("cpu")}, sandbox: &sandbox{}, begun: time.Now()}
		s := c.sample(r, 9, servicetime.Valid, "")
		require.NoError(t, s.Check())
		require.Positive(t, s.Busy)
		require.LessOrEqual(t, s.Busy, s.Service())
		require.Equal(t, servicetime.TicksOf(r.roundTrip), s.RoundTrip)
		require.Equal(t, int64(r.cpu), s.Counters[CounterCPU], "what was measured is kept")
		require.Equal(t, int64(c.null.cpu), s.Counters[CounterNullCPU])
	})
}

func TestACellIsGivenUpAtTheThirdFailureInARow(t *testing.T) {
	t.Parallel()
	c := &cell{Cell: gem5bridge.Cell{Function: "f", Input: "i", Condition: servicetime.Condition{Kind: servicetime.Warm}, Count: 5}, valid: 2}
	cause := fmt.Errorf("prime: %w", &gem5bridge.Failure{Kind: gem5bridge.ErrFunctionDied, Function: "f", Text: "exit status 4"})
	c.fail(cause)
	c.fail(errors.New("other"))
	require.NoError(t, c.err)
	c.fail(cause)
	require.ErrorIs(t, c.err, gem5bridge.ErrFunctionDied)
	require.EqualError(t, c.err, "f/i warm: function died: given up after 2 of 5 samples: prime: f: function died: exit status 4")
}

func TestUnsupported(t *testing.T) {
	t.Parallel()
	for word, supported := range map[string]bool{
		"cold": true, "warm": true, "lukewarm:3": true, "flush": true, "stressor:4096": true, "stage:init": true, "stage:create": false, "flush:l1i": false,
	} {
		c, err := servicetime.ParseCondition(word)
		require.NoError(t, err)
		require.Equal(t, supported, unsupported(c) == "", word)
	}
}

func TestTheMeterSeesAProcessWork(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("/bin/sh", "-c", "while :; do :; done")
	require.NoError(t, cmd.Start())
	m, err := newMeter(cmd.Process.Pid)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return m.cpu() > 20*time.Millisecond }, time.Minute, time.Millisecond)
	first := m.counts()
	require.Positive(t, first.faults)
	require.Equal(t, counts{}, first.minus(first))
	require.Equal(t, first, first.plus(counts{}))

	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	require.Zero(t, m.cpu(), "a process that has ended uses nothing")
	require.Zero(t, m.counts())
}
