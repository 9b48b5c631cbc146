// Package events reads what a run of gem5 tells of itself: the file events.jsonl of
// gem5bridge/gem5/FORMAT.md.
//
// A file is believed whole or not at all: a gap, a negative count, a time that
// runs backwards, a repeated or overlapping work item or a missing end is an
// error, and what came before it is returned for what it is worth.
package events

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"microcosm/cosim/servicetime"
)

// Format is the number of the format that this package reads and writes.
const Format = 1

// Name is the file's name in a run's output directory.
const Name = "events.jsonl"

// Kind is what an event tells of.
type Kind string

// The kinds of event.
const (
	Start      Kind = "start"      // the machine is built; the first
	Beat       Kind = "beat"       // a sign of life
	Begin      Kind = "begin"      // a work item begins
	Work       Kind = "work"       // a finished work item
	Overdue    Kind = "overdue"    // a work item that took longer than it may; the run ends
	Settled    Kind = "settled"    // the work items that follow count
	Checkpoint Kind = "checkpoint" // a checkpoint is in its place
	End        Kind = "end"        // the last
)

// Why a run ended, as End has it. Others are gem5's own words.
const (
	CauseExit       = "exit"       // the guest switched itself off
	CauseFail       = "fail"       // the guest says that it failed
	CauseCheckpoint = "checkpoint" // the checkpoint that was wanted is taken
	CauseEnough     = "enough"     // the work items that were wanted are done
	CauseOverdue    = "overdue"
	CauseLimit      = "limit" // the run's own
	CauseInterrupt  = "interrupt"
)

// Counters are counts by name.
type Counters map[string]int64

// Event is one line. Which fields it has depends on its kind.
type Event struct {
	Line int               `json:"line"`
	Kind Kind              `json:"event"`
	Tick servicetime.Ticks `json:"tick"`

	// Start
	Format int               `json:"format,omitempty"`
	Gem5   string            `json:"gem5,omitempty"` // version
	ISA    string            `json:"isa,omitempty"`
	Mode   string            `json:"mode,omitempty"`
	Period servicetime.Ticks `json:"period,omitempty"` // of the cores' clock

	// Beat, End
	Instructions []int64 `json:"instructions,omitempty"` // committed since the start, by core
	Works        int     `json:"works,omitempty"`        // work items finished; Settled, too

	// Work, Overdue
	ID     int               `json:"id,omitempty"`
	N      int               `json:"n,omitempty"` // of the work item, from 0
	Begin  servicetime.Ticks `json:"begin,omitempty"`
	Until  servicetime.Ticks `json:"end,omitempty"`
	Cores  []Counters        `json:"cores,omitempty"`
	Shared Counters          `json:"shared,omitempty"`

	// End, Settled
	Cause string `json:"cause,omitempty"`
	Code  int    `json:"code,omitempty"`
}

// Run is what a whole file tells.
type Run struct {
	Start      Event
	Works      []Event // in order
	Overdue    *Event  // nil unless a work item was
	Open       *Event  // the Begin of a work item that did not end
	Settled    *Event  // nil if it never did; Settled.Works do not count
	Checkpoint bool
	End        Event
	Last       Event // of any kind
}

// ErrTruncated is the error of a file without its end.
var ErrTruncated = errors.New("the events have no end")

// maxLine bounds one event.
const maxLine = 1 << 20

// Read reads a file. With an error comes all that was right before it.
func Read(r io.Reader) (Run, error) {
	var run Run
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	n := 0
	for ; lines.Scan(); n++ {
		e, err := parse(lines.Bytes())
		if err == nil {
			err = run.add(n, e)
		}
		if err != nil {
			return run, fmt.Errorf("events, line %d: %w", n, err)
		}
	}
	if err := lines.Err(); err != nil {
		return run, fmt.Errorf("read events: %w", err)
	}
	if run.Last.Kind != End {
		return run, fmt.Errorf("%w: %d lines came", ErrTruncated, n)
	}
	return run, nil
}

func parse(line []byte) (Event, error) {
	var e Event
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&e); err != nil {
		return Event{}, fmt.Errorf("%.80q: %w", line, err)
	}
	if d.More() {
		return Event{}, fmt.Errorf("%.80q: more than one event", line)
	}
	return e, nil
}

// add checks that e can come next and takes it in.
func (r *Run) add(n int, e Event) error {
	switch {
	case e.Line != n:
		return fmt.Errorf("line %d came", e.Line)
	case r.Last.Kind == End:
		return fmt.Errorf("%s came after the end", e.Kind)
	case e.Tick < r.Last.Tick:
		return fmt.Errorf("time runs backwards, from tick %d to %d", r.Last.Tick, e.Tick)
	case (n == 0) != (e.Kind == Start):
		return fmt.Errorf("%s: the first event, and no other, is start", e.Kind)
	}
	if err := r.take(e); err != nil {
		return fmt.Errorf("%s: %w", e.Kind, err)
	}
	r.Last = e
	return nil
}

func (r *Run) take(e Event) error {
	switch e.Kind {
	case Start:
		r.Start = e
		return e.checkStart()
	case Beat:
		return e.checkBeat(len(r.Works))
	case Begin:
		if r.Open != nil {
			return errors.New("the item before has not ended")
		}
		r.Open = &e
	case Work, Overdue:
		if err := e.checkWork(r); err != nil {
			return err
		}
		r.Open = nil
		if e.Kind == Overdue {
			r.Overdue = &e
		} else {
			r.Works = append(r.Works, e)
		}
	case Settled:
		if r.Settled != nil {
			return errors.New("settled twice")
		}
		r.Settled = &e
		return e.checkBeat(len(r.Works))
	case Checkpoint:
		if r.Checkpoint {
			return errors.New("taken twice")
		}
		r.Checkpoint = true
	case End:
		r.End = e
		if e.Cause == "" {
			return errors.New("it names no cause")
		}
		if e.Works != len(r.Works) {
			return fmt.Errorf("it tells of %d work items, %d came", e.Works, len(r.Works))
		}
	default:
		return errors.New("unknown kind of event")
	}
	return nil
}

func (e Event) checkStart() error {
	switch {
	case e.Format != Format:
		return fmt.Errorf("format %d: want %d", e.Format, Format)
	case e.Gem5 == "" || e.ISA == "" || e.Mode == "":
		return errors.New("version, ISA or mode is missing")
	case e.Period <= 0:
		return fmt.Errorf("a clock's period of %d ticks", e.Period)
	}
	return nil
}

func (e Event) checkBeat(works int) error {
	for core, n := range e.Instructions {
		if n < 0 {
			return fmt.Errorf("core %d committed %d instructions", core, n)
		}
	}
	if e.Works != works {
		return fmt.Errorf("it tells of %d work items, %d came", e.Works, works)
	}
	return nil
}

func (e Event) checkWork(r *Run) error {
	var previous servicetime.Ticks
	if n := len(r.Works); n > 0 {
		previous = r.Works[n-1].Until
	}
	switch {
	case r.Overdue != nil:
		return errors.New("it came after one that was overdue")
	case e.N != len(r.Works):
		return fmt.Errorf("work item %d came where %d is due", e.N, len(r.Works))
	case e.Begin < previous || e.Until < e.Begin || e.Until > e.Tick:
		return fmt.Errorf("it lasts from tick %d to %d, told at %d, the one before until %d", e.Begin, e.Until, e.Tick, previous)
	case len(e.Cores) != cores:
		return fmt.Errorf("it counts on %d cores, there are %d", len(e.Cores), cores)
	}
	for core, counters := range append([]Counters{e.Shared}, e.Cores...) {
		for name, n := range counters {
			if n < 0 {
				return fmt.Errorf("%s of core %d is %d", name, core-1, n)
			}
		}
	}
	span := e.Until - e.Begin
	for core, c := range e.Cores {
		// A cycle may have begun before the first tick and end after the last.
		const slack = 2
		if cycles := servicetime.Ticks(c[Cycles]); cycles-slack > span/r.Start.Period {
			return fmt.Errorf("core %d was busy for %d cycles in %d ticks", core, cycles, span)
		}
	}
	return nil
}

// cores is how many there are: the client's and the function's.
const (
	cores        = 2
	ClientCore   = 0
	FunctionCore = 1
)

// How it settled: Settled's cause.
const (
	SettledByTest = "test"
	SettledByCap  = "cap"   // it had to, after as many items as were allowed
	SettledAsked  = "asked" // the first item counts
)

// Names of counters of a core. More may come.
const (
	Cycles       = "cycles"       // not asleep
	Instructions = "instructions" // committed
)
