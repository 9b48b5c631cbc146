package platforms

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func parsed(t *testing.T, text string) Platform {
	t.Helper()
	p, err := parse("small", []byte(text))
	require.NoError(t, err)
	return p
}

// TestHowAFileIsWrittenDoesNotMatter writes the same platform in other ways: it is
// the same platform.
func TestHowAFileIsWrittenDoesNotMatter(t *testing.T) {
	t.Parallel()
	want := parsed(t, small)
	dotted := func() string {
		lines := []string{"about: a test", "isa: x86_64", "parameters:"}
		order := slices.Sorted(maps.Keys(want.Parameters))
		rand.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for _, name := range order {
			lines = append(lines, fmt.Sprintf("  %s: %s", name, want.Parameters[name]))
		}
		return strings.Join(lines, "\n")
	}
	for name, text := range map[string]string{
		"dotted names in any order": dotted(),
		"with a comment":            "# of a processor\n" + strings.ReplaceAll(small, "ways: 16", "ways: 16 "),
		"numbers as text":           strings.ReplaceAll(small, "ways: 8", `ways: "8"`),
		"other units":               strings.ReplaceAll(strings.ReplaceAll(small, "1GHz", "1000MHz"), "32KiB", "32768B"),
		"sections turned around":    "parameters:" + strings.SplitN(small, "parameters:", 2)[1] + "isa: x86_64\nabout: a test\n",
		"as JSON would be":          strings.ReplaceAll(small, "core: {model: timing, clock: 1GHz}", `"core": {"model": "timing", "clock": "1GHz"}`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := parsed(t, text)
			require.Equal(t, want, got)
			require.Equal(t, want.Digest(), got.Digest())
		})
	}
}

func TestAFileWithMistakesTellsAll(t *testing.T) {
	t.Parallel()
	text := strings.NewReplacer(
		"about: a test\n", "",
		"x86_64", "mips",
		"clock: 1GHz", "clock: fast",
		"  itlb: {entries: 64}\n", "",
		"walkcache:", "turbo: {on: yes}\n  walkcache:",
		"latency: 12", "latency: 1000",
	).Replace(small)
	_, err := parse("small", []byte(text))
	require.EqualError(t, err, strings.Join([]string{
		`platform small: unknown ISA "mips": say ISA=x86_64 or ISA=arm64`,
		"about: say what it stands for",
		`core.clock: "fast": want a frequency like "3GHz" or "2600MHz"`,
		"l2.latency: 1000: want 1 to 200",
		"turbo.on: no such parameter",
		"itlb.entries: missing",
	}, "\n"))
}

func TestWhatIsNoParameterOfAFile(t *testing.T) {
	t.Parallel()
	for _, c := range []spoiling{
		{"a section as a number", "walkcache: {size: 4KiB}", "walkcache: 4KiB", "walkcache: no such parameter"},
		{"a parameter as a section", "{entries: 64}", "{entries: {first: 64}}", "itlb.entries.first: no such parameter"},
		{"a list", "walkcache: {size: 4KiB}", "walkcache: {size: [4KiB]}", `walkcache.size: "[4KiB]": want a size`},
		{"nothing", "walkcache: {size: 4KiB}", "walkcache: {size: }", `walkcache.size: "<nil>": want a size`},
		{"given under both of its names", "walkcache: {size: 4KiB}", "walkcache: {size: 4KiB}\n  walkcache.size: 8KiB", "walkcache.size: given twice"},
		{"a cache without power of two of sets", "size: 1MiB, ways: 16", "size: 1MiB, ways: 12", "l2: 1MiB in 12 ways of lines of 64 bytes has no power of two of sets: change size or ways"},
		{"a cache smaller than a set", "size: 1MiB, ways: 16", "size: 1KiB, ways: 32", "l2: 1KiB in 32 ways"},
		{"more levels than described", "levels: 2", "levels: 3", "l3.size: missing"},
		{"a model that has more", "model: timing", "model: o3", "queue.rob: missing"},
		{"an ISA that has more", "isa: x86_64", "isa: arm64", "l2tlb.entries: missing"},
		{"memory in parts of a mebibyte", "memory: {size: 1GiB", "memory: {size: 1073741825B", "memory.size: 1073741825: want whole MiB"},
	} {
		t.Run(c.name, c.refused)
	}
}

// TestTheDigestIsOfTheISAAndTheParameters alone: neither name nor what is said of the
// platform is in it, and every parameter is.
func TestTheDigestIsOfTheISAAndTheParameters(t *testing.T) {
	t.Parallel()
	p := parsed(t, small)
	same, err := parse("another", []byte(strings.Replace(small, "a test", "the same under another name", 1)))
	require.NoError(t, err)
	require.Equal(t, p.Digest(), same.Digest())

	arm := p
	arm.ISA++
	digests := map[string]string{p.Digest(): "itself"}
	seen := func(name string, changed Platform) {
		require.Empty(t, digests[changed.Digest()], "%s is %s", name, digests[changed.Digest()])
		digests[changed.Digest()] = name
	}
	seen("another ISA", arm)
	for name := range p.Parameters {
		changed := p
		changed.Parameters = maps.Clone(p.Parameters)
		changed.Parameters[name] += "0"
		seen(name, changed)
		delete(changed.Parameters, name)
		seen("without "+name, changed)
	}
	// A name and a value never run into each other.
	a, b := Platform{Parameters: map[string]string{"a": "b", "c": "d"}}, Platform{Parameters: map[string]string{"a": "b\"\n\"c\"=\"d"}}
	require.NotEqual(t, a.Digest(), b.Digest())
}

// FuzzParse checks that whatever is accepted is whole and means the same when it is
// written down again.
func FuzzParse(f *testing.F) {
	f.Add(small)
	f.Add(strings.Replace(small, "64B", "32B", 1))
	f.Add("parameters: {core: {model: timing}, cache.levels: 2}")
	f.Add("parameters: &a {b: *a}")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parse("small", []byte(text))
		if err != nil {
			return
		}
		require.Empty(t, p.check())
		require.Len(t, p.Values(), len(p.Parameters))
		again := []string{"about: again", fmt.Sprintf("isa: %s", p.ISA), "parameters:"}
		for name, value := range p.Parameters {
			again = append(again, fmt.Sprintf("  %s: %s", name, value))
		}
		back, err := parse("small", []byte(strings.Join(again, "\n")))
		require.NoError(t, err)
		require.Equal(t, p.Digest(), back.Digest())
	})
}
