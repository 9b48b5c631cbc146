package platforms

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/images/isa"
)

const small = `about: a test
isa: x86_64
parameters:
  core: {model: timing, clock: 1GHz}
  itlb: {entries: 64}
  dtlb: {entries: 64}
  walkcache: {size: 4KiB}
  cache: {levels: 2, line: 64B}
  l1i: {size: 32KiB, ways: 8, latency: 2, misses: 4, prefetcher: none}
  l1d: {size: 32KiB, ways: 8, latency: 2, misses: 4, prefetcher: none}
  l2: {size: 1MiB, ways: 16, latency: 12, misses: 16, prefetcher: none}
  memory: {size: 1GiB, technology: ddr4-2400, channels: 1}
`

func TestParse(t *testing.T) {
	t.Parallel()
	p, err := parse("small", []byte(small))
	require.NoError(t, err)
	require.Equal(t, isa.X86, p.ISA)
	require.Equal(t, int64(1<<30), p.MemoryBytes())
	require.Equal(t, "timing", p.Values()["core.model"])
	for _, c := range []spoiling{
		{"missing parameter", "  itlb: {entries: 64}\n", "", "itlb.entries: missing"},
		{"a parameter that does not apply", "walkcache:", "l3: {size: 1MiB}\n  walkcache:", "l3.size: does not apply"},
		{"unknown parameter", "walkcache:", "l2.sise: 3\n  walkcache:", "did you mean l2.size?"},
		{"unknown section", "isa: x86_64", "isa: x86_64\ncolour: red", "colour"},
		{"unknown ISA", "x86_64", "mips", "unknown ISA"},
		{"no model", "model: timing, ", "", "core.model and cache.levels must be given"},
		{"no YAML", "isa:", "isa: [", "platform small"},
		{"says nothing of itself", "about: a test\n", "", "about:"},
	} {
		t.Run(c.name, c.refused)
	}
}

// spoiling is the small platform with one text in the place of another, and what is
// wrong with it then.
type spoiling struct{ name, old, new, want string }

func (s spoiling) refused(t *testing.T) {
	t.Parallel()
	require.Contains(t, small, s.old)
	_, err := parse("small", []byte(strings.Replace(small, s.old, s.new, 1)))
	require.ErrorContains(t, err, s.want)
}

// FuzzScan checks that whatever is read is written so that it reads the same.
func FuzzScan(f *testing.F) {
	for _, text := range []string{"32KiB", "2.6GHz", "7", "1e3", "-1", "99999999999999999999GiB", "0.5KiB", "B"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, k := range []kind{count, size, frequency} {
			n, ok := scan(text, units[k])
			if !ok {
				continue
			}
			require.GreaterOrEqual(t, n, int64(0))
			if n == 0 {
				continue
			}
			back, ok := scan(parameter{kind: k}.format(n), units[k])
			require.True(t, ok)
			require.Equal(t, n, back)
		}
	})
}
