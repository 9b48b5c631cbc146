package kernel

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/images/isa"
)

// These tests are internal: merging and writing have no exported form.

func drawConfig(t *rapid.T, label string) Config {
	symbol := rapid.StringMatching(`[A-D][A-Z0-9_]{0,2}`)
	value := rapid.OneOf(rapid.SampledFrom([]string{"y", "n", "8", "-1", "0x10"}), rapid.StringMatching(`"([a-z ,=#]|\\["\\]){0,6}"`))
	return rapid.MapOfN(symbol, value, 0, 8).Draw(t, label)
}

func TestWhatIsWrittenForKconfigIsReadAsItWas(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := drawConfig(t, "config")
		var text bytes.Buffer
		require.NoError(t, want.write(&text))
		got, err := Parse("fragment", &text)
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
	var text bytes.Buffer
	require.NoError(t, Config{"B": "n", "A": "y", "C": `"x"`}.write(&text))
	require.Equal(t, "CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=\"x\"\n", text.String(), "a symbol that is off is Kconfig's comment")
	full := errors.New("disk full")
	require.ErrorIs(t, Config{"A": "y"}.write(writer{full}), full)
}

type writer struct{ err error }

func (w writer) Write([]byte) (int, error) { return 0, w.err }

// TestFragmentsAreMergedAsSets: whatever the order, all that they say and nothing else,
// and every symbol about which two of them disagree is named.
func TestFragmentsAreMergedAsSets(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var fragments []Config
		said := map[string]map[string]bool{}
		for n := range rapid.IntRange(0, 4).Draw(t, "fragments") {
			f := drawConfig(t, fmt.Sprint("fragment ", n))
			fragments = append(fragments, f)
			for symbol, value := range f {
				if said[symbol] == nil {
					said[symbol] = map[string]bool{}
				}
				said[symbol][value] = true
			}
		}
		merged, err := merge(fragments...)
		require.Equal(t, len(said), len(merged))
		disputed := 0
		for symbol, values := range said {
			require.True(t, values[merged[symbol]], "%s: nobody said %s", symbol, merged[symbol])
			if len(values) > 1 {
				disputed++
				require.ErrorContains(t, err, symbol+" is ")
			}
		}
		require.Equal(t, disputed > 0, err != nil)
		if disputed == 0 {
			slices.Reverse(fragments)
			again, err := merge(fragments...)
			require.NoError(t, err)
			require.Equal(t, merged, again)
		}
	})
	_, err := merge(Config{"A": "y", "B": "n"}, Config{"B": "y"}, Config{"A": "n"})
	require.EqualError(t, err, "B is n in one fragment and y in another\nA is y in one fragment and n in another")
}

// TestOnlyWhatDidNotTakeIsAnError compares with Kconfig's meaning, spelt out: a symbol
// that is missing is off.
func TestOnlyWhatDidNotTakeIsAnError(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		asked, got := drawConfig(t, "asked"), drawConfig(t, "got")
		var want []string
		for _, symbol := range slices.Sorted(maps.Keys(asked)) {
			is, there := got[symbol]
			if !there {
				is = "n"
			}
			if is != asked[symbol] {
				want = append(want, fmt.Sprintf("CONFIG_%s: asked for %s, got %s: another symbol forces it, or its default is not ours to change", symbol, asked[symbol], is))
			}
		}
		err := Check(asked, got, "")
		if len(want) == 0 {
			require.NoError(t, err)
			return
		}
		require.EqualError(t, err, strings.Join(want, "\n"), "every one of them, in alphabetical order")
	})
}

func TestTheFragmentsOfTheProductAgree(t *testing.T) {
	t.Parallel()
	var common []Config
	for _, i := range isa.All() {
		all, err := Fragments(i)
		require.NoError(t, err)
		for symbol, value := range all {
			require.NotEqual(t, "m", value, symbol)
		}
		require.Equal(t, "n", all.Value("MODULES"), "%s", i)
		common = append(common, all)
	}
	text, err := recipes.ReadFile("common.config")
	require.NoError(t, err)
	shared, err := Parse("common.config", bytes.NewReader(text))
	require.NoError(t, err)
	require.NotEmpty(t, shared)
	for symbol, value := range shared {
		for _, all := range common {
			require.Equal(t, value, all[symbol], "%s is the same on both ISAs", symbol)
		}
	}
}

// TestPatchesSayWhyAndApplyToOneFileEach: what a maintainer of the patches must keep.
func TestPatchesSayWhyAndApplyToOneFileEach(t *testing.T) {
	t.Parallel()
	patches, err := patchFiles()
	require.NoError(t, err)
	require.Len(t, patches, 2)
	require.True(t, slices.IsSortedFunc(patches, func(a, b patchFile) int { return strings.Compare(a.name, b.name) }), "they apply in the order of their names")
	for _, p := range patches {
		head, diff, found := strings.Cut(string(p.text), "\n--- a/")
		require.True(t, found, p.name)
		require.GreaterOrEqual(t, len(strings.Fields(head)), 20, "%s says in its head why it is needed", p.name)
		file, _, _ := strings.Cut(diff, "\n")
		require.Contains(t, diff, "\n+++ b/"+strings.Fields(file)[0], p.name)
	}
}
