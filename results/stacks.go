package results

import (
	"context"
	"fmt"
	"slices"

	"microcosm/cosim/servicetime"
)

// Stack is one combination of digests under which valid samples of a function
// exist. Samples of different stacks are never pooled.
type Stack struct {
	Platform       string
	PlatformDigest string
	Image          string
	Stack          string
	Valid          int // valid samples
	Conditions     []servicetime.Condition
}

// String names the stack as a selection does, with what it holds.
func (s Stack) String() string {
	return fmt.Sprintf("stack %s, image %s, platform %s with digest %s: %d samples in %d conditions",
		s.Stack, s.Image, s.Platform, s.PlatformDigest, s.Valid, len(s.Conditions))
}

// Stacks lists the stacks under which the filter picks valid samples, in the
// order of Keys. None is no error.
func (s *Store) Stacks(ctx context.Context, filter Filter) ([]Stack, error) {
	keys, err := s.Keys(ctx, filter)
	if err != nil {
		return nil, err
	}
	return stacksOf(keys), nil
}

// stacksOf gathers the conditions of each stack; keys are in the order of Keys.
func stacksOf(keys []KeySummary) []Stack {
	var stacks []Stack
	for _, k := range keys {
		if k.Valid == 0 {
			continue
		}
		same := func(s Stack) bool {
			return s.Platform == k.Key.Platform && s.PlatformDigest == k.Key.PlatformDigest && s.Image == k.Key.Image && s.Stack == k.Key.Stack
		}
		at := slices.IndexFunc(stacks, same)
		if at < 0 {
			at = len(stacks)
			stacks = append(stacks, Stack{Platform: k.Key.Platform, PlatformDigest: k.Key.PlatformDigest, Image: k.Key.Image, Stack: k.Key.Stack})
		}
		stacks[at].Valid += k.Valid
		stacks[at].Conditions = append(stacks[at].Conditions, k.Key.Condition)
	}
	return stacks
}
