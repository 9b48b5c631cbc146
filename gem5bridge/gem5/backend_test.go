package gem5_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/servicetime"
	"microcosm/gem5bridge"
	"microcosm/gem5bridge/bridgetest"
	"microcosm/gem5bridge/gem5"
	"microcosm/gem5bridge/gem5/standin"
)

// base is a job without cells.
func base(t *testing.T) gem5bridge.Job {
	t.Helper()
	return gem5bridge.Job{
		Setup: gem5bridge.Setup{Platform: "skylake-x86", WorkDir: t.TempDir()}, Mix: goMix, Seed: 11, Deadline: 10 * time.Second, Slots: 2,
	}
}

func TestGem5Conforms(t *testing.T) {
	t.Parallel()
	bridgetest.Run(t, func(t *testing.T) bridgetest.Subject {
		job := base(t)
		job.Cells = slices.Concat(bridgetest.Cells(t, "fibonacci-go", 3, "warm", "lukewarm:2", "flush"), bridgetest.Cells(t, "aes-go", 2, "cold", "stage:init", "stage:create"))
		return bridgetest.Subject{Config: plugin(t), Job: job}
	})
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	s := bridgetest.Connect(t, plugin(t))
	all, err := s.Describe(t.Context(), gem5bridge.Setup{})
	require.NoError(t, err)
	var names []string
	for _, p := range all.Platforms {
		names = append(names, p.Name)
	}
	require.Subset(t, names, []string{"skylake-x86", "neoverse-n1"})
	require.Equal(t, standin.Version, all.Version)

	one, err := s.Describe(t.Context(), gem5bridge.Setup{Platform: "neoverse-n1"})
	require.NoError(t, err)
	require.Len(t, one.Platforms, 1)
	require.Equal(t, "arm64", one.Platforms[0].ISA)
	require.Equal(t, "sha256:fibonacci-go", one.Images["fibonacci-go"])

	changed, err := s.Describe(t.Context(), gem5bridge.Setup{Platform: "neoverse-n1", Overrides: map[string]string{"l2.size": "2MiB"}})
	require.NoError(t, err)
	require.NotEqual(t, one.Platforms[0].Digest, changed.Platforms[0].Digest)
	require.Equal(t, one.Stack, changed.Stack, "an override is no other stack")
	x86, err := s.Describe(t.Context(), gem5bridge.Setup{Platform: "skylake-x86"})
	require.NoError(t, err)
	require.NotEqual(t, one.Stack, x86.Stack)
}

func TestMistakesInTheSetup(t *testing.T) {
	t.Parallel()
	s := bridgetest.Connect(t, plugin(t))
	_, err := s.Describe(t.Context(), gem5bridge.Setup{
		Platform: "skylake-x86", Overrides: map[string]string{"l2.sise": "1MiB", "queue.rob": "many"},
		Settings: map[string]string{"colour": "red", gem5.SettingHang: "soon", gem5.SettingCheckpoints: "some", gem5.SettingFunctional: "never"},
	})
	require.ErrorIs(t, err, gem5bridge.ErrInvalidJob)
	for _, want := range []string{"did you mean l2.size?", "queue.rob", `"colour"`, gem5.SettingHang, gem5.SettingCheckpoints, `functional "never"`} {
		require.ErrorContains(t, err, want)
	}
}

func TestNoGem5(t *testing.T) {
	t.Parallel()
	config := bridgetest.Plugin("gem5")
	empty := t.TempDir()
	config.Env = append(config.Env, "PATH="+empty, gem5.Variable+"=", gem5.ImagesVariable+"="+guestImages(t))
	_, err := bridgetest.Connect(t, config).Describe(t.Context(), gem5bridge.Setup{})
	require.ErrorContains(t, err, "no gem5")
	require.ErrorContains(t, err, gem5.Variable)
	require.ErrorContains(t, err, "gem5.org")
}

func TestWrongGem5(t *testing.T) {
	t.Parallel()
	other := filepath.Join(t.TempDir(), "gem5")
	require.NoError(t, os.WriteFile(other, []byte("#!/bin/sh\necho no simulator\n"), 0o755))
	for _, c := range []struct {
		name string
		env  []string
		want string
	}{
		{"too old", []string{standin.VersionVariable + "=23.1.0.0"}, "24.0 is the oldest"},
		{"of no known version", []string{standin.VersionVariable + "=unknown"}, "none that is known"},
		{"of another ISA", []string{standin.ISAsVariable + "=arm64"}, "build gem5 with it"},
		{"of no ISA of ours", []string{standin.ISAsVariable + "=riscv"}, "neither x86_64 nor arm64"},
		{"no gem5 at all", []string{gem5.Variable + "=" + other}, "no simulator"},
		{"not there", []string{gem5.Variable + "=/nowhere/gem5"}, "/nowhere/gem5"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := bridgetest.Connect(t, plugin(t, c.env...)).Describe(t.Context(), gem5bridge.Setup{Platform: "skylake-x86"})
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestNoImage(t *testing.T) {
	t.Parallel()
	s := bridgetest.Connect(t, plugin(t, gem5.ImagesVariable+"="+t.TempDir()))
	_, err := s.Describe(t.Context(), gem5bridge.Setup{Platform: "neoverse-n1"})
	require.ErrorContains(t, err, "run make -C images ISA=arm64")
}

// TestConditionsAndSubtraction checks the numbers that the stand-in makes up: what
// a condition costs shows, and what is the client's is subtracted.
func TestConditionsAndSubtraction(t *testing.T) {
	t.Parallel()
	job := base(t)
	job.Cells = bridgetest.Cells(t, "fibonacci-go", 6, "warm", "lukewarm:1", "lukewarm:16", "flush", "flush:l1i+btb", "stressor:64KiB")
	by, err := bridgetest.Sample(t, bridgetest.Connect(t, plugin(t)), job)
	require.NoError(t, err)
	require.Len(t, by, 1, "all are valid")
	times := map[string][]servicetime.Ticks{}
	restores, boots := map[string]map[string]bool{}, map[string]bool{}
	for _, one := range by[servicetime.Valid] {
		word := one.Key.Condition.String()
		times[word] = append(times[word], one.Service())
		if restores[word] == nil {
			restores[word] = map[string]bool{}
		}
		restores[word][one.Provenance.Restore] = true
		boots[one.Provenance.Boot] = true
		require.Positive(t, one.Null)
		mix := strings.Join(slices.Sorted(slices.Values(goMix.Functions)), " ")
		require.Equal(t, map[string]string{"lukewarm:1": "interleaved: " + mix, "lukewarm:16": "interleaved: " + mix}[word], one.Provenance.Note)
		require.Equal(t, int64(135_000), one.Counters[servicetime.CounterInstructions])
		require.Equal(t, int64(90_000), one.Counters[servicetime.CounterInstructionsClient])
		require.Equal(t, int64(7), one.Counters[servicetime.CounterLLCMisses])
		require.Equal(t, int64(300), one.Counters[servicetime.CounterBranchMispredicts])
		busy := servicetime.Ticks(one.Counters[servicetime.CounterCycles] * 333)
		require.Equal(t, min(busy-servicetime.Ticks(one.Counters[gem5.CounterNullBusy]), one.Service()), one.Busy)
	}
	for word, all := range times {
		require.Len(t, all, 6)
		require.GreaterOrEqual(t, len(restores[word]), 6, "%s: restores", word)
	}
	require.Len(t, boots, 2)
	middle := func(word string) servicetime.Ticks { slices.Sort(times[word]); return times[word][3] }
	require.Less(t, middle("warm"), middle("lukewarm:1"))
	require.Less(t, middle("lukewarm:1"), middle("lukewarm:16"))
	require.Less(t, middle("lukewarm:16"), middle("flush"))
}

// TestWhatInterleavesFunctionallyIsPartOfTheStack: samples of one way and of the
// other are never pooled.
func TestWhatInterleavesFunctionallyIsPartOfTheStack(t *testing.T) {
	t.Parallel()
	s := bridgetest.Connect(t, plugin(t))
	job := base(t)
	job.Cells = bridgetest.Cells(t, "fibonacci-go", 1, "lukewarm:2")
	stacks := map[string]string{}
	for _, from := range []string{"2", "3"} {
		job.Settings = map[string]string{gem5.SettingFunctional: from}
		by, err := bridgetest.Sample(t, s, job)
		require.NoError(t, err)
		one := by[servicetime.Valid][0]
		require.Equal(t, from == "2", strings.Contains(one.Provenance.Note, "functional"), one.Provenance.Note)
		stacks[one.Key.Stack] = from
	}
	require.Len(t, stacks, 2)
}

// TestConditionsShareACheckpoint asks for one condition after the other: those of a
// function of the mix start from one warm checkpoint all the same.
func TestConditionsShareACheckpoint(t *testing.T) {
	t.Parallel()
	s := bridgetest.Connect(t, plugin(t))
	job := base(t)
	job.Mix.Functions = []string{"fibonacci-go", "aes-go"}
	restores := map[string]bool{}
	for _, condition := range []string{"flush", "lukewarm:1", "warm"} {
		job.Cells = bridgetest.Cells(t, "fibonacci-go", 1, condition)
		by, err := bridgetest.Sample(t, s, job)
		require.NoError(t, err)
		from, _, _ := strings.Cut(by[servicetime.Valid][0].Provenance.Restore, "/")
		restores[from] = true
	}
	require.Len(t, restores, 1)
}

// TestSameSeedSameTicks runs a job twice from the same checkpoints.
func TestSameSeedSameTicks(t *testing.T) {
	t.Parallel()
	job := base(t)
	job.Cells = bridgetest.Cells(t, "fibonacci-go", 4, "warm", "flush")
	s := bridgetest.Connect(t, plugin(t))
	ticks := func() map[string]servicetime.Ticks {
		by, err := bridgetest.Sample(t, s, job)
		require.NoError(t, err)
		all := map[string]servicetime.Ticks{}
		for _, one := range by[servicetime.Valid] {
			all[one.Key.Condition.String()+string(rune('0'+one.N))] = one.RoundTrip
		}
		return all
	}
	first := ticks()
	require.Len(t, first, 8)
	require.Equal(t, first, ticks())
	job.Seed++
	require.NotEqual(t, first, ticks())
}

func TestUnsupportedStructures(t *testing.T) {
	t.Parallel()
	s := bridgetest.Connect(t, plugin(t))
	for _, c := range []struct{ platform, condition, want string }{
		{"skylake-x86", "flush:rob", "gem5 cannot empty"},
		{"timing-x86", "flush:l3", "has no l3"},
		{"timing-x86", "flush:btb", "predicts no branches"},
	} {
		job := base(t)
		job.Platform = c.platform
		job.Cells = bridgetest.Cells(t, "fibonacci-go", 1, c.condition)
		_, err := bridgetest.Sample(t, s, job)
		require.ErrorIs(t, err, gem5bridge.ErrUnsupported)
		require.ErrorContains(t, err, c.want)
	}
}

// TestGuestFailures lets the guest report failures.
func TestGuestFailures(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		guest, condition string
		kind             error
		status           servicetime.Status
	}{
		{"wrong reply", "warm", gem5bridge.ErrWrongReply, servicetime.Rejected},
		{"dies", "warm", gem5bridge.ErrFunctionDied, servicetime.Censored},
		{"not ready", "cold", gem5bridge.ErrNotReady, servicetime.StatusInvalid},
	} {
		t.Run(c.guest, func(t *testing.T) {
			t.Parallel()
			job := base(t)
			job.Cells = bridgetest.Cells(t, "fibonacci-go", 2, c.condition)
			// The null call, which fails as well, is measured before.
			config := plugin(t)
			s := bridgetest.Connect(t, config)
			warm := job
			warm.Cells = bridgetest.Cells(t, "aes-go", 1, "warm")
			_, err := bridgetest.Sample(t, s, warm)
			require.NoError(t, err)
			require.NoError(t, s.Close())

			config.Env = append(config.Env, standin.GuestVariable+"="+c.guest)
			by, err := bridgetest.Sample(t, bridgetest.Connect(t, config), job)
			require.ErrorIs(t, err, c.kind)
			require.ErrorContains(t, err, "given up")
			require.Empty(t, by[servicetime.Valid])
			if c.status != servicetime.StatusInvalid {
				require.NotEmpty(t, by[c.status])
			}
		})
	}
}

// TestOddShare checks that a call in which something else ran does not count, and
// is replaced.
func TestOddShare(t *testing.T) {
	t.Parallel()
	job := base(t)
	job.Cells = bridgetest.Cells(t, "fibonacci-go", 12, "warm")
	by, err := bridgetest.Sample(t, bridgetest.Connect(t, plugin(t, standin.GuestVariable+"=odd share")), job)
	require.NoError(t, err)
	require.Len(t, by[servicetime.Valid], 12)
	require.NotEmpty(t, by[servicetime.Rejected])
	for _, one := range by[servicetime.Rejected] {
		require.Contains(t, one.Reason, "20 %")
	}
}

// TestFaults lets a run go wrong once: the samples come all the same.
func TestFaults(t *testing.T) {
	t.Parallel()
	for _, fault := range []string{"crashes", "gives up", "exits well with half an event", "panics and lives on", "exits well without a word"} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			once := filepath.Join(t.TempDir(), "once")
			require.NoError(t, os.WriteFile(once, nil, 0o600))
			job := base(t)
			job.Cells = bridgetest.Cells(t, "fibonacci-go", 2, "warm")
			by, err := bridgetest.Sample(t, bridgetest.Connect(t, plugin(t, standin.FaultVariable+"="+fault, standin.OnceVariable+"="+once)), job)
			require.NoError(t, err)
			require.Len(t, by[servicetime.Valid], 2)
			require.NoFileExists(t, once)
		})
	}
	t.Run("for ever", func(t *testing.T) {
		t.Parallel()
		job := base(t)
		job.Cells = bridgetest.Cells(t, "fibonacci-go", 2, "warm")
		_, err := bridgetest.Sample(t, bridgetest.Connect(t, plugin(t, standin.FaultVariable+"=crashes")), job)
		require.ErrorContains(t, err, "crash")
	})
}

// TestDamagedCheckpoint checks that a checkpoint that has changed is made anew.
func TestDamagedCheckpoint(t *testing.T) {
	t.Parallel()
	job := base(t)
	job.Cells = bridgetest.Cells(t, "fibonacci-go", 1, "warm")
	s := bridgetest.Connect(t, plugin(t))
	_, err := bridgetest.Sample(t, s, job)
	require.NoError(t, err)
	made, err := filepath.Glob(filepath.Join(job.WorkDir, "checkpoints", "*", "checkpoint", "m5.cpt"))
	require.NoError(t, err)
	require.NotEmpty(t, made)
	for _, path := range made {
		require.NoError(t, os.WriteFile(path, []byte("rubbish"), 0o600))
	}
	_, err = bridgetest.Sample(t, s, job)
	require.NoError(t, err)
	sound := 0
	for _, path := range made {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		if !strings.Contains(string(text), "rubbish") {
			sound++
		}
	}
	require.Positive(t, sound)
	left, err := filepath.Glob(filepath.Join(job.WorkDir, "runs", "*"))
	require.NoError(t, err)
	require.Empty(t, left, "a run that did well leaves nothing")
}
