package events_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/cosim/servicetime"
	"microcosm/gem5bridge/gem5/events"
)

// teller writes the events of a run that is right in every way.
type teller struct {
	lines []string
	tick  servicetime.Ticks
	want  events.Run
}

func (w *teller) tell(e events.Event) events.Event {
	e.Line, e.Tick = len(w.lines), w.tick
	text, err := json.Marshal(e)
	if err != nil {
		panic(err) // cannot be: an event is plain data
	}
	w.lines = append(w.lines, string(text))
	w.want.Last = e
	return e
}

// pass lets time go on.
func (w *teller) pass(t *rapid.T) servicetime.Ticks {
	w.tick += servicetime.Ticks(rapid.Int64Range(0, 1<<30).Draw(t, "ticks"))
	return w.tick
}

func drawCounters(t *rapid.T, most int64) events.Counters {
	c := events.Counters{events.Cycles: rapid.Int64Range(0, most).Draw(t, "cycles"), events.Instructions: rapid.Int64Range(0, 1<<40).Draw(t, "instructions")}
	if rapid.Bool().Draw(t, "more") {
		c[rapid.StringMatching("[a-z_]{1,9}_misses").Draw(t, "name")] = rapid.Int64Range(0, math.MaxInt64).Draw(t, "count")
	}
	return c
}

const drawnPeriod = 333

// work tells of one work item.
func (w *teller) work(t *rapid.T, kind events.Kind) {
	begin := w.pass(t)
	id := rapid.IntRange(1, 2).Draw(t, "id")
	open := w.tell(events.Event{Kind: events.Begin, ID: id})
	w.want.Open = &open
	if rapid.Bool().Draw(t, "beats within") {
		w.pass(t)
		w.beat(t)
	}
	if kind == events.Begin {
		return
	}
	until := w.pass(t)
	most := int64(until-begin) / drawnPeriod
	e := w.tell(events.Event{
		Kind: kind, ID: id, N: len(w.want.Works), Begin: begin, Until: until,
		Cores: []events.Counters{drawCounters(t, most), drawCounters(t, most)}, Shared: events.Counters{"llc_misses": rapid.Int64Range(0, 1<<40).Draw(t, "shared")},
	})
	w.want.Open = nil
	if kind == events.Overdue {
		w.want.Overdue = &e
	} else {
		w.want.Works = append(w.want.Works, e)
	}
}

func (w *teller) beat(t *rapid.T) {
	w.tell(events.Event{Kind: events.Beat, Instructions: rapid.SliceOfN(rapid.Int64Range(0, 1<<50), 2, 2).Draw(t, "committed"), Works: len(w.want.Works)})
}

func (w *teller) settle(t *rapid.T) {
	cause := rapid.SampledFrom([]string{events.SettledByTest, events.SettledByCap, events.SettledAsked}).Draw(t, "cause")
	e := w.tell(events.Event{Kind: events.Settled, Works: len(w.want.Works), Cause: cause})
	w.want.Settled = &e
}

// drawRun draws the events of a whole run.
func drawRun(t *rapid.T) *teller {
	w := &teller{}
	w.pass(t)
	w.want.Start = w.tell(events.Event{Kind: events.Start, Format: events.Format, Gem5: "24.0.0.1", ISA: "arm64", Mode: "measure", Period: drawnPeriod})
	for range rapid.IntRange(0, 12).Draw(t, "events") {
		w.pass(t)
		switch rapid.IntRange(0, 4).Draw(t, "kind") {
		case 0:
			w.beat(t)
		case 1:
			if w.want.Settled == nil {
				w.settle(t)
			}
		case 2:
			if !w.want.Checkpoint {
				w.tell(events.Event{Kind: events.Checkpoint})
				w.want.Checkpoint = true
			}
		default:
			w.work(t, events.Work)
		}
	}
	cause := rapid.SampledFrom([]string{events.CauseExit, events.CauseFail, events.CauseEnough, events.CauseLimit, events.CauseOverdue, "simulate() failed"}).Draw(t, "cause")
	switch cause {
	case events.CauseOverdue:
		w.work(t, events.Overdue)
	case events.CauseLimit:
		w.work(t, events.Begin)
	}
	w.want.End = w.tell(events.Event{Kind: events.End, Cause: cause, Code: rapid.IntRange(-1, 255).Draw(t, "code"), Works: len(w.want.Works)})
	return w
}

func (w *teller) text() string { return strings.Join(w.lines, "\n") + "\n" }

func TestWhatARunTellsIsRead(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := drawRun(t)
		got, err := read(w.text())
		require.NoError(t, err, w.text())
		require.Equal(t, w.want, got)
		// However it comes: a byte at a time is the same file.
		slow, err := events.Read(iotest.OneByteReader(strings.NewReader(w.text())))
		require.NoError(t, err)
		require.Equal(t, got, slow)
	})
}

// TestNoLineCanBeLostRepeatedOrMoved damages a right file in every way that leaves
// lines whole.
func TestNoLineCanBeLostRepeatedOrMoved(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := drawRun(t)
		n := len(w.lines)
		i := rapid.IntRange(0, n-1).Draw(t, "line")
		j := rapid.IntRange(0, n-1).Filter(func(j int) bool { return j != i }).Draw(t, "other line")
		damaged := map[string][]string{}
		damaged["lost"] = append(append([]string{}, w.lines[:i]...), w.lines[i+1:]...)
		damaged["repeated"] = append(append([]string{}, w.lines[:i+1]...), w.lines[i:]...)
		damaged["an empty line"] = append(append(append([]string{}, w.lines[:i]...), ""), w.lines[i:]...)
		moved := append([]string{}, w.lines...)
		moved[i], moved[j] = moved[j], moved[i]
		damaged["exchanged"] = moved
		damaged["the file twice"] = append(append([]string{}, w.lines...), w.lines...)
		for how, lines := range damaged {
			got, err := read(strings.Join(lines, "\n") + "\n")
			require.Error(t, err, "line %d %s", i, how)
			requireBegins(t, w.want, got)
		}
	})
}

// requireBegins checks that what was read before the damage is what was told.
func requireBegins(t require.TestingT, want, got events.Run) {
	require.LessOrEqual(t, len(got.Works), len(want.Works))
	for i, work := range got.Works {
		require.Equal(t, want.Works[i], work)
	}
	if got.Settled != nil {
		require.Equal(t, want.Settled, got.Settled)
	}
}

func TestAFileCutAnywhereIsNotWhole(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := drawRun(t)
		text := w.text()
		cut := rapid.IntRange(0, len(text)-2).Draw(t, "bytes")
		got, err := read(text[:cut])
		require.Error(t, err, "%d of %d bytes", cut, len(text))
		requireBegins(t, w.want, got)
		if cut == 0 || text[cut-1] == '\n' {
			require.ErrorIs(t, err, events.ErrTruncated)
		}
	})
}

// TestABusyCoreIsHeldToTheTimeThatPassed bends one count of a right file: more cycles
// than fit between begin and end are damage, however many more.
func TestABusyCoreIsHeldToTheTimeThatPassed(t *testing.T) {
	t.Parallel()
	const slack = 2
	for _, c := range []struct {
		name         string
		cycles       int64
		span, period servicetime.Ticks
		right        bool
	}{
		{"every cycle", 1000, 333_000, 333, true},
		{"a cycle begun before and one ended after", 1000 + slack, 333_000, 333, true},
		{"one too many", 1000 + slack + 1, 333_000, 333, false},
		{"in no time", slack, 0, 333, true},
		{"none at all", 0, 0, 333, true},
		{"as many as can be counted", math.MaxInt64, 333_000, 333, false},
		{"so many that their ticks begin anew", math.MaxInt64/333*2 + 4, 333_000, 333, false},
		{"of a clock that never ticks", 3, 1, math.MaxInt64, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := &teller{tick: 5}
			w.tell(events.Event{Kind: events.Start, Format: events.Format, Gem5: "24", ISA: "arm64", Mode: "measure", Period: c.period})
			begin := w.tick
			w.tick += c.span
			w.tell(events.Event{Kind: events.Work, Begin: begin, Until: w.tick, Cores: []events.Counters{{}, {events.Cycles: c.cycles}}})
			w.tell(events.Event{Kind: events.End, Cause: events.CauseExit, Works: 1})
			run, err := read(w.text())
			if c.right {
				require.NoError(t, err)
				require.Len(t, run.Works, 1)
				return
			}
			require.EqualError(t, err, fmt.Sprintf("events, line 1: work: core 1 was busy for %d cycles in %d ticks", c.cycles, c.span))
			require.Empty(t, run.Works)
		})
	}
}

func TestMistakesInTheOrderOfItems(t *testing.T) {
	t.Parallel()
	begin, beat := events.Event{Kind: events.Begin, ID: 1}, events.Event{Kind: events.Beat}
	work := events.Event{Kind: events.Work, Cores: []events.Counters{{}, {}}}
	overdue := work
	overdue.Kind = events.Overdue
	end := events.Event{Kind: events.End, Cause: events.CauseOverdue}
	for _, c := range []struct {
		name string
		told []events.Event
		want string
	}{
		{"two begin", []events.Event{begin, beat, begin}, "line 3: begin: the item before has not ended"},
		{"work after one that was overdue", []events.Event{overdue, work}, "line 2: work: it came after one that was overdue"},
		{"overdue twice", []events.Event{overdue, overdue}, "line 2: overdue: it came after one that was overdue"},
		{"settled twice", []events.Event{{Kind: events.Settled}, {Kind: events.Settled}}, "line 2: settled: settled twice"},
		{"taken twice", []events.Event{{Kind: events.Checkpoint}, {Kind: events.Checkpoint}}, "line 2: checkpoint: taken twice"},
		{"no kind", []events.Event{{}}, "line 1: : unknown kind of event"},
		{"no cores", []events.Event{{Kind: events.Work}}, "it counts on 0 cores, there are 2"},
		{"a beat after the end", []events.Event{end, beat}, "line 2: beat came after the end"},
		{"negative misses that all share", []events.Event{{Kind: events.Work, Cores: work.Cores, Shared: events.Counters{"llc_misses": -1}}}, "llc_misses of core -1 is -1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := &teller{}
			w.tell(events.Event{Kind: events.Start, Format: events.Format, Gem5: "24", ISA: "arm64", Mode: "measure", Period: 1})
			for _, e := range c.told {
				w.tell(e)
			}
			_, err := read(w.text())
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestAFileThatCannotBeRead(t *testing.T) {
	t.Parallel()
	broken := errors.New("input/output error")
	run, err := events.Read(io.MultiReader(strings.NewReader(whole[:strings.Index(whole, "\n")+1]), iotest.ErrReader(broken)))
	require.ErrorIs(t, err, broken)
	require.Equal(t, "24.0.0.1", run.Start.Gem5, "what came before is kept")

	_, err = read(`{"line":0,"event":"` + strings.Repeat("x", 1<<20) + `"}` + "\n")
	require.ErrorContains(t, err, "read events: ", "a line without end is not kept in memory")
}

// TestTheFormatIsDescribed compares the table of events with the fields that are read.
func TestTheFormatIsDescribed(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../FORMAT.md")
	require.NoError(t, err)
	_, section, _ := strings.Cut(string(text), "## Events\n")
	section, _, _ = strings.Cut(section, "## Counts of a core\n")
	described := map[string]bool{"line": true, "event": true, "tick": true}
	kinds := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z]+)` \\|(.*?)\\| ").FindAllStringSubmatch(section, -1) {
		kinds[row[1]] = true
		for _, field := range regexp.MustCompile("`([a-z0-9]+)`").FindAllStringSubmatch(row[2], -1) {
			described[field[1]] = true
		}
	}
	for _, kind := range []events.Kind{events.Start, events.Beat, events.Begin, events.Work, events.Overdue, events.Settled, events.Checkpoint, events.End} {
		require.True(t, kinds[string(kind)], "%s is not described", kind)
		delete(kinds, string(kind))
	}
	delete(kinds, "event") // the head of the table
	require.Empty(t, kinds, "described and unknown")
	delete(described, "work") // "as work"
	fields := reflect.TypeFor[events.Event]()
	for i := range fields.NumField() {
		name, _, _ := strings.Cut(fields.Field(i).Tag.Get("json"), ",")
		require.True(t, described[name], "%s is not described", name)
		delete(described, name)
	}
	require.Empty(t, described, "described and not read")
}
