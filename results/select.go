package results

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"microcosm/cosim/servicetime"
)

// Selection says which stack answers for a function. An empty field must be
// unique among what the store holds.
type Selection struct {
	PlatformDigest string
	Image          string
	// Stack is the digest of a stack, or a collection's name with or without its
	// digest ("recorded@0f3a…", "recorded"): then only its samples answer.
	Stack string
	// Own keeps collections from answering.
	Own bool
}

// Selected is what answers for a function under a selection.
type Selected struct {
	Stack      Stack
	Label      string               // the stack's digest, or the collection's label
	Simulators []string             // binary digests; more than one is worth a warning
	Samples    []servicetime.Sample // of every condition and status, by key and number
}

// Select returns the samples that answer a request, all of one stack. It
// returns a *servicetime.NotSampledError if there are none, and an
// *AmbiguousError if several stacks answer and the selection names none.
func (s *Store) Select(ctx context.Context, request servicetime.Request, selection Selection) (Selected, error) {
	filter := Filter{
		Function: request.Function, Input: request.Input, Platform: request.Platform,
		PlatformDigest: selection.PlatformDigest, Image: selection.Image, Stack: selection.Stack, Own: selection.Own,
	}
	label, err := s.collectionOf(ctx, selection.Stack)
	if err != nil {
		return Selected{}, err
	}
	if label != "" {
		filter.Stack = ""
		filter.Collection, _, _ = strings.Cut(label, "@")
	}
	keys, err := s.Keys(ctx, filter)
	if err != nil {
		return Selected{}, err
	}
	stacks := stacksOf(keys)
	if len(stacks) > 1 {
		return Selected{}, &AmbiguousError{Request: request, Found: stacks}
	}
	if len(stacks) == 0 {
		return Selected{}, s.notSampled(ctx, request, selection)
	}
	filter.PlatformDigest, filter.Image, filter.Stack = stacks[0].PlatformDigest, stacks[0].Image, stacks[0].Stack
	selected := Selected{Stack: stacks[0], Label: label}
	if label == "" {
		selected.Label = stacks[0].Stack
	}
	selected.Samples, err = s.Pick(ctx, filter)
	selected.Simulators = simulatorsOf(selected.Samples)
	return selected, err
}

// collectionOf returns the label of the collection that a selection's stack
// names, or "" if it names none.
func (s *Store) collectionOf(ctx context.Context, stack string) (label string, err error) {
	name, digest, labelled := strings.Cut(stack, "@")
	collections, err := s.Collections(ctx)
	if err != nil {
		return "", err
	}
	for _, c := range collections {
		switch {
		case c.Name != name:
		case !labelled || c.Digest == digest:
			return c.Label(), nil
		default:
			return "", fmt.Errorf("%s is not in the store, which holds %s; use that, or the version of the program that ships the former", stack, c.Label())
		}
	}
	return "", nil
}

// Pick returns the samples that the filter picks, by key and then by number.
func (s *Store) Pick(ctx context.Context, filter Filter) ([]servicetime.Sample, error) {
	where, arguments := filter.where()
	var samples []servicetime.Sample
	err := s.read(ctx, "read samples", func(tx *sql.Tx) error {
		var err error
		samples, err = selectSamples(ctx, tx, where, arguments...)
		return err
	})
	return samples, err
}

// notSampled says what the store holds instead.
func (s *Store) notSampled(ctx context.Context, request servicetime.Request, selection Selection) error {
	others, err := s.Stacks(ctx, Filter{Function: request.Function, Input: request.Input, Platform: request.Platform})
	if err != nil {
		return err
	}
	missing := &servicetime.NotSampledError{Request: request, Condition: servicetime.Condition{Kind: servicetime.Warm}}
	if len(others) > 0 && selection != (Selection{}) {
		missing.Detail = fmt.Sprintf("nothing from %s, but %s", selection, others[0])
	}
	return missing
}

// String names the fields that are set.
func (s Selection) String() string {
	var parts []string
	if s.Own {
		parts = append(parts, "measurements or imports of one's own")
	}
	for _, field := range []struct{ name, value string }{
		{"stack", s.Stack}, {"image", s.Image}, {"platform digest", s.PlatformDigest},
	} {
		if field.value != "" {
			parts = append(parts, field.name+" "+field.value)
		}
	}
	return strings.Join(parts, ", ")
}

func simulatorsOf(samples []servicetime.Sample) []string {
	var digests []string
	for _, s := range samples {
		if s.Status == servicetime.Valid {
			digests = append(digests, s.Provenance.SimulatorDigest)
		}
	}
	slices.Sort(digests)
	return slices.Compact(digests)
}
