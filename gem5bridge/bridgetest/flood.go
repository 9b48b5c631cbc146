package bridgetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// holdsBack reads one sample and then none until the plugin and all below it
// have stopped working; when the reader goes on, no sample is missing.
func holdsBack(t *testing.T, b *bench) {
	if !b.Flood {
		t.Skip("this plugin cannot outrun a reader in reasonable time")
	}
	s := b.connect(t)
	tr := b.traces(t)
	job := b.longJob()
	const wanted = 1500 // more than can be on the way
	next := job.Cells[0].First
	for sample, err := range s.Sample(t.Context(), job, nil) {
		require.NoError(t, err)
		require.Equal(t, next, sample.N)
		if next == job.Cells[0].First {
			tr.requireStill(t)
		}
		next++
		if next == job.Cells[0].First+wanted {
			break
		}
	}
	require.Equal(t, job.Cells[0].First+wanted, next)
}

// requireStill waits until the plugin and all below it have used no CPU time
// worth mentioning for a while.
func (tr traces) requireStill(t *testing.T) {
	t.Helper()
	const still, tolerance = 10, 10 * time.Millisecond // looks in a row, and the clock's grain
	quiet, last := 0, time.Duration(-1)
	require.Eventually(t, func() bool {
		var used time.Duration
		for _, p := range tr.left() {
			used += p.CPU
		}
		if last >= 0 && used-last <= tolerance {
			quiet++
		} else {
			quiet = 0
		}
		last = used
		return quiet >= still
	}, patience, 50*time.Millisecond, "the plugin works on though nobody reads")
}
