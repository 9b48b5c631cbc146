package knative_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/controlplane/knative"
	"microcosm/cosim/des"
)

// scaled is a revision whose pods aim at 75 % of the total.
func scaled(total, burst float64) knative.Spec {
	return knative.Spec{
		Metric: knative.Concurrency, Total: total, Target: .75 * total, TargetBurstCapacity: burst, PanicThreshold: 2,
		MaxScaleUpRate: 10, MaxScaleDownRate: 10, StableWindow: 60 * time.Second, PanicWindow: 6 * time.Second, Reachable: true,
	}
}

func TestAutoscaler(t *testing.T) {
	t.Parallel()
	type step struct {
		after         time.Duration
		stable, panic float64
		ready         int
		desired       int32
		excess        int32
		panics        bool
	}
	for situation, c := range map[string]struct {
		spec  knative.Spec
		ready int
		steps []step
	}{
		"stable load":                  {scaled(10, 101), 1, []step{{0, 50, 7, 1, 7, -98, false}}},
		"no data is no load":           {scaled(10, 100), 1, []step{{0, 0, 0, 1, 0, -90, false}}},
		"an activator always in path":  {scaled(10, -1), 1, []step{{0, 5, 5, 1, 1, -1, false}}},
		"an activator only at zero":    {scaled(10, 0), 1, []step{{0, 5, 5, 1, 1, 0, false}}},
		"a restart begins in panic":    {scaled(10, 0), 8, []step{{0, 1, 1, 8, 8, 0, true}, {61 * time.Second, 1, 1, 8, 1, 0, false}}},
		"the rate up is bounded":       {scaled(1, 0), 1, []step{{0, 1000, 1000, 1, 10, 0, true}}},
		"the rate down is bounded":     {scaled(1, 0), 0, []step{{0, 0, 0, 100, 10, 0, false}}},
		"rates are measured from one":  {scaled(1, 0), 0, []step{{0, 1000, 1000, 0, 10, 0, true}}},
		"panic goes up and never down": {scaled(1, 98), 0, []step{{0, 8, 19, 10, 26, -107, true}, {30 * time.Second, 23, 30, 26, 40, -102, true}, {62 * time.Second, 38, 29, 40, 51, -87, false}}},
		"a second surge prolongs it":   {scaled(1, 0), 0, []step{{0, 8, 19, 10, 26, 0, true}, {40 * time.Second, 8, 60, 26, 80, 0, true}, {99 * time.Second, 8, 8, 80, 80, 0, true}, {101 * time.Second, 8, 8, 80, 11, 0, false}}},
		"panic lasts a window longer":  {scaled(1, 0), 0, []step{{0, 8, 19, 10, 26, 0, true}, {60 * time.Second, 8, 8, 26, 26, 0, true}, {60*time.Second + 1, 8, 8, 26, 11, 0, false}}},
	} {
		a := knative.NewAutoscaler(c.spec, 0, c.ready)
		for i, s := range c.steps {
			d := a.Decide(des.Time(s.after), knative.Observed{Ready: s.ready, Stable: s.stable, Panic: s.panic})
			require.Equal(t, knative.Decision{Desired: s.desired, Excess: s.excess, Panic: s.panics}, d, "%s, step %d", situation, i)
		}
	}
}

func TestAutoscalerLimits(t *testing.T) {
	t.Parallel()
	decide := func(s knative.Spec, ready int, load float64) int32 {
		return knative.NewAutoscaler(s, 0, 0).Decide(0, knative.Observed{Ready: ready, Stable: load, Panic: load}).Desired
	}
	slow := scaled(1, 0)
	slow.MaxScaleUpRate, slow.Target = 1.1, 1
	require.EqualValues(t, 3, decide(slow, 2, 3), "one pod more is always allowed")
	shrinking := scaled(1, 0)
	shrinking.MaxScaleDownRate = 1.1
	require.EqualValues(t, 90, decide(shrinking, 100, 1))
	shrinking.Reachable = false
	require.EqualValues(t, 2, decide(shrinking, 100, 1), "who is not reachable goes at once")
	active := scaled(1, 0)
	active.ActivationScale = 5
	require.EqualValues(t, 5, decide(active, 1, .1))
	require.EqualValues(t, 0, decide(active, 1, 0))

	// 2.1/.7 = 3.0000000000000004 in binary: Knative orders a fourth pod.
	one, mistakes := knative.Revision{ContainerConcurrency: 1}.Resolve(knative.DefaultSettings())
	require.Empty(t, mistakes)
	require.EqualValues(t, 4, decide(one, 3, 2.1))
}

func TestScaleDownWaitsForTheDelay(t *testing.T) {
	t.Parallel()
	s := scaled(1, 0)
	s.Target, s.ScaleDownDelay = 1, 6*time.Second
	a := knative.NewAutoscaler(s, 0, 0)
	decide := func(at, load float64) int32 {
		return a.Decide(second(at), knative.Observed{Ready: 5, Stable: load, Panic: load}).Desired
	}
	require.EqualValues(t, 5, decide(0, 5))
	require.EqualValues(t, 5, decide(2, 2))
	require.EqualValues(t, 5, decide(4, 1))
	require.EqualValues(t, 2, decide(6, 1), "the five are six seconds old")
	require.EqualValues(t, 3, decide(7, 3), "up at once")
	require.EqualValues(t, 3, decide(11, 1))
	require.EqualValues(t, 1, decide(12, 1))
}
