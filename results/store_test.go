package results_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/servicetime"
	"microcosm/results"
)

// open returns a new store in the test's own folder.
func open(t testing.TB) *results.Store {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "store.db"), results.Options{})
}

func openAt(t testing.TB, path string, options results.Options) *results.Store {
	t.Helper()
	s, err := results.Open(t.Context(), path, options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func key(change func(*servicetime.Key)) servicetime.Key {
	k := servicetime.Key{
		Function: "fibonacci-go", Image: "sha256:1111", Input: "default", Platform: "host-test",
		PlatformDigest: "sha256:2222", Condition: servicetime.Condition{Kind: servicetime.Warm}, Stack: "sha256:3333",
	}
	if change != nil {
		change(&k)
	}
	return k
}

// sample returns sample n of a key with every field set.
func sample(k servicetime.Key, n int) servicetime.Sample {
	return servicetime.Sample{
		Key: k, N: n, Seed: 0xfedcba9876543210 + uint64(n), Status: servicetime.Valid,
		RoundTrip: servicetime.Ticks(1_000_000 + 1000*n), Null: 200_000, Busy: servicetime.Ticks(700_000 + n),
		Counters: map[string]int64{servicetime.CounterCycles: int64(3000 + n), "system.cpu0.dcache.overallMisses::total": 7},
		Provenance: servicetime.Provenance{
			Backend: "host", SimulatorDigest: "sha256:4444", Boot: fmt.Sprintf("boot-%d", n%2), Restore: fmt.Sprintf("restore-%d", n%6),
			Host: "node-1", Measured: time.Date(2026, 11, 22, 10, 0, n%60, 0, time.UTC), Cost: 1234567 * time.Nanosecond, Note: "a note, with \"quotes\"",
		},
	}
}

func many(k servicetime.Key, n int) []servicetime.Sample { return manyFrom(k, 0, n) }

func manyFrom(k servicetime.Key, from, n int) []servicetime.Sample {
	list := make([]servicetime.Sample, n)
	for i := range list {
		list[i] = sample(k, from+i)
	}
	return list
}

func TestPutAndSamples(t *testing.T) {
	t.Parallel()
	s := open(t)
	ctx := t.Context()
	k := key(nil)
	want := many(k, 5)
	require.NoError(t, s.Put(ctx, want[3], want[1], want[4]))
	require.NoError(t, s.Put(ctx, want...), "storing a sample twice is no mistake")
	got, err := s.Samples(ctx, k)
	require.NoError(t, err)
	require.Equal(t, want, got, "in order of their numbers, with every field")

	next, err := s.NextN(ctx, k)
	require.NoError(t, err)
	require.Equal(t, 5, next)
}

func TestSamplesOfOtherKeysAreNeverReturned(t *testing.T) {
	t.Parallel()
	s := open(t)
	ctx := t.Context()
	require.NoError(t, s.Put(ctx, many(key(nil), 3)...))
	for name, change := range map[string]func(*servicetime.Key){
		"function":        func(k *servicetime.Key) { k.Function = "fibonacci-gO" },
		"image":           func(k *servicetime.Key) { k.Image = "sha256:1112" },
		"input":           func(k *servicetime.Key) { k.Input = "default " },
		"platform":        func(k *servicetime.Key) { k.Platform = "host-tesu" },
		"platform digest": func(k *servicetime.Key) { k.PlatformDigest = "sha256:2223" },
		"condition":       func(k *servicetime.Key) { k.Condition = servicetime.LukewarmAfter(1) },
		"stack":           func(k *servicetime.Key) { k.Stack = "SHA256:3333" },
	} {
		t.Run(name, func(t *testing.T) {
			other := key(change)
			got, err := s.Samples(ctx, other)
			require.NoError(t, err)
			require.Empty(t, got)
			next, err := s.NextN(ctx, other)
			require.NoError(t, err)
			require.Zero(t, next)
		})
	}
}

func TestPutRefusesOtherContentUnderTheSameNumber(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*servicetime.Sample){
		"seed 42":           func(s *servicetime.Sample) { s.Seed = 42 },
		"status censored":   func(s *servicetime.Sample) { s.Status, s.Reason = servicetime.Censored, "hung" },
		"round_trip 77":     func(s *servicetime.Sample) { s.RoundTrip = 77 },
		"null_call 77":      func(s *servicetime.Sample) { s.Null = 77 },
		"busy 77":           func(s *servicetime.Sample) { s.Busy = 77 },
		"cycles 77":         func(s *servicetime.Sample) { s.Counters[servicetime.CounterCycles] = 77 },
		"counter cycles":    func(s *servicetime.Sample) { delete(s.Counters, servicetime.CounterCycles) },
		"counter new":       func(s *servicetime.Sample) { s.Counters["new"] = 0 },
		`host "elsewhere"`:  func(s *servicetime.Sample) { s.Provenance.Host = "elsewhere" },
		`boot "another"`:    func(s *servicetime.Sample) { s.Provenance.Boot = "another" },
		`restore "another"`: func(s *servicetime.Sample) { s.Provenance.Restore = "another" },
		"simulator_digest":  func(s *servicetime.Sample) { s.Provenance.SimulatorDigest = "another" },
		`backend "gem5"`:    func(s *servicetime.Sample) { s.Provenance.Backend = "gem5" },
		"cost 1ns":          func(s *servicetime.Sample) { s.Provenance.Cost = 1 },
		`note "another"`:    func(s *servicetime.Sample) { s.Provenance.Note = "another" },
		"measured":          func(s *servicetime.Sample) { s.Provenance.Measured = time.Unix(0, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			k := key(nil)
			require.NoError(t, s.Put(t.Context(), many(k, 2)...))
			changed := sample(k, 1)
			change(&changed)
			err := s.Put(t.Context(), sample(k, 7), changed)
			var conflict *results.ConflictError
			require.ErrorAs(t, err, &conflict)
			require.Len(t, conflict.Conflicts, 1)
			require.Equal(t, 1, conflict.Conflicts[0].N)
			require.ErrorContains(t, err, name)
			got, err := s.Samples(t.Context(), k)
			require.NoError(t, err)
			require.Equal(t, many(k, 2), got, "nothing of the call is stored")
		})
	}
}

func TestPutReportsEverySampleThatCannotBeStored(t *testing.T) {
	t.Parallel()
	s := open(t)
	bad := func(n int, change func(*servicetime.Sample)) servicetime.Sample {
		b := sample(key(nil), n)
		change(&b)
		return b
	}
	err := s.Put(t.Context(),
		sample(key(nil), 0),
		bad(1, func(s *servicetime.Sample) { s.RoundTrip = -1 }),
		bad(2, func(s *servicetime.Sample) { s.Key.Stack = "" }),
		bad(3, func(s *servicetime.Sample) { s.Key.Condition = servicetime.Condition{Kind: servicetime.Lukewarm, K: 4} }),
		bad(4, func(s *servicetime.Sample) { s.Key.Function = "two\nlines" }),
		bad(5, func(s *servicetime.Sample) { s.Provenance.Note = "\xff" }),
		bad(6, func(s *servicetime.Sample) { s.Counters[`a"b`] = 1 }),
		bad(7, func(s *servicetime.Sample) { s.Provenance.Cost = -1 }),
	)
	for n := 1; n <= 7; n++ {
		require.ErrorContains(t, err, fmt.Sprintf("sample %d of", n))
	}
	keys, err := s.Keys(t.Context(), results.Filter{})
	require.NoError(t, err)
	require.Empty(t, keys)
}

func TestKeys(t *testing.T) {
	t.Parallel()
	s := open(t)
	ctx := t.Context()
	flush := key(func(k *servicetime.Key) { k.Condition = servicetime.Condition{Kind: servicetime.Flush} })
	deep := key(func(k *servicetime.Key) { k.Condition = servicetime.LukewarmAfter(16) })
	shallow := key(func(k *servicetime.Key) { k.Condition = servicetime.LukewarmAfter(2) })
	other := key(func(k *servicetime.Key) { k.Function = "aes-go" })
	list := many(key(nil), 13)
	list[11].Status, list[11].Reason = servicetime.Censored, "hung"
	list[12].Status, list[12].Reason = servicetime.Rejected, "wrong reply"
	list[0].Provenance.SimulatorDigest = "sha256:other"
	for _, k := range []servicetime.Key{flush, deep, shallow, other} {
		list = append(list, many(k, 2)...)
	}
	require.NoError(t, s.Put(ctx, list...))

	all, err := s.Keys(ctx, results.Filter{})
	require.NoError(t, err)
	var order []servicetime.Key
	for _, k := range all {
		order = append(order, k.Key)
	}
	require.Equal(t, []servicetime.Key{other, key(nil), shallow, deep, flush}, order)

	warm, err := s.Keys(ctx, results.Filter{Function: "fibonacci-go", Condition: servicetime.Condition{Kind: servicetime.Warm}})
	require.NoError(t, err)
	require.Equal(t, []results.KeySummary{{
		Key: key(nil), Valid: 11, Censored: 1, Rejected: 1, Next: 13, Boots: 2, Restores: 6, Median: 805_000,
		Backends: []string{"host"}, Simulators: []string{"sha256:4444", "sha256:other"},
		First: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC), Last: time.Date(2026, 11, 22, 10, 0, 12, 0, time.UTC), Cost: 13 * 1234567,
	}}, warm)

	none, err := s.Keys(ctx, results.Filter{Stack: "sha256:333"})
	require.NoError(t, err)
	require.Empty(t, none)
}

func TestStacks(t *testing.T) {
	t.Parallel()
	s := open(t)
	ctx := t.Context()
	other := key(func(k *servicetime.Key) { k.Stack = "sha256:9999" })
	hung := sample(key(func(k *servicetime.Key) { k.Stack = "sha256:0000" }), 0)
	hung.Status, hung.Reason = servicetime.Censored, "hung"
	lukewarm := key(func(k *servicetime.Key) { k.Condition = servicetime.LukewarmAfter(1) })
	require.NoError(t, s.Put(ctx, append(append(many(key(nil), 2), many(lukewarm, 3)...), sample(other, 0), hung)...))
	got, err := s.Stacks(ctx, results.Filter{Function: "fibonacci-go", Input: "default", Platform: "host-test"})
	require.NoError(t, err)
	warm := servicetime.Condition{Kind: servicetime.Warm}
	require.Equal(t, []results.Stack{
		{Platform: "host-test", PlatformDigest: "sha256:2222", Image: "sha256:1111", Stack: "sha256:3333", Valid: 5, Conditions: []servicetime.Condition{warm, servicetime.LukewarmAfter(1)}},
		{Platform: "host-test", PlatformDigest: "sha256:2222", Image: "sha256:1111", Stack: "sha256:9999", Valid: 1, Conditions: []servicetime.Condition{warm}},
	}, got, "a stack with nothing but censored samples does not answer")
}

func TestCancelledCallsEndWithTheContextsError(t *testing.T) {
	t.Parallel()
	s := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, s.Put(ctx, sample(key(nil), 0)), context.Canceled)
	_, err := s.Samples(ctx, key(nil))
	require.ErrorIs(t, err, context.Canceled)
	_, err = s.Keys(ctx, results.Filter{})
	require.ErrorIs(t, err, context.Canceled)
}

func contextCancelled(t *testing.T) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx, cancel
}
