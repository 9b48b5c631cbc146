package reality_test

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/reality"
	"microcosm/cosim/servicetime"
	"microcosm/functions"
	"microcosm/loadgen/openloop"
)

var names = []string{"fibonacci-go", "aes-go", "auth-go"}

func check() reality.Check {
	return reality.Check{
		Platform: "synthetic", Functions: names, Input: functions.DefaultClass,
		Utilizations: []float64{.3, .5, .7}, Rounds: 4, Duration: time.Second, Seed: 1, Resamples: 40,
	}
}

// server is a core whose service times are known: base, longer by up to as much
// again with what ran in between, times luck.
type server struct {
	base  []time.Duration // by target
	cv    float64         // of a log-normal factor with mean 1; 0, none
	sleep time.Duration   // that a core takes to wake up after a millisecond without work
	luck  *rand.Rand

	last  []int64 // number of a target's last call, from 1; 0 before the first
	calls int64
	ended time.Time
}

const half = 4 // k½

func newServer(seed uint64, cv float64) *server {
	return &server{
		base: []time.Duration{400 * time.Microsecond, 700 * time.Microsecond, 250 * time.Microsecond},
		cv:   cv, luck: rand.New(rand.NewPCG(seed, 77)), last: make([]int64, len(names)),
	}
}

func (s *server) takes(target int, depth float64) time.Duration {
	mean := float64(s.base[target]) * (1 + depth)
	if s.cv == 0 {
		return time.Duration(math.Round(mean))
	}
	sigma := math.Sqrt(math.Log1p(s.cv * s.cv))
	return time.Duration(mean * math.Exp(sigma*s.luck.NormFloat64()-sigma*sigma/2))
}

// serve takes the time of a call.
func (s *server) serve(target int) {
	s.calls++
	depth := 1.
	if s.last[target] > 0 {
		depth = servicetime.DepthAfter(float64(s.calls-s.last[target]-1), half)
	}
	s.last[target] = s.calls
	took := s.takes(target, depth)
	if s.sleep > 0 && time.Since(s.ended) > time.Millisecond {
		took += s.sleep
	}
	time.Sleep(took)
	s.ended = time.Now()
}

// samples measures the server in the conditions of the check, n times each.
func (s *server) samples(c reality.Check, n int) []servicetime.Sample {
	var list []servicetime.Sample
	for target, name := range c.Functions {
		for _, condition := range c.Conditions() {
			depth, _ := condition.Depth(half)
			for i := range n {
				took := servicetime.TicksOf(s.takes(target, depth))
				list = append(list, servicetime.Sample{
					Key: servicetime.Key{Function: name, Input: c.Input, Platform: c.Platform, Condition: condition},
					N:   i, Status: servicetime.Valid, RoundTrip: took, Null: took / 2, Busy: took / 4,
					Provenance: servicetime.Provenance{Backend: servicetime.HostBackend, Boot: "1", Restore: string(rune('a' + i%10))},
				})
			}
		}
	}
	return list
}

// run measures the server, loads it, and compares, with the clock of a bubble.
func run(t *testing.T, c reality.Check, n int, s *server) *reality.Report {
	t.Helper()
	samples := s.samples(c, n)
	rates, err := c.Rates(context.Background(), samples)
	require.NoError(t, err)
	var rounds []reality.Round
	synctest.Test(t, func(t *testing.T) {
		for round := range c.Rounds {
			for level, rate := range rates {
				plan, err := c.Plan(rate, round)
				require.NoError(t, err)
				s.last, s.ended = make([]int64, len(names)), time.Now()
				served, err := openloop.Drive(t.Context(), plan, 0, func(_ context.Context, i int) error {
					s.serve(plan[i].Target)
					return nil
				})
				require.NoError(t, err)
				rounds = append(rounds, reality.Round{Level: level, Planned: len(plan), Served: served})
			}
		}
	})
	report, err := c.Report(context.Background(), samples, rates, rounds)
	require.NoError(t, err)
	return report
}

func find(t *testing.T, l reality.Level, name string) reality.Number {
	t.Helper()
	for _, n := range l.Numbers {
		if n.Name == name {
			return n
		}
	}
	require.Fail(t, "no such number", name)
	return reality.Number{}
}

// TestWithoutLuckThePredictionIsExact: where a service time follows from target
// and condition, model and machine, which face the same arrivals, agree on every
// number. The order of the calls, the conditions, the warm-up and the end of the
// load are the same, or they would not.
func TestWithoutLuckThePredictionIsExact(t *testing.T) {
	t.Parallel()
	c := check()
	c.Resamples = 0
	r := run(t, c, 1, newServer(1, 0))
	require.Len(t, r.Levels, 3)
	for _, l := range r.Levels {
		require.Empty(t, l.Unstable)
		require.Equal(t, l.Planned, l.Served)
		require.InDelta(t, .9, float64(l.Recorded)/float64(l.Planned), .03, "all but the warm-up")
		for _, n := range l.Numbers {
			require.InDelta(t, 1, n.Predicted.Est/n.Measured.Est, 1e-3, "%s at %v: %v and %v", n.Name, l.Aimed, n.Predicted, n.Measured)
		}
		require.InDelta(t, l.Aimed, find(t, l, "utilization").Measured.Est, .05)
		require.NotEmpty(t, l.Conditions)
		shares := 0.0
		for _, condition := range l.Conditions {
			shares += condition.Share
			require.InDelta(t, 1, condition.Predicted.Est/condition.Measured.Est, 1e-3, condition.Name)
		}
		require.InDelta(t, 1, shares, 1e-9, "every call met one of the conditions")
		require.Empty(t, l.Busy)
	}
}

// TestThePredictionHoldsStatistically: with luck in every call and a limited
// number of samples, the intervals of the errors hold 0 about as often as they
// say. They count the luck of the arrivals twice, so rather more often.
func TestThePredictionHoldsStatistically(t *testing.T) {
	t.Parallel()
	held, all := 0, 0
	for seed := range uint64(3) {
		c := check()
		c.Seed = seed + 1
		r := run(t, c, 60, newServer(seed, .5))
		for _, l := range r.Levels {
			for _, name := range []string{"response_p50", "response_p95", "response_p99", "service_mean", "utilization"} {
				n := find(t, l, name)
				if !n.Error.OK() {
					continue
				}
				all++
				if n.Error.Covers(0) {
					held++
				}
			}
		}
	}
	require.Greater(t, all, 36, "nearly every number has an interval")
	require.GreaterOrEqual(t, float64(held)/float64(all), .9, "%d of %d", held, all)
}

// TestWhatTheModelDoesNotKnowIsSeen: a core that has to wake up makes calls that
// find it idle slower, which the samples, taken one after another, do not show.
// The report shows the error, and which calls it comes from.
func TestWhatTheModelDoesNotKnowIsSeen(t *testing.T) {
	t.Parallel()
	c := check()
	c.Resamples, c.Utilizations = 0, []float64{.3}
	s := newServer(1, 0)
	s.sleep = 300 * time.Microsecond
	l := run(t, c, 1, s).Levels[0]
	p50 := find(t, l, "response_p50")
	require.Less(t, p50.Error.Hi, 0., "the prediction is too low: %v", p50.Error)
	require.Greater(t, l.After.Idle.Est-l.After.Another.Est, 100e-6, "%v and %v", l.After.Idle, l.After.Another)
}

func TestConditionsReachAsFarAsTheCalls(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		functions  []string
		conditions []string
	}{
		{names[:1], []string{"warm", "flush"}},
		{names[:2], []string{"warm", "lukewarm:1", "lukewarm:2", "lukewarm:4", "lukewarm:8", "flush"}},
		{names, []string{"warm", "lukewarm:1", "lukewarm:2", "lukewarm:4", "lukewarm:8", "lukewarm:16", "flush"}},
	} {
		var words []string
		for _, condition := range (reality.Check{Functions: c.functions}).Conditions() {
			words = append(words, condition.String())
		}
		require.Equal(t, c.conditions, words)
	}
}

func TestEveryMistakeIsNamed(t *testing.T) {
	t.Parallel()
	require.NoError(t, check().Mistakes())
	wrong := reality.Check{
		Functions: []string{"aes-go", "aes-go"}, Utilizations: []float64{0, .95, .5}, Rounds: 1, Duration: time.Millisecond, Resamples: -1,
	}
	require.EqualError(t, wrong.Mistakes(), `aes-go is named twice: each function has one process
utilization 0: want one above 0 and below 0.95, beyond which no run is long enough
utilization 0.95: want one above 0 and below 0.95, beyond which no run is long enough
1 rounds: want 3 at least, or nothing has an interval
a load of 1ms: want 10 ms at least
-1 resamples: want 0 or more`)
	require.ErrorContains(t, reality.Check{}.Mistakes(), "no function")
	require.ErrorContains(t, reality.Check{}.Mistakes(), "no utilization")
}

func TestNothingIsPredictedFromNothing(t *testing.T) {
	t.Parallel()
	_, err := check().Rates(t.Context(), nil)
	require.ErrorContains(t, err, "no valid sample of a warm call")
	c := check()
	samples := newServer(1, 0).samples(c, 1)
	var warm []servicetime.Sample
	for _, s := range samples {
		if s.Key.Condition.Kind == servicetime.Warm {
			warm = append(warm, s)
		}
	}
	_, err = c.Rates(t.Context(), warm)
	require.ErrorIs(t, err, servicetime.ErrNotSampled, "flush is missing")
	c.Functions = []string{"no-such-function"}
	_, err = c.Plan(100, 0)
	require.ErrorContains(t, err, "no-such-function")
}

// TestThePlanIsDrawnBeforehand: equal checks have equal plans, rounds differ, and
// every call lies before the end.
func TestThePlanIsDrawnBeforehand(t *testing.T) {
	t.Parallel()
	c := check()
	first, err := c.Plan(1000, 0)
	require.NoError(t, err)
	again, err := c.Plan(1000, 0)
	require.NoError(t, err)
	other, err := c.Plan(1000, 1)
	require.NoError(t, err)
	require.Equal(t, first, again)
	require.NotEqual(t, first, other)
	require.InDelta(t, 1000, len(first), 150)
	count := map[int]int{}
	for i, p := range first {
		require.Less(t, p.At, c.Duration)
		if i > 0 {
			require.GreaterOrEqual(t, p.At, first[i-1].At)
		}
		count[p.Target]++
	}
	require.Len(t, count, len(names))
}
