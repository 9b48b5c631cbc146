package knative_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/cosim/controlplane/knative"
	"microcosm/cosim/des"
)

// naive is the autoscaler as Knative's documentation and the comments of its
// autoscaler.go tell it, over the whole history: in panic are all decisions within a
// stable window of one whose load was over the threshold, and they never want fewer
// pods than any since the panic began.
type naive struct {
	spec  knative.Spec
	first int // ready pods when it began
	past  []past
}

type past struct {
	at     time.Duration
	over   bool
	wanted int32 // the larger of the two windows' wants
	want   int32 // before the delay of scaling down
}

// wants is a load in pods, between what the rates allow.
func (n *naive) wants(load float64, ready int) int32 {
	pods := math.Ceil(load / n.spec.Target)
	present := float64(max(1, ready))
	least, most := math.Floor(present/n.spec.MaxScaleDownRate), math.Ceil(present*n.spec.MaxScaleUpRate)
	if !n.spec.Reachable {
		least = 0
	}
	want := int32(min(max(pods, least), most))
	if pods > 0 && n.spec.ActivationScale > 1 {
		want = max(want, n.spec.ActivationScale)
	}
	return want
}

func (n *naive) decide(at time.Duration, o knative.Observed) knative.Decision {
	stable, panics := n.wants(o.Stable, o.Ready), n.wants(o.Panic, o.Ready)
	now := past{at: at, wanted: max(stable, panics), over: math.Ceil(o.Panic/n.spec.Target)/float64(max(1, o.Ready)) >= n.spec.PanicThreshold}
	n.past = append(n.past, now)
	d := knative.Decision{Desired: stable, Excess: n.excess(o)}
	if begun, highest := n.panic(); begun >= 0 {
		d.Panic, d.Desired = true, highest
	}
	n.past[len(n.past)-1].want = d.Desired
	if n.spec.Reachable && n.spec.ScaleDownDelay > 0 {
		for _, p := range n.past { // whole ticks are what is told apart
			if int64(at/knative.Tick)-int64(p.at/knative.Tick) < int64((n.spec.ScaleDownDelay+knative.Tick-1)/knative.Tick) {
				d.Desired = max(d.Desired, p.want)
			}
		}
	}
	return d
}

// panic goes through all decisions, and returns since which of them there is panic, -1
// for none, and the most pods that were wanted since.
func (n *naive) panic() (begun int, highest int32) {
	begun, last := -1, time.Duration(0) // when the threshold was exceeded last
	if n.first > 1 {
		begun, highest = 0, int32(n.first)
	}
	for i, p := range n.past {
		switch {
		case p.over:
			if last = p.at; begun < 0 {
				begun = i
			}
		case begun >= 0 && p.at-last > n.spec.StableWindow:
			begun, highest = -1, 0
		}
		if begun >= 0 {
			highest = max(highest, p.wanted)
		}
	}
	return begun, highest
}

func (n *naive) excess(o knative.Observed) int32 {
	switch n.spec.TargetBurstCapacity {
	case 0:
		return 0
	case -1:
		return -1
	}
	return int32(math.Floor(float64(o.Ready)*n.spec.Total - n.spec.TargetBurstCapacity - o.Panic))
}

func drawnSpec(t *rapid.T) knative.Spec {
	pick := func(name string, from ...float64) float64 { return rapid.SampledFrom(from).Draw(t, name) }
	s := scaled(pick("total", 1, 10, 100), pick("burst", -1, 0, 15, 211))
	s.Target = s.Total * pick("utilization", .5, .7, 1)
	s.MaxScaleUpRate, s.MaxScaleDownRate = pick("up", 1.1, 2, 1000), pick("down", 1.1, 2, 10)
	s.StableWindow, s.PanicThreshold = time.Duration(pick("window", 6, 20, 60))*time.Second, pick("threshold", 1.1, 2, 10)
	s.ScaleDownDelay, s.Reachable = time.Duration(pick("delay", 0, 0, 2, 9))*time.Second, rapid.IntRange(0, 4).Draw(t, "reachable") > 0
	s.ActivationScale = int32(pick("activation", 0, 0, 5))
	return s
}

// drawnWalk is loads and numbers of pods that go their own ways.
func drawnWalk(t *rapid.T, s knative.Spec, step func(at time.Duration, o knative.Observed)) {
	at := time.Duration(0)
	for range rapid.IntRange(1, 60).Draw(t, "steps") {
		load := rapid.Float64Range(0, 40*s.Target).Draw(t, "stable")
		surge := rapid.SampledFrom([]float64{0, .5, 1, 1, 3, 20}).Draw(t, "surge")
		step(at, knative.Observed{Ready: rapid.IntRange(0, 40).Draw(t, "ready"), Stable: load, Panic: load * surge})
		at += time.Duration(rapid.SampledFrom([]int{100, 2000, 2000, 2000, 7000, 61_000}).Draw(t, "later")) * time.Millisecond
	}
}

func TestTheAutoscalerIsThatOfTheNaiveModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := drawnSpec(t)
		n := &naive{spec: s, first: rapid.IntRange(0, 6).Draw(t, "first")}
		a := knative.NewAutoscaler(s, 0, n.first)
		drawnWalk(t, s, func(at time.Duration, o knative.Observed) {
			require.Equal(t, n.decide(at, o), a.Decide(des.Time(at), o), "at %v: %+v", at, o)
		})
	})
}

// Rates bound every step, panic never scales down, and pods are never negative.
func TestDecisionsKeepTheirBounds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := drawnSpec(t)
		s.ScaleDownDelay = 0
		a := knative.NewAutoscaler(s, 0, 0)
		last := knative.Decision{}
		drawnWalk(t, s, func(at time.Duration, o knative.Observed) {
			d := a.Decide(des.Time(at), o)
			present := float64(max(1, o.Ready))
			require.GreaterOrEqual(t, d.Desired, int32(0))
			if !d.Panic {
				require.LessOrEqual(t, d.Desired, max(s.ActivationScale, int32(math.Ceil(present*s.MaxScaleUpRate))))
			}
			if s.Reachable {
				require.GreaterOrEqual(t, d.Desired, int32(math.Floor(present/s.MaxScaleDownRate)))
			}
			if last.Panic && d.Panic {
				require.GreaterOrEqual(t, d.Desired, last.Desired, "panic never scales down")
			}
			last = d
		})
	})
}

// Twice the traffic with twice the target, limit and burst is the same to a revision:
// scales, panics and the side of zero of the burst capacity. The factors are powers of
// two, so that not a bit is lost.
func TestTrafficIsMeasuredInTargets(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := drawnSpec(t)
		factor := rapid.SampledFrom([]float64{.5, 2, 64}).Draw(t, "factor")
		large := s
		large.Target, large.Total = s.Target*factor, s.Total*factor
		if s.TargetBurstCapacity > 0 {
			large.TargetBurstCapacity = s.TargetBurstCapacity * factor
		}
		a, b := knative.NewAutoscaler(s, 0, 0), knative.NewAutoscaler(large, 0, 0)
		drawnWalk(t, s, func(at time.Duration, o knative.Observed) {
			more := knative.Observed{Ready: o.Ready, Stable: o.Stable * factor, Panic: o.Panic * factor}
			one, other := a.Decide(des.Time(at), o), b.Decide(des.Time(at), more)
			require.Equal(t, one.Desired, other.Desired)
			require.Equal(t, one.Panic, other.Panic)
			require.Equal(t, one.Excess < 0, other.Excess < 0)
		})
	})
}

// More load in every second never wants fewer pods.
func TestMoreLoadWantsNoFewerPods(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := drawnSpec(t)
		more := rapid.Float64Range(1, 3).Draw(t, "more")
		a, b := knative.NewAutoscaler(s, 0, 0), knative.NewAutoscaler(s, 0, 0)
		drawnWalk(t, s, func(at time.Duration, o knative.Observed) {
			one := a.Decide(des.Time(at), o)
			other := b.Decide(des.Time(at), knative.Observed{Ready: o.Ready, Stable: o.Stable * more, Panic: o.Panic * more})
			require.LessOrEqual(t, one.Desired, other.Desired)
			require.GreaterOrEqual(t, one.Excess, other.Excess)
			require.True(t, other.Panic || !one.Panic, "who panics at less panics at more")
		})
	})
}

// The vectors of Knative's autoscaler_test.go at 98e5ef9, whose pods aim at 75 %.
func TestVectorsOfKnativesOwnTests(t *testing.T) {
	t.Parallel()
	vector := func(total, burst float64, mutate ...func(*knative.Spec)) knative.Spec {
		s := scaled(total/.75, burst)
		s.Target, s.Total = total, total/.75
		s.MaxScaleUpRate, s.MaxScaleDownRate = 10, 10
		for _, m := range mutate {
			m(&s)
		}
		return s
	}
	up := func(rate float64) func(*knative.Spec) { return func(s *knative.Spec) { s.MaxScaleUpRate = rate } }
	down := func(rate float64) func(*knative.Spec) { return func(s *knative.Spec) { s.MaxScaleDownRate = rate } }
	hidden := func(s *knative.Spec) { s.Reachable = false }
	for situation, c := range map[string]struct {
		spec          knative.Spec
		ready         int
		stable, panic float64
		want          int32
	}{
		"fifty at a time for ten each":     {vector(10, 101), 1, 50, 10, 5},
		"a hundred at a time":              {vector(10, 101), 1, 100, 10, 10},
		"ten pods more at most":            {vector(1, 0), 1, 1000, 1001, 10},
		"a slow way down":                  {vector(1, 0, down(1.1)), 100, 1, 1, 90},
		"none of the way for the hidden":   {vector(1, 0, down(1.1), hidden), 100, 1, 1, 1},
		"a slow way up moves all the same": {vector(1, 0, up(1.1)), 2, 3, 3, 3},
	} {
		d := knative.NewAutoscaler(c.spec, 0, 0).Decide(0, knative.Observed{Ready: c.ready, Stable: c.stable, Panic: c.panic})
		require.Equal(t, c.want, d.Desired, situation)
	}
}

// The excess burst capacity at the start is that of the initial scale without load.
func TestTheInitialExcess(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pods        int32
		total, want float64
		burst       float64
	}{{1, 100, -111, 211}, {3, 100, 89, 211}, {3, 10, 0, 0}, {3, 10, -1, -1}, {0, 10, -5, 5}} {
		s := scaled(c.total, c.burst)
		s.InitialScale = c.pods
		require.EqualValues(t, c.want, s.InitialExcess(), "%+v", c)
		if c.burst != 0 {
			d := knative.NewAutoscaler(s, 0, 0).Decide(0, knative.Observed{Ready: int(c.pods)})
			require.Equal(t, d.Excess, s.InitialExcess(), "as the first decision has it")
		}
	}
}

// Samples never grow faster than the pods, never shrink, and stay small.
func TestSamplesGrowWithThePods(t *testing.T) {
	t.Parallel()
	last := 0
	for pods := range 5000 {
		n := knative.SampleSize(pods)
		require.LessOrEqual(t, n, pods)
		require.GreaterOrEqual(t, n, last, "%d pods", pods)
		require.LessOrEqual(t, n, 16)
		last = n
	}
	require.Equal(t, 16, last)
}

// Where all pods report the same, the estimate from a sample is exact.
func TestEqualPodsAreExtrapolatedExactly(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		one := knative.Stat{Concurrency: 1.5, ProxiedConcurrency: .25, Requests: 7, ProxiedRequests: 3}
		pods := rapid.IntRange(1, 2000).Draw(t, "pods")
		sampled := knative.SampleSize(pods)
		sum := knative.Stat{}
		for range sampled {
			sum.Add(one)
		}
		sum.Extrapolate(float64(sampled), float64(pods))
		for i, x := range []float64{sum.Concurrency, sum.ProxiedConcurrency, sum.Requests, sum.ProxiedRequests} {
			require.InEpsilon(t, float64(pods)*[]float64{1.5, .25, 7, 3}[i], x, 1e-12)
		}
	})
}

// A window does not know what time it is, nor in which order a second's values came;
// values that are larger by one factor have averages that are.
func TestWindowsKnowOnlyDistancesAndSums(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		length := time.Duration(rapid.IntRange(1, 12).Draw(t, "window")) * time.Second
		weighted := rapid.Bool().Draw(t, "weighted")
		later := int64(rapid.IntRange(1, 1_000_000).Draw(t, "later"))
		plain, shifted, shuffled, doubled := knative.NewWindow(length, weighted), knative.NewWindow(length, weighted), knative.NewWindow(length, weighted), knative.NewWindow(length, weighted)
		now := int64(0)
		for range rapid.IntRange(1, 25).Draw(t, "seconds") {
			now += int64(rapid.SampledFrom([]int{1, 1, 1, 2, 5}).Draw(t, "gap"))
			values := rapid.SliceOfN(rapid.IntRange(0, 64), 1, 4).Draw(t, "values")
			for _, v := range values {
				plain.Record(second(float64(now)), float64(v))
				shifted.Record(second(float64(now+later)), float64(v))
				doubled.Record(second(float64(now)), float64(2*v))
			}
			slices.Sort(values)
			for _, v := range values {
				shuffled.Record(second(float64(now)), float64(v))
			}
			at := now + int64(rapid.IntRange(0, 3).Draw(t, "asked"))
			average := plain.Average(second(float64(at)))
			if !weighted { // the ring begins elsewhere, so that weights are added in another order
				require.Equal(t, average, shifted.Average(second(float64(at+later))))
			}
			require.InDelta(t, average, shifted.Average(second(float64(at+later))), 1e-9)
			require.Equal(t, average, shuffled.Average(second(float64(at))))
			require.InDelta(t, 2*average, doubled.Average(second(float64(at))), 1.1e-6, "averages are rounded to six digits")
			require.Equal(t, plain.Empty(second(float64(at))), shifted.Empty(second(float64(at+later))))
		}
	})
}
