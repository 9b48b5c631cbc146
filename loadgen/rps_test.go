package loadgen_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/des"
	"microcosm/loadgen"
)

func TestRPSMode(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		rps     loadgen.RPS
		horizon float64 // seconds
		first   []float64
		period  float64
		each    []int // arrivals by function
	}{
		"all warm": {
			loadgen.RPS{Rate: 2}, 60, []float64{0}, .5, []int{120},
		},
		"a quarter per second, cool after 10 s: three functions": {
			loadgen.RPS{Rate: .25, ColdShare: 1, Cooldown: 10 * time.Second}, 120, []float64{0, 4, 8}, 12, []int{10, 10, 10},
		},
		"a third per second": {
			loadgen.RPS{Rate: 1. / 3, ColdShare: 1, Cooldown: 10 * time.Second}, 60, []float64{0, 3, 6, 9}, 12, []int{5, 5, 5, 5},
		},
		"five per second, cool after 2 s": {
			loadgen.RPS{Rate: 5, ColdShare: 1, Cooldown: 2 * time.Second}, 60,
			[]float64{0, .2, .4, .6, .8, 1, 1.2, 1.4, 1.6, 1.8}, 2, []int{30, 30, 30, 30, 30, 30, 30, 30, 30, 30},
		},
		"slower than the cool-down": {
			loadgen.RPS{Rate: .01, ColdShare: 1, Cooldown: 10 * time.Second}, 360, []float64{0}, 100, []int{4},
		},
		"slower than half the cool-down": {
			loadgen.RPS{Rate: .01, ColdShare: 1, Cooldown: 120 * time.Second}, 360, []float64{0, 100}, 200, []int{2, 2},
		},
		"a rate that no whole number divides stays even": {
			loadgen.RPS{Rate: 2.5, ColdShare: 1, Cooldown: 2 * time.Second}, 60, []float64{0, .4, .8, 1.2, 1.6}, 2, []int{30, 30, 30, 30, 30},
		},
		"rounding makes no further function": {
			loadgen.RPS{Rate: 3, ColdShare: .1, Cooldown: 10 * time.Second}, 10, []float64{0, 0, 1e1 / 3, 2e1 / 3}, -1, []int{27, 1, 1, 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.NoError(t, c.rps.Validate())
			functions := c.rps.Functions(seconds(c.horizon))
			require.Len(t, functions, len(c.first))
			for i, f := range functions {
				at := all(f.Stream(9))
				require.InDelta(t, c.first[i], at[0].Seconds(), 1e-8)
				require.Len(t, at, c.each[i])
				require.InDelta(t, f.ExpectedInvocations, len(at), 0)
				for _, gap := range gaps(at) {
					if c.period > 0 {
						require.InDelta(t, c.period, gap, 1e-8)
					}
				}
			}
		})
	}
}

func TestRPSFunctionsCarryTheirDurationAndMemory(t *testing.T) {
	t.Parallel()
	functions := loadgen.RPS{Rate: 1, ColdShare: .5, Cooldown: time.Second, Duration: 10 * time.Millisecond, MemoryMiB: 128}.Functions(seconds(10))
	require.Equal(t, "warm-function", functions[0].Name)
	require.Equal(t, "cold-function-0", functions[1].Name)
	for _, f := range functions {
		a, ok := f.Stream(0).Next()
		require.True(t, ok)
		require.Equal(t, loadgen.Arrival{At: 0, Duration: 10 * time.Millisecond, MemoryMiB: 128}, a)
		require.Equal(t, 10*time.Millisecond, f.MedianDuration)
		require.InDelta(t, 128, f.MedianMemoryMiB, 0)
	}
}

func TestRPSNeverPassesTheHorizon(t *testing.T) {
	t.Parallel()
	// In-Vitro would send the last function's last invocation at 8 s + 5·12 s.
	rps := loadgen.RPS{Rate: .25, ColdShare: 1, Cooldown: 10 * time.Second}
	for _, f := range rps.Functions(seconds(65)) {
		at := all(f.Stream(0))
		require.Less(t, at[len(at)-1], des.Time(65e9))
	}
}

func TestRPSMistakes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		rps    loadgen.RPS
		fields []string
	}{
		"nothing":             {loadgen.RPS{}, []string{"rate"}},
		"everything negative": {loadgen.RPS{Rate: -1, ColdShare: -1, Cooldown: -1, Duration: -1, MemoryMiB: -1}, []string{"rate", "cold-share", "cooldown", "duration", "memory"}},
		"share in percent":    {loadgen.RPS{Rate: 1, ColdShare: 50, Cooldown: time.Second}, []string{"cold-share"}},
		"cold without a time": {loadgen.RPS{Rate: 1, ColdShare: .5}, []string{"cooldown"}},
		"too many functions":  {loadgen.RPS{Rate: 1e6, ColdShare: 1, Cooldown: time.Hour}, []string{"cooldown"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.fields, fields(c.rps.Validate()))
		})
	}
}
