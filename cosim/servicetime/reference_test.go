package servicetime_test

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/cosim/servicetime"
)

// reference is the law by its definition: quantile functions of type 7, made
// monotone along the axis at every common knot, linear between knots and between
// conditions. It is slow and has no shortcuts.
type reference struct {
	depths []float64
	us     []float64
	knots  [][]float64 // by condition, at us
}

// referenceOf builds the reference of one of a sample's times under a given k½.
func referenceOf(all []servicetime.Measured, halfDepth float64, of func(servicetime.Sample) float64) reference {
	var r reference
	type column struct{ sorted []float64 } // by service time
	var columns []column
	for _, m := range all {
		depth, onAxis := m.Condition.Depth(halfDepth)
		if !onAxis {
			continue
		}
		samples := slices.Clone(m.Samples)
		slices.SortFunc(samples, func(a, b servicetime.Sample) int {
			if a.Service() != b.Service() {
				return int(a.Service() - b.Service())
			}
			return int(a.Busy - b.Busy)
		})
		var c column
		for _, s := range samples {
			c.sorted = append(c.sorted, of(s))
		}
		at, _ := slices.BinarySearch(r.depths, depth)
		r.depths, columns = slices.Insert(r.depths, at, depth), slices.Insert(columns, at, c)
	}
	r.us = []float64{0, 1}
	for _, c := range columns {
		for i := range c.sorted {
			r.us = append(r.us, float64(i)/max(1, float64(len(c.sorted)-1)))
		}
	}
	slices.Sort(r.us)
	r.us = slices.Compact(r.us)
	r.knots = make([][]float64, len(columns))
	for _, u := range r.us {
		y, w := make([]float64, len(columns)), make([]float64, len(columns))
		for i, c := range columns {
			y[i], w[i] = typeSeven(c.sorted, u), float64(len(c.sorted))
		}
		for i, v := range minMax(y, w) {
			r.knots[i] = append(r.knots[i], v)
		}
	}
	return r
}

// typeSeven is the quantile of type 7 of sorted values: Hyndman and Fan, 1996.
func typeSeven(sorted []float64, u float64) float64 {
	h := u * float64(len(sorted)-1)
	low := min(int(h), len(sorted)-1)
	high := min(low+1, len(sorted)-1)
	return sorted[low] + (h-float64(low))*(sorted[high]-sorted[low])
}

// minMax is isotonic regression by the max-min formula, with no pooling at all:
// the largest, over all beginnings at or before i, of the smallest mean up to an
// end at or behind i (Robertson, Wright and Dykstra, 1988, theorem 1.4.4).
func minMax(y, w []float64) []float64 {
	fit := make([]float64, len(y))
	for i := range y {
		fit[i] = math.Inf(-1)
		for begin := range i + 1 {
			least := math.Inf(1)
			sum, weight := 0., 0.
			for end := begin; end < len(y); end++ {
				sum, weight = sum+w[end]*y[end], weight+w[end]
				if end >= i {
					least = min(least, sum/weight)
				}
			}
			fit[i] = max(fit[i], least)
		}
	}
	return fit
}

// at returns the reference's time at a depth and a share, and whether it lies
// between measured conditions.
func (r reference) at(depth, u float64) (value float64, between bool) {
	knot := 0
	for knot+2 < len(r.us) && r.us[knot+1] <= u {
		knot++
	}
	share := (u - r.us[knot]) / (r.us[knot+1] - r.us[knot])
	of := func(i int) float64 { return r.knots[i][knot] + share*(r.knots[i][knot+1]-r.knots[i][knot]) }
	for i, d := range r.depths {
		switch {
		case d == depth:
			return of(i), false
		case d > depth:
			t := (depth - r.depths[i-1]) / (d - r.depths[i-1])
			return of(i-1) + t*(of(i)-of(i-1)), true
		}
	}
	return math.NaN(), false
}

// noisy draws a campaign in which busy is any part of the time, and deeper is not
// always slower.
func noisy(t *rapid.T) []servicetime.Measured {
	all, _, _ := campaign(t)
	for i := range all {
		for j := range all[i].Samples {
			s := &all[i].Samples[j]
			s.Busy = servicetime.Ticks(rapid.Int64Range(0, int64(s.Service())+2_000_000).Draw(t, "busy"))
		}
	}
	return all
}

// TestDrawsAreThoseOfTheDefinition compares every draw with the reference.
func TestDrawsAreThoseOfTheDefinition(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		all := noisy(t)
		model := models.Draw(t, "model")
		if model.HalfDepth == 0 {
			model.HalfDepth = 4 // given, not fitted, under the idle model too
		}
		law, err := servicetime.NewLaw(all, servicetime.LawOptions{Penalty: 1, Model: model})
		require.NoError(t, err)
		service := referenceOf(all, model.HalfDepth, func(s servicetime.Sample) float64 { return float64(s.Service()) / 1000 })
		busy := referenceOf(all, model.HalfDepth, func(s servicetime.Sample) float64 { return float64(min(s.Busy, s.Service())) / 1000 })
		for range 20 {
			s := states.Draw(t, "state")
			u := rapid.OneOf(shares, rapid.SampledFrom(service.us[:len(service.us)-1]), rapid.Just(1-0x1p-53)).Draw(t, "u")
			if rapid.Bool().Draw(t, "measured") {
				s.K, s.New = int64(rapid.SampledFrom(all).Draw(t, "condition").Condition.K), false
			}
			d := drawn(t, law, s, u)
			want, between := service.at(model.Depth(s), u)
			if math.IsNaN(want) { // the idle model's depth, rounded, next to flush
				continue
			}
			require.InDelta(t, max(1, want), float64(d.Service), .5+1e-9*want, "%+v at %v", s, u)
			require.Equal(t, between, d.Interpolated)
			wantBusy, _ := busy.at(model.Depth(s), u)
			require.InDelta(t, min(max(1, wantBusy), max(1, want)), float64(d.Busy), .5+1e-9*want, "busy, %+v at %v", s, u)
		}
	})
}

// TestAMeasuredConditionDrawsItsSamples: where deeper is slower, the draw at the
// i-th of n plotting positions is the i-th sample, to the nanosecond.
func TestAMeasuredConditionDrawsItsSamples(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var all []servicetime.Measured
		base := 0
		for _, condition := range []string{"warm", "lukewarm:1", "lukewarm:4", "lukewarm:30", "flush"} {
			times := micros.Draw(t, condition)
			for i := range times {
				times[i] += base // beyond all that is shallower
			}
			base += 200_000
			all = append(all, measured(condition, times...))
		}
		law, err := servicetime.NewLaw(all, servicetime.LawOptions{Penalty: 1, Model: servicetime.ConditionModel{Kind: servicetime.Interleave}})
		require.NoError(t, err)
		require.Empty(t, law.Smoothed())
		for _, m := range all {
			var times []servicetime.Ticks
			for _, s := range m.Samples {
				times = append(times, s.Service())
			}
			slices.Sort(times)
			for i, want := range times[:max(1, len(times)-1)] {
				u := float64(i) / float64(max(1, len(times)-1))
				d := drawn(t, law, servicetime.State{K: int64(m.Condition.K), New: m.Condition.Kind == servicetime.Flush}, u)
				require.Equal(t, want.Duration(), d.Service, "%s, sample %d of %d", m.Condition, i, len(times))
				require.False(t, d.Interpolated)
			}
		}
	})
}

// TestTheOrderOfSamplesAndConditionsDoesNotMatter.
func TestTheOrderOfSamplesAndConditionsDoesNotMatter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		all := noisy(t)
		options := servicetime.LawOptions{Penalty: 1, Model: servicetime.ConditionModel{Kind: servicetime.Interleave}}
		law, err := servicetime.NewLaw(all, options)
		require.NoError(t, err)
		shuffled := rapid.Permutation(all).Draw(t, "conditions")
		for i, m := range shuffled {
			shuffled[i].Samples = rapid.Permutation(m.Samples).Draw(t, "samples")
		}
		other, err := servicetime.NewLaw(shuffled, options)
		require.NoError(t, err)
		require.InEpsilon(t, law.HalfDepth(), other.HalfDepth(), 1e-6)
		s, u := states.Draw(t, "state"), shares.Draw(t, "u")
		a, b := drawn(t, law, s, u), drawn(t, other, s, u)
		require.InDelta(t, float64(a.Service), float64(b.Service), 1+1e-6*float64(a.Service))
		require.InDelta(t, float64(a.Busy), float64(b.Busy), 1+1e-6*float64(a.Service))
	})
}

// TestAFasterMachineIsAScaledLaw: all times doubled double every draw; all times
// longer by as much make every draw longer by as much.
func TestAFasterMachineIsAScaledLaw(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		all := noisy(t)
		options := servicetime.LawOptions{Penalty: rapid.Float64Range(0, 2).Draw(t, "penalty"), Model: models.Draw(t, "model")}
		factor, more := servicetime.Ticks(rapid.IntRange(2, 1000).Draw(t, "factor")), servicetime.Ticks(rapid.IntRange(1, 1_000_000).Draw(t, "more"))*1000
		scaled, shifted := make([]servicetime.Measured, len(all)), make([]servicetime.Measured, len(all))
		for i, m := range all {
			scaled[i].Condition, shifted[i].Condition = m.Condition, m.Condition
			for _, s := range m.Samples {
				long := s
				long.RoundTrip, long.Null, long.Busy = factor*s.RoundTrip, factor*s.Null, factor*s.Busy
				scaled[i].Samples = append(scaled[i].Samples, long)
				s.RoundTrip, s.Busy = s.RoundTrip+more, min(s.Busy, s.Service())+more
				shifted[i].Samples = append(shifted[i].Samples, s)
			}
		}
		law, err := servicetime.NewLaw(all, options)
		require.NoError(t, err)
		slow, err := servicetime.NewLaw(scaled, options)
		require.NoError(t, err)
		late, err := servicetime.NewLaw(shifted, options)
		require.NoError(t, err)
		s, u := states.Draw(t, "state"), shares.Draw(t, "u")
		d := drawn(t, law, s, u)
		if options.Model.Kind == servicetime.Idle {
			return // its axis is fitted, to the means, to a per cent only
		}
		require.InDelta(t, float64(factor)*float64(d.Service), float64(drawn(t, slow, s, u).Service), float64(factor))
		if d.Service > 1 {
			require.InDelta(t, float64(d.Service)+float64(more)/1000, float64(drawn(t, late, s, u).Service), 2)
		}
	})
}

// TestThePenaltyIsLinear: what is drawn with p times the penalty is the warm call
// and p times the difference to it.
func TestThePenaltyIsLinear(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		all := append(noisy(t), measured("cold", micros.Draw(t, "cold")...))
		options := servicetime.LawOptions{Model: models.Draw(t, "model")}
		draw := func(penalty float64, s servicetime.State, u float64) float64 {
			options.Penalty = penalty
			law, err := servicetime.NewLaw(all, options)
			require.NoError(t, err)
			return float64(drawn(t, law, s, u).Service)
		}
		s, u, p := states.Draw(t, "state"), shares.Draw(t, "u"), rapid.Float64Range(0, 4).Draw(t, "penalty")
		s.Cold = rapid.Bool().Draw(t, "cold call")
		warm := draw(0, s, u)
		want := warm + p*(draw(1, s, u)-warm)
		require.InDelta(t, max(1, want), draw(p, s, u), 1+p)
	})
}

// TestManySamplesKeepTheirQuantiles: beyond 4096 common knots a law keeps no
// sample exactly, but none of its quantiles moves by more than a neighbour.
func TestManySamplesKeepTheirQuantiles(t *testing.T) {
	t.Parallel()
	const warm, flush = 5003, 4999 // coprime: their knots never meet
	times := func(n, from int) []int {
		list := make([]int, n)
		for i := range list {
			list[i] = from + i*i/50
		}
		return list
	}
	slow, fast := times(flush, 2_000_000), times(warm, 100)
	l := law(t, asMeasured, measured("warm", fast...), measured("flush", slow...))
	last := time.Duration(0)
	for i := range 20_000 {
		u := float64(i) / 20_000
		d, err := l.Draw(servicetime.State{}, u)
		require.NoError(t, err)
		require.GreaterOrEqual(t, d.Service, last)
		last = d.Service
		rank := u * (warm - 1)
		low, high := fast[max(0, int(rank)-2)], fast[min(warm-1, int(rank)+3)]
		require.True(t, d.Service >= time.Duration(low)*time.Microsecond && d.Service <= time.Duration(high)*time.Microsecond, "%v at %v", d.Service, u)
	}
	d, err := l.Draw(servicetime.State{New: true}, 0)
	require.NoError(t, err)
	require.Equal(t, 2_000_000*time.Microsecond, d.Service)
}

// TestTheFittedHalfDepthIsTheBest: no k½ within the bounds explains the means
// better than the one that was fitted.
func TestTheFittedHalfDepthIsTheBest(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		all := noisy(t)
		law, err := servicetime.NewLaw(all, servicetime.LawOptions{Penalty: 1, Model: servicetime.ConditionModel{Kind: servicetime.Interleave}})
		require.NoError(t, err)
		mean := func(m servicetime.Measured) float64 {
			sum := 0.
			for _, s := range m.Samples {
				sum += float64(s.Service())
			}
			return sum / float64(len(m.Samples))
		}
		warm, flush := mean(all[0]), mean(all[len(all)-1])
		if flush <= warm || len(all) == 2 {
			require.Equal(t, float64(servicetime.DefaultHalfDepth), law.HalfDepth(), "nothing to fit to")
			return
		}
		loss := func(halfDepth float64) (sum float64) {
			for _, m := range all[1 : len(all)-1] {
				r := warm + (flush-warm)*servicetime.DepthAfter(float64(m.Condition.K), halfDepth) - mean(m)
				sum += float64(len(m.Samples)) * r * r
			}
			return sum
		}
		least := loss(law.HalfDepth())
		scale := (flush - warm) * (flush - warm)
		for half := 1. / 16; half <= 4096; half *= 1.02 {
			require.GreaterOrEqual(t, loss(half), least-1e-3*scale, "k½ = %v explains more than %v", half, law.HalfDepth())
		}
	})
}

// TestTheAxisRunsFromWarmToFlush: depth rises with k and with the idle time, never
// beyond 1, and is a half at k½ and at τ·ln 2.
func TestTheAxisRunsFromWarmToFlush(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		model := models.Draw(t, "model")
		a, b := states.Draw(t, "a"), states.Draw(t, "b")
		a.K, b.K = rapid.Int64().Draw(t, "k")&math.MaxInt64, rapid.Int64().Draw(t, "k")&math.MaxInt64
		da, db := model.Depth(a), model.Depth(b)
		require.True(t, da >= 0 && da <= 1, da)
		require.False(t, math.IsNaN(db))
		a.New, b.New = false, false
		deeper := a.K > b.K
		if model.Kind == servicetime.Idle {
			deeper = a.Idle > b.Idle
		}
		if deeper {
			require.GreaterOrEqual(t, model.Depth(a), model.Depth(b))
		}
	})
	for _, half := range []float64{.1, 1, 4, 1000} {
		require.InDelta(t, .5, servicetime.DepthAfter(half, half), 1e-15)
		require.InDelta(t, .5, servicetime.DepthIdle(half*math.Ln2, half), 1e-15)
		require.InDelta(t, half, servicetime.DepthAfter(1e-9, 1)/servicetime.DepthAfter(1e-9, half)/1, half*1e-6, "its slope at 0 is 1/k½")
	}
	require.InDelta(t, 1e-12, servicetime.DepthIdle(1e-12, 1), 1e-24, "without cancellation near 0")
	for _, kind := range []servicetime.ModelKind{servicetime.Interleave, servicetime.Idle} {
		m := servicetime.ConditionModel{Kind: kind, HalfDepth: 4, Tau: time.Second}
		require.Equal(t, 1., m.Depth(servicetime.State{New: true}), "new to the core, whatever the model")
		require.Zero(t, m.Depth(servicetime.State{}), "the last to run there, just now")
	}
}

// TestBeyondTheDeepestNoLawAnswers: without flush no k is deep enough to be served
// from a shallower one, and the message tells how deep it was.
func TestBeyondTheDeepestNoLawAnswers(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		deepest := rapid.IntRange(1, 100).Draw(t, "deepest")
		l, err := servicetime.NewLaw([]servicetime.Measured{measured("warm", 1), measured(fmt.Sprint("lukewarm:", deepest), 2)}, servicetime.LawOptions{
			Penalty: 1, Model: servicetime.ConditionModel{Kind: servicetime.Interleave, HalfDepth: 4},
			Request: servicetime.Request{Function: "f", Input: "large", Platform: "p"},
		})
		require.NoError(t, err)
		k := rapid.IntRange(0, 200).Draw(t, "k")
		_, err = l.Draw(servicetime.State{K: int64(k)}, .5)
		if k <= deepest {
			require.NoError(t, err)
			return
		}
		require.EqualError(t, err, fmt.Sprintf("f/large flush on p: not sampled (depth %.3f lies beyond the deepest measured, lukewarm:%d); measure it with: cosim sample --platform p --functions f --conditions flush --input large",
			float64(k)/float64(k+4), deepest))
	})
}
