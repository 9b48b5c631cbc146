package bridgetest

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/servicetime"
	"microcosm/gem5bridge"
	"microcosm/gem5bridge/process"
)

// patience is how long the suite waits for something that must happen.
const patience = 2 * time.Minute

// Subject is a plugin under test and work that it can do.
type Subject struct {
	Config gem5bridge.Config
	// Job has at least two cells, none of which needs long, and a deadline that
	// every invocation keeps.
	Job gem5bridge.Job
	// Unsupported are conditions that the plugin cannot produce.
	Unsupported []servicetime.Condition
	// Flood says that the first cell takes a few milliseconds a sample at most,
	// so that the plugin can be seen to outrun its reader.
	Flood bool
}

// Run holds a plugin to the contract of gem5bridge.Backend. It calls subject
// once per case; the cases run in parallel unless the plugin cannot.
func Run(t *testing.T, subject func(t *testing.T) Subject) {
	t.Helper()
	cases := []struct {
		name string
		run  func(*testing.T, *bench)
	}{
		{"describes itself", describesItself},
		{"every sample is whole and every cell complete", samplesAreWhole},
		{"the order of asking is irrelevant", orderIsIrrelevant},
		{"a job with mistakes is refused with all of them", allMistakesAtOnce},
		{"a condition it cannot produce is refused", refusesUnsupported},
		{"an invocation that misses its deadline is censored", censorsAtDeadline},
		{"a loop broken off leaves nothing running", breakingOff},
		{"a cancelled job leaves nothing running", cancelling},
		{"closing in the middle of a job", closingMidway},
		{"killed in the middle of a job", killedMidway},
		{"its host killed in the middle of a job", hostKilledMidway},
		{"a reader that does not read holds it back", holdsBack},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { c.run(t, newBench(t, subject(t))) })
	}
}

// bench is a subject set up for one case.
type bench struct {
	Subject
	mark string // environment entry of everything the case starts
}

func newBench(t *testing.T, s Subject) *bench {
	require.GreaterOrEqual(t, len(s.Job.Cells), 2, "the subject's job needs two cells")
	b := &bench{Subject: s, mark: fmt.Sprintf("BRIDGETEST_CASE=%d %s", os.Getpid(), t.Name())}
	b.Config.Env = append(slices.Clone(s.Config.Env), b.mark)
	return b
}

// connect starts the plugin for as long as the case runs.
func (b *bench) connect(t *testing.T) *gem5bridge.Simulator {
	t.Helper()
	return Connect(t, b.Config)
}

// traces is what leads to everything a plugin has started.
type traces struct {
	session int
	run     string // environment entry
}

// traces looks for the running plugin of the case.
func (b *bench) traces(t *testing.T) traces {
	t.Helper()
	var leaders []process.Stray
	require.Eventually(t, func() bool {
		leaders = process.Find(func(p process.Stray) bool { return p.Session == p.PID && p.HasEnv(b.mark) })
		return len(leaders) == 1
	}, patience, time.Millisecond, "want one plugin that leads a session")
	run, marked := leaders[0].Env(gem5bridge.RunVariable)
	require.True(t, marked, "the plugin is not marked")
	return traces{session: leaders[0].PID, run: gem5bridge.RunVariable + "=" + run}
}

// left returns the processes of the plugin that run, itself included.
func (tr traces) left() []process.Stray {
	return process.Find(func(p process.Stray) bool { return p.Session == tr.session || p.HasEnv(tr.run) })
}

// requireIdle waits until of the plugin nothing but itself runs.
func (tr traces) requireIdle(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		left := tr.left()
		return len(left) == 1 && left[0].PID == tr.session
	}, patience, 10*time.Millisecond, "the plugin alone should be running")
}

// requireGone waits until nothing of the plugin runs.
func (tr traces) requireGone(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool { return len(tr.left()) == 0 }, patience, 10*time.Millisecond, "processes are left behind")
}

// longJob is a job that cannot end before it is interrupted.
func (b *bench) longJob() gem5bridge.Job {
	job := b.Job
	cell := job.Cells[0]
	cell.Count = 1 << 20
	job.Cells = []gem5bridge.Cell{cell}
	return job
}

// collect runs a job to its end.
func collect(t *testing.T, s *gem5bridge.Simulator, job gem5bridge.Job) ([]servicetime.Sample, error) {
	t.Helper()
	var samples []servicetime.Sample
	for sample, err := range s.Sample(t.Context(), job, nil) {
		if err != nil {
			return samples, err
		}
		samples = append(samples, sample)
	}
	return samples, nil
}

// Leaves returns the errors that were joined into err, in order.
func Leaves(err error) []error {
	for e := err; e != nil; {
		switch wrapper := e.(type) { //nolint:errorlint // the walk itself
		case interface{ Unwrap() []error }:
			var all []error
			for _, joined := range wrapper.Unwrap() {
				all = append(all, Leaves(joined)...)
			}
			return all
		case interface{ Unwrap() error }:
			if _, isFailure := e.(*gem5bridge.Failure); isFailure { //nolint:errorlint // the walk itself
				return []error{e}
			}
			e = wrapper.Unwrap()
		default:
			return []error{e}
		}
	}
	return nil
}

func cellOf(s servicetime.Sample) string {
	return strings.Join([]string{s.Key.Function, s.Key.Input, s.Key.Condition.String()}, " ")
}

func nameOf(c gem5bridge.Cell) string {
	return strings.Join([]string{c.Function, c.Input, c.Condition.String()}, " ")
}
