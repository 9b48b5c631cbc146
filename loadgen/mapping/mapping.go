// Package mapping joins the functions of a trace to functions that were
// measured, so that a trace says when invocations arrive and a measurement what
// the microarchitecture does to them.
//
// The join comes from a file of In-Vitro's mapper (ReadTable), or is made here
// by the mapper's rule: the measured function nearest in median memory and
// duration, unless its duration is off by more than a limit (Nearest). What
// cannot be joined is counted, with the reason, never guessed.
package mapping

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"microcosm/loadgen"
)

// Match says which measured function stands for a function of the workload.
type Match struct {
	Function    string  // name within the workload
	Invocations float64 // expected, of the workload's function

	Proxy     string // full name of the measured one, e.g. "fibonacci-go-10-10"
	Measured  string // its name in the catalog, "fibonacci-go"; empty if unmapped
	Arguments string // the rest of its full name, "10-10"; may be empty

	Error  float64 // relative difference of the median durations; 0 from a table
	Reason string  // why it is unmapped; empty if it is mapped
}

// Mapping is the join of a workload.
type Mapping struct {
	Matches []Match // one for each function, in their order
	Unused  int     // entries of the table for which there is no function
}

// UnmappedShare returns the share of expected invocations whose function is
// unmapped; 0 for a workload without invocations.
func (m Mapping) UnmappedShare() float64 {
	unmapped, all := 0., 0.
	for _, match := range m.Matches {
		all += match.Invocations
		if match.Measured == "" {
			unmapped += match.Invocations
		}
	}
	if all == 0 {
		return 0
	}
	return unmapped / all
}

// Resolve splits the full name of a measured function, "<name>-<arguments>",
// into the name, the longest in the catalog that fits, and the arguments.
func Resolve(proxy string, catalog []string) (name, arguments string, found bool) {
	for _, candidate := range catalog {
		rest, fits := strings.CutPrefix(proxy, candidate)
		if !fits || found && len(candidate) <= len(name) {
			continue
		}
		if rest == "" || strings.HasPrefix(rest, "-") {
			name, arguments, found = candidate, strings.TrimPrefix(rest, "-"), true
		}
	}
	return name, arguments, found
}

// standIn is what In-Vitro's mapper writes where no measured function is near.
const standIn = "trace-func-go"

// Join maps each function by the table's entry for it: under its hash, owner and
// application in one string, under its hash, or under its name in the workload.
// Only measured functions that the catalog names count.
func (t Table) Join(functions []loadgen.Function, catalog []string) Mapping {
	m := Mapping{Unused: len(t)}
	used := map[string]bool{}
	for _, f := range functions {
		match := Match{Function: f.Name, Invocations: f.ExpectedInvocations, Reason: "the mapping has no entry for it"}
		for _, key := range []string{f.Hash + f.Owner + f.App, f.Hash, f.Name} {
			proxy, found := t[key]
			if !found || key == "" {
				continue
			}
			if !used[key] {
				used[key] = true
				m.Unused--
			}
			match.Proxy, match.Reason = proxy, ""
			match.resolve(catalog)
			break
		}
		m.Matches = append(m.Matches, match)
	}
	return m
}

func (m *Match) resolve(catalog []string) {
	var found bool
	switch m.Measured, m.Arguments, found = Resolve(m.Proxy, catalog); {
	case found:
	case m.Proxy == standIn:
		m.Reason = "In-Vitro's mapper found no measured function near it"
	default:
		m.Reason = fmt.Sprintf("the catalog has no function %s", m.Proxy)
	}
}

// Profile is what is known of a measured function.
type Profile struct {
	Name           string // full name, with arguments
	MedianDuration time.Duration
	MedianMemory   float64 // MiB
}

// DefaultLimit is the largest relative error of the median duration that
// In-Vitro's mapper accepts.
const DefaultLimit = 0.4

// Nearest maps each function to the profile whose median memory and duration are
// nearest on logarithmic axes, the first of equals. It leaves a function unmapped
// where the durations then differ by more than limit, relative to the trace's.
// Only profiles of functions that the catalog names count.
func Nearest(functions []loadgen.Function, profiles []Profile, catalog []string, limit float64) Mapping {
	profiles = slices.DeleteFunc(slices.Clone(profiles), func(p Profile) bool {
		_, _, found := Resolve(p.Name, catalog)
		return !found
	})
	var m Mapping
	for _, f := range functions {
		m.Matches = append(m.Matches, nearest(f, profiles, catalog, limit))
	}
	return m
}

func nearest(f loadgen.Function, profiles []Profile, catalog []string, limit float64) Match {
	match := Match{Function: f.Name, Invocations: f.ExpectedInvocations}
	switch {
	case len(profiles) == 0:
		match.Reason = "no profile is of a function in the catalog"
		return match
	case f.MedianDuration == 0 || f.MedianMemoryMiB == 0:
		match.Reason = "the trace gives it no median duration or memory"
		return match
	}
	best, distance := profiles[0], math.Inf(1)
	for _, p := range profiles {
		memory := math.Log(f.MedianMemoryMiB / p.MedianMemory)
		duration := math.Log(float64(f.MedianDuration) / float64(p.MedianDuration))
		if d := math.Hypot(memory, duration); d < distance {
			best, distance = p, d
		}
	}
	match.Proxy = best.Name
	match.Error = math.Abs(float64(f.MedianDuration-best.MedianDuration)) / float64(f.MedianDuration)
	if !(match.Error <= limit) {
		match.Reason = fmt.Sprintf("the nearest, %s, takes %v, not %v: %.0f %% off, more than %.0f %%", best.Name, best.MedianDuration, f.MedianDuration, 100*match.Error, 100*limit)
		return match
	}
	match.resolve(catalog)
	return match
}
