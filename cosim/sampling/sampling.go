// Package sampling decides what to measure next in detail, and when it is enough.
//
// A cluster's number depends on many cells (a function in a condition on a
// platform), of which few matter: those that are used often, scatter widely, and
// act where the queue is sensitive. Each detailed sample costs host time. Run
// therefore asks the study how much of the number's variance each cell's samples
// leave, and spends the next samples where they take most of it away per host
// second. It stops when the interval is narrow enough twice in a row, since one
// narrow interval may be luck (Chow and Robbins, Annals of Mathematical Statistics
// 36 (1965) 457-462, on stopping by an estimated width), or when the budget is
// spent.
//
// It measures nothing and simulates nothing itself: both are the Study's.
package sampling

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"microcosm/cosim/metrics"
)

// Cell is what can be measured in detail.
type Cell struct {
	Name    string
	Samples int           // independent ones there are
	Cost    time.Duration // host time of one more; 0 where it is not known
}

// Batch asks for more samples of one cell.
type Batch struct {
	Cell  int // index
	Count int
}

// Study is a number that depends on samples.
type Study interface {
	// Cells returns the cells, always in the same order.
	Cells() []Cell
	// Interval estimates the number with the samples' uncertainty.
	Interval(ctx context.Context) (metrics.Estimate, error)
	// Deviation returns the standard deviation that the samples of one cell alone
	// leave to the number.
	Deviation(ctx context.Context, cell int) (float64, error)
	// Measure adds samples.
	Measure(ctx context.Context, batches []Batch) error
}

// Goal says when it is enough.
type Goal struct {
	Relative float64       // half-width over the value, > 0
	Budget   time.Duration // host time for samples; 0 is without a limit
	Samples  int           // most samples to be added; 0 is without a limit
	// Growth is the share by which the samples grow from round to round; 0 means
	// a quarter. Least is the size of a round at least; 0 means 10.
	Growth float64
	Least  int
}

// Step is one round.
type Step struct {
	Round    int
	Estimate metrics.Estimate
	Narrow   bool          // the interval is narrow enough
	Added    int           // samples so far
	Spent    time.Duration // host time that they took by their cells' costs
	Next     []Batch       // what is measured next; nil at the end
	Weights  []float64     // share of the variance by cell
}

// ErrBudget says that the budget was spent before the interval was narrow enough.
var ErrBudget = errors.New("the budget is spent")

// narrowInARow is how many intervals in a row must be narrow enough.
const narrowInARow = 2

// Run measures until the goal is met. progress, unless nil, sees every step. The
// last step is returned, with ErrBudget where the goal was not met.
func Run(ctx context.Context, study Study, goal Goal, progress func(Step)) (Step, error) {
	step, inARow := Step{}, 0
	for {
		step.Round++
		next, err := look(ctx, study, goal, step)
		if err != nil {
			return step, err
		}
		if inARow++; !next.Narrow {
			inARow = 0
		}
		if inARow == narrowInARow {
			next.Next = nil
		}
		step = next
		if progress != nil {
			progress(step)
		}
		switch {
		case inARow == narrowInARow:
			return step, nil
		case len(step.Next) == 0:
			return step, fmt.Errorf("%w: ±%.2g %% reached, ±%.2g %% wanted", ErrBudget, 100*step.Estimate.Relative(), 100*goal.Relative)
		}
		cells := study.Cells()
		if err := study.Measure(ctx, step.Next); err != nil {
			return step, err
		}
		for _, b := range step.Next {
			step.Added += b.Count
			step.Spent += time.Duration(b.Count) * cost(cells[b.Cell])
		}
	}
}

// Plan returns the first step without measuring anything.
func Plan(ctx context.Context, study Study, goal Goal) (Step, error) {
	return look(ctx, study, goal, Step{Round: 1})
}

// look estimates and allots the next round.
func look(ctx context.Context, study Study, goal Goal, before Step) (Step, error) {
	step := Step{Round: before.Round, Added: before.Added, Spent: before.Spent}
	var err error
	if step.Estimate, err = study.Interval(ctx); err != nil {
		return step, err
	}
	step.Narrow = step.Estimate.OK() && step.Estimate.Relative() <= goal.Relative
	cells := study.Cells()
	variances := make([]float64, len(cells))
	total := 0.0
	for i := range cells {
		deviation, err := study.Deviation(ctx, i)
		if err != nil {
			return step, fmt.Errorf("%s: %w", cells[i].Name, err)
		}
		variances[i] = deviation * deviation
		total += variances[i]
	}
	step.Weights = make([]float64, len(cells))
	for i := range variances {
		if total > 0 {
			step.Weights[i] = variances[i] / total
		}
	}
	step.Next = goal.allot(cells, variances, step)
	return step, nil
}

// allot spends one round, sample by sample, where the next one takes away most
// variance per host second: that of cell c falls from v to v·n/(n+1). In the long
// run the samples are in proportion to the cells' deviations over the roots of
// their costs (Neyman, Journal of the Royal Statistical Society 97 (1934)
// 558-625).
func (g Goal) allot(cells []Cell, variances []float64, step Step) []Batch {
	counts := make([]int, len(cells))
	spent := step.Spent
	for range g.round(cells, step) {
		best, gain := -1, 0.0
		for i, c := range cells {
			n := float64(max(1, c.Samples+counts[i]))
			left := variances[i] * float64(max(1, c.Samples)) / n
			rate := left / (n + 1) / float64(cost(c))
			affordable := g.Budget == 0 || spent+cost(c) <= g.Budget
			if affordable && (rate > gain || best < 0 && !anyPositive(variances)) {
				best, gain = i, rate
			}
		}
		if best < 0 {
			break
		}
		counts[best]++
		spent += cost(cells[best])
	}
	var batches []Batch
	for i, n := range counts {
		if n > 0 {
			batches = append(batches, Batch{Cell: i, Count: n})
		}
	}
	return batches
}

// round returns how many samples the next round has.
func (g Goal) round(cells []Cell, step Step) int {
	growth, least := g.Growth, g.Least
	if growth == 0 {
		growth = .25
	}
	if least == 0 {
		least = 10
	}
	total := 0
	for _, c := range cells {
		total += c.Samples
	}
	n := max(least, int(math.Round(growth*float64(total))))
	if g.Samples > 0 {
		n = min(n, g.Samples-step.Added)
	}
	return max(0, n)
}

func anyPositive(list []float64) bool {
	for _, v := range list {
		if v > 0 {
			return true
		}
	}
	return false
}

// cost is what one more sample takes; a second where nothing is known.
func cost(c Cell) time.Duration {
	if c.Cost <= 0 {
		return time.Second
	}
	return c.Cost
}
