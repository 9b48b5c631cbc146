package platforms_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/gem5bridge/gem5/platforms"
)

// fixed are the parameters that no override may touch.
var fixed = []string{"core.model", "cache.levels"}

// words are other words for parameters that are named, not counted.
var words = map[string]string{"memory.technology": "ddr3-1600", "predictor.direction": "bimode", "client.model": "same"}

// others returns values that a parameter might have instead, in the order in which
// they are worth trying: not all of them fit every platform.
func others(p platforms.Platform, name string) []string {
	if word, is := words[name]; is {
		return []string{word}
	}
	if strings.HasSuffix(name, ".prefetcher") {
		return []string{"bop"}
	}
	value, is := p.Values()[name].(int64)
	if !is {
		return nil
	}
	unit := ""
	switch {
	case name == "core.clock":
		unit = "Hz"
	case strings.HasSuffix(name, ".size"), name == "cache.line", name == "queue.fetch_buffer":
		unit = "B"
	}
	var texts []string
	for _, n := range []int64{value * 2, value / 2, value + 1, value - 1} {
		texts = append(texts, strconv.FormatInt(n, 10)+unit)
	}
	return texts
}

// change returns the platform with one parameter changed, and to what.
func change(t *testing.T, p platforms.Platform, name string) (platforms.Platform, string) {
	t.Helper()
	var last error
	for _, text := range others(p, name) {
		changed, err := platforms.Load(p.Name, map[string]string{name: text})
		if err == nil {
			return changed, text
		}
		last = err
	}
	require.NoError(t, last, "nothing else fits %s", name)
	return p, ""
}

// TestEveryParameterCanBeOverriddenAndIsInTheDigest changes every parameter of every
// platform by itself: that parameter changes, no other does, and no two changes have
// one digest.
func TestEveryParameterCanBeOverriddenAndIsInTheDigest(t *testing.T) {
	t.Parallel()
	for _, name := range platforms.Names() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			plain := load(t, name, nil)
			digests := map[string]string{plain.Digest(): "the platform as it is"}
			for _, parameter := range slices.Sorted(maps.Keys(plain.Parameters)) {
				if slices.Contains(fixed, parameter) {
					_, err := platforms.Load(name, map[string]string{parameter: plain.Parameters[parameter]})
					require.ErrorContains(t, err, "override "+parameter+": it makes "+name+" what it is")
					continue
				}
				changed, text := change(t, plain, parameter)
				require.Empty(t, digests[changed.Digest()], "%s=%s is %s", parameter, text, digests[changed.Digest()])
				digests[changed.Digest()] = parameter
				require.Equal(t, plain.ISA, changed.ISA)
				require.Equal(t, plain.Name, changed.Name)
				for other, value := range plain.Parameters {
					require.Equal(t, other != parameter, changed.Parameters[other] == value, "%s=%s changes %s", parameter, text, other)
				}
			}
		})
	}
}

// TestOverridesAreIndependent draws sets of overrides that are good by themselves:
// together each has its effect, and what was not named stays as it was.
func TestOverridesAreIndependent(t *testing.T) {
	t.Parallel()
	plains, alone := map[string]platforms.Platform{}, map[string]map[string]platforms.Platform{}
	texts := map[string]map[string]string{}
	for _, name := range platforms.Names() {
		plain := load(t, name, nil)
		plains[name], alone[name], texts[name] = plain, map[string]platforms.Platform{}, map[string]string{}
		for parameter := range plain.Parameters {
			// Caches must fit together: those are for another test.
			if strings.HasSuffix(parameter, ".size") || strings.HasSuffix(parameter, ".ways") || parameter == "cache.line" || slices.Contains(fixed, parameter) {
				continue
			}
			alone[name][parameter], texts[name][parameter] = change(t, plain, parameter)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom(platforms.Names()).Draw(t, "platform")
		plain, overrides := plains[name], map[string]string{}
		for _, parameter := range rapid.SliceOfNDistinct(rapid.SampledFrom(slices.Sorted(maps.Keys(texts[name]))), 0, 6, rapid.ID).Draw(t, "parameters") {
			overrides[parameter] = texts[name][parameter]
		}
		changed, err := platforms.Load(name, overrides)
		require.NoError(t, err)
		for parameter, value := range plain.Parameters {
			if _, is := overrides[parameter]; is {
				value = alone[name][parameter].Parameters[parameter]
			}
			require.Equal(t, value, changed.Parameters[parameter], parameter)
		}
		require.Len(t, changed.Parameters, len(plain.Parameters))
		require.Equal(t, len(overrides) == 0, plain.Digest() == changed.Digest())
	})
	for name, plain := range plains {
		require.Equal(t, plain, load(t, name, nil), "a platform that was overridden before is as it was")
	}
}

// TestEveryMistakeInOverridesIsToldInOrder has one of each kind.
func TestEveryMistakeInOverridesIsToldInOrder(t *testing.T) {
	t.Parallel()
	_, err := platforms.Load("timing-x86", map[string]string{
		"cache.levels": "3", "core.clock": "11GHz", "dtlb.entries": "-64", "l2.prefetcher": "Tagged", "l2.waze": "4", "l2tlb.entries": "512",
		"memory.channels": "3", "memory.size": "0.3GiB", "queue.rob": "128", "walkcache.size": "4KB",
	})
	require.EqualError(t, err, strings.Join([]string{
		"override cache.levels: it makes timing-x86 what it is; choose another platform of minor-arm, neoverse-n1, skylake-x86, timing-x86",
		"override core.clock: 11GHz: want 100MHz to 10GHz",
		`override dtlb.entries: "-64": want a whole number`,
		`override l2.prefetcher: "Tagged": want one of none, tagged, stride, ampm, bop`,
		"override l2.waze: no platform has such a parameter; did you mean l2.size or l2.ways?",
		"override l2tlb.entries: timing-x86, whose core.model is timing, has none",
		"override memory.channels: 3: want a power of two",
		`override memory.size: "0.3GiB": want a size like "32KiB" or "1MiB"`,
		"override queue.rob: timing-x86, whose core.model is timing, has none",
		`override walkcache.size: "4KB": want a size like "32KiB" or "1MiB"`,
	}, "\n"))
}

// TestCachesThatDoNotFitTogether overrides the size of lines, with which every cache
// has to agree.
func TestCachesThatDoNotFitTogether(t *testing.T) {
	t.Parallel()
	_, err := platforms.Load("skylake-x86", map[string]string{"l1i.ways": "6", "l2.size": "1500KiB", "l3.ways": "16"})
	require.EqualError(t, err, strings.Join([]string{
		"l1i: 32KiB in 6 ways of lines of 64 bytes has no power of two of sets: change size or ways",
		"l2: 1500KiB in 16 ways of lines of 64 bytes has no power of two of sets: change size or ways",
		"l3: 2816KiB in 16 ways of lines of 64 bytes has no power of two of sets: change size or ways",
	}, "\n"))
	p := load(t, "skylake-x86", map[string]string{"l2.size": "1536KiB", "l2.ways": "24", "cache.line": "128B"})
	require.Equal(t, "1536KiB", p.Parameters["l2.size"])
}

// TestValuesAreWhatTheScriptsGet compares every value with its text, by hand.
func TestValuesAreWhatTheScriptsGet(t *testing.T) {
	t.Parallel()
	factors := map[string]int64{"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "Hz": 1, "kHz": 1e3, "MHz": 1e6, "GHz": 1e9, "": 1}
	for _, name := range platforms.Names() {
		p := load(t, name, map[string]string{"core.clock": "2.345GHz", "memory.size": "1536MiB"})
		require.Equal(t, 2_345_000, p.ClockKHz())
		require.EqualValues(t, 1536<<20, p.MemoryBytes())
		for parameter, value := range p.Values() {
			text := p.Parameters[parameter]
			digits := text[:len(text)-len(strings.TrimLeft(text, "0123456789"))]
			factor, known := factors[strings.TrimPrefix(text, digits)]
			if word, is := value.(string); is {
				require.Equal(t, text, word, parameter)
				continue
			}
			n, err := strconv.ParseInt(digits, 10, 64)
			require.NoError(t, err)
			require.True(t, known, "%s=%s", parameter, text)
			require.Equal(t, n*factor, value, "%s=%s", parameter, text)
		}
	}
}

func TestAnUnknownPlatformIsNoPath(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", ".", "skylake-x86.yaml", "../platforms/skylake-x86", "Skylake-x86", "skylake-x86\x00"} {
		_, err := platforms.Load(name, nil)
		require.EqualError(t, err, fmt.Sprintf("platform %q: want one of minor-arm, neoverse-n1, skylake-x86, timing-x86", name))
	}
}
