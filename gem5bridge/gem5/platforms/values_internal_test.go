package platforms

import (
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// names are those of all parameters, sorted.
var names = slices.Sorted(maps.Keys(table))

// neighbours are the values next to n that would be right but for the bounds.
func (p parameter) neighbours(n int64) (below, above int64) {
	if p.power {
		return n / 2, n * 2
	}
	return n - 1, n + 1
}

func TestEveryParameterKeepsItsBounds(t *testing.T) {
	t.Parallel()
	smallest := map[kind]string{count: "", size: "B", frequency: "Hz"}
	for _, name := range names {
		p := table[name]
		if p.kind == word {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Positive(t, p.min, "what is counted from 0 could be left out")
			require.Less(t, p.min, p.max)
			bounds := fmt.Sprintf("want %s to %s", p.format(p.min), p.format(p.max))
			below, _ := p.neighbours(p.min)
			_, above := p.neighbours(p.max)
			for n, accepted := range map[int64]bool{p.min: true, p.max: true, below: false, above: false, 0: false} {
				text := fmt.Sprint(n) + smallest[p.kind]
				got, err := p.parse(text)
				if accepted {
					require.NoError(t, err, text)
					require.Equal(t, n, got)
				} else {
					require.EqualError(t, err, text+": "+bounds)
				}
			}
		})
	}
}

func TestAPowerOfTwoIsAskedForWhereItMustBeOne(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := table[rapid.SampledFrom(slices.DeleteFunc(slices.Clone(names), func(n string) bool { return table[n].kind == word })).Draw(t, "name")]
		n := rapid.Int64Range(p.min, p.max).Draw(t, "value")
		_, err := p.parse(p.format(n))
		isPower := big.NewInt(n).TrailingZeroBits() == uint(big.NewInt(n).BitLen()-1)
		if p.power && !isPower {
			require.EqualError(t, err, p.format(n)+": want a power of two")
		} else {
			require.NoError(t, err)
		}
	})
}

func TestEveryWordIsReadAndNoOther(t *testing.T) {
	t.Parallel()
	for _, name := range names {
		p := table[name]
		if p.kind != word {
			continue
		}
		for i, text := range p.words {
			got, err := p.parse(text)
			require.NoError(t, err, name)
			require.EqualValues(t, i, got)
			require.Equal(t, text, p.format(got))
			_, err = p.parse(strings.ToUpper(text) + " ")
			require.EqualError(t, err, fmt.Sprintf("%q: want one of %s", strings.ToUpper(text)+" ", strings.Join(p.words, ", ")), name)
		}
		_, err := p.parse("")
		require.Error(t, err, name)
	}
}

// exactly reads a value as a fraction: what scan must agree with.
func exactly(text string, units []unit) (*big.Rat, bool) {
	for _, u := range units {
		digits, found := strings.CutSuffix(text, u.name)
		if !found {
			continue
		}
		if value, ok := new(big.Rat).SetString(digits); ok {
			return value.Mul(value, new(big.Rat).SetInt64(u.factor)), true
		}
	}
	return nil, false
}

// TestScanAgreesWithFractions draws numbers as people write them and compares what is
// read with exact arithmetic: a value is read if and only if it is whole.
func TestScanAgreesWithFractions(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		k := rapid.SampledFrom([]kind{count, size, frequency}).Draw(t, "kind")
		u := rapid.SampledFrom(units[k]).Draw(t, "unit")
		digits := rapid.StringMatching(`(0|[1-9][0-9]{0,5})(\.[0-9]{1,9})?`).Draw(t, "digits")
		text := digits + u.name
		want, ok := exactly(text, units[k])
		require.True(t, ok)
		got, read := scan(text, units[k])
		// Only what has a smaller unit can be given in parts of one.
		parts := strings.Contains(digits, ".") && u.factor == 1
		if !want.IsInt() || parts || want.Cmp(new(big.Rat).SetInt64(1<<53)) > 0 {
			require.False(t, read, "%s is %s", text, want)
			return
		}
		require.True(t, read, "%s is %s", text, want)
		require.Equal(t, want.Num().Int64(), got, text)
	})
}

func TestWhatIsNoValue(t *testing.T) {
	t.Parallel()
	for k, texts := range map[kind][]string{
		count:     {"", " 4", "4 ", "-4", "4.5", "four", "0x10", "1e3", "4K", "٤", "9223372036854775808"},
		size:      {"", "64", "KiB", "-1KiB", "64kib", "64 KiB", "64KB", "64K", "0.3B", "1.5.5KiB", "1e3KiB", "8388609GiB", "1.0000000001GiB"},
		frequency: {"", "3", "GHz", "3ghz", "3 GHz", "3.GHz", "3G", "-3GHz", "0.0000000001GHz", "9007200GHz", "NaNGHz", "InfHz"},
	} {
		p := parameter{kind: k, min: 0, max: 1 << 60}
		for _, text := range texts {
			_, err := p.parse(text)
			require.EqualError(t, err, fmt.Sprintf("%q: want %s", text, examples[k]))
		}
	}
}

// TestCanonicalValues draws values of every parameter: what is written is read again,
// in the largest unit in which the value is whole.
func TestCanonicalValues(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom(names).Draw(t, "name")
		p := table[name]
		if p.kind == word {
			return
		}
		n := rapid.Int64Range(1, p.max).Draw(t, "value")
		text := p.format(n)
		back, ok := scan(text, units[p.kind])
		require.True(t, ok, text)
		require.Equal(t, n, back, text)
		require.NotContains(t, text, ".")
		for _, u := range units[p.kind] {
			other := fmt.Sprint(n/u.factor) + u.name
			if n%u.factor == 0 {
				require.LessOrEqual(t, len(text)-len(strings.TrimLeft(text, "0123456789")), len(other), "%s is longer than %s", text, other)
				same, ok := scan(other, units[p.kind])
				require.True(t, ok)
				require.Equal(t, text, p.format(same), "one value, one way of writing it")
			}
		}
	})
}

func TestWhatWasMeantIsNamedForEveryParameter(t *testing.T) {
	t.Parallel()
	for _, name := range names {
		middle := strings.Index(name, ".") + 2
		for _, typo := range []string{
			name[:middle] + name[middle+1:],       // a letter lost
			name[:middle] + "q" + name[middle:],   // one more
			name[:middle] + "Q" + name[middle+1:], // another
		} {
			if _, known := table[typo]; known || typo == name {
				continue
			}
			p := Platform{Parameters: map[string]string{}}
			err := p.set(typo, "1")
			require.ErrorContains(t, err, typo+": no such parameter; did you mean ")
			require.ErrorContains(t, err, name)
			require.Empty(t, p.Parameters)
		}
	}
}
