package cluster_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
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
		Discipline:  rapid.SampledFrom([]cluster.Discipline{cluster.FCFS, cluster.ProcessorSharing, cluster.CFS}).Draw(t, "discipline"),
		QuotaPeriod: 100 * ms,
		CoreChoice:  rapid.SampledFrom([]cluster.CoreChoice{cluster.CorePinned, cluster.CoreLast, cluster.CoreLowest, cluster.CoreRandom}).Draw(t, "core"),
		Binding:     rapid.SampledFrom([]cluster.Binding{cluster.BindLate, cluster.BindEarly}).Draw(t, "binding"),
		NewBalancer: newBalancer,
		Placement:   placement,
		Horizon:     des.Time(8 * time.Second),
		WarmUp:      des.Time(rapid.IntRange(0, 4).Draw(t, "warm-up")) * des.Time(time.Second),
		Drain:       time.Duration(rapid.IntRange(0, 20).Draw(t, "drain")) * time.Second,
		Buckets:     rapid.IntRange(1, 50).Draw(t, "buckets"),
		Retry:       drawnRetry(t),
	}
	for i := range rapid.IntRange(1, 3).Draw(t, "nodes") {
		n := cluster.NodeConfig{
			Name: fmt.Sprint("node-", i), Platform: "p",
			Cores:     rapid.IntRange(1, 4).Draw(t, "cores"),
			MemoryMiB: rapid.SampledFrom([]int{0, 256, 512, 2048}).Draw(t, "memory"),
		}
		n.MaxSandboxes = rapid.SampledFrom([]int{0, 0, 3}).Draw(t, "most sandboxes")
		n.PlaceMiB = n.MemoryMiB * rapid.IntRange(0, 2).Draw(t, "overcommitment")
		if rapid.Bool().Draw(t, "unreliable") {
			n.Reliability = drawnReliability(t, n.Cores)
		}
		base.Nodes = append(base.Nodes, n)
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
		f.NewHedge = drawnHedge(t)
		f.CPURequest, f.CPULimit = rapid.IntRange(0, 2000).Draw(t, "CPU"), rapid.SampledFrom([]int{0, 0, 300, 1500}).Draw(t, "CPU limit")
		if f.MemoryMiB > 0 && rapid.IntRange(0, 2).Draw(t, "hungry") == 0 {
			f.RequestMiB = rapid.SampledFrom([]int{0, 20}).Draw(t, "request")
			f.Memory = &cluster.MemoryUse{IdleMiB: rapid.IntRange(0, f.MemoryMiB).Draw(t, "idle"), Invocation: uniform{0, rapid.IntRange(0, 150).Draw(t, "memory of a call")}}
		}
		if rapid.Bool().Draw(t, "fixed") {
			f.Scaler = policy.Fixed{Sandboxes: rapid.IntRange(0, 3).Draw(t, "sandboxes")}
		} else {
			f.Scaler = policy.FollowConcurrency{Min: rapid.IntRange(0, 2).Draw(t, "min"), Max: rapid.SampledFrom([]int{cluster.Unlimited, 2, 6}).Draw(t, "max")}
		}
		base.Functions = append(base.Functions, f)
		interarrivals = append(interarrivals, time.Duration(rapid.IntRange(20, 500).Draw(t, "interarrival"))*time.Millisecond)
	}
	return func() cluster.Config {
		c := base
		c.Random = clustertest.Streams(seed)
		c.Functions = append([]cluster.FunctionConfig(nil), base.Functions...)
		for i := range c.Functions {
			c.Functions[i].Arrivals = clustertest.Poisson(c.Random("arrivals/"+c.Functions[i].Name), interarrivals[i])
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

// drawnReliability is any way to come and go at a scale of seconds.
func drawnReliability(t *rapid.T, cores int) cluster.Reliability {
	span := func(name string) time.Duration {
		return time.Duration(rapid.IntRange(1, 5000).Draw(t, name)) * ms
	}
	r := cluster.Reliability{
		Notice: rapid.SampledFrom([]time.Duration{0, 50 * ms, 2 * time.Second}).Draw(t, "notice"),
		Repair: rapid.SampledFrom([]time.Duration{cluster.Unlimited, 0, 500 * ms}).Draw(t, "repair"),
	}
	for range rapid.IntRange(0, 4).Draw(t, "steps") {
		r.Schedule.Steps = append(r.Schedule.Steps, cluster.CoreStep{For: span("for"), Cores: rapid.IntRange(0, cores).Draw(t, "online")})
	}
	r.Schedule.Offset = rapid.SampledFrom([]time.Duration{0, 1234 * ms}).Draw(t, "offset")
	if rapid.Bool().Draw(t, "mortal") {
		r.Lifetime = servicetime.Exponential{Expectation: span("lifetime")}
	}
	for range rapid.IntRange(0, 2).Draw(t, "failures") {
		r.FailAt = append(r.FailAt, span("at"))
	}
	return r
}

func drawnRetry(t *rapid.T) cluster.Retry {
	all := policy.Retries()
	all["at once"] = policy.FixedRetry{Attempts: 4, Rejected: true}
	all["backoff"] = policy.Backoff{Attempts: 10, Base: 10 * ms, Cap: time.Second, Jitter: true, Rejected: true}
	return all[rapid.SampledFrom(slices.Sorted(maps.Keys(all))).Draw(t, "retry")]
}

func drawnHedge(t *rapid.T) func() cluster.Hedge {
	return rapid.SampledFrom([]func() cluster.Hedge{
		nil, policy.FixedHedge{}.Hedge, policy.FixedHedge{Delay: 30 * ms}.Hedge, policy.QuantileHedge{Quantile: .5, MinSamples: 3}.Hedge,
	}).Draw(t, "hedge")
}

// Whatever the policies and however nodes come and go: no request is lost, cores are busy exactly as long as
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
		require.GreaterOrEqual(t, a.Account.Attempts, a.Account.Arrived)
		require.Equal(t, a.Wasted, b.Wasted)
		require.Equal(t, a.Preempted, b.Preempted)
		require.Equal(t, []int64{a.OverLimit, a.OutOfMemory, a.Throttled, a.Migrated}, []int64{b.OverLimit, b.OutOfMemory, b.Throttled, b.Migrated})
		require.LessOrEqual(t, a.MeanBusyCores, a.MeanCores+1e-9)
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

// asked hides that a placement is a NodeOrder, so that it is asked about every node.
type asked struct{ cluster.Placement }

// To know which node comes first is the same as to ask for it.
func TestANodeOrderIsItsPlacement(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		draw := drawn(t)
		known := draw()
		known.Placement = clustertest.Placement(t, rapid.SampledFrom([]string{"spread", "least-allocated"}).Draw(t, "order"))
		require.Implements(t, (*cluster.NodeOrder)(nil), known.Placement)
		scanned := draw()
		scanned.Placement = asked{known.Placement}
		a, b := run(t, known), run(t, scanned)
		require.Equal(t, a.Account, b.Account)
		require.Equal(t, a.Timeline, b.Timeline)
		require.Equal(t, a.Nodes, b.Nodes)
	})
}
