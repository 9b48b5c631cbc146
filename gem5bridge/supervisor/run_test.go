package supervisor_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/gem5bridge/job"
	"microcosm/gem5bridge/supervisor"
)

// never matches no line.
var never = regexp.MustCompile(`\z.`)

func TestAJobThatCannotBeStarted(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	_, err := b.Run(t.Context(), supervisor.Spec{Folder: filepath.Join(t.TempDir(), "absent")})
	require.ErrorContains(t, err, "no program given")
	require.ErrorContains(t, err, "is no folder")
	_, err = b.Run(t.Context(), supervisor.Spec{What: "gem5", Args: []string{"/nonexistent/gem5"}, Folder: t.TempDir()})
	require.ErrorIs(t, err, os.ErrNotExist)
	records, err := b.jobs.List()
	require.NoError(t, err)
	require.Empty(t, records)
}

func TestAJobThatMustBeAloneIs(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var running, together atomic.Int32
	done := make(chan error)
	for i := range 4 {
		spec := standIn(t, "works")
		spec.Alone = i == 0
		entered := false
		spec.Observe = func(job.Progress) {
			if !entered {
				entered = true
				running.Add(1)
			}
			if spec.Alone && running.Load() > 1 {
				together.Add(1)
			}
		}
		spec.Check = func() error { running.Add(-1); return nil }
		go func() {
			_, err := b.Run(t.Context(), spec)
			done <- err
		}()
	}
	for range 4 {
		require.NoError(t, <-done)
	}
	require.Zero(t, together.Load())
}

func TestWaitingToBeAloneEndsWithTheContext(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	reason := errors.New("enough")
	cancel(reason)
	spec := standIn(t, "works")
	spec.Alone = true
	_, err := b.Run(ctx, spec)
	require.ErrorIs(t, err, reason)
}
