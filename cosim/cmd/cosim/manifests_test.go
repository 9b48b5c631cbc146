package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/servicetime"
)

// onTheBench runs onBoard with a manifest and returns the result's bytes and the
// manifest's.
func onTheBench(t *testing.T) (result, manifest string) {
	t.Helper()
	workplace(t, map[string]string{"board.yaml": onBoard})
	keep(t, "samples.db", slices.Concat(measured("fibonacci-go", "warm", 6, 1000), measured("fibonacci-go", "flush", 6, 2000), measured("aes-go", "warm", 6, 3000))...)
	result, _ = cosim(t, exitOK, "run", "board.yaml", "--json", "--manifest", "m.json")
	text, err := os.ReadFile("m.json")
	require.NoError(t, err)
	return result, string(text)
}

// TestAManifestIsAllThatARepetitionNeeds: no store, no scenario, any folder, and any
// number of processors; what it holds are the samples that answered and no others.
func TestAManifestIsAllThatARepetitionNeeds(t *testing.T) {
	result, text := onTheBench(t)
	cosim(t, exitOK, "run", "board.yaml", "--json", "--manifest", "again.json")
	require.Equal(t, text, string(must(os.ReadFile("again.json"))), "equal runs have equal manifests")
	var m manifest
	require.NoError(t, json.Unmarshal([]byte(text), &m))
	require.Len(t, m.Samples, 1, "aes-go was not asked for")
	require.Len(t, m.Labels, 1)

	t.Chdir(t.TempDir())
	t.Setenv(storeVariable, filepath.Join(t.TempDir(), "none.db"))
	write(t, map[string]string{"elsewhere/m.json": text})
	for _, procs := range []string{"1", "4"} {
		t.Setenv("GOMAXPROCS", procs)
		again, errs := cosim(t, exitOK, "run", "elsewhere/m.json", "--json")
		require.Equal(t, result, again)
		require.Contains(t, errs, "byte-identical to the run of elsewhere/m.json")
	}
	require.NoFileExists(t, os.Getenv(storeVariable))
	_, errs := cosim(t, exitOK, "run", "elsewhere/m.json", "--out", "out")
	require.Contains(t, errs, "wrote out/result.json")
	require.Equal(t, result, tree(t)["out/result.json"])
}

// TestWhatWasAlteredInAManifestIsTold, each alteration by its own reason, before
// anything is simulated where that can be.
func TestWhatWasAlteredInAManifestIsTold(t *testing.T) {
	_, text := onTheBench(t)
	altered := func(change func(m map[string]any)) string {
		var m map[string]any
		require.NoError(t, json.Unmarshal([]byte(text), &m))
		change(m)
		out, err := json.Marshal(m)
		require.NoError(t, err)
		return string(out)
	}
	inSamples := func(old, with string) string {
		return altered(func(m map[string]any) {
			samples := m["samples"].(map[string]any)
			for name, file := range samples {
				require.Contains(t, file, old)
				samples[name] = strings.Replace(file.(string), old, with, 1)
			}
		})
	}
	for name, c := range map[string]struct {
		text string
		code int
		says string
		runs bool
	}{
		"another layout":            {altered(func(m map[string]any) { m["schema"] = "microcosm.manifest/2" }), 2, `no manifest that this version reads (schema "microcosm.manifest/1")`, false},
		"no scenario":               {altered(func(m map[string]any) { delete(m, "scenario") }), 2, "no manifest", false},
		"no result":                 {altered(func(m map[string]any) { m["result"] = "" }), 2, "no manifest", false},
		"cut off":                   {text[:len(text)/2], 2, "no manifest", false},
		"empty":                     {"", 2, "no manifest", false},
		"a list":                    {"[]", 2, "no manifest", false},
		"another rate":              {strings.Replace(text, "100/s", "101/s", 1), 1, "it was altered, or a trace that it names has changed", false},
		"a scenario that is none":   {altered(func(m map[string]any) { m["scenario"] = "cluster: {}\n" }), 2, "board.yaml:1", false},
		"another identity":          {altered(func(m map[string]any) { m["identity"] = "sha256:0" }), 1, "the scenario of m.json is not the one that ran", false},
		"a sample a bit longer":     {inSamples(",1000000000,", ",1000000001,"), 1, "the samples in the manifest are not those that it was written with", false},
		"a sample that is no line":  {inSamples("warm,0", "warm,x"), 1, "fibonacci-go.default.csv", false},
		"no samples":                {altered(func(m map[string]any) { m["samples"] = map[string]any{} }), 1, "the samples in the manifest are not those", false},
		"neither samples nor a set": {altered(func(m map[string]any) { m["samples"], m["set"] = map[string]any{}, "" }), 1, "the manifest holds no samples of fibonacci-go/default on board-7", false},
		"another label":             {altered(func(m map[string]any) { m["labels"] = map[string]any{} }), 1, "the result differs from the manifest's", true},
		"another result":            {altered(func(m map[string]any) { m["result"] = strings.Repeat("0", 64) }), 1, "the result differs from the manifest's", true},
	} {
		write(t, map[string]string{"m.json": c.text})
		out, errs := cosim(t, c.code, "run", "m.json")
		require.Contains(t, errs, c.says, name)
		require.Equal(t, c.runs, out != "", name)
		require.Equal(t, c.text, tree(t)["m.json"], name)
	}
}

// TestAManifestStandsInForNothingElse: a file that is none stays, and a manifest is
// replaced by the next.
func TestAManifestStandsInForNothingElse(t *testing.T) {
	workplace(t, map[string]string{"good.yaml": theory, "notes.json": "{}", "text": "mine"})
	for _, path := range []string{"notes.json", "text", "."} {
		out, errs := cosim(t, exitFailed, "run", "good.yaml", "--manifest", path)
		require.Empty(t, out, "before the run")
		require.Contains(t, errs, path+" exists and is no manifest; it is left alone: name another file")
	}
	require.Equal(t, map[string]string{"good.yaml": theory, "notes.json": "{}", "text": "mine"}, tree(t))
	cosim(t, exitOK, "run", "good.yaml", "--manifest", "m.json")
	first := tree(t)["m.json"]
	_, errs := cosim(t, exitOK, "run", "good.yaml", "--seed", "5", "--manifest", "m.json")
	require.Contains(t, errs, "manifest: m.json")
	require.NotEqual(t, first, tree(t)["m.json"])
	cosim(t, exitOK, "run", "m.json")
}

// TestTheOrderOfFilesInAManifestIsOfNoImportance.
func TestTheOrderOfFilesInAManifestIsOfNoImportance(t *testing.T) {
	_, text := onTheBench(t)
	var m manifest
	require.NoError(t, json.Unmarshal([]byte(text), &m))
	one, err := m.source()
	require.NoError(t, err)
	for name, file := range m.Samples { // the same under another name
		m.Samples = map[string]string{"zzz/" + name: file}
	}
	other, err := m.source()
	require.NoError(t, err)
	require.Equal(t, one.samples, other.samples)
	request := servicetime.Request{Function: "fibonacci-go", Input: "default", Platform: "board-7"}
	require.Len(t, one.samples[request], 2, "warm and flush")
	for condition, samples := range one.samples[request] {
		require.Len(t, samples, 6, condition)
		require.True(t, slices.IsSortedFunc(samples, func(a, b servicetime.Sample) int { return a.N - b.N }))
	}
}
