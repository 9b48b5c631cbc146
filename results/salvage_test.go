package results_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/servicetime"
	"microcosm/results"
)

func TestSalvageTakesWhatIsSound(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	path := filled(t)
	s, err := results.Open(ctx, path, results.Options{})
	require.NoError(t, err)
	for _, result := range []string{`{"a":1}`, `{"b":1}`} {
		_, err = s.PutRun(ctx, results.Run{Scenario: "s", Result: []byte(result)})
		require.NoError(t, err)
	}
	require.NoError(t, s.PutCollection(ctx, "recorded", "d", varied()[3:5]))
	require.NoError(t, s.Close())
	query(t, path,
		"UPDATE samples SET busy = busy + 1 WHERE n = 3 AND collection IS NULL",
		"UPDATE counters SET value = value + 1 WHERE sample IN (SELECT id FROM samples WHERE n = 4 AND collection IS NULL)",
		"DELETE FROM provenance WHERE id = (SELECT provenance FROM samples WHERE n = 5 AND collection IS NULL)",
		"UPDATE runs SET result = '[]' WHERE id = 1",
	)
	damaged := openAt(t, path, results.Options{ReadOnly: true})
	here := open(t)
	_, err = here.Merge(ctx, damaged)
	require.Error(t, err, "a merge takes all or nothing")

	tally, left, err := here.Salvage(ctx, damaged)
	require.NoError(t, err)
	require.Equal(t, 1, tally.Runs)
	lost := map[int]bool{3: true, 4: true}
	for n := 5; n < 300; n += 6 { // the restore whose provenance is gone
		lost[n] = true
	}
	require.Equal(t, 300-len(lost), tally.Added, "what collections hold is to be had elsewhere")
	require.Len(t, left, len(lost)+1)
	for i, want := range []string{"sample 3 of", "sample 4 of", "row 6 has lost its key or its provenance"} {
		require.True(t, left[i].Damage)
		require.Contains(t, left[i].What, want)
	}
	require.Contains(t, left[len(left)-1].What, "run 1")
	got, err := here.Samples(ctx, key(nil))
	require.NoError(t, err)
	for _, g := range got {
		require.False(t, lost[g.N])
		require.Equal(t, sample(key(nil), g.N), g)
	}
	requireSound(t, here)

	again, _, err := here.Salvage(ctx, damaged)
	require.NoError(t, err)
	require.Equal(t, results.Tally{Present: tally.Added}, again)
}

func TestSalvageOfASoundStoreIsAMerge(t *testing.T) {
	t.Parallel()
	there, merged, salvaged := open(t), open(t), open(t)
	require.NoError(t, there.Put(t.Context(), varied()[3:21]...))
	want, err := merged.Merge(t.Context(), there)
	require.NoError(t, err)
	got, left, err := salvaged.Salvage(t.Context(), there)
	require.NoError(t, err)
	require.Empty(t, left)
	require.Equal(t, want, got)
	requireSameSamples(t, merged, salvaged)

	conflicting := varied()[3]
	conflicting.Seed++
	other := open(t)
	require.NoError(t, other.Put(t.Context(), conflicting))
	_, _, err = other.Salvage(t.Context(), there)
	var conflict *results.ConflictError
	require.ErrorAs(t, err, &conflict, "a measurement is not replaced by what was saved")
	kept, err := other.Samples(t.Context(), conflicting.Key)
	require.NoError(t, err)
	require.Equal(t, []servicetime.Sample{conflicting}, kept)
}

// TestSalvageWithAnyPageDamaged: whichever page is overwritten, what is saved is
// what was stored, and a store that cannot be opened does not send its user in
// circles.
func TestSalvageWithAnyPageDamaged(t *testing.T) {
	t.Parallel()
	const page = 4096
	whole, err := os.ReadFile(filled(t))
	require.NoError(t, err)
	here, merged := open(t), open(t)
	saved, refused := 0, 0
	for at := 0; at < len(whole); at += page {
		data := append([]byte{}, whole...)
		for i := max(at, 100); i < at+page; i++ { // the first 100 bytes say that it is a store
			data[i] ^= 0x5a
		}
		path := filepath.Join(t.TempDir(), "store.db")
		write(t, path, string(data))
		damaged, err := results.Open(t.Context(), path, results.Options{ReadOnly: true})
		if err != nil {
			require.NotContains(t, err.Error(), "store verify")
			refused++
			continue
		}
		if _, err := merged.Merge(t.Context(), damaged); err != nil {
			require.ErrorContains(t, err, path+" is damaged", "page %d: the damaged one is named", at/page)
		}
		tally, left, err := here.Salvage(t.Context(), damaged)
		require.NoError(t, err, "page %d", at/page)
		require.NoError(t, damaged.Close())
		if tally.Added+tally.Present < 300 {
			require.NotEmpty(t, left, "page %d: %d saved", at/page, tally.Added+tally.Present)
		}
		saved += tally.Added + tally.Present
	}
	require.Positive(t, refused)
	require.Positive(t, saved)
	got, err := here.Samples(t.Context(), key(nil))
	require.NoError(t, err)
	require.Equal(t, many(key(nil), 300), got, "together, the damaged copies still hold every sample as it was")
	requireSound(t, here)
}
