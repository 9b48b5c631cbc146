package job

import (
	"fmt"
	"strings"
	"time"
)

// Mode is what a step does.
type Mode int

// The modes.
const (
	ModeInvalid Mode = iota
	Cold             // a new sandbox for every call: create, init and first call are records of their own
	Warm             // calls in a row
	Lukewarm         // K calls of other functions before every call
	Stressor         // Code and Data bytes walked on the function's core before every call
	Idle             // the function's core sleeps for Pause before every call
	Null             // warm calls of the empty function, to be subtracted from round trips
)

var modes = []string{"invalid", "cold", "warm", "lukewarm", "stressor", "idle", "null"}

// Then is what the agent does after a job.
type Then int

// What may follow a job.
const (
	ThenInvalid Then = iota
	Off              // switch the machine off
	Checkpoint       // ask the simulator for a checkpoint; what is restored from it reads its next job
)

var thens = []string{"invalid", "off", "checkpoint"}

// Kind is what a record tells of.
type Kind int

// The kinds of record.
const (
	KindInvalid Kind = iota
	Start            // the job was understood
	Create           // stage:create, the making of a sandbox
	Init             // stage:init, from its start until it accepts calls
	Call             // one invocation
	End              // the last record of a job
)

var kinds = []string{"invalid", "start", "create", "init", "call", "end"}

// Phase is what a call was for. Its value is the id of the call's work item.
type Phase int

// The phases.
const (
	PhaseInvalid Phase = iota
	Measured           // the invocation that was asked for
	Warming            // warm-up
	Interleaved        // another function's, to make a measured one lukewarm
)

var phases = []string{"invalid", "measured", "warm-up", "interleaved"}

// Status is how what a record tells of ended.
type Status int

// The statuses.
const (
	StatusInvalid Status = iota
	OK                   // for a call: the reply was checked and is right
	Failed               // Reason says why
)

var statuses = []string{"invalid", "ok", "failed"}

// String returns the word of the mode.
func (m Mode) String() string { return word(modes, int(m)) }

// MarshalText returns the word; the zero value has none.
func (m Mode) MarshalText() ([]byte, error) { return text(modes, int(m)) }

// UnmarshalText reads what String writes.
func (m *Mode) UnmarshalText(text []byte) error { return parse(modes, text, (*int)(m)) }

// String returns the word.
func (t Then) String() string { return word(thens, int(t)) }

// MarshalText returns the word; the zero value has none.
func (t Then) MarshalText() ([]byte, error) { return text(thens, int(t)) }

// UnmarshalText reads what String writes.
func (t *Then) UnmarshalText(text []byte) error { return parse(thens, text, (*int)(t)) }

// String returns the word of the kind.
func (k Kind) String() string { return word(kinds, int(k)) }

// MarshalText returns the word; the zero value has none.
func (k Kind) MarshalText() ([]byte, error) { return text(kinds, int(k)) }

// UnmarshalText reads what String writes.
func (k *Kind) UnmarshalText(text []byte) error { return parse(kinds, text, (*int)(k)) }

// String returns the word of the phase.
func (p Phase) String() string { return word(phases, int(p)) }

// MarshalText returns the word; the zero value has none.
func (p Phase) MarshalText() ([]byte, error) { return text(phases, int(p)) }

// UnmarshalText reads what String writes.
func (p *Phase) UnmarshalText(text []byte) error { return parse(phases, text, (*int)(p)) }

// String returns the word of the status.
func (s Status) String() string { return word(statuses, int(s)) }

// MarshalText returns the word; the zero value has none.
func (s Status) MarshalText() ([]byte, error) { return text(statuses, int(s)) }

// UnmarshalText reads what String writes.
func (s *Status) UnmarshalText(text []byte) error { return parse(statuses, text, (*int)(s)) }

func word(words []string, i int) string {
	if i < 0 || i >= len(words) {
		return fmt.Sprintf("%s (%d)", words[0], i)
	}
	return words[i]
}

func text(words []string, i int) ([]byte, error) {
	if i <= 0 || i >= len(words) {
		return nil, fmt.Errorf("%d is none of %s", i, strings.Join(words[1:], ", "))
	}
	return []byte(words[i]), nil
}

func parse(words []string, text []byte, into *int) error {
	for i, w := range words[1:] {
		if w == string(text) {
			*into = i + 1
			return nil
		}
	}
	return fmt.Errorf("%q is none of %s", text, strings.Join(words[1:], ", "))
}

// Duration is a time.Duration that travels as text: "1.5s".
type Duration time.Duration

// MarshalText returns the text.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads what time.ParseDuration reads.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q is no duration: write 30s or 5ms", text)
	}
	*d = Duration(parsed)
	return nil
}
