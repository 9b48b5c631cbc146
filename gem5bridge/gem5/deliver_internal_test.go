package gem5

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/cosim/servicetime"
	"microcosm/gem5bridge"
	"microcosm/gem5bridge/gem5/events"
	guest "microcosm/images/guest/job"
)

const testPeriod = 333

// recorder is a session that measures nothing and keeps what it emits.
type recorder struct {
	session
	samples  []servicetime.Sample
	progress []gem5bridge.Progress
}

func newRecorder(t *testing.T) *recorder {
	t.Helper()
	r := &recorder{session: session{runs: runsOn(t, "skylake-x86", nil), null: nullCall{RoundTrip: 60_000_000, Busy: 20_000_000, Client: 30_000_000}, host: "here"}}
	r.mix = []string{"aes-go", "auth-go"}
	r.emit = func(e gem5bridge.Event) error {
		switch {
		case e.Sample != nil:
			r.samples = append(r.samples, *e.Sample)
		case e.Progress != nil:
			r.progress = append(r.progress, *e.Progress)
		}
		return nil
	}
	return r
}

// keyed is a cell whose samples are whole.
func keyed(t *testing.T, word string, count int) *cell {
	t.Helper()
	c := cellOf(t, word, count)
	c.key = servicetime.Key{
		Function: c.Function, Image: "image", Input: c.Input, Platform: "skylake-x86", PlatformDigest: "digest", Condition: c.Condition, Stack: "stack",
	}
	return c
}

// workOf is a work item of the given share of instructions at the client.
func workOf(begin, takes servicetime.Ticks, clientShare float64) events.Event {
	core := func(busy servicetime.Ticks, instructions float64) events.Counters {
		return events.Counters{events.Cycles: int64(busy / testPeriod), events.Instructions: int64(instructions)}
	}
	return events.Event{
		Kind: events.Work, Tick: begin + takes, Begin: begin, Until: begin + takes,
		Cores: []events.Counters{core(takes/4, 100_000*clientShare), core(takes/2, 100_000*(1-clientShare))}, Shared: events.Counters{"llc_misses": 7},
	}
}

// measured is what a drawn run gave, and what must come of it.
type measured struct {
	m       measurement
	pending []int // numbers that are still to come
	want    []wanted
	failed  error // the guest's failure, if it had one
}

type wanted struct {
	n      int
	status servicetime.Status
	reason string
}

// drawMeasured draws a run for a cell and works out, one call at a time, what it
// comes to.
func drawMeasured(t *rapid.T, c *cell, numbers []int) measured {
	d := measured{pending: slices.Clone(numbers)}
	run := &d.m.events
	run.Start.Period = testPeriod
	calls := rapid.IntRange(0, 12).Draw(t, "calls")
	settled := rapid.IntRange(-1, calls).Draw(t, "settled") // -1: never
	if settled >= 0 {
		run.Settled = &events.Event{Kind: events.Settled, Works: settled, Cause: events.SettledByTest}
	}
	next := c.next
	take := func(status servicetime.Status, reason string) {
		d.want = append(d.want, wanted{d.pending[0], status, reason})
		d.pending = d.pending[1:]
		if status != servicetime.Valid {
			d.pending = append(d.pending, next)
			next++
		}
	}
	var shares []float64
	tick := servicetime.Ticks(1000)
	for i := range calls {
		share := rapid.SampledFrom([]float64{.4, .4, .4, .41, .7}).Draw(t, "share")
		takes := servicetime.Ticks(rapid.Int64Range(1_000_000, 900_000_000).Draw(t, "ticks"))
		run.Works = append(run.Works, workOf(tick, takes, share))
		tick += takes
		record := guest.Record{Kind: guest.Call, Status: guest.OK, Function: c.Function, Input: c.Input, Marked: true, Phase: guest.Measured}
		last := i == calls-1
		if last {
			record.Reason = rapid.SampledFrom([]string{"", "", "want 55, got 54", "it died during the call: killed", "no reply after 30s"}).Draw(t, "reason")
		}
		if record.Reason != "" {
			record.Status = guest.Failed
			d.failed = kindOf(record)
		}
		if rapid.Bool().Draw(t, "interleaved") { // other calls are no items
			d.m.records = append(d.m.records, guest.Record{Kind: guest.Call, Status: guest.OK, Function: "aes-go", Phase: guest.Interleaved})
		}
		d.m.records = append(d.m.records, record)
		if settled < 0 || i < settled || len(d.pending) == 0 {
			continue
		}
		switch {
		case record.Status == guest.Failed && errors.Is(d.failed, gem5bridge.ErrWrongReply):
			take(servicetime.Rejected, record.Reason)
		case record.Status == guest.Failed:
			take(servicetime.Censored, record.Reason)
		default:
			shares = append(shares, share)
			sorted := slices.Sorted(slices.Values(shares))
			middle := sorted[(len(sorted)-1)/2]
			if share > 1.2*middle || share < .8*middle {
				take(servicetime.Rejected, "the client's share of the instructions is more than 20 % off the cell's median: something else ran")
			} else {
				take(servicetime.Valid, "")
			}
		}
	}
	d.drawEnd(t, tick, take)
	return d
}

// drawEnd may let the run end within a call.
func (d *measured) drawEnd(t *rapid.T, tick servicetime.Ticks, take func(servicetime.Status, string)) {
	run := &d.m.events
	run.Last = events.Event{Kind: events.Beat, Tick: tick + 500_000}
	switch rapid.IntRange(0, 3).Draw(t, "end") {
	case 0:
		run.Open = &events.Event{Kind: events.Begin, Tick: tick}
		if len(d.pending) > 0 {
			take(servicetime.Censored, "the run ended during the call")
		}
	case 1:
		overdue := workOf(tick, 400_000_000, .4)
		overdue.Kind = events.Overdue
		run.Overdue = &overdue
		if len(d.pending) > 0 {
			take(servicetime.Censored, "deadline: not done after 400µs")
		}
	}
}

// TestWhatARunComesTo draws runs that end in every way, and compares what is emitted
// with what was worked out call by call.
func TestWhatARunComesTo(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		c := keyed(t, rapid.SampledFrom([]string{"warm", "lukewarm:2", "flush:l1i", "stressor:4096"}).Draw(rt, "condition"), 20)
		var numbers []int
		for n := range rapid.IntRange(1, 8).Draw(rt, "wanted") {
			numbers = append(numbers, n)
		}
		c.next = len(numbers)
		d := drawMeasured(rt, c, numbers)
		d.m.boot, d.m.restore, d.m.measured, d.m.cost = "boot-1", "warm-1/7", time.Unix(1e9, 999), 12*time.Second
		r := newRecorder(t)
		task := &task{group: &group{cells: []*cell{c}}, numbers: [][]int{slices.Clone(numbers)}}
		err := r.deliver(task, d.m)
		switch {
		case d.m.events.Overdue != nil:
			require.ErrorIs(rt, err, gem5bridge.ErrDeadline)
		case d.failed != nil:
			require.ErrorIs(rt, err, d.failed)
		default:
			require.NoError(rt, err)
		}
		var got []wanted
		valid := 0
		for _, s := range r.samples {
			got = append(got, wanted{s.N, s.Status, s.Reason})
			requireSound(rt, r, c, s)
			if s.Status == servicetime.Valid {
				valid++
			}
		}
		require.Equal(rt, d.want, got)
		require.Equal(rt, d.pending, append([]int{}, task.numbers[0]...), "what is still to come")
		require.Len(rt, task.numbers[0], len(numbers)-valid, "as many as are missing")
		require.Len(rt, r.progress, valid)
		for i, p := range r.progress {
			require.Equal(rt, gem5bridge.Progress{Done: i + 1, Of: 20, Run: "warm-1/7", Phase: "measure", Ticks: p.Ticks}, p)
		}
	})
}

// requireSound checks what holds for every sample of a run.
func requireSound(t require.TestingT, r *recorder, c *cell, s servicetime.Sample) {
	require.NoError(t, s.Check())
	require.Equal(t, gem5bridge.Seed(0, c.key, s.N), s.Seed)
	p := s.Provenance
	require.Equal(t, "gem5", p.Backend)
	require.Equal(t, "boot-1", p.Boot)
	require.Equal(t, "warm-1/7", p.Restore)
	require.Equal(t, "here", p.Host)
	require.Equal(t, time.Unix(1e9, 0).UTC(), p.Measured)
	require.Positive(t, p.Cost)
	if s.Status != servicetime.Valid {
		return
	}
	require.Positive(t, s.Busy)
	require.LessOrEqual(t, s.Busy, s.Service())
	require.LessOrEqual(t, s.Null, s.RoundTrip)
	require.EqualValues(t, r.null.Busy, s.Counters[CounterNullBusy])
	require.GreaterOrEqual(t, s.Counters[servicetime.CounterIdleCycles], int64(0))
	cycles := s.Counters[servicetime.CounterCycles] + s.Counters[servicetime.CounterIdleCycles]
	require.InDelta(t, int64(s.RoundTrip/testPeriod), cycles, 2, "busy and idle make the round trip")
	require.EqualValues(t, 100_000, s.Instructions()+s.Counters[servicetime.CounterInstructionsClient])
}

// TestStagesComeBesideTheFirstCall delivers what a run of a new sandbox gives to the
// cells that share it.
func TestStagesComeBesideTheFirstCall(t *testing.T) {
	t.Parallel()
	cold, create, start := keyed(t, "cold", 2), keyed(t, "stage:create", 1), keyed(t, "stage:init", 2)
	g := &group{cells: []*cell{cold, create, start}}
	r := newRecorder(t)
	stage := func(kind guest.Kind, nanos, micros int64) guest.Record {
		return guest.Record{Kind: kind, Status: guest.OK, Function: cold.Function, Nanos: nanos, Cores: []guest.Core{{Core: 0, Micros: 99}, {Core: 1, Micros: micros}}}
	}
	for run := range 2 {
		task, more := g.task()
		require.True(t, more)
		m := measurement{boot: "b", restore: fmt.Sprint(run), result: result{
			events: events.Run{
				Start: events.Event{Period: testPeriod}, Settled: &events.Event{Cause: events.SettledAsked}, Works: []events.Event{workOf(10, 900_000_000, .4)},
			},
			records: []guest.Record{
				{Kind: guest.Start, Status: guest.OK},
				{Kind: guest.Create, Status: guest.OK, Function: "another", Nanos: 1},
				stage(guest.Create, 5_000_000, 3000), stage(guest.Init, 7_000_000, 9000),
				{Kind: guest.Call, Status: guest.OK, Function: cold.Function, Marked: true, Phase: guest.Measured},
			},
		}}
		require.NoError(t, r.deliver(&task, m))
		require.Zero(t, task.size())
	}
	byKind := map[servicetime.Kind][]servicetime.Sample{}
	for _, s := range r.samples {
		require.NoError(t, s.Check())
		byKind[s.Key.Condition.Kind] = append(byKind[s.Key.Condition.Kind], s)
	}
	require.Len(t, byKind[servicetime.Cold], 2)
	require.Len(t, byKind[servicetime.StageCreate], 1)
	require.Len(t, byKind[servicetime.StageInit], 2)
	created := byKind[servicetime.StageCreate][0]
	require.Equal(t, servicetime.TicksOf(5*time.Millisecond), created.RoundTrip)
	require.Equal(t, servicetime.TicksOf(3*time.Millisecond), created.Busy, "of the function's core")
	require.Zero(t, created.Null, "a stage has no null call")
	require.Equal(t, "on the functional core, by the guest's clock", created.Provenance.Note)
	require.Nil(t, created.Counters)
	started := byKind[servicetime.StageInit][0]
	require.Equal(t, started.RoundTrip, started.Busy, "the clock of CPU time is coarser than that of the stage")
}

func TestAStageThatFailedIsNoSample(t *testing.T) {
	t.Parallel()
	c := keyed(t, "stage:init", 1)
	r := newRecorder(t)
	task := &task{group: &group{cells: []*cell{c}}, numbers: [][]int{{0}}}
	err := r.deliver(task, measurement{result: result{records: []guest.Record{
		{Kind: guest.Init, Status: guest.Failed, Function: c.Function, Reason: "it did not listen"}, {Kind: guest.End, Status: guest.Failed, Reason: "see above", Records: 2},
	}}})
	require.ErrorIs(t, err, gem5bridge.ErrNotReady)
	require.EqualError(t, err, "fibonacci-go: function not ready: it did not listen")
	require.Empty(t, r.samples)
	require.Equal(t, []int{0}, task.numbers[0])
}

func TestNotesOfASample(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		word, cause string
		functional  int
		want        string
	}{
		{"warm", events.SettledByTest, 0, ""},
		{"warm", events.SettledByCap, 0, "CPI had not settled after 0 calls"},
		{"flush", events.SettledAsked, 0, ""},
		{"stressor:4096", events.SettledByCap, 0, ""},
		{"lukewarm:4", events.SettledByCap, 0, "interleaved: aes-go auth-go"},
		{"lukewarm:4", events.SettledByCap, 4, "interleaved: aes-go auth-go, on the functional core"},
		{"lukewarm:4", events.SettledByCap, 5, "interleaved: aes-go auth-go"},
	} {
		r := newRecorder(t)
		r.settings.functional = c.functional
		one := keyed(t, c.word, 1)
		m := measurement{result: result{
			events:  events.Run{Start: events.Event{Period: testPeriod}, Settled: &events.Event{Cause: c.cause}, Works: []events.Event{workOf(1, 1e8, .4)}},
			records: []guest.Record{{Kind: guest.Call, Status: guest.OK, Marked: true}},
		}}
		require.NoError(t, r.deliver(&task{group: &group{cells: []*cell{one}}, numbers: [][]int{{0}}}, m))
		require.Equal(t, c.want, r.samples[0].Provenance.Note, "%s, %s", c.word, c.cause)
	}
}

// TestWhatComesTooEarlyDoesNotCount: neither what came before the CPI had settled nor
// the calls that a run leaves out after that.
func TestWhatComesTooEarlyDoesNotCount(t *testing.T) {
	t.Parallel()
	m := measurement{later: 2, result: result{events: events.Run{Settled: &events.Event{Works: 3}}}}
	for i := range 9 {
		m.events.Works = append(m.events.Works, workOf(servicetime.Ticks(i)*1e9, 1e8, .4))
		m.records = append(m.records, guest.Record{Seq: i, Kind: guest.Call, Status: guest.OK, Marked: true})
	}
	var counted []int
	for _, one := range m.counted() {
		counted = append(counted, one.record.Seq)
	}
	require.Equal(t, []int{5, 6, 7, 8}, counted)
}

// TestAReaderThatIsGoneEndsTheDelivery: nothing more is emitted, and the error is the
// reader's.
func TestAReaderThatIsGoneEndsTheDelivery(t *testing.T) {
	t.Parallel()
	r := newRecorder(t)
	gone := errors.New("nobody reads")
	emitted := 0
	r.emit = func(gem5bridge.Event) error {
		emitted++
		if emitted == 3 { // a sample, its progress, and the next sample
			return gone
		}
		return nil
	}
	m := measurement{result: result{events: events.Run{Start: events.Event{Period: testPeriod}, Settled: &events.Event{}}}}
	for i := range 5 {
		m.events.Works = append(m.events.Works, workOf(servicetime.Ticks(i)*1e9, 1e8, .4))
		m.records = append(m.records, guest.Record{Kind: guest.Call, Status: guest.OK, Marked: true})
	}
	require.ErrorIs(t, r.deliver(&task{group: &group{cells: []*cell{keyed(t, "warm", 5)}}, numbers: [][]int{{0, 1, 2, 3, 4}}}, m), gone)
	require.Equal(t, 3, emitted)
}
