package metrics_test

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/metrics"
)

// around returns n values base·(1 ± step), alternating.
func around(base, step float64, n int) metrics.Draws {
	values := make(metrics.Draws, n)
	for i := range values {
		values[i] = base * (1 + step*float64(1-2*(i%2)))
	}
	return values
}

func TestSamplingInterval(t *testing.T) {
	t.Parallel()
	x := metrics.Resampled{Base: 2, Values: around(2, .1, 40)}
	e := metrics.SamplingInterval(10, x, .95, false)
	require.Equal(t, metrics.StatusOK, e.Status)
	require.InDelta(t, 2.0227*.2/1.64485, e.Hi-10, 1e-4, "Student's t with 39 degrees of freedom")
	require.InDelta(t, 10-e.Lo, e.Hi-10, 1e-12)
	require.Equal(t, int64(40), e.N)

	x.Degrees = 5
	require.InDelta(t, 2.5706*.2/1.64485, metrics.SamplingInterval(10, x, .95, false).Hi-10, 1e-4, "few clusters widen it")

	positive := metrics.SamplingInterval(10, x, .95, true)
	require.Greater(t, positive.Hi-10, 10-positive.Lo, "the upper end of a time is the farther one")
	require.InDelta(t, 1/positive.Lo-1./10, 1./10-1/positive.Hi, 1e-12, "symmetric on the reciprocal scale")

	exact := metrics.SamplingInterval(10, metrics.Resampled{Base: 2, Values: around(2, 0, 40)}, .95, true)
	require.Equal(t, []float64{10, 10}, []float64{exact.Lo, exact.Hi}, "what no sample changes is certain")

	zeros := metrics.SamplingInterval(0, metrics.Resampled{Base: 0, Values: make(metrics.Draws, 40)}, .95, true)
	require.True(t, zeros.Covers(0))
	few := metrics.SamplingInterval(10, metrics.Resampled{Base: 2, Values: around(2, .1, 9)}, .95, true)
	require.Equal(t, metrics.StatusNotEstimable, few.Status)
	require.Equal(t, metrics.StatusNotEstimable, metrics.SamplingInterval(10, x, 2, true).Status)
}

// The deviation of a difference is that of normal resamples, whichever side they
// stretch; one that is far off changes nothing.
func TestADifferenceReachesAsFarAsItsResamplesOnEitherSide(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	x := metrics.Resampled{Values: make(metrics.Draws, 1000)}
	for i := range x.Values {
		x.Values[i] = random.NormFloat64()
	}
	e := metrics.SamplingInterval(-3, x, .95, false)
	require.InEpsilon(t, 1.962, -3-e.Lo, .1)
	require.InEpsilon(t, 1.962, e.Hi+3, .1)

	for i, v := range x.Values {
		x.Values[i] = max(v, 4*v)
	}
	skew := metrics.SamplingInterval(-3, x, .95, false)
	require.InEpsilon(t, 1.962, -3-skew.Lo, .1)
	require.InEpsilon(t, 4*1.962, skew.Hi+3, .1)

	x.Values[7] = 1e9
	require.InDelta(t, skew.Hi, metrics.SamplingInterval(-3, x, .95, false).Hi, .2)

	for i := range x.Values {
		x.Values[i] = 6
	}
	shifted := metrics.SamplingInterval(-3, x, .95, false)
	require.InDelta(t, 1.962*6/math.Sqrt(12), shifted.Hi+3, .01, "a shift counts like an error between none and all of it")
	require.InDelta(t, 1.962*6/math.Sqrt(12), -3-shifted.Lo, .01)
}

// A shift that all resamples share counts like an error that lies anywhere between
// none and all of it, on the reciprocal scale; the value stays.
func TestTheShiftOfLongTailsWidensTheInterval(t *testing.T) {
	t.Parallel()
	shifted := metrics.SamplingInterval(10, metrics.Resampled{Base: 2, Values: around(4, 0, 40)}, .95, true)
	reach := 2.0227 * .5 / math.Sqrt(12)
	require.Equal(t, 10., shifted.Est)
	require.InDelta(t, 10/(1-reach), shifted.Hi, 1e-3)
	require.InDelta(t, 10/(1+reach), shifted.Lo, 1e-3)
	shorter := metrics.SamplingInterval(10, metrics.Resampled{Base: 2, Values: around(1, 0, 40)}, .95, true)
	require.Equal(t, []float64{10, 10}, []float64{shorter.Lo, shorter.Hi}, "no tail makes calls shorter")
}

func TestResamplesWithoutASteadyStateTakeTheUpperEndAway(t *testing.T) {
	t.Parallel()
	x := metrics.Resampled{Base: 2, Values: around(2, .1, 40)}
	x.Values[3] = math.NaN()
	require.InDelta(t, 1./40, x.UnstableShare(), 1e-12)
	one := metrics.SamplingInterval(10, x, .95, true)
	require.Equal(t, metrics.StatusOK, one.Status, "2.5 %% may be missed on this side")
	x.Values[4] = math.NaN()
	two := metrics.SamplingInterval(10, x, .95, true)
	require.Equal(t, metrics.StatusBounds, two.Status)
	require.Less(t, two.Lo, 10.)
	require.True(t, math.IsNaN(two.Hi))
	require.Contains(t, two.Note, "5 %")

	wide := metrics.SamplingInterval(10, metrics.Resampled{Base: 2, Values: around(2, .9, 40)}, .95, true)
	require.Equal(t, metrics.StatusBounds, wide.Status)
	require.Contains(t, wide.Note, "too few")

	queue := metrics.MeanOf([]float64{9, 10, 11}, .95)
	both := metrics.Combine(queue, two)
	require.Equal(t, metrics.StatusBounds, both.Status)
	require.Less(t, both.Lo, min(queue.Lo, two.Lo))
}

func TestCombine(t *testing.T) {
	t.Parallel()
	queue := metrics.Estimate{Est: 10, Lo: 7, Hi: 13, N: 20, Method: metrics.MethodReplications, Status: metrics.StatusOK}
	sampling := metrics.Estimate{Est: 10, Lo: 6, Hi: 18, N: 40, Method: metrics.MethodBootstrap, Status: metrics.StatusOK}
	both := metrics.Combine(queue, sampling)
	require.InDelta(t, 5, both.Lo, 1e-12)
	require.InDelta(t, 10+math.Sqrt(9+64), both.Hi, 1e-12)
	require.Equal(t, int64(20), both.N)

	none := metrics.NotEstimable(10, 5, metrics.MethodReplications, "too short")
	require.Equal(t, none.Note, metrics.Combine(none, sampling).Note)
	unsampled := metrics.NotEstimable(10, 5, metrics.MethodBootstrap, "too few")
	require.Equal(t, "of the samples: too few", metrics.Combine(queue, unsampled).Note)

	low := metrics.Combine(metrics.Estimate{Est: 1, Lo: 0, Hi: 2, Status: metrics.StatusOK}, metrics.Estimate{Est: 1, Lo: 0, Hi: 3, Status: metrics.StatusOK})
	require.Zero(t, low.Lo, "a time is never negative")
}

func TestContrastOfResamplesIsTakenResampleByResample(t *testing.T) {
	t.Parallel()
	a := metrics.Resampled{Base: 5, Values: metrics.Draws{4, 6, 5}, Degrees: 9}
	b := metrics.Resampled{Base: 3, Values: metrics.Draws{2, 4, math.NaN()}, Degrees: 5}
	c, ok := metrics.ContrastResampled([]float64{1, -1}, []*metrics.Resampled{&a, &b})
	require.True(t, ok)
	require.Equal(t, 2., c.Base)
	require.Equal(t, []float64{2, 2}, []float64(c.Values[:2]), "what moves both alike leaves the difference alone")
	require.True(t, math.IsNaN(c.Values[2]))
	require.Equal(t, 5., c.Degrees)
	for _, numbers := range [][]*metrics.Resampled{nil, {&a, nil}, {nil, &a}, {&a, {Values: metrics.Draws{1}}}} {
		_, ok := metrics.ContrastResampled([]float64{1, -1}[:len(numbers)], numbers)
		require.False(t, ok)
	}
}

func TestVarianceSharesFindWhatMatters(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 1))
	const n = 200
	values, inputs := make([]float64, n+1), make([][]float64, n+1)
	for b := range n {
		row := make([]float64, 20)
		for c := range row {
			row[c] = random.NormFloat64()
		}
		inputs[b], values[b] = row, 2*row[3]+row[7]
	}
	inputs[n], values[n] = make([]float64, 20), math.NaN()
	shares := metrics.VarianceShares(values, inputs)
	require.InDelta(t, .8, shares[3], .07)
	require.InDelta(t, .2, shares[7], .07)
	sum := 0.0
	for _, s := range shares {
		sum += s
	}
	require.InDelta(t, 1, sum, 1e-12)
	require.Nil(t, metrics.VarianceShares(values[:3], inputs[:3]), "too few to tell")
	require.Equal(t, []float64{0, 0}, metrics.VarianceShares([]float64{1, 1, 1, 1}, [][]float64{{1, 2}, {2, 1}, {3, 3}, {4, 0}}), "nothing varies")
}

func TestDrawsAsJSON(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(metrics.Draws{1, math.NaN(), 2})
	require.NoError(t, err)
	require.Equal(t, "[1,null,2]", string(text))
	var back metrics.Draws
	require.NoError(t, json.Unmarshal(text, &back))
	require.Equal(t, 2., back[2])
	require.True(t, math.IsNaN(back[1]))
	require.Error(t, json.Unmarshal([]byte(`"x"`), &back))
}

func between(base, low, high float64) *metrics.Resampled {
	return &metrics.Resampled{Base: base, Values: metrics.Draws{base, base}, Between: &metrics.Between{Low: low, High: high}}
}

func TestTheErrorOfInterpolation(t *testing.T) {
	t.Parallel()
	e, ok := between(10, 9, 13).Interpolation(20)
	require.True(t, ok)
	require.True(t, e.OK())
	require.InDelta(t, 19, e.Lo, 1e-12, "as far below as below the base")
	require.InDelta(t, 23, e.Hi, 1e-12)
	e, _ = between(10, 11, 13).Interpolation(10)
	require.InDelta(t, 10, e.Lo, 1e-12, "both upwards: the number itself is the least")
	_, ok = metrics.Resampled{Base: 10}.Interpolation(10)
	require.False(t, ok)
	e, _ = between(10, 9, math.MaxFloat64).Interpolation(10)
	require.Equal(t, metrics.StatusBounds, e.Status)
	require.InDelta(t, 9, e.Lo, 1e-12)
	require.True(t, math.IsNaN(e.Hi))
}

func TestInterpolationCancelsInADifference(t *testing.T) {
	t.Parallel()
	c, ok := metrics.ContrastResampled([]float64{1, -1}, []*metrics.Resampled{between(10, 8, 13), between(7, 5, 10)})
	require.True(t, ok)
	e, _ := c.Interpolation(3)
	require.Equal(t, []float64{3, 3}, []float64{e.Lo, e.Hi}, "both are off alike")
	c, _ = metrics.ContrastResampled([]float64{1, -1}, []*metrics.Resampled{between(10, 8, 13), {Base: 7, Values: metrics.Draws{7, 7}}})
	e, _ = c.Interpolation(3)
	require.Equal(t, []float64{1, 6}, []float64{e.Lo, e.Hi}, "one of them is not off")
	c, _ = metrics.ContrastResampled([]float64{1, -1}, []*metrics.Resampled{between(10, 8, 13), between(7, 5, math.MaxFloat64)})
	e, _ = c.Interpolation(3)
	require.Equal(t, metrics.StatusBounds, e.Status)
	require.True(t, math.IsNaN(e.Lo), "what is subtracted has no bound")
	require.True(t, math.IsNaN(e.Hi))
}

func TestCombineBounds(t *testing.T) {
	t.Parallel()
	bounded := metrics.Bounds(10, 7, math.Inf(1), 1, "", "no end")
	plain := metrics.Estimate{Est: 10, Lo: 6, Hi: 14, Status: metrics.StatusOK}
	for _, e := range []metrics.Estimate{metrics.Combine(bounded, plain), metrics.Combine(plain, bounded)} {
		require.Equal(t, metrics.StatusBounds, e.Status)
		require.InDelta(t, 5, e.Lo, 1e-12, "3 and 4")
		require.True(t, math.IsNaN(e.Hi))
		require.Equal(t, "no end", e.Note)
	}
}
