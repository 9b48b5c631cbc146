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
	MeanCores     float64
	Cores         int           // of all nodes together when they have all of theirs
	Wasted        time.Duration // core time of attempts that answered nothing
	Ended         int64         // times a node went away
	Preempted     int64         // times an invocation lost its core
	// Admissions counts the arrivals after the warm-up, Rejections those of
	// them that found every queue full.
	Admissions, Rejections int64
	Cold                   int64 // recorded first calls
	ColdStarts             int64 // of these, those that waited for their sandbox to start; the others found it started
	PreWarmed              int64 // sandboxes started ahead by a PreWarmer
	Interpolated           int64 // service times from between measured conditions
	Unplaced               int64 // times a sandbox found no room
	Created                int64 // sandboxes made after time 0
	Evicted                int64 // idle sandboxes given up for memory
	Throttled              int64 // times a sandbox had used up its quota of core time
	Migrated               int64 // times an invocation moved to an idle core
	OverLimit              int64 // sandboxes ended with what was in them for using more than they may
	OutOfMemory            int64 // sandboxes ended likewise because their node had no memory left

	// Starts holds how long the stages of cold starts took that ended after the
	// warm-up; nil where nobody tells. Only an orchestrator does.
	Starts     [Stages]*metrics.Histogram
	Pulls      int64 // images that nodes began to pull
	Downloaded int64 // bytes of layers

	// Censuses of the states in which invocations started, in the order of
	// Config.Functions; nil unless Config.Census.
	Censuses []*Census

	// Flows are Config.Flows, which have seen the whole run.
	Flows Flows

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

// Utilization returns the share of core time that was busy, of the cores there.
func (o *Outcome) Utilization() float64 { return o.MeanBusyCores / o.MeanCores }

// finish closes the books and checks them.
func (r *recorder) finish(m *Model) (*Outcome, error) {
	now := m.events.Now()
	for _, l := range []*level{&r.system, &r.busy, &r.population, &r.capacity} {
		l.advance(now)
	}
	r.countPresent(m)
	o := &Outcome{
		Account:      r.account,
		Series:       &r.series,
		Sections:     r.sections,
		Observed:     m.config.Horizon.Sub(m.config.WarmUp),
		Admissions:   r.admissions,
		Rejections:   r.rejections,
		Interpolated: r.interpolated,
		Unplaced:     r.unplaced,
		Flows:        m.config.Flows,
		Evicted:      r.evicted,
		Throttled:    r.throttled,
		Migrated:     r.migrated,
		OverLimit:    r.overLimit,
		OutOfMemory:  r.outOfMemory,
		ColdStarts:   r.coldStarts,
		PreWarmed:    r.preWarmed,
		Starts:       r.stages,
		Pulls:        r.pulls,
		Downloaded:   r.downloaded,
		End:          now,
	}
	observed := float64(o.Observed)
	o.MeanInSystem = r.system.observed / observed
	o.MeanBusyCores = r.busy.observed / observed
	o.MeanSandboxes = r.population.observed / observed
	o.MeanCores = r.capacity.observed / observed
	o.Wasted = time.Duration(r.lost)
	o.Ended, o.Preempted = r.ended, r.preempted
	for i, n := range m.nodes {
		o.Nodes = append(o.Nodes, r.byNode[i].settle())
		o.Cores += len(n.cores)
		o.NodeNames = append(o.NodeNames, n.config.Name)
	}
	for _, f := range m.functions {
		o.Created += f.created
		if f.census != nil {
			o.Censuses = append(o.Censuses, f.census)
		}
	}
	for i := range r.byClass {
		o.Classes[i] = r.byClass[i].settle()
	}
	for _, part := range r.byFunction {
		times := part.times.settle()
		o.Functions = append(o.Functions, FunctionOutcome{Name: part.name, Members: part.members, Times: times, Account: part.account, Classes: part.classes})
		o.Cold += part.classes[ClassCold]
		if times != nil {
			o.All.Merge(times)
		}
	}
	o.Timeline = r.timeline()
	return o, errors.Join(o.Check(), r.checkWork(m), m.checkMemory())
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
	if sum != o.Account {
		mistakes = append(mistakes, fmt.Errorf("the functions' accounts add up to %+v, not to %+v", sum, o.Account))
	}
	return errors.Join(mistakes...)
}

// countPresent counts the requests that are in the system: one with two attempts
// once, as running if one of them is.
func (r *recorder) countPresent(m *Model) {
	inService := func(inv *invocation) bool {
		return inv.phase == phaseOnCore || inv.phase == phaseOffCore || inv.phase == phaseHeld
	}
	for _, inv := range m.invocations.slots {
		running := inService(inv)
		switch {
		case inv.phase == phaseFree:
			continue
		case inv.twin != nil && inv.twin.id < inv.id:
			continue
		case inv.twin != nil:
			running = running || inService(inv.twin)
		}
		for _, a := range []*Account{&r.account, &inv.function.record.account} {
			if running {
				a.Running++
			} else {
				a.Queued++
			}
		}
	}
}

// checkWork compares the time cores were busy with the work they executed, and
// that with the work of answers, of what was lost, and of what is under way.
// It counts the attempts too.
func (r *recorder) checkWork(m *Model) error {
	executed, underway, attempts := r.executed, 0., int64(0)
	for _, inv := range m.invocations.slots {
		if inv.phase != phaseFree && inv.phase != phaseBackoff {
			attempts++
		}
		if inv.phase != phaseFree && inv.begun {
			underway += float64(inv.busy - inv.left)
		}
		if inv.phase == phaseOnCore {
			executed += m.attained(inv)
		}
	}
	// The clock counts whole nanoseconds: each stay on a core is rounded.
	stays := float64(r.account.Attempts + r.preempted + r.stays + 1)
	var mistakes []error
	if math.Abs(executed-r.busy.total) > 1e-6*r.busy.total+stays {
		mistakes = append(mistakes, fmt.Errorf("cores were busy for %.0f ns but executed %.0f ns of work", r.busy.total, executed))
	}
	if work := r.useful + r.lost + underway; math.Abs(r.executed-work) > 1e-6*r.executed+stays {
		mistakes = append(mistakes, fmt.Errorf("cores executed %.0f ns, but answers took %.0f, %.0f were lost and %.0f are under way", r.executed, r.useful, r.lost, underway))
	}
	if ended := r.account.Done + r.lostAttempts + r.cancelled + attempts; ended != r.account.Attempts {
		mistakes = append(mistakes, fmt.Errorf("%d attempts were made, but %d answered, %d were lost, %d cancelled and %d are under way", r.account.Attempts, r.account.Done, r.lostAttempts, r.cancelled, attempts))
	}
	return errors.Join(mistakes...)
}

// attained returns the nanoseconds of core time that an invocation on a core
// has received.
func (m *Model) attained(inv *invocation) float64 {
	n := inv.sandbox.node
	if m.config.Discipline == FCFS {
		return float64(m.events.Now() - inv.started)
	}
	c := &n.shares[inv.core]
	c.advance(m.events.Now())
	for _, j := range c.jobs {
		if j.id == inv.id {
			return float64(inv.left) - (j.finish-c.virtual)*j.weight
		}
	}
	return 0
}
