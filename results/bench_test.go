package results_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/servicetime"
	"microcosm/results"
)

func BenchmarkPut10000(b *testing.B) {
	list := many(key(nil), 10_000)
	for b.Loop() {
		s, err := results.Open(b.Context(), filepath.Join(b.TempDir(), "store.db"), results.Options{})
		require.NoError(b, err)
		require.NoError(b, s.Put(b.Context(), list...))
		require.NoError(b, s.Close())
	}
	b.ReportMetric(float64(len(list)*b.N)/b.Elapsed().Seconds(), "samples/s")
}

// BenchmarkPutOne is what a detailed run does: one transaction per sample, safe
// on the disk.
func BenchmarkPutOne(b *testing.B) {
	s := open(b)
	n := 0
	for b.Loop() {
		require.NoError(b, s.Put(b.Context(), sample(key(nil), n)))
		n++
	}
}

func BenchmarkSamples10000(b *testing.B) {
	s := open(b)
	require.NoError(b, s.Put(b.Context(), many(key(nil), 10_000)...))
	for b.Loop() {
		got, err := s.Samples(b.Context(), key(nil))
		require.NoError(b, err)
		require.Len(b, got, 10_000)
	}
	b.ReportMetric(float64(10_000*b.N)/b.Elapsed().Seconds(), "samples/s")
}

// BenchmarkKeys summarizes 40 keys of 30 samples.
func BenchmarkKeys(b *testing.B) {
	s := open(b)
	for i := range 40 {
		k := key(func(k *servicetime.Key) { k.Condition = servicetime.LukewarmAfter(i) })
		require.NoError(b, s.Put(b.Context(), many(k, 30)...))
	}
	for b.Loop() {
		_, err := s.Keys(b.Context(), results.Filter{})
		require.NoError(b, err)
	}
}

func BenchmarkOpen(b *testing.B) {
	path := filled(b)
	for b.Loop() {
		s, err := results.Open(b.Context(), path, results.Options{})
		require.NoError(b, err)
		require.NoError(b, s.Close())
	}
}
