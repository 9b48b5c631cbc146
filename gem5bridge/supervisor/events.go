package supervisor

import (
	"encoding/json"
	"fmt"

	"microcosm/cosim/servicetime"
)

// events is what a simulator says of itself, a JSON object a line (FORMAT.md).
// Only what shows progress is read, and whether the lines are in order.
type events struct {
	file         tailFile
	lines        int64
	ended        bool
	tick         servicetime.Ticks
	instructions int64
	items        int64 // work events
	counted      int64 // items by the last beat
	works        int64 // the larger of both
	lastWork     servicetime.Ticks
	damage       error // the first line that cannot be
}

// event holds the fields of all events that matter here.
type event struct {
	Line         *int64            `json:"line"`
	Event        string            `json:"event"`
	Tick         servicetime.Ticks `json:"tick"`
	Instructions []int64           `json:"instructions"` // of a beat: committed by each core
	Works        int64             `json:"works"`        // of a beat or the end: items done
}

func (e *events) read() {
	e.file.lines(func(line []byte) {
		if e.damage == nil {
			e.damage = e.take(line)
		}
	})
}

// take takes in one line.
func (e *events) take(line []byte) error {
	var is event
	if err := json.Unmarshal(line, &is); err != nil {
		return fmt.Errorf("event %d is damaged: %w: %.80q", e.lines, err, line)
	}
	switch {
	case is.Line == nil || *is.Line != e.lines:
		return fmt.Errorf("event %d is out of order: %.80q", e.lines, line)
	case e.ended:
		return fmt.Errorf("event %d comes after the end: %.80q", e.lines, line)
	case is.Tick < e.tick:
		return fmt.Errorf("event %d goes back in time, from tick %d: %.80q", e.lines, e.tick, line)
	}
	e.lines++
	e.tick = is.Tick
	switch is.Event {
	case "work":
		e.items++
		e.works, e.lastWork = max(e.works, e.items), is.Tick
	case "beat":
		return e.beat(is, line)
	case "end":
		e.ended = true
	}
	return nil
}

// whole returns why the events of a simulator that ended well are not all there.
func (e *events) whole() error {
	if e.damage != nil {
		return e.damage
	}
	if !e.ended || len(e.file.partial) > 0 {
		return fmt.Errorf("the events break off after line %d: the last must be an end", e.lines-1)
	}
	return nil
}

// beat takes in the counts of a heartbeat, none of which may fall.
func (e *events) beat(is event, line []byte) error {
	var sum int64
	for _, n := range is.Instructions {
		sum += n
	}
	if sum < e.instructions || is.Works < e.counted {
		return fmt.Errorf("event %d counts backwards: %.80q", e.lines-1, line)
	}
	e.instructions, e.counted, e.works = sum, is.Works, max(e.works, is.Works)
	return nil
}
