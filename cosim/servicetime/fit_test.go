package servicetime_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/servicetime"
)

func TestFitTau(t *testing.T) {
	t.Parallel()
	for _, tau := range []time.Duration{5 * time.Microsecond, 3 * time.Millisecond, 2 * time.Second} {
		model := servicetime.ConditionModel{Kind: servicetime.Idle, Tau: tau}
		states := []servicetime.State{{New: true}, {}}
		for i := 1; i <= 50; i++ {
			states = append(states, servicetime.State{Idle: tau * time.Duration(i) / 10})
		}
		require.InEpsilon(t, float64(tau), float64(servicetime.FitTau(states, model.Depth)), .01)
	}
	require.Equal(t, time.Second, servicetime.FitTau([]servicetime.State{{New: true}, {}}, nil), "nothing to fit to")
	never := servicetime.FitTau([]servicetime.State{{Idle: time.Second}}, func(servicetime.State) float64 { return 0 })
	require.Greater(t, never, 30*time.Second, "a core that forgets nothing")
	at := servicetime.FitTau([]servicetime.State{{Idle: time.Second}}, func(servicetime.State) float64 { return 1 })
	require.Less(t, at, 100*time.Millisecond, "a core that forgets at once")
}
