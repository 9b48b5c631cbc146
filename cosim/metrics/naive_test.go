package metrics_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
	"pgregory.net/rapid"

	"microcosm/cosim/metrics"
)

// decades draws durations of which any decade is equally likely, from nanoseconds
// to centuries: eighteen of them.
func decades(r *rand.Rand, n int) []time.Duration {
	list := make([]time.Duration, n)
	for i := range list {
		list[i] = time.Duration(math.Pow(10, 18*r.Float64()))
	}
	return list
}

// TestMergingIsAssociativeOverEighteenDecades: however parts are merged, and in
// whatever order, the whole is the same, encoded too; and every quantile is off by
// the bound at most.
func TestMergingIsAssociativeOverEighteenDecades(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 18))
		var parts []*metrics.Histogram
		var all []time.Duration
		for range rapid.IntRange(2, 6).Draw(t, "parts") {
			values := decades(r, r.IntN(60))
			parts = append(parts, recorded(values...))
			all = append(all, values...)
		}
		want := recorded(all...)
		encoded, err := want.MarshalBinary()
		require.NoError(t, err)
		for len(parts) > 1 { // merge two neighbours, anywhere, either into the other
			i := r.IntN(len(parts) - 1)
			into, from := parts[i], parts[i+1]
			if r.IntN(2) == 0 {
				into, from = from, into
			}
			into.Merge(from)
			parts[i] = into
			parts = slices.Delete(parts, i+1, i+2)
		}
		require.True(t, parts[0].Equal(want))
		got, err := parts[0].MarshalBinary()
		require.NoError(t, err)
		require.Equal(t, encoded, got)
		require.Equal(t, want.Mean(), parts[0].Mean())
		require.Equal(t, want.Variance(), parts[0].Variance())

		slices.Sort(all)
		last := time.Duration(0)
		for i, exact := range all {
			q := want.Quantile(float64(i+1) / float64(len(all)))
			require.InDelta(t, float64(exact), float64(q), metrics.QuantileError*float64(exact), "rank %d of %d", i+1, len(all))
			require.True(t, q >= last && q >= want.Min() && q <= want.Max(), "rank %d: %v after %v", i+1, q, last)
			last = q
			require.InDelta(t, float64(len(all)-i-1), float64(want.CountAbove(exact)), float64(near(all, exact)), "above %v", exact)
		}
	})
}

// near counts the values that share a bucket with x, or may.
func near(all []time.Duration, x time.Duration) (n int) {
	for _, v := range all {
		if math.Abs(float64(v-x)) <= 2*metrics.QuantileError*float64(x) {
			n++
		}
	}
	return n
}

// TestDoublingAHistogramChangesNoShare: merged with its own copy it has twice the
// count, the same mean and extremes, and quantiles in the same buckets.
func TestDoublingAHistogramChangesNoShare(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		values := decades(rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 19)), rapid.IntRange(1, 80).Draw(t, "n"))
		once, twice := recorded(values...), recorded(values...)
		twice.Merge(once)
		require.Equal(t, 2*once.Count(), twice.Count())
		require.InEpsilon(t, once.Mean(), twice.Mean(), 1e-14)
		require.Equal(t, []time.Duration{once.Min(), once.Max()}, []time.Duration{twice.Min(), twice.Max()})
		if n := float64(len(values)); n > 1 {
			require.InDelta(t, once.Variance()*(n-1)/n, twice.Variance()*(2*n-1)/(2*n), 1e-9*once.Variance())
		}
		for i := range 2 * len(values) { // on the shares where no rank changes
			p := (float64(i) + .5) / float64(2*len(values))
			q := float64(once.Quantile(p))
			require.InDelta(t, q, float64(twice.Quantile(p)), 1+metrics.QuantileError*q)
		}
	})
}

// batched is the analysis of a run by batch means from all of its values, kept.
type batched struct {
	values []float64
	size   int // of a batch
}

// means returns the means of the complete batches of that size, from a batch on.
func (b batched) means(size, from int) []float64 {
	var means []float64
	for i := from; i+size <= len(b.values)/b.size*b.size; i += size {
		means = append(means, stat.Mean(b.values[i:i+size], nil))
	}
	return means
}

// estimate follows the documentation of EstimateMean to the letter.
func (b batched) estimate(level float64) (est, lo, hi float64, warmUp int, ok bool) {
	all := b.means(b.size, 0)
	best, least := 0, math.Inf(1)
	for d := range len(all) - 5 {
		mean := stat.Mean(all[d:], nil)
		z := 0.
		for _, v := range all[d:] {
			z += (v - mean) * (v - mean)
		}
		if z /= float64(len(all)-d) * float64(len(all)-d); z < least {
			best, least = d, z
		}
	}
	warmUp = best * b.size
	if best > len(all)/2 || len(all)-best < 32 {
		return 0, 0, 0, warmUp, false
	}
	size, from, count := b.size, best, len(all)-best
	for count >= 64 {
		from += count % 2 * (size / b.size) // the first is left out where they are odd
		size, count = 2*size, count/2
	}
	y := b.means(size, from*b.size)
	k := float64(len(y))
	mean, variance := stat.MeanVariance(y, nil)
	differences, products := 0., 0.
	for i := range y[1:] {
		differences += (y[i+1] - y[i]) * (y[i+1] - y[i])
		products += (y[i+1] - mean) * (y[i] - mean)
	}
	if (1-differences/(2*variance*(k-1)))/math.Sqrt((k-2)/(k*k-1)) > distuv.UnitNormal.Quantile(.99) {
		return 0, 0, 0, warmUp, false
	}
	lag := products / (variance * (k - 1))
	inflation := max(1, (1+lag)/(1-lag))
	beta := stat.Skew(y, nil) / (6 * math.Sqrt(k))
	unskewed := func(z float64) float64 { return (math.Cbrt(1+6*beta*(z-beta)) - 1) / (2 * beta) }
	z := distuv.StudentsT{Sigma: 1, Nu: k - 1}.Quantile(1 - (1-level)/2)
	standard := math.Sqrt(inflation * variance / k)
	return mean, mean - unskewed(z)*standard, mean - unskewed(-z)*standard, warmUp, true
}

// TestBatchMeansAgainstAllValues: a series in constant memory finds the warm-up,
// the value and both ends of the interval that all values, kept, give.
func TestBatchMeansAgainstAllValues(t *testing.T) {
	t.Parallel()
	stood := 0
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 91))
		n := 200 + r.IntN(3000)
		if seed%8 == 0 {
			n = 21_000 + r.IntN(30_000) // batches have doubled
		}
		decay, rho := float64(r.IntN(n/4)), .6*r.Float64()
		b := batched{size: 5}
		var s metrics.Series
		x := 0.
		for i := range n {
			x = rho*x + r.ExpFloat64()
			v := x + 8*math.Exp(-float64(i)/(1+decay))
			b.values = append(b.values, v)
			s.Add(v)
		}
		for n/b.size >= 4096 {
			b.size *= 2
		}
		est, lo, hi, warmUp, ok := b.estimate(.9)
		gotWarmUp, _ := s.WarmUp()
		require.EqualValues(t, warmUp, gotWarmUp, "seed %d", seed)
		e := s.EstimateMean(.9)
		require.Equal(t, ok, e.OK(), "seed %d: %v", seed, e)
		if ok {
			stood++
			require.InDelta(t, est, e.Est, 1e-9, "seed %d", seed)
			require.InDelta(t, lo, e.Lo, 1e-7, "seed %d", seed)
			require.InDelta(t, hi, e.Hi, 1e-7, "seed %d", seed)
		}
	}
	require.Greater(t, stood, 20)
}
