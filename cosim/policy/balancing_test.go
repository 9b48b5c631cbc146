package policy_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/cluster"
	"microcosm/cosim/cluster/clustertest"
	"microcosm/cosim/des"
	"microcosm/cosim/policy"
	"microcosm/cosim/servicetime"
)

// farm is a cluster of equal nodes with the functions' sandboxes fixed.
func farm(t testing.TB, balancing policy.Balancing, placement string, nodes, cores int, functions ...cluster.FunctionConfig) cluster.Config {
	t.Helper()
	c := clustertest.Config(t, 5)
	c.NewBalancer = func() cluster.LoadBalancer { return balancing.Balancer(policy.MostRecent) }
	c.Placement, c.Functions = clustertest.Placement(t, placement), functions
	c.Horizon, c.Drain = des.Time(1000*time.Hour), time.Hour
	for i := range nodes {
		c.Nodes = append(c.Nodes, cluster.NodeConfig{Name: fmt.Sprint("node-", i), Cores: cores, Platform: "p"})
	}
	return c
}

// steady is a function with Poisson arrivals and a number of sandboxes.
func steady(name string, sandboxes int, interarrival time.Duration, calls int, law servicetime.Law) cluster.FunctionConfig {
	return cluster.FunctionConfig{
		Name: name, Arrivals: clustertest.First(calls, clustertest.Poisson(clustertest.Streams(11)("arrivals/"+name), interarrival)),
		Laws: map[string]servicetime.Law{"p": law}, Concurrency: 1, QueueLimit: cluster.Unlimited, Scaler: policy.Fixed{Sandboxes: sandboxes},
	}
}

func exponential(mean time.Duration) *servicetime.GivenLaw {
	return &servicetime.GivenLaw{Service: servicetime.Exponential{Expectation: mean}, BusyFraction: 1}
}

// With n queues and n to infinity the share of queues of length >= i is
// ρ^(2^i − 1), so that E[T] = Σ ρ^(2^i − 2) (Mitzenmacher 2001, section 3).
func TestPowerOfTwoMeanField(t *testing.T) {
	t.Parallel()
	const rho, n = .9, 200
	f := steady("f", n, time.Second/time.Duration(rho*n), 600_000, exponential(time.Second))
	c := farm(t, policy.Balancings()["power-of-two"], "spread", n, 1, f)
	c.Binding, c.WarmUp, c.NoNodes = cluster.BindEarly, des.Time(100*time.Second), true
	want := 0.
	for i := 1; i < 12; i++ {
		want += math.Pow(rho, math.Exp2(float64(i))-2)
	}
	require.InEpsilon(t, want, clustertest.Run(t, c).All.Response.Mean(), .03, "finite n adds about 1/n")
}

// Join-shortest-queue waits least, then least-loaded's ties by node aside the
// power of two, then random.
func TestShorterQueuesByBetterInformation(t *testing.T) {
	t.Parallel()
	mean := func(b policy.Balancing) float64 {
		c := farm(t, b, "spread", 10, 1, steady("f", 10, 110*time.Millisecond, 60_000, exponential(time.Second)))
		c.Binding = cluster.BindEarly
		return clustertest.Run(t, c).All.Response.Mean()
	}
	all := policy.Balancings()
	shortest := mean(policy.ShortestQueue{Of: "sandbox"})
	require.Less(t, shortest, .9*mean(all["power-of-two"]))
	require.Less(t, mean(all["power-of-two"]), .6*mean(all["random"]))
	require.InEpsilon(t, shortest, mean(all["least-loaded"]), .1, "they differ in their ties only")
	require.InEpsilon(t, shortest, mean(policy.ShortestQueue{Of: "node"}), .1, "here a node is a sandbox")
}

// counts returns how many calls each node served.
func counts(o *cluster.Outcome) []int64 {
	list := make([]int64, len(o.Nodes))
	for i, n := range o.Nodes {
		if n != nil {
			list[i] = n.Response.Count()
		}
	}
	return list
}

func TestConsistentHashKeepsAFunctionAtHome(t *testing.T) {
	t.Parallel()
	// One call at a time: each finds its home below any bound.
	f := steady("f", 8, 10*time.Second, 500, &servicetime.GivenLaw{Service: servicetime.Deterministic{Value: time.Millisecond}, BusyFraction: 1})
	all := counts(clustertest.Run(t, farm(t, policy.Balancings()["consistent-hash"], "spread", 8, 1, f)))
	home, busiest := 0, int64(0)
	for i, n := range all {
		if n > busiest {
			home, busiest = i, n
		}
	}
	require.Equal(t, int64(500), busiest, "all on one node: %v", all)
	// Without that node it moves to another one; without any other node it stays.
	for gone := range 8 {
		g := steady("f", 7, 10*time.Second, 500, &servicetime.GivenLaw{Service: servicetime.Deterministic{Value: time.Millisecond}, BusyFraction: 1})
		c := farm(t, policy.Balancings()["consistent-hash"], "spread", 8, 1, g)
		c.Nodes = append(c.Nodes[:gone], c.Nodes[gone+1:]...)
		left := counts(clustertest.Run(t, c))
		if gone != home {
			require.Equal(t, int64(500), left[home-min(1, max(0, home-gone))], "node %d gone: %v", gone, left)
		} else {
			require.Contains(t, left, int64(500))
		}
	}
}

func TestConsistentHashBoundsTheLoad(t *testing.T) {
	t.Parallel()
	for _, bound := range []float64{1, 1.25, 2} {
		f := steady("f", 64, 20*time.Millisecond, 20_000, exponential(time.Second)) // 50 of 64 sandboxes busy
		c := farm(t, watched{policy.ConsistentHash{MaxLoad: bound}, t, bound}, "spread", 8, 8, f)
		clustertest.Run(t, c)
	}
}

// watched checks each choice of consistent hashing against its bound.
type watched struct {
	policy.ConsistentHash
	t     testing.TB
	bound float64
}

func (w watched) Balancer(choice policy.SandboxChoice) cluster.LoadBalancer {
	return watching{w.ConsistentHash.Balancer(choice), w}
}

func TestMinWorkerSetPacksAndSpills(t *testing.T) {
	t.Parallel()
	used := func(interarrival time.Duration) (nodes int) {
		f := steady("f", 64, interarrival, 20_000, exponential(time.Second))
		for _, n := range counts(clustertest.Run(t, farm(t, policy.Balancings()["min-worker-set"], "spread", 8, 8, f))) {
			if n > 20_000/40 {
				nodes++
			}
		}
		return nodes
	}
	require.LessOrEqual(t, used(time.Second), 1, "one core's worth of demand")
	middle := used(time.Second / 16)
	require.GreaterOrEqual(t, middle, 2)
	require.LessOrEqual(t, middle, 4, "16 cores' worth, and a fifth as headroom, on nodes of 8")
	require.Equal(t, 8, used(time.Second/52))
}

func TestLocalityPlacesAFunctionTogether(t *testing.T) {
	t.Parallel()
	var functions []cluster.FunctionConfig
	for i := range 40 {
		f := steady(fmt.Sprint("f", i), 2, time.Second, 50, exponential(time.Millisecond))
		f.MemoryMiB = 100
		functions = append(functions, f)
	}
	c := farm(t, policy.Balancings()["round-robin"], "locality", 8, 8, functions...)
	for i := range c.Nodes {
		c.Nodes[i].MemoryMiB = 10_000
	}
	used := 0
	for _, n := range counts(clustertest.Run(t, c)) {
		require.Zero(t, n%50, "both sandboxes of a function stand on one node")
		if n > 0 {
			used++
		}
	}
	require.GreaterOrEqual(t, used, 6, "different functions have different homes")
}

// lukewarm is a cluster in which a core forgets: many functions share few cores.
func lukewarm(t testing.TB, b policy.Balancing, penalty float64, binding cluster.Binding, core cluster.CoreChoice) *cluster.Outcome {
	var functions []cluster.FunctionConfig
	for i := range 6 {
		law := exponential(10 * time.Millisecond)
		law.Relative, law.Model = penalty, servicetime.ConditionModel{Kind: servicetime.Interleave, HalfDepth: 4}
		functions = append(functions, steady(fmt.Sprint("f", i), 4, 15*time.Millisecond, 3000, law))
	}
	c := farm(t, b, "spread", 4, 3, functions...)
	c.Binding, c.CoreChoice = binding, core
	return clustertest.Run(t, c)
}

// Without a penalty lukewarm-aware makes exactly the decisions of its tie-break.
func TestLukewarmAwareWithoutAPenaltyIsItsTieBreak(t *testing.T) {
	t.Parallel()
	for name, base := range policy.Balancings() {
		aware := policy.LukewarmAware{TieBreak: name}
		if name == "lukewarm-aware" {
			require.ErrorContains(t, aware.Validate(), "itself")
			continue
		}
		require.NoError(t, aware.Validate())
		for _, binding := range []cluster.Binding{cluster.BindLate, cluster.BindEarly} {
			for _, core := range []cluster.CoreChoice{cluster.CorePinned, cluster.CoreLast, cluster.CoreLowest, cluster.CoreRandom} {
				a, b := lukewarm(t, base, 0, binding, core), lukewarm(t, aware, 0, binding, core)
				require.Equal(t, a.Account, b.Account)
				require.Equal(t, a.Series, b.Series, "%s, %s, %s", name, binding, core)
				require.Equal(t, counts(a), counts(b))
			}
		}
	}
}

func TestLukewarmAwareForgetsLess(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"random", "round-robin", "first-available", "least-loaded"} {
		base := lukewarm(t, policy.Balancings()[name], 3, cluster.BindLate, cluster.CoreLast).All.Service.Mean()
		aware := lukewarm(t, policy.LukewarmAware{TieBreak: name}, 3, cluster.BindLate, cluster.CoreLast).All.Service.Mean()
		require.Less(t, aware, .93*base, name)
	}
}

func TestLeastAllocatedAndBinPackAreOpposites(t *testing.T) {
	t.Parallel()
	require.Equal(t, []int64{3, 1, 1}, place(t, "least-allocated"), "the largest free share first")
	require.Equal(t, []int64{2, 2, 1}, place(t, "bin-pack"))
}

// watching checks that a chosen node stays within the bound, unless every
// candidate's node has reached it.
type watching struct {
	cluster.LoadBalancer
	watched
}

func (w watching) Choose(c *cluster.Candidates, r *rand.Rand) *cluster.Sandbox {
	s := w.LoadBalancer.Choose(c, r)
	load := 1
	for _, n := range c.Function().Nodes() {
		load += n.Load()
	}
	limit := int(math.Ceil(w.bound * float64(load) / 8))
	least := s.Node().Load()
	for i := range c.Len() {
		least = min(least, c.At(i).Node().Load())
	}
	require.True(w.t, s.Node().Load() < limit || least >= limit && s.Node().Load() == least, "load %d, limit %d, least %d", s.Node().Load(), limit, least)
	return s
}
