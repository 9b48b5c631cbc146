package workflow_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/cosim/cluster"
	"microcosm/cosim/cluster/clustertest"
	"microcosm/cosim/des"
	"microcosm/cosim/policy"
	"microcosm/cosim/servicetime"
	"microcosm/cosim/workflow"
)

const ms = time.Millisecond

// world is a cluster with one function per law, each on a node of its own with one
// core and one sandbox, which no other function uses: queues side by side.
func world(t require.TestingT, seed uint64, laws ...servicetime.Distribution) cluster.Config {
	c := clustertest.Config(t, seed)
	c.Horizon, c.Drain = des.Time(10*time.Second), 1000*time.Hour
	for i, law := range laws {
		c.Nodes = append(c.Nodes, cluster.NodeConfig{Name: name("node-", i), Cores: 1, MemoryMiB: 100, Platform: "p"})
		c.Functions = append(c.Functions, cluster.FunctionConfig{
			Name: name("f", i), Arrivals: cluster.NoArrivals{}, Concurrency: 1, MemoryMiB: 100, QueueLimit: cluster.Unlimited,
			Laws:   clustertest.Laws(law),
			Scaler: policy.Fixed{Sandboxes: 1},
		})
	}
	return c
}

func name(prefix string, i int) string { return prefix + string(rune('a'+i)) }

func constants(values ...time.Duration) (laws []servicetime.Distribution) {
	for _, v := range values {
		laws = append(laws, servicetime.Deterministic{Value: v})
	}
	return laws
}

// run runs flows of one graph on the cluster.
func run(t require.TestingT, c cluster.Config, g *workflow.Graph, arrivals cluster.Arrivals) (workflow.Outcome, *cluster.Outcome) {
	e, err := workflow.New([]workflow.Stream{{Graph: g, Arrivals: arrivals}}, c.Random, c.WarmUp)
	require.NoError(t, err)
	c.Flows = e
	o := clustertest.Run(t, c)
	require.NoError(t, e.Check())
	require.Same(t, e, o.Flows)
	return e.Outcome()[0], o
}

func at(milliseconds ...int) *workflow.Arrivals {
	a := &workflow.Arrivals{}
	for _, n := range milliseconds {
		a.Times = append(a.Times, des.Time(time.Duration(n)*ms))
	}
	return a
}

func step(i int, next ...workflow.Edge) workflow.Step {
	return workflow.Step{Name: name("", i), Function: i, Branch: workflow.Each, Next: next}
}

func carrying(to int, payload int64) workflow.Edge {
	return workflow.Edge{To: to, Probability: 1, Payload: payload}
}

func shares(o workflow.Outcome) (invoked, critical []int64) {
	for _, s := range o.Steps {
		invoked, critical = append(invoked, s.Invoked), append(critical, s.Critical)
	}
	return invoked, critical
}

func TestADiamondByHand(t *testing.T) {
	t.Parallel()
	// a (10 ms) to b (20 ms) and c (5 ms, behind a payload of 30 kB at 1 MB/s), both
	// to d (1 ms); every transfer takes 1 ms more. b is at d after 10+1+20+1 = 32 ms,
	// c after 10+1+30+5+1 = 47 ms: the flow takes 48 ms.
	g := &workflow.Graph{Name: "diamond", Latency: ms, Bandwidth: 1e6, Steps: []workflow.Step{
		step(0, workflow.Always(1), carrying(2, 30_000)), step(1, workflow.Always(3)), step(2, workflow.Always(3)), step(3),
	}}
	flows, o := run(t, world(t, 1, constants(10*ms, 20*ms, 5*ms, ms)...), g, at(0))
	require.Equal(t, 48*ms, flows.Latency.Max())
	require.Equal(t, 16*ms, flows.Service.Max(), "10 + 5 + 1")
	require.Equal(t, 32*ms, flows.Transfer.Max(), "1 + 30 + 1")
	require.Equal(t, time.Duration(0), flows.Waiting.Max())
	invoked, critical := shares(flows)
	require.Equal(t, []int64{1, 1, 1, 1}, invoked)
	require.Equal(t, []int64{1, 0, 1, 1}, critical)
	require.Equal(t, int64(4), o.Account.Done)
}

func TestTheSecondFlowWaitsBehindTheFirst(t *testing.T) {
	t.Parallel()
	g := &workflow.Graph{Name: "chain", Steps: []workflow.Step{step(0, workflow.Always(1)), step(1)}}
	flows, _ := run(t, world(t, 1, constants(10*ms, 30*ms)...), g, at(0, 1))
	// The second: waits 9 ms for a, ends it at 20, waits for b until 40, ends at 70.
	require.Equal(t, 69*ms, flows.Latency.Max())
	require.Equal(t, 29*ms, flows.Waiting.Max())
	require.Equal(t, 40*ms, flows.Service.Max())
	require.Equal(t, int64(2), flows.Account.Done)
}

func TestWhatIsNotTakenIsLeftOut(t *testing.T) {
	t.Parallel()
	// a to b always; b one of c, d; c to e; d to e; a to e directly.
	one := step(1, workflow.Edge{To: 2, Probability: .5}, workflow.Edge{To: 3, Probability: .5})
	one.Branch = workflow.One
	g := &workflow.Graph{Name: "choice", Steps: []workflow.Step{
		step(0, workflow.Always(1), workflow.Always(4)), one, step(2, workflow.Always(4)), step(3, workflow.Always(4)), step(4),
	}}
	var times []int
	for i := range 1000 {
		times = append(times, i*100)
	}
	c := world(t, 7, constants(ms, ms, 3*ms, 5*ms, ms)...)
	c.Horizon = des.Time(200 * time.Second)
	flows, _ := run(t, c, g, at(times...))
	invoked, critical := shares(flows)
	require.Equal(t, int64(1000), invoked[2]+invoked[3], "exactly one of the two")
	require.InDelta(t, 500, invoked[2], 60, "half of them: 3.8 standard deviations")
	require.Equal(t, int64(1000), invoked[4])
	require.Equal(t, critical[2]+critical[3], int64(1000))
	require.Equal(t, 6*ms, flows.Latency.Min(), "1 + 1 + 3 + 1")
	require.Equal(t, 8*ms, flows.Latency.Max(), "1 + 1 + 5 + 1")
	require.InDelta(t, (float64(invoked[2])*6+float64(invoked[3])*8)/1000, 1000*flows.Latency.Mean(), 1e-9)
}

func TestAWholeBranchMayBeLeftOut(t *testing.T) {
	t.Parallel()
	// a to b in one of 10^9 flows, b to c, c to d; a to d. d waits to hear of b, c.
	g := &workflow.Graph{Name: "rare", Steps: []workflow.Step{
		step(0, workflow.Edge{To: 1, Probability: 1e-9}, workflow.Always(3)), step(1, workflow.Always(2)), step(2, workflow.Always(3)), step(3),
	}}
	flows, _ := run(t, world(t, 1, constants(ms, ms, ms, ms)...), g, at(0, 100))
	invoked, _ := shares(flows)
	require.Equal(t, []int64{2, 0, 0, 2}, invoked)
	require.Equal(t, 2*ms, flows.Latency.Max())
	nothing := &workflow.Graph{Name: "nothing", Steps: []workflow.Step{step(0, workflow.Edge{To: 1, Probability: 1e-9}), step(1)}}
	flows, _ = run(t, world(t, 1, constants(ms, ms)...), nothing, at(0))
	require.Equal(t, workflow.Account{Begun: 1, Done: 1}, flows.Account)
	require.Equal(t, ms, flows.Latency.Max())
}

func TestWaitingToHearThatNothingComes(t *testing.T) {
	t.Parallel()
	// c is called by a (1 ms) for certain, and by b (20 ms) almost never: it waits for
	// b's decision, so that b lies on the critical path.
	g := &workflow.Graph{Name: "decision", Steps: []workflow.Step{
		step(0, workflow.Always(2)), step(1, workflow.Edge{To: 2, Probability: 1e-9}), step(2),
	}}
	flows, _ := run(t, world(t, 1, constants(ms, 20*ms, ms)...), g, at(0))
	require.Equal(t, 21*ms, flows.Latency.Max())
	require.Equal(t, 21*ms, flows.Service.Max())
	_, critical := shares(flows)
	require.Equal(t, []int64{0, 1, 1}, critical)
}

func TestAFlowFailsWithAnInvocation(t *testing.T) {
	t.Parallel()
	g := &workflow.Graph{Name: "chain", Steps: []workflow.Step{step(0, workflow.Always(1)), step(1, workflow.Always(2)), step(2)}}
	c := world(t, 1, constants(ms, 50*ms, ms)...)
	c.Functions[1].QueueLimit = 0
	flows, o := run(t, c, g, at(0, 10, 20, 100))
	require.Equal(t, workflow.Account{Begun: 4, Done: 2, Failed: 2}, flows.Account)
	require.Equal(t, int64(2), o.Account.Rejected)
	require.Equal(t, int64(2), flows.Latency.Count(), "of those that are done")
}

func TestWhatIsUnderWayAtTheEndIsCounted(t *testing.T) {
	t.Parallel()
	g := &workflow.Graph{Name: "slow", Latency: time.Hour, Steps: []workflow.Step{step(0, workflow.Always(1)), step(1)}}
	c := world(t, 1, constants(ms, ms)...)
	c.Drain = time.Minute
	flows, o := run(t, c, g, at(0, 5000, 20_000))
	require.Equal(t, workflow.Account{Begun: 2, Running: 2}, flows.Account, "the third is behind the horizon")
	require.Equal(t, int64(2), o.Account.Done)
	c = world(t, 1, constants(ms, ms)...)
	c.WarmUp = des.Time(time.Second)
	flows, _ = run(t, c, g, at(0, 5000))
	require.Equal(t, int64(2), flows.Account.Done, "transfers keep the run going")
	require.Equal(t, int64(1), flows.Latency.Count(), "the first began in the warm-up")
}

func TestGivenDurationsAreDrawnByWeight(t *testing.T) {
	t.Parallel()
	s := step(0)
	s.Durations = []workflow.Weighted{{Value: ms, Probability: .9}, {Value: 100 * ms, Probability: .1}}
	var times []int
	for i := range 2000 {
		times = append(times, 200*i)
	}
	c := world(t, 3, constants(time.Second)...)
	c.Horizon = des.Time(1000 * time.Second)
	flows, _ := run(t, c, &workflow.Graph{Name: "g", Steps: []workflow.Step{s}}, at(times...))
	require.InDelta(t, .9*.001+.1*.1, flows.Latency.Mean(), 4*math.Sqrt(.09)*.099/math.Sqrt(2000), "within 4 standard errors")
	require.Equal(t, 100*ms, flows.Latency.Max())
}

func TestTheWayBackCounts(t *testing.T) {
	t.Parallel()
	g := &workflow.Graph{Name: "chain", Latency: ms, Steps: []workflow.Step{step(0, workflow.Always(1)), step(1)}}
	e, err := workflow.New([]workflow.Stream{{Graph: g, Arrivals: at(0)}}, clustertest.Streams(1), 0)
	require.NoError(t, err)
	var released []cluster.Release
	release := func(r cluster.Release) { released = append(released, r) }
	e.Begin(0, release)
	e.Ended(des.Time(10*ms), cluster.Ended{Tag: released[0].Tag, Done: true, Service: 8 * ms, Way: 5 * ms}, release)
	require.Equal(t, 6*ms, released[1].After, "the way back, then the transfer")
	e.Ended(des.Time(30*ms), cluster.Ended{Tag: released[1].Tag, Done: true, Arrived: des.Time(16 * ms), Service: 14 * ms, Way: 3 * ms}, release)
	flows := e.Outcome()
	require.Equal(t, 33*ms, flows[0].Latency.Max())
	require.Equal(t, 10*ms, flows[0].Waiting.Max(), "33 - 22 of service - 1 of transfer")
}

// TestForkJoinOfTwo compares with the exact mean of two M/M/1 queues that are fed by
// one Poisson process: (12 - rho) / (8 (mu - lambda)). Nelson and Tantawi,
// Approximate analysis of fork/join synchronization in parallel queues, 1988, after
// Flatto and Hahn, 1984.
func TestForkJoinOfTwo(t *testing.T) {
	t.Parallel()
	for _, rho := range []float64{.3, .6} {
		g, err := workflow.Generate("fork-join", workflow.Shape{Width: 2, Depth: 1})
		require.NoError(t, err)
		second := servicetime.Exponential{Expectation: time.Second}
		c := world(t, 5, second, second)
		c.Horizon, c.WarmUp = des.Time(200_000*time.Second), des.Time(5000*time.Second)
		flows, _ := run(t, c, g, clustertest.Poisson(clustertest.Streams(11)("flows"), time.Duration(1e9/rho)))
		require.InEpsilon(t, (12-rho)/(8*(1-rho)), flows.Latency.Mean(), .03, "rho %v", rho)
	}
}

// TestAChainOfQueuesIsAProduct: with Poisson arrivals the queues of a chain of
// exponential servers are independent (Burke, 1956), so the mean latency is the sum
// of 1/(mu - lambda).
func TestAChainOfQueuesIsAProduct(t *testing.T) {
	t.Parallel()
	g, err := workflow.Generate("chain", workflow.Shape{Width: 1, Depth: 3})
	require.NoError(t, err)
	exp := func(s float64) servicetime.Distribution {
		return servicetime.Exponential{Expectation: time.Duration(s * 1e9)}
	}
	c := world(t, 9, exp(1), exp(.5), exp(1.25))
	c.Horizon, c.WarmUp = des.Time(400_000*time.Second), des.Time(5000*time.Second)
	flows, _ := run(t, c, g, clustertest.Poisson(clustertest.Streams(13)("flows"), time.Duration(2e9)))
	want := 1/(1-.5) + 1/(2-.5) + 1/(.8-.5)
	require.InEpsilon(t, want, flows.Latency.Mean(), .04)
	require.InEpsilon(t, 2.75, flows.Service.Mean(), .02)
}

// TestNoFlowIsLost runs random graphs: every flow and every invocation is accounted
// for, no step runs more than once per flow, the parts of the critical path add up,
// and the same seed gives the same outcome.
func TestNoFlowIsLost(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		g := graph(r)
		var laws []servicetime.Distribution
		for range g.Steps {
			laws = append(laws, servicetime.Exponential{Expectation: time.Duration(rapid.IntRange(1, 50).Draw(r, "mean")) * ms})
		}
		c := world(t, rapid.Uint64().Draw(r, "seed"), laws...)
		limit := rapid.SampledFrom([]int{cluster.Unlimited, 0, 2}).Draw(r, "queue limit")
		for i := range c.Functions {
			c.Functions[i].QueueLimit = limit
		}
		c.Drain = rapid.SampledFrom([]time.Duration{0, time.Second, time.Hour}).Draw(r, "drain")
		mean := 1e6 * float64(rapid.IntRange(20, 500).Draw(r, "gap"))
		flows, o := run(t, c, g, clustertest.Poisson(clustertest.Streams(1)("flows"), time.Duration(mean)))
		again, same := run(t, c, g, clustertest.Poisson(clustertest.Streams(1)("flows"), time.Duration(mean)))
		require.Equal(r, flows, again)
		require.Equal(r, o.Account, same.Account)

		require.NoError(r, flows.Account.Balance())
		var invoked, critical int64
		for _, s := range flows.Steps {
			require.LessOrEqual(r, s.Critical, s.Invoked)
			require.LessOrEqual(r, s.Invoked, flows.Account.Done)
			invoked += s.Invoked
			critical += s.Critical
		}
		require.LessOrEqual(r, invoked, o.Account.Done)
		if limit == cluster.Unlimited && flows.Account.Running == 0 {
			require.Equal(r, o.Account.Done, invoked)
			require.Zero(r, flows.Account.Failed)
		}
		require.GreaterOrEqual(r, critical, flows.Account.Done, "a path has a step at least")
		require.GreaterOrEqual(r, flows.Waiting.Min(), time.Duration(0))
		sum := flows.Service.Sum() + flows.Waiting.Sum() + flows.Transfer.Sum()
		require.InDelta(r, flows.Latency.Sum(), sum, 1e-6)
	})
}

// graph draws a graph whose edges lead onwards.
func graph(r *rapid.T) *workflow.Graph {
	g := &workflow.Graph{Name: "g", Latency: time.Duration(rapid.IntRange(0, 3).Draw(r, "latency")) * ms, Bandwidth: 1e6}
	n := rapid.IntRange(1, 7).Draw(r, "steps")
	for i := range n {
		s := step(i)
		for to := i + 1; to < n; to++ {
			if rapid.Bool().Draw(r, "edge") {
				s.Next = append(s.Next, workflow.Edge{To: to, Probability: rapid.SampledFrom([]float64{1, .5, .1}).Draw(r, "probability"), Payload: int64(rapid.IntRange(0, 5000).Draw(r, "payload"))})
			}
		}
		if len(s.Next) > 0 && rapid.Bool().Draw(r, "one") {
			s.Branch = workflow.One
			for j := range s.Next {
				s.Next[j].Probability = 1 / float64(len(s.Next))
			}
		}
		g.Steps = append(g.Steps, s)
	}
	return g
}

func TestThousandsOfSteps(t *testing.T) {
	t.Parallel()
	for situation, shape := range map[string]workflow.Shape{
		"a chain": {Width: 1, Depth: 5000}, "a fan": {Width: 5000, Depth: 1, Fork: true, Join: true},
	} {
		shape.Duration = ms
		g, err := workflow.Generate("g", shape)
		require.NoError(t, err)
		c := world(t, 1, constants(ms)...)
		c.Nodes[0].Cores, c.Nodes[0].MemoryMiB, c.Functions[0].MemoryMiB = 1000, 0, 0
		c.Functions[0].Scaler = policy.Fixed{Sandboxes: 1000}
		for i := range g.Steps {
			g.Steps[i].Function = 0
		}
		flows, o := run(t, c, g, at(0))
		require.Equal(t, int64(1), flows.Account.Done, situation)
		require.Equal(t, int64(len(g.Steps)), o.Account.Done, situation)
		if shape.Depth > 1 {
			require.Equal(t, 5*time.Second, flows.Latency.Max(), situation)
		} else {
			require.Equal(t, 7*ms, flows.Latency.Max(), "1 + 5000 on 1000 cores + 1")
		}
	}
}
