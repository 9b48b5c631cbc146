package workflow

import (
	"fmt"
	"strconv"
	"time"
)

// Shape describes a generated graph: Width chains of Depth steps that begin
// together, with one step before and one behind them where Fork and Join say so.
// Width 1 is a chain; Depth 1 with both is a fork and join.
type Shape struct {
	Width, Depth int
	Fork, Join   bool
	Payload      int64 // bytes on every edge
	Duration     time.Duration
	MemoryMiB    int
}

// MaxSteps bounds the steps of one graph.
const MaxSteps = 100_000

// Generate returns the graph of a shape. Its steps are called f0, f1 and so on, by
// depth; the function of each is its own number.
func Generate(name string, s Shape) (*Graph, error) {
	steps := s.Width * s.Depth
	if s.Width < 1 || s.Depth < 1 || s.Width > MaxSteps || s.Depth > MaxSteps || steps > MaxSteps-2 {
		return nil, fmt.Errorf("workflow %s: width %d and depth %d: want both positive and at most %d steps in all", name, s.Width, s.Depth, MaxSteps)
	}
	g := &Graph{Name: name}
	add := func() int {
		n := len(g.Steps)
		step := Step{Name: "f" + strconv.Itoa(n), Function: n, Branch: Each, MemoryMiB: s.MemoryMiB}
		if s.Duration > 0 {
			step.Durations = []Weighted{{s.Duration, 1}}
		}
		g.Steps = append(g.Steps, step)
		return n
	}
	connect := func(from, to int) {
		g.Steps[from].Next = append(g.Steps[from].Next, Edge{To: to, Probability: 1, Payload: s.Payload})
	}
	var above []int // of the depth before, one per chain
	if s.Fork {
		fork := add()
		for range s.Width {
			above = append(above, fork)
		}
	}
	for range s.Depth {
		var here []int
		for chain := range s.Width {
			n := add()
			if above != nil {
				connect(above[chain], n)
			}
			here = append(here, n)
		}
		above = here
	}
	if s.Join {
		join := add()
		for _, from := range above {
			connect(from, join)
		}
	}
	return g, nil
}
