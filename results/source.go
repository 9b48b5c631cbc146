package results

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"microcosm/cosim/servicetime"
	"microcosm/results/samplefile"
)

// SourceOptions say from which samples and how a Source answers.
type SourceOptions struct {
	Selection  Selection            // which stack answers, for every function
	ByFunction map[string]Selection // and for these functions instead
	Law        servicetime.LawOptions
	Log        *slog.Logger // warnings; nil means slog.DiscardHandler
}

// Source answers from the store alone (replay). Every function's samples are
// read once, at the first question, so that one run sees one sample set whatever
// is stored meanwhile. It is safe for concurrent use.
type Source struct {
	store   *Store
	options SourceOptions

	mu       sync.Mutex
	answered map[servicetime.Request]answer
}

type answer struct {
	selected Selected
	law      *servicetime.SampledLaw
}

var _ servicetime.Source = (*Source)(nil)

// NewSource returns a source over the store, which must stay open.
func NewSource(store *Store, options SourceOptions) *Source {
	if options.Log == nil {
		options.Log = slog.New(slog.DiscardHandler)
	}
	return &Source{store: store, options: options, answered: map[servicetime.Request]answer{}}
}

// Law returns the law of a function on a platform, built from all samples of
// the selected stack. Its errors are those of Select.
func (s *Source) Law(ctx context.Context, request servicetime.Request) (servicetime.Law, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, ok := s.answered[request]; ok {
		return known.law, nil
	}
	selection, chosen := s.options.ByFunction[request.Function]
	if !chosen {
		selection = s.options.Selection
	}
	selected, err := s.store.Select(ctx, request, selection)
	if err != nil {
		return nil, err
	}
	if len(selected.Simulators) > 1 {
		s.options.Log.Warn("samples of several simulator binaries are pooled",
			"function", request.Function, "platform", request.Platform, "simulators", selected.Simulators)
	}
	options := s.options.Law
	options.Request = request
	law, err := servicetime.NewLaw(byCondition(selected.Samples), options)
	if err != nil {
		return nil, fmt.Errorf("law of %s/%s on %s: %w", request.Function, request.Input, request.Platform, err)
	}
	s.answered[request] = answer{selected: selected, law: law}
	return law, nil
}

// byCondition gathers the samples of one stack by condition, in the order of
// the conditions.
func byCondition(samples []servicetime.Sample) []servicetime.Measured {
	var measured []servicetime.Measured
	for _, sample := range samples {
		c := sample.Key.Condition
		at := slices.IndexFunc(measured, func(m servicetime.Measured) bool { return m.Condition == c })
		if at < 0 {
			at = len(measured)
			measured = append(measured, servicetime.Measured{Condition: c})
		}
		measured[at].Samples = append(measured[at].Samples, sample)
	}
	slices.SortFunc(measured, func(a, b servicetime.Measured) int { return samplefile.CompareConditions(a.Condition, b.Condition) })
	return measured
}

// Answers returns what has answered so far, by request.
func (s *Source) Answers() map[servicetime.Request]Selected {
	s.mu.Lock()
	defer s.mu.Unlock()
	answers := make(map[servicetime.Request]Selected, len(s.answered))
	for request, known := range s.answered {
		answers[request] = known.selected
	}
	return answers
}

// Digest returns the SetDigest of all samples that have answered so far: the
// sample set that identifies the run.
func (s *Source) Digest() string {
	var samples []servicetime.Sample
	for _, selected := range s.Answers() {
		samples = append(samples, selected.Samples...)
	}
	return SetDigest(samples)
}
