package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"microcosm/cosim/experiment"
	"microcosm/cosim/sampling"
	"microcosm/cosim/scenario"
	"microcosm/cosim/servicetime"
	"microcosm/gem5bridge"
)

// precision is what `cosim run --precision` asks for.
type precision struct {
	number string
	goal   sampling.Goal
}

// parsePrecision reads NUMBER:SHARE, such as p99:5%.
func parsePrecision(text string, budget time.Duration) (precision, error) {
	number, width, found := strings.Cut(text, ":")
	var share scenario.Share
	var mistakes []error
	if err := share.UnmarshalText([]byte(width)); err != nil || !found || number == "" || !(share > 0 && share < 1) {
		mistakes = append(mistakes, usage("--precision %q: want a number and the half-width of its interval, such as p99:5%%", text))
	}
	if budget < 0 {
		mistakes = append(mistakes, usage("--budget %v: want a time above 0", budget))
	}
	return precision{number: number, goal: sampling.Goal{Relative: float64(share), Budget: budget}}, errors.Join(mistakes...)
}

// check says whether the scenario can be measured for, where it is asked to be.
func (p precision) check(s *scenario.Scenario, plan bool) error {
	if p.number != "" && s.Execution.Source != "ahead" && !plan {
		return usage("--precision measures before it simulates: set execution.source: ahead, or add --plan to see what it would measure")
	}
	return nil
}

// refine measures until the number is as precise as asked, or prints what it
// would measure next. Where the budget was spent before, it says so, and what
// there is is simulated.
func (a *app) refine(ctx context.Context, s *scenario.Scenario, x *sources, p precision, plan bool) error {
	options := experiment.Options{Open: x.open, Slots: s.Execution.Slots}
	study, err := experiment.NewStudy(ctx, s, p.number, options, x.measureMore)
	if err != nil {
		return err
	}
	if plan {
		step, err := sampling.Plan(ctx, study, p.goal)
		if err != nil {
			return err
		}
		return a.printPlan(study, step, p)
	}
	if err := a.fillGaps(ctx, x, study, p.goal.Relative); err != nil {
		return err
	}
	step, err := sampling.Run(ctx, study, p.goal, func(step sampling.Step) {
		a.log.Info("precision", "number", p.number, "round", step.Round, "estimate", step.Estimate.String(), "samples", step.Added, "host_time", step.Spent.Round(time.Second).String())
	})
	if errors.Is(err, sampling.ErrBudget) {
		a.log.Warn("simulating with less precision than asked", "reason", err.Error(), "estimate", step.Estimate.String())
		return nil
	}
	return err
}

// gapRounds bounds how often gaps between measured conditions are halved.
const gapRounds = 4

// gapShare is which part of the half-width that is asked for the error of
// interpolation may take: as squares add up, half of it leaves .87 to the samples.
const gapShare = .5

// fillGaps measures between conditions where the error of interpolation alone
// widens the interval too much.
func (a *app) fillGaps(ctx context.Context, x *sources, study *experiment.Study, asked float64) error {
	for range gapRounds {
		gaps, err := study.Gaps(ctx, gapShare*asked)
		if err != nil || len(gaps) == 0 {
			return err
		}
		for _, g := range gaps {
			a.log.Info("interpolation may be off: measuring between", "function", g.Request.Function, "condition", g.Next.String(), "moves", fmt.Sprintf("%.2g %%", 100*g.Moves))
			if _, err := x.fill(ctx, g.Request.Input, []string{g.Request.Function}, []servicetime.Condition{g.Next}); err != nil {
				return err
			}
		}
		if err := study.Renew(ctx); err != nil {
			return err
		}
	}
	return nil
}

// plannedCell is one line of a plan.
type plannedCell struct {
	Cell    string  `json:"cell"`
	Samples int     `json:"samples"`
	Share   float64 `json:"share"` // of the variance that the samples leave
	Next    int     `json:"next"`  // samples of the next round
	Cost    string  `json:"cost"`  // host time of one
}

func (a *app) printPlan(study *experiment.Study, step sampling.Step, p precision) error {
	var lines []plannedCell
	for i, c := range study.Cells() {
		line := plannedCell{Cell: c.Name, Samples: c.Samples, Share: step.Weights[i], Cost: c.Cost.Round(time.Microsecond).String()}
		for _, b := range step.Next {
			if b.Cell == i {
				line.Next = b.Count
			}
		}
		lines = append(lines, line)
	}
	slices.SortStableFunc(lines, func(x, y plannedCell) int {
		switch {
		case x.Share > y.Share:
			return -1
		case x.Share < y.Share:
			return 1
		}
		return 0
	})
	if a.json {
		return printJSON(a.out, lines)
	}
	fmt.Fprintf(a.out, "%s by the samples there are: %v, ±%.2g %% of ±%.2g %% wanted\n", p.number, step.Estimate, 100*step.Estimate.Relative(), 100*p.goal.Relative)
	return printPlanned(a.out, lines)
}

func printPlanned(w io.Writer, lines []plannedCell) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "CELL\tSAMPLES\tSHARE OF VARIANCE\tNEXT\tCOST OF ONE")
	for _, l := range lines {
		fmt.Fprintf(table, "%s\t%d\t%.1f %%\t%d\t%s\n", l.Cell, l.Samples, 100*l.Share, l.Next, l.Cost)
	}
	return table.Flush()
}

// measureMore adds samples to cells that have some.
func (x *sources) measureMore(ctx context.Context, wanted []experiment.Wanted) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	byInput := map[string][]gem5bridge.Cell{}
	for _, w := range wanted {
		r := w.Cell.Request
		key, err := x.measurer.key(r.Function, r.Input, w.Cell.Condition)
		if err != nil {
			return err
		}
		next, err := x.store.NextN(ctx, key)
		if err != nil {
			return err
		}
		byInput[r.Input] = append(byInput[r.Input], gem5bridge.Cell{Function: r.Function, Input: r.Input, Condition: w.Cell.Condition, First: next, Count: w.Count})
	}
	for input, cells := range byInput {
		c := x.campaign
		c.input = input
		tally, err := x.app.measure(ctx, x.store, x.measurer, c, cells)
		if err != nil {
			return err
		}
		if tally[servicetime.Valid] == 0 {
			return errors.New("no valid sample came of a round of measurements: see the warnings above")
		}
		x.measured += len(cells)
	}
	return nil
}
