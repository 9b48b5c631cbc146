package host

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestWhereTheKernelDoesNotTell takes one file after the other away: what can be
// missing is missing on some machine, and everything else stays as it was.
func TestWhereTheKernelDoesNotTell(t *testing.T) {
	t.Parallel()
	whole, err := inspect(tree(t, twoCores()), []int{0, 1})
	require.NoError(t, err)
	for name := range twoCores() {
		t.Run(strings.ReplaceAll(name, "/", " "), func(t *testing.T) {
			t.Parallel()
			files := twoCores()
			delete(files, name)
			m, err := inspect(tree(t, files), []int{0, 1})
			if strings.HasPrefix(name, "proc/") {
				require.ErrorIs(t, err, os.ErrNotExist)
				return
			}
			require.NoError(t, err)
			require.Equal(t, whole.platform.Name, m.platform.Name)
			for parameter, value := range m.platform.Parameters {
				if !strings.HasPrefix(parameter, "cache.") {
					require.Equal(t, whole.platform.Parameters[parameter], value, "what is told is told rightly")
				}
			}
			if strings.HasSuffix(name, "/cpufreq/scaling_governor") {
				require.NotContains(t, m.platform.Parameters, "cpu.governor", "a virtual machine has none")
			}
		})
	}
}

// TestListsOfCores writes lists as the kernel does and reads them.
func TestListsOfCores(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		cores := slices.Sorted(slices.Values(rapid.SliceOfNDistinct(rapid.IntRange(0, 60), 1, 30, rapid.ID).Draw(t, "cores")))
		var parts []string
		for i := 0; i < len(cores); {
			j := i
			for j+1 < len(cores) && cores[j+1] == cores[j]+1 {
				j++
			}
			if i == j {
				parts = append(parts, fmt.Sprint(cores[i]))
			} else {
				parts = append(parts, fmt.Sprintf("%d-%d", cores[i], cores[j]))
			}
			i = j + 1
		}
		require.Equal(t, cores, parseCPUList(strings.Join(parts, ",")))
	})
}

// TestTheFunctionsCoreIsNeverTheClientsUnlessItIsTheOnlyOne draws machines.
func TestTheFunctionsCoreIsNeverTheClientsUnlessItIsTheOnlyOne(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		cores := slices.Sorted(slices.Values(rapid.SliceOfNDistinct(rapid.IntRange(0, 20), 1, 8, rapid.ID).Draw(t, "cores")))
		siblings := rapid.SliceOfDistinct(rapid.IntRange(0, 20), rapid.ID).Draw(t, "siblings")
		given := slices.Clone(cores)
		core, clients := chooseCores(cores, siblings)
		require.Equal(t, given, cores, "the argument is left as it is")
		require.Contains(t, cores, core)
		require.NotEmpty(t, clients)
		require.Subset(t, cores, clients)
		require.Equal(t, len(cores) == 1, slices.Contains(clients, core))
		apart := slices.DeleteFunc(slices.Clone(cores), func(c int) bool { return c == core || slices.Contains(siblings, c) })
		if len(apart) > 0 {
			require.Equal(t, apart, clients, "whoever shares no execution units, and all of them")
		}
	})
}

// TestSizesOfCaches writes sizes as the kernel does and reads them.
func TestSizesOfCaches(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(1, 1<<20).Draw(t, "n")
		suffix := rapid.SampledFrom(slices.Sorted(maps.Keys(map[string]int{"": 0, "K": 10, "M": 20, "G": 30}))).Draw(t, "suffix")
		got, ok := parseSize(fmt.Sprint(n) + suffix)
		require.True(t, ok)
		require.Equal(t, n<<map[string]int{"": 0, "K": 10, "M": 20, "G": 30}[suffix], got)
	})
}

// TestTheDigestOfParametersIsOfNamesAndValues tells apart what runs into each other
// when it is written one after the other.
func TestTheDigestOfParametersIsOfNamesAndValues(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, parameters := range []map[string]string{
		{}, {"a": ""}, {"a": "b"}, {"b": "a"}, {"a": "b", "c": "d"}, {"a": "b\"\n\"c\"=\"d"}, {"ab": ""}, {"a": "bc", "d": ""},
	} {
		d := digest(parameters)
		require.Empty(t, seen[d], "%v and %s", parameters, seen[d])
		seen[d] = fmt.Sprint(parameters)
		require.Equal(t, d, digest(maps.Clone(parameters)))
	}
}
