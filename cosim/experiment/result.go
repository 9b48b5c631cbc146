package experiment

import (
	"encoding/json"
	"fmt"

	"microcosm/cosim/cluster"
	"microcosm/cosim/metrics"
)

// Schema names the layout of Result's JSON.
const Schema = "microcosm.result/1"

// Result is what a scenario yields: a pure function of scenario, seed and
// sample set. Wall time, host and dates stand elsewhere, so that equal inputs
// give equal bytes.
type Result struct {
	Schema       string   `json:"schema"`
	Name         string   `json:"name"`
	Scenario     string   `json:"scenario"` // digest of the sections that are a result's identity
	Seed         uint64   `json:"seed"`
	Samples      []string `json:"samples"` // what answered for service times, e.g. "recorded@3f2a…", "given", "trace"
	Replications int      `json:"replications"`
	Confidence   float64  `json:"confidence"` // level of every interval, e.g. 0.95
	Factors      []Factor `json:"factors,omitempty"`
	Runs         []Run    `json:"runs"` // one, or one per combination of the factors' levels
	Effects      []Effect `json:"effects,omitempty"`
	Notes        []string `json:"notes,omitempty"` // what a reader must know to trust the numbers
}

// Factor is what is varied, as in the design of experiments.
type Factor struct {
	Name   string   `json:"name"`
	Set    string   `json:"set"` // the scenario's key, e.g. "cluster.load-balancing"
	Levels []string `json:"levels"`
}

// Run is one combination of levels, over all replications.
type Run struct {
	Name        string          `json:"name"`
	Levels      []string        `json:"levels,omitempty"` // one per factor
	Unstable    string          `json:"unstable,omitempty"`
	Terminating bool            `json:"terminating,omitempty"` // a trace: ends by itself
	Account     cluster.Account `json:"account"`
	Metrics     []Metric        `json:"metrics"`
	Functions   []Marginal      `json:"functions"`
	Nodes       []Marginal      `json:"nodes,omitempty"`
	Conditions  []Marginal      `json:"conditions,omitempty"`
	Workflows   []Marginal      `json:"workflows,omitempty"` // whole flows
	Steps       []Marginal      `json:"steps,omitempty"`     // of workflows
	Starts      []Marginal      `json:"starts,omitempty"`    // cold starts by stage; an invocation is a sandbox here
	Curves      []Curve         `json:"curves"`
	Timeline    Timeline        `json:"timeline"`
	// Resampling says how the uncertainty of measured service times was carried
	// into the estimates; nil where none is measured.
	Resampling *Resampling `json:"resampling,omitempty"`
	// Replicated holds what comparisons of runs are made from.
	Replicated []Replicated `json:"replicated"`
}

// Replicated is one number of every replication, and of every resample of the
// measured service times.
type Replicated struct {
	Metric    string             `json:"metric"`
	Unit      string             `json:"unit"`
	Values    []float64          `json:"values"` // by replication
	Resampled *metrics.Resampled `json:"resampled,omitempty"`
}

// Resampling says how the samples' uncertainty was carried into a run.
type Resampling struct {
	Resamples     int         `json:"resamples"`
	UnstableShare float64     `json:"unstable_share"`   // of the resamples: the queue has no steady state under them
	Invocations   int64       `json:"invocations"`      // recorded under each
	Matter        []CellShare `json:"matter,omitempty"` // whose samples matter most for the p99 of the response time
}

// CellShare is the share of a variance that comes from the samples of one cell.
type CellShare struct {
	Cell    string  `json:"cell"`
	Samples int     `json:"samples"`
	Share   float64 `json:"share"`
}

// Parts splits the uncertainty of a number by where it comes from.
type Parts struct {
	Queue    metrics.Estimate `json:"queue"`    // noise of the queue, for these very samples
	Sampling metrics.Estimate `json:"sampling"` // of the measured service times
	// Interpolation is what the error of interpolating between measured conditions
	// may do; nil where nothing is interpolated, or none of it can be off.
	Interpolation *metrics.Estimate `json:"interpolation,omitempty"`
	// Band is what the simulator that measured may be off the hardware: stated
	// by the scenario, estimated by nobody, and in no other interval. Nil where
	// real hardware was measured.
	Band *Band `json:"band,omitempty"`
}

// Band is a stated interval.
type Band struct {
	Relative float64 `json:"relative"`
	Lo       float64 `json:"lo"`
	Hi       float64 `json:"hi"`
}

// Metric is one number of the report.
type Metric struct {
	Name string `json:"name"` // e.g. "response_p99", "utilization"
	Unit string `json:"unit"` // "s" or "" for a ratio or a count
	// Estimate holds the noise of the queue and, where Parts is not nil, the
	// uncertainty of the measured service times.
	Estimate metrics.Estimate `json:"estimate"`
	Parts    *Parts           `json:"parts,omitempty"`
}

// Marginal is what one function, node or condition saw.
type Marginal struct {
	Name        string           `json:"name"`
	Invocations int64            `json:"invocations"` // recorded, over all replications
	Share       metrics.Estimate `json:"share"`       // of the recorded invocations
	Metrics     []Metric         `json:"metrics"`
	Conditions  []Part           `json:"conditions,omitempty"` // of a function: how often it ran in each
}

// Part is a share of something.
type Part struct {
	Name  string           `json:"name"`
	Share metrics.Estimate `json:"share"`
}

// Curve is a cumulative distribution of one of the three times over all
// replications, for plotting.
type Curve struct {
	Name   string  `json:"name"` // "response", "waiting" or "service"
	Points []Point `json:"points"`
}

// Point says that the share P of the invocations took at most X seconds.
type Point struct {
	X float64 `json:"x"`
	P float64 `json:"p"`
}

// Timeline holds means over the replications and over equal parts of the run.
type Timeline struct {
	Width     float64   `json:"width_s"`
	InSystem  []float64 `json:"in_system"`
	BusyCores []float64 `json:"busy_cores"`
	Sandboxes []float64 `json:"sandboxes"`
	Cores     int       `json:"cores"`
}

// Effect is a contrast between runs under common random numbers: a difference,
// or a difference of differences.
type Effect struct {
	Name     string           `json:"name"`    // for people
	Formula  string           `json:"formula"` // in the names of the runs
	Metric   string           `json:"metric"`
	Unit     string           `json:"unit"`
	Estimate metrics.Estimate `json:"estimate"`
	Parts    *Parts           `json:"parts,omitempty"`
}

// Find returns the metric of that name.
func (r *Run) Find(name string) (Metric, bool) {
	for _, m := range r.Metrics {
		if m.Name == name {
			return m, true
		}
	}
	return Metric{}, false
}

// JSON returns the result as indented JSON that ends in a newline: the bytes
// that are equal for equal inputs.
func (r *Result) JSON() ([]byte, error) {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode result: %w", err)
	}
	return append(text, '\n'), nil
}

// ParseResult reads what JSON wrote.
func ParseResult(text []byte) (*Result, error) {
	var r Result
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("not a result of cosim run: %w", err)
	}
	if r.Schema != Schema {
		return nil, fmt.Errorf("result has schema %q, this version reads %q: run the scenario again", r.Schema, Schema)
	}
	return &r, nil
}
