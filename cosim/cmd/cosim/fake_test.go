package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/servicetime"
	"microcosm/functions"
	"microcosm/gem5bridge"
	"microcosm/gem5bridge/bridgetest"
	"microcosm/results"
)

// abacus is a back end that computes what it is asked to measure, so that a test
// knows every time: 1 ms warm, 2 ms after a flush, and between them what the axis
// says. It notes every cell it is asked for in the file cells of the functions'
// folder, and fails once it has emitted as many samples as the file limit says.
type abacus struct{}

const (
	abacusPlatform = "abacus"
	abacusHalf     = 4 // k½
)

func (abacus) Describe(context.Context, gem5bridge.Setup) (gem5bridge.Description, error) {
	return gem5bridge.Description{
		Backend: "abacus", Version: "1", Stack: "beads",
		Platforms:  []gem5bridge.Platform{{Name: abacusPlatform, Digest: "wood", ISA: "amd64"}},
		Conditions: []servicetime.Kind{servicetime.Cold, servicetime.Warm, servicetime.Lukewarm, servicetime.Flush, servicetime.StageInit},
	}, nil
}

func (abacus) Sample(_ context.Context, job gem5bridge.Job, emit func(gem5bridge.Event) error) error {
	limit, emitted := 1<<30, 0
	if text, err := os.ReadFile(filepath.Join(job.Functions, "limit")); err == nil {
		if _, err := fmt.Sscan(string(text), &limit); err != nil {
			return err
		}
	}
	asked, err := os.OpenFile(filepath.Join(job.Functions, "cells"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer asked.Close() //nolint:errcheck // written line by line
	for _, cell := range job.Cells {
		if _, err := fmt.Fprintln(asked, cell); err != nil {
			return err
		}
		for n := range cell.Count {
			sample, err := abacusSample(job, cell, cell.First+n)
			if err != nil {
				return err
			}
			if emitted++; emitted > limit {
				return &gem5bridge.Failure{Kind: gem5bridge.ErrDeadline, Function: cell.Function, Input: cell.Input, Condition: cell.Condition, Text: "out of beads"}
			}
			if err := emit(gem5bridge.Event{Sample: &sample}); err != nil {
				return err
			}
		}
	}
	return nil
}

// catalog is the catalog, read once: the back ends ask for it with every sample.
var catalog = sync.OnceValues(functions.Load)

func abacusSample(job gem5bridge.Job, cell gem5bridge.Cell, n int) (servicetime.Sample, error) {
	all, err := catalog()
	if err != nil {
		return servicetime.Sample{}, err
	}
	f, err := all.Lookup(cell.Function)
	if err != nil {
		return servicetime.Sample{}, err
	}
	image, err := f.Digest(job.Functions)
	if err != nil {
		return servicetime.Sample{}, err
	}
	key := servicetime.Key{
		Function: cell.Function, Image: image, Input: cell.Input, Condition: cell.Condition,
		Platform: abacusPlatform, PlatformDigest: "wood", Stack: "beads",
	}
	took := abacusTime(cell.Condition)
	return servicetime.Sample{
		Key: key, N: n, Seed: gem5bridge.Seed(job.Seed, key, n), Status: servicetime.Valid, RoundTrip: took, Busy: took,
		Provenance: servicetime.Provenance{Backend: "abacus", SimulatorDigest: "frame", Boot: "1", Restore: fmt.Sprint(n), Host: "here", Measured: time.Unix(1e9, 0).UTC()},
	}, nil
}

func abacusTime(c servicetime.Condition) servicetime.Ticks {
	share := 0.0
	switch c.Kind {
	case servicetime.Flush, servicetime.Cold, servicetime.StageInit:
		share = 1
	case servicetime.Lukewarm:
		share = float64(c.K) / (float64(c.K) + abacusHalf)
	}
	return servicetime.TicksOf(time.Duration((1 + share) * float64(time.Millisecond)))
}

// roles are the plugins that this test binary can be.
var roles = map[string]func(){"abacus": func() { gem5bridge.Serve(abacus{}) }}

// bench is a workbench with abacus on it: a store, installed functions (which are
// never started), and what a run needs to measure.
type bench struct {
	app     *app
	log     *strings.Builder
	folder  string // of the installed functions
	store   *results.Store
	sources *sources
}

// newBench returns a workbench whose sources answer as execution.source kind.
func newBench(t *testing.T, kind string) *bench {
	t.Helper()
	ctx := t.Context()
	b := &bench{folder: t.TempDir(), log: &strings.Builder{}}
	for _, name := range []string{"fibonacci-go", "aes-go"} {
		require.NoError(t, os.Mkdir(filepath.Join(b.folder, name), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(b.folder, name, name), []byte("never started"), 0o600))
	}
	b.app = &app{out: b.log, err: b.log, log: logTo(b.log), store: filepath.Join(t.TempDir(), "samples.db")}
	var err error
	b.store, err = results.Open(ctx, b.app.store, results.Options{})
	require.NoError(t, err)
	simulator, err := gem5bridge.Connect(ctx, bridgetest.Plugin("abacus"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, errors.Join(simulator.Close(), b.store.Close())) })
	all, err := catalog()
	require.NoError(t, err)
	m := &measurer{simulator: simulator, catalog: all, setup: gem5bridge.Setup{Platform: abacusPlatform, Functions: b.folder}}
	m.description, err = simulator.Describe(ctx, m.setup)
	require.NoError(t, err)
	m.platform = m.description.Platforms[0]
	b.sources = &sources{
		app: b.app, store: b.store, kind: kind, samples: 5, measurer: m,
		campaign: campaign{platform: abacusPlatform, count: 5, seed: 1, deadline: time.Second},
	}
	return b
}

// replaying returns sources over the same store that measure nothing.
func (b *bench) replaying() *sources {
	return &sources{app: b.app, store: b.store, kind: "replay"}
}

// cells returns what abacus was asked for since the last question, in order.
func (b *bench) cells(t *testing.T) []string {
	t.Helper()
	path := filepath.Join(b.folder, "cells")
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	require.NoError(t, err)
	require.NoError(t, os.Remove(path))
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

// limit makes abacus fail after so many samples of a job.
func (b *bench) limit(t *testing.T, n string) {
	t.Helper()
	path := filepath.Join(b.folder, "limit")
	if n == "" {
		require.NoError(t, os.Remove(path))
		return
	}
	require.NoError(t, os.WriteFile(path, []byte(n), 0o600))
}
