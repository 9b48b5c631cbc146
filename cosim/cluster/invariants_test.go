package cluster_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/cosim/cluster"
	"microcosm/cosim/des"
	"microcosm/cosim/policy"
	"microcosm/cosim/servicetime"
)

// drawn is a random cluster under random policies. Calling it again gives an
// equal configuration with fresh streams.
func drawn(t *rapid.T) func() cluster.Config {
	seed := rapid.Uint64().Draw(t, "seed")
	choice, err := policy.ParseSandboxChoice(rapid.SampledFrom(policy.SandboxChoices()).Draw(t, "choice"))
	require.NoError(t, err)
	newBalancer, err := policy.Balancer(rapid.SampledFrom(policy.BalancerNames()).Draw(t, "balancer"), choice)
	require.NoError(t, err)
	placement, err := policy.Placement(rapid.SampledFrom(policy.PlacementNames()).Draw(t, "placement"))
	require.NoError(t, err)
	base := cluster.Config{
		Discipline:  rapid.SampledFrom([]cluster.Discipline{cluster.FCFS, cluster.ProcessorSharing}).Draw(t, "discipline"),
		CoreChoice:  rapid.SampledFrom([]cluster.CoreChoice{cluster.CorePinned, cluster.CoreLast, cluster.CoreLowest, cluster.CoreRandom}).Draw(t, "core"),
		Binding:     rapid.SampledFrom([]cluster.Binding{cluster.BindLate, cluster.BindEarly}).Draw(t, "binding"),
		NewBalancer: newBalancer,
		Placement:   placement,
		Horizon:     des.Time(20 * time.Second),
		WarmUp:      des.Time(rapid.IntRange(0, 10).Draw(t, "warm-up")) * des.Time(time.Second),
		Drain:       time.Duration(rapid.IntRange(0, 20).Draw(t, "drain")) * time.Second,
		Buckets:     rapid.IntRange(1, 50).Draw(t, "buckets"),
	}
	for i := range rapid.IntRange(1, 3).Draw(t, "nodes") {
		base.Nodes = append(base.Nodes, cluster.NodeConfig{
			Name: fmt.Sprint("node-", i), Platform: "p",
			Cores:     rapid.IntRange(1, 4).Draw(t, "cores"),
			MemoryMiB: rapid.SampledFrom([]int{0, 256, 512, 2048}).Draw(t, "memory"),
		})
	}
	var interarrivals []time.Duration
	for i := range rapid.IntRange(1, 4).Draw(t, "functions") {
		law := &servicetime.GivenLaw{
			Service:      servicetime.Exponential{Expectation: time.Duration(rapid.IntRange(1, 300).Draw(t, "service")) * time.Millisecond},
			BusyFraction: rapid.SampledFrom([]float64{1, .5}).Draw(t, "busy"),
			Relative:     rapid.SampledFrom([]float64{0, 1}).Draw(t, "penalty"),
			Model:        servicetime.ConditionModel{Kind: servicetime.Interleave, HalfDepth: 4},
			Init:         servicetime.Deterministic{Value: 50 * time.Millisecond},
		}
		f := cluster.FunctionConfig{
			Name: fmt.Sprint("f", i), Laws: map[string]servicetime.Law{"p": law},
			Concurrency: rapid.IntRange(1, 3).Draw(t, "concurrency"),
			MemoryMiB:   rapid.SampledFrom([]int{0, 100, 200}).Draw(t, "sandbox"),
			QueueLimit:  rapid.SampledFrom([]int{cluster.Unlimited, 0, 5}).Draw(t, "limit"),
			Minor:       rapid.Bool().Draw(t, "minor"),
		}
		f.NewKeepAlive = drawnKeepAlive(t)
		if rapid.Bool().Draw(t, "fixed") {
			f.Scaler = policy.Fixed{Sandboxes: rapid.IntRange(0, 3).Draw(t, "sandboxes")}
		} else {
			f.Scaler = policy.FollowConcurrency{Min: rapid.IntRange(0, 2).Draw(t, "min"), Max: rapid.SampledFrom([]int{cluster.Unlimited, 2, 6}).Draw(t, "max")}
		}
		base.Functions = append(base.Functions, f)
		interarrivals = append(interarrivals, time.Duration(rapid.IntRange(5, 500).Draw(t, "interarrival"))*time.Millisecond)
	}
	return func() cluster.Config {
		c := base
		c.Random = stream(seed)
		c.Functions = append([]cluster.FunctionConfig(nil), base.Functions...)
		for i := range c.Functions {
			c.Functions[i].Arrivals = &poisson{random: c.Random("arrivals/" + c.Functions[i].Name), mean: interarrivals[i]}
		}
		return c
	}
}

// drawnKeepAlive is any keep-alive at a scale of seconds.
func drawnKeepAlive(t *rapid.T) func(*rand.Rand) cluster.KeepAlive {
	name := rapid.SampledFrom(append(policy.KeepAliveNames(), "")).Draw(t, "keep-alive")
	keeping := policy.Keepings()[name]
	switch k := keeping.(type) {
	case nil:
		return nil
	case policy.FixedTime:
		k.For = rapid.SampledFrom([]time.Duration{cluster.Unlimited, 0, time.Second}).Draw(t, "for")
		keeping = k
	case policy.Halving:
		k.Period, k.Jitter, k.EarlyLoss = time.Second, 400*ms, .1
		keeping = k
	case policy.Knative:
		k.StableWindow, k.Grace = time.Second, 500*ms
		keeping = k
	case policy.HybridHistogram:
		k.Bin, k.Range, k.MinSamples = 20*ms, time.Second, 2
		keeping = k
	}
	return keeping.KeepAlive
}

// Whatever the policies: no request is lost, cores are busy exactly as long as
// they work (both checked by Run itself), and equal inputs give equal outcomes.
func TestEveryPolicyKeepsTheBooks(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		config := drawn(t)
		outcome := func() *cluster.Outcome {
			m, err := cluster.New(config())
			require.NoError(t, err)
			o, err := m.Run()
			require.NoError(t, err)
			return o
		}
		a, b := outcome(), outcome()
		require.Equal(t, a.Account, b.Account)
		require.LessOrEqual(t, a.ColdStarts, a.Cold)
		require.True(t, a.All.Response.Equal(&b.All.Response))
		require.Equal(t, a.Timeline, b.Timeline)
		require.Equal(t, a.Account.Arrived, a.Account.Attempts)
		require.LessOrEqual(t, a.MeanBusyCores, float64(a.Cores)+1e-9)
		var classes int64
		for _, c := range a.Classes {
			if c != nil {
				classes += c.Response.Count()
			}
		}
		require.Equal(t, a.All.Response.Count(), classes)
		require.GreaterOrEqual(t, a.All.Response.Min(), a.All.Service.Min())
	})
}
