package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/servicetime"
	"microcosm/gem5bridge"
	"microcosm/results"
)

// tosser is a back end whose service times are tossed: no two measurements of
// one sample agree.
type tosser struct{}

// Describe implements gem5bridge.Backend.
func (tosser) Describe(context.Context, gem5bridge.Setup) (gem5bridge.Description, error) {
	return gem5bridge.Description{
		Backend: "tosser", Version: "1", Stack: "sha256:57ac",
		Platforms:  []gem5bridge.Platform{{Name: "tossed", Digest: "sha256:c01", ISA: "amd64"}},
		Conditions: []servicetime.Kind{servicetime.Warm, servicetime.Flush},
	}, nil
}

// Sample implements gem5bridge.Backend.
func (tosser) Sample(ctx context.Context, job gem5bridge.Job, emit func(gem5bridge.Event) error) error {
	for _, cell := range job.Cells {
		for n := cell.First; n < cell.First+cell.Count; n++ {
			if err := ctx.Err(); err != nil {
				return err
			}
			sample, err := toss(job, cell, n)
			if err == nil {
				err = emit(gem5bridge.Event{Sample: &sample})
			}
			if err != nil {
				return err
			}
			time.Sleep(5 * time.Millisecond) // so that others have their chance
		}
	}
	return nil
}

func toss(job gem5bridge.Job, cell gem5bridge.Cell, n int) (servicetime.Sample, error) {
	m := &measurer{
		setup: job.Setup, platform: gem5bridge.Platform{Name: "tossed", Digest: "sha256:c01"},
		description: gem5bridge.Description{Stack: "sha256:57ac"},
	}
	var err error
	if m.catalog, err = catalog(); err != nil {
		return servicetime.Sample{}, err
	}
	key, err := m.key(cell.Function, cell.Input, cell.Condition)
	seed := gem5bridge.Seed(job.Seed, key, n)
	return servicetime.Sample{
		Key: key, N: n, Seed: seed, Status: servicetime.Valid,
		RoundTrip: servicetime.Ticks(2e6 + rand.New(rand.NewPCG(seed, 0)).Int64N(1e6)), Busy: 1e6,
		Provenance: servicetime.Provenance{
			Backend: "tosser", SimulatorDigest: "sha256:51", Boot: "1", Restore: "1", Host: "here", Measured: time.Unix(1e9, 0).UTC(),
		},
	}, err
}

// tossing is a store, and how to fill it from a process of its own.
type tossing struct {
	store   string
	backend string
	folder  string // of installed functions
}

func newTossing(t *testing.T) tossing {
	t.Helper()
	folder := t.TempDir()
	x := tossing{filepath.Join(folder, "samples.db"), filepath.Join(folder, "backend"), filepath.Join(folder, "functions")}
	for _, name := range []string{"fibonacci-go", "aes-go"} {
		require.NoError(t, os.MkdirAll(filepath.Join(x.folder, name), 0o755))
	}
	self, err := os.Executable()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(x.backend, fmt.Appendf(nil, "#!/bin/sh\nexec '%s' bridge tosser\n", self), 0o755))
	// The recorded samples are imported before anybody is killed.
	store, err := (&app{store: x.store}).openStore(t.Context(), "")
	require.NoError(t, err)
	require.NoError(t, store.Close())
	return x
}

// each is how many samples are wanted of each of four cells.
const each = 25

func (x tossing) command(t *testing.T) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	c := exec.Command(self, "sample", "--store", x.store, "--backend", x.backend, "--functions-dir", x.folder,
		"--functions", "fibonacci-go,aes-go", "--conditions", "warm,flush", "-n", fmt.Sprint(each))
	c.Env = append(os.Environ(), cosimRole+"=1")
	return c
}

// samples returns what is stored, by cell, after the store was verified.
func (x tossing) samples(t *testing.T) map[string][]servicetime.Sample {
	t.Helper()
	store, err := results.Open(t.Context(), x.store, results.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	findings, err := store.Verify(t.Context())
	require.NoError(t, err)
	require.Empty(t, findings, "the database is intact")
	keys, err := store.Keys(t.Context(), results.Filter{Platform: "tossed"})
	require.NoError(t, err)
	stored := map[string][]servicetime.Sample{}
	for _, k := range keys {
		stored[k.Key.Function+" "+k.Key.Condition.String()], err = store.Samples(t.Context(), k.Key)
		require.NoError(t, err)
	}
	return stored
}

// requireWhole checks that every cell has its samples, numbered without a gap.
func (x tossing) requireWhole(t *testing.T) {
	t.Helper()
	stored := x.samples(t)
	require.Len(t, stored, 4)
	for cell, samples := range stored {
		require.Len(t, samples, each, cell)
		for i, sample := range samples {
			require.Equal(t, i, sample.N, cell)
		}
	}
}

// TestOrchestratorsShareAStore lets three processes fill one store at once: none
// fails, and no sample is measured twice.
func TestOrchestratorsShareAStore(t *testing.T) {
	t.Parallel()
	x := newTossing(t)
	type end struct {
		out string
		err error
	}
	ends := make(chan end)
	for range 3 {
		c := x.command(t)
		go func() {
			out, err := c.CombinedOutput()
			ends <- end{string(out), err}
		}()
	}
	measured := 0
	for range 3 {
		e := <-ends
		require.NoError(t, e.err, e.out)
		var valid int
		if _, rest, found := strings.Cut(e.out, "tosser: stored "); found {
			_, err := fmt.Sscanf(rest, "%d valid", &valid)
			require.NoError(t, err, e.out)
		}
		measured += valid
	}
	require.Equal(t, 4*each, measured)
	x.requireWhole(t)
}

// TestACampaignSurvivesItsKilledOrchestrator kills cosim without warning again
// and again, whatever it is at. What was stored stays as it was, and the last run
// completes it.
func TestACampaignSurvivesItsKilledOrchestrator(t *testing.T) {
	t.Parallel()
	const seed = 7
	toss := rand.New(rand.NewPCG(seed, 0))
	x := newTossing(t)
	kept := map[string][]servicetime.Sample{}
	for range 6 {
		c := x.command(t)
		require.NoError(t, c.Start())
		time.Sleep(time.Duration(toss.IntN(400)) * time.Millisecond)
		_ = c.Process.Kill() // on an idle machine it may have ended
		_ = c.Wait()         // killed
		now := x.samples(t)
		for cell, before := range kept {
			require.GreaterOrEqual(t, len(now[cell]), len(before), "%s, seed %d", cell, seed)
			require.Equal(t, before, now[cell][:len(before)], "what was stored stays: %s, seed %d", cell, seed)
		}
		kept = now
	}
	out, err := x.command(t).CombinedOutput()
	require.NoError(t, err, string(out))
	x.requireWhole(t)
}
