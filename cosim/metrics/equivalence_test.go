package metrics_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/metrics"
)

func TestPairedEquivalence(t *testing.T) {
	t.Parallel()
	b := []float64{10, 12, 8, 11, 9, 10, 13, 7}
	shifted := func(factor float64) []float64 {
		a := make([]float64, len(b))
		for i := range b {
			a[i] = factor*b[i] + .01*float64(1-2*(i%2))
		}
		return a
	}
	for _, c := range []struct {
		situation  string
		a          []float64
		equivalent bool
	}{
		{"the same", b, true},
		{"one per cent more", shifted(1.01), true},
		{"one per cent less", shifted(.99), true},
		{"four per cent more", shifted(1.04), false},
		{"four per cent less", shifted(.96), false},
		{"alike on average, but one by one too different to tell", []float64{20, 2, 18, 1, 19, 0, 3, 17}, false},
	} {
		test, err := metrics.PairedEquivalence(c.a, b, .03)
		require.NoError(t, err)
		require.Equal(t, c.equivalent, test.P < .05, "%s: %v", c.situation, test)
	}
	for _, bad := range [][2][]float64{{b, b[:2]}, {b[:1], b[:1]}, {{1, 1}, {0, 0}}} {
		_, err := metrics.PairedEquivalence(bad[0], bad[1], .03)
		require.Error(t, err)
	}
	_, err := metrics.PairedEquivalence(b, b, 1.5)
	require.Error(t, err)
}
