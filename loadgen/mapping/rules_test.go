package mapping_test

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/loadgen"
	"microcosm/loadgen/mapping"
)

var pieces = rapid.SampledFrom([]string{"a", "b", "aa", "go", "1", "ü"})

// hyphened draws names that are often each other's beginnings.
var hyphened = rapid.Custom(func(t *rapid.T) string {
	return strings.Join(rapid.SliceOfN(pieces, 1, 4).Draw(t, "pieces"), "-")
})

// TestANameIsTheLongestRunOfItsPieces: resolved by taking pieces away from the
// end until the catalog has the rest.
func TestANameIsTheLongestRunOfItsPieces(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		catalog := rapid.SliceOfN(hyphened, 0, 6).Draw(t, "catalog")
		proxy := hyphened.Draw(t, "proxy")
		parts := strings.Split(proxy, "-")
		wantName, wantArguments, wantFound := "", "", false
		for n := len(parts); n > 0 && !wantFound; n-- {
			if head := strings.Join(parts[:n], "-"); slices.Contains(catalog, head) {
				wantName, wantArguments, wantFound = head, strings.Join(parts[n:], "-"), true
			}
		}
		name, arguments, found := mapping.Resolve(proxy, catalog)
		require.Equal(t, []any{wantName, wantArguments, wantFound}, []any{name, arguments, found})
		slices.Reverse(catalog)
		again, _, _ := mapping.Resolve(proxy, catalog)
		require.Equal(t, name, again, "the catalog's order does not matter")
	})
}

// spread draws a positive number over six decades.
func spread(t *rapid.T, label string) float64 {
	return math.Pow(10, rapid.Float64Range(0, 6).Draw(t, label))
}

// TestNearestAgainstARanking: all profiles ranked by the ratio of areas, which
// needs no logarithm of a ratio; the first is taken or refused by the limit.
func TestNearestAgainstARanking(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var known []mapping.Profile
		for range rapid.IntRange(1, 8).Draw(t, "profiles") {
			known = append(known, mapping.Profile{
				Name: hyphened.Draw(t, "name"), MedianDuration: time.Duration(spread(t, "duration") * 1e3), MedianMemory: spread(t, "memory"),
			})
		}
		catalog := rapid.SliceOfN(hyphened, 0, 4).Draw(t, "catalog")
		f := loadgen.Function{Name: "f", MedianDuration: time.Duration(spread(t, "duration") * 1e3), MedianMemoryMiB: spread(t, "memory"), ExpectedInvocations: 1}
		limit := rapid.Float64Range(0, 3).Draw(t, "limit")
		got := mapping.Nearest([]loadgen.Function{f}, known, catalog, limit).Matches[0]

		var allowed []mapping.Profile
		for _, p := range known {
			if _, _, found := mapping.Resolve(p.Name, catalog); found {
				allowed = append(allowed, p)
			}
		}
		if len(allowed) == 0 {
			require.Equal(t, "no profile is of a function in the catalog", got.Reason)
			require.Empty(t, got.Proxy+got.Measured)
			return
		}
		squared := func(p mapping.Profile) float64 {
			d := math.Log(float64(f.MedianDuration)) - math.Log(float64(p.MedianDuration))
			m := math.Log(f.MedianMemoryMiB) - math.Log(p.MedianMemory)
			return d*d + m*m
		}
		slices.SortStableFunc(allowed, func(a, b mapping.Profile) int {
			switch x, y := squared(a), squared(b); {
			case x < y-1e-9:
				return -1
			case x > y+1e-9:
				return 1
			}
			return 0
		})
		best := allowed[0]
		require.Equal(t, best.Name, got.Proxy)
		off := math.Abs(float64(best.MedianDuration)/float64(f.MedianDuration) - 1)
		require.InDelta(t, off, got.Error, 1e-9)
		require.Equal(t, got.Error <= limit, got.Measured != "", "off by %v, limit %v", off, limit)
		require.Equal(t, got.Measured == "", got.Reason != "")
		if got.Measured != "" {
			require.Equal(t, best.Name, strings.TrimSuffix(got.Measured+"-"+got.Arguments, "-"))
		}
	})
}

// TestTheUnitsOfATraceDoNotMatter: where all times, or all memories, are longer by
// one factor, the same profiles are nearest with the same errors.
func TestTheUnitsOfATraceDoNotMatter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var known, scaled []mapping.Profile
		factor, more := time.Duration(rapid.IntRange(2, 1000).Draw(t, "factor")), float64(rapid.IntRange(2, 64).Draw(t, "more"))
		for i := range rapid.IntRange(1, 6).Draw(t, "profiles") {
			p := mapping.Profile{Name: "a-" + string(rune('a'+i)), MedianDuration: time.Duration(spread(t, "duration") * 1e3), MedianMemory: spread(t, "memory")}
			known = append(known, p)
			p.MedianDuration, p.MedianMemory = factor*p.MedianDuration, more*p.MedianMemory
			scaled = append(scaled, p)
		}
		f := loadgen.Function{Name: "f", MedianDuration: time.Duration(spread(t, "duration") * 1e3), MedianMemoryMiB: spread(t, "memory")}
		g := f
		g.MedianDuration, g.MedianMemoryMiB = factor*f.MedianDuration, more*f.MedianMemoryMiB
		one := mapping.Nearest([]loadgen.Function{f}, known, []string{"a"}, math.Inf(1)).Matches[0]
		other := mapping.Nearest([]loadgen.Function{g}, scaled, []string{"a"}, math.Inf(1)).Matches[0]
		require.InDelta(t, one.Error, other.Error, 1e-9)
		require.Equal(t, one.Measured, other.Measured)
	})
}

// TestAJoinCountsEverything: one match for each function, in order; unmapped ones
// have a reason, mapped ones none; and what no function used is counted.
func TestAJoinCountsEverything(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		table := mapping.Table(rapid.MapOfN(hyphened, hyphened, 0, 6).Draw(t, "table"))
		catalog := rapid.SliceOfN(hyphened, 0, 4).Draw(t, "catalog")
		var functions []loadgen.Function
		for range rapid.IntRange(0, 6).Draw(t, "functions") {
			functions = append(functions, loadgen.Function{
				Name: hyphened.Draw(t, "name"), Hash: hyphened.Draw(t, "hash"), Owner: rapid.SampledFrom([]string{"", "-a"}).Draw(t, "owner"),
				ExpectedInvocations: float64(rapid.IntRange(0, 10).Draw(t, "invocations")),
			})
		}
		m := table.Join(functions, catalog)
		require.Len(t, m.Matches, len(functions))
		used, unmapped, all := map[string]bool{}, 0., 0.
		for i, f := range functions {
			got := m.Matches[i]
			require.Equal(t, f.Name, got.Function)
			require.Equal(t, got.Measured == "", got.Reason != "")
			key, proxy := "", ""
			for _, candidate := range []string{f.Name, f.Hash, f.Hash + f.Owner} { // the last that is there counts
				if p, there := table[candidate]; there {
					key, proxy = candidate, p
				}
			}
			require.Equal(t, proxy, got.Proxy)
			name, arguments, _ := mapping.Resolve(proxy, catalog)
			require.Equal(t, name, got.Measured)
			require.Equal(t, arguments, got.Arguments)
			if key != "" {
				used[key] = true
			}
			if all += f.ExpectedInvocations; got.Measured == "" {
				unmapped += f.ExpectedInvocations
			}
		}
		require.Equal(t, len(table)-len(used), m.Unused)
		if all > 0 {
			require.InDelta(t, unmapped/all, m.UnmappedShare(), 1e-12)
		} else {
			require.Zero(t, m.UnmappedShare())
		}
	})
}
