package servicetime_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/servicetime"
)

func TestTicksRoundToTheNearestNanosecond(t *testing.T) {
	t.Parallel()
	for ticks, want := range map[servicetime.Ticks]time.Duration{0: 0, 499: 0, 500: 1, 1499: 1, -499: 0, -500: -1, 1_000_000: 1000} {
		require.Equal(t, want, ticks.Duration(), "%d ticks", ticks)
	}
	require.Equal(t, servicetime.Ticks(5000), servicetime.TicksOf(5))
}

func TestServiceIsRoundTripLessTheNullCall(t *testing.T) {
	t.Parallel()
	s := servicetime.Sample{RoundTrip: 100, Null: 30, Busy: 50}
	require.Equal(t, servicetime.Ticks(70), s.Service())
	require.Equal(t, servicetime.Ticks(20), s.OffCore())
	s = servicetime.Sample{RoundTrip: 10, Null: 30, Busy: 5}
	require.Equal(t, servicetime.Ticks(1), s.Service(), "noise never makes it negative")
	require.Zero(t, s.OffCore())
}

func TestOneFlippedByteIsAnotherKey(t *testing.T) {
	t.Parallel()
	key := servicetime.Key{Function: "f", Image: "i", Input: "n", Platform: "p", PlatformDigest: "d", Condition: servicetime.LukewarmAfter(1), Stack: "s"}
	seen := map[string]bool{key.Digest(): true}
	for _, flip := range []func(*servicetime.Key){
		func(k *servicetime.Key) { k.Function = "g" },
		func(k *servicetime.Key) { k.Image = "j" },
		func(k *servicetime.Key) { k.Input = "m" },
		func(k *servicetime.Key) { k.Platform = "q" },
		func(k *servicetime.Key) { k.PlatformDigest = "e" },
		func(k *servicetime.Key) { k.Condition = servicetime.LukewarmAfter(2) },
		func(k *servicetime.Key) { k.Stack = "t" },
		func(k *servicetime.Key) { k.Function, k.Image = "fi", "" },
	} {
		other := key
		flip(&other)
		require.False(t, seen[other.Digest()])
		seen[other.Digest()] = true
	}
}

func TestSamplesCheckThemselves(t *testing.T) {
	t.Parallel()
	good := measured("warm", 100).Samples[0]
	require.NoError(t, good.Check())
	for situation, spoil := range map[string]func(*servicetime.Sample){
		"incomplete key":            func(s *servicetime.Sample) { s.Key.Stack = "" },
		"no condition":              func(s *servicetime.Sample) { s.Key.Condition = servicetime.Condition{} },
		"negative number":           func(s *servicetime.Sample) { s.N = -1 },
		"no status":                 func(s *servicetime.Sample) { s.Status = servicetime.StatusInvalid },
		"censored without a reason": func(s *servicetime.Sample) { s.Status = servicetime.Censored },
		"valid with a reason":       func(s *servicetime.Sample) { s.Reason = "late" },
		"negative time":             func(s *servicetime.Sample) { s.Busy = -1 },
		"no time":                   func(s *servicetime.Sample) { s.RoundTrip = 0 },
		"absurd time":               func(s *servicetime.Sample) { s.RoundTrip = 1 << 62 },
	} {
		bad := good
		spoil(&bad)
		require.Error(t, bad.Check(), situation)
	}
}

func TestStatusesTravelAsWords(t *testing.T) {
	t.Parallel()
	for _, s := range []servicetime.Status{servicetime.Valid, servicetime.Censored, servicetime.Rejected} {
		got, err := servicetime.ParseStatus(s.String())
		require.NoError(t, err)
		require.Equal(t, s, got)
	}
	_, err := servicetime.ParseStatus("invalid")
	require.Error(t, err)
}
