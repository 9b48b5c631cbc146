package workflow_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/cosim/cluster/clustertest"
	"microcosm/cosim/des"
	"microcosm/cosim/workflow"
)

func TestAPayloadTakesLatencyAndBandwidth(t *testing.T) {
	t.Parallel()
	const century = 100 * 365 * 24 * time.Hour
	for situation, c := range map[string]struct {
		latency   time.Duration
		bandwidth float64
		payload   int64
		want      time.Duration
	}{
		"nothing":                     {0, 0, 0, 0},
		"no limit":                    {2 * ms, 0, 1 << 50, 2 * ms},
		"no payload":                  {2 * ms, 1, 0, 2 * ms},
		"a second":                    {0, 1e6, 1e6, time.Second},
		"both":                        {3 * ms, 1e9, 4096, 3*ms + 4096},
		"rounded to a nanosecond":     {0, 3, 1, 333_333_333},
		"rounded up from half":        {0, 2e9, 1, 1},
		"a petabyte byte by byte":     {0, 1, 1 << 50, century},
		"a latency of two centuries":  {2 * century, 0, 0, century},
		"an eternity and a payload":   {2 * century, 1, 1, century},
		"a payload of nearly as much": {time.Hour, 1, int64(century / time.Second), century},
	} {
		g := &workflow.Graph{Latency: c.latency, Bandwidth: c.bandwidth}
		require.Equal(t, c.want, g.Transfer(c.payload), situation)
	}
}

// A payload in two parts saves or costs no more than a latency and rounding.
func TestPayloadsAddUp(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g := &workflow.Graph{Latency: time.Duration(rapid.Int64Range(0, 1e9).Draw(t, "latency")), Bandwidth: rapid.Float64Range(1e3, 1e12).Draw(t, "bandwidth")}
		a, b := rapid.Int64Range(0, 1e9).Draw(t, "a"), rapid.Int64Range(0, 1e9).Draw(t, "b")
		require.InDelta(t, g.Transfer(a+b)+g.Latency, g.Transfer(a)+g.Transfer(b), 2)
		require.GreaterOrEqual(t, g.Transfer(a+b), g.Transfer(a))
	})
}

// A transfer beyond the end of time leaves its flow under way, and harms no other.
func TestATransferBeyondTheEndOfTime(t *testing.T) {
	t.Parallel()
	g := &workflow.Graph{Name: "g", Bandwidth: 1, Steps: []workflow.Step{step(0, carrying(1, 1<<50)), step(1)}}
	flows, o := run(t, world(t, 1, constants(ms, ms)...), g, at(0, 1))
	require.Equal(t, workflow.Account{Begun: 2, Running: 2}, flows.Account)
	require.Equal(t, int64(2), o.Account.Done)
}

// drawnCycle draws a graph in which edges may lead anywhere but to their own step.
func drawnCycle(t *rapid.T) *workflow.Graph {
	n := rapid.IntRange(2, 9).Draw(t, "steps")
	g := &workflow.Graph{Name: "g"}
	for i := range n {
		s := workflow.Step{Name: fmt.Sprint("s", i), Branch: workflow.Each}
		for to := range n {
			if to != i && rapid.IntRange(0, 5).Draw(t, "edge") == 0 {
				s.Next = append(s.Next, workflow.Always(to))
			}
		}
		g.Steps = append(g.Steps, s)
	}
	return g
}

// sortable reports whether the steps can be put in an order: one that nothing leads
// to is taken away until none is left (Kahn, 1962).
func sortable(g *workflow.Graph) bool {
	gone := make([]bool, len(g.Steps))
	for range g.Steps {
		for i := range g.Steps {
			called := false
			for from, s := range g.Steps {
				called = called || !gone[from] && slices.ContainsFunc(s.Next, func(e workflow.Edge) bool { return e.To == i })
			}
			gone[i] = gone[i] || !called
		}
	}
	return !slices.Contains(gone, false)
}

// TestACycleIsNamed wherever there is one: by steps that really lead to one another,
// each once.
func TestACycleIsNamed(t *testing.T) {
	t.Parallel()
	seen := map[bool]int{}
	rapid.Check(t, func(t *rapid.T) {
		g := drawnCycle(t)
		mistakes := g.Mistakes()
		seen[sortable(g)]++
		if sortable(g) {
			require.Empty(t, mistakes)
			return
		}
		require.Len(t, mistakes, 1)
		trail, found := strings.CutPrefix(mistakes[0].Problem, "it is reached again from itself: ")
		require.True(t, found)
		names := strings.Split(trail, " → ")
		require.Equal(t, g.Steps[mistakes[0].Step].Name, names[0])
		require.Equal(t, names[0], names[len(names)-1])
		require.GreaterOrEqual(t, len(names), 3)
		index := func(name string) int {
			return slices.IndexFunc(g.Steps, func(s workflow.Step) bool { return s.Name == name })
		}
		for i, name := range names[:len(names)-1] {
			require.Equal(t, i, slices.Index(names, name), "each once: %s", trail)
			require.True(t, slices.ContainsFunc(g.Steps[index(name)].Next, func(e workflow.Edge) bool { return e.To == index(names[i+1]) }), trail)
		}
	})
	require.Positive(t, seen[true])
	require.Positive(t, seen[false])
}

// Of a long cycle the first twelve steps and the one that closes it are named.
func TestALongCycleIsCutShort(t *testing.T) {
	t.Parallel()
	ring := func(n int) string {
		g := &workflow.Graph{Name: "ring"}
		for i := range n {
			g.Steps = append(g.Steps, workflow.Step{Name: fmt.Sprint(i), Branch: workflow.Each, Next: []workflow.Edge{workflow.Always((i + 1) % n)}})
		}
		require.Len(t, g.Mistakes(), 1)
		return strings.TrimPrefix(g.Mistakes()[0].Problem, "it is reached again from itself: ")
	}
	require.Equal(t, "0 → 1 → 2 → 3 → 4 → 5 → 6 → 7 → 8 → 9 → 10 → 11 → 12 → 0", ring(13))
	require.Equal(t, "0 → 1 → 2 → 3 → 4 → 5 → 6 → 7 → 8 → 9 → 10 → 11 → … → 0", ring(14))
	require.Equal(t, "0 → 1 → 2 → 3 → 4 → 5 → 6 → 7 → 8 → 9 → 10 → 11 → … → 0", ring(90_000))
}

// Several graphs side by side: each is drawn from a stream of its own name, so that
// one changes nothing of another's fate, and flows begin in the order of time.
func TestGraphsDoNotChangeEachOther(t *testing.T) {
	t.Parallel()
	choose := func(name string) *workflow.Graph {
		return &workflow.Graph{Name: name, Steps: []workflow.Step{
			{Name: "a", Function: 0, Branch: workflow.Each, Next: []workflow.Edge{{To: 1, Probability: .5}, {To: 2, Probability: .3}}},
			{Name: "b", Function: 1, Branch: workflow.Each}, {Name: "c", Function: 2, Branch: workflow.Each},
		}}
	}
	var times []int
	for i := range 200 {
		times = append(times, 40*i)
	}
	together := func(graphs ...*workflow.Graph) []workflow.Outcome {
		c := world(t, 1, constants(ms, ms, ms)...)
		var streams []workflow.Stream
		for _, g := range graphs {
			streams = append(streams, workflow.Stream{Graph: g, Arrivals: at(times...)})
		}
		e, err := workflow.New(streams, c.Random, 0)
		require.NoError(t, err)
		c.Flows = e
		clustertest.Run(t, c)
		require.NoError(t, e.Check())
		return e.Outcome()
	}
	alone := together(choose("x"))[0]
	both := together(choose("y"), choose("x"))
	for i, s := range alone.Steps {
		require.Equal(t, s.Invoked, both[1].Steps[i].Invoked)
	}
	require.NotEqual(t, alone.Steps[1].Invoked, both[0].Steps[1].Invoked, "of another name, another fate")
	require.InDelta(t, 100, alone.Steps[1].Invoked, 5*7.1)
	require.InDelta(t, 60, alone.Steps[2].Invoked, 5*6.5)

	empty, err := workflow.New([]workflow.Stream{{Graph: choose("x"), Arrivals: at()}}, func(string) *rand.Rand { return rand.New(rand.NewPCG(1, 1)) }, 0)
	require.NoError(t, err)
	_, any := empty.Next()
	require.False(t, any)
	late, err := workflow.New([]workflow.Stream{{Graph: choose("x"), Arrivals: at(9)}, {Graph: choose("y"), Arrivals: at(7)}}, clustertest.Streams(1), 0)
	require.NoError(t, err)
	when, any := late.Next()
	require.True(t, any)
	require.Equal(t, des.Time(7*ms), when, "the earliest of all")
}
