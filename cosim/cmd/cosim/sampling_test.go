package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/experiment"
	"microcosm/cosim/servicetime"
	"microcosm/gem5bridge"
	"microcosm/results"
	"microcosm/results/samplefile"
)

// words is a command line over the tossing's store and back end.
func (x tossing) words(line string, more ...string) []string {
	words := append(strings.Fields(line), "--store", x.store, "--backend", x.backend, "--functions-dir", x.folder)
	return append(words, more...)
}

// TestACampaignOnTheCommandLine asks what is missing, measures it, asks again, wants
// more, and measures just that.
func TestACampaignOnTheCommandLine(t *testing.T) {
	t.Parallel()
	x := newTossing(t)
	const what = "sample --functions fibonacci-go,aes-go --conditions warm,flush -n "
	lacks := func(n string) (list []lack) {
		fromJSON(t, exitOK, &list, x.words(what+n+" --missing")...)
		return list
	}
	require.Equal(t, []lack{
		{"tossed", "fibonacci-go", "default", "warm", 0, 3}, {"tossed", "fibonacci-go", "default", "flush", 0, 3},
		{"tossed", "aes-go", "default", "warm", 0, 3}, {"tossed", "aes-go", "default", "flush", 0, 3},
	}, lacks("3"))
	require.Empty(t, x.samples(t), "to ask measures nothing")
	_, errs := cosim(t, exitOK, x.words(what+"3 --seed 9")...)
	require.Contains(t, errs, "tosser: stored 12 valid, 0 rejected, 0 censored samples on tossed, seed 9, in "+x.store)
	require.Empty(t, lacks("3"))
	first := x.samples(t)
	out, errs := cosim(t, exitOK, x.words(what+"3")...)
	require.Empty(t, out)
	require.Contains(t, errs, "nothing to measure: "+x.store+" holds 3 valid samples of everything asked")
	require.Equal(t, 2, lacks("5")[0].Missing)
	_, errs = cosim(t, exitOK, x.words(what+"5")...)
	require.Contains(t, errs, "stored 8 valid")
	for cell, samples := range x.samples(t) {
		require.Len(t, samples, 5, cell)
		require.Equal(t, first[cell], samples[:3], cell)
	}
	_, errs = cosim(t, exitOK, x.words("sample --functions aes-go --conditions warm -n 6 --missing")...)
	require.Contains(t, errs, "1 samples are missing in 1 cells")
}

// TestMistakesOfACampaignMeasureNothing: of its functions, its conditions and its
// platform.
func TestMistakesOfACampaignMeasureNothing(t *testing.T) {
	t.Parallel()
	x := newTossing(t)
	for line, c := range map[string]struct {
		code int
		says []string
	}{
		"sample --functions fibonaci-go,aes-goo,aes-go --conditions warm": {2, []string{"did you mean fibonacci-go", "did you mean aes-go"}},
		"sample --functions auth-go --conditions warm":                    {1, []string{"auth-go", "not installed"}},
		"sample --functions aes-go --conditions warm --platform skylake":  {2, []string{`platform "skylake": the back end tosser has tossed`}},
		"sample --verify nobody":                                          {2, []string{"the collection nobody holds no samples"}},
		"sample --verify recorded":                                        {1, []string{"nothing in recorded was measured on tossed, but on ", ", skylake-x86: ", "on the same kind of machine, those of a simulated platform with --platform"}},
	} {
		out, errs := cosim(t, c.code, x.words(line)...)
		for _, says := range c.says {
			require.Contains(t, errs, says, line)
		}
		require.Empty(t, out, line)
		require.Empty(t, x.samples(t), line)
	}
}

// record puts a collection of 30 samples of one key into the store, each as
// long as took says, or as it was tossed.
func (x tossing) record(t *testing.T, collection string, took func(n int) servicetime.Ticks) {
	t.Helper()
	condition := servicetime.Condition{Kind: servicetime.Warm}
	job := gem5bridge.Job{Setup: gem5bridge.Setup{Functions: x.folder}, Seed: 4}
	var samples []servicetime.Sample
	for n := range 30 {
		s, err := toss(job, gem5bridge.Cell{Function: "aes-go", Input: "default", Condition: condition}, n)
		require.NoError(t, err)
		if took != nil {
			s.RoundTrip = took(n)
		}
		samples = append(samples, s)
	}
	folder := fstest.MapFS{}
	for _, file := range samplefile.Split(samples) {
		var text bytes.Buffer
		require.NoError(t, samplefile.WriteText(&text, file.Samples))
		folder[file.Name] = &fstest.MapFile{Data: text.Bytes()}
	}
	store, err := results.Open(t.Context(), x.store, results.Options{})
	require.NoError(t, err)
	_, err = store.EnsureCollection(t.Context(), collection, folder)
	require.NoError(t, err)
	require.NoError(t, store.Close())
}

// TestARecordIsHeldAgainstTodaysMeasurement: tosses between 2 and 3 µs agree with such
// (a record without chance leaves one in 100 000 campaigns to disagree), and not with
// one that is three times as long; either way what was measured is kept.
func TestARecordIsHeldAgainstTodaysMeasurement(t *testing.T) {
	t.Parallel()
	x := newTossing(t)
	x.record(t, "alike", func(n int) servicetime.Ticks { return servicetime.Ticks(2e6 + 1e6*n/30) })
	x.record(t, "unlike", func(n int) servicetime.Ticks { return servicetime.Ticks(7e6 + n) })
	var v verdict
	fromJSON(t, exitOK, &v, x.words("sample --verify alike -n 40")...)
	require.True(t, v.Agrees)
	require.GreaterOrEqual(t, v.P, verifyLevel)
	require.Equal(t, 30, v.Record)
	require.Equal(t, 40, v.Measured)
	require.Contains(t, v.Key, "aes-go/default warm on tossed")
	require.Equal(t, "not done: from another checkpoint, or with another seed", v.Repeated)
	out, errs := cosim(t, exitFailed, x.words("sample --verify unlike -n 40")...)
	require.Regexp(t, `^aes-go/default warm on tossed\S*: 30 recorded samples against 40 measured now: p = \S+ \(Kolmogorov-Smirnov\)\naes-go/default warm on tossed: the first recorded sample, measured once more: not done: .*\n$`, out)
	require.Contains(t, errs, "the record differs from what this machine measures")
	var keys []results.KeySummary
	fromJSON(t, exitOK, &keys, "store", "list", "--own", "--platform", "tossed", "--store", x.store)
	require.Len(t, keys, 1)
	require.Equal(t, 80, keys[0].Valid)
}

// ofTosses is a scenario that is answered by tosses, measured ahead.
const ofTosses = `
cluster:
  nodes: [{cores: 1}]
  scaling: {kind: fixed, sandboxes: 1}
  keep-alive: unlimited
workload:
  duration: 2s
  functions:
    - {name: fibonacci-go, arrivals: {process: poisson, rate: 100/s}}
    - {name: aes-go, arrivals: {process: constant, rate: 100/s}}
fidelity: {platform: tossed, stack: local, replications: 3, resamples: 20}
execution: {source: ahead, samples: 4}
`

// TestARunMeasuresAheadAndIsRepeatedWithout: the manifest of a run that measured gives
// the same bytes where nothing can measure, and so does the store.
func TestARunMeasuresAheadAndIsRepeatedWithout(t *testing.T) {
	t.Parallel()
	x := newTossing(t)
	path := filepath.Join(t.TempDir(), "tossed.yaml")
	require.NoError(t, os.WriteFile(path, []byte(ofTosses), 0o600))
	manifest := filepath.Join(filepath.Dir(path), "m.json")
	measured, _ := cosim(t, exitOK, x.words("run", path, "--json", "--manifest", manifest)...)
	require.Len(t, x.samples(t), 4, "two functions, warm and flush")
	again, errs := cosim(t, exitOK, x.words("run", path, "--json")...)
	require.Equal(t, measured, again)
	require.NotContains(t, errs, "what=samples")
	require.NoError(t, os.WriteFile(path, []byte(strings.Replace(ofTosses, "execution: {source: ahead, samples: 4}", "", 1)), 0o600))
	again, _ = cosim(t, exitOK, "run", path, "--json", "--store", x.store)
	require.Equal(t, measured, again, "the result does not tell how it was come by")
	again, errs = cosim(t, exitOK, "run", manifest, "--json")
	require.Equal(t, measured, again)
	require.Contains(t, errs, "byte-identical")
}

// TestPrecisionIsMeasuredFor: samples are added until the number is precise enough;
// the run after it has them all, and a narrower interval.
func TestPrecisionIsMeasuredFor(t *testing.T) {
	t.Parallel()
	x := newTossing(t)
	path := filepath.Join(t.TempDir(), "tossed.yaml")
	require.NoError(t, os.WriteFile(path, []byte(ofTosses), 0o600))
	run := func(more ...string) (relative float64, errs string) {
		out, errs := cosim(t, exitOK, x.words("run", append([]string{path, "--json"}, more...)...)...)
		var r experiment.Result
		require.NoError(t, json.Unmarshal([]byte(out), &r))
		m, found := r.Runs[0].Find("service_mean")
		require.True(t, found)
		require.NotNil(t, m.Parts)
		return m.Parts.Sampling.Relative(), errs
	}
	few, _ := run()
	before := len(x.samples(t)["fibonacci-go warm"]) + len(x.samples(t)["fibonacci-go flush"])
	many, errs := run("--precision", "mean:1%", "--budget", "1h")
	require.Contains(t, errs, "number=mean round=1 ")
	after := len(x.samples(t)["fibonacci-go warm"]) + len(x.samples(t)["fibonacci-go flush"])
	require.Greater(t, after, before)
	require.Less(t, many, few)
}

// TestARecordedSampleIsRepeatedToTheTick: what the same seed and checkpoint gave is
// given again, or the record is wrong, however alike the two distributions are.
func TestARecordedSampleIsRepeatedToTheTick(t *testing.T) {
	t.Parallel()
	x := newTossing(t)
	x.record(t, "same", nil)
	x.record(t, "altered", func(n int) servicetime.Ticks { return servicetime.Ticks(2e6 + 1e6*n/30) })
	var v verdict
	fromJSON(t, exitOK, &v, x.words("sample --verify same -n 40 --seed 4")...)
	require.Equal(t, repeatedEqual, v.Repeated)
	fromJSON(t, exitFailed, &v, x.words("sample --verify altered -n 40 --seed 4")...)
	require.Equal(t, repeatedDifferent, v.Repeated)
	require.GreaterOrEqual(t, v.P, verifyLevel)
}
