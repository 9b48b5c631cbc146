package servicetime_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/cosim/servicetime"
)

// micros draws some service times in microseconds.
var micros = rapid.SliceOfN(rapid.IntRange(1, 100_000), 1, 12)

// campaign draws what may have been measured: warm, some lukewarm conditions,
// and perhaps flush.
func campaign(t *rapid.T) (all []servicetime.Measured, lowest, highest time.Duration) {
	lowest = time.Hour
	add := func(condition string) {
		times := micros.Draw(t, condition)
		all = append(all, measured(condition, times...))
		lowest = min(lowest, time.Duration(slices.Min(times))*time.Microsecond)
		highest = max(highest, time.Duration(slices.Max(times))*time.Microsecond)
	}
	add("warm")
	for _, k := range rapid.SliceOfNDistinct(rapid.IntRange(1, 64), 0, 4, rapid.ID).Draw(t, "ks") {
		add(fmt.Sprint("lukewarm:", k))
	}
	add("flush")
	return all, lowest, highest
}

var states = rapid.Custom(func(t *rapid.T) servicetime.State {
	return servicetime.State{
		K: rapid.Int64Range(0, 1_000).Draw(t, "k"), New: rapid.IntRange(0, 4).Draw(t, "new") == 0,
		Idle: time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "idle")),
	}
})

var models = rapid.Custom(func(t *rapid.T) servicetime.ConditionModel {
	if rapid.Bool().Draw(t, "idle model") {
		return servicetime.ConditionModel{Kind: servicetime.Idle, Tau: time.Duration(rapid.Int64Range(1, int64(time.Hour)).Draw(t, "tau"))}
	}
	return servicetime.ConditionModel{Kind: servicetime.Interleave, HalfDepth: rapid.Float64Range(.1, 100).Draw(t, "half depth")}
})

var shares = rapid.Float64Range(0, 1-1e-15)

func drawn(t *rapid.T, l servicetime.Law, s servicetime.State, u float64) servicetime.Draw {
	d, err := l.Draw(s, u)
	require.NoError(t, err)
	return d
}

// TestADrawLiesAmongTheSamples: interpolation invents nothing below the fastest
// or above the slowest sample, and a core is never held longer than the call.
func TestADrawLiesAmongTheSamples(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		all, lowest, highest := campaign(t)
		l, err := servicetime.NewLaw(all, servicetime.LawOptions{Penalty: 1, Model: models.Draw(t, "model")})
		require.NoError(t, err)
		d := drawn(t, l, states.Draw(t, "state"), shares.Draw(t, "u"))
		require.GreaterOrEqual(t, d.Service, lowest)
		require.LessOrEqual(t, d.Service, highest)
		require.Positive(t, d.Busy)
		require.LessOrEqual(t, d.Busy, d.Service)
	})
}

// TestMoreInBetweenIsNeverFaster, for the same luck: also where noise in the
// samples says otherwise.
func TestMoreInBetweenIsNeverFaster(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		all, _, _ := campaign(t)
		model := models.Draw(t, "model")
		l, err := servicetime.NewLaw(all, servicetime.LawOptions{Penalty: rapid.Float64Range(0, 3).Draw(t, "penalty"), Model: model})
		require.NoError(t, err)
		u := shares.Draw(t, "u")
		first, second := states.Draw(t, "first"), states.Draw(t, "second")
		if l.Depth(first) > l.Depth(second) {
			first, second = second, first
		}
		require.LessOrEqual(t, drawn(t, l, first, u).Service, drawn(t, l, second, u).Service+1, "a nanosecond for rounding")
	})
}

// TestALargerShareIsNeverFaster: draws are quantiles.
func TestALargerShareIsNeverFaster(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		all, _, _ := campaign(t)
		l, err := servicetime.NewLaw(all, servicetime.LawOptions{Penalty: 1, Model: models.Draw(t, "model")})
		require.NoError(t, err)
		s, u, v := states.Draw(t, "state"), shares.Draw(t, "u"), shares.Draw(t, "v")
		require.LessOrEqual(t, drawn(t, l, s, min(u, v)).Service, drawn(t, l, s, max(u, v)).Service+1)
	})
}

// TestThePlaceboKnowsNoState: with the penalty zero every state draws the warm
// call of the same luck.
func TestThePlaceboKnowsNoState(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		all, _, _ := campaign(t)
		l, err := servicetime.NewLaw(all, servicetime.LawOptions{Model: models.Draw(t, "model")})
		require.NoError(t, err)
		u := shares.Draw(t, "u")
		require.Equal(t, drawn(t, l, servicetime.State{}, u), drawn(t, l, states.Draw(t, "state"), u))
	})
}

// TestATracesDurationKeepsThePenaltyAbsolute: the difference between any state
// and warm is the same for a long call of a trace as for the measured one.
func TestATracesDurationKeepsThePenaltyAbsolute(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		all, _, highest := campaign(t)
		l, err := servicetime.NewLaw(all, servicetime.LawOptions{Penalty: 1, Model: models.Draw(t, "model")})
		require.NoError(t, err)
		s, u := states.Draw(t, "state"), shares.Draw(t, "u")
		penalty := drawn(t, l, s, u).Service - drawn(t, l, servicetime.State{}, u).Service
		s.Base = highest + time.Duration(rapid.Int64Range(1, int64(time.Hour)).Draw(t, "base"))
		require.InDelta(t, float64(s.Base+penalty), float64(drawn(t, l, s, u).Service), 2)
	})
}
