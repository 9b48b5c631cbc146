package reality_test

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/reality"
	"microcosm/cosim/servicetime"
	"microcosm/loadgen/openloop"
)

// TestRatesFollowFromTheSamples: twice the utilization is twice the rate, and a
// machine that is twice as fast takes twice the calls; without luck the mean
// service time of calls that all precede each other alike is known.
func TestRatesFollowFromTheSamples(t *testing.T) {
	t.Parallel()
	c := check()
	c.Utilizations = []float64{.2, .4, .8}
	samples := newServer(1, 0).samples(c, 1)
	rates, err := c.Rates(t.Context(), samples)
	require.NoError(t, err)
	require.InEpsilon(t, 2*rates[0], rates[1], 1e-12)
	require.InEpsilon(t, 4*rates[0], rates[2], 1e-12)

	// k of others come in between with probability (1/3)(2/3)^k.
	depth := 0.
	for k := range 200 {
		depth += math.Pow(2./3, float64(k)) / 3 * servicetime.DepthAfter(float64(k), half)
	}
	mean := (400. + 700 + 250) / 3 * 1e-6 * (1 + depth)
	require.InEpsilon(t, .2/mean, rates[0], .02)

	fast := slices.Clone(samples)
	for i := range fast {
		fast[i].RoundTrip /= 2
	}
	twice, err := c.Rates(t.Context(), fast)
	require.NoError(t, err)
	require.InEpsilon(t, 2*rates[0], twice[0], .001)

	odd := slices.Clone(samples)
	for i := range odd {
		odd[i].Null, odd[i].Busy = odd[i].RoundTrip/3, 0
	}
	same, err := c.Rates(t.Context(), odd)
	require.NoError(t, err)
	require.Equal(t, rates, same, "a client waits for the whole round trip: nothing is subtracted")
}

// TestSamplesThatDoNotCountChangeNothing: rejected ones, and those of another input
// or of a function that is not called.
func TestSamplesThatDoNotCountChangeNothing(t *testing.T) {
	t.Parallel()
	c := check()
	samples := newServer(1, 0).samples(c, 1)
	want, err := c.Rates(t.Context(), samples)
	require.NoError(t, err)
	more := slices.Clone(samples)
	for _, s := range samples {
		rejected, other := s, s
		rejected.Status, rejected.Reason, rejected.RoundTrip, rejected.N = servicetime.Rejected, "wrong reply", 9*s.RoundTrip, 100
		other.Key.Input = "large"
		more = append(more, rejected, other)
	}
	got, err := c.Rates(t.Context(), more)
	require.NoError(t, err)
	require.Equal(t, want, got)
}

// TestPlansArePoisson: the counts of windows scatter as much as they are large, the
// functions have equal shares, and none knows of the others.
func TestPlansArePoisson(t *testing.T) {
	t.Parallel()
	c := check()
	c.Duration = 20 * time.Second
	plan, err := c.Plan(600, 3)
	require.NoError(t, err)
	const windows = 400
	counts := make([][]float64, len(names)) // by target and window
	for i := range counts {
		counts[i] = make([]float64, windows)
	}
	for _, p := range plan {
		counts[p.Target][int(float64(p.At)/float64(c.Duration)*windows)]++
	}
	moments := func(x []float64) (mean, variance float64) {
		for _, v := range x {
			mean += v / windows
		}
		for _, v := range x {
			variance += (v - mean) * (v - mean) / (windows - 1)
		}
		return mean, variance
	}
	const each = 200. * 20 / windows
	for target, x := range counts {
		mean, variance := moments(x)
		require.InDelta(t, each, mean, 5*math.Sqrt(each/windows), "%s: an equal share (5 sigma)", names[target])
		require.InDelta(t, 1, variance/mean, 5*math.Sqrt(2./windows), "%s: index of dispersion 1 (5 sigma)", names[target])
		other := counts[(target+1)%len(counts)]
		otherMean, otherVariance := moments(other)
		covariance := 0.
		for w := range x {
			covariance += (x[w] - mean) * (other[w] - otherMean) / (windows - 1)
		}
		require.InDelta(t, 0, covariance/math.Sqrt(variance*otherVariance), 5/math.Sqrt(windows), "independent of the next one's (5 sigma)")
	}
}

// played serves the plans of a check in its head, without any clock.
func played(t *testing.T, c reality.Check, rates []float64) []reality.Round {
	t.Helper()
	var rounds []reality.Round
	for round := range c.Rounds {
		for level, rate := range rates {
			plan, err := c.Plan(rate, round)
			require.NoError(t, err)
			luck, free := rand.New(rand.NewPCG(uint64(round), uint64(level))), time.Duration(0)
			var served []openloop.Served
			for _, p := range plan {
				began := max(p.At, free)
				free = began + time.Duration(400e3*(.5+luck.Float64()))
				served = append(served, openloop.Served{Planned: p, Began: began, Ended: free})
			}
			rounds = append(rounds, reality.Round{Level: level, Planned: len(plan), Served: served, Machine: reality.Machine{Took: time.Second, Functions: .5, Steal: float64(round) / 10}})
		}
	}
	return rounds
}

// TestAReportDoesNotDependOnTheOrderOfItsLoads: whichever load was driven first,
// numbers and machine are the same; and what is written as JSON is read back.
func TestAReportDoesNotDependOnTheOrderOfItsLoads(t *testing.T) {
	t.Parallel()
	c := check()
	c.Resamples, c.Utilizations = 0, []float64{.3, .6}
	samples := newServer(1, 0).samples(c, 1)
	rates, err := c.Rates(t.Context(), samples)
	require.NoError(t, err)
	rounds := played(t, c, rates)
	report, err := c.Report(t.Context(), samples, rates, rounds)
	require.NoError(t, err)
	one, err := json.Marshal(report)
	require.NoError(t, err)

	// All loads of one level, then all of the next, as another driver may do it.
	slices.SortStableFunc(rounds, func(a, b reality.Round) int { return b.Level - a.Level })
	again, err := c.Report(t.Context(), samples, rates, rounds)
	require.NoError(t, err)
	other, err := json.Marshal(again)
	require.NoError(t, err)
	require.JSONEq(t, string(one), string(other))

	var back reality.Report
	require.NoError(t, json.Unmarshal(one, &back))
	third, err := json.Marshal(back)
	require.NoError(t, err)
	require.JSONEq(t, string(one), string(third))
	require.Equal(t, reality.Schema, back.Schema)
	require.Equal(t, len(samples), back.Samples)
	for i, l := range back.Levels {
		require.InDelta(t, c.Utilizations[i], l.Aimed, 0)
		require.InDelta(t, rates[i], l.Rate, 0)
		require.Equal(t, l.Planned, l.Served)
		require.InDelta(t, .15, l.Machine.Steal, 1e-12)
		require.Equal(t, 4*time.Second, l.Machine.Took)
		require.Equal(t, []string{"the hypervisor took 15.0 % of the time of its cores"}, l.Busy)
	}
}

// TestALoadThatWasCutShortIsSeen: what was planned and not served is in the
// report, and the numbers are those of what was served.
func TestALoadThatWasCutShortIsSeen(t *testing.T) {
	t.Parallel()
	c := check()
	c.Resamples, c.Utilizations = 0, []float64{.3}
	samples := newServer(1, 0).samples(c, 1)
	rates, err := c.Rates(t.Context(), samples)
	require.NoError(t, err)
	rounds := played(t, c, rates)
	planned, served := 0, 0
	for i := range rounds {
		rounds[i].Served = rounds[i].Served[:len(rounds[i].Served)/2]
		planned, served = planned+rounds[i].Planned, served+len(rounds[i].Served)
	}
	report, err := c.Report(t.Context(), samples, rates, rounds)
	require.NoError(t, err)
	require.Equal(t, []int{planned, served}, []int{report.Levels[0].Planned, report.Levels[0].Served})

	none, err := c.Report(t.Context(), samples, rates, nil)
	require.NoError(t, err)
	for _, n := range none.Levels[0].Numbers {
		require.False(t, n.Measured.OK(), n.Name)
		require.False(t, n.Error.OK(), n.Name)
		require.NotEmpty(t, n.Error.Note, n.Name)
		require.True(t, n.Predicted.OK(), "what is predicted is told all the same: %s", n.Name)
	}
	_, err = json.Marshal(none)
	require.NoError(t, err)
}
