// Package trace reads public traces of serverless platforms into workloads, and
// writes any workload as a fully resolved trace.
//
// It reads the Azure Functions traces of 2019 (counts per minute with duration
// and memory percentiles; Shahrad et al., "Serverless in the Wild", 2020) and of
// 2021 (one row per invocation; Zhang et al., "Faster and Cheaper Serverless
// Computing on Harvested Resources", 2021), both in the layout of In-Vitro
// (Ustiugov et al., "Enabling In-Vitro Serverless Systems Research", 2023), and
// In-Vitro's own iatN.json files, which it also writes. Files may be compressed
// with gzip.
//
// What In-Vitro draws, the package draws from the same laws, but each function
// has random streams of its own for arrivals, durations and memory. Files are
// read once; streams are then opened without touching them again. Every mistake
// in a file is reported with its line and column, up to fifty at a time.
package trace

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"microcosm/loadgen"
)

// Format is the layout of a trace.
type Format uint8

// The formats of a trace.
const (
	InvalidFormat Format = iota
	Azure2019            // a directory with invocations.csv, durations.csv and memory.csv
	Azure2021            // a file with the columns app, func, end_timestamp, duration
	IATFiles             // a directory with iat0.json, iat1.json, …, or one such file
)

var formatWords = [...]string{"invalid", "azure2019", "azure2021", "iat"}

// String returns the word of the format.
func (f Format) String() string { return word(formatWords[:], int(f)) }

// ParseFormat reads what String writes, in any case, except "invalid".
func ParseFormat(text string) (Format, error) {
	i, err := parseWord("trace format", formatWords[:], text)
	return Format(i), err
}

// MarshalText returns the word of the format.
func (f Format) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText is ParseFormat.
func (f *Format) UnmarshalText(text []byte) (err error) {
	*f, err = ParseFormat(string(text))
	return err
}

// Granularity is the time that one count of an Azure 2019 trace covers.
type Granularity uint8

// The granularities of an Azure 2019 trace.
const (
	InvalidGranularity Granularity = iota
	Minute                         // as published
	Second                         // In-Vitro's finer variant
)

var granularityWords = [...]string{"invalid", "minute", "second"}

// String returns the word of the granularity.
func (g Granularity) String() string { return word(granularityWords[:], int(g)) }

// ParseGranularity reads what String writes, in any case, except "invalid".
func ParseGranularity(text string) (Granularity, error) {
	i, err := parseWord("granularity", granularityWords[:], text)
	return Granularity(i), err
}

// MarshalText returns the word of the granularity.
func (g Granularity) MarshalText() ([]byte, error) { return []byte(g.String()), nil }

// UnmarshalText is ParseGranularity.
func (g *Granularity) UnmarshalText(text []byte) (err error) {
	*g, err = ParseGranularity(string(text))
	return err
}

// slot returns the time that one count covers.
func (g Granularity) slot() time.Duration {
	if g == Second {
		return time.Second
	}
	return time.Minute
}

// Options say what part of a trace is used, and how. Start from Defaults.
type Options struct {
	// Start and Length cut a window out of the trace; its start becomes the
	// beginning of time. Start counts from the file's first slot, or from time 0
	// of rows with times. Length 0 reaches to the trace's end.
	Start, Length time.Duration

	IAT         IAT         // Azure 2019: where arrivals lie within a slot
	Granularity Granularity // Azure 2019: the time that one count covers
	Scale       float64     // Azure 2019: factor on all counts; the mean is exact

	// SkipIncomplete leaves out functions of an Azure 2019 trace that lack
	// durations or memory, with a warning, instead of refusing the trace.
	SkipIncomplete bool

	// AllowEqualStarts accepts that two invocations of one function of an Azure
	// 2021 trace start in the same microsecond, which In-Vitro refuses.
	AllowEqualStarts bool
}

// Defaults returns the options for the whole trace as In-Vitro plays it unless
// told otherwise: exponential gaps without shift, counts per minute, unscaled.
func Defaults() Options {
	return Options{IAT: IAT{Law: Exponential}, Granularity: Minute, Scale: 1}
}

// Validate reports every mistake at once, each a *loadgen.FieldError, joined.
func (o Options) Validate() error {
	var list []error
	check := func(ok bool, field, format string, args ...any) {
		if !ok {
			list = append(list, &loadgen.FieldError{Field: field, Problem: fmt.Sprintf(format, args...)})
		}
	}
	check(o.Start >= 0, "start", "is %v; want 0 or more", o.Start)
	check(o.Length >= 0, "length", "is %v; want more than 0, or 0 for all", o.Length)
	check(o.IAT.Law > InvalidLaw && o.IAT.Law <= Equidistant, "iat", "want one of %s", strings.Join(lawWords[1:], ", "))
	check(o.Granularity == Minute || o.Granularity == Second, "granularity", "want minute or second")
	check(o.Scale > 0 && o.Scale <= 1e6, "scale", "is %v; want a factor above 0, at most 1e6", o.Scale)
	return errors.Join(list...)
}

// Read reads the trace at path. The error joins all mistakes found.
func Read(format Format, path string, o Options) (loadgen.Workload, error) {
	if err := o.Validate(); err != nil {
		return loadgen.Workload{}, err
	}
	switch format {
	case Azure2019:
		return readAzure2019(path, o)
	case Azure2021:
		return readAzure2021(path, o)
	case IATFiles:
		return readIAT(path, o)
	default:
		return loadgen.Workload{}, fmt.Errorf("trace format: want one of %s", strings.Join(formatWords[1:], ", "))
	}
}

func word(words []string, i int) string {
	if i < len(words) {
		return words[i]
	}
	return words[0]
}

func parseWord(what string, words []string, text string) (int, error) {
	for i, w := range words[1:] {
		if strings.EqualFold(w, text) {
			return i + 1, nil
		}
	}
	return 0, fmt.Errorf("%s %q: want one of %s", what, text, strings.Join(words[1:], ", "))
}
