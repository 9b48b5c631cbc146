package gem5bridge

import (
	"context"
	"log/slog"
	"time"

	"microcosm/cosim/servicetime"
)

// Backend measures invocations. It is what a plugin implements.
type Backend interface {
	// Describe says what can be measured under setup. It measures nothing.
	Describe(ctx context.Context, setup Setup) (Description, error)

	// Sample measures the job's cells and emits every sample as soon as it is
	// measured, valid or not. It returns when every cell has its valid samples
	// or has been given up, with every failure joined; a job with mistakes is
	// refused with all of them before anything is measured. emit blocks while the
	// reader is behind and may be called from several goroutines; once it
	// returns an error, the job is over. No process of the job runs when Sample
	// returns, nor long after ctx is done. Serve calls Sample once at a time.
	Sample(ctx context.Context, job Job, emit func(Event) error) error
}

// Description is what a plugin can measure.
type Description struct {
	Backend   string // "host", "gem5"
	Version   string // of the back end or of its simulator
	Stack     string // digest of kernel, root file system and simulator version
	Platforms []Platform
	// Images are the digests of the images of the functions that can be measured,
	// by name. Nil: what is installed in Setup.Functions is.
	Images     map[string]string
	Conditions []servicetime.Kind // kinds that can be measured
	Notes      []string           // what a reader of the samples must know
}

// Platform is one platform of a plugin.
type Platform struct {
	Name       string
	Digest     string // of the parameters, overrides applied
	ISA        string // as GOARCH has it: "amd64", "arm64"
	Parameters map[string]string
}

// Event is what a back end has to say while it samples: exactly one of the
// fields is set.
type Event struct {
	Sample   *servicetime.Sample
	Progress *Progress
	Log      *Log
}

// WholeJob is the Progress.Cell of what concerns no single cell.
const WholeJob = -1

// Progress is how far a cell is, with the three heartbeats of a detailed run: of
// the simulator (ticks against host CPU time), of the simulated cores
// (instructions) and of the work (items). What a back end does not count is 0.
type Progress struct {
	Cell         int    // index in Job.Cells, or WholeJob
	Done         int    // valid samples so far
	Of           int    // valid samples wanted
	Run          string // id of the detailed run; may be empty
	Phase        string // "boot", "calibrate", "warm-up", "measure"; empty: alive
	Ticks        servicetime.Ticks
	Instructions int64
	WorkItems    int64
	HostCPU      time.Duration
}

// Log is one record of a back end's log.
type Log struct {
	Level      slog.Level
	Message    string
	Attributes map[string]string
}
