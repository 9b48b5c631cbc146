package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"microcosm/cosim/experiment"
	"microcosm/cosim/scenario"
	"microcosm/cosim/servicetime"
	"microcosm/gem5bridge/gem5/platforms"
	"microcosm/results"
)

// sources opens the source of service times that a scenario's execution names:
// replay, ahead or inline. It is safe for concurrent use.
type sources struct {
	app      *app
	store    *results.Store // nil where nothing is measured
	kind     string
	samples  int // wanted of a missing condition
	measurer *measurer
	campaign campaign

	mu       sync.Mutex
	opened   []*results.Source
	measured int // cells measured since the last question
}

// openSources opens the store, and the back end where something may have to be
// measured.
func (a *app) openSources(ctx context.Context, s *scenario.Scenario, o runOptions) (*sources, error) {
	x := &sources{app: a, kind: s.Execution.Source, samples: s.Execution.Samples}
	if !s.Measures() {
		return x, nil
	}
	store, err := a.openStore(ctx, s.Execution.Store)
	if err != nil {
		return nil, err
	}
	x.store = store
	if x.kind == "replay" {
		return x, nil
	}
	if s.Fidelity.Stack == "recorded" {
		return nil, errors.Join(usage("execution.source %s measures with the software of this machine: set fidelity.stack: local", x.kind), store.Close())
	}
	overrides, err := scenario.ParseOverrides(s.Fidelity.Overrides)
	if err != nil {
		return nil, errors.Join(err, store.Close()) // cannot be: the scenario was checked
	}
	x.campaign = campaign{
		overrides: overrides,
		backend:   o.backend, functions: o.functions, platform: s.Fidelity.Platform,
		count: x.samples, seed: s.Seed, deadline: 10 * time.Second, slots: s.Execution.Slots,
	}
	if x.measurer, err = a.connect(ctx, x.campaign); err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return x, nil
}

func (x *sources) close() error {
	var err error
	if x.measurer != nil {
		err = x.measurer.simulator.Close()
	}
	if x.store != nil {
		err = errors.Join(err, x.store.Close())
	}
	return err
}

// measuredSomething reports whether anything was measured during a run since it
// was last asked.
func (x *sources) measuredSomething() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	something := x.kind == "inline" && x.measured > 0
	x.measured = 0
	return something
}

// digest names the set of all samples that have answered.
func (x *sources) digest() string {
	return results.SetDigest(x.answers())
}

// answers returns all samples that have answered, each once.
func (x *sources) answers() []servicetime.Sample {
	x.mu.Lock()
	defer x.mu.Unlock()
	seen := map[string]bool{}
	var samples []servicetime.Sample
	for _, source := range x.opened {
		for _, selected := range source.Answers() {
			for _, sample := range selected.Samples {
				if id := fmt.Sprint(sample.Key.Digest(), sample.N); !seen[id] {
					seen[id] = true
					samples = append(samples, sample)
				}
			}
		}
	}
	return samples
}

// open opens the source for one combination of the factors' levels.
func (x *sources) open(ctx context.Context, s *scenario.Scenario) (experiment.Measured, error) {
	law, err := experiment.LawOptions(s)
	if err != nil {
		return nil, err
	}
	options := results.SourceOptions{Law: law, Log: x.app.log, Selection: results.Selection{Stack: s.Fidelity.Stack}}
	if s.Fidelity.Stack == "local" {
		options.Selection = results.Selection{Own: true}
	}
	if options.Selection.PlatformDigest, err = platformDigest(s); err != nil {
		return nil, err
	}
	if x.kind == "replay" {
		return x.replay(options), nil
	}
	demand, err := s.Demand()
	if err != nil {
		return nil, err
	}
	if options.ByFunction, err = x.local(demand); err != nil {
		return nil, err
	}
	if x.kind == "inline" {
		return &inline{sources: x, options: options}, nil
	}
	if err := x.measureAhead(ctx, s, demand); err != nil {
		return nil, err
	}
	return x.replay(options), nil
}

// platformDigest returns the digest of the platform with the scenario's overrides;
// empty where there are none, since then there is one platform of that name.
func platformDigest(s *scenario.Scenario) (string, error) {
	overrides, err := scenario.ParseOverrides(s.Fidelity.Overrides)
	if err != nil || len(overrides) == 0 {
		return "", err
	}
	p, err := platforms.Load(s.Fidelity.Platform, overrides)
	if err != nil {
		return "", usage("fidelity.overrides: %w", err)
	}
	return p.Digest(), nil
}

// local selects, for every measured function, the software of this machine: the
// only one that new samples can be pooled with.
func (x *sources) local(demand *scenario.Demand) (map[string]results.Selection, error) {
	selections := map[string]results.Selection{}
	for _, f := range demand.Functions {
		if f.Measured == "" {
			continue
		}
		key, err := x.measurer.key(f.Measured, f.Input, servicetime.Condition{Kind: servicetime.Warm})
		if err != nil {
			return nil, err
		}
		selections[f.Measured] = results.Selection{PlatformDigest: key.PlatformDigest, Image: key.Image, Stack: key.Stack}
	}
	return selections, nil
}

func (x *sources) replay(options results.SourceOptions) *replay {
	source := results.NewSource(x.store, options)
	x.mu.Lock()
	x.opened = append(x.opened, source)
	x.mu.Unlock()
	return &replay{source}
}

// replay answers from the store alone.
type replay struct{ *results.Source }

// Labels implements experiment.Measured.
func (r *replay) Labels() []string {
	var labels []string
	for _, selected := range r.Answers() {
		labels = append(labels, selected.Label)
	}
	slices.Sort(labels)
	return slices.Compact(labels)
}

// Notes implements experiment.Measured.
func (r *replay) Notes() []string {
	var notes []string
	for request, selected := range r.Answers() {
		notes = append(notes, lawNotes(request, selected)...)
	}
	slices.Sort(notes)
	return notes
}

// lawNotes says how the samples of one function have to be read.
func lawNotes(request servicetime.Request, selected results.Selected) []string {
	var notes []string
	censored, short, total := 0, 0, 0
	for _, sample := range selected.Samples {
		total++
		switch {
		case sample.Status == servicetime.Censored:
			censored++
		case sample.Status == servicetime.Valid && sample.RoundTrip <= sample.Null:
			short++
		}
	}
	if short > 0 {
		notes = append(notes, fmt.Sprintf("%s on %s: %d of %d samples are no longer than the null call and count as next to nothing", request.Function, request.Platform, short, total))
	}
	if censored > 0 {
		notes = append(notes, fmt.Sprintf("%s on %s: %d of %d samples are censored and left out", request.Function, request.Platform, censored, total))
	}
	if len(selected.Simulators) > 1 {
		notes = append(notes, fmt.Sprintf("%s on %s: samples of %d simulator binaries are pooled", request.Function, request.Platform, len(selected.Simulators)))
	}
	return notes
}

// aheadConditions are measured for every function of an ahead run.
func aheadConditions(s *scenario.Scenario) []string {
	conditions := []string{"cold", "warm", "lukewarm:1", "lukewarm:4", "lukewarm:16", "flush"}
	if s.Cluster.ColdStart.Init.Measured {
		conditions = append(conditions, "stage:init")
	}
	if s.Cluster.ColdStart.Create.Measured {
		conditions = append(conditions, "stage:create")
	}
	return conditions
}

// measureAhead fills the store with what the scenario may ask for.
func (x *sources) measureAhead(ctx context.Context, s *scenario.Scenario, demand *scenario.Demand) error {
	conditions, err := parseConditions(aheadConditions(s))
	if err != nil {
		return err
	}
	// What the back end cannot measure is asked of the scenario, if it is needed.
	conditions = slices.DeleteFunc(conditions, func(c servicetime.Condition) bool {
		return !slices.Contains(x.measurer.description.Conditions, c.Kind)
	})
	byInput := map[string][]string{}
	for _, f := range demand.Functions {
		if f.Measured != "" && !slices.Contains(byInput[f.Input], f.Measured) {
			byInput[f.Input] = append(byInput[f.Input], f.Measured)
		}
	}
	for input, names := range byInput {
		slices.Sort(names)
		if _, err := x.fill(ctx, input, names, conditions); err != nil {
			return err
		}
	}
	return nil
}

// fill measures what the store lacks of the given functions and conditions, and
// reports whether it lacked anything.
func (x *sources) fill(ctx context.Context, input string, names []string, conditions []servicetime.Condition) (lacked bool, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	c := x.campaign
	c.input = input
	stored, err := x.app.fill(ctx, x.store, x.measurer, c, names, conditions)
	x.measured += len(stored)
	return len(stored) > 0, err
}

// inline measures what is missing when it is asked for, and what there is too little
// of because a run before this one failed: the virtual clock of the run that asks
// stands still meanwhile.
type inline struct {
	sources *sources
	options results.SourceOptions

	mu     sync.Mutex
	source *replay
}

// current returns the source as it is, or a new one that sees what was stored
// since.
func (s *inline) current(renew bool) *replay {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.source == nil || renew {
		s.source = s.sources.replay(s.options)
	}
	return s.source
}

// Labels implements experiment.Measured.
func (s *inline) Labels() []string { return s.current(false).Labels() }

// Notes implements experiment.Measured.
func (s *inline) Notes() []string { return s.current(false).Notes() }

// Law implements servicetime.Source.
func (s *inline) Law(ctx context.Context, request servicetime.Request) (servicetime.Law, error) {
	law := &inlineLaw{ctx: ctx, source: s, request: request}
	if err := law.renew(false); err != nil {
		return nil, err
	}
	return law, nil
}

// inlineLaw is a law that grows. It is safe for concurrent use.
type inlineLaw struct {
	ctx     context.Context // of the run the law was opened for
	source  *inline
	request servicetime.Request

	mu    sync.Mutex
	law   servicetime.Resampler
	whole map[servicetime.Kind]bool // what was measured of it is as much as is wanted
}

// renew reads the law from the store, measuring a warm call first where there
// is nothing at all.
func (l *inlineLaw) renew(stored bool) error {
	for {
		law, err := l.source.current(stored).Law(l.ctx, l.request)
		var missing *servicetime.NotSampledError
		if errors.As(err, &missing) && !stored {
			stored = true
			if _, err := l.measure(servicetime.Condition{Kind: servicetime.Warm}); err != nil {
				return err
			}
			continue
		}
		if err == nil {
			l.law, err = resampler(law)
		}
		return err
	}
}

// Resample implements servicetime.Resampler for what is measured so far.
func (l *inlineLaw) Resample(random func(string) *rand.Rand, only func(servicetime.Condition) bool) servicetime.Resampler {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.law.Resample(random, only)
}

// Sampled returns the law of what is measured so far.
func (l *inlineLaw) Sampled() servicetime.Resampler {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.law
}

// Cells implements servicetime.Resampler.
func (l *inlineLaw) Cells() []servicetime.Cell {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.law.Cells()
}

// resampler is the law of a store, which always is one of samples.
func resampler(law servicetime.Law) (servicetime.Resampler, error) {
	r, ok := law.(servicetime.Resampler)
	if !ok {
		return nil, fmt.Errorf("a law of type %T cannot be resampled", law)
	}
	return r, nil
}

func (l *inlineLaw) measure(c servicetime.Condition) (lacked bool, err error) {
	return l.source.sources.fill(l.ctx, l.request.Input, []string{l.request.Function}, []servicetime.Condition{c})
}

// Draw implements servicetime.Law.
func (l *inlineLaw) Draw(state servicetime.State, u float64) (d servicetime.Draw, err error) {
	err = l.answer(l.restsOn(state), func() (err error) {
		d, err = l.law.Draw(state, u)
		return err
	})
	return d, err
}

// restsOn returns the conditions that a draw in that state rests on.
func (l *inlineLaw) restsOn(s servicetime.State) []servicetime.Kind {
	switch {
	case l.source.options.Law.Penalty == 0:
		return warmOnly
	case s.Cold:
		return andCold
	case s.New || s.K > 0 || l.source.options.Law.Model.Kind != servicetime.Interleave:
		return andDeeper
	}
	return warmOnly
}

var (
	warmOnly  = []servicetime.Kind{servicetime.Warm}
	andCold   = []servicetime.Kind{servicetime.Warm, servicetime.Cold}
	andDeeper = []servicetime.Kind{servicetime.Warm, servicetime.Lukewarm, servicetime.Flush}
	stages    = []servicetime.Kind{servicetime.StageCreate, servicetime.StageInit}
)

// Startup implements servicetime.Law.
func (l *inlineLaw) Startup(create, init float64) (createTime, initTime time.Duration, err error) {
	err = l.answer(stages, func() (err error) {
		createTime, initTime, err = l.law.Startup(create, init)
		return err
	})
	return createTime, initTime, err
}

// answer measures what ask finds missing and asks again, until it is answered or
// the same is still missing after it was measured. What the answer rests on is
// topped up first.
func (l *inlineLaw) answer(restsOn []servicetime.Kind, ask func() error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, kind := range restsOn {
		if err := l.topUp(kind); err != nil {
			return err
		}
	}
	var last servicetime.Condition
	for {
		err := ask()
		var missing *servicetime.NotSampledError
		if !errors.As(err, &missing) || missing.Condition == last {
			return err
		}
		last = missing.Condition
		if _, err := l.measure(last); err != nil {
			return err
		}
		if err := l.renew(true); err != nil {
			return err
		}
	}
}

// topUp measures what is wanting of those conditions of a kind that were measured,
// once.
func (l *inlineLaw) topUp(kind servicetime.Kind) error {
	if l.whole[kind] {
		return nil
	}
	lacked := false
	for _, cell := range l.law.Cells() {
		c := cell.Condition
		if c.Kind != kind || c.Kind == servicetime.Lukewarm && c.Mix != servicetime.CatalogMix { // no other mix is measured here
			continue
		}
		less, err := l.measure(c)
		if err != nil {
			return err
		}
		lacked = lacked || less
	}
	if l.whole == nil {
		l.whole = map[servicetime.Kind]bool{}
	}
	l.whole[kind] = true
	if !lacked {
		return nil
	}
	return l.renew(true)
}
