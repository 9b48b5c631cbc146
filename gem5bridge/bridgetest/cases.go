package bridgetest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/servicetime"
	"microcosm/gem5bridge"
)

func describesItself(t *testing.T, b *bench) {
	s := b.connect(t)
	d, err := s.Describe(t.Context(), b.Job.Setup)
	require.NoError(t, err)
	require.NotEmpty(t, d.Backend)
	require.NotEmpty(t, d.Version)
	require.NotEmpty(t, d.Stack)
	require.NotEmpty(t, d.Conditions)
	require.NotEmpty(t, d.Platforms)
	for _, p := range d.Platforms {
		require.NotEmpty(t, p.Name)
		require.NotEmpty(t, p.Digest)
		require.Contains(t, []string{"amd64", "arm64", "riscv64"}, p.ISA)
	}
	for _, c := range b.Unsupported {
		require.NotContains(t, d.Conditions, c.Kind)
	}
	again, err := s.Describe(t.Context(), b.Job.Setup)
	require.NoError(t, err)
	require.Equal(t, d, again)
}

func samplesAreWhole(t *testing.T, b *bench) {
	s := b.connect(t)
	d, err := s.Describe(t.Context(), b.Job.Setup)
	require.NoError(t, err)
	progress := map[int]gem5bridge.Progress{}
	numbers, valid := map[string][]int{}, map[string]int{}
	for sample, err := range s.Sample(t.Context(), b.Job, func(p gem5bridge.Progress) { progress[p.Cell] = p }) {
		require.NoError(t, err)
		requireWhole(t, b.Job, d, sample)
		numbers[cellOf(sample)] = append(numbers[cellOf(sample)], sample.N)
		if sample.Status == servicetime.Valid {
			valid[cellOf(sample)]++
		}
	}
	for i, cell := range b.Job.Cells {
		require.Equal(t, cell.Count, valid[nameOf(cell)], "valid samples of %s", cell)
		require.Equal(t, cell.Count, progress[i].Done, "progress of %s", cell)
		require.Equal(t, cell.Count, progress[i].Of, "progress of %s", cell)
		got := numbers[nameOf(cell)]
		slices.Sort(got)
		for j, n := range got {
			require.Equal(t, cell.First+j, n, "numbers of %s count from %d without a gap: %v", cell, cell.First, got)
		}
	}
	require.Len(t, numbers, len(b.Job.Cells), "samples of other cells: %v", slices.Sorted(maps.Keys(numbers)))
}

func requireWhole(t *testing.T, job gem5bridge.Job, d gem5bridge.Description, sample servicetime.Sample) {
	t.Helper()
	require.NoError(t, sample.Check())
	require.Equal(t, gem5bridge.Seed(job.Seed, sample.Key, sample.N), sample.Seed)
	require.Equal(t, d.Stack, sample.Key.Stack)
	platform := slices.IndexFunc(d.Platforms, func(p gem5bridge.Platform) bool { return p.Name == sample.Key.Platform })
	require.GreaterOrEqual(t, platform, 0, "platform %q was not described", sample.Key.Platform)
	require.Equal(t, d.Platforms[platform].Digest, sample.Key.PlatformDigest)
	if sample.Status == servicetime.Valid {
		if !isStage(sample) {
			require.LessOrEqual(t, sample.RoundTrip, servicetime.TicksOf(job.Deadline))
		}
		require.LessOrEqual(t, sample.Busy, sample.Service(), "%s", sample.Key)
		require.Positive(t, sample.Busy)
	}
	p := sample.Provenance
	require.Equal(t, d.Backend, p.Backend)
	require.NotEmpty(t, p.SimulatorDigest)
	require.NotEmpty(t, p.Boot)
	require.NotEmpty(t, p.Restore)
	require.NotEmpty(t, p.Host)
	require.False(t, p.Measured.IsZero())
	require.Equal(t, p.Measured.UTC().Truncate(time.Second), p.Measured)
}

// isStage says that a sample is of no invocation, which has no deadline.
func isStage(s servicetime.Sample) bool {
	return s.Key.Condition.Kind == servicetime.StageCreate || s.Key.Condition.Kind == servicetime.StageInit
}

// orderIsIrrelevant asks for the cells the other way round: whatever is sampled
// in both jobs has the same key and the same seed.
func orderIsIrrelevant(t *testing.T, b *bench) {
	s := b.connect(t)
	seeds := map[string]map[int]uint64{}
	first, err := collect(t, s, b.Job)
	require.NoError(t, err)
	for _, sample := range first {
		digest := sample.Key.Digest()
		if seeds[digest] == nil {
			seeds[digest] = map[int]uint64{}
		}
		seeds[digest][sample.N] = sample.Seed
	}
	job := b.Job
	job.Cells = slices.Clone(b.Job.Cells)
	slices.Reverse(job.Cells)
	second, err := collect(t, s, job)
	require.NoError(t, err)
	for _, sample := range second {
		known := seeds[sample.Key.Digest()]
		require.NotNil(t, known, "the key of %s has changed", sample.Key)
		if seed, both := known[sample.N]; both {
			require.Equal(t, seed, sample.Seed, "%s sample %d", sample.Key, sample.N)
		}
	}
}

func allMistakesAtOnce(t *testing.T, b *bench) {
	s := b.connect(t)
	job := b.Job
	job.Deadline = 0
	job.Slots = -1
	job.Platform = "no-such-platform"
	good := job.Cells[0]
	unknown, none, negative, shapeless := good, good, good, good
	unknown.Function = "no-such-function"
	none.Count = 0
	negative.First = -1
	shapeless.Condition = servicetime.Condition{}
	job.Cells = []gem5bridge.Cell{unknown, none, negative, shapeless}
	samples, err := collect(t, s, job)
	require.Empty(t, samples)
	require.ErrorIs(t, err, gem5bridge.ErrInvalidJob)
	for _, mistake := range []string{
		"deadline", "slots", `"no-such-platform"`, `"no-such-function"`, "cell 1", "0 samples", "cell 2", "first sample -1", "given twice", "cell 3", "no such condition",
	} {
		require.ErrorContains(t, err, mistake)
	}
	for _, leaf := range Leaves(err) {
		require.ErrorIs(t, leaf, gem5bridge.ErrInvalidJob)
	}

	job.Cells = nil
	_, err = collect(t, s, job)
	require.ErrorContains(t, err, "no cells")
}

func refusesUnsupported(t *testing.T, b *bench) {
	s := b.connect(t)
	for _, condition := range b.Unsupported {
		job := b.Job
		bad := job.Cells[0]
		bad.Condition = condition
		job.Cells = []gem5bridge.Cell{job.Cells[1], bad}
		samples, err := collect(t, s, job)
		require.Empty(t, samples, "nothing is measured before a job is refused")
		require.ErrorIs(t, err, gem5bridge.ErrUnsupported)
		var failure *gem5bridge.Failure
		require.ErrorAs(t, err, &failure)
		require.Equal(t, condition, failure.Condition)
		require.Equal(t, bad.Function, failure.Function)
	}
}

func censorsAtDeadline(t *testing.T, b *bench) {
	s := b.connect(t)
	job := b.Job
	job.Deadline = time.Nanosecond
	samples, err := collect(t, s, job)
	require.ErrorIs(t, err, gem5bridge.ErrDeadline)
	samples = slices.DeleteFunc(samples, isStage)
	require.NotEmpty(t, samples, "a censored invocation is a sample too")
	for _, sample := range samples {
		require.Equal(t, servicetime.Censored, sample.Status)
		require.GreaterOrEqual(t, sample.RoundTrip, servicetime.TicksOf(job.Deadline))
		require.Contains(t, sample.Reason, "deadline")
	}
}

func breakingOff(t *testing.T, b *bench) {
	s := b.connect(t)
	tr := b.traces(t)
	for _, err := range s.Sample(t.Context(), b.longJob(), nil) {
		require.NoError(t, err)
		break
	}
	tr.requireIdle(t)
	samples, err := collect(t, s, b.Job)
	require.NoError(t, err, "the plugin is good for another job")
	require.NotEmpty(t, samples)
}

func cancelling(t *testing.T, b *bench) {
	s := b.connect(t)
	tr := b.traces(t)
	reason := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	var last error
	for _, err := range s.Sample(ctx, b.longJob(), nil) {
		cancel(reason)
		last = err
	}
	require.ErrorIs(t, last, gem5bridge.ErrCancelled)
	require.ErrorIs(t, last, reason)
	tr.requireIdle(t)
}

func closingMidway(t *testing.T, b *bench) {
	s := b.connect(t)
	tr := b.traces(t)
	var last error
	for _, err := range s.Sample(t.Context(), b.longJob(), nil) {
		require.NoError(t, s.Close())
		last = err
	}
	require.ErrorIs(t, last, os.ErrClosed)
	require.Empty(t, tr.left(), "Close returns when nothing is left")
	require.NoError(t, s.Close())
	_, err := s.Describe(t.Context(), b.Job.Setup)
	require.ErrorIs(t, err, os.ErrClosed)
}

// killedMidway kills the plugin while it works: what it had sent before is there,
// and a typed error follows.
func killedMidway(t *testing.T, b *bench) {
	s := b.connect(t)
	tr := b.traces(t)
	job := b.longJob()
	var samples []servicetime.Sample
	var last error
	for sample, err := range s.Sample(t.Context(), job, nil) {
		if err != nil {
			last = err
			break
		}
		samples = append(samples, sample)
		if len(samples) == 3 {
			require.NoError(t, syscall.Kill(tr.session, syscall.SIGKILL))
		}
	}
	require.ErrorIs(t, last, gem5bridge.ErrPluginDied)
	var died *gem5bridge.PluginDiedError
	require.ErrorAs(t, last, &died)
	require.Equal(t, syscall.SIGKILL, died.State.Sys().(syscall.WaitStatus).Signal())
	require.GreaterOrEqual(t, len(samples), 3)
	for _, sample := range samples {
		require.NoError(t, sample.Check())
	}
	tr.requireGone(t)
	_, err := s.Describe(t.Context(), job.Setup)
	require.ErrorIs(t, err, gem5bridge.ErrPluginDied, "and it stays dead")
}

// hostKilledMidway lets another process be the host and kills it without
// warning: the plugin and everything below it end with the host.
func hostKilledMidway(t *testing.T, b *bench) {
	work, err := json.Marshal(hostWork{Command: b.Config.Command, Env: b.Config.Env, Job: b.longJob()})
	require.NoError(t, err)
	// A killed host cannot remove its socket. The path must be short for one.
	sockets, err := os.MkdirTemp("", "bridgetest")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(sockets)) })
	host := exec.Command(os.Args[0])
	host.Env = append(os.Environ(), "TMPDIR="+sockets, roleVariable+"="+hostRole, workVariable+"="+string(work))
	out, err := host.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, host.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, line, "<nil>", "the host's first sample")
	tr := b.traces(t)

	require.NoError(t, host.Process.Kill())
	require.Error(t, host.Wait())
	tr.requireGone(t)
}
