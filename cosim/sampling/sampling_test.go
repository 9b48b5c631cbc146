package sampling_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/metrics"
	"microcosm/cosim/sampling"
)

// sampler is a queue of ten functions whose service times must be measured. One
// of them, called seldom, takes long and scatters widely: it decides the p99 of
// the response time, and its samples are those that matter.
type sampler struct {
	random  *rand.Rand
	samples [][]float64
	gaps    []float64 // common random numbers of the queue
	who     []int
	luck    []float64
	truth   float64
	uniform bool
	added   int
}

const (
	functions = 10
	leverage  = 3 // the function that matters
	path      = 1500
	pilot     = 10
)

// quantile is the law of a function's service time: log-normal.
func quantile(function int, u float64) float64 {
	mean, sigma := .02, .2
	if function == leverage {
		mean, sigma = .5, .25
	}
	return mean * math.Exp(-sigma*sigma/2-sigma*math.Sqrt2*math.Erfcinv(2*u))
}

func newSampler(seed uint64, uniform bool) *sampler {
	s := &sampler{random: rand.New(rand.NewPCG(seed, 1)), samples: make([][]float64, functions), uniform: uniform}
	for range path {
		s.gaps = append(s.gaps, .2*s.random.ExpFloat64())
		s.who = append(s.who, s.random.IntN(functions))
		s.luck = append(s.luck, s.random.Float64())
	}
	s.truth = s.p99(quantile)
	for f := range functions {
		s.measure(f, pilot)
	}
	s.added = 0
	return s
}

func (s *sampler) measure(function, count int) {
	for range count {
		s.samples[function] = append(s.samples[function], quantile(function, s.random.Float64()))
	}
	s.added += count
}

// p99 runs the queue on its path (Lindley, Proceedings of the Cambridge
// Philosophical Society 48 (1952) 277-289).
func (s *sampler) p99(law func(function int, u float64) float64) float64 {
	responses := make([]float64, 0, path)
	w := 0.0
	for i := range s.gaps {
		w = max(0, w-s.gaps[i]) + law(s.who[i], s.luck[i])
		responses = append(responses, w)
	}
	slices.Sort(responses)
	return responses[path*99/100]
}

// of returns the p99 under sorted samples.
func (s *sampler) of(samples [][]float64) float64 {
	return s.p99(func(f int, u float64) float64 {
		x := u * float64(len(samples[f])-1)
		i := min(int(x), len(samples[f])-2)
		return samples[f][i] + (x-float64(i))*(samples[f][i+1]-samples[f][i])
	})
}

// resampled returns the p99 under a resample of the cells that only accepts.
func (s *sampler) resampled(b int, only func(int) bool) float64 {
	drawn := make([][]float64, functions)
	for f := range drawn {
		drawn[f] = slices.Clone(s.samples[f])
		if only(f) {
			clusters := make([][]float64, len(s.samples[f]))
			for i, v := range s.samples[f] {
				clusters[i] = []float64{v}
			}
			drawn[f] = slices.Concat(metrics.ResampleClusters(rand.New(rand.NewPCG(uint64(b), uint64(f))), clusters)...)
		}
		slices.Sort(drawn[f])
	}
	return s.of(drawn)
}

// Cells implements sampling.Study.
func (s *sampler) Cells() []sampling.Cell {
	cells := make([]sampling.Cell, functions)
	for f := range cells {
		cells[f] = sampling.Cell{Name: fmt.Sprint("f", f), Samples: len(s.samples[f]), Cost: time.Second}
	}
	return cells
}

// Interval implements sampling.Study.
func (s *sampler) Interval(context.Context) (metrics.Estimate, error) {
	none := func(int) bool { return false }
	x := metrics.Resampled{Base: s.resampled(0, none)}
	for b := range 40 {
		x.Values = append(x.Values, s.resampled(b, func(int) bool { return true }))
	}
	return metrics.SamplingInterval(x.Base, x, .95, true), nil
}

// Deviation implements sampling.Study; a uniform sampler thinks that all cells
// are alike.
func (s *sampler) Deviation(_ context.Context, cell int) (float64, error) {
	if s.uniform {
		return 1 / math.Sqrt(float64(len(s.samples[cell]))), nil
	}
	var values []float64
	for b := range 8 {
		values = append(values, s.resampled(b, func(f int) bool { return f == cell }))
	}
	mean, sum := 0.0, 0.0
	for _, v := range values {
		mean += v / float64(len(values))
	}
	for _, v := range values {
		sum += (v - mean) * (v - mean)
	}
	return math.Sqrt(sum / float64(len(values)-1)), nil
}

// Measure implements sampling.Study.
func (s *sampler) Measure(_ context.Context, batches []sampling.Batch) error {
	for _, b := range batches {
		s.measure(b.Cell, b.Count)
	}
	return nil
}

func TestAdaptiveSamplingNeedsHalfOfUniform(t *testing.T) {
	t.Parallel()
	seeds := uint64(20)
	if testing.Short() {
		seeds = 4
	}
	var adaptive, uniform float64
	var covered [2]int
	for seed := range seeds {
		for i, u := range []bool{false, true} {
			s := newSampler(seed, u)
			step, err := sampling.Run(t.Context(), s, sampling.Goal{Relative: .05, Growth: .5}, nil)
			require.NoError(t, err, "seed %d", seed)
			require.LessOrEqual(t, step.Estimate.Relative(), .05)
			require.Equal(t, s.added, step.Added)
			total := float64(pilot*functions + s.added)
			if u {
				uniform += total
			} else {
				adaptive += total
			}
			// A few per cent of slack: the interval may be narrower than wanted.
			if math.Abs(step.Estimate.Est/s.truth-1) <= .05 {
				covered[i]++
			}
		}
	}
	t.Logf("detailed invocations: adaptive %.0f, uniform %.0f (ratio %.2f); within 5 %%: %d and %d of %d",
		adaptive/float64(seeds), uniform/float64(seeds), adaptive/uniform, covered[0], covered[1], seeds)
	require.LessOrEqual(t, adaptive, uniform/2)
	require.GreaterOrEqual(t, covered[0]+max(1, int(seeds)/10), covered[1], "at equal coverage")
	require.GreaterOrEqual(t, covered[0], int(seeds)*8/10)
}

func TestThePlanNamesTheCellThatMatters(t *testing.T) {
	t.Parallel()
	s := newSampler(1, false)
	step, err := sampling.Plan(t.Context(), s, sampling.Goal{Relative: .05})
	require.NoError(t, err)
	require.Zero(t, s.added, "a plan measures nothing")
	require.Greater(t, step.Weights[leverage], .9)
	count := map[int]int{}
	for _, b := range step.Next {
		count[b.Cell] = b.Count
	}
	require.Greater(t, count[leverage], 20, "of 25")
}

// fake is a study whose interval follows a script.
type fake struct {
	widths   []float64
	cells    []sampling.Cell
	measured [][]sampling.Batch
}

func (f *fake) Cells() []sampling.Cell { return f.cells }

func (f *fake) Interval(context.Context) (metrics.Estimate, error) {
	half := f.widths[min(len(f.measured), len(f.widths)-1)]
	return metrics.Estimate{Est: 1, Lo: 1 - half, Hi: 1 + half, Status: metrics.StatusOK}, nil
}

func (f *fake) Deviation(context.Context, int) (float64, error) { return 1, nil }

func (f *fake) Measure(_ context.Context, b []sampling.Batch) error {
	f.measured = append(f.measured, b)
	return nil
}

func TestItStopsWhenTheIntervalIsNarrowTwiceInARow(t *testing.T) {
	t.Parallel()
	f := &fake{widths: []float64{.2, .04, .06, .04, .03, .02}, cells: []sampling.Cell{{Name: "a", Samples: 10}}}
	rounds := 0
	step, err := sampling.Run(t.Context(), f, sampling.Goal{Relative: .05}, func(sampling.Step) { rounds++ })
	require.NoError(t, err)
	require.Equal(t, 5, step.Round, "not at the first narrow one, which was luck")
	require.Equal(t, 5, rounds)
	require.Len(t, f.measured, 4)
	require.Empty(t, step.Next)
}

func TestItStopsWhenTheBudgetIsSpent(t *testing.T) {
	t.Parallel()
	f := &fake{widths: []float64{1}, cells: []sampling.Cell{{Name: "cheap", Samples: 10, Cost: time.Second}, {Name: "dear", Samples: 10, Cost: 9 * time.Second}}}
	step, err := sampling.Run(t.Context(), f, sampling.Goal{Relative: .05, Budget: time.Minute}, nil)
	require.ErrorIs(t, err, sampling.ErrBudget)
	require.LessOrEqual(t, step.Spent, time.Minute)
	require.Greater(t, step.Spent, 50*time.Second)
	cheap, dear := 0, 0
	for _, round := range f.measured {
		for _, b := range round {
			if b.Cell == 0 {
				cheap += b.Count
			} else {
				dear += b.Count
			}
		}
	}
	require.Greater(t, cheap, 2*dear, "what costs a ninth is asked more often")

	limited := &fake{widths: []float64{1}, cells: []sampling.Cell{{Name: "a", Samples: 10}}}
	step, err = sampling.Run(t.Context(), limited, sampling.Goal{Relative: .05, Samples: 25}, nil)
	require.ErrorIs(t, err, sampling.ErrBudget)
	require.Equal(t, 25, step.Added)
}
