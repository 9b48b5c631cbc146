package host_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/servicetime"
	"microcosm/gem5bridge"
	"microcosm/gem5bridge/bridgetest"
	"microcosm/gem5bridge/process"
)

// callsFile is where the counting functions note every call, in the folder that is
// named by their environment.
const (
	callsFile    = "calls"
	oddWhere     = "HOST_TEST_FOLDER"
	measuredName = "counts-a"
)

var countingMix = gem5bridge.Mix{Name: servicetime.CatalogMix, Functions: []string{"counts-a", "counts-b", "counts-c"}}

// noting serves calls and notes each of them by a letter.
func noting(letter string) func() {
	return answer(func(int64) ([]byte, error) {
		file, err := os.OpenFile(filepath.Join(os.Getenv(oddWhere), callsFile), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return nil, err
		}
		if _, err := file.WriteString(letter); err != nil {
			return nil, err
		}
		return nil, file.Close()
	})
}

// noted is what the functions noted, one word of others' calls for each sample: what
// came between two calls of the measured function.
func noted(t *testing.T, root string) (between []string, own int) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, callsFile))
	require.NoError(t, err)
	for word := range strings.SplitSeq(string(text), "a") {
		if word != "" {
			between = append(between, word)
		}
	}
	return between, strings.Count(string(text), "a")
}

// all returns how many samples there are, of whatever status, by condition.
func all(by map[servicetime.Status][]servicetime.Sample) map[string]int {
	n := map[string]int{}
	for _, samples := range by {
		for _, one := range samples {
			n[one.Key.Condition.String()]++
		}
	}
	return n
}

// TestLukewarmInterleavesAsManyCallsAsItSays counts at the functions: between a
// process's own call and the measured one, k calls of others arrive, none of them its
// own, and in no other condition does any.
func TestLukewarmInterleavesAsManyCallsAsItSays(t *testing.T) {
	s, job := oddJob(t, countingMix.Functions...)
	job.Mix = countingMix
	job.Cells = bridgetest.Cells(t, measuredName, 6, "lukewarm:1", "lukewarm:7", "warm", "cold")
	by, err := bridgetest.Sample(t, s, job)
	require.NoError(t, err)
	samples := all(by)
	between, own := noted(t, job.Functions)
	lengths := map[int]int{}
	for _, word := range between {
		lengths[len(word)]++
	}
	require.Equal(t, map[int]int{1: samples["lukewarm:1"], 7: samples["lukewarm:7"]}, lengths)
	text := strings.Join(between, "")
	require.Positive(t, strings.Count(text, "b"))
	require.Positive(t, strings.Count(text, "c"))
	// Each sample but the cold ones has three calls before it that make it warm.
	require.GreaterOrEqual(t, own, 4*(samples["lukewarm:1"]+samples["lukewarm:7"]+samples["warm"])+samples["cold"])
}

// TestWhoInterleavesIsTheSeedsAlone: sample n has the same neighbours in whatever run,
// however long its process took to settle.
func TestWhoInterleavesIsTheSeedsAlone(t *testing.T) {
	s, job := oddJob(t, countingMix.Functions...)
	job.Mix = countingMix
	job.Cells = bridgetest.Cells(t, measuredName, 8, "lukewarm:6")
	drawn := func(seed uint64) []string {
		require.NoError(t, os.RemoveAll(filepath.Join(job.Functions, callsFile)))
		job.Seed = seed
		by, err := bridgetest.Sample(t, s, job)
		require.NoError(t, err)
		between, _ := noted(t, job.Functions)
		require.Len(t, between, all(by)["lukewarm:6"], "in the order of the samples' numbers")
		return between[:8] // there are more where some were rejected
	}
	first := drawn(1)
	require.Equal(t, first, drawn(1))
	require.NotEqual(t, first, drawn(2))
}

// TestAFunctionThatIsKilledIsReplaced kills the measured process now and then: all
// samples come in the end.
func TestAFunctionThatIsKilledIsReplaced(t *testing.T) {
	s, job := oddJob(t, measuredName)
	job.Cells = bridgetest.Cells(t, measuredName, 60, "warm")
	valid, killed := 0, 0
	for one, err := range s.Sample(t.Context(), job, nil) {
		require.NoError(t, err)
		require.NoError(t, one.Check())
		if one.Status == servicetime.Censored {
			require.Contains(t, one.Reason, "function died: signal: killed")
		}
		if one.Status != servicetime.Valid {
			continue
		}
		if valid++; valid%20 == 1 {
			killed += process.Signal(syscall.SIGKILL, func(p process.Stray) bool { return p.HasEnv("BRIDGETEST_ROLE=" + measuredName) })
		}
	}
	require.Equal(t, 60, valid)
	require.Positive(t, killed)
}

// TestWhatAFunctionNeedsDoesNotStart: the failure names both.
func TestWhatAFunctionNeedsDoesNotStart(t *testing.T) {
	s, job := oddJob(t, "ends-at-once", "calls-ends-at-once")
	job.Cells = bridgetest.Cells(t, "calls-ends-at-once", 2, "cold")
	by, err := bridgetest.Sample(t, s, job)
	require.Empty(t, by)
	require.ErrorIs(t, err, gem5bridge.ErrNotReady)
	require.ErrorContains(t, err, "calls-ends-at-once/default cold: function not ready: given up after 0 of 2 samples: ")
	require.ErrorContains(t, err, "callee that it needs: ends-at-once: function not ready: it ended: exit status 3; its last words: no such module")
}

// TestACancelledJobLeavesNoFunction looks for what was started for a job that was
// broken off, while the plugin goes on.
func TestACancelledJobLeavesNoFunction(t *testing.T) {
	s, job := oddJob(t, append([]string{"spins", "calls-spins"}, countingMix.Functions...)...)
	job.Mix = countingMix
	job.Cells = append(bridgetest.Cells(t, measuredName, 1<<20, "lukewarm:2"), bridgetest.Cells(t, "calls-spins", 1<<20, "warm")...)
	running := func() int {
		return len(process.Find(func(p process.Stray) bool {
			role, played := p.Env("BRIDGETEST_ROLE")
			return played && (strings.HasPrefix(role, "counts-") || strings.HasSuffix(role, "spins"))
		}))
	}
	seen := 0
	for _, err := range s.Sample(t.Context(), job, nil) {
		require.NoError(t, err)
		seen = max(seen, running())
		if seen >= 4 {
			break
		}
	}
	require.GreaterOrEqual(t, seen, 4, "the measured ones, who interleaves, and who is called")
	_, err := s.Describe(t.Context(), gem5bridge.Setup{})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return running() == 0 }, patience, tick)
}
