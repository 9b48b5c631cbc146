package experiment

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"microcosm/cosim/cluster"
	"microcosm/cosim/des"
	"microcosm/cosim/metrics"
	"microcosm/cosim/servicetime"
	"microcosm/loadgen"
)

// Note: how the uncertainty of the samples is carried to the cluster's numbers.
//
// A bootstrap that reran every replication for every resample would cost as
// many times the run as there are resamples. But only differences are asked for:
// the number under a resample less the number under the samples themselves. With
// common random numbers both see the same arrivals and the same luck, so that
// the noise of the queue all but cancels, and a short run tells the difference
// as well as a long one. One short replication per resample is enough; the
// interval is made from the scatter of the differences
// (metrics.SamplingInterval), for which some forty do.

// shortInvocations is how many invocations a short run records, on average.
const shortInvocations = 20_000

// saturated is the utilization beyond which a short run is taken to have no
// steady state: so near to 1 its numbers only say how long it was.
const saturated = .995

// resampling is what resampling does to one run.
type resampling struct {
	cells []servicetime.Cell
	base  *cluster.Outcome
	drawn []drawn // by resample

	censored  float64          // share of the worst cell, where it is too large
	low, high *cluster.Outcome // with the censored samples; nil where they are few

	bends    [][]servicetime.Bend // by law; nil where nothing is interpolated
	down, up *cluster.Outcome     // where interpolation errs; nil where the queue has no steady state
}

// drawn is one resample.
type drawn struct {
	means   []float64        // mean service time by cell
	outcome *cluster.Outcome // nil where the queue has no steady state
}

// laws are the laws of a plan, each once, in a fixed order.
type laws []servicetime.Resampler

// resamplers returns the laws of a plan that can be resampled.
func (p *plan) resamplers() laws {
	var list laws
	for _, f := range p.template.Functions {
		for _, platform := range platforms(f) {
			r, ok := f.Laws[platform].(servicetime.Resampler)
			if ok && !slices.Contains(list, r) {
				list = append(list, r)
			}
		}
	}
	return list
}

// cells returns what the laws were made from.
func (l laws) cells() []servicetime.Cell {
	var cells []servicetime.Cell
	for _, law := range l {
		cells = append(cells, law.Cells()...)
	}
	return cells
}

// censorable is a law that knows of samples that hung or died.
type censorable interface {
	CensoredShare() (float64, servicetime.Condition)
	WithCensored(longest bool) servicetime.Resampler
}

// sampled returns the law of samples behind one that measures what it lacks.
func sampled(law servicetime.Resampler) servicetime.Resampler {
	if growing, ok := law.(interface{ Sampled() servicetime.Resampler }); ok {
		return growing.Sampled()
	}
	return law
}

// censored returns the largest share of censored samples in a cell.
func (l laws) censored() float64 {
	largest := 0.0
	for _, law := range l {
		if c, ok := sampled(law).(censorable); ok {
			share, _ := c.CensoredShare()
			largest = max(largest, share)
		}
	}
	return largest
}

// withCensored returns the laws in which censored samples count.
func (l laws) withCensored(longest bool) laws {
	list := slices.Clone(l)
	for i, law := range l {
		if c, ok := sampled(law).(censorable); ok {
			list[i] = c.WithCensored(longest)
		}
	}
	return list
}

// resample returns the plan with other laws in the place of its own. random
// opens the streams of one resample; only may narrow the cells.
func (p *plan) resample(list laws, random func(string) *rand.Rand, only func(servicetime.Cell) bool) (*plan, laws) {
	replaced := make(laws, len(list))
	for i, law := range list {
		var accept func(servicetime.Condition) bool
		if only != nil {
			cells := law.Cells()
			accept = func(c servicetime.Condition) bool {
				return slices.ContainsFunc(cells, func(cell servicetime.Cell) bool { return cell.Condition == c && only(cell) })
			}
		}
		replaced[i] = law.Resample(random, accept)
	}
	return p.withLaws(list, replaced), replaced
}

// withLaws returns the plan with each law of before replaced by its counterpart.
func (p *plan) withLaws(before, after laws) *plan {
	q := *p
	q.template.Functions = slices.Clone(p.template.Functions)
	for i := range q.template.Functions {
		f := &q.template.Functions[i]
		changed := map[string]servicetime.Law{}
		for platform, law := range f.Laws {
			changed[platform] = law
			if r, ok := law.(servicetime.Resampler); ok {
				if at := slices.Index(before, r); at >= 0 {
					changed[platform] = after[at]
				}
			}
		}
		f.Laws = changed
	}
	return &q
}

// short returns the plan with a horizon that lets some shortInvocations be
// recorded, or its own where that is shorter.
func (p *plan) short() *plan {
	expected := 0.0
	for _, f := range p.demand.Functions {
		expected += f.ExpectedInvocations
	}
	q := *p
	recorded := expected * float64(p.template.Horizon-p.template.WarmUp) / float64(p.template.Horizon)
	if share := shortInvocations / recorded; share < 1 {
		q.template.Horizon = max(1, des.Time(share*float64(p.template.Horizon)))
		q.template.WarmUp = des.Time(share * float64(p.template.WarmUp))
		q.template.Drain = min(p.template.Drain, time.Duration(q.template.Horizon))
	}
	q.template.NoNodes, q.template.NoClasses, q.template.Buckets = true, true, 1
	return &q
}

// resampleSeed is the seed of the streams of one resample, equal for all runs of
// an experiment: they face the same resamples.
func resampleSeed(seed uint64, b int) uint64 {
	return loadgen.Rand(seed, fmt.Sprintf("resample/%d", b)).Uint64()
}

// propagate runs every plan under the scenario's resamples of its service times.
// A plan without resampled service times, or without a steady state, has none.
func propagate(ctx context.Context, plans []*plan, done []outcomes, resamples int, o Options) ([]*resampling, error) {
	list := make([]*resampling, len(plans))
	shorts := make([]*plan, len(plans))
	// The samples' own numbers come first: inline, they measure what is missing,
	// and a resample can only draw from what is measured.
	err := o.parallel(ctx, len(plans), func(ctx context.Context, i int) (err error) {
		p := plans[i]
		if len(p.resamplers()) == 0 || resamples == 0 || p.unstable(done[i]) != "" {
			return nil
		}
		shorts[i] = p.short()
		list[i] = &resampling{drawn: make([]drawn, resamples)}
		if list[i].base, err = shorts[i].run(ctx, shortReplication); err == nil && list[i].base.Interpolated > 0 {
			list[i].bends = p.bends(p.resamplers())
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return list, o.parallel(ctx, len(plans)*(resamples+extraRuns), func(ctx context.Context, n int) (err error) {
		i, b := n%len(plans), n/len(plans)
		if r := list[i]; r != nil {
			return shorts[i].fillIn(ctx, r, b)
		}
		return nil
	})
}

// extraRuns are the places behind the last resample: what censored samples may
// hide, and what interpolation may, each low and high.
const extraRuns = 4

// fillIn runs resample b, or one of the extra runs.
func (p *plan) fillIn(ctx context.Context, r *resampling, b int) (err error) {
	sources := p.resamplers()
	if b < len(r.drawn) {
		r.drawn[b], err = p.draw(ctx, sources, b)
		return err
	}
	hidden := func(longest bool) (*cluster.Outcome, error) {
		if sources.censored() <= servicetime.MostCensored {
			return nil, nil
		}
		return p.withLaws(sources, sources.withCensored(longest)).steadyRun(ctx)
	}
	switch b - len(r.drawn) {
	case 0:
		r.cells, r.censored = sources.cells(), sources.censored()
		r.low, err = hidden(false)
	case 1:
		r.high, err = hidden(true)
	case 2:
		r.down, err = p.erring(ctx, sources, r.bends, -1)
	case 3:
		r.up, err = p.erring(ctx, sources, r.bends, 1)
	}
	return err
}

// parallel calls f for every number below n, on as many slots as there are.
func (o Options) parallel(ctx context.Context, n int, f func(ctx context.Context, i int) error) error {
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(o.slots())
	for i := range n {
		group.Go(func() error { return f(inner, i) })
	}
	return group.Wait()
}

// shortReplication numbers the replication that short runs share: none of the
// scenario's own.
const shortReplication = -1

// draw runs the plan under resample b.
func (p *plan) draw(ctx context.Context, sources laws, b int) (drawn, error) {
	seed := resampleSeed(p.scenario.Seed, b)
	changed, replaced := p.resample(sources, func(stream string) *rand.Rand { return loadgen.Rand(seed, stream) }, nil)
	var d drawn
	for _, c := range replaced.cells() {
		d.means = append(d.means, c.Mean)
	}
	outcome, err := changed.steadyRun(ctx)
	d.outcome = outcome
	return d, err
}

// steadyRun runs the plan once; the outcome is nil where the queue has no steady
// state.
func (p *plan) steadyRun(ctx context.Context) (*cluster.Outcome, error) {
	if p.overload() != "" {
		return nil, nil
	}
	outcome, err := p.run(ctx, shortReplication)
	if err != nil || !p.demand.Terminating && outcome.Utilization() > saturated {
		return nil, err
	}
	return outcome, nil
}

// resampled returns what resampling does to one number.
func (r *resampling) resampled(of func(*cluster.Outcome) float64) metrics.Resampled {
	x := metrics.Resampled{Base: of(r.base)}
	for _, d := range r.drawn {
		if d.outcome == nil {
			x.Values = append(x.Values, math.NaN())
		} else {
			x.Values = append(x.Values, of(d.outcome))
		}
	}
	x.Degrees = degrees(r.cells, metrics.VarianceShares(x.Values, r.means()))
	if r.bends != nil {
		x.Between = &metrics.Between{Low: valueOf(r.down, of), High: valueOf(r.up, of)}
	}
	if r.censored > servicetime.MostCensored {
		x.Censored = &metrics.Censored{Share: r.censored, Low: valueOf(r.low, of), High: valueOf(r.high, of)}
	}
	return x
}

// valueOf is beyond all bounds where the queue has no steady state.
func valueOf(o *cluster.Outcome, of func(*cluster.Outcome) float64) float64 {
	if o == nil {
		return math.MaxFloat64
	}
	return of(o)
}

// means returns the mean service times by resample and cell.
func (r *resampling) means() [][]float64 {
	list := make([][]float64, len(r.drawn))
	for b, d := range r.drawn {
		list[b] = d.means
	}
	return list
}

// degrees returns the effective number of degrees of freedom of a variance to
// which cells contribute the given shares, each estimated from its own clusters
// (Satterthwaite, Biometrics Bulletin 2 (1946) 110-114).
func degrees(cells []servicetime.Cell, shares []float64) float64 {
	sum := 0.0
	for i, share := range shares {
		sum += share * share / max(1, float64(cells[i].Clusters-1))
	}
	if sum == 0 {
		return 0
	}
	return 1 / sum
}

// summary says what was resampled and which samples matter most.
func (r *resampling) summary(of func(*cluster.Outcome) float64) *Resampling {
	x := r.resampled(of)
	s := &Resampling{Resamples: len(r.drawn), UnstableShare: x.UnstableShare(), Invocations: r.base.All.Response.Count()}
	for i, share := range metrics.VarianceShares(x.Values, r.means()) {
		if share > 0 {
			s.Matter = append(s.Matter, CellShare{Cell: r.cells[i].String(), Samples: r.cells[i].Valid, Share: share})
		}
	}
	slices.SortStableFunc(s.Matter, func(a, b CellShare) int {
		switch {
		case a.Share > b.Share:
			return -1
		case a.Share < b.Share:
			return 1
		default:
			return 0
		}
	})
	s.Matter = s.Matter[:min(len(s.Matter), mostThatMatter)]
	return s
}

// mostThatMatter bounds the cells that a report names.
const mostThatMatter = 5

// platforms returns the platforms of a function's laws, sorted.
func platforms(f cluster.FunctionConfig) []string {
	var names []string
	for name := range f.Laws {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
