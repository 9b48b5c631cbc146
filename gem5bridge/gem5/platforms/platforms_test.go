package platforms_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/gem5bridge/gem5/platforms"
	"microcosm/images/isa"
)

func load(t *testing.T, name string, overrides map[string]string) platforms.Platform {
	t.Helper()
	p, err := platforms.Load(name, overrides)
	require.NoError(t, err)
	return p
}

func TestEveryPlatformThatShipsIsWhole(t *testing.T) {
	t.Parallel()
	digests, models := map[string]string{}, map[isa.ISA]int{}
	for _, name := range platforms.Names() {
		p := load(t, name, nil)
		require.Equal(t, name, p.Name)
		require.NotEmpty(t, p.About)
		require.GreaterOrEqual(t, p.ClockKHz(), 100_000)
		require.Less(t, p.MemoryBytes(), int64(3<<30), "x86 boards of gem5 have less than 3 GiB")
		require.Len(t, p.Values(), len(p.Parameters))
		require.Empty(t, digests[p.Digest()], "%s is %s", name, digests[p.Digest()])
		digests[p.Digest()] = name
		models[p.ISA]++
	}
	require.Subset(t, slices.Collect(maps.Values(digests)), []string{"skylake-x86", "neoverse-n1"})
	for _, i := range isa.All() {
		require.GreaterOrEqual(t, models[i], 2, "a detailed and a quick platform of %s", i)
	}
}

func TestOverrideIsPartOfTheDigest(t *testing.T) {
	t.Parallel()
	plain := load(t, "skylake-x86", nil)
	larger := load(t, "skylake-x86", map[string]string{"l2.size": "2MiB"})
	require.NotEqual(t, plain.Digest(), larger.Digest())
	require.Equal(t, "2MiB", larger.Parameters["l2.size"])
	require.Equal(t, int64(2<<20), larger.Values()["l2.size"])
	require.Equal(t, "1MiB", plain.Parameters["l2.size"], "the override changes a copy")
}

func TestEqualValuesHaveOneDigest(t *testing.T) {
	t.Parallel()
	plain := load(t, "skylake-x86", nil)
	for _, same := range []map[string]string{
		{"l2.size": "1MiB"}, {"l2.size": "1024KiB"}, {"l2.size": "1048576B"}, {"core.clock": "3000MHz"}, {"core.clock": "3.0GHz"}, {"queue.rob": "224"},
	} {
		require.Equal(t, plain.Digest(), load(t, "skylake-x86", same).Digest(), "%v", same)
	}
	require.Equal(t, 2_600_000, load(t, "skylake-x86", map[string]string{"core.clock": "2.6GHz"}).ClockKHz())
}

func TestMistakesInOverrides(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, parameter, value, want string
	}{
		{"unknown name", "l2.sise", "1MiB", "did you mean l2.size?"},
		{"far from any name", "turbo", "on", "no platform has such a parameter"},
		{"a size without unit is bytes nowhere", "l2.size", "64", `want a size like "32KiB"`},
		{"unit of another kind", "l2.size", "1GHz", "want a size"},
		{"too large", "queue.rob", "1000000", "want 4 to 2048"},
		{"too small for the checkpoint", "dtlb.entries", "16", "want 64 to 16384"},
		{"negative", "queue.rob", "-1", "want a whole number"},
		{"not a power of two", "predictor.btb", "5000", "want a power of two"},
		{"unknown word", "predictor.direction", "oracle", "want one of local"},
		{"what makes the platform", "core.model", "timing", "choose another platform"},
		{"a client of a third model", "client.model", "minor", "want one of same, timing"},
		{"of another ISA", "l2tlb.entries", "512", "whose core.model is o3, has none"},
		{"sets are no power of two", "l2.ways", "12", "change size or ways"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := platforms.Load("skylake-x86", map[string]string{c.parameter: c.value})
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, c.parameter[:2])
		})
	}
}

func TestAllMistakesAtOnce(t *testing.T) {
	t.Parallel()
	_, err := platforms.Load("neoverse-n1", map[string]string{"queue.rob": "x", "l2.size": "y", "nothing.here": "1"})
	for _, want := range []string{"queue.rob", "l2.size", "nothing.here"} {
		require.ErrorContains(t, err, want)
	}
}

func TestUnknownPlatformNamesTheKnownOnes(t *testing.T) {
	t.Parallel()
	_, err := platforms.Load("skylake", nil)
	require.ErrorContains(t, err, "skylake-x86")
	_, err = platforms.Load("../parameters", nil)
	require.Error(t, err)
}
