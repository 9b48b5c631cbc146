package mapping_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/loadgen"
	"microcosm/loadgen/mapping"
)

var catalog = []string{"fibonacci-go", "fibonacci-go-fast", "fibonacci", "auth-go"}

func TestResolveTakesTheLongestName(t *testing.T) {
	t.Parallel()
	for proxy, want := range map[string][2]string{
		"fibonacci-go-10-10":      {"fibonacci-go", "10-10"},
		"fibonacci-go":            {"fibonacci-go", ""},
		"fibonacci-go-fast-1":     {"fibonacci-go-fast", "1"},
		"fibonacci-go-faster-1":   {"fibonacci-go", "faster-1"},
		"fibonacci-python-10-10":  {"fibonacci", "python-10-10"},
		"auth-go":                 {"auth-go", ""},
		"auth-golang":             {},
		"fibonacc":                {},
		"":                        {},
		"video-processing-python": {},
	} {
		name, arguments, found := mapping.Resolve(proxy, catalog)
		require.Equal(t, want, [2]string{name, arguments}, proxy)
		require.Equal(t, want[0] != "", found, proxy)
	}
	_, _, found := mapping.Resolve("auth-go", nil)
	require.False(t, found)
}

func TestJoinByTable(t *testing.T) {
	t.Parallel()
	functions := []loadgen.Function{
		{Name: "h1", Hash: "h1", Owner: "o", App: "a", ExpectedInvocations: 60},
		{Name: "h2@a", Hash: "h2", Owner: "o", App: "a", ExpectedInvocations: 20},
		{Name: "h2@b", Hash: "h2", Owner: "o", App: "b", ExpectedInvocations: 10},
		{Name: "h3", Hash: "h3", ExpectedInvocations: 5},
		{Name: "h4", Hash: "h4", ExpectedInvocations: 4},
		{Name: "own", ExpectedInvocations: 1},
		{Name: "", ExpectedInvocations: 0},
	}
	table := mapping.Table{
		"h1oa": "fibonacci-go-10-10", // In-Vitro's example
		"h1":   "auth-go",            // the more exact key wins, this one stays unused
		"h2":   "auth-go",            // In-Vitro's documentation
		"h3":   "trace-func-go",
		"h4":   "video-processing-python-10",
		"own":  "auth-go",
		"":     "auth-go",
		"gone": "auth-go",
	}
	m := table.Join(functions, catalog)
	require.Equal(t, []mapping.Match{
		{Function: "h1", Invocations: 60, Proxy: "fibonacci-go-10-10", Measured: "fibonacci-go", Arguments: "10-10"},
		{Function: "h2@a", Invocations: 20, Proxy: "auth-go", Measured: "auth-go"},
		{Function: "h2@b", Invocations: 10, Proxy: "auth-go", Measured: "auth-go"},
		{Function: "h3", Invocations: 5, Proxy: "trace-func-go", Reason: "In-Vitro's mapper found no measured function near it"},
		{Function: "h4", Invocations: 4, Proxy: "video-processing-python-10", Reason: "the catalog has no function video-processing-python-10"},
		{Function: "own", Invocations: 1, Proxy: "auth-go", Measured: "auth-go"},
		{Reason: "the mapping has no entry for it"},
	}, m.Matches)
	require.InDelta(t, .09, m.UnmappedShare(), 1e-12)
	require.Equal(t, 3, m.Unused)
	require.Zero(t, mapping.Table{}.Join(nil, catalog).UnmappedShare())
}

func TestNearest(t *testing.T) {
	t.Parallel()
	profiles := []mapping.Profile{
		{Name: "auth-go", MedianDuration: time.Millisecond, MedianMemory: 20},
		{Name: "fibonacci-go-1-1", MedianDuration: 100 * time.Millisecond, MedianMemory: 20},
		{Name: "fibonacci-go-2-2", MedianDuration: 100 * time.Millisecond, MedianMemory: 200},
		{Name: "video-1", MedianDuration: 50 * time.Millisecond, MedianMemory: 60},
		{Name: "fibonacci-go-3-3", MedianDuration: 100 * time.Millisecond, MedianMemory: 20},
	}
	of := func(duration time.Duration, memory float64) mapping.Match {
		f := loadgen.Function{Name: "f", MedianDuration: duration, MedianMemoryMiB: memory, ExpectedInvocations: 3}
		m := mapping.Nearest([]loadgen.Function{f}, profiles, catalog, mapping.DefaultLimit).Matches[0]
		require.Equal(t, "f", m.Function)
		require.InDelta(t, 3, m.Invocations, 0)
		return m
	}
	m := of(90*time.Millisecond, 25)
	require.Equal(t, "fibonacci-go-1-1", m.Proxy, "the first of equals")
	require.Equal(t, "fibonacci-go", m.Measured)
	require.Equal(t, "1-1", m.Arguments)
	require.InDelta(t, 10./90, m.Error, 1e-12)

	require.Equal(t, "fibonacci-go-2-2", of(90*time.Millisecond, 90).Proxy, "memory decides: √(20·200) = 63 lies below 90")
	require.Equal(t, "auth-go", of(time.Millisecond, 20).Measured)
	require.Equal(t, "fibonacci-go-1-1", of(140*time.Millisecond, 20).Proxy, "29 % off")

	far := of(50*time.Millisecond, 60)
	require.Empty(t, far.Measured, "video is nearest, but not in the catalog")
	require.Contains(t, far.Reason, "the nearest, fibonacci-go-1-1, takes 100ms, not 50ms: 100 % off, more than 40 %")
	require.Equal(t, "fibonacci-go-1-1", far.Proxy, "named all the same")
	require.InDelta(t, 1, far.Error, 1e-12)

	require.Contains(t, of(0, 60).Reason, "the trace gives it no median duration or memory")
	require.Contains(t, of(time.Second, 0).Reason, "the trace gives it no median duration or memory")
	none := mapping.Nearest([]loadgen.Function{{Name: "f"}}, profiles, []string{"other"}, 1)
	require.Equal(t, "no profile is of a function in the catalog", none.Matches[0].Reason)
	require.Len(t, profiles, 5, "the caller's list is left alone")
	require.Equal(t, "video-1", profiles[3].Name, "the caller's list is left alone")
}

func TestNearestChoosesAsInVitrosMapperDid(t *testing.T) {
	t.Parallel()
	path := filepath.Join("..", "..", "..", "shared", "data", "invitro", "vswarm-profiles.json.gz")
	if _, err := os.Stat(path); err != nil {
		t.Skipf("skipped: vSwarm's profiles are not at %s", path)
	}
	profiles, err := mapping.ReadProfiles(path)
	require.NoError(t, err)
	require.Len(t, profiles, 191)
	var names []string
	for _, p := range profiles {
		names = append(names, p.Name)
	}
	// In-Vitro, tools/mapper/test_files/extremes: input and correct output.
	functions := []loadgen.Function{
		{Name: "fdd2e3", MedianDuration: 93192 * time.Millisecond, MedianMemoryMiB: 144},
		{Name: "f8620c", MedianDuration: 200 * time.Millisecond, MedianMemoryMiB: 53.5},
		{Name: "4dd18b", MedianDuration: 17 * time.Millisecond, MedianMemoryMiB: 48.333333333333336},
	}
	m := mapping.Nearest(functions, profiles, names, mapping.DefaultLimit).Matches
	require.Empty(t, m[0].Measured, "trace-func-go")
	require.Equal(t, "fibonacci-nodejs-100000-101000", m[1].Measured)
	require.Equal(t, "fibonacci-nodejs-10000-10100", m[2].Measured)
}
