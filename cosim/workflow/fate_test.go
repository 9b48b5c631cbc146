package workflow_test

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
	"microcosm/cosim/workflow"
)

// never is the probability of an edge that no test will see taken.
const never = 1e-300

// fatedGraph draws a graph whose edges are taken always or never, so that what
// becomes of a flow can be told without drawing.
func fatedGraph(t *rapid.T) (*workflow.Graph, []time.Duration) {
	g, service := drawnGraph(t)
	for i := range g.Steps {
		next := g.Steps[i].Next
		if len(next) > 0 && rapid.IntRange(0, 3).Draw(t, "one") == 0 {
			g.Steps[i].Branch = workflow.One
			for j := range next {
				next[j].Probability = never
			}
			next[rapid.IntRange(0, len(next)-1).Draw(t, "which")].Probability = 1
			continue
		}
		for j := range next {
			next[j].Probability = rapid.SampledFrom([]float64{1, 1, never}).Draw(t, "fate")
		}
	}
	return g, service
}

// naive tells the fate of a flow that never waits for a core by the words of the
// package comment: which steps are invoked, and when each ends.
type naive struct {
	invoked []bool
	end     []time.Duration // or when it was left out
}

func tell(g *workflow.Graph, service []time.Duration) naive {
	n := naive{make([]bool, len(g.Steps)), make([]time.Duration, len(g.Steps))}
	for i := range g.Steps { // edges lead to later steps
		root, begin := true, time.Duration(0)
		for from, s := range g.Steps[:i] {
			for _, e := range s.Next {
				if e.To != i {
					continue
				}
				root = false
				heard := n.end[from]
				if n.invoked[from] && e.Probability == 1 {
					n.invoked[i] = true
					heard += g.Transfer(e.Payload)
				}
				begin = max(begin, heard)
			}
		}
		n.invoked[i] = n.invoked[i] || root
		n.end[i] = begin
		if n.invoked[i] {
			n.end[i] += service[i]
		}
	}
	return n
}

// latency is when the last of the steps that were invoked has ended.
func (n naive) latency() (latency time.Duration) {
	for i, end := range n.end {
		if n.invoked[i] {
			latency = max(latency, end)
		}
	}
	return latency
}

// TestFlowsHaveTheFateThatTheirEdgesSay: steps are left out with all that hangs on
// them, others wait until that is certain, and nothing else happens.
func TestFlowsHaveTheFateThatTheirEdgesSay(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g, service := fatedGraph(t)
		want := tell(g, service)
		flow, o := run(t, world(t, 1, constants(service...)...), g, at(0))
		invoked, critical := shares(flow)
		total := int64(0)
		for i := range g.Steps {
			require.Equal(t, want.invoked[i], invoked[i] == 1, "step %d", i)
			require.LessOrEqual(t, critical[i], invoked[i])
			total += invoked[i]
		}
		require.Equal(t, total, o.Account.Done)
		require.Equal(t, workflow.Account{Begun: 1, Done: 1}, flow.Account)
		require.InDelta(t, want.latency().Seconds(), flow.Latency.Sum(), 1e-8)
		require.Zero(t, flow.Waiting.Max())
	})
}

// paths calls visit with every path from a step that nothing leads to.
func paths(g *workflow.Graph, visit func(path []int)) {
	called := map[int]bool{}
	for _, s := range g.Steps {
		for _, e := range s.Next {
			called[e.To] = true
		}
	}
	var walk func(path []int)
	walk = func(path []int) {
		visit(path)
		for _, e := range g.Steps[path[len(path)-1]].Next {
			walk(append(slices.Clone(path), e.To))
		}
	}
	for i := range g.Steps {
		if !called[i] {
			walk([]int{i})
		}
	}
}

// TestTheCriticalPathIsTheLongestOfAllPaths lists all of them: none is longer, and
// the steps that are said to be critical are one of the longest.
func TestTheCriticalPathIsTheLongestOfAllPaths(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g, service := drawnGraph(t)
		flow, _ := run(t, world(t, 1, constants(service...)...), g, at(0))
		_, critical := shares(flow)
		var said []int
		for i, n := range critical {
			if n > 0 {
				said = append(said, i)
			}
		}
		most, found, depth := time.Duration(0), false, 0
		paths(g, func(path []int) {
			length := time.Duration(0)
			for n, i := range path {
				length += service[i]
				if n > 0 {
					j := slices.IndexFunc(g.Steps[path[n-1]].Next, func(e workflow.Edge) bool { return e.To == i })
					length += g.Transfer(g.Steps[path[n-1]].Next[j].Payload)
				}
			}
			most, depth = max(most, length), max(depth, len(path))
			found = found || slices.Equal(path, said) && length == flow.Latency.Max()
		})
		require.Equal(t, most, flow.Latency.Max())
		require.True(t, found, "%v is one of the longest", said)
		_, extent := g.Extent()
		require.Equal(t, depth, extent)
	})
}

// TestExpectedInvocationsOfATree: without branches that meet again, the expected
// number is the product of the probabilities on the way.
func TestExpectedInvocationsOfATree(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 12).Draw(t, "steps")
		g, want := &workflow.Graph{Name: "tree", Steps: make([]workflow.Step, n)}, make([]float64, n)
		want[0] = 1
		for i := range n {
			g.Steps[i] = workflow.Step{Name: fmt.Sprint(i), Branch: workflow.Each}
			if i > 0 {
				p := rapid.Float64Range(.01, 1).Draw(t, "probability")
				from := rapid.IntRange(0, i-1).Draw(t, "from")
				g.Steps[from].Next = append(g.Steps[from].Next, workflow.Edge{To: i, Probability: p})
				want[i] = want[from] * p
			}
		}
		require.Empty(t, g.Mistakes())
		require.InDeltaSlice(t, want, g.Expected(), 1e-12)
	})
}

// manual is an engine whose invocations the test ends by hand.
type manual struct {
	t        *testing.T
	engine   *workflow.Engine
	released map[int32]cluster.Release
	order    []int32
}

func byHand(t *testing.T, g *workflow.Graph) *manual {
	e, err := workflow.New([]workflow.Stream{{Graph: g, Arrivals: at(0)}}, clustertest.Streams(1), 0)
	require.NoError(t, err)
	m := &manual{t: t, engine: e, released: map[int32]cluster.Release{}}
	e.Begin(0, m.release)
	return m
}

func (m *manual) release(r cluster.Release) {
	m.released[r.Tag] = r
	m.order = append(m.order, r.Tag)
}

// end ends the invocation of a function that is under way.
func (m *manual) end(function int, now, way time.Duration) {
	for tag, r := range m.released {
		if r.Function == function {
			delete(m.released, tag)
			m.engine.Ended(des.Time(now), cluster.Ended{Tag: tag, Done: true, Service: ms, Way: way}, m.release)
			return
		}
	}
	require.Fail(m.t, "not under way", "function %d", function)
}

// last returns what was released last.
func (m *manual) last() cluster.Release { return m.released[m.order[len(m.order)-1]] }

// A reply may be overtaken by that of an invocation that ended later. What waits
// for both begins when the later reply is there, whatever it says.
func TestRepliesThatOvertakeOneAnother(t *testing.T) {
	t.Parallel()
	join := func(first, second float64) *manual {
		return byHand(t, &workflow.Graph{Name: "join", Steps: []workflow.Step{
			step(0, workflow.Edge{To: 2, Probability: first}), step(1, workflow.Edge{To: 2, Probability: second}), step(2),
		}})
	}
	for situation, c := range map[string]struct{ first, second float64 }{
		"the late one calls":     {1, never},
		"the late one calls not": {never, 1},
		"both call, one late":    {1, 1},
	} {
		m := join(c.first, c.second)
		m.end(0, 10*ms, 5*ms) // there at 15 ms
		m.end(1, 12*ms, 0)    // there at 12 ms
		require.Equal(t, 2, m.last().Function, situation)
		require.Equal(t, 3*ms, m.last().After, "%s: at 15 ms", situation)
		m.end(2, 20*ms, 0)
		o := m.engine.Outcome()[0]
		require.Equal(t, 20*ms, o.Latency.Max(), situation)
		_, critical := shares(o)
		require.Equal(t, []int64{1, 0, 1}, critical, "%s: the late one was waited for", situation)
	}

	// The same behind a step that is left out.
	m := byHand(t, &workflow.Graph{Name: "behind", Steps: []workflow.Step{
		step(0, workflow.Edge{To: 2, Probability: never}), step(1, workflow.Edge{To: 2, Probability: never}, workflow.Always(3)),
		step(2, workflow.Always(3)), step(3),
	}})
	m.end(0, 10*ms, 5*ms)
	m.end(1, 12*ms, 0)
	require.Equal(t, 3, m.last().Function)
	require.Equal(t, 3*ms, m.last().After)
}

// What ends while a flow is doomed brings nothing about, and the account closes when
// the last of it has ended.
func TestADoomedFlowReleasesNothingMore(t *testing.T) {
	t.Parallel()
	m := byHand(t, &workflow.Graph{Name: "two", Steps: []workflow.Step{step(0, workflow.Always(2)), step(1, workflow.Always(3)), step(2), step(3)}})
	m.engine.Ended(des.Time(ms), cluster.Ended{Tag: m.order[0]}, m.release)
	require.Equal(t, workflow.Account{Begun: 1, Running: 1}, m.engine.Outcome()[0].Account, "the other still runs")
	m.end(1, 2*ms, 0)
	require.Len(t, m.order, 2, "nothing follows")
	o := m.engine.Outcome()[0]
	require.Equal(t, workflow.Account{Begun: 1, Failed: 1}, o.Account)
	require.Zero(t, o.Latency.Count())
	require.NoError(t, m.engine.Check())
}
