package knative

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"microcosm/cosim/des"
)

// Header is the first line of a walk: the revision that is walked. See WALKS.md.
type Header struct {
	Settings             map[string]string `json:"settings,omitempty"`    // as in the ConfigMap
	Annotations          map[string]string `json:"annotations,omitempty"` // as on the revision's template
	ContainerConcurrency int               `json:"container-concurrency,omitempty"`
	Unreachable          bool              `json:"unreachable,omitempty"`
	Ready                int               `json:"ready,omitempty"` // pods when the autoscaler began
	Start                int64             `json:"start,omitempty"` // when it began, in nanoseconds
}

// Step is every further line: what was observed, and what is decided on it.
type Step struct {
	At    int64  `json:"at"`              // nanoseconds, never falling; since 1970 or any other instant on a whole second
	Stats []Stat `json:"stats,omitempty"` // recorded at this instant
	// Stable and Panic stand for the averages of the windows, where only those
	// are known.
	Stable *float64 `json:"stable,omitempty"`
	Panic  *float64 `json:"panic,omitempty"`
	Ready  int      `json:"ready"`            // pods
	Decide bool     `json:"decide,omitempty"` // whether the autoscaler is asked
	Want   *Answer  `json:"want,omitempty"`   // what it is known to answer
}

// Answer is what an autoscaler answers to a step.
type Answer struct {
	At      int64   `json:"at,omitempty"`
	Valid   bool    `json:"valid"` // false where there was nothing to decide on
	Stable  float64 `json:"stable"`
	Panic   float64 `json:"panic"`
	Desired int32   `json:"desired"`
	Excess  int32   `json:"excess"`
	Panics  bool    `json:"panics"`
}

// Difference is a decision that is not the one wanted.
type Difference struct {
	Line      int
	Got, Want Answer
}

// Error says what was decided where.
func (d *Difference) Error() string {
	return fmt.Sprintf("line %d: decided %+v, but the walk has %+v", d.Line, d.Got, d.Want)
}

// ErrWalk is what every complaint about the text of a walk wraps.
var ErrWalk = errors.New("not a walk")

// Replay walks the steps that it reads, and hands every decision to answer. It
// returns everything that is wrong: lines that are no steps (ErrWalk), and
// decisions that are not those wanted (*Difference).
func Replay(walk io.Reader, answer func(Answer) error) error {
	lines := bufio.NewScanner(walk)
	lines.Buffer(nil, 1<<20)
	r := replay{answer: answer}
	for n := 1; lines.Scan(); n++ {
		if text := bytes.TrimSpace(lines.Bytes()); len(text) > 0 {
			if err := r.line(n, text); err != nil {
				return err
			}
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%w: %w", ErrWalk, err)
	}
	if r.autoscaler == nil && len(r.wrong) == 0 {
		r.complain(1, errors.New("it is empty: the first line holds the settings, {} for Knative's defaults"))
	}
	return errors.Join(r.wrong...)
}

// replay is one walk on its way.
type replay struct {
	answer     func(Answer) error
	begun      bool
	collector  *Collector
	autoscaler *Autoscaler
	now        int64
	wrong      []error
}

func (r *replay) complain(line int, err error) {
	r.wrong = append(r.wrong, fmt.Errorf("line %d: %w: %w", line, ErrWalk, err))
}

// line reads one line; the error is that of whom the answer is handed to.
func (r *replay) line(n int, text []byte) error {
	if !r.begun {
		r.begun = true
		r.begin(n, text)
		return nil
	}
	var s Step
	if err := strictly(text, &s); err != nil {
		r.complain(n, err)
		return nil
	}
	if s.At < r.now {
		r.complain(n, fmt.Errorf("at %d lies before the step above, at %d", s.At, r.now))
		return nil
	}
	if (s.Stable == nil) != (s.Panic == nil) {
		r.complain(n, errors.New("stable and panic are given together, or not at all"))
		return nil
	}
	if r.autoscaler == nil {
		return nil // the header is wrong: only the texts are checked
	}
	r.now = s.At
	return r.step(n, s)
}

func (r *replay) begin(n int, text []byte) {
	var h Header
	if err := strictly(text, &h); err != nil {
		r.complain(n, fmt.Errorf("header: %w", err))
		return
	}
	settings, mistakes := ParseSettings(h.Settings)
	spec, more := Revision{Annotations: h.Annotations, ContainerConcurrency: h.ContainerConcurrency, Unreachable: h.Unreachable}.Resolve(settings)
	for _, m := range append(mistakes, more...) {
		r.complain(n, m)
	}
	if len(mistakes)+len(more) == 0 {
		r.collector, r.now = NewCollector(spec), h.Start
		r.autoscaler = NewAutoscaler(spec, des.Time(h.Start), h.Ready)
	}
}

func strictly(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if d.More() {
		return errors.New("more than one value on the line")
	}
	return nil
}

func (r *replay) step(n int, s Step) error {
	at := des.Time(s.At)
	for _, stat := range s.Stats {
		r.collector.Record(at, stat)
	}
	if !s.Decide {
		return nil
	}
	got := Answer{At: s.At}
	if s.Stable != nil {
		got.Stable, got.Panic, got.Valid = *s.Stable, *s.Panic, true
	} else {
		got.Stable, got.Panic, got.Valid = r.collector.Averages(at)
	}
	if got.Valid {
		d := r.autoscaler.Decide(at, Observed{Ready: s.Ready, Stable: got.Stable, Panic: got.Panic})
		got.Desired, got.Excess, got.Panics = d.Desired, d.Excess, d.Panic
	}
	if s.Want != nil {
		want := *s.Want
		want.At = s.At
		if got != want {
			r.wrong = append(r.wrong, &Difference{Line: n, Got: got, Want: want})
		}
	}
	return r.answer(got)
}
