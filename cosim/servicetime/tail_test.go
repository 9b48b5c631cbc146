package servicetime_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/metrics"
	"microcosm/cosim/servicetime"
)

// exponential returns n service times that lie where those of an exponential law
// with a mean of 10 ms do on average.
func exponential(n int) []int {
	micros := make([]int, n)
	for i := range micros {
		micros[i] = 1 + int(-1e4*math.Log(1-(float64(i)+.5)/float64(n)))
	}
	return micros
}

// quantile returns a warm call's u-quantile in µs.
func quantile(t *testing.T, l servicetime.Law, u float64) float64 {
	t.Helper()
	d, err := l.Draw(servicetime.State{}, u)
	require.NoError(t, err)
	return float64(d.Service) / 1000
}

// The tail of a resample against its formula: t·(w/(1−u))^ξ, made from the samples
// that the same stream draws.
func TestTheTailOfAResampleIsHillsOfItsLongest(t *testing.T) {
	t.Parallel()
	times := exponential(50)
	l := law(t, asMeasured, measured("warm", times...))
	for seed := range uint64(20) {
		var own []float64
		clusters := make([][]int, len(times))
		for i := range times {
			clusters[i] = times[i : i+1]
		}
		for _, c := range metrics.ResampleClusters(named(seed, nil)("resample/f warm on p"), clusters) {
			own = append(own, float64(c[0]))
		}
		slices.Sort(own)
		n, k := len(own), 6 // ⌈.75·√49⌉
		threshold, xi := own[n-1-k], 0.
		for _, x := range own[n-k:] {
			xi += math.Log(x/threshold) / float64(k)
		}
		share := float64(k) / float64(n-1)
		resample := l.Resample(named(seed, nil), nil)
		require.InDelta(t, threshold, quantile(t, resample, 1-share), .01, "seed %d", seed)
		for _, beyond := range []float64{.9, .5, .1, .01} {
			want := threshold * math.Pow(beyond, -xi)
			require.InEpsilon(t, want, quantile(t, resample, 1-share*beyond), .02, "seed %d, %g of the tail beyond", seed, beyond)
		}
		require.InEpsilon(t, own[20], quantile(t, resample, 20./float64(n-1)), 1e-4, "below, the resample is as drawn")
		longest := threshold * math.Exp(7*xi)
		require.InEpsilon(t, longest, quantile(t, resample, 1-1e-15), 1e-3, "it ends")
	}
}

func TestOnlyResamplesHaveATail(t *testing.T) {
	t.Parallel()
	times := exponential(30)
	longest := float64(times[len(times)-1])
	l := law(t, asMeasured, measured("warm", times...), measured("flush", times...))
	require.InDelta(t, longest, quantile(t, l, 1-1e-15), .01, "what answers draws from the samples")
	longer := 0
	for seed := range uint64(200) {
		if quantile(t, l.Resample(named(seed, nil), nil), 1-1e-15) > longest {
			longer++
		}
	}
	require.Greater(t, longer, 180)
	require.InDelta(t, longest, quantile(t, l, 1-1e-15), .01, "and still does")
}

func TestASingleLengthHasNoTail(t *testing.T) {
	t.Parallel()
	for name, times := range map[string][]int{"one sample": {70}, "two": {70, 70}, "many": slices.Repeat([]int{70}, 40)} {
		l := law(t, asMeasured, measured("warm", times...))
		for seed := range uint64(20) {
			require.InDelta(t, 70, quantile(t, l.Resample(named(seed, nil), nil), 1-1e-15), 1e-9, name)
		}
	}
}

// All times in another unit: so is the tail.
func TestTheTailScalesWithTheUnit(t *testing.T) {
	t.Parallel()
	times := exponential(40)
	scaled := slices.Clone(times)
	for i := range scaled {
		scaled[i] *= 1000
	}
	a := law(t, asMeasured, measured("warm", times...)).Resample(named(3, nil), nil)
	b := law(t, asMeasured, measured("warm", scaled...)).Resample(named(3, nil), nil)
	for _, u := range []float64{.1, .8, .95, .999} {
		require.InEpsilon(t, 1000*quantile(t, a, u), quantile(t, b, u), 1e-6)
	}
}

// With more samples the share of the tail shrinks, and so does what it adds to the
// mean.
func TestTheTailVanishesWithMoreSamples(t *testing.T) {
	t.Parallel()
	added := func(n int) float64 {
		l := law(t, asMeasured, measured("warm", exponential(n)...))
		_, mean := l.WarmMean()
		sum := 0.0
		const resamples = 100
		for seed := range uint64(resamples) {
			_, drawn := l.Resample(named(seed, nil), nil).(*servicetime.SampledLaw).WarmMean()
			sum += float64(drawn-mean) / float64(mean) / resamples
		}
		return sum
	}
	few, many := added(20), added(3000)
	require.Greater(t, few, .05)
	require.InDelta(t, 0, many, few/10)
}

// A cell's mean is that of the law that is drawn, tail and all: by it the report
// tells which cells move a number.
func TestTheMeanOfAResampledCellHoldsItsTail(t *testing.T) {
	t.Parallel()
	l := law(t, asMeasured, measured("warm", exponential(30)...))
	for seed := range uint64(5) {
		r := l.Resample(named(seed, nil), nil)
		sum := 0.0
		const steps = 200_000
		for i := range steps {
			sum += quantile(t, r, (float64(i)+.5)/steps) / steps
		}
		// Below the tail the mean is the samples', not that of the line between them.
		require.InEpsilon(t, sum, r.Cells()[0].Mean/1000, .03)
		_, mean := r.(*servicetime.SampledLaw).WarmMean()
		require.InDelta(t, r.Cells()[0].Mean, float64(mean), 1)
	}
}

// More samples than a law has knots leave the tail its own.
func TestManySamplesKeepTheTailsKnots(t *testing.T) {
	t.Parallel()
	l := law(t, asMeasured, measured("warm", exponential(6000)...))
	for seed := range uint64(3) {
		r := l.Resample(named(seed, nil), nil)
		require.InEpsilon(t, quantile(t, l, .9), quantile(t, r, .9), .1)
		require.Less(t, quantile(t, r, .9999), 2*quantile(t, l, .9999), "no chord from the body to the end of the tail")
	}
}

// A call in the tail holds its core as long, of its time, as the longest did.
func TestTheTailKeepsTheBusyShare(t *testing.T) {
	t.Parallel()
	r := law(t, asMeasured, measured("warm", exponential(30)...)).Resample(named(1, nil), nil)
	for _, u := range []float64{.9, .99, .9999} {
		d, err := r.Draw(servicetime.State{}, u)
		require.NoError(t, err)
		require.InDelta(t, float64(d.Service)/2, float64(d.Busy), float64(time.Microsecond))
	}
}
