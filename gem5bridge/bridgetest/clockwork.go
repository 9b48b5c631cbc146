package bridgetest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"microcosm/cosim/servicetime"
	"microcosm/gem5bridge"
	"microcosm/gem5bridge/process"
)

// Clockwork is a back end that measures nothing: the times it reports are
// computed. For each function of a job it keeps one idle process, so that there
// is something to leave behind. It serves the functions alpha and beta with the
// input class default on the platform clockwork.
type Clockwork struct{}

// clockworkTime is how long an invocation of a clockwork function takes.
const clockworkTime = time.Millisecond

var (
	clockworkFunctions  = []string{"alpha", "beta"}
	clockworkConditions = []servicetime.Kind{servicetime.Cold, servicetime.Warm, servicetime.Lukewarm}
	clockworkPlatform   = gem5bridge.Platform{Name: "clockwork", Digest: "sha256:c10c", ISA: runtime.GOARCH, Parameters: map[string]string{"springs": "1"}}
)

const clockworkStack = "sha256:57ac"

// ClockworkSubject is Clockwork as a subject of the suite, served by the plugin
// of the given name.
func ClockworkSubject(plugin string) Subject {
	warm := servicetime.Condition{Kind: servicetime.Warm}
	return Subject{
		Config: Plugin(plugin),
		Job: gem5bridge.Job{
			Cells: []gem5bridge.Cell{
				{Function: "alpha", Input: "default", Condition: warm, Count: 3},
				{Function: "beta", Input: "default", Condition: servicetime.LukewarmAfter(4), Count: 4},
				{Function: "beta", Input: "default", Condition: servicetime.Condition{Kind: servicetime.Cold}, First: 5, Count: 2},
			},
			Mix:      gem5bridge.Mix{Name: servicetime.CatalogMix, Functions: clockworkFunctions},
			Seed:     7,
			Deadline: time.Second,
		},
		Unsupported: []servicetime.Condition{{Kind: servicetime.Flush}, {Kind: servicetime.StageCreate}},
		Flood:       true,
	}
}

// Describe implements gem5bridge.Backend.
func (Clockwork) Describe(context.Context, gem5bridge.Setup) (gem5bridge.Description, error) {
	return gem5bridge.Description{
		Backend:    "clockwork",
		Version:    "1",
		Stack:      clockworkStack,
		Platforms:  []gem5bridge.Platform{clockworkPlatform},
		Conditions: clockworkConditions,
		Notes:      []string{"nothing is measured"},
	}, nil
}

// Sample implements gem5bridge.Backend.
func (Clockwork) Sample(ctx context.Context, job gem5bridge.Job, emit func(gem5bridge.Event) error) error {
	if err := checkClockwork(job); err != nil {
		return err
	}
	running := map[string]*process.Process{}
	defer func() {
		for _, p := range running {
			p.Stop(0)
		}
	}()
	for _, cell := range job.Cells {
		if running[cell.Function] == nil {
			p, err := process.Start(process.Spec{Args: []string{"/bin/sleep", "1000"}})
			if err != nil {
				return &gem5bridge.Failure{Kind: gem5bridge.ErrNotReady, Function: cell.Function, Text: err.Error()}
			}
			running[cell.Function] = p
		}
	}
	for i, cell := range job.Cells {
		if err := sampleClockwork(ctx, job, i, cell, emit); err != nil {
			return err
		}
	}
	return nil
}

func checkClockwork(job gem5bridge.Job) error {
	mistakes := []error{job.Check()}
	if job.Platform != "" && job.Platform != clockworkPlatform.Name {
		mistakes = append(mistakes, gem5bridge.Mistake("platform %q: want %q", job.Platform, clockworkPlatform.Name))
	}
	for _, cell := range job.Cells {
		if cell.Function != "" && !slices.Contains(clockworkFunctions, cell.Function) {
			mistakes = append(mistakes, gem5bridge.Mistake("function %q: want one of %v", cell.Function, clockworkFunctions))
		}
		kind := cell.Condition.Kind
		if kind != servicetime.Invalid && !slices.Contains(clockworkConditions, kind) {
			mistakes = append(mistakes, &gem5bridge.Failure{
				Kind: gem5bridge.ErrUnsupported, Function: cell.Function, Input: cell.Input, Condition: cell.Condition,
				Text: fmt.Sprintf("want one of %v", clockworkConditions),
			})
		}
	}
	return errors.Join(mistakes...)
}

func sampleClockwork(ctx context.Context, job gem5bridge.Job, index int, cell gem5bridge.Cell, emit func(gem5bridge.Event) error) error {
	for n := cell.First; n < cell.First+cell.Count; n++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		sample := clockworkSample(job, cell, n)
		if clockworkTime > job.Deadline {
			sample.Status, sample.Reason = servicetime.Censored, "deadline"
			sample.RoundTrip = servicetime.TicksOf(job.Deadline)
		}
		if err := tally(job.WorkDir); err != nil {
			return err
		}
		if err := emit(gem5bridge.Event{Sample: &sample}); err != nil {
			return err
		}
		if sample.Status == servicetime.Censored {
			return &gem5bridge.Failure{Kind: gem5bridge.ErrDeadline, Function: cell.Function, Input: cell.Input, Condition: cell.Condition, Text: "an invocation takes 1ms"}
		}
		progress := gem5bridge.Progress{Cell: index, Done: n + 1 - cell.First, Of: cell.Count, Phase: "measure"}
		if err := emit(gem5bridge.Event{Progress: &progress}); err != nil {
			return err
		}
	}
	return nil
}

func clockworkSample(job gem5bridge.Job, cell gem5bridge.Cell, n int) servicetime.Sample {
	key := servicetime.Key{
		Function:       cell.Function,
		Image:          "sha256:" + cell.Function,
		Input:          cell.Input,
		Platform:       clockworkPlatform.Name,
		PlatformDigest: clockworkPlatform.Digest,
		Condition:      cell.Condition,
		Stack:          clockworkStack,
	}
	return servicetime.Sample{
		Key:       key,
		N:         n,
		Seed:      gem5bridge.Seed(job.Seed, key, n),
		Status:    servicetime.Valid,
		RoundTrip: servicetime.TicksOf(clockworkTime),
		Busy:      servicetime.TicksOf(clockworkTime / 2),
		Counters:  map[string]int64{servicetime.CounterCycles: int64(n)},
		Provenance: servicetime.Provenance{
			Backend: "clockwork", SimulatorDigest: "sha256:51", Boot: "1", Restore: "1", Host: "here",
			Measured: time.Unix(1e9, 0).UTC(),
		},
	}
}

// tallyFile is as many bytes long as samples were emitted.
const tallyFile = "emitted"

// tally counts a sample where the test can see it, if there is such a place.
func tally(dir string) error {
	if dir == "" {
		return nil
	}
	f, err := os.OpenFile(filepath.Join(dir, tallyFile), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(".")
	return errors.Join(err, f.Close())
}

// Tally returns how many samples Clockwork has emitted, or was about to, in jobs
// whose WorkDir is dir.
func Tally(dir string) int {
	info, err := os.Stat(filepath.Join(dir, tallyFile))
	if err != nil {
		return 0
	}
	return int(info.Size())
}
