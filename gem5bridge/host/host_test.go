package host_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/servicetime"
	"microcosm/functions"
	"microcosm/gem5bridge"
	"microcosm/gem5bridge/bridgetest"
	"microcosm/gem5bridge/host"
	"microcosm/gem5bridge/process"
)

// These tests measure. They do not run in parallel, since they would share the
// functions' core.

var goMix = gem5bridge.Mix{Name: servicetime.CatalogMix, Functions: []string{"fibonacci-go", "aes-go", "auth-go"}}

func TestHostConforms(t *testing.T) {
	bridgetest.Run(t, func(t *testing.T) bridgetest.Subject {
		job := gem5bridge.Job{
			Setup:    gem5bridge.Setup{Functions: installed},
			Mix:      goMix,
			Seed:     11,
			Deadline: 10 * time.Second,
		}
		job.Cells = slices.Concat(bridgetest.Cells(t, "fibonacci-go", 3, "warm", "lukewarm:2"), bridgetest.Cells(t, "aes-go", 2, "cold", "stage:init"))
		job.Cells[1].First = 4
		return bridgetest.Subject{
			Config:      bridgetest.Plugin("host"),
			Job:         job,
			Unsupported: []servicetime.Condition{bridgetest.Condition(t, "flush:l1i+btb"), bridgetest.Condition(t, "stage:create")},
			Flood:       true,
		}
	})
}

// TestAMeasurementMakesNoMoreCallsThanItNeeds counts what a measurement of two
// functions costs, in processes started and in calls made: time depends on the
// machine.
func TestAMeasurementMakesNoMoreCallsThanItNeeds(t *testing.T) {
	s := bridgetest.Connect(t, bridgetest.Plugin("host"))
	job := gem5bridge.Job{Setup: gem5bridge.Setup{Functions: installed}, Mix: goMix, Seed: 1, Deadline: 10 * time.Second}
	for _, function := range []string{"fibonacci-go", "aes-go"} {
		job.Cells = append(job.Cells, bridgetest.Cells(t, function, 3, "cold")...)
		job.Cells = append(job.Cells, bridgetest.Cells(t, function, 30, "warm", "lukewarm:1", "lukewarm:2", "lukewarm:4", "lukewarm:8", "lukewarm:16", "flush")...)
	}
	calls, allowed := map[string]int64{}, map[string]int64{} // by process
	processes := map[string]map[string]bool{}                // by function
	valid, others := 0, 0
	for one, err := range s.Sample(t.Context(), job, func(p gem5bridge.Progress) { calls[p.Run] = max(calls[p.Run], p.WorkItems) }) {
		require.NoError(t, err)
		process := one.Provenance.Restore
		if processes[one.Key.Function] == nil {
			processes[one.Key.Function] = map[string]bool{}
		}
		processes[one.Key.Function][process] = true
		if warmups, warm := one.Counters[host.CounterWarmups]; warm {
			require.LessOrEqual(t, warmups, int64(200))
			if allowed[process] <= 1 { // nothing, or a first call
				allowed[process] += warmups
			}
			allowed[process] += 3 // that prime it
		}
		allowed[process]++
		if one.Status == servicetime.Valid {
			valid++
		} else {
			others++
		}
	}
	require.Equal(t, 2*(3+7*30), valid)
	for function, of := range processes {
		require.GreaterOrEqual(t, len(of), 6, function)
		require.LessOrEqual(t, len(of), 6+others, "%s: one in each round, and another where a sample went wrong", function)
	}
	for process, n := range calls {
		require.LessOrEqual(t, n, allowed[process], "calls of %s", process)
	}
}

func TestWhatASampleHolds(t *testing.T) {
	s := bridgetest.Connect(t, bridgetest.Plugin("host"))
	d, err := s.Describe(t.Context(), gem5bridge.Setup{})
	require.NoError(t, err)
	job := gem5bridge.Job{Setup: gem5bridge.Setup{Functions: installed}, Mix: goMix, Seed: 3, Deadline: 10 * time.Second, Campaign: "test"}
	job.Cells = slices.Concat(
		bridgetest.Cells(t, "aes-go", 8, "warm", "flush", "stressor:1MiB", "lukewarm:3"),
		bridgetest.Cells(t, "aes-go", 4, "cold", "stage:init"),
	)
	by, err := bridgetest.Sample(t, s, job)
	require.NoError(t, err)
	catalog, err := functions.Load()
	require.NoError(t, err)
	aes, err := catalog.Lookup("aes-go")
	require.NoError(t, err)
	image, err := aes.Digest(installed)
	require.NoError(t, err)
	restores := map[string]map[string]bool{}
	for _, one := range by[servicetime.Valid] {
		word := one.Key.Condition.String()
		if restores[word] == nil {
			restores[word] = map[string]bool{}
		}
		restores[word][one.Provenance.Restore] = true
		require.Equal(t, image, one.Key.Image)
		require.True(t, strings.HasPrefix(one.Key.Platform, "host-"))
		require.True(t, strings.HasSuffix(one.Provenance.Boot, "/test"), one.Provenance.Boot)
		require.Positive(t, one.Counters[host.CounterCPU], word)
		require.Equal(t, word == "stage:init", one.Null == 0, "%s: only a stage has no null call", word)
		requireWalk(t, d, one)
	}
	for word, distinct := range restores {
		want := map[string]int{"cold": 4, "stage:init": 4}[word]
		if want == 0 {
			want = 6
		}
		require.GreaterOrEqual(t, len(distinct), want, "processes of %s", word)
	}
}

// requireWalk checks the counters of walking: flush walks twice the last level
// or 64 MiB, a stressor what it says, and no other condition walks.
func requireWalk(t *testing.T, d gem5bridge.Description, one servicetime.Sample) {
	t.Helper()
	data, walked := one.Counters[servicetime.CounterFlushBytes]
	code := one.Counters[host.CounterFlushCode]
	switch one.Key.Condition.Kind {
	case servicetime.Flush:
		require.LessOrEqual(t, data, int64(64<<20))
		require.GreaterOrEqual(t, data, int64(1<<20))
		require.Equal(t, data, code)
		require.Contains(t, strings.Join(d.Notes, "\n"), "flush walks ")
	case servicetime.Stressor:
		require.Equal(t, int64(1<<20), data)
		require.Equal(t, data, code)
	default:
		require.False(t, walked)
	}
}

// TestAFlushCosts measures a function in Python, whose large footprint a flush
// evicts: every flushed call costs more CPU time than the fastest warm ones. Whatever
// else runs on the machine makes calls slower only, so that the fastest tell; where
// it slows too many of them, they are measured again. If a flush cost nothing, the ten
// fastest of forty calls would all be warm once in 4 500 rounds.
func TestAFlushCosts(t *testing.T) {
	needsPython(t)
	s := bridgetest.Connect(t, bridgetest.Plugin("host"))
	job := gem5bridge.Job{Setup: gem5bridge.Setup{Functions: installed}, Deadline: 10 * time.Second}
	const fastest, rounds = 10, 4
	for job.Seed = range uint64(rounds) {
		job.Cells = bridgetest.Cells(t, "aes-python", 20, "warm", "flush")
		by, err := bridgetest.Sample(t, s, job)
		require.NoError(t, err)
		cpu := map[servicetime.Kind][]int64{}
		for _, one := range by[servicetime.Valid] {
			cpu[one.Key.Condition.Kind] = append(cpu[one.Key.Condition.Kind], one.Counters[host.CounterCPU])
		}
		for _, times := range cpu {
			slices.Sort(times)
			require.Len(t, times, 20)
		}
		t.Logf("CPU time in ns: warm %v, flush %v", cpu[servicetime.Warm], cpu[servicetime.Flush])
		if cpu[servicetime.Flush][0] > cpu[servicetime.Warm][fastest-1] {
			return
		}
	}
	t.Fatalf("in none of %d rounds is every flushed call slower than the %d fastest warm ones", rounds, fastest)
}

// TestFunctionsStayOnTheirCore looks at the functions while they are measured.
func TestFunctionsStayOnTheirCore(t *testing.T) {
	cores, err := process.Cores()
	require.NoError(t, err)
	if len(cores) == 1 {
		t.Skip("one core only: functions and client share it")
	}
	config := bridgetest.Plugin("host")
	mark := "HOST_TEST=" + t.Name()
	config.Env = append(config.Env, mark)
	s := bridgetest.Connect(t, config)
	job := gem5bridge.Job{Setup: gem5bridge.Setup{Functions: installed}, Mix: goMix, Seed: 3, Deadline: 10 * time.Second}
	job.Cells = bridgetest.Cells(t, "aes-go", 1<<20, "lukewarm:2")
	for _, err := range s.Sample(t.Context(), job, nil) {
		require.NoError(t, err)
		break
	}
	leaders := process.Find(func(p process.Stray) bool { return p.Session == p.PID && p.HasEnv(mark) })
	require.Len(t, leaders, 1)
	client := allowed(t, leaders[0].PID)
	require.NotEmpty(t, client)
	measured := 0
	for _, err := range s.Sample(t.Context(), job, nil) {
		require.NoError(t, err)
		for _, p := range process.Find(func(p process.Stray) bool { return p.Parent == leaders[0].PID }) {
			for _, core := range allowed(t, p.PID) {
				require.NotContains(t, client, core, "pid %d", p.PID)
				measured++
			}
		}
		break
	}
	require.GreaterOrEqual(t, measured, 2, "the measured function and one that interleaves")
}

// allowed returns the list of cores that each thread of a process may use;
// nothing for one that has ended.
func allowed(t *testing.T, pid int) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("/proc", itoa(pid), "task/*/status"))
	require.NoError(t, err)
	var lists []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		_, rest, found := strings.Cut(string(text), "Cpus_allowed_list:")
		require.True(t, found)
		list, _, _ := strings.Cut(strings.TrimSpace(rest), "\n")
		lists = append(lists, list)
	}
	return lists
}
