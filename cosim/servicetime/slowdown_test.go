package servicetime_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/servicetime"
)

// called returns samples of f in a condition: `each` from every restore, call i
// of restore r with the cycles that of gives, 1000 instructions and 1 ns per cycle.
func called(condition string, restores, each int, of func(r, i int) int64) []servicetime.Sample {
	parsed, err := servicetime.ParseCondition(condition)
	if err != nil {
		panic(err)
	}
	var samples []servicetime.Sample
	for r := range restores {
		for i := range each {
			cycles := of(r, i)
			samples = append(samples, servicetime.Sample{
				Key: servicetime.Key{
					Function: "f", Image: "i", Input: "default", Platform: "p", PlatformDigest: "d", Condition: parsed, Stack: "s",
				},
				N: len(samples), Status: servicetime.Valid, RoundTrip: servicetime.TicksOf(time.Duration(cycles)),
				Counters:   map[string]int64{servicetime.CounterCycles: cycles, servicetime.CounterInstructions: 1000},
				Provenance: servicetime.Provenance{Boot: fmt.Sprint(r % 2), Restore: fmt.Sprint(r)},
			})
		}
	}
	return samples
}

func constant(cycles int64) func(int, int) int64 { return func(int, int) int64 { return cycles } }

func TestSlowdownOfConstantsIsTheirRatio(t *testing.T) {
	t.Parallel()
	samples := slices.Concat(
		called("flush", 6, 1, constant(5000)), called("lukewarm:16", 6, 2, constant(2500)), called("lukewarm:4", 6, 2, constant(2000)),
		called("warm", 6, 5, constant(1000)), called("stage:init", 3, 1, constant(9000)),
	)
	got := servicetime.Slowdowns(samples, streams(1), .95)
	require.Len(t, got, 4, "a stage is no call")
	for i, want := range []struct {
		condition string
		ratio     float64
		valid     int
	}{{"warm", 1, 30}, {"lukewarm:4", 2, 12}, {"lukewarm:16", 2.5, 12}, {"flush", 5, 6}} {
		require.Equal(t, want.condition, got[i].Key.Condition.String())
		require.Equal(t, want.valid, got[i].Valid)
		require.InDelta(t, want.ratio, got[i].CPI.Est, 1e-12)
		require.InDelta(t, want.ratio, got[i].Ratio.Est, 1e-12)
		require.InDelta(t, want.ratio, got[i].Service.Est, 1e-12)
		require.Equal(t, i > 0, got[i].Ratio.OK(), "warm is compared with nothing")
	}
	require.InDelta(t, 5, got[3].Ratio.Lo, 1e-12, "without scatter the interval is a point")
}

// TestSlowdownIntervalCovers draws campaigns whose restores differ, as real ones do.
func TestSlowdownIntervalCovers(t *testing.T) {
	t.Parallel()
	const runs, truth = 60, 2.
	held := 0
	for run := range runs {
		rng := streams(run)("campaigns")
		draw := func(mean float64) func(int, int) int64 {
			shift := map[int]float64{}
			return func(r, _ int) int64 {
				if _, known := shift[r]; !known {
					shift[r] = .1 * rng.NormFloat64()
				}
				return int64(mean * (1 + shift[r] + .05*rng.NormFloat64()))
			}
		}
		samples := slices.Concat(called("warm", 6, 5, draw(1e6)), called("lukewarm:4", 6, 5, draw(truth*1e6)))
		got := servicetime.Slowdowns(samples, streams(run), .95)
		require.True(t, got[1].Ratio.OK(), got[1].Ratio)
		if got[1].Ratio.Covers(truth) {
			held++
		}
	}
	require.GreaterOrEqual(t, held, 51, "of %d intervals at 95 %%", runs)
}

func TestSlowdownSaysWhatItLacks(t *testing.T) {
	t.Parallel()
	flush := called("flush", 6, 1, constant(5000))
	require.Empty(t, servicetime.Slowdowns(flush, streams(1), .95), "nothing to compare with")

	censored := called("flush", 1, 1, constant(5000))
	censored[0].Status, censored[0].Reason = servicetime.Censored, "sim-hang"
	host := called("warm", 6, 1, constant(1000))
	for i := range host {
		delete(host[i].Counters, servicetime.CounterInstructions)
	}
	got := servicetime.Slowdowns(slices.Concat(flush, censored, host), streams(1), .95)
	require.Equal(t, 1, got[1].Censored)
	require.InDelta(t, 5, got[1].Service.Est, 1e-12)
	require.False(t, got[1].Ratio.OK())
	require.Contains(t, got[1].Ratio.Note, "does not count instructions")

	other := called("warm", 6, 1, constant(1000))
	for i := range other {
		other[i].Key.Stack = "another"
	}
	require.Len(t, servicetime.Slowdowns(slices.Concat(flush, other), streams(1), .95), 1, "conditions of another stack are not compared")

	two := servicetime.Slowdowns(slices.Concat(called("flush", 2, 1, constant(5000)), called("warm", 6, 1, constant(1000))), streams(1), .95)
	require.Contains(t, two[1].Ratio.Note, "resamples", "two restores carry no interval at this level")
}

func TestSlowdownsDoNotDependOnTheOrderOfKeys(t *testing.T) {
	t.Parallel()
	warm := called("warm", 6, 3, func(r, i int) int64 { return int64(1000 + 10*r + i) })
	flush := called("flush", 6, 3, func(r, i int) int64 { return int64(4000 + 70*r + i) })
	one, other := servicetime.Slowdowns(slices.Concat(warm, flush), streams(1), .95), servicetime.Slowdowns(slices.Concat(flush, warm), streams(1), .95)
	require.Equal(t, fmt.Sprint(one), fmt.Sprint(other))
}
