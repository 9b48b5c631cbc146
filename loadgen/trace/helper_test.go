package trace_test

import (
	"bytes"
	"compress/gzip"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// gz returns text compressed.
func gz(t require.TestingT, text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte(text))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.String()
}

// damaged returns compressed data with a wrong checksum.
func damaged(packed string) string {
	b := []byte(packed)
	b[len(b)-8] ^= 1 // RFC 1952: CRC-32 and length stand at the end
	return string(b)
}

// requireLaw rejects a sample whose Kolmogorov-Smirnov distance to cdf has a
// probability below 1e-3 (asymptotically 1.95/√n; Stephens, "EDF statistics for
// goodness of fit", 1974).
func requireLaw(t *testing.T, sample []float64, cdf func(float64) float64) {
	t.Helper()
	sample = slices.Clone(sample)
	slices.Sort(sample)
	n, distance := float64(len(sample)), 0.
	for i, x := range sample {
		f := cdf(x)
		distance = max(distance, f-float64(i)/n, float64(i+1)/n-f)
	}
	require.Less(t, distance*math.Sqrt(n), 1.95, "n = %d", len(sample))
}
