package job

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"time"

	"microcosm/cosim/servicetime"
	"microcosm/images/guest/strict"
)

// Format is the number of the format that this package reads and writes.
const Format = 1

// Job is what a guest is to do: its steps one after the other.
type Job struct {
	Format    int       `json:"format"`
	ID        string    `json:"id"`   // repeated in every record
	Seed      uint64    `json:"seed"` // of the inputs and of who interleaves
	Steps     []Step    `json:"steps"`
	Deadlines Deadlines `json:"deadlines,omitzero"`
	Then      Then      `json:"then"`
}

// Step measures one function in one mode.
type Step struct {
	Mode     Mode   `json:"mode"`
	Function string `json:"function,omitempty"` // Null may leave it out
	Input    string `json:"input,omitempty"`    // input class; empty: default
	Count    int    `json:"count"`              // measured invocations
	// First is the number of the step's first call, warm-up included: which
	// inputs are drawn, so that two restores of one checkpoint can ask differently.
	First      int      `json:"first,omitempty"`
	Warmup     int      `json:"warmup,omitempty"`     // calls before the first measured one; Lukewarm wants some
	MarkWarmup bool     `json:"markWarmup,omitempty"` // work items around warm-up calls, too
	K          int      `json:"k,omitempty"`          // Lukewarm
	Mix        Mix      `json:"mix,omitzero"`         // Lukewarm
	Code       int64    `json:"code,omitempty"`       // Stressor: bytes
	Data       int64    `json:"data,omitempty"`       // Stressor: bytes
	Pause      Duration `json:"pause,omitzero"`       // Idle
}

// Mix is who interleaves: a seeded draw over functions other than the measured.
type Mix struct {
	Name      string   `json:"name"`
	Functions []Target `json:"functions"`
}

// Target is a function with an input class.
type Target struct {
	Function string `json:"function"`
	Input    string `json:"input,omitempty"`
}

// Deadlines bound, in the guest's time, what may hang. Zero: the default.
type Deadlines struct {
	Create Duration `json:"create,omitzero"`
	Ready  Duration `json:"ready,omitzero"`
	Call   Duration `json:"call,omitzero"`
}

// Defaults of Deadlines, wide enough for Python in QEMU's emulation.
const (
	DefaultCreate = 30 * time.Second
	DefaultReady  = 2 * time.Minute
	DefaultCall   = 30 * time.Second
)

// Bounds of a job, far above what can be simulated.
const (
	MaxBytes    = 1 << 20 // of the text
	maxSteps    = 1000
	maxCount    = 1_000_000
	maxStressor = 1 << 30
)

// Parse reads a job and completes its defaults. The error joins every mistake.
// White space around the job is ignored, since a disk has whole sectors only.
func Parse(text []byte) (Job, error) {
	if len(text) > MaxBytes {
		return Job{}, fmt.Errorf("read the job: longer than %d bytes", MaxBytes)
	}
	var j Job
	if err := strict.Unmarshal(text, &j); err != nil {
		return Job{}, fmt.Errorf("read the job: %w", err)
	}
	if err := j.Check(); err != nil {
		return Job{}, fmt.Errorf("read the job: %w", err)
	}
	j.complete()
	return j, nil
}

// Marshal returns the job as text, or what is wrong with it.
func Marshal(j Job) ([]byte, error) {
	if err := j.Check(); err != nil {
		return nil, fmt.Errorf("write the job: %w", err)
	}
	return json.Marshal(j)
}

func (j *Job) complete() {
	for _, d := range []struct {
		at    *Duration
		usual time.Duration
	}{{&j.Deadlines.Create, DefaultCreate}, {&j.Deadlines.Ready, DefaultReady}, {&j.Deadlines.Call, DefaultCall}} {
		if *d.at == 0 {
			*d.at = Duration(d.usual)
		}
	}
	for i := range j.Steps {
		s := &j.Steps[i]
		if s.Mode == Null && s.Function == "" {
			s.Function = servicetime.NullFunction
		}
		inputs := []*string{&s.Input}
		for k := range s.Mix.Functions {
			inputs = append(inputs, &s.Mix.Functions[k].Input)
		}
		for _, input := range inputs {
			if *input == "" {
				*input = defaultInput
			}
		}
	}
}

// defaultInput is functions.DefaultClass, which every function has. Who only
// reads records shall not need the catalog.
const defaultInput = "default"

// Condition is the word by which a measured call of the step is stored.
func (s *Step) Condition() servicetime.Condition {
	switch s.Mode {
	case Cold:
		return servicetime.Condition{Kind: servicetime.Cold}
	case Lukewarm:
		return servicetime.Condition{Kind: servicetime.Lukewarm, K: s.K, Mix: s.Mix.Name}
	case Stressor:
		return servicetime.Condition{Kind: servicetime.Stressor, Bytes: s.Code + s.Data}
	case Warm, Idle, Null: // a core that slept ran nothing else
		return servicetime.Condition{Kind: servicetime.Warm}
	}
	return servicetime.Condition{}
}

// name is what jobs, functions, input classes and mixes may be called.
var name = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

// Check returns every mistake of the job.
func (j *Job) Check() error {
	var mistakes []error
	want := func(ok bool, format string, args ...any) {
		if !ok {
			mistakes = append(mistakes, fmt.Errorf(format, args...))
		}
	}
	want(j.Format == Format, "format: want %d, got %d", Format, j.Format)
	want(name.MatchString(j.ID), "id: %q is no name: letters, digits, . _ -, at most 100", j.ID)
	want(len(j.Steps) > 0 && len(j.Steps) <= maxSteps, "steps: want 1 to %d, got %d", maxSteps, len(j.Steps))
	want(j.Then == Off || j.Then == Checkpoint, "then: want off or checkpoint")
	want(j.Deadlines.Create >= 0 && j.Deadlines.Ready >= 0 && j.Deadlines.Call >= 0, "deadlines: none may be negative")
	for i := range j.Steps {
		at := fmt.Sprintf("steps[%d]", i)
		j.Steps[i].check(func(ok bool, format string, args ...any) {
			want(ok, "%s: %s", at, fmt.Sprintf(format, args...))
		})
	}
	return errors.Join(mistakes...)
}

func (s *Step) check(want func(ok bool, format string, args ...any)) {
	want(s.Mode > ModeInvalid && int(s.Mode) < len(modes), "mode: want one of cold, warm, lukewarm, stressor, idle, null")
	want(s.Mode == Null && s.Function == "" || name.MatchString(s.Function), "function: %q is no name", s.Function)
	want(s.Mode != Null || s.Function == "" || s.Function == servicetime.NullFunction, "function: a null step calls %q only", servicetime.NullFunction)
	want(s.Input == "" || name.MatchString(s.Input), "input: %q is no name", s.Input)
	want(s.Count >= 0 && s.Count <= maxCount, "count: want 0 to %d, got %d", maxCount, s.Count)
	want(s.Warmup >= 0 && s.Warmup <= maxCount, "warmup: want 0 to %d, got %d", maxCount, s.Warmup)
	want(s.Count+s.Warmup > 0, "count: nothing is called: give count or warmup")
	want(s.First >= 0 && s.First <= maxCount, "first: want 0 to %d, got %d", maxCount, s.First)
	want(s.Mode != Cold || s.Warmup == 0, "warmup: a cold call has none")

	luke := s.Mode == Lukewarm
	want(!luke || s.Warmup >= 1, "warmup: lukewarm wants 1 or more, since k counts from the sandbox's last call")
	want(luke == (s.K >= 1 && s.K <= maxCount), "k: lukewarm wants 1 to %d, the other modes none", maxCount)
	want(luke == name.MatchString(s.Mix.Name), "mix.name: lukewarm wants a name, the other modes none")
	want(luke == (len(s.Mix.Functions) > 0), "mix.functions: lukewarm wants some, the other modes none")
	others := false
	for i, t := range s.Mix.Functions {
		want(name.MatchString(t.Function), "mix.functions[%d].function: %q is no name", i, t.Function)
		want(t.Input == "" || name.MatchString(t.Input), "mix.functions[%d].input: %q is no name", i, t.Input)
		others = others || t.Function != s.Function
	}
	want(!luke || others, "mix.functions: none is another function than %q", s.Function)

	want(s.Code >= 0 && s.Data >= 0 && s.Code <= maxStressor && s.Data <= maxStressor, "code, data: want 0 to %d bytes", maxStressor)
	want((s.Mode == Stressor) == (s.Code+s.Data > 0), "code, data: stressor wants bytes, the other modes none")
	want((s.Mode == Idle) == (s.Pause > 0) && s.Pause >= 0, "pause: idle wants one, the other modes none")
}
