package recorded_test

import (
	"bytes"
	"io/fs"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/results"
	"microcosm/results/recorded"
	"microcosm/results/samplefile"
)

// TestRecordedFilesAreSound holds for no files as for many.
func TestRecordedFilesAreSound(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	folder, err := recorded.FS()
	require.NoError(t, err)
	samples, err := samplefile.ReadFolder(folder, "samples")
	require.NoError(t, err)
	label, err := recorded.Label()
	require.NoError(t, err)
	require.Equal(t, len(samples) == 0, label == "")

	store, err := results.Open(ctx, filepath.Join(t.TempDir(), "store.db"), results.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	for range 2 {
		ensured, err := recorded.Ensure(ctx, store)
		require.NoError(t, err)
		require.Equal(t, label, ensured)
	}
	keys, err := store.Keys(ctx, results.Filter{Collection: recorded.Collection})
	require.NoError(t, err)
	stored := 0
	for _, k := range keys {
		stored += k.Valid + k.Censored + k.Rejected
		require.Len(t, k.Simulators, 1, "one key, one simulator")
	}
	require.Equal(t, len(samples), stored)
}

// TestRecordedFilesAreWhatAnExportWrites: nothing there is edited by hand.
func TestRecordedFilesAreWhatAnExportWrites(t *testing.T) {
	t.Parallel()
	folder, err := recorded.FS()
	require.NoError(t, err)
	samples, err := samplefile.ReadFolder(folder, "samples")
	require.NoError(t, err)
	for _, file := range samplefile.Split(samples) {
		var text bytes.Buffer
		require.NoError(t, samplefile.WriteText(&text, file.Samples))
		data, err := fs.ReadFile(folder, file.Name)
		require.NoError(t, err)
		require.True(t, bytes.Equal(data, text.Bytes()), "%s: write it with cosim store export", file.Name)
	}
}
