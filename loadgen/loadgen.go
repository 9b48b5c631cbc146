// Package loadgen says when invocations arrive, and, where a trace knows, how
// long each takes and how much memory it needs.
//
// Arrivals come as streams: one function's invocations in order of time, drawn
// one by one, so that a run of any length needs constant memory. A stream comes
// either from an arrival process (Process: constant, uniform, Poisson, MMPP,
// Pareto, bursts, sine), from In-Vitro's requests-per-second mode (RPS), or from
// a public trace (package trace). Package mapping joins the functions of a trace
// to functions that were measured.
//
// The package guarantees that a stream depends on nothing but its description,
// the seed and the function's name: one function's luck never depends on which
// others there are. It knows neither service times nor clusters.
package loadgen

import (
	"time"

	"microcosm/cosim/des"
)

// Arrival is one invocation as it reaches the cluster.
type Arrival struct {
	At        des.Time
	Duration  time.Duration // the trace's own duration; 0 where the service time is sampled
	MemoryMiB int           // the trace's own memory; 0 where it says nothing
}

// Stream yields the arrivals of one function in nondecreasing order of At. Next
// reports false when there are no more, and keeps doing so. A Stream is used by
// one goroutine at a time.
type Stream interface {
	Next() (Arrival, bool)
}

// Source opens streams: one for each replication, as often as wanted. Equal
// seeds give equal streams. A Source is safe for concurrent use.
type Source interface {
	Stream(seed uint64) Stream
}

// Function is one function of a workload and the source of its arrivals.
type Function struct {
	Name string // unique within the workload

	// Owner, App and Hash are the identifiers that a trace gives; empty for a
	// function that no trace knows.
	Owner, App, Hash string

	ExpectedInvocations float64       // over the horizon; a trace's counts, a process's mean
	MedianDuration      time.Duration // as the trace tells; 0 if unknown
	MedianMemoryMiB     float64       // as the trace tells; 0 if unknown

	Source
}

// Workload is a set of functions that are invoked until the horizon.
type Workload struct {
	Functions []Function
	Horizon   des.Time // every arrival is earlier
	Warnings  []string // what a reader left out or found odd, for people
}

// ExpectedInvocations returns the sum over all functions.
func (w Workload) ExpectedInvocations() float64 {
	sum := 0.0
	for _, f := range w.Functions {
		sum += f.ExpectedInvocations
	}
	return sum
}

// SourceFunc is a function that serves as a Source.
type SourceFunc func(seed uint64) Stream

// Stream calls f.
func (f SourceFunc) Stream(seed uint64) Stream { return f(seed) }
