package controlplane_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/cluster"
	"microcosm/cosim/cluster/clustertest"
	"microcosm/cosim/controlplane"
	"microcosm/cosim/controlplane/scaling"
)

// surge is fifty seconds of load and silence after it.
func surge(scaler string, options scaling.Options, annotations ...string) bench {
	return bench{nodes: 4, cores: 16, horizon: 1500 * time.Second, seed: 5, functions: []function{{
		arrivals: clustertest.First(500, clustertest.Every(100*time.Millisecond, 0)), service: second(.9), cold: time.Second, concurrency: 1,
		scaler: scaler, options: options, annotations: append(annotations, "initial-scale", "12"),
	}}}
}

// Whether activators are in the path or not, scalers go on deciding after the last
// request until nothing changes any more; then they cause no events.
func TestScalersScaleDownWhileNothingHappens(t *testing.T) {
	t.Parallel()
	for _, scaler := range []string{"hpa", "rps", "average-rps", "queue-length"} {
		for _, burst := range []string{"0", "-1", "211"} {
			for least, want := range map[string]float64{"0": 1, "3": 3} {
				b := surge(scaler, scaling.Options{Target: .5, Period: 7 * time.Second}, "min-scale", least, "max-scale", "20", "target-burst-capacity", burst)
				b.horizon *= 10
				var c *counting
				b.watch = func(p cluster.ControlPlane) cluster.ControlPlane { c = &counting{ControlPlane: p}; return c }
				o := b.run(t)
				require.Equal(t, want, pods(o, 1499), "%s with target-burst-capacity %s", scaler, burst)
				require.Less(t, c.signals, 500, "%s with target-burst-capacity %s", scaler, burst)
			}
		}
	}
}

// A revision that was idle for long is scaled as one that was not.
func TestScalersSeeNothingOfALongSilence(t *testing.T) {
	t.Parallel()
	for _, scaler := range scaling.Names() {
		run := func(silence time.Duration) *cluster.Outcome {
			b := surge(scaler, scaling.Options{Target: .5, Period: 15 * time.Second, Stabilization: 30 * time.Second}, "max-scale", "20")
			var at []time.Duration
			for i := range 600 {
				at = append(at, silence+time.Duration(i)*100*time.Millisecond)
			}
			b.functions[0].arrivals = clustertest.At(at...)
			return b.run(t)
		}
		soon, late := run(450*time.Second), run(1200*time.Second)
		for s := range 120 {
			require.Equal(t, pods(soon, 449+s), pods(late, 1199+s), "%s, %d s after the silence", scaler, s)
		}
		require.Equal(t, soon.Account, late.Account)
	}
}

// seen wraps a scaler and keeps what it was shown.
type seen struct {
	controlplane.Scaler
	views *[]controlplane.View
}

func (s seen) Desired(v controlplane.View) int {
	*s.views = append(*s.views, v)
	return s.Scaler.Desired(v)
}

// Two pods of concurrency 4 on cores of their own: what arrives, what the cores do and
// how long the queues are is what a scaler is shown.
func TestWhatAScalerSees(t *testing.T) {
	t.Parallel()
	var views []controlplane.View
	b := bench{nodes: 1, cores: 8, horizon: 100 * time.Second, seed: 2, functions: []function{{
		arrivals: clustertest.Every(500*time.Millisecond, 0), service: second(2), concurrency: 4,
		scaler: "fixed", options: scaling.Options{Target: 2}, annotations: []string{"initial-scale", "2", "target-burst-capacity", "-1"},
	}}}
	c := b.config(t)
	fixed, err := scaling.New("fixed", scaling.Options{Target: 2})
	require.NoError(t, err)
	plane := controlplane.Config{Random: c.Random, Revisions: []controlplane.Revision{{
		Spec:      spec(t, 4, b.functions[0].annotations...),
		NewScaler: func() controlplane.Scaler { return seen{every10s{fixed()}, &views} },
	}}}
	c.NewControlPlane = func() cluster.ControlPlane { return controlplane.New(plane) }
	clustertest.Run(t, c)
	require.GreaterOrEqual(t, len(views), 9)
	for _, v := range views[1:] {
		require.Equal(t, 2, v.Ready)
		require.Zero(t, v.Starting)
		require.EqualValues(t, 20, v.Arrived, "two a second for ten seconds")
		require.InDelta(t, 2, v.Utilization, .21, "four cores are busy for two pods; the work of a call counts when it ends")
		require.InDelta(t, 2, v.Queue, .5, "four calls are in two pods")
	}
}

type every10s struct{ controlplane.Scaler }

func (every10s) Period() time.Duration { return 10 * time.Second }
