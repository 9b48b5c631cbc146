package cluster

import (
	"errors"
	"fmt"
	"math"
	"time"

	"microcosm/cosim/des"
	"microcosm/cosim/metrics"
)

// Outcome is what one run yields. Histograms hold the invocations that arrived
// after the warm-up and completed.
type Outcome struct {
	Account   Account
	Functions []FunctionOutcome // in the order of Config.Functions, minor ones together
	NodeNames []string          // in the order of Config.Nodes
	Nodes     []*Times          // likewise; nil where nothing completed
	Classes   [Classes]*Times   // by class of condition; nil where nothing completed
	All       Times
	// Series holds the response times in order of completion.
	Series *metrics.Series
	// Sections holds them by successive parts of the run; nil unless Config.Sections.
	Sections *metrics.Sections

	Observed time.Duration // from the warm-up to the horizon
	// Time averages over Observed.
	MeanInSystem  float64
	MeanBusyCores float64
	MeanSandboxes float64
	Cores         int
	// Admissions counts the arrivals after the warm-up, Rejections those of
	// them that found every queue full.
	Admissions, Rejections int64
	Cold                   int64 // recorded first calls
	ColdStarts             int64 // of these, those that waited for their sandbox to start; the others were pre-warmed
	Interpolated           int64 // service times from between measured conditions
	Unplaced               int64 // times a sandbox found no memory
	Created                int64 // sandboxes made after time 0
	Evicted                int64 // idle sandboxes given up for memory

	// Censuses of the states in which invocations started, in the order of
	// Config.Functions; nil unless Config.Census.
	Censuses []*Census

	Timeline Timeline
	End      des.Time // the last instant simulated
}

// FunctionOutcome is the part of one function.
type FunctionOutcome struct {
	Name    string
	Members int    // 1, or how many minor functions are recorded here
	Times   *Times // nil where nothing completed
	Account Account
	Classes [Classes]int64 // recorded invocations by class of condition
}

// Timeline holds time averages over equal parts of [0, horizon].
type Timeline struct {
	Width     time.Duration
	InSystem  []float64
	BusyCores []float64
	Sandboxes []float64
}

// Utilization returns the share of core time that was busy.
func (o *Outcome) Utilization() float64 { return o.MeanBusyCores / float64(o.Cores) }

// finish closes the books and checks them.
func (r *recorder) finish(m *Model) (*Outcome, error) {
	now := m.events.Now()
	for _, l := range []*level{&r.system, &r.busy, &r.population} {
		l.advance(now, &r.span)
	}
	r.account.Running = r.running
	r.account.Queued = r.system.value - r.running
	o := &Outcome{
		Account:      r.account,
		Nodes:        r.byNode,
		Classes:      r.byClass,
		Series:       &r.series,
		Sections:     r.sections,
		Observed:     m.config.Horizon.Sub(m.config.WarmUp),
		Admissions:   r.admissions,
		Rejections:   r.rejections,
		Interpolated: r.interpolated,
		Unplaced:     r.unplaced,
		Evicted:      r.evicted,
		ColdStarts:   r.coldStarts,
		End:          now,
	}
	observed := float64(o.Observed)
	o.MeanInSystem = r.system.observed / observed
	o.MeanBusyCores = r.busy.observed / observed
	o.MeanSandboxes = r.population.observed / observed
	for _, n := range m.nodes {
		o.Cores += len(n.cores)
		o.NodeNames = append(o.NodeNames, n.config.Name)
	}
	for _, f := range m.functions {
		f.record.account.Queued += int64(f.inSystem)
		o.Created += f.created
		if f.census != nil {
			o.Censuses = append(o.Censuses, f.census)
		}
	}
	for _, part := range r.byFunction {
		part.account.Running = part.running
		part.account.Queued -= part.running
		o.Functions = append(o.Functions, FunctionOutcome{Name: part.name, Members: part.members, Times: part.times, Account: part.account, Classes: part.classes})
		o.Cold += part.classes[ClassCold]
		if part.times != nil {
			o.All.Merge(part.times)
		}
	}
	o.Timeline = r.timeline()
	return o, errors.Join(o.Check(), r.checkWork(m))
}

func (r *recorder) timeline() Timeline {
	t := Timeline{Width: time.Duration(r.span.width)}
	mean := func(l *level) []float64 {
		means := make([]float64, len(l.buckets))
		for i, area := range l.buckets {
			means[i] = area / float64(r.span.width)
		}
		return means
	}
	t.InSystem, t.BusyCores, t.Sandboxes = mean(&r.system), mean(&r.busy), mean(&r.population)
	return t
}

// Check returns an error unless every request is accounted for, in all and by
// function.
func (o *Outcome) Check() error {
	mistakes := []error{o.Account.Balance()}
	var sum Account
	for _, f := range o.Functions {
		if err := f.Account.Balance(); err != nil {
			mistakes = append(mistakes, fmt.Errorf("function %s: %w", f.Name, err))
		}
		sum.Add(f.Account)
	}
	if sum.Arrived != o.Account.Arrived || sum.Done != o.Account.Done || sum.Rejected != o.Account.Rejected {
		mistakes = append(mistakes, fmt.Errorf("the functions' accounts add up to %+v, not to %+v", sum, o.Account))
	}
	return errors.Join(mistakes...)
}

// checkWork compares the time cores were busy with the work they executed.
func (r *recorder) checkWork(m *Model) error {
	executed := r.executed
	for i := range m.invocations.slots {
		if inv := &m.invocations.slots[i]; inv.onCore {
			executed += m.attained(inv, int32(i))
		}
	}
	if difference := math.Abs(executed - r.busy.total); difference > 1e-6*r.busy.total+float64(r.account.Done+1) {
		return fmt.Errorf("cores were busy for %.0f ns but executed %.0f ns of work", r.busy.total, executed)
	}
	return nil
}

// attained returns the nanoseconds of core time that an invocation on a core
// has received.
func (m *Model) attained(inv *invocation, id int32) float64 {
	n := inv.sandbox.node
	if m.config.Discipline != ProcessorSharing {
		return float64(m.events.Now() - inv.started)
	}
	c := &n.shares[inv.core]
	c.advance(m.events.Now())
	for _, j := range c.jobs {
		if j.id == id {
			return float64(inv.busy) - (j.finish - c.virtual)
		}
	}
	return 0
}
