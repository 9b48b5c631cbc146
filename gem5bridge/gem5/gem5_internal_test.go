package gem5

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/servicetime"
	"microcosm/gem5bridge"
	"microcosm/gem5bridge/gem5/events"
	"microcosm/gem5bridge/gem5/platforms"
	"microcosm/gem5bridge/job"
	"microcosm/gem5bridge/supervisor"
	"microcosm/images"
	guest "microcosm/images/guest/job"
	"microcosm/images/guest/m5"
)

func cellOf(t *testing.T, word string, count int) *cell {
	t.Helper()
	c, err := servicetime.ParseCondition(word)
	require.NoError(t, err)
	return &cell{Cell: gem5bridge.Cell{Function: "fibonacci-go", Input: "default", Condition: c, Count: count}}
}

func runsOn(t *testing.T, platform string, overrides map[string]string) *runs {
	t.Helper()
	p, err := platforms.Load(platform, overrides)
	require.NoError(t, err)
	return &runs{plan: &plan{scene: scene{
		platform: p, program: Program{Digest: "gem5"},
		image: guestImage{isa: p.ISA, manifest: images.Manifest{Kernel: images.Kernel{ELF: images.Part{Digest: "kernel"}}, Disk: images.Part{Digest: "disk"}}},
	}}}
}

func TestRunsOfACell(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		condition   string
		count, want int
	}{
		{"warm", 1, 1}, {"warm", 6, 6}, {"warm", 7, 6}, {"warm", 30, 6}, {"warm", 1000, 50},
		{"lukewarm:4", 30, 6}, {"stressor:65536", 12, 6}, {"flush:l1i", 12, 6},
		{"flush", 30, 30}, {"cold", 30, 30}, {"stage:init", 30, 30},
	} {
		require.Equal(t, c.want, cellOf(t, c.condition, c.count).runs(), "%d of %s", c.count, c.condition)
	}
}

func TestTasksCoverACellOnce(t *testing.T) {
	t.Parallel()
	for _, count := range []int{1, 5, 6, 13, 30, 250} {
		c := cellOf(t, "warm", count)
		c.First, c.next = 100, 100
		g := &group{cells: []*cell{c}}
		var numbers []int
		runs := 0
		for task, more := g.task(); more; task, more = g.task() {
			require.Equal(t, runs, task.number)
			numbers = append(numbers, task.numbers[0]...)
			runs++
		}
		require.Len(t, numbers, count)
		for i, n := range numbers {
			require.Equal(t, 100+i, n)
		}
		require.GreaterOrEqual(t, runs, min(count, restores), "%d samples", count)
		require.Equal(t, 100+count, c.spare(), "a spare comes after all")
	}
}

// TestARunFollowsTheVerdictOnTheLast checks what a task keeps of the remedies: once
// memory was short it stays alone, and every lost checkpoint asks for another.
func TestARunFollowsTheVerdictOnTheLast(t *testing.T) {
	t.Parallel()
	policy := supervisor.Policy{Attempts: attempts}
	var follows task
	for i, c := range []struct {
		verdict job.Verdict
		others  int
		alone   bool
	}{{job.Timeout, 0, false}, {job.Crash, 1, false}, {job.OutOfMemory, 1, true}, {job.SimHang, 2, true}} {
		follows.asked.Follow(policy.Next(c.verdict, 1))
		require.Equal(t, c.others, follows.asked.Checkpoints, "%d: %v", i, c.verdict)
		require.Equal(t, c.alone, follows.asked.Alone, "%d: %v", i, c.verdict)
	}
}

func TestStartsShareRuns(t *testing.T) {
	t.Parallel()
	p := &plan{cells: []*cell{cellOf(t, "cold", 3), cellOf(t, "warm", 3), cellOf(t, "stage:create", 2), cellOf(t, "stage:init", 3)}}
	p.group()
	require.Len(t, p.groups, 2)
	starts := p.groups[0]
	require.Len(t, starts.cells, 3)
	for run := range 3 {
		task, more := starts.task()
		require.True(t, more)
		require.Len(t, task.numbers[0], 1)
		require.Len(t, task.numbers[1], map[bool]int{true: 1}[run < 2])
	}
	_, more := starts.task()
	require.False(t, more)
}

func TestRunsBeginToCountAtDifferentCalls(t *testing.T) {
	t.Parallel()
	for word, want := range map[string][]int{
		"warm":         {4, 5, 6, 7, 8, 9, 4, 5}, // later by as many, whenever it has settled
		"flush:l1i":    {4, 5, 6, 7, 8, 9, 4, 5},
		"lukewarm:1":   {2, 3, 4, 2, 3, 4, 2, 3},
		"lukewarm:16":  {2, 3, 4, 2, 3, 4, 2, 3},
		"stressor:512": {2, 3, 4, 2, 3, 4, 2, 3},
		"flush":        {0, 0, 0, 0, 0, 0, 0, 0}, // nothing is to settle in a machine that is to be new
		"cold":         {0, 0, 0, 0, 0, 0, 0, 0},
	} {
		c := cellOf(t, word, 30)
		p := &plan{cells: []*cell{c}}
		for run, least := range want {
			rule := c.settle(run)
			require.Equal(t, least, rule.Least+rule.Later, "%s, run %d", word, run)
			require.GreaterOrEqual(t, rule.Most, rule.Least)
			functional := 0
			if strings.HasPrefix(word, "lukewarm") || word == "stressor:512" {
				functional = least - 1
			}
			require.Equal(t, functional, rule.functional(), "%s: detail shows the last before it counts, or whether it settles", word)
			step := c.step(5, 7, rule, p, "mix")
			switch word {
			case "flush":
				require.Equal(t, 1, step.Count, "one call is the first after a restore")
			default:
				require.Equal(t, rule.Most+rule.Later+5, step.Count, "%s: the guest calls until the last sample counts", word)
			}
		}
	}
}

func TestOdd(t *testing.T) {
	t.Parallel()
	c := cellOf(t, "warm", 30)
	for range 5 {
		require.False(t, c.odd(.4))
	}
	require.False(t, c.odd(.47))
	require.True(t, c.odd(.49))
	require.True(t, c.odd(.31))
	require.False(t, c.odd(.33))
}

func TestCommandLine(t *testing.T) {
	t.Parallel()
	x86 := runsOn(t, "skylake-x86", map[string]string{"core.clock": "2GHz"}).commandLine(1)
	for _, want := range []string{m5.Word, "microcosm.boot=1", "tsc_early_khz=2000000", "idle=halt", "console=ttyS0"} {
		require.Contains(t, strings.Fields(x86), want)
	}
	arm := runsOn(t, "neoverse-n1", nil).commandLine(0)
	require.Contains(t, strings.Fields(arm), "console=ttyAMA0")
	require.NotContains(t, arm, "tsc")
}

func TestBootCheckpointDependsOnWhatAFunctionalRunKnows(t *testing.T) {
	t.Parallel()
	base := runsOn(t, "skylake-x86", nil)
	same := base.bootKey(0).Digest()
	require.Equal(t, same, runsOn(t, "skylake-x86", map[string]string{"l2.size": "2MiB", "queue.rob": "128"}).bootKey(0).Digest(), "caches and queues are not built")
	require.Equal(t, same, runsOn(t, "timing-x86", nil).bootKey(0).Digest(), "platforms of one ISA, clock and memory share boots")
	others := map[string]string{
		"boot":   base.bootKey(1).Digest(),
		"clock":  runsOn(t, "skylake-x86", map[string]string{"core.clock": "2GHz"}).bootKey(0).Digest(),
		"memory": runsOn(t, "skylake-x86", map[string]string{"memory.size": "2GiB"}).bootKey(0).Digest(),
		"isa":    runsOn(t, "neoverse-n1", nil).bootKey(0).Digest(),
	}
	for name, change := range map[string]func(r *runs){
		"kernel": func(r *runs) { r.image.manifest.Kernel.ELF.Digest = "another" },
		"disk":   func(r *runs) { r.image.manifest.Disk.Digest = "another" },
		"gem5":   func(r *runs) { r.program.Digest = "another" },
	} {
		r := runsOn(t, "skylake-x86", nil)
		change(r)
		others[name] = r.bootKey(0).Digest()
	}
	seen := map[string]string{same: "base"}
	for name, digest := range others {
		require.Empty(t, seen[digest], "%s is %s", name, seen[digest])
		seen[digest] = name
	}
}

func TestParseVersion(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][2]int{"24.0.0.1": {24, 0}, "25.1.0.0": {25, 1}, "[DEVELOP-FOR-25.0]": {25, 0}} {
		got, ok := parseVersion(text)
		require.True(t, ok, text)
		require.Equal(t, want, got, text)
	}
	_, ok := parseVersion("unknown")
	require.False(t, ok)
}

func TestOnlyIncomplete(t *testing.T) {
	t.Parallel()
	damaged := errors.New("damaged record")
	incomplete := fmt.Errorf("%w: 3 came", guest.ErrIncomplete)
	require.True(t, onlyIncomplete(incomplete))
	require.True(t, onlyIncomplete(errors.Join(incomplete)))
	require.False(t, onlyIncomplete(errors.Join(damaged, incomplete)))
}

// TestSubtraction checks what is taken off a round trip, by hand.
func TestSubtraction(t *testing.T) {
	t.Parallel()
	const period = 333
	null := nullCall{RoundTrip: 60_000_000, Busy: 20_000_000, Client: 30_000_000}
	cycles := func(ticks servicetime.Ticks) events.Counters {
		return events.Counters{events.Cycles: int64(ticks / period), events.Instructions: 1000}
	}
	sampleOf := func(c *cell, trip, busy, client servicetime.Ticks) servicetime.Sample {
		s := &session{runs: runsOn(t, "skylake-x86", nil), null: null}
		m := measurement{result: result{events: events.Run{Start: events.Event{Period: period}}}}
		return s.sample(c, 0, m, events.Event{Begin: 1000, Until: 1000 + trip, Cores: []events.Counters{cycles(client), cycles(busy)}})
	}
	for _, c := range []struct {
		name               string
		remote             bool
		trip, busy, client servicetime.Ticks
		wantNull, wantBusy servicetime.Ticks
	}{
		{"warm: the client is as in the null call", false, 100_000_000, 50_000_000, 30_000_000, 60_000_000, 30_000_000},
		{"flush: the client is cold as well, which is its own", false, 900_000_000, 400_000_000, 430_000_000, 460_000_000, 380_000_000},
		{"the client's core serves a database, too", true, 900_000_000, 400_000_000, 430_000_000, 60_000_000, 380_000_000},
		{"shorter than the null call", false, 50_000_000, 10_000_000, 30_000_000, 49_999_999, 1},
		{"what the core did counts, however short the trip", false, 70_000_000, 60_000_000, 10_000_000, 30_000_000, 40_000_000},
		{"the client was busier, but at the same time", false, 100_000_000, 50_000_000, 60_000_000, 70_000_000, 30_000_000},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cell := cellOf(t, "warm", 1)
			cell.remote = c.remote
			got := sampleOf(cell, c.trip, c.busy, c.client)
			const rounding = 2 * period
			require.InDelta(t, int64(c.wantNull), int64(got.Null), rounding)
			require.InDelta(t, int64(c.wantBusy), int64(got.Busy), rounding)
			require.LessOrEqual(t, got.Busy, got.Service())
			require.Equal(t, c.trip, got.RoundTrip)
		})
	}
}

func TestKindsOfGuestFailures(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind   guest.Kind
		reason string
		want   error
	}{
		{guest.Create, "no space", gem5bridge.ErrNotReady},
		{guest.Init, "it did not listen", gem5bridge.ErrNotReady},
		{guest.Call, "it died during the call: signal 9", gem5bridge.ErrFunctionDied},
		{guest.Call, "no reply after 30s", gem5bridge.ErrDeadline},
		{guest.Call, "want 55, got 54", gem5bridge.ErrWrongReply},
	} {
		record := guest.Record{Kind: c.kind, Status: guest.Failed, Reason: c.reason, Function: "f"}
		require.ErrorIs(t, failed([]guest.Record{{Kind: guest.Start, Status: guest.OK}, record}), c.want, c.reason)
	}
	require.NoError(t, failed([]guest.Record{{Kind: guest.Start, Status: guest.OK}}))
}
