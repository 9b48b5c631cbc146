package experiment_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/experiment"
	"microcosm/cosim/scenario"
	"microcosm/cosim/servicetime"
)

// curves are mean service times by what ran in between, of each function.
type curves map[string]func(k int) time.Duration

// infinity stands for flush.
const infinity = 1 << 40

func line(k int) time.Duration {
	return time.Duration(4e6 * (1 + servicetime.DepthAfter(float64(k), 4)))
}

// step has all of the penalty at the first call in between.
func step(k int) time.Duration {
	if k == 0 {
		return 4 * time.Millisecond
	}
	return 8 * time.Millisecond
}

// law is what measuring the curves without noise in some conditions gives.
func (c curves) law(r servicetime.Request, o servicetime.LawOptions, ks ...int) (*servicetime.SampledLaw, error) {
	var measured []servicetime.Measured
	for _, k := range ks {
		condition := servicetime.Condition{Kind: servicetime.Flush}
		if k < infinity {
			condition = servicetime.LukewarmAfter(k)
		}
		m := servicetime.Measured{Condition: condition}
		for i := range 10 {
			took := servicetime.TicksOf(c[r.Function](k))
			m.Samples = append(m.Samples, servicetime.Sample{
				Key:    servicetime.Key{Function: r.Function, Condition: condition, Platform: r.Platform},
				Status: servicetime.Valid, RoundTrip: took, Busy: took, Provenance: servicetime.Provenance{Boot: "b", Restore: fmt.Sprint(i)},
			})
		}
		measured = append(measured, m)
	}
	o.Request = r
	return servicetime.NewLaw(measured, o)
}

// opens answers from some conditions.
func (c curves) opens(ks ...int) experiment.Options {
	return experiment.Options{Slots: 1, Open: func(_ context.Context, s *scenario.Scenario) (experiment.Measured, error) {
		o, err := experiment.LawOptions(s)
		cache := map[servicetime.Request]servicetime.Law{}
		return &source{law: func(r servicetime.Request) (servicetime.Law, error) {
			if cache[r] == nil {
				law, err := c.law(r, o, ks...)
				if err != nil {
					return nil, err
				}
				cache[r] = law
			}
			return cache[r], nil
		}}, err
	}}
}

func ks(upTo int) []int {
	var list []int
	for k := range upTo {
		list = append(list, k)
	}
	return append(list, infinity)
}

// TestTheIntervalHoldsWhatInterpolationMisses: without noise in the samples, the
// noise of the queue is all that would be in the interval, and the truth, which
// is known when every condition is measured, lies far outside of that. The error of
// interpolation, judged by the measured conditions alone, takes it in.
func TestTheIntervalHoldsWhatInterpolationMisses(t *testing.T) {
	t.Parallel()
	c := curves{"aes-go": step, "auth-go": step}
	truth := simulateWith(t, measuredQueue, c.opens(ks(24)...))
	r := simulateWith(t, measuredQueue, c.opens(0, 2, 6, infinity))
	for _, name := range []string{"response_mean", "response_p99", "service_mean", "utilization"} {
		known, m := metricOf(t, &truth.Runs[0], name).Estimate.Est, metricOf(t, &r.Runs[0], name)
		require.NotNil(t, m.Parts.Interpolation, name)
		// The error was computed on a short run, whose conditions have their own luck.
		require.GreaterOrEqual(t, 1.005*m.Estimate.Hi, known, "%s: %v", name, m.Estimate)
		require.LessOrEqual(t, m.Estimate.Lo, known, "%s: %v", name, m.Estimate)
		require.GreaterOrEqual(t, m.Estimate.HalfWidth(), m.Parts.Interpolation.HalfWidth())
		if name != "response_p99" { // is made by calls after many others, which are not interpolated
			require.False(t, m.Parts.Queue.Covers(known), "%s: %v, %v", name, m.Parts.Queue, known)
		}
	}
	all := metricOf(t, &truth.Runs[0], "service_mean")
	require.Zero(t, all.Parts.Sampling.HalfWidth(), "no noise")
	require.Nil(t, all.Parts.Interpolation, "nothing is left between")
}

func TestWhatIsStraightIsInterpolatedRight(t *testing.T) {
	t.Parallel()
	c := curves{"aes-go": line, "auth-go": line}
	r := simulateWith(t, measuredQueue, c.opens(0, 2, 6, infinity))
	m := metricOf(t, &r.Runs[0], "response_mean")
	require.NotNil(t, m.Parts)
	if m.Parts.Interpolation != nil {
		require.Less(t, m.Parts.Interpolation.HalfWidth(), 1e-4*m.Estimate.Est)
	}
}

// TestThePlaceboInterpolatesNothing: where every call is warm, nothing can be off.
func TestThePlaceboInterpolatesNothing(t *testing.T) {
	t.Parallel()
	c := curves{"aes-go": step, "auth-go": step}
	s, err := parse(t, measuredQueue).Override(scenario.Setting{Path: "fidelity.penalty", Value: "0"})
	require.NoError(t, err)
	r, err := experiment.Simulate(t.Context(), s, c.opens(0, 2, 6, infinity))
	require.NoError(t, err)
	require.Nil(t, metricOf(t, &r.Runs[0], "response_mean").Parts.Interpolation)
}

// TestAGapIsAskedForWhereItMatters: of the function whose times are bent, and in
// the gap that calls fall into, if the number is wanted that precisely.
func TestAGapIsAskedForWhereItMatters(t *testing.T) {
	t.Parallel()
	c := curves{"aes-go": step, "auth-go": line}
	ctx := t.Context()
	study, err := experiment.NewStudy(ctx, parse(t, measuredQueue), "mean", c.opens(0, 2, 6, infinity), nil)
	require.NoError(t, err)
	gaps, err := study.Gaps(ctx, .02)
	require.NoError(t, err)
	require.NotEmpty(t, gaps)
	require.Equal(t, "aes-go", gaps[0].Request.Function)
	require.Equal(t, "lukewarm:1", gaps[0].Next.String())
	require.Greater(t, gaps[0].Moves, .02)
	for _, g := range gaps {
		require.Equal(t, "aes-go", g.Request.Function, "the other one is interpolated right")
	}
	gaps, err = study.Gaps(ctx, .9)
	require.NoError(t, err)
	require.Empty(t, gaps, "precise enough as it is")

	interval, err := study.Interval(ctx)
	require.NoError(t, err)
	require.Greater(t, interval.Relative(), .02, "the samples have no noise: it is all interpolation")
}

// TestTwoConditionsAreNotEnough: what lies between warm and flush is bounded by
// both, and the middle is asked for.
func TestTwoConditionsAreNotEnough(t *testing.T) {
	t.Parallel()
	c := curves{"aes-go": line, "auth-go": line}
	ctx := t.Context()
	r := simulateWith(t, measuredQueue, c.opens(0, infinity))
	m := metricOf(t, &r.Runs[0], "service_mean")
	require.Greater(t, m.Estimate.Hi, 5.5e-3, "half of the calls have one before them: any of 4 to 8 ms")
	study, err := experiment.NewStudy(ctx, parse(t, measuredQueue), "mean", c.opens(0, infinity), nil)
	require.NoError(t, err)
	gaps, err := study.Gaps(ctx, .05)
	require.NoError(t, err)
	require.Len(t, gaps, 2)
	for _, g := range gaps {
		require.Equal(t, "lukewarm:4", g.Next.String())
	}
}
