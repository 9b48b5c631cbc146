package samplefile_test

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/cosim/servicetime"
	"microcosm/results/samplefile"
)

// awkward are texts that a file format likes to trip over.
var awkward = rapid.SampledFrom([]string{
	"a", "A", "a-b", "a.b", "a b", " a", `"a"`, "a,b", "a;b", "#a", "a: b", "ä", "漢", "%41", "../a", "a/b", ".", "=1+1", "con", strings.Repeat("long", 40),
})

// anySample draws a sample that Check accepts, of few keys so that some share one.
var anySample = rapid.Custom(func(t *rapid.T) servicetime.Sample {
	word := rapid.SampledFrom([]string{"cold", "warm", "lukewarm:1", "lukewarm:16", "lukewarm:4@mix", "flush", "flush:l1d", "stressor:64KiB", "stage:create", "stage:init"}).Draw(t, "condition")
	condition, err := servicetime.ParseCondition(word)
	require.NoError(t, err)
	s := servicetime.Sample{
		Key: servicetime.Key{
			Function: awkward.Draw(t, "function"), Image: awkward.Draw(t, "image"), Input: awkward.Draw(t, "input"), Platform: awkward.Draw(t, "platform"),
			PlatformDigest: "p", Condition: condition, Stack: rapid.SampledFrom([]string{"s", "t"}).Draw(t, "stack"),
		},
		Seed: rapid.Uint64().Draw(t, "seed"), Status: servicetime.Valid,
		RoundTrip: servicetime.Ticks(rapid.Int64Range(1, 1<<60).Draw(t, "round trip")),
		Busy:      servicetime.Ticks(rapid.Int64Range(0, 1<<60).Draw(t, "busy")),
		Counters:  map[string]int64{},
		Provenance: servicetime.Provenance{
			Backend: "host", Host: awkward.Draw(t, "host"), Boot: awkward.Draw(t, "boot"), Restore: awkward.Draw(t, "restore"), Note: awkward.Draw(t, "note"),
			Measured: time.Unix(rapid.Int64Range(1, 1<<33).Draw(t, "measured"), 0).UTC(), Cost: time.Duration(rapid.Int64Range(0, 1<<50).Draw(t, "cost")),
		},
	}
	if condition.Kind != servicetime.StageCreate && condition.Kind != servicetime.StageInit {
		s.Null = servicetime.Ticks(rapid.Int64Range(0, 1<<40).Draw(t, "null"))
	}
	if rapid.IntRange(0, 3).Draw(t, "status") == 0 {
		s.Status, s.Reason = servicetime.Censored, awkward.Draw(t, "reason")
	}
	for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"cycles", "l2::miss", "a b", "ipc,1"}), 0, 3, rapid.ID).Draw(t, "counters") {
		s.Counters[name] = rapid.Int64().Draw(t, name)
	}
	if len(s.Counters) == 0 {
		s.Counters = nil
	}
	return s
})

// anySamples draws samples with the numbers that their keys leave free.
func anySamples(t *rapid.T) []servicetime.Sample {
	list := rapid.SliceOfN(anySample, 1, 12).Draw(t, "samples")
	next := map[servicetime.Key]int{}
	for i := range list {
		list[i].N = next[list[i].Key] + rapid.IntRange(0, 2).Draw(t, "gap")
		next[list[i].Key] = list[i].N + 1
		require.NoError(t, samplefile.Check(list[i]))
	}
	slices.SortFunc(list, samplefile.Compare)
	return list
}

// TestAFolderOfTextHoldsWhatWasSplit: whatever the names are, no file hides
// another and every sample comes back as it was.
func TestAFolderOfTextHoldsWhatWasSplit(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		samples := anySamples(t)
		folder, lowered := fstest.MapFS{}, map[string]bool{}
		for _, file := range samplefile.Split(samples) {
			require.True(t, fsName(file.Name), "%q is a plain name in one folder", file.Name)
			require.False(t, lowered[file.Name], "%q twice", file.Name)
			lowered[file.Name] = true
			folder[file.Name] = &fstest.MapFile{Data: []byte(textOf(t, file.Samples))}
		}
		got, err := samplefile.ReadFolder(folder, "x")
		require.NoError(t, err)
		slices.SortFunc(got, samplefile.Compare)
		require.Equal(t, samples, got)
		first, err := samplefile.FolderDigest(folder)
		require.NoError(t, err)
		again, err := samplefile.FolderDigest(folder)
		require.NoError(t, err)
		require.Equal(t, first, again)
	})
}

// fsName reports a name of a file in a folder: two elements, none of which climbs
// out or hides.
func fsName(name string) bool {
	parts := strings.Split(name, "/")
	return len(parts) == 2 && !slices.ContainsFunc(parts, func(p string) bool { return p == "" || strings.HasPrefix(p, ".") })
}

func textOf(t *rapid.T, samples []servicetime.Sample) string {
	var b strings.Builder
	require.NoError(t, samplefile.WriteText(&b, samples))
	return b.String()
}

// TestTextAndParquetSayTheSame.
func TestTextAndParquetSayTheSame(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		samples := anySamples(t)
		var b strings.Builder
		require.NoError(t, samplefile.WriteParquet(&b, samples))
		fromTable, err := samplefile.ReadFile("x.parquet", []byte(b.String()))
		require.NoError(t, err)
		var fromText []servicetime.Sample
		for _, file := range samplefile.Split(samples) {
			read, err := samplefile.ReadText(file.Name, []byte(textOf(t, file.Samples)))
			require.NoError(t, err)
			fromText = append(fromText, read...)
		}
		for _, list := range [][]servicetime.Sample{fromTable, fromText} {
			slices.SortFunc(list, samplefile.Compare)
			require.Equal(t, samples, list)
		}
	})
}

// TestTheOrderOfRowsDoesNotMatter: the same samples always give the same bytes.
func TestTheOrderOfRowsDoesNotMatter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		files := samplefile.Split(anySamples(t))
		file := files[rapid.IntRange(0, len(files)-1).Draw(t, "file")]
		shuffled := rapid.Permutation(file.Samples).Draw(t, "order")
		require.Equal(t, textOf(t, file.Samples), textOf(t, shuffled))
	})
}

// TestACutTableIsRefused: a Parquet file ends with its footer, so that no part of
// one passes for a whole.
func TestACutTableIsRefused(t *testing.T) {
	t.Parallel()
	whole := table(t, some(20))
	for cut := range len(whole) {
		if cut > 200 && cut < len(whole)-200 && cut%97 != 0 {
			continue // the ends, and some of what lies between
		}
		samples, err := samplefile.ReadFile("x.parquet", whole[:cut])
		require.Error(t, err, "the first %d of %d bytes", cut, len(whole))
		require.Empty(t, samples)
	}
}

// TestACutTextIsRefused: wherever a text file ends early it is refused, with the
// line where it ends; only the last line's end may be missing.
func TestACutTextIsRefused(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		file := rapid.SampledFrom(samplefile.Split(anySamples(t))).Draw(t, "file")
		whole := textOf(t, file.Samples)
		cut := rapid.IntRange(0, len(whole)-2).Draw(t, "cut")
		_, err := samplefile.ReadText("f.csv", []byte(whole[:cut]))
		require.ErrorContains(t, err, "f.csv:", "the first %d of %d bytes:\n%s", cut, len(whole), whole[:cut])
		got, err := samplefile.ReadText("f.csv", []byte(whole[:len(whole)-1]))
		require.NoError(t, err)
		require.Equal(t, file.Samples, got)
	})
}

// TestARowThatReadsLikeTheEnd: a cut behind a text that reads like a last line is
// no end.
func TestARowThatReadsLikeTheEnd(t *testing.T) {
	t.Parallel()
	samples := some(3)
	samples[2].Key.Function = "# end of 2 samples"
	whole := write(t, samples)
	for cut := range len(whole) - 1 {
		_, err := samplefile.ReadText("f.csv", []byte(whole[:cut]))
		require.Error(t, err, whole[:cut])
	}
	got, err := samplefile.ReadText("f.csv", []byte(whole))
	require.NoError(t, err)
	require.Equal(t, samples, got)
}

// TestALostRowIsNoticed: without any one of its rows, or with one of them twice,
// a file is refused.
func TestALostRowIsNoticed(t *testing.T) {
	t.Parallel()
	lines := strings.SplitAfter(write(t, some(4)), "\n")
	for i := len(lines) - 6; i < len(lines)-2; i++ {
		without := strings.Join(slices.Delete(slices.Clone(lines), i, i+1), "")
		_, err := samplefile.ReadText("f.csv", []byte(without))
		require.ErrorContains(t, err, "3 rows stand above, and this line says 4")
		_, err = samplefile.ReadText("f.csv", []byte(strings.Join(slices.Insert(slices.Clone(lines), i, lines[i]), "")))
		require.ErrorContains(t, err, "5 rows stand above, and this line says 4")
	}
}
