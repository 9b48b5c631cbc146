package cluster_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/cosim/cluster"
	"microcosm/cosim/cluster/clustertest"
	"microcosm/cosim/des"
	"microcosm/cosim/policy"
	"microcosm/cosim/servicetime"
)

// stretched is a law all of whose times are multiplied.
type stretched struct {
	servicetime.Law
	by time.Duration
}

func (s stretched) Draw(state servicetime.State, u float64) (servicetime.Draw, error) {
	state.Idle /= s.by
	d, err := s.Law.Draw(state, u)
	d.Service, d.Busy = d.Service*s.by, d.Busy*s.by
	return d, err
}

func (s stretched) Startup(u, v float64) (create, init time.Duration, err error) {
	create, init, err = s.Law.Startup(u, v)
	return create * s.by, init * s.by, err
}

// small draws a cluster of a few functions that queue, start and expire, under one
// of the load balancers, all of whose times are multiplied.
func small(t *rapid.T, balancers ...string) func(by time.Duration, nodes int) cluster.Config {
	seed := rapid.Uint64().Draw(t, "seed")
	binding := rapid.SampledFrom([]cluster.Binding{cluster.BindLate, cluster.BindEarly}).Draw(t, "binding")
	choice := rapid.SampledFrom([]cluster.CoreChoice{cluster.CorePinned, cluster.CoreLast, cluster.CoreLowest, cluster.CoreRandom}).Draw(t, "core")
	balancing := rapid.SampledFrom(balancers).Draw(t, "balancer")
	type drawnFunction struct {
		at      []time.Duration
		service time.Duration
		init    time.Duration
		keep    time.Duration
		scaler  cluster.Scaler
	}
	var drawn []drawnFunction
	for range rapid.IntRange(1, 3).Draw(t, "functions") {
		d := drawnFunction{
			at:      drawnLoad(t, 30).at,
			service: time.Duration(rapid.IntRange(1, 30).Draw(t, "service")) * ms,
			init:    time.Duration(rapid.IntRange(0, 40).Draw(t, "init")) * ms,
			keep:    time.Duration(rapid.IntRange(0, 60).Draw(t, "keep")) * ms,
			scaler:  policy.FollowConcurrency{Max: rapid.IntRange(1, 4).Draw(t, "max")},
		}
		if rapid.Bool().Draw(t, "fixed") {
			d.scaler = policy.Fixed{Sandboxes: rapid.IntRange(1, 3).Draw(t, "sandboxes")}
		}
		drawn = append(drawn, d)
	}
	return func(by time.Duration, nodes int) cluster.Config {
		c := clustertest.Config(t, seed)
		c.Binding, c.CoreChoice = binding, choice
		c.NewBalancer, c.Placement = clustertest.Balancer(t, balancing), clustertest.Placement(t, "first-fit")
		c.Horizon, c.Drain = des.Time(by*time.Second), by*time.Hour
		for i := range nodes {
			c.Nodes = append(c.Nodes, cluster.NodeConfig{Name: fmt.Sprint(i), Cores: 2, Platform: "p"})
		}
		for i, d := range drawn {
			at := slices.Clone(d.at)
			for j := range at {
				at[j] *= by
			}
			law := &servicetime.GivenLaw{
				Service: servicetime.Exponential{Expectation: d.service}, BusyFraction: 1, Relative: 1,
				Init: servicetime.Deterministic{Value: d.init}, Model: servicetime.ConditionModel{Kind: servicetime.Interleave, HalfDepth: 4},
			}
			c.Functions = append(c.Functions, cluster.FunctionConfig{
				Name: fmt.Sprint("f", i), Arrivals: clustertest.At(at...), Laws: map[string]servicetime.Law{"p": stretched{law, by}},
				Concurrency: 1, QueueLimit: cluster.Unlimited, Scaler: d.scaler, NewKeepAlive: keep(d.keep * by),
			})
		}
		return c
	}
}

// Time has no scale of its own: with every time multiplied, every time that comes
// out is, and nothing else changes.
func TestTimeHasNoScaleOfItsOwn(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		config := small(t, policy.BalancerNames()...)
		by := time.Duration(rapid.SampledFrom([]int{2, 10, 1000}).Draw(t, "by"))
		one, many := clustertest.Run(t, config(1, 1)), clustertest.Run(t, config(by, 1))
		require.Equal(t, one.Account, many.Account)
		require.Equal(t, one.Created, many.Created)
		require.Equal(t, one.Cold, many.Cold)
		require.InEpsilon(t, float64(by)*one.All.Response.Sum(), many.All.Response.Sum(), 1e-9)
		require.InDelta(t, float64(by)*one.All.Waiting.Sum(), many.All.Waiting.Sum(), 1e-9*float64(by))
		require.InEpsilon(t, one.MeanBusyCores, many.MeanBusyCores, 1e-9)
		require.Equal(t, one.Functions[0].Classes, many.Functions[0].Classes)
	})
}

// A node on which nothing is ever placed changes nothing but the number of cores.
func TestANodeNobodyUsesChangesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		// consistent-hash compares a node with the average of all, min-worker-set
		// counts the cores of all.
		config := small(t, slices.DeleteFunc(policy.BalancerNames(), func(name string) bool {
			return name == "consistent-hash" || name == "min-worker-set"
		})...)
		alone, beside := clustertest.Run(t, config(1, 1)), clustertest.Run(t, config(1, 3))
		require.True(t, alone.All.Response.Equal(&beside.All.Response))
		require.Equal(t, alone.Account, beside.Account)
		require.Equal(t, alone.MeanBusyCores, beside.MeanBusyCores)
		require.Equal(t, 3*alone.MeanCores, beside.MeanCores)
		require.Nil(t, beside.Nodes[1])
	})
}

// The luck of a call is drawn at its arrival: where the law does not depend on
// the condition, every policy faces the same service times.
func TestEveryPolicyFacesTheSameLuck(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		config := small(t, policy.BalancerNames()...)
		serve := func(balancing string, choice cluster.CoreChoice) *cluster.Outcome {
			c := config(1, 2)
			c.NewBalancer, c.CoreChoice = clustertest.Balancer(t, balancing), choice
			for i := range c.Functions {
				c.Functions[i].Laws = clustertest.Laws(servicetime.Exponential{Expectation: 10 * ms})
			}
			return clustertest.Run(t, c)
		}
		a := serve("sticky", cluster.CoreLast)
		b := serve(rapid.SampledFrom(policy.BalancerNames()).Draw(t, "other"), cluster.CoreRandom)
		require.True(t, a.All.Service.Equal(&b.All.Service))
		for i := range a.Functions {
			require.True(t, a.Functions[i].Times.Service.Equal(&b.Functions[i].Times.Service))
		}
	})
}

// What stands in the warm-up and what is recorded are parts of one and the same
// run: moving the border moves requests from one side to the other.
func TestTheWarmUpOnlyDecidesWhatIsRecorded(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		config := small(t, policy.BalancerNames()...)
		border := des.Time(time.Duration(rapid.IntRange(1, 999).Draw(t, "warm-up")) * ms)
		cut := config(1, 1)
		cut.WarmUp = border
		whole, part := clustertest.Run(t, config(1, 1)), clustertest.Run(t, cut)
		require.Equal(t, whole.Account, part.Account)
		require.Equal(t, whole.Timeline, part.Timeline)
		require.Equal(t, whole.Created, part.Created)
		require.Equal(t, part.Admissions, part.All.Response.Count())
		require.LessOrEqual(t, part.All.Response.Count(), whole.All.Response.Count())
		require.LessOrEqual(t, part.All.Response.Max(), whole.All.Response.Max())
	})
}

// The marginals of every partition add up to the whole.
func TestMarginalsAddUp(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		o := clustertest.Run(t, small(t, policy.BalancerNames()...)(1, 3))
		var byFunction, byNode, byClass cluster.Times
		classes := [cluster.Classes]int64{}
		for _, f := range o.Functions {
			byFunction.Merge(f.Times)
			for i, n := range f.Classes {
				classes[i] += n
			}
		}
		for _, n := range o.Nodes {
			if n != nil {
				byNode.Merge(n)
			}
		}
		for i, c := range o.Classes {
			if c != nil {
				byClass.Merge(c)
				require.Equal(t, classes[i], c.Response.Count(), cluster.Class(i))
			} else {
				require.Zero(t, classes[i])
			}
		}
		for _, part := range []*cluster.Times{&byFunction, &byNode, &byClass} {
			require.True(t, part.Response.Equal(&o.All.Response))
			require.True(t, part.Waiting.Equal(&o.All.Waiting))
			require.True(t, part.Service.Equal(&o.All.Service))
		}
		require.Equal(t, o.Cold, classes[cluster.ClassCold])
		require.Equal(t, int(o.All.Response.Count()), int(o.Series.Count()))
		require.InDelta(t, o.MeanInSystem, mean(o.Timeline.InSystem), 1e-3, "the timeline is the same integral, by parts")
	})
}

func mean(xs []float64) (m float64) {
	for _, x := range xs {
		m += x / float64(len(xs))
	}
	return m
}
