package controlplane_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/cluster"
	"microcosm/cosim/cluster/clustertest"
	"microcosm/cosim/controlplane"
	"microcosm/cosim/controlplane/scaling"
)

// loaded is a revision under a load that needs about ten pods.
func loaded(annotations ...string) bench {
	return bench{nodes: 4, cores: 16, horizon: 120 * time.Second, seed: 5, functions: []function{{
		arrivals: clustertest.Every(100*time.Millisecond, 0), service: second(1), cold: time.Second, concurrency: 1, annotations: annotations,
	}}}
}

func TestScaleStaysWithinItsBounds(t *testing.T) {
	t.Parallel()
	for low, high := range map[int]int{0: 3, 2: 5, 12: 12, 1: 1} {
		o := loaded("min-scale", strconv.Itoa(low), "max-scale", strconv.Itoa(high)).run(t)
		for s := range 120 {
			require.LessOrEqual(t, pods(o, s), float64(high), "second %d", s)
			require.GreaterOrEqual(t, pods(o, s), float64(low), "second %d", s)
		}
	}
}

func TestAFixedNumberOfPodsStays(t *testing.T) {
	t.Parallel()
	b := loaded()
	b.functions[0].scaler, b.functions[0].options = "fixed", scaling.Options{Target: 7}
	o := b.run(t)
	for s := 70; s < 120; s++ {
		require.Equal(t, 7.0, pods(o, s), "from the autoscaler's first decision on, second %d", s)
	}
}

// A longer way lengthens every response by as much and changes nothing else.
func TestTheWayAddsToEveryResponse(t *testing.T) {
	t.Parallel()
	const way = 40 * time.Millisecond
	near, far := loaded(), loaded()
	far.functions[0].way = func(float64) time.Duration { return way }
	near.functions[0].way = func(float64) time.Duration { return 0 }
	a, b := near.run(t), far.run(t)
	require.Equal(t, a.Account, b.Account)
	require.Equal(t, a.Timeline.Sandboxes, b.Timeline.Sandboxes)
	require.InDelta(t, a.All.Response.Sum()+way.Seconds()*float64(a.Account.Done), b.All.Response.Sum(), 1e-6)
	require.True(t, a.All.Service.Equal(&b.All.Service))
}

func TestEachFunctionNeedsItsRevision(t *testing.T) {
	t.Parallel()
	c := loaded().config(t)
	c.NewControlPlane = func() cluster.ControlPlane { return controlplane.New(controlplane.Config{Random: c.Random}) }
	m, err := cluster.New(c)
	require.NoError(t, err)
	_, err = m.Run()
	require.ErrorContains(t, err, "0 revisions for 1 functions")
}
