package experiment

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"microcosm/cosim/cluster"
	"microcosm/cosim/metrics"
	"microcosm/cosim/sampling"
	"microcosm/cosim/scenario"
	"microcosm/cosim/servicetime"
	"microcosm/loadgen"
)

// Wanted is what a Study asks to be measured.
type Wanted struct {
	Cell  servicetime.Cell
	Count int // valid samples beyond those there are
}

// Study is one number of a scenario as a function of the measured samples: what
// package sampling plans for. Of several runs the least certain one counts.
type Study struct {
	scenario *scenario.Scenario
	options  Options
	measure  func(context.Context, []Wanted) error
	number   measure

	plans []*plan // short
	laws  []laws
	bases []*cluster.Outcome
	bends [][][]servicetime.Bend // by plan and law; nil where nothing is interpolated
	cells []servicetime.Cell     // of all plans, each once
}

var _ sampling.Study = (*Study)(nil)

// deviationResamples is how often one cell alone is resampled to learn how much
// it matters.
const deviationResamples = 8

// NewStudy opens a study of a number, such as "p99" or "utilization", a quantile
// or mean being that of the response time. measure adds samples to what
// Options.Open reads.
func NewStudy(ctx context.Context, s *scenario.Scenario, number string, o Options, measure func(context.Context, []Wanted) error) (*Study, error) {
	x := &Study{scenario: s, options: o, measure: measure}
	var err error
	if x.number, err = numberNamed(number); err != nil {
		return nil, err
	}
	return x, x.renew(ctx)
}

// numberNamed returns the measure of a name.
func numberNamed(name string) (measure, error) {
	list := measures()
	for _, candidate := range []string{name, "response_" + name} {
		if i := slices.IndexFunc(list, func(m measure) bool { return m.name == candidate }); i >= 0 {
			return list[i], nil
		}
	}
	names := make([]string, len(list))
	for i, m := range list {
		names[i] = m.name
	}
	return measure{}, fmt.Errorf("%q is no number of a run: want one of %s", name, strings.Join(names, ", "))
}

// renew reads the samples anew.
func (x *Study) renew(ctx context.Context) error {
	variants, err := x.scenario.Variants()
	if err != nil {
		return err
	}
	x.plans, x.laws, x.cells = nil, nil, nil
	known := map[string]bool{}
	for _, v := range variants {
		p, err := newPlan(ctx, v.Scenario, x.options)
		if err != nil {
			return err
		}
		sources := p.resamplers()
		if len(sources) == 0 {
			return errors.New("no service time is measured: more samples would change nothing")
		}
		x.plans, x.laws = append(x.plans, p.short()), append(x.laws, sources)
		for _, c := range sources.cells() {
			if !known[c.String()] {
				known[c.String()] = true
				x.cells = append(x.cells, c)
			}
		}
	}
	x.bases, x.bends = make([]*cluster.Outcome, len(x.plans)), make([][][]servicetime.Bend, len(x.plans))
	return x.each(ctx, 1, func(ctx context.Context, i, _ int) (err error) {
		x.bases[i], err = x.plans[i].steadyRun(ctx)
		switch {
		case err != nil:
		case x.bases[i] == nil:
			err = errors.New("the queue has no steady state: no precision can be had")
		case x.bases[i].Interpolated > 0:
			x.bends[i] = x.plans[i].bends(x.laws[i])
		}
		return err
	})
}

// each calls f for every plan, n times, on all slots.
func (x *Study) each(ctx context.Context, n int, f func(ctx context.Context, plan, b int) error) error {
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(x.options.slots())
	for i := range x.plans {
		for b := range n {
			group.Go(func() error { return f(inner, i, b) })
		}
	}
	return group.Wait()
}

// Cells implements sampling.Study.
func (x *Study) Cells() []sampling.Cell {
	cells := make([]sampling.Cell, len(x.cells))
	for i, c := range x.cells {
		cells[i] = sampling.Cell{Name: c.String(), Samples: c.Valid, Cost: time.Duration(c.Cost * float64(time.Second))}
	}
	return cells
}

// Interval implements sampling.Study: the uncertainty of the samples, and that of
// interpolating between them.
func (x *Study) Interval(ctx context.Context) (metrics.Estimate, error) {
	resamples := max(x.scenario.Fidelity.Resamples, 40)
	list := make([]*resampling, len(x.plans))
	for i := range list {
		list[i] = &resampling{cells: x.laws[i].cells(), base: x.bases[i], drawn: make([]drawn, resamples), bends: x.bends[i]}
	}
	err := x.each(ctx, resamples+extraRuns, func(ctx context.Context, i, b int) (err error) {
		return x.plans[i].fillIn(ctx, list[i], b)
	})
	if err != nil {
		return metrics.Estimate{}, err
	}
	var least metrics.Estimate
	for i, r := range list {
		resampled := r.resampled(x.number.of)
		e := metrics.SamplingInterval(resampled.Base, resampled, float64(x.scenario.Fidelity.Confidence), x.number.unit == "s")
		if between, ok := resampled.Interpolation(resampled.Base); ok {
			e = metrics.Combine(e, between)
		}
		if i == 0 || !e.OK() || least.OK() && e.Relative() > least.Relative() {
			least = e
		}
	}
	return least, nil
}

// Deviation implements sampling.Study: relative to the number, so that runs can
// be told against each other.
func (x *Study) Deviation(ctx context.Context, cell int) (float64, error) {
	name := x.cells[cell].String()
	squares := make([][]float64, len(x.plans))
	for i := range squares {
		squares[i] = make([]float64, deviationResamples)
	}
	err := x.each(ctx, deviationResamples, func(ctx context.Context, i, b int) error {
		only := func(c servicetime.Cell) bool { return c.String() == name }
		if !slices.ContainsFunc(x.laws[i].cells(), only) {
			return nil
		}
		seed := resampleSeed(x.scenario.Seed, b)
		changed, _ := x.plans[i].resample(x.laws[i], func(stream string) *rand.Rand { return loadgen.Rand(seed, stream) }, only)
		outcome, err := changed.steadyRun(ctx)
		if err != nil {
			return err
		}
		base := x.number.of(x.bases[i])
		relative := 1. // no steady state is as far off as can be
		if outcome != nil {
			relative = divide(x.number.of(outcome)-base, base)
		}
		squares[i][b] = relative * relative
		return nil
	})
	largest := 0.0
	for _, list := range squares {
		sum := 0.0
		for _, s := range list {
			sum += s
		}
		largest = max(largest, sum/deviationResamples)
	}
	return math.Sqrt(largest), err
}

// Measure implements sampling.Study.
func (x *Study) Measure(ctx context.Context, batches []sampling.Batch) error {
	var wanted []Wanted
	for _, b := range batches {
		wanted = append(wanted, Wanted{Cell: x.cells[b.Cell], Count: b.Count})
	}
	if err := x.measure(ctx, wanted); err != nil {
		return err
	}
	return x.renew(ctx)
}
