package checkpoint_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/gem5bridge/gem5/checkpoint"
)

func key(parts ...string) checkpoint.Key {
	k := checkpoint.Key{Kind: "boot", Parts: map[string]string{}}
	for _, p := range parts {
		name, value, _ := strings.Cut(p, "=")
		k.Parts[name] = value
	}
	return k
}

// content makes a checkpoint of two files and counts how often.
func content(made *atomic.Int32, text string) func(string) error {
	return func(path string) error {
		made.Add(1)
		return errors.Join(
			os.Mkdir(path, 0o755),
			os.WriteFile(filepath.Join(path, "m5.cpt"), []byte(text), 0o600),
			os.WriteFile(filepath.Join(path, "memory"), []byte(strings.Repeat(text, 100)), 0o600))
	}
}

func open(t *testing.T, limit int64) (*checkpoint.Cache, string) {
	t.Helper()
	dir := t.TempDir()
	c, err := checkpoint.Open(dir, limit)
	require.NoError(t, err)
	return c, dir
}

func get(t *testing.T, c *checkpoint.Cache, k checkpoint.Key, build func(string) error) checkpoint.Checkpoint {
	t.Helper()
	found, err := c.Get(t.Context(), k, build)
	require.NoError(t, err)
	return found
}

func TestMadeOnceAndFoundAgain(t *testing.T) {
	t.Parallel()
	c, _ := open(t, 1<<20)
	var made atomic.Int32
	first := get(t, c, key("kernel=1"), content(&made, "state"))
	first.Release()
	second := get(t, c, key("kernel=1"), content(&made, "state"))
	second.Release()
	require.True(t, first.Made)
	require.False(t, second.Made)
	require.Equal(t, first.Dir, second.Dir)
	require.Equal(t, first.ID, second.ID)
	require.Equal(t, int32(1), made.Load())
	text, err := os.ReadFile(filepath.Join(second.Dir, "m5.cpt"))
	require.NoError(t, err)
	require.Equal(t, "state", string(text))
}

func TestAnyOtherPartIsAnotherCheckpoint(t *testing.T) {
	t.Parallel()
	base := key("kernel=1", "disk=2").Digest()
	for _, other := range []checkpoint.Key{
		key("kernel=2", "disk=2"), key("kernel=1", "disk=3"), key("kernel=1"), key("kernel=1", "disk=2", "cores=2"), key("kernel=1disk=", "disk=2"),
		{Kind: "warm", Parts: key("kernel=1", "disk=2").Parts},
	} {
		require.NotEqual(t, base, other.Digest(), "%v", other)
	}
}

func TestDamageIsSeenAndRepaired(t *testing.T) {
	t.Parallel()
	entryOf := func(found checkpoint.Checkpoint) string { return filepath.Dir(found.Dir) }
	for _, damage := range []struct {
		name string
		do   func(found checkpoint.Checkpoint) error
	}{
		{"one byte flipped", func(f checkpoint.Checkpoint) error {
			return os.WriteFile(filepath.Join(f.Dir, "m5.cpt"), []byte("stale"), 0o600)
		}},
		{"cut short", func(f checkpoint.Checkpoint) error { return os.Truncate(filepath.Join(f.Dir, "memory"), 7) }},
		{"a file lost", func(f checkpoint.Checkpoint) error { return os.Remove(filepath.Join(f.Dir, "memory")) }},
		{"a file added", func(f checkpoint.Checkpoint) error { return os.WriteFile(filepath.Join(f.Dir, "more"), nil, 0o600) }},
		{"manifest lost", func(f checkpoint.Checkpoint) error { return os.Remove(filepath.Join(entryOf(f), "manifest.json")) }},
		{"manifest cut short", func(f checkpoint.Checkpoint) error {
			return os.Truncate(filepath.Join(entryOf(f), "manifest.json"), 20)
		}},
		{"of another key", func(f checkpoint.Checkpoint) error {
			path := filepath.Join(entryOf(f), "manifest.json")
			text, err := os.ReadFile(path)
			return errors.Join(err, os.WriteFile(path, []byte(strings.Replace(string(text), `"kernel": "1"`, `"kernel": "2"`, 1)), 0o600))
		}},
		{"everything lost", func(f checkpoint.Checkpoint) error { return os.RemoveAll(entryOf(f)) }},
	} {
		t.Run(damage.name, func(t *testing.T) {
			t.Parallel()
			c, _ := open(t, 1<<20)
			var made atomic.Int32
			first := get(t, c, key("kernel=1"), content(&made, "state"))
			first.Release()
			require.NoError(t, damage.do(first))
			again := get(t, c, key("kernel=1"), content(&made, "state"))
			again.Release()
			require.True(t, again.Made)
			require.Equal(t, int32(2), made.Load())
			text, err := os.ReadFile(filepath.Join(again.Dir, "m5.cpt"))
			require.NoError(t, err)
			require.Equal(t, "state", string(text))
		})
	}
}

func TestFailedBuildLeavesNothing(t *testing.T) {
	t.Parallel()
	c, dir := open(t, 1<<20)
	broken := errors.New("gem5 crashed")
	_, err := c.Get(t.Context(), key("kernel=1"), func(path string) error {
		return errors.Join(os.Mkdir(path, 0o755), broken)
	})
	require.ErrorIs(t, err, broken)
	_, err = c.Get(t.Context(), key("kernel=1"), func(path string) error { return os.Mkdir(path, 0o755) })
	require.ErrorContains(t, err, "nothing was made")
	left, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	require.NoError(t, err)
	require.Empty(t, left)

	var made atomic.Int32
	get(t, c, key("kernel=1"), content(&made, "state")).Release()
}

func TestWhatAKilledProcessLeftIsReplaced(t *testing.T) {
	t.Parallel()
	c, dir := open(t, 1<<20)
	half := filepath.Join(dir, key("kernel=1").Digest()+".making", "checkpoint")
	require.NoError(t, os.MkdirAll(half, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(half, "m5.cpt"), []byte("half"), 0o600))
	var made atomic.Int32
	get(t, c, key("kernel=1"), content(&made, "state")).Release()
	require.Equal(t, int32(1), made.Load())
}

func TestManyWantOne(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var made atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			c, err := checkpoint.Open(dir, 1<<20) // as another process would
			if err != nil {
				t.Error(err)
				return
			}
			found, err := c.Get(context.Background(), key("kernel=1"), content(&made, "state"))
			if err != nil {
				t.Error(err)
				return
			}
			found.Release()
		})
	}
	all.Wait()
	require.Equal(t, int32(1), made.Load())
}

func TestWhoWaitsCanBeCancelled(t *testing.T) {
	t.Parallel()
	c, _ := open(t, 1<<20)
	enough := errors.New("enough")
	_, err := c.Get(t.Context(), key("kernel=1"), func(path string) error {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(enough)
		_, err := c.Get(ctx, key("kernel=1"), func(string) error { return errors.New("made twice at a time") })
		require.ErrorIs(t, err, enough)
		var made atomic.Int32
		return content(&made, "state")(path)
	})
	require.NoError(t, err)
}

func TestEvictionTakesWhatWasUsedLongestAgo(t *testing.T) {
	t.Parallel()
	const each = 101 * 5 // bytes of content; the manifests come on top
	c, dir := open(t, 4*each)
	var made atomic.Int32
	age := func(found checkpoint.Checkpoint, hours int) {
		then := time.Now().Add(-time.Duration(hours) * time.Hour)
		require.NoError(t, os.Chtimes(filepath.Join(filepath.Dir(found.Dir), "manifest.json"), then, then))
	}
	oldest := get(t, c, key("n=1"), content(&made, "state"))
	used := get(t, c, key("n=2"), content(&made, "state")) // and kept in use
	age(oldest, 3)
	age(used, 4)
	oldest.Release()
	third := get(t, c, key("n=3"), content(&made, "state"))
	third.Release()
	age(third, 1)
	fourth := get(t, c, key("n=4"), content(&made, "state"))
	fourth.Release()

	require.NoDirExists(t, oldest.Dir)
	require.DirExists(t, used.Dir, "what is in use stays, however old")
	require.DirExists(t, fourth.Dir, "what was just made stays, whatever the limit")
	used.Release()
	names, err := filepath.Glob(filepath.Join(dir, "*.making"))
	require.NoError(t, err)
	require.Empty(t, names)
}
