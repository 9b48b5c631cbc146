package servicetime_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/servicetime"
)

// lawOfMeans builds a law from mean service times by k, each of 20 samples
// that scatter by the given share; k below 0 is flush.
func lawOfMeans(t *testing.T, share float64, means map[int]time.Duration, order []int) *servicetime.SampledLaw {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	var measured []servicetime.Measured
	for _, k := range order {
		c := servicetime.Condition{Kind: servicetime.Flush}
		if k >= 0 {
			c = servicetime.LukewarmAfter(k)
		}
		m := servicetime.Measured{Condition: c}
		for range 20 {
			d := time.Duration(float64(means[k]) * (1 + share*(random.Float64()-.5)))
			m.Samples = append(m.Samples, servicetime.Sample{Key: servicetime.Key{Condition: c}, Status: servicetime.Valid, RoundTrip: servicetime.TicksOf(d)})
		}
		measured = append(measured, m)
	}
	law, err := servicetime.NewLaw(measured, servicetime.LawOptions{Penalty: 1, Model: servicetime.ConditionModel{Kind: servicetime.Interleave, HalfDepth: 4}})
	require.NoError(t, err)
	return law
}

func streams(b int) func(string) *rand.Rand {
	return func(string) *rand.Rand { return rand.New(rand.NewPCG(uint64(b), 9)) }
}

func TestLeaveOneOutTellsErrorFromNoise(t *testing.T) {
	t.Parallel()
	order := []int{0, 2, 4, 12, -1}
	linear := map[int]time.Duration{0: 100 * time.Microsecond, 2: 133333, 4: 150 * time.Microsecond, 12: 175 * time.Microsecond, -1: 200 * time.Microsecond}
	for _, share := range []float64{.01, .6} {
		for _, o := range lawOfMeans(t, share, linear, order).LeaveOneOut(streams) {
			require.False(t, o.Off(.01), "what is linear in depth is interpolated right: %+v", o)
		}
	}
	// All of the penalty comes between k = 2 and k = 4.
	bent := map[int]time.Duration{0: 100 * time.Microsecond, 2: 100 * time.Microsecond, 4: 200 * time.Microsecond, 12: 200 * time.Microsecond, -1: 200 * time.Microsecond}
	left := lawOfMeans(t, .01, bent, order).LeaveOneOut(streams)
	require.Len(t, left, 3, "the ends cannot be left out")
	require.Equal(t, "lukewarm:2", left[0].Condition.String())
	require.True(t, left[0].Off(.05))
	require.Greater(t, left[0].Error, .3, "from 100 and 200 µs, two thirds of the way")
	require.Equal(t, servicetime.Lukewarm, left[0].Next.Kind)
	require.True(t, left[1].Off(.05))
	require.False(t, lawOfMeans(t, .01, bent, []int{0, -1}).LeaveOneOut(streams) != nil, "two ends have nothing between")
	noisy := lawOfMeans(t, 3, bent, order).LeaveOneOut(streams)
	require.Greater(t, noisy[0].Deviation, 10*left[0].Deviation)
}
