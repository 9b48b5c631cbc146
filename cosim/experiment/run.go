package experiment

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"microcosm/cosim/cluster"
	"microcosm/cosim/scenario"
	"microcosm/cosim/servicetime"
	"microcosm/loadgen"
)

// Measured is an open source of measured service times for one scenario.
type Measured interface {
	servicetime.Source
	// Labels names what has answered so far, e.g. "recorded@3f2a…", sorted.
	Labels() []string
	// Notes says what a reader must know about it, e.g. which conditions were
	// smoothed.
	Notes() []string
}

// Options say how a scenario is run, which changes no number.
type Options struct {
	// Open opens the source of measured service times under a scenario's
	// fidelity. It is asked once per run and may be nil where nothing is measured.
	Open func(ctx context.Context, s *scenario.Scenario) (Measured, error)
	// Slots is how many replications run at a time; 0 means one per processor.
	Slots int
	// Step, unless nil, is called after each replication, by any goroutine.
	Step func()
}

func (o Options) slots() int {
	if o.Slots == 0 {
		return runtime.GOMAXPROCS(0)
	}
	return o.Slots
}

// InterruptedError says that a run ended early, with a Result of the
// replications that were complete.
type InterruptedError struct {
	Done, Of int // replications
	Cause    error
}

// Error says how far the run came.
func (e *InterruptedError) Error() string {
	return fmt.Sprintf("%d of %d replications done: %v", e.Done, e.Of, e.Cause)
}

// Unwrap returns what interrupted the run.
func (e *InterruptedError) Unwrap() error { return e.Cause }

// Replications returns how many single runs a scenario stands for: its
// combinations times its replications.
func Replications(s *scenario.Scenario) int {
	n := s.Fidelity.Replications
	for _, f := range s.Factors {
		n *= len(f.Levels)
	}
	return n
}

// Simulate runs every combination of the scenario's factors and returns the result.
// If ctx ends, the replications that are complete for every combination make
// the result, which then comes with an *InterruptedError.
func Simulate(ctx context.Context, s *scenario.Scenario, o Options) (*Result, error) {
	variants, err := s.Variants()
	if err != nil {
		return nil, err
	}
	plans := make([]*plan, len(variants))
	var mistakes []error
	for i, v := range variants {
		if plans[i], err = newPlan(ctx, v.Scenario, o); err != nil {
			mistakes = append(mistakes, err)
		}
	}
	if err := joinDistinct(mistakes); err != nil {
		return nil, err
	}
	done, err := replicate(ctx, plans, s.Fidelity.Replications, o)
	var interrupted *InterruptedError
	if err != nil && !errors.As(err, &interrupted) {
		return nil, err
	}
	if interrupted != nil && interrupted.Done == 0 {
		return nil, err
	}
	resampled := make([]*resampling, len(plans))
	if interrupted == nil {
		resampled, err = propagate(ctx, plans, done, s.Fidelity.Resamples, o)
		switch {
		case err == nil:
		case ctx.Err() != nil: // the replications are worth keeping
			interrupted = &InterruptedError{Done: len(done[0]), Of: s.Fidelity.Replications, Cause: context.Cause(ctx)}
			resampled = make([]*resampling, len(plans))
		default:
			return nil, err
		}
	}
	result, err := assemble(s, variants, plans, done, resampled)
	if err != nil {
		return nil, err
	}
	if interrupted != nil {
		result.Notes = append(result.Notes, fmt.Sprintf("interrupted: %d of %d replications", interrupted.Done, interrupted.Of))
		return result, interrupted
	}
	return result, nil
}

// joinDistinct joins errors, one text once: variants share most mistakes.
func joinDistinct(list []error) error {
	seen := map[string]bool{}
	return errors.Join(slices.DeleteFunc(list, func(err error) bool {
		known := seen[err.Error()]
		seen[err.Error()] = true
		return known
	})...)
}

// replicate runs all replications of all plans and returns the outcomes by plan.
// Replication r of every plan draws from the same streams.
func replicate(ctx context.Context, plans []*plan, replications int, o Options) ([]outcomes, error) {
	done := make([]outcomes, len(plans))
	for i := range done {
		done[i] = make(outcomes, replications)
	}
	var mu sync.Mutex
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(o.slots())
	for r := range replications {
		for i, p := range plans {
			if inner.Err() != nil {
				break
			}
			group.Go(func() error {
				outcome, err := p.run(inner, r)
				if err != nil {
					return err
				}
				mu.Lock()
				done[i][r] = outcome
				mu.Unlock()
				if o.Step != nil {
					o.Step()
				}
				return nil
			})
		}
	}
	err := group.Wait()
	if ctx.Err() == nil {
		return done, err
	}
	complete := 0
	for complete < replications && !slices.ContainsFunc(done, func(o outcomes) bool { return o[complete] == nil }) {
		complete++
	}
	if complete == replications {
		return done, nil // the end came too late to interrupt anything
	}
	for i := range done {
		done[i] = done[i][:complete]
	}
	return done, &InterruptedError{Done: complete, Of: replications, Cause: context.Cause(ctx)}
}

// Seed returns the seed of one replication of a scenario's.
func Seed(seed uint64, replication int) uint64 {
	return loadgen.Rand(seed, fmt.Sprintf("replication/%d", replication)).Uint64()
}

// assemble makes the result out of all outcomes.
func assemble(s *scenario.Scenario, variants []scenario.Variant, plans []*plan, done []outcomes, resampled []*resampling) (*Result, error) {
	identity, err := s.Identity()
	if err != nil {
		return nil, err
	}
	r := &Result{
		Schema:       Schema,
		Name:         s.Name,
		Scenario:     identity,
		Seed:         s.Seed,
		Replications: len(done[0]),
		Confidence:   float64(s.Fidelity.Confidence),
	}
	for _, f := range s.Factors {
		r.Factors = append(r.Factors, Factor{Name: f.Name, Set: f.Set, Levels: f.Levels})
	}
	var cells []*cell
	for i, v := range variants {
		p := plans[i]
		c := &cell{name: nameOf(s, v), levels: indices(s, v)}
		c.unstable = p.unstable(done[i])
		run := summarize(done[i], r.Confidence, c.unstable, p.demand.Terminating)
		run.propagate(done[i], resampled[i], p.band(), r.Confidence)
		c.replicated = run.Replicated
		run.Name, run.Levels, run.Terminating = c.name, v.Levels, p.demand.Terminating
		r.Runs = append(r.Runs, run)
		r.Samples = append(r.Samples, p.labels()...)
		r.Notes = append(r.Notes, p.notes(done[i])...)
		cells = append(cells, c)
	}
	slices.Sort(r.Samples)
	r.Samples = slices.Compact(r.Samples)
	r.Notes = distinct(r.Notes)
	r.Effects = effects(r.Factors, cells, r.Confidence)
	return r, nil
}

func nameOf(s *scenario.Scenario, v scenario.Variant) string {
	if len(v.Levels) == 0 {
		return s.Name
	}
	parts := make([]string, len(v.Levels))
	for i, level := range v.Levels {
		parts[i] = s.Factors[i].Name + " " + level
	}
	return strings.Join(parts, ", ")
}

func indices(s *scenario.Scenario, v scenario.Variant) []int {
	list := make([]int, len(v.Levels))
	for i, level := range v.Levels {
		list[i] = slices.Index(s.Factors[i].Levels, level)
	}
	return list
}

// distinct removes repeated notes and keeps the order of the first.
func distinct(notes []string) []string {
	seen := map[string]bool{}
	return slices.DeleteFunc(notes, func(n string) bool {
		known := seen[n]
		seen[n] = true
		return known
	})
}

// arrivals hands a workload's stream to the cluster.
type arrivals struct{ stream loadgen.Stream }

// Next implements cluster.Arrivals.
func (a arrivals) Next() (cluster.Arrival, bool) {
	next, ok := a.stream.Next()
	return cluster.Arrival{At: next.At, Base: next.Duration}, ok
}
