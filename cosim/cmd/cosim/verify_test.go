package main

import (
	"bytes"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/servicetime"
	"microcosm/gem5bridge"
	"microcosm/loadgen"
	"microcosm/results"
	"microcosm/results/recorded"
	"microcosm/results/samplefile"
)

func TestVerifyDrawsOnlyWhatThisMachineCanMeasure(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	a := &app{store: filepath.Join(t.TempDir(), "samples.db")}
	store, err := a.openStore(ctx, "")
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	keys, err := store.Keys(ctx, results.Filter{Collection: recorded.Collection})
	require.NoError(t, err)
	require.NotEmpty(t, keys)
	platform := keys[0].Key.Platform
	on := func(name string) *measurer { return &measurer{platform: gem5bridge.Platform{Name: name}} }
	draw := func(collection, platform string, seed uint64) (servicetime.Key, error) {
		return a.drawKey(ctx, store, on(platform), campaign{verify: collection}, loadgen.Rand(seed, "verify"))
	}

	_, err = draw(recorded.Collection, "host-abacus", 1)
	require.ErrorContains(t, err, "nothing in recorded was measured on host-abacus, but on "+platform)
	require.NotErrorAs(t, err, new(usageError))
	_, err = draw("nonsense", platform, 1)
	require.ErrorContains(t, err, "the collection nonsense holds no samples")
	require.ErrorAs(t, err, new(usageError))

	drawn := map[servicetime.Key]bool{}
	for seed := range uint64(200) {
		key, err := draw(recorded.Collection, platform, seed)
		require.NoError(t, err)
		require.Equal(t, platform, key.Platform)
		drawn[key] = true
	}
	require.Greater(t, len(drawn), 1)
	again, err := draw(recorded.Collection, platform, 7)
	require.NoError(t, err)
	first, err := draw(recorded.Collection, platform, 7)
	require.NoError(t, err)
	require.Equal(t, first, again, "the seed decides")
}

func TestVerifyDrawsNoNullCallAndNoKeyOfOneSample(t *testing.T) {
	t.Parallel()
	store, err := results.Open(t.Context(), filepath.Join(t.TempDir(), "samples.db"), results.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	var samples []servicetime.Sample
	for function, count := range map[string]int{servicetime.NullFunction: 3, "once": 1, "twice": 2} {
		for n := range count {
			samples = append(samples, servicetime.Sample{
				Key: servicetime.Key{
					Function: function, Image: "i", Input: "default", Platform: "here", PlatformDigest: "p", Stack: "s",
					Condition: servicetime.Condition{Kind: servicetime.Warm},
				},
				N: n, Status: servicetime.Valid, RoundTrip: 1000, Provenance: servicetime.Provenance{Backend: "host", Host: "h", Measured: time.Unix(1e9, 0).UTC()},
			})
		}
	}
	folder := fstest.MapFS{}
	for _, file := range samplefile.Split(samples) {
		var text bytes.Buffer
		require.NoError(t, samplefile.WriteText(&text, file.Samples))
		folder[file.Name] = &fstest.MapFile{Data: text.Bytes()}
	}
	_, err = store.EnsureCollection(t.Context(), "mine", folder)
	require.NoError(t, err)
	for seed := range uint64(20) {
		key, err := new(app).drawKey(t.Context(), store, &measurer{platform: gem5bridge.Platform{Name: "here"}}, campaign{verify: "mine"}, loadgen.Rand(seed, "verify"))
		require.NoError(t, err)
		require.Equal(t, "twice", key.Function)
	}
}

func TestVerdict(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	a := &app{out: &out}
	v := verdict{Key: "f/default warm on p", Record: 30, Measured: 10, P: .5, Repeated: repeatedEqual, Agrees: true}
	require.NoError(t, a.printVerdict(v))
	require.Equal(t, "f/default warm on p: 30 recorded samples against 10 measured now: p = 0.5 (Kolmogorov-Smirnov)\n"+
		"f/default warm on p: the first recorded sample, measured once more: equal\n", out.String())
	v.Repeated, v.Agrees = repeatedDifferent, false
	require.ErrorContains(t, a.printVerdict(v), "the first recorded sample differs from what the same checkpoint and seed give here")
	out.Reset()
	a.json = true
	require.ErrorContains(t, a.printVerdict(verdict{Key: "f/default warm on p", P: .001}), "the record differs from what this machine measures (p = 0.001 < 0.01)")
	require.JSONEq(t, `{"key": "f/default warm on p", "record": 0, "measured": 0, "p": 0.001, "repeated": "", "agrees": false}`, out.String())
}

func TestServiceTimesAreThoseOfValidSamples(t *testing.T) {
	t.Parallel()
	require.Equal(t, []float64{2e-6}, serviceTimes([]servicetime.Sample{
		{Status: servicetime.Valid, RoundTrip: 3_000_000, Null: 1_000_000},
		{Status: servicetime.Censored, RoundTrip: 9_000_000},
		{Status: servicetime.Rejected, RoundTrip: 9_000_000},
	}))
}
