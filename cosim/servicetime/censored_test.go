package servicetime_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/servicetime"
)

func TestCensoredSamplesBoundTheLaw(t *testing.T) {
	t.Parallel()
	warm := servicetime.Condition{Kind: servicetime.Warm}
	m := servicetime.Measured{Condition: warm}
	for i, d := range []time.Duration{100, 200, 300, 150} {
		s := servicetime.Sample{N: i, Key: servicetime.Key{Condition: warm}, Status: servicetime.Valid, RoundTrip: servicetime.TicksOf(d)}
		if d == 150 {
			s.Status, s.Reason = servicetime.Censored, "hung"
		}
		m.Samples = append(m.Samples, s)
	}
	law, err := servicetime.NewLaw([]servicetime.Measured{m}, servicetime.LawOptions{Penalty: 1, Model: servicetime.ConditionModel{Kind: servicetime.Interleave, HalfDepth: 4}})
	require.NoError(t, err)
	share, worst := law.CensoredShare()
	require.InDelta(t, .25, share, 1e-12)
	require.Equal(t, warm, worst)
	mean := func(l servicetime.Resampler) float64 { return l.Cells()[0].Mean }
	require.InDelta(t, 200, mean(law), 1e-9, "left out")
	require.InDelta(t, (100+200+300+150)/4., mean(law.WithCensored(false)), 1e-9, "at the time it had run")
	require.InDelta(t, (100+200+300+300)/4., mean(law.WithCensored(true)), 1e-9, "at the longest seen")
	_, service := law.WarmMean()
	require.Equal(t, 200*time.Nanosecond, service, "the law itself is left as it was")
}
