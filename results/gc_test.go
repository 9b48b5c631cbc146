package results_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/servicetime"
	"microcosm/results"
)

func TestGC(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := open(t)
	old := key(func(k *servicetime.Key) { k.Stack = "sha256:old" })
	older := key(func(k *servicetime.Key) { k.Stack = "sha256:older" })
	shipped := key(func(k *servicetime.Key) { k.Stack = "sha256:shipped" })
	require.NoError(t, s.Put(ctx, many(key(nil), 50)...))
	require.NoError(t, s.Put(ctx, many(old, 2000)...))
	require.NoError(t, s.Put(ctx, many(older, 3)...))
	require.NoError(t, s.PutCollection(ctx, "recorded", "d", append(many(shipped, 5), sample(older, 1))))
	count := func(k servicetime.Key) int {
		samples, err := s.Samples(ctx, k)
		require.NoError(t, err)
		return len(samples)
	}
	policy := results.Policy{KeepStacks: []string{"sha256:3333", "sha256:unknown"}, DryRun: true}
	planned, err := s.GC(ctx, policy)
	require.NoError(t, err)
	require.Equal(t, []results.StackCount{{Stack: "sha256:old", Samples: 2000}, {Stack: "sha256:older", Samples: 3}}, planned.Stacks)
	require.Equal(t, planned.Before, planned.After)
	require.Equal(t, 2000, count(old), "a dry run removes nothing")

	policy.DryRun = false
	done, err := s.GC(ctx, policy)
	require.NoError(t, err)
	require.Equal(t, planned.Stacks, done.Stacks)
	require.Equal(t, 1, done.Keys)
	require.Less(t, done.After, done.Before/2)
	require.Equal(t, []int{50, 0, 1, 5}, []int{count(key(nil)), count(old), count(older), count(shipped)}, "members of a collection stay")
	info, err := os.Stat(s.Path())
	require.NoError(t, err)
	require.Equal(t, done.After, info.Size(), "the space is free on the disk")

	done, err = s.GC(ctx, results.Policy{DropCollections: []string{"recorded"}})
	require.NoError(t, err)
	require.Equal(t, []results.StackCount{{Stack: "sha256:older", Samples: 1}, {Stack: "sha256:shipped", Samples: 5}}, done.Stacks)
	require.Equal(t, []int{50, 0, 0, 0}, []int{count(key(nil)), count(old), count(older), count(shipped)}, "what was measured here stays")
	list, err := s.Collections(ctx)
	require.NoError(t, err)
	require.Empty(t, list)

	_, err = s.GC(ctx, results.Policy{DropCollections: []string{"recorded"}})
	require.ErrorContains(t, err, `no collection "recorded"`)
	nothing, err := s.GC(ctx, results.Policy{})
	require.NoError(t, err)
	require.Empty(t, nothing.Stacks)
	require.Zero(t, nothing.Keys+nothing.Provenance)
	found, err := s.Verify(ctx)
	require.NoError(t, err)
	require.Empty(t, found)
}
