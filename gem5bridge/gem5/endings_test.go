package gem5_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/renameio/v2"
	"github.com/stretchr/testify/require"

	"microcosm/cosim/servicetime"
	"microcosm/gem5bridge"
	"microcosm/gem5bridge/bridgetest"
	"microcosm/gem5bridge/gem5"
	"microcosm/gem5bridge/gem5/standin"
	"microcosm/gem5bridge/job"
	"microcosm/images"
)

// once makes a file that lets something go wrong once, and returns the environment
// that says so.
func once(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "once")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	return standin.OnceVariable + "=" + path
}

// warning is what a plugin says of a run that failed.
type warning struct {
	Level, Msg, Run, Verdict, Why string
}

// heard are the warnings in a log.
func heard(t *testing.T, log *bytes.Buffer) []warning {
	t.Helper()
	var all []warning
	for line := range strings.Lines(log.String()) {
		var w warning
		require.NoError(t, json.Unmarshal([]byte(line), &w), line)
		all = append(all, w)
	}
	return all
}

// listening adds a log to a configuration.
func listening(config gem5bridge.Config) (gem5bridge.Config, *bytes.Buffer) {
	var log bytes.Buffer
	config.Log = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelInfo}))
	return config, &log
}

// TestARunThatFailsIsToldAndTriedAgain lets a run go wrong once in every way that
// another try can mend: the verdict is told, the samples come, and what is left of the
// run is kept for who wants to look.
func TestARunThatFailsIsToldAndTriedAgain(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ fault, hang, verdict, why string }{
		{"crashes", "", "crash", "segmentation fault"},
		{"gives up", "", "crash", "fatal: Can't open disk image"},
		{"panics and lives on", "", "panic", "Kernel panic - not syncing"},
		{"exits well with half an event", "", "bad-output", "break off after line"},
		{"exits well without an end", "", "bad-output", "the last must be an end"},
		{"is out of memory", "", "oom", "std::bad_alloc"},
		{"spins without a tick", "1500ms", "sim-hang", "of CPU time since tick 1000"},
		{"ticks without committing", "1500ms", "guest-hang", "since instruction 1000, though ticks pass"},
	} {
		t.Run(c.fault, func(t *testing.T) {
			t.Parallel()
			asked := prepared(t)
			if c.hang != "" {
				asked.Settings = map[string]string{gem5.SettingHang: c.hang}
			}
			asked.Cells = bridgetest.Cells(t, "fibonacci-go", 2, "warm")
			config, log := listening(plugin(t, standin.FaultVariable+"="+c.fault, once(t)))
			by, err := bridgetest.Sample(t, bridgetest.Connect(t, config), asked)
			require.NoError(t, err)
			require.Len(t, by[servicetime.Valid], 2)
			warnings := heard(t, log)
			require.Len(t, warnings, 1, "%s", log)
			require.Equal(t, warning{"WARN", "a run failed", warnings[0].Run, c.verdict, warnings[0].Why}, warnings[0])
			require.Contains(t, warnings[0].Why, c.why)
			left, err := filepath.Glob(filepath.Join(asked.WorkDir, "runs", "measure-*", "gem5.log"))
			require.NoError(t, err)
			require.Len(t, left, 1, "of the run that failed, and of no other")
		})
	}
}

// TestARunEndsWithinACall keeps what was measured before, and counts the call that was
// under way as far as it came.
func TestARunEndsWithinACall(t *testing.T) {
	t.Parallel()
	asked := prepared(t)
	asked.Cells = bridgetest.Cells(t, "fibonacci-go", 12, "warm")
	asked.Cells[0].First = 100
	config, log := listening(plugin(t, standin.GuestVariable+"=ends in a call", once(t)))
	by, err := bridgetest.Sample(t, bridgetest.Connect(t, config), asked)
	require.NoError(t, err)
	require.Len(t, by[servicetime.Valid], 12)
	require.Len(t, by[servicetime.Censored], 1)
	censored := by[servicetime.Censored][0]
	require.Equal(t, "the run ended during the call", censored.Reason)
	require.Positive(t, censored.RoundTrip)
	for _, one := range by[servicetime.Valid] {
		require.Less(t, censored.RoundTrip, one.RoundTrip, "it had come half way")
	}
	var numbers []int
	for _, one := range slices.Concat(by[servicetime.Valid], by[servicetime.Censored]) {
		numbers = append(numbers, one.N)
		require.Equal(t, gem5bridge.Seed(asked.Seed, one.Key, one.N), one.Seed)
	}
	slices.Sort(numbers)
	require.Equal(t, []int{100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111, 112}, numbers, "what is censored keeps its number, and one more is measured")
	require.Len(t, heard(t, log), 1)
	require.Contains(t, heard(t, log)[0].Why, "fatal: out of cheese")
}

// TestARunThatSomebodyEndedIsNotBegunAnew: cosim kill would otherwise have to be
// called as often as there are attempts.
func TestARunThatSomebodyEndedIsNotBegunAnew(t *testing.T) {
	t.Parallel()
	asked := prepared(t)
	asked.Slots = 1
	asked.Cells = bridgetest.Cells(t, "fibonacci-go", 2, "warm")
	by, err := bridgetest.Sample(t, bridgetest.Connect(t, plugin(t, standin.FaultVariable+"=is killed by a stranger", once(t))), asked)
	var failure *gem5bridge.Failure
	require.ErrorAs(t, err, &failure)
	require.Equal(t, asked.Cells[0].Condition, failure.Condition)
	require.ErrorContains(t, err, "given up after 0 of 2 samples: ")
	require.ErrorContains(t, err, "ended with killed: signal: killed, by an unknown")
	require.Empty(t, by[servicetime.Valid])
}

// TestAFullDiskEndsTheJob: no other run would have room, so none is begun.
func TestAFullDiskEndsTheJob(t *testing.T) {
	t.Parallel()
	asked := prepared(t)
	asked.Slots = 1
	asked.Cells = bridgetest.Cells(t, "fibonacci-go", 6, "warm", "flush")
	records := t.TempDir()
	config := plugin(t, standin.FaultVariable+"=finds its disk full", job.FolderVariable+"="+records)
	by, err := bridgetest.Sample(t, bridgetest.Connect(t, config), asked)
	require.ErrorContains(t, err, "ended with disk-full: ")
	require.ErrorContains(t, err, "no space left on device")
	require.Empty(t, by)
	jobs, err := job.Open(records)
	require.NoError(t, err)
	all, err := jobs.List()
	require.NoError(t, err)
	require.Len(t, all, 1)
	require.Equal(t, job.DiskFull, all[0].End.Verdict)
	require.Equal(t, "skylake-x86 fibonacci-go/default warm", all[0].What)
}

// TestWhatNeverSucceedsIsGivenUp says so once for a cell, with how often it was tried.
func TestWhatNeverSucceedsIsGivenUp(t *testing.T) {
	t.Parallel()
	asked := prepared(t)
	asked.Cells = slices.Concat(bridgetest.Cells(t, "fibonacci-go", 3, "warm"), bridgetest.Cells(t, "fibonacci-go", 2, "flush"))
	config, log := listening(plugin(t, standin.FaultVariable+"=gives up"))
	by, err := bridgetest.Sample(t, bridgetest.Connect(t, config), asked)
	require.Empty(t, by)
	leaves := bridgetest.Leaves(err)
	require.Len(t, leaves, 2, "once for a cell: %v", err)
	var conditions []string
	for _, leaf := range leaves {
		var failure *gem5bridge.Failure
		require.ErrorAs(t, leaf, &failure)
		conditions = append(conditions, failure.Condition.String())
		require.Contains(t, failure.Text, fmt.Sprintf("given up after 0 of %d samples: ", map[string]int{"warm": 3, "flush": 2}[failure.Condition.String()]))
		require.Contains(t, failure.Text, "gem5's last line: fatal: Can't open disk image")
	}
	require.ElementsMatch(t, []string{"warm", "flush"}, conditions)
	require.GreaterOrEqual(t, len(heard(t, log)), 6, "each is tried three times")
}

// sampleTimes runs a job and returns every valid sample's round trip by cell and
// number.
func sampleTimes(t *testing.T, s *gem5bridge.Simulator, asked gem5bridge.Job) map[string]servicetime.Ticks {
	t.Helper()
	by, err := bridgetest.Sample(t, s, asked)
	require.NoError(t, err)
	all := map[string]servicetime.Ticks{}
	for _, one := range by[servicetime.Valid] {
		all[fmt.Sprint(one.Key.Condition, one.N)] = one.RoundTrip
	}
	return all
}

// TestNeitherSlotsNorOrderChangeASample measures the same cells one run at a time,
// several at a time, and in another order.
func TestNeitherSlotsNorOrderChangeASample(t *testing.T) {
	t.Parallel()
	s := bridgetest.Connect(t, plugin(t))
	asked := prepared(t)
	asked.Cells = bridgetest.Cells(t, "fibonacci-go", 3, "warm", "flush", "flush:l1i")
	asked.Slots = 1
	first := sampleTimes(t, s, asked)
	require.Len(t, first, 9)
	asked.Slots = 3
	require.Equal(t, first, sampleTimes(t, s, asked), "three at a time")
	slices.Reverse(asked.Cells)
	require.Equal(t, first, sampleTimes(t, s, asked), "asked the other way round")
	asked.Cells = asked.Cells[1:2]
	alone := sampleTimes(t, s, asked)
	for name, ticks := range alone {
		require.Equal(t, first[name], ticks, "a cell by itself")
	}
}

// TestTheNullCallIsMeasuredOnce and kept beside the checkpoints, unless what is kept
// is damaged.
func TestTheNullCallIsMeasuredOnce(t *testing.T) {
	t.Parallel()
	s := bridgetest.Connect(t, plugin(t))
	asked := prepared(t)
	asked.Cells = bridgetest.Cells(t, "fibonacci-go", 1, "warm")
	calibrated := func() (null servicetime.Ticks, calls int) {
		for one, err := range s.Sample(t.Context(), asked, func(p gem5bridge.Progress) {
			if p.Phase == "calibrate" {
				calls = p.Done
				require.Equal(t, 12, p.Of)
			}
		}) {
			require.NoError(t, err)
			null = one.Null
		}
		return null, calls
	}
	kept, calls := calibrated()
	require.Zero(t, calls, "it was measured before")
	files, err := filepath.Glob(filepath.Join(asked.WorkDir, "null-*.json"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	require.NoError(t, os.WriteFile(files[0], []byte(`{"roundTrip":`), 0o600))
	again, calls := calibrated()
	require.Equal(t, 12, calls)
	require.Equal(t, kept, again, "of the same seed")

	asked.Seed++
	_, calls = calibrated()
	require.Equal(t, 12, calls, "another campaign calibrates by itself")
	files, err = filepath.Glob(filepath.Join(asked.WorkDir, "null-*.json"))
	require.NoError(t, err)
	require.Len(t, files, 2)
}

// TestTwoCampaignsShareAFolder: two plugins at once boot once, and neither disturbs
// the other.
func TestTwoCampaignsShareAFolder(t *testing.T) {
	t.Parallel()
	asked := base(t)
	asked.Cells = bridgetest.Cells(t, "aes-go", 2, "warm")
	var group sync.WaitGroup
	for seed := range uint64(2) {
		s := bridgetest.Connect(t, plugin(t))
		own := asked
		own.Seed = seed
		group.Go(func() {
			valid := 0
			for one, err := range s.Sample(t.Context(), own, nil) {
				if err != nil {
					t.Error(err)
					return
				}
				if one.Status == servicetime.Valid {
					valid++
				}
			}
			if valid != 2 {
				t.Errorf("%d samples", valid)
			}
		})
	}
	group.Wait()
	kinds := map[string]int{}
	entries, err := os.ReadDir(filepath.Join(asked.WorkDir, "checkpoints"))
	require.NoError(t, err)
	for _, entry := range entries {
		kind, _, _ := strings.Cut(entry.Name(), "-")
		kinds[kind]++
	}
	require.Equal(t, map[string]int{"boot": 2, "warm": 4, "lock": 1}, kinds, "two boots, and from each the null call and the function")
	left, err := os.ReadDir(filepath.Join(asked.WorkDir, "runs"))
	require.NoError(t, err)
	require.Empty(t, left)
}

// TestEveryMistakeInAJobIsToldBeforeAnythingRuns has mistakes in the setup, in cells
// and in the mix.
func TestEveryMistakeInAJobIsToldBeforeAnythingRuns(t *testing.T) {
	t.Parallel()
	asked := base(t)
	asked.Overrides, asked.Settings = map[string]string{"queue.rob": "3"}, map[string]string{gem5.SettingHang: "0s"}
	asked.Mix.Functions = []string{"fibonacci-go", "aes-goo"}
	asked.Deadline = 0
	asked.Cells = slices.Concat(
		bridgetest.Cells(t, "fibonacci-go", 1, "flush:rob", "lukewarm:2"), bridgetest.Cells(t, "fibonaci-go", 1, "warm"), bridgetest.Cells(t, "aes-go", 1, "cold"),
	)
	asked.Cells[3].Input = "huge"
	records := t.TempDir()
	by, err := bridgetest.Sample(t, bridgetest.Connect(t, plugin(t, job.FolderVariable+"="+records)), asked)
	require.Empty(t, by)
	require.ErrorIs(t, err, gem5bridge.ErrInvalidJob)
	require.ErrorIs(t, err, gem5bridge.ErrUnsupported)
	for _, want := range []string{
		"deadline 0s: give every invocation a positive one",
		`setting hang "0s"`,
		"override queue.rob: 3: want 4 to 2048",
		`fibonacci-go/default flush:rob: unsupported condition: gem5 cannot empty "rob": it can l1i, l1d`,
		"cell 2 (fibonaci-go/default warm): ",
		"cell 3 (aes-go/huge cold): ",
		`mix "catalog": `, "aes-goo",
	} {
		require.ErrorContains(t, err, want)
	}
	require.Len(t, bridgetest.Leaves(err), 7)
	entries, err := os.ReadDir(asked.WorkDir)
	require.NoError(t, err)
	require.Empty(t, entries, "nothing was installed, booted or run")
	runs, err := os.ReadDir(records)
	require.NoError(t, err)
	require.Empty(t, runs)
}

// TestAnImageThatHasChanged is told by its files, before anything boots from it.
func TestAnImageThatHasChanged(t *testing.T) {
	t.Parallel()
	root := guestImages(t)
	s := bridgetest.Connect(t, plugin(t, gem5.ImagesVariable+"="+root))
	asked := base(t)
	asked.Cells = bridgetest.Cells(t, "fibonacci-go", 1, "warm")
	disk := filepath.Join(root, "x86_64", "disk.img")
	text, err := os.ReadFile(disk)
	require.NoError(t, err)
	text[0] ^= 1
	require.NoError(t, os.WriteFile(disk, text, 0o600))
	_, err = bridgetest.Sample(t, s, asked)
	require.ErrorContains(t, err, "verify the image: disk.img is sha256:")
	require.ErrorContains(t, err, "build it again")
	require.NoDirExists(t, filepath.Join(asked.WorkDir, "checkpoints"))
	asked.Platform = "neoverse-n1"
	_, err = bridgetest.Sample(t, s, asked)
	require.NoError(t, err, "the other image is as it was")
}

// TestAnImageThatIsBuiltAnewMeanwhile ends the job: guests would be restored over
// files of another.
func TestAnImageThatIsBuiltAnewMeanwhile(t *testing.T) {
	t.Parallel()
	root := guestImages(t)
	s := bridgetest.Connect(t, plugin(t, gem5.ImagesVariable+"="+root))
	asked := base(t)
	asked.Cells = bridgetest.Cells(t, "fibonacci-go", 100, "warm")
	manifest := filepath.Join(root, "x86_64", "manifest.json")
	samples := 0
	var failure error
	for _, err := range s.Sample(t.Context(), asked, nil) {
		if failure = err; err != nil {
			break
		}
		if samples++; samples > 1 {
			continue
		}
		text, err := os.ReadFile(manifest)
		require.NoError(t, err)
		var m images.Manifest
		require.NoError(t, json.Unmarshal(text, &m))
		m.Disk.Digest = "sha256:another"
		text, err = json.Marshal(m)
		require.NoError(t, err)
		require.NoError(t, renameio.WriteFile(manifest, text, 0o644))
	}
	require.ErrorContains(t, failure, "the image in "+filepath.Dir(manifest)+" was built anew meanwhile: start again")
	require.Less(t, samples, 100)
}
