package workflow_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/cosim/servicetime"
	"microcosm/cosim/workflow"
)

// drawnGraph is a graph of steps that are all invoked, each by a function of its
// own that takes a constant time.
func drawnGraph(t *rapid.T) (*workflow.Graph, []time.Duration) {
	g := &workflow.Graph{
		Name:      "g",
		Latency:   time.Duration(rapid.IntRange(0, 5).Draw(t, "latency")) * ms,
		Bandwidth: rapid.SampledFrom([]float64{0, 1e6}).Draw(t, "bandwidth"),
	}
	var service []time.Duration
	n := rapid.IntRange(1, 9).Draw(t, "steps")
	for i := range n {
		service = append(service, time.Duration(rapid.IntRange(1, 50).Draw(t, "service"))*ms)
		s := workflow.Step{Name: fmt.Sprint("s", i), Function: i, Branch: workflow.Each}
		for to := i + 1; to < n; to++ {
			if rapid.IntRange(0, 2).Draw(t, "edge") == 0 {
				s.Next = append(s.Next, workflow.Edge{To: to, Probability: 1, Payload: int64(rapid.IntRange(0, 20_000).Draw(t, "payload"))})
			}
		}
		g.Steps = append(g.Steps, s)
	}
	return g, service
}

// longest returns the longest path through a graph: when its last step ends if
// nothing ever waits for a core.
func longest(g *workflow.Graph, service []time.Duration) (latency time.Duration) {
	begin := make([]time.Duration, len(g.Steps))
	for i, s := range g.Steps { // edges lead to later steps
		end := begin[i] + service[i]
		latency = max(latency, end)
		for _, e := range s.Next {
			transfer := g.Latency
			if g.Bandwidth > 0 {
				transfer += time.Duration(float64(e.Payload) / g.Bandwidth * 1e9)
			}
			begin[e.To] = max(begin[e.To], end+transfer)
		}
	}
	return latency
}

// TestALoneFlowTakesItsLongestPath: with nobody else about, the latency is that of
// the critical-path method, none of it waiting, and its parts add up.
func TestALoneFlowTakesItsLongestPath(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g, service := drawnGraph(t)
		require.Empty(t, g.Mistakes())
		flow, o := run(t, world(t, 1, constants(service...)...), g, at(10))
		require.Equal(t, workflow.Account{Begun: 1, Done: 1}, flow.Account)
		require.Equal(t, int64(len(g.Steps)), o.Account.Done)
		require.InDelta(t, longest(g, service).Seconds(), flow.Latency.Sum(), 1e-8)
		require.Zero(t, flow.Waiting.Sum())
		require.InDelta(t, flow.Latency.Sum(), flow.Service.Sum()+flow.Transfer.Sum(), 1e-8)
		var critical time.Duration
		for i, s := range flow.Steps {
			require.Equal(t, int64(1), s.Invoked)
			critical += time.Duration(s.Critical) * service[i]
		}
		require.InDelta(t, critical.Seconds(), flow.Service.Sum(), 1e-8, "the critical path's steps are those whose service counts")
	})
}

// TestMoreOfAnythingIsNeverFaster: a longer step, a slower link or a further edge
// lengthens a lone flow, or leaves it as it is.
func TestMoreOfAnythingIsNeverFaster(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g, service := drawnGraph(t)
		before, _ := run(t, world(t, 1, constants(service...)...), g, at(0))
		switch rapid.SampledFrom([]string{"step", "latency", "payload"}).Draw(t, "more") {
		case "step":
			service[rapid.IntRange(0, len(service)-1).Draw(t, "which")] += 7 * ms
		case "latency":
			g.Latency += 3 * ms
		default:
			for i := range g.Steps {
				for j := range g.Steps[i].Next {
					g.Steps[i].Next[j].Payload += 1000
				}
			}
		}
		after, _ := run(t, world(t, 1, constants(service...)...), g, at(0))
		require.GreaterOrEqual(t, after.Latency.Max(), before.Latency.Max())
	})
}

// TestFlowsFarApartDoNotMeet: each of them is a lone one.
func TestFlowsFarApartDoNotMeet(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g, service := drawnGraph(t)
		flows, o := run(t, world(t, 1, constants(service...)...), g, at(0, 2000, 4000, 6000))
		require.Equal(t, int64(4), flows.Account.Done)
		require.Equal(t, flows.Latency.Min(), flows.Latency.Max())
		require.Zero(t, flows.Waiting.Max())
		require.Equal(t, int64(4*len(g.Steps)), o.Account.Arrived)
	})
}

// TestOneBranchOfSeveral: exactly one edge is taken, as often as its probability
// says, and the steps behind the others are left out.
func TestOneBranchOfSeveral(t *testing.T) {
	t.Parallel()
	shares := []float64{.5, .3, .2}
	g := &workflow.Graph{Name: "g", Steps: []workflow.Step{{Name: "choose", Branch: workflow.One}}}
	laws := []servicetime.Distribution{servicetime.Deterministic{Value: ms}}
	for i, p := range shares {
		g.Steps[0].Next = append(g.Steps[0].Next, workflow.Edge{To: i + 1, Probability: p})
		g.Steps = append(g.Steps, workflow.Step{Name: fmt.Sprint("b", i), Function: i + 1, Branch: workflow.Each})
		laws = append(laws, servicetime.Deterministic{Value: ms})
	}
	var times []int
	const n = 4000
	for i := range n {
		times = append(times, 2*i)
	}
	flows, o := run(t, world(t, 3, laws...), g, at(times...))
	require.Equal(t, int64(n), flows.Account.Done)
	require.Equal(t, int64(2*n), o.Account.Done, "the choice and one more each")
	for i, p := range shares {
		require.InDelta(t, n*p, flows.Steps[i+1].Invoked, 5*32, "5 sigma, at most √(n/4)")
		require.Equal(t, flows.Steps[i+1].Invoked, flows.Steps[i+1].Critical)
	}
}

// TestEveryMistakeOfAGraphIsNamed with its step and edge.
func TestEveryMistakeOfAGraphIsNamed(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		spoil func(g *workflow.Graph)
		want  workflow.Mistake
	}{
		"no steps":             {func(g *workflow.Graph) { g.Steps = nil }, workflow.Mistake{Step: -1, Edge: -1, Problem: "it has no steps"}},
		"negative latency":     {func(g *workflow.Graph) { g.Latency = -1 }, workflow.Mistake{Step: -1, Edge: -1, Problem: "latency and bandwidth must not be negative"}},
		"two of a name":        {func(g *workflow.Graph) { g.Steps[1].Name = "a" }, workflow.Mistake{Step: 1, Edge: -1, Problem: `step 1 is called "a" too`}},
		"an edge to nowhere":   {func(g *workflow.Graph) { g.Steps[0].Next[0].To = 9 }, workflow.Mistake{Step: 0, Edge: 0, Problem: "it leads to no step"}},
		"two edges alike":      {func(g *workflow.Graph) { g.Steps[0].Next[1].To = 1 }, workflow.Mistake{Step: 0, Edge: 1, Problem: "it leads to b like one before it"}},
		"never taken":          {func(g *workflow.Graph) { g.Steps[0].Next[0].Probability = 0 }, workflow.Mistake{Step: 0, Edge: 0, Problem: "the probability 0 is not above 0 and at most 1: leave out what is never taken"}},
		"a negative payload":   {func(g *workflow.Graph) { g.Steps[0].Next[0].Payload = -3 }, workflow.Mistake{Step: 0, Edge: 0, Problem: "a payload of -3 bytes is negative"}},
		"one that adds up not": {func(g *workflow.Graph) { g.Steps[0].Branch = workflow.One }, workflow.Mistake{Step: 0, Edge: -1, Problem: "one of its edges is taken, but their probabilities add up to 2"}},
		"no branch":            {func(g *workflow.Graph) { g.Steps[2].Branch = workflow.BranchInvalid }, workflow.Mistake{Step: 2, Edge: -1, Problem: "its branch must be each or one"}},
	} {
		g := &workflow.Graph{Name: "g", Steps: []workflow.Step{
			{Name: "a", Branch: workflow.Each, Next: []workflow.Edge{workflow.Always(1), workflow.Always(2)}},
			{Name: "b", Branch: workflow.Each, Next: []workflow.Edge{workflow.Always(2)}},
			{Name: "c", Branch: workflow.Each},
		}}
		require.Empty(t, g.Mistakes())
		c.spoil(g)
		require.Contains(t, g.Mistakes(), c.want, situation)
	}
}

// TestGeneratedGraphsHaveTheirShape: width · depth steps and one more for a fork
// and a join each, as many edges as chains need, and a longest path of depth.
func TestGeneratedGraphsHaveTheirShape(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := workflow.Shape{
			Width: rapid.IntRange(1, 20).Draw(t, "width"), Depth: rapid.IntRange(1, 20).Draw(t, "depth"),
			Fork: rapid.Bool().Draw(t, "fork"), Join: rapid.Bool().Draw(t, "join"), Payload: 7, MemoryMiB: 64, Duration: ms,
		}
		g, err := workflow.Generate("g", s)
		require.NoError(t, err)
		require.Empty(t, g.Mistakes())
		ends := 0
		for _, end := range []bool{s.Fork, s.Join} {
			if end {
				ends++
			}
		}
		require.Len(t, g.Steps, s.Width*s.Depth+ends)
		edges := 0
		for i, step := range g.Steps {
			require.Equal(t, i, step.Function)
			require.Equal(t, 64, step.MemoryMiB)
			edges += len(step.Next)
			for _, e := range step.Next {
				require.Equal(t, int64(7), e.Payload)
			}
		}
		require.Equal(t, s.Width*(s.Depth-1+ends), edges)
		durations := make([]time.Duration, len(g.Steps))
		for i := range durations {
			durations[i] = ms
		}
		require.Equal(t, time.Duration(s.Depth+ends)*ms, longest(g, durations))
	})
	for _, s := range []workflow.Shape{{}, {Width: 1}, {Depth: 1}, {Width: -1, Depth: 5}, {Width: workflow.MaxSteps, Depth: 2}, {Width: workflow.MaxSteps + 1, Depth: 1}} {
		_, err := workflow.Generate("g", s)
		require.ErrorContains(t, err, "want both positive and at most", s)
	}
}

func TestAccountsOfFlowsBalance(t *testing.T) {
	t.Parallel()
	a := workflow.Account{Begun: 6, Done: 3, Failed: 2, Running: 1}
	require.NoError(t, a.Balance())
	a.Add(workflow.Account{Begun: 1, Running: 1})
	require.NoError(t, a.Balance())
	require.Equal(t, workflow.Account{Begun: 7, Done: 3, Failed: 2, Running: 2}, a)
	a.Done--
	require.ErrorContains(t, a.Balance(), "flows lost from the count: 7 begun, but done 2 + failed 2 + running 2")
	require.Equal(t, []string{"invalid", "each", "one", "invalid"}, []string{workflow.BranchInvalid.String(), workflow.Each.String(), workflow.One.String(), workflow.Branch(9).String()})
}
