// Package workflow is what happens between functions: graphs of steps in which the
// end of one invocation releases others.
//
// A flow is one run of a graph. It begins with the steps that nothing leads to.
// When a step has ended, each of its edges is taken or not, by its probability;
// a taken edge carries its payload to the next step. A step with several edges
// into it waits until all are decided, and is invoked when the last payload has
// come; if none was taken it is left out, and so are the edges behind it ("dead
// path elimination": Leymann and Roller, Production Workflow, 2000, section
// 3.5.5). The flow is done when every step has ended or was left out.
//
// The package records of every flow the time from its beginning to the end of its
// last step, and where that time went: going back from the last step, each time to
// the step that was waited for last (for its payload, or to hear that none comes),
// gives the critical path. Its service, waiting
// and transfer times add up to the flow's latency exactly.
//
// Which edges a flow takes is drawn when it begins, in the order written and the
// same number of times for each, so that two policies see the same flows. It
// reads no clock and no file. Numbered deviations:
//
//  1. A payload takes latency + size / bandwidth of its graph, whatever else is on
//     its way, and at most a century; the first payload, the request's own, takes
//     nothing.
//  2. A flow of which an invocation was rejected has failed: what has begun is
//     brought to its end, nothing more is released.
package workflow

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// Branch is how the edges of a step are chosen.
type Branch uint8

// The branches.
const (
	BranchInvalid Branch = iota
	Each                 // every edge by its own probability, independently
	One                  // exactly one edge; the probabilities add up to 1
)

var branchWords = [...]string{"invalid", "each", "one"}

// String returns the word of the branch.
func (b Branch) String() string {
	if int(b) < len(branchWords) {
		return branchWords[b]
	}
	return branchWords[BranchInvalid]
}

// Graph is a workflow: an acyclic graph of steps. It is immutable once given to New.
type Graph struct {
	Name      string
	Steps     []Step
	Latency   time.Duration // of every transfer
	Bandwidth float64       // bytes per second of every transfer; 0: without a limit
}

// Step is one invocation of a graph.
type Step struct {
	Name     string
	Function int // index in cluster.Config.Functions
	// Durations are given service times, one of which is drawn by its weight; none:
	// the function's own law.
	Durations []Weighted
	MemoryMiB int // of a sandbox of its function; 0: not said
	Branch    Branch
	Next      []Edge
}

// Weighted is a duration with its probability.
type Weighted struct {
	Value       time.Duration
	Probability float64
}

// Edge leads from a step to another.
type Edge struct {
	To          int // index in Graph.Steps
	Probability float64
	Payload     int64 // bytes
}

// Always returns an edge that is always taken and carries nothing.
func Always(to int) Edge { return Edge{To: to, Probability: 1} }

// tolerance is how far probabilities may be from adding up to 1.
const tolerance = 1e-9

// Mistake is one thing wrong in a graph: with a step, and with one of its edges
// unless Edge is -1. Step is -1 where it concerns the whole graph.
type Mistake struct {
	Step, Edge int
	Problem    string
}

// Mistakes returns everything that is wrong with a graph.
func (g *Graph) Mistakes() []Mistake {
	var list []Mistake
	wrong := func(step, edge int, format string, args ...any) {
		list = append(list, Mistake{step, edge, fmt.Sprintf(format, args...)})
	}
	if len(g.Steps) == 0 {
		wrong(-1, -1, "it has no steps")
	}
	if g.Latency < 0 || g.Bandwidth < 0 || math.IsNaN(g.Bandwidth) {
		wrong(-1, -1, "latency and bandwidth must not be negative")
	}
	names := map[string]int{}
	sound := true
	for i, s := range g.Steps {
		if first, twice := names[s.Name]; twice {
			wrong(i, -1, "step %d is called %q too", first+1, s.Name)
		} else {
			names[s.Name] = i
		}
		for j, e := range s.Next {
			if e.To < 0 || e.To >= len(g.Steps) {
				wrong(i, j, "it leads to no step")
				sound = false
			} else if slices.ContainsFunc(s.Next[:j], func(x Edge) bool { return x.To == e.To }) {
				wrong(i, j, "it leads to %s like one before it", g.Steps[e.To].Name)
			}
			if !(e.Probability > 0 && e.Probability <= 1) {
				wrong(i, j, "the probability %v is not above 0 and at most 1: leave out what is never taken", e.Probability)
			}
			if e.Payload < 0 {
				wrong(i, j, "a payload of %d bytes is negative", e.Payload)
			}
		}
		if problem := s.problem(); problem != "" {
			wrong(i, -1, "%s", problem)
		}
	}
	if sound {
		if cycle := g.cycle(); cycle != nil {
			wrong(cycle[0], -1, "it is reached again from itself: %s", g.path(cycle))
		}
	}
	return list
}

// problem returns what is wrong with a step as a whole.
func (s *Step) problem() string {
	sum := 0.0
	for _, e := range s.Next {
		sum += e.Probability
	}
	if s.Branch == One && len(s.Next) > 0 && math.Abs(sum-1) > tolerance {
		return fmt.Sprintf("one of its edges is taken, but their probabilities add up to %v", sum)
	}
	if s.Branch != One && s.Branch != Each {
		return "its branch must be each or one"
	}
	sum = 0
	for _, d := range s.Durations {
		if d.Value <= 0 || !(d.Probability >= 0) {
			return fmt.Sprintf("the duration %v with probability %v: want both positive", d.Value, d.Probability)
		}
		sum += d.Probability
	}
	if len(s.Durations) > 0 && math.Abs(sum-1) > tolerance {
		return fmt.Sprintf("the probabilities of its durations add up to %v, not 1", sum)
	}
	return ""
}

// Check returns an error that joins every mistake.
func (g *Graph) Check() error {
	var errs []error
	for _, m := range g.Mistakes() {
		place := "workflow " + g.Name
		if m.Step >= 0 {
			place += ", step " + g.Steps[m.Step].Name
		}
		if m.Edge >= 0 {
			place += fmt.Sprintf(", edge %d", m.Edge+1)
		}
		errs = append(errs, fmt.Errorf("%s: %s", place, m.Problem))
	}
	return errors.Join(errs...)
}

// cycle returns the steps of a cycle, nil if there is none. It uses no recursion:
// a chain may have thousands of steps.
func (g *Graph) cycle() []int {
	const (
		unseen = iota
		open
		closed
	)
	state := make([]uint8, len(g.Steps))
	next := make([]int, len(g.Steps)) // the edge to look at
	for start := range g.Steps {
		if state[start] != unseen {
			continue
		}
		trail := []int{start}
		state[start] = open
		for len(trail) > 0 {
			at := trail[len(trail)-1]
			if next[at] == len(g.Steps[at].Next) {
				state[at] = closed
				trail = trail[:len(trail)-1]
				continue
			}
			to := g.Steps[at].Next[next[at]].To
			next[at]++
			switch state[to] {
			case open:
				return append(trail[slices.Index(trail, to):], to)
			case unseen:
				state[to] = open
				trail = append(trail, to)
			}
		}
	}
	return nil
}

// maxShown is how many steps of a cycle are named.
const maxShown = 12

func (g *Graph) path(steps []int) string {
	var names []string
	for i, s := range steps {
		if i == maxShown && len(steps) > maxShown+2 {
			names = append(names, "…")
			steps = steps[len(steps)-1:]
			names = append(names, g.Steps[steps[0]].Name)
			break
		}
		names = append(names, g.Steps[s].Name)
	}
	return strings.Join(names, " → ")
}

// Extent returns the width and depth of a graph: the most steps that lie equally deep, and how many
// follow one another on the longest way.
func (g *Graph) Extent() (width, depth int) {
	level := make([]int, len(g.Steps))
	count := map[int]int{}
	for _, at := range g.order() {
		for _, e := range g.Steps[at].Next {
			level[e.To] = max(level[e.To], level[at]+1)
		}
	}
	for _, l := range level {
		count[l]++
		width, depth = max(width, count[l]), max(depth, l+1)
	}
	return width, depth
}

// order returns the steps so that every edge leads onwards. The graph must have no
// cycle.
func (g *Graph) order() []int {
	into := g.into()
	var order []int
	for i, n := range into {
		if n == 0 {
			order = append(order, i)
		}
	}
	for n := 0; n < len(order); n++ {
		for _, e := range g.Steps[order[n]].Next {
			if into[e.To]--; into[e.To] == 0 {
				order = append(order, e.To)
			}
		}
	}
	return order
}

// into returns how many edges lead to each step.
func (g *Graph) into() []int {
	into := make([]int, len(g.Steps))
	for _, s := range g.Steps {
		for _, e := range s.Next {
			into[e.To]++
		}
	}
	return into
}

// Expected returns how often each step is invoked per flow, on average.
func (g *Graph) Expected() []float64 {
	// A step is left out if all edges into it are. Their fates are not independent
	// where branches meet again, so this is exact without such, and for edges that
	// are always taken.
	left := make([]float64, len(g.Steps))
	for i := range left {
		left[i] = 1
	}
	expected := make([]float64, len(g.Steps))
	into := g.into()
	for _, at := range g.order() {
		if into[at] == 0 {
			left[at] = 0
		}
		expected[at] = 1 - left[at]
		for _, e := range g.Steps[at].Next {
			left[e.To] *= 1 - expected[at]*e.Probability
		}
	}
	return expected
}
