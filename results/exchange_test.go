package results_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/servicetime"
	"microcosm/results"
	"microcosm/results/samplefile"
)

func text(t testing.TB, samples []servicetime.Sample) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, samplefile.WriteText(&b, samples))
	return b.Bytes()
}

// varied returns samples of several functions, platforms, stacks, conditions
// and statuses.
func varied() []servicetime.Sample {
	var list []servicetime.Sample
	for _, change := range []func(*servicetime.Key){
		nil,
		func(k *servicetime.Key) { k.Condition = servicetime.LukewarmAfter(16) },
		func(k *servicetime.Key) {
			k.Condition = servicetime.Condition{Kind: servicetime.FlushStructure, Structures: "l1i+l1d"}
		},
		func(k *servicetime.Key) { k.Stack = "sha256:other" },
		func(k *servicetime.Key) { k.Function = "aes/../go" },
		func(k *servicetime.Key) { k.Platform = "neoverse-n1" },
		func(k *servicetime.Key) { k.Input = "large" },
	} {
		list = append(list, many(key(change), 3)...)
	}
	hung := sample(key(nil), 3)
	hung.Status, hung.Reason, hung.Counters = servicetime.Censored, "hung, \"badly\"\nfor good", nil
	bare := sample(key(nil), 4)
	bare.Provenance = servicetime.Provenance{}
	return append(list, hung, bare)
}

func TestExportImportExportIsByteIdentical(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	first, second := open(t), open(t)
	require.NoError(t, first.Put(ctx, varied()...))
	a, b := filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "b")
	exported, err := first.Export(ctx, a, results.Filter{}, false)
	require.NoError(t, err)
	require.Equal(t, len(varied()), exported.Samples)
	require.Len(t, exported.Written, 5)

	tally, err := second.Import(ctx, a)
	require.NoError(t, err)
	require.Equal(t, results.Tally{Added: len(varied())}, tally)
	again, err := second.Import(ctx, a)
	require.NoError(t, err)
	require.Equal(t, results.Tally{Present: len(varied())}, again)
	_, err = second.Export(ctx, b, results.Filter{}, false)
	require.NoError(t, err)
	require.Equal(t, relative(t, a), relative(t, b))
	requireSameSamples(t, first, second)
}

func TestParquetRoundTrip(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	first, second := open(t), open(t)
	require.NoError(t, first.Put(ctx, varied()...))
	path := filepath.Join(t.TempDir(), "samples.parquet")
	_, err := first.ExportParquet(ctx, path, results.Filter{}, false)
	require.NoError(t, err)
	tally, err := second.Import(ctx, path)
	require.NoError(t, err)
	require.Equal(t, results.Tally{Added: len(varied())}, tally)
	requireSameSamples(t, first, second)
	exported, err := second.ExportParquet(ctx, path, results.Filter{}, false)
	require.NoError(t, err)
	require.Len(t, exported.Unchanged, 1)
}

func relative(t testing.TB, folder string) map[string]string {
	files := map[string]string{}
	for path, content := range contents(t, folder) {
		name, err := filepath.Rel(folder, path)
		require.NoError(t, err)
		files[name] = content
	}
	return files
}

func requireSameSamples(t testing.TB, a, b *results.Store) {
	t.Helper()
	want, err := a.Keys(t.Context(), results.Filter{})
	require.NoError(t, err)
	got, err := b.Keys(t.Context(), results.Filter{})
	require.NoError(t, err)
	require.Equal(t, want, got)
	for _, k := range want {
		samples, err := a.Samples(t.Context(), k.Key)
		require.NoError(t, err)
		same, err := b.Samples(t.Context(), k.Key)
		require.NoError(t, err)
		require.Equal(t, samples, same)
	}
}

func TestExportOverwritesOnlyWhenAsked(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := open(t)
	folder := t.TempDir()
	require.NoError(t, s.Put(ctx, many(key(nil), 2)...))
	first, err := s.Export(ctx, folder, results.Filter{}, false)
	require.NoError(t, err)
	name := filepath.Join(folder, "host-test", "fibonacci-go.default.csv")
	require.Equal(t, []string{name}, first.Written)
	mine := filepath.Join(folder, "host-test", "mine.txt")
	write(t, mine, "keep me")

	again, err := s.Export(ctx, folder, results.Filter{}, false)
	require.NoError(t, err)
	require.Equal(t, results.Exported{Samples: 2, Unchanged: []string{name}}, again)

	require.NoError(t, s.Put(ctx, sample(key(nil), 2), sample(key(func(k *servicetime.Key) { k.Function = "aes-go" }), 0)))
	before := contents(t, folder)
	_, err = s.Export(ctx, folder, results.Filter{}, false)
	require.ErrorIs(t, err, fs.ErrExist)
	require.ErrorContains(t, err, name)
	require.Equal(t, before, contents(t, folder), "not even the new file is written")

	forced, err := s.Export(ctx, folder, results.Filter{}, true)
	require.NoError(t, err)
	require.Equal(t, []string{filepath.Join(folder, "host-test", "aes-go.default.csv"), name}, forced.Written)
	kept, err := os.ReadFile(mine)
	require.NoError(t, err)
	require.Equal(t, "keep me", string(kept))
}

func TestExportPicksByFilter(t *testing.T) {
	t.Parallel()
	s := open(t)
	require.NoError(t, s.Put(t.Context(), varied()...))
	folder := filepath.Join(t.TempDir(), "out")
	exported, err := s.Export(t.Context(), folder, results.Filter{Platform: "neoverse-n1"}, false)
	require.NoError(t, err)
	require.Equal(t, 3, exported.Samples)
	require.Len(t, contents(t, folder), 1)
	none, err := s.Export(t.Context(), filepath.Join(t.TempDir(), "none"), results.Filter{Platform: "none"}, false)
	require.NoError(t, err)
	require.Empty(t, none)
	_, err = s.Export(t.Context(), filepath.Join(t.TempDir(), "a", "b"), results.Filter{}, false)
	require.ErrorIs(t, err, fs.ErrNotExist, "only the last folder is created")
}

func TestImportStoresNothingIfAnythingIsWrong(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := open(t)
	folder := t.TempDir()
	good := text(t, many(key(nil), 3))
	write(t, filepath.Join(folder, "good.csv"), string(good))
	write(t, filepath.Join(folder, "bad.csv"), string(bytes.Replace(good, []byte("warm,1,"), []byte("tepid,x,"), 1)))
	write(t, filepath.Join(folder, "notes.txt"), "not looked at")
	_, err := s.Import(ctx, folder)
	require.ErrorContains(t, err, filepath.Join(folder, "bad.csv")+":16: condition")
	require.ErrorContains(t, err, filepath.Join(folder, "bad.csv")+":16: n")
	keys, err := s.Keys(ctx, results.Filter{})
	require.NoError(t, err)
	require.Empty(t, keys)

	other := sample(key(nil), 1)
	other.Busy++
	require.NoError(t, s.Put(ctx, other))
	_, err = s.Import(ctx, filepath.Join(folder, "good.csv"))
	var conflict *results.ConflictError
	require.ErrorAs(t, err, &conflict)
	require.Equal(t, []int{1}, numbers(t, s))

	_, err = s.Import(ctx, filepath.Join(folder, "missing.csv"))
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = s.Import(ctx, filepath.Join(folder, "notes.txt"))
	require.ErrorContains(t, err, ".parquet")
	_, err = s.Import(ctx, t.TempDir())
	require.ErrorContains(t, err, "no .csv")
}
