package servicetime

import (
	"errors"
	"fmt"
)

// ErrNotSampled says that a service time was asked for which no sample, and no
// pair of samples around it, answers.
var ErrNotSampled = errors.New("not sampled")

// NotSampledError is ErrNotSampled with what is missing and the command that
// would measure it.
type NotSampledError struct {
	Request   Request
	Condition Condition // the condition that would answer
	Detail    string    // what the store holds instead; may be empty
}

// Error names the missing measurement and the command that makes it.
func (e *NotSampledError) Error() string {
	text := fmt.Sprintf("%s/%s %s on %s: %v", e.Request.Function, e.Request.Input, e.Condition, e.Request.Platform, ErrNotSampled)
	if e.Detail != "" {
		text += " (" + e.Detail + ")"
	}
	return text + "; measure it with: " + e.Command()
}

// Command returns the command line that measures what is missing.
func (e *NotSampledError) Command() string {
	command := fmt.Sprintf("cosim sample --platform %s --functions %s --conditions %s", e.Request.Platform, e.Request.Function, e.Condition)
	if e.Request.Input != "default" {
		command += " --input " + e.Request.Input
	}
	return command
}

// Unwrap makes errors.Is(err, ErrNotSampled) true.
func (e *NotSampledError) Unwrap() error { return ErrNotSampled }
