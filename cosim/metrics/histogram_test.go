package metrics_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/stat"
	"pgregory.net/rapid"

	"microcosm/cosim/metrics"
)

func recorded(values ...time.Duration) *metrics.Histogram {
	h := new(metrics.Histogram)
	for _, v := range values {
		h.Record(v)
	}
	return h
}

func TestEmptyHistogram(t *testing.T) {
	t.Parallel()
	for name, h := range map[string]*metrics.Histogram{"zero value": {}, "nil": nil} {
		require.Zero(t, h.Count(), name)
		require.Zero(t, h.Min(), name)
		require.Zero(t, h.Max(), name)
		require.Zero(t, h.Sum(), name)
		require.Zero(t, h.Mean(), name)
		require.Zero(t, h.Variance(), name)
		require.Zero(t, h.Quantile(.5), name)
		require.Zero(t, h.CountAbove(-1), name)
		require.Empty(t, h.Points(10), name)
		require.True(t, h.Equal(nil), name)
	}
}

func TestSmallDurationsAreExact(t *testing.T) {
	t.Parallel()
	h := recorded(0, 0, 1, 127, 128, 200, 255)
	for rank, want := range []time.Duration{0, 0, 1, 127, 128, 200, 255} {
		require.Equal(t, want, h.Quantile(float64(rank+1)/7))
	}
	require.Equal(t, []metrics.Point{{0, 2}, {1, 3}, {127, 4}, {128, 5}, {200, 6}, {255, 7}}, h.Points(100))
	require.EqualValues(t, 7, h.CountAbove(-1))
	require.EqualValues(t, 5, h.CountAbove(0))
	require.EqualValues(t, 3, h.CountAbove(127))
	require.EqualValues(t, 0, h.CountAbove(255))
}

func TestNoDurationIsOutOfRange(t *testing.T) {
	t.Parallel()
	h := recorded(1000*time.Hour, math.MaxInt64, math.MaxInt64, 3)
	require.EqualValues(t, 4, h.Count())
	require.Equal(t, time.Duration(math.MaxInt64), h.Max())
	require.Equal(t, time.Duration(math.MaxInt64), h.Quantile(.9))
	require.Equal(t, time.Duration(3), h.Min())
	require.InEpsilon(t, (3600e3*1e9+2*float64(math.MaxInt64)+3)/4/1e9, h.Mean(), 1e-14)
	require.Panics(t, func() { h.Record(-1) })
	require.EqualValues(t, 4, h.Count(), "a refused record leaves no trace")
}

func TestMomentsAreExact(t *testing.T) {
	t.Parallel()
	// A spread of one nanosecond on an hour: float64 sums of squares would lose it.
	h := recorded(time.Hour-1, time.Hour, time.Hour+1)
	require.InEpsilon(t, 3600, h.Mean(), 1e-15)
	require.InEpsilon(t, 1e-18, h.Variance(), 1e-12)
	require.InEpsilon(t, 10800, h.Sum(), 1e-15)
	require.Zero(t, recorded(5).Variance())
}

func TestQuantileRank(t *testing.T) {
	t.Parallel()
	h := new(metrics.Histogram)
	for i := range 100 {
		h.Record(time.Duration(i + 1))
	}
	for p, want := range map[float64]time.Duration{
		-1: 1, 0: 1, .001: 1, .01: 1, .011: 2, .07: 7, .5: 50, .57: 57, .99: 99, .991: 100, 1: 100, 2: 100, math.Inf(1): 100,
	} {
		require.Equal(t, want, h.Quantile(p), "p=%v", p)
	}
	require.Equal(t, time.Duration(1), h.Quantile(math.NaN()))
}

func TestConstantDurationsHaveConstantQuantiles(t *testing.T) {
	t.Parallel()
	const d = 10_000_019 * time.Nanosecond // in the middle of its bucket
	h := recorded(d, d, d, d)
	for _, p := range []float64{0, .1, .5, .99, 1} {
		require.Equal(t, d, h.Quantile(p))
	}
}

func TestPointsKeepTheTail(t *testing.T) {
	t.Parallel()
	h := new(metrics.Histogram)
	rng := rand.New(rand.NewPCG(1, 1))
	for range 100_000 {
		h.Record(time.Duration(rng.ExpFloat64() * 1e6))
	}
	points := h.Points(50)
	require.Len(t, points, 50)
	require.Equal(t, metrics.Point{Value: h.Max(), Count: 100_000}, points[49])
	require.Greater(t, points[47].Count, int64(99_000), "points lie beyond p99")
	require.Equal(t, []metrics.Point{{h.Max(), 100_000}}, h.Points(1))
	h.Record(0)
	require.Equal(t, metrics.Point{Value: 0, Count: 1}, h.Points(50)[0], "mass at the low end is no jump further up")
	require.Empty(t, h.Points(0))
}

func durations(t *rapid.T, label string) []time.Duration {
	// Any octave is equally likely.
	draw := rapid.Custom(func(t *rapid.T) time.Duration {
		return time.Duration(rapid.Uint64().Draw(t, "bits") >> rapid.IntRange(1, 63).Draw(t, "shift"))
	})
	return rapid.SliceOfN(draw, 0, 200).Draw(t, label)
}

func TestHistogramAgainstTheValues(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		values := durations(t, "values")
		h := recorded(values...)
		require.EqualValues(t, len(values), h.Count())
		if len(values) == 0 {
			return
		}
		slices.Sort(values)
		require.Equal(t, values[0], h.Min())
		require.Equal(t, values[len(values)-1], h.Max())

		floats := make([]float64, len(values))
		for i, v := range values {
			floats[i] = float64(v) / 1e9
		}
		mean, variance := stat.MeanVariance(floats, nil)
		require.InDelta(t, mean, h.Mean(), 1e-12*mean)
		if len(values) > 1 {
			require.InDelta(t, variance, h.Variance(), 1e-9*mean*mean+1e-9*variance)
		}

		p := rapid.Float64Range(0, 1).Draw(t, "p")
		rank := min(max(int(math.Ceil(p*float64(len(values))*(1-4*0x1p-53))), 1), len(values))
		exact := float64(values[rank-1])
		require.InDelta(t, exact, float64(h.Quantile(p)), metrics.QuantileError*exact)

		d := values[rapid.IntRange(0, len(values)-1).Draw(t, "threshold")]
		low, high := 0, 0 // certainly above; possibly above
		for _, v := range values {
			if float64(v) > float64(d)*(1+metrics.QuantileError) {
				low++
			}
			if float64(v) > float64(d)*(1-metrics.QuantileError) {
				high++
			}
		}
		require.GreaterOrEqual(t, h.CountAbove(d), int64(low))
		require.LessOrEqual(t, h.CountAbove(d), int64(high))

		points := h.Points(rapid.IntRange(1, 300).Draw(t, "limit"))
		for i, point := range points {
			below, _ := slices.BinarySearch(values, point.Value+1)
			if point.Value == math.MaxInt64 {
				below = len(values)
			}
			require.EqualValues(t, below, point.Count, "points are exact")
			require.True(t, i == 0 || points[i-1].Value < point.Value, "values rise")
		}
		require.Equal(t, metrics.Point{Value: h.Max(), Count: h.Count()}, points[len(points)-1])
	})
}

func TestMergingIsRecordingAll(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := durations(t, "a"), durations(t, "b")
		all := recorded(slices.Concat(a, b)...)
		ab, ba := recorded(a...), recorded(b...)
		ab.Merge(recorded(b...))
		ba.Merge(recorded(a...))
		ba.Merge(nil)
		require.True(t, ab.Equal(all))
		require.True(t, ba.Equal(all), "in any order")
		require.Equal(t, all.Mean(), ab.Mean())
		require.Equal(t, all.Variance(), ba.Variance())

		ab.Record(7)
		require.False(t, ab.Equal(all))
	})
}

func TestEqualSeesMoreThanBuckets(t *testing.T) {
	t.Parallel()
	a := recorded(time.Second, 2*time.Second, 3*time.Second)
	b := recorded(time.Second, 2*time.Second+1, 3*time.Second)
	require.Equal(t, a.Points(10), b.Points(10), "same buckets")
	require.False(t, a.Equal(b))
	require.False(t, a.Equal(nil))
	require.True(t, new(metrics.Histogram).Equal(nil))
}

func TestHistogramMemory(t *testing.T) {
	allocated := testing.AllocsPerRun(100, func() {
		h := new(metrics.Histogram)
		for v := time.Millisecond; v < 2*time.Millisecond; v += time.Microsecond {
			h.Record(v)
		}
	})
	require.LessOrEqual(t, allocated, 4.0, "the histogram and a page for each of the octaves from 2^19, 2^20 ns")
}

func benchmarkValues() []time.Duration {
	rng := rand.New(rand.NewPCG(1, 2))
	values := make([]time.Duration, 4096)
	for i := range values {
		values[i] = time.Duration(rng.ExpFloat64() * 1e6)
	}
	return values
}

func BenchmarkRecord(b *testing.B) {
	values := benchmarkValues()
	h := new(metrics.Histogram)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		h.Record(values[i&4095])
	}
}

// A list is the same as each of it, whatever was there before; one that is cut short
// by a negative duration is a programming error like that one.
func TestRecordAllIsRecordOfEach(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var one, all metrics.Histogram
		for range rapid.IntRange(1, 3).Draw(t, "lists") {
			list := rapid.SliceOfN(rapid.OneOf(rapid.Int64Range(0, 300), rapid.Int64Range(0, math.MaxInt64), rapid.Int64Range(1<<62, math.MaxInt64)), 0, 300).Draw(t, "list")
			var durations []time.Duration
			for _, d := range list {
				durations = append(durations, time.Duration(d))
				one.Record(time.Duration(d))
			}
			all.RecordAll(durations)
			require.True(t, one.Equal(&all))
			require.Equal(t, []time.Duration{one.Min(), one.Max()}, []time.Duration{all.Min(), all.Max()})
			require.InDelta(t, one.Variance(), all.Variance(), 0)
		}
	})
	require.PanicsWithValue(t, "metrics: record of the negative duration -1ns", func() { new(metrics.Histogram).RecordAll([]time.Duration{5, -1}) })
}

func BenchmarkRecordAll(b *testing.B) {
	values := benchmarkValues()
	h := new(metrics.Histogram)
	for i := 0; b.Loop(); i++ {
		h.RecordAll(values)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(values)), "ns/value")
}

func BenchmarkQuantile(b *testing.B) {
	h := recorded(benchmarkValues()...)
	for b.Loop() {
		h.Quantile(.99)
	}
}
