package gem5bridge

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"microcosm/cosim/servicetime"
)

// What may go wrong, told by errors.Is. The first group is the work's fault and
// comes as *Failure, the second is the plugin's.
var (
	ErrInvalidJob   = errors.New("invalid job")             // the job has mistakes; all are reported
	ErrUnsupported  = errors.New("unsupported condition")   // the back end cannot produce the condition
	ErrNotReady     = errors.New("function not ready")      // it did not come up
	ErrWrongReply   = errors.New("wrong reply")             // it answered something else
	ErrFunctionDied = errors.New("function died")           // it ended during an invocation
	ErrDeadline     = errors.New("invocation deadline hit") // it took longer than the job allows
	ErrCancelled    = errors.New("cancelled")               // the caller's context ended; its cause is wrapped too

	ErrPluginDied   = errors.New("plugin died")                   // as *PluginDiedError
	ErrPluginSilent = errors.New("plugin is silent")              // no sign of life for too long; it was ended
	ErrProtocol     = errors.New("plugin broke the protocol")     // it is no plugin, or a faulty one
	ErrVersion      = errors.New("plugin speaks another version") // as *VersionError
)

// Failure is one thing that went wrong in a job.
type Failure struct {
	Kind      error // ErrInvalidJob … ErrCancelled, or nil for what has no kind
	Function  string
	Input     string
	Condition servicetime.Condition // its Kind is Invalid where no cell is concerned
	Text      string                // what happened, and what to do next
}

// Mistake returns a *Failure of kind ErrInvalidJob.
func Mistake(format string, args ...any) error {
	return &Failure{Kind: ErrInvalidJob, Text: fmt.Sprintf(format, args...)}
}

// Error names the cell, the kind and the text.
func (f *Failure) Error() string {
	var parts []string
	if f.Condition.Kind != servicetime.Invalid {
		parts = append(parts, Cell{Function: f.Function, Input: f.Input, Condition: f.Condition}.String())
	} else if f.Function != "" {
		parts = append(parts, f.Function)
	}
	if f.Kind != nil {
		parts = append(parts, f.Kind.Error())
	}
	if f.Text != "" {
		parts = append(parts, f.Text)
	}
	return strings.Join(parts, ": ")
}

// Unwrap makes errors.Is tell the kind.
func (f *Failure) Unwrap() error { return f.Kind }

// PluginDiedError is ErrPluginDied with how the plugin ended.
type PluginDiedError struct {
	State  *os.ProcessState
	Stderr []string // its last lines, the oldest first
}

// Error tells how the plugin ended and what it said last.
func (e *PluginDiedError) Error() string {
	text := fmt.Sprintf("%v: %v", ErrPluginDied, e.State)
	if len(e.Stderr) > 0 {
		text += "; its last words: " + strings.Join(e.Stderr, " | ")
	}
	return text
}

// Unwrap makes errors.Is(err, ErrPluginDied) true.
func (e *PluginDiedError) Unwrap() error { return ErrPluginDied }

// VersionError is ErrVersion with both sides' versions of the protocol.
type VersionError struct {
	Plugin int
	Host   []int
}

// Error names the versions and who is the older one.
func (e *VersionError) Error() string {
	older := "cosim"
	if !slices.ContainsFunc(e.Host, func(host int) bool { return host < e.Plugin }) {
		older = "the plugin"
	}
	return fmt.Sprintf("%v: it speaks protocol %d, cosim speaks %v; rebuild %s", ErrVersion, e.Plugin, e.Host, older)
}

// Unwrap makes errors.Is(err, ErrVersion) true.
func (e *VersionError) Unwrap() error { return ErrVersion }
