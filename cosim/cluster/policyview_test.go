package cluster_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/cluster"
	"microcosm/cosim/des"
	"microcosm/cosim/policy"
	"microcosm/cosim/servicetime"
)

// view is a load balancer that looks at the cluster before it takes the first
// candidate.
type view struct {
	look func(c *cluster.Candidates)
}

func (v view) Choose(c *cluster.Candidates, _ *rand.Rand) *cluster.Sandbox {
	v.look(c)
	return c.Oldest()
}

func watch(c cluster.Config, look func(*cluster.Candidates)) cluster.Config {
	c.NewBalancer = func() cluster.LoadBalancer { return view{look} }
	return c
}

func TestAPolicySeesTheNodeAsItIs(t *testing.T) {
	t.Parallel()
	f := function("f", &spy{service: 100 * ms, busy: 40 * ms}, 0, 10, 20, 70)
	f.Scaler, f.MemoryMiB = policy.Fixed{Sandboxes: 4}, 100
	c := world(t, 2, f)
	c.Nodes[0].MemoryMiB = 1000
	type seen struct{ load, busy, waiting, arrivals, inSystem, free int }
	var all []seen
	run(t, watch(c, func(c *cluster.Candidates) {
		n, f := c.At(0).Node(), c.Function()
		require.Equal(t, "node-0", n.Name())
		require.Equal(t, "p", n.Platform())
		require.Equal(t, 0, n.Index())
		require.Same(t, n, f.Nodes()[0])
		require.Equal(t, []int{2, 1000, 4, 4, 4, 1}, []int{n.Cores(), n.MemoryMiB(), n.Sandboxes(), f.Sandboxes(), f.Ready(), f.Concurrency()})
		free, limited := n.FreeMiB()
		require.True(t, limited && free == 600 && n.Fits(600) && !n.Fits(601))
		all = append(all, seen{n.Load(), n.Busy(), n.Waiting(), int(f.Arrivals()), f.InSystem(), c.Len()})
	}))
	// Each call holds a core for 40 of its 100 ms; at 20 both cores are taken, the
	// third call waits until 40, and at 70 the first two are off their cores.
	require.Equal(t, []seen{{0, 0, 0, 1, 1, 4}, {1, 1, 0, 2, 2, 3}, {2, 2, 0, 3, 3, 2}, {3, 1, 0, 4, 4, 1}}, all)
}

func TestASandboxKnowsItsPast(t *testing.T) {
	t.Parallel()
	f := function("f", &spy{service: 10 * ms, init: 30 * ms}, 0, 100, 200)
	f.Scaler = policy.FollowConcurrency{Max: 1}
	var idle []time.Duration
	run(t, watch(world(t, 1, f), func(c *cluster.Candidates) {
		s := c.At(0)
		require.True(t, s.Called(), "late binding chooses where one is free: from the second call on")
		require.Equal(t, 30*ms, s.Startup())
		require.Same(t, c.Function(), s.Function())
		require.Zero(t, s.Load())
		idle = append(idle, time.Duration(s.IdleSince()))
	}))
	require.Len(t, idle, 2)
	existing := function("f", &spy{service: 10 * ms, init: 30 * ms}, 0)
	run(t, watch(world(t, 1, existing), func(c *cluster.Candidates) {
		require.True(t, c.At(0).Called(), "one that exists from the beginning has had its first call")
		require.Zero(t, c.At(0).Startup())
	}))
}

// Core 0 serves f at 0 and x from 20 on; what a policy sees at 30 depends on how
// cores are chosen.
func TestASandboxSeesTheCoreItWouldRunOn(t *testing.T) {
	t.Parallel()
	for choice, want := range map[cluster.CoreChoice]struct{ coreIdle, canStart bool }{
		cluster.CorePinned: {false, false},
		cluster.CoreLast:   {false, true},
		cluster.CoreLowest: {false, true},
	} {
		x := function("x", &spy{service: time.Second}, 20)
		f := function("f", &spy{service: 10 * ms}, 0, 30)
		c := world(t, 2, f, function("y", &spy{service: ms}), x)
		c.CoreChoice = choice
		calls := 0
		run(t, watch(c, func(c *cluster.Candidates) {
			if calls++; c.Function().Name() == "f" && c.Function().Arrivals() == 2 {
				require.Equal(t, want.coreIdle, c.At(0).CoreIdle(), choice)
				require.Equal(t, want.canStart, c.At(0).CanStart(), choice)
			}
		}))
		require.Equal(t, 3, calls)
	}
}

// remembering takes 1 ms per invocation in between, and 99 ms on a core where its
// sandbox is new, so that a penalty says which core a policy was told about.
type remembering struct{}

func (remembering) Draw(s servicetime.State, _ float64) (servicetime.Draw, error) {
	d := time.Duration(s.K) * ms
	if s.New {
		d = 99 * ms
	}
	return servicetime.Draw{Service: ms + d, Busy: ms + d}, nil
}

func (remembering) Startup(float64, float64) (create, init time.Duration, err error) {
	return 0, 0, nil
}

func TestThePenaltyIsThatOfTheCoreThatWouldBeTaken(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		situation string
		choice    cluster.CoreChoice
		cores     int
		others    [][]int // calls of other functions between f's first call and its second, at 500
		long      int     // the other that takes a second
		penalty   time.Duration
	}{
		{"nothing in between", cluster.CoreLast, 1, nil, -1, 0},
		{"two in between", cluster.CoreLast, 1, [][]int{{200, 300}}, -1, 2 * ms},
		{"its last core is busy, the other is new to it", cluster.CoreLast, 2, [][]int{{200}}, 0, 99 * ms},
		{"all cores are busy: its last one in the end", cluster.CoreLast, 1, [][]int{{200}}, 0, ms},
		{"the lowest idle core", cluster.CoreLowest, 2, [][]int{{200}}, 0, 99 * ms},
		{"its own core, whoever is on it", cluster.CorePinned, 1, [][]int{{200}}, 0, ms},
	} {
		functions := []cluster.FunctionConfig{function("f", remembering{}, 0, 500)}
		for i, calls := range c.others {
			law := &spy{service: ms}
			if i == c.long {
				law.service = time.Second
			}
			functions = append(functions, function(string(rune('x'+i)), law, calls...))
		}
		config := world(t, c.cores, functions...)
		config.CoreChoice = c.choice
		seen := time.Duration(-1)
		run(t, watch(config, func(k *cluster.Candidates) {
			if f := k.Function(); f.Name() == "f" && f.Arrivals() == 2 {
				seen = k.At(0).Penalty()
			}
		}))
		require.Equal(t, c.penalty, seen, c.situation)
	}
}

func TestAConditionThatWasNotMeasuredCostsMost(t *testing.T) {
	t.Parallel()
	law := &half{}
	f := function("f", law, 0)
	run(t, watch(world(t, 1, f), func(c *cluster.Candidates) {
		law.missing = true
		require.Equal(t, time.Duration(1<<63-1), c.At(0).Penalty())
		law.missing = false
	}))
}

// half is a law that knows nothing while missing.
type half struct {
	spy
	missing bool
}

func (h *half) Draw(s servicetime.State, u float64) (servicetime.Draw, error) {
	if h.missing {
		return servicetime.Draw{}, &servicetime.NotSampledError{Condition: servicetime.LukewarmAfter(1)}
	}
	return h.spy.Draw(s, u)
}

// A sandbox with a queue of its own is in use all the time: it is the one used
// last whenever one of its calls has ended.
func TestUseIsOrderedByTheEndOfCallsUnderEarlyBindingToo(t *testing.T) {
	t.Parallel()
	f := function("f", &sequence{times: []time.Duration{50 * ms, 40 * ms, 100 * ms}}, 0, 1, 2, 60)
	f.Scaler = policy.Fixed{Sandboxes: 2}
	c := world(t, 2, f)
	c.Binding = cluster.BindEarly
	picks := []int{0, 1, 0, 1}
	var first *cluster.Sandbox
	c.NewBalancer = func() cluster.LoadBalancer {
		return choosing(func(c *cluster.Candidates) *cluster.Sandbox {
			pick := picks[0]
			picks = picks[1:]
			if len(picks) == 0 {
				// The first sandbox ended a call at 50 and went on with the next,
				// the second ended its only one at 41.
				require.Same(t, first, c.MostRecent())
				require.Equal(t, des.Time(60*ms), c.Function().Now())
			}
			if first == nil {
				first = c.At(pick)
			}
			return c.At(pick)
		})
	}
	law := f.Laws["p"].(*sequence)
	law.times = append(law.times, ms)
	run(t, c)
}

type choosing func(*cluster.Candidates) *cluster.Sandbox

func (c choosing) Choose(k *cluster.Candidates, _ *rand.Rand) *cluster.Sandbox { return c(k) }
