package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/servicetime"
	"microcosm/gem5bridge/job"
	"microcosm/results"
)

// recordedStore is a store that holds the recorded samples and nothing else, made
// once: importing them takes longer than most tests.
var recordedStore = sync.OnceValues(func() ([]byte, error) {
	folder, err := os.MkdirTemp("", "cosim")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(folder) }() // the system's own folder for what may stay behind
	store, err := (&app{store: filepath.Join(folder, "samples.db")}).openStore(context.Background(), "")
	if err != nil {
		return nil, err
	}
	path := store.Path()
	if err := store.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

// workplace makes a new folder the place of a test's command lines: with the files
// given, a store of the recorded samples, and neither jobs nor functions.
func workplace(t *testing.T, files map[string]string) {
	t.Helper()
	folder := t.TempDir()
	t.Chdir(folder)
	t.Setenv(storeVariable, filepath.Join(folder, "samples.db"))
	t.Setenv(functionsVariable, filepath.Join(folder, "functions"))
	t.Setenv(job.FolderVariable, filepath.Join(folder, "jobs"))
	t.Setenv("XDG_DATA_HOME", filepath.Join(folder, "data"))
	t.Setenv("XDG_CACHE_HOME", filepath.Join(folder, "cache"))
	text, err := recordedStore()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile("samples.db", text, 0o600))
	write(t, files)
}

func write(t *testing.T, files map[string]string) {
	t.Helper()
	for name, text := range files {
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
		require.NoError(t, os.WriteFile(name, []byte(text), 0o644))
	}
}

// tree returns every file of the working folder by path, but for stores, which
// SQLite writes to as it opens them, and jobs, whose folder is made when asked for.
func tree(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	require.NoError(t, filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.Contains(path, ".db") || strings.HasPrefix(path, "jobs/") {
			return err
		}
		text, err := os.ReadFile(path)
		found[path] = string(text)
		return err
	}))
	return found
}

// fromJSON runs a command line with --json and reads all that it prints into a
// value, which has to know every field.
func fromJSON(t *testing.T, code int, into any, words ...string) {
	t.Helper()
	out, _ := cosim(t, code, append(words, "--json")...)
	d := json.NewDecoder(strings.NewReader(out))
	d.DisallowUnknownFields()
	require.NoError(t, d.Decode(into), "%v: %s", words, out)
	require.False(t, d.More(), "%v: one value: %s", words, out)
}

// sampleOf is a valid sample of a call that took so many microseconds.
func sampleOf(function, condition string, n, micros int) servicetime.Sample {
	c, err := servicetime.ParseCondition(condition)
	if err != nil {
		panic(err) // a constant of a test
	}
	took := servicetime.TicksOf(time.Duration(micros) * time.Microsecond)
	return servicetime.Sample{
		Key: servicetime.Key{
			Function: function, Image: "image-of-" + function, Input: "default", Platform: "board-7", PlatformDigest: "p", Stack: "s", Condition: c,
		},
		N: n, Seed: uint64(n), Status: servicetime.Valid, RoundTrip: took, Busy: took,
		Provenance: servicetime.Provenance{
			Backend: "bench", SimulatorDigest: "d", Boot: fmt.Sprint(n % 2), Restore: fmt.Sprint(n), Host: "here", Measured: time.Unix(1e9, 0).UTC(),
		},
	}
}

// keep puts samples into the store of that name.
func keep(t *testing.T, path string, samples ...servicetime.Sample) {
	t.Helper()
	store, err := results.Open(t.Context(), path, results.Options{})
	require.NoError(t, err)
	require.NoError(t, errors.Join(store.Put(t.Context(), samples...), store.Close()))
}

// measured returns count samples of a function in a condition, micros and a little
// more.
func measured(function, condition string, count, micros int) []servicetime.Sample {
	var samples []servicetime.Sample
	for n := range count {
		samples = append(samples, sampleOf(function, condition, n, micros+n))
	}
	return samples
}

// onBoard is a scenario of one function whose samples are board-7's.
const onBoard = `
cluster:
  nodes: [{cores: 1}]
  scaling: {kind: fixed, sandboxes: 1}
  keep-alive: unlimited
workload:
  duration: 10s
  functions:
    - {name: fibonacci-go, arrivals: {process: poisson, rate: 100/s}}
fidelity: {platform: board-7, stack: local, replications: 3, resamples: 10}
`
