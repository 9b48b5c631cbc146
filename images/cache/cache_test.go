package cache_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/images/cache"
)

func open(t *testing.T) *cache.Cache {
	t.Helper()
	c, err := cache.Open(filepath.Join(t.TempDir(), "deep", "cache"))
	require.NoError(t, err)
	return c
}

func TestKeyTellsItsPartsApart(t *testing.T) {
	t.Parallel()
	require.NotEqual(t, cache.Key("a", "b"), cache.Key("ab"))
	require.NotEqual(t, cache.Key("a", "b"), cache.Key("b", "a"))
	require.NotEqual(t, cache.Key(), cache.Key(""))
	require.Equal(t, cache.Key("a", "b"), cache.Key("a", "b"))
	require.Regexp(t, "^[0-9a-f]{32}$", cache.Key("x"))
}

func TestAnEntryIsBuiltOnce(t *testing.T) {
	t.Parallel()
	c := open(t)
	var builds atomic.Int32
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			dir, err := c.Entry(context.Background(), cache.Recipe{Kind: "kernel", Key: "k1", Build: func(dir string) error {
				builds.Add(1)
				time.Sleep(20 * time.Millisecond) // long enough that the others arrive meanwhile
				return os.WriteFile(filepath.Join(dir, "file"), []byte("x"), 0o644)
			}})
			require.NoError(t, err)
			require.FileExists(t, filepath.Join(dir, "file"))
		})
	}
	group.Wait()
	require.EqualValues(t, 1, builds.Load())
}

func TestAFailedBuildLeavesNothing(t *testing.T) {
	t.Parallel()
	c := open(t)
	boom := errors.New("boom")
	_, err := c.Entry(context.Background(), cache.Recipe{Kind: "kernel", Key: "k1", Build: func(dir string) error {
		locked := filepath.Join(dir, "locked")
		require.NoError(t, os.Mkdir(locked, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(locked, "half"), nil, 0o644))
		require.NoError(t, os.Chmod(locked, 0o555))
		return boom
	}})
	require.ErrorIs(t, err, boom)
	left, err := filepath.Glob(filepath.Join(c.Root(), "kernel", "*"))
	require.NoError(t, err)
	require.Equal(t, []string{filepath.Join(c.Root(), "kernel", "k1.lock")}, left)

	_, err = c.Entry(context.Background(), cache.Recipe{Kind: "kernel", Key: "k1", Build: func(string) error { return nil }})
	require.NoError(t, err, "the next try must build again")
}

func TestWhatAKilledBuildLeftIsReplaced(t *testing.T) {
	t.Parallel()
	c := open(t)
	half := filepath.Join(c.Root(), "kernel", "k1.building")
	require.NoError(t, os.MkdirAll(half, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(half, "half"), nil, 0o644))
	dir, err := c.Entry(context.Background(), cache.Recipe{Kind: "kernel", Key: "k1", Build: func(string) error { return nil }})
	require.NoError(t, err)
	require.NoFileExists(t, filepath.Join(dir, "half"))
	require.NoDirExists(t, half)
}

func TestTooLittleDiskSpaceIsRefusedBeforeTheBuild(t *testing.T) {
	t.Parallel()
	c := open(t)
	_, err := c.Entry(context.Background(), cache.Recipe{Kind: "kernel", Key: "k1", Need: 1 << 60, Build: func(string) error {
		t.Error("the build must not begin")
		return nil
	}})
	require.ErrorContains(t, err, "no disk space")
	require.ErrorContains(t, err, "XDG_CACHE_HOME")
}

func TestWaitingForAnotherBuildEndsWithTheContext(t *testing.T) {
	t.Parallel()
	c := open(t)
	building, release := make(chan struct{}), make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		_, err := c.Entry(context.Background(), cache.Recipe{Kind: "kernel", Key: "k1", Build: func(string) error {
			close(building)
			<-release
			return nil
		}})
		require.NoError(t, err)
	})
	<-building
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := c.Entry(ctx, cache.Recipe{Kind: "kernel", Key: "k1", Build: func(string) error { return nil }})
	require.ErrorIs(t, err, context.Canceled)
	close(release)
	group.Wait()
}

func TestBadNamesAreRefused(t *testing.T) {
	t.Parallel()
	c := open(t)
	for _, key := range []string{"", "../escape", "a/b"} {
		_, err := c.Entry(context.Background(), cache.Recipe{Kind: "kernel", Key: key, Build: func(string) error { return nil }})
		require.Error(t, err, "key %q", key)
	}
}

func TestAForgottenEntryIsBuiltAgain(t *testing.T) {
	t.Parallel()
	c := open(t)
	builds := 0
	recipe := cache.Recipe{Kind: "packages", Key: "k1", Build: func(string) error { builds++; return nil }}
	require.NoError(t, c.Forget(context.Background(), recipe), "what is not there is forgotten already")
	for range 2 {
		_, err := c.Entry(context.Background(), recipe)
		require.NoError(t, err)
	}
	require.Equal(t, 1, builds)
	require.NoError(t, c.Forget(context.Background(), recipe))
	_, err := c.Entry(context.Background(), recipe)
	require.NoError(t, err)
	require.Equal(t, 2, builds)
}

func TestScratchIsRemoved(t *testing.T) {
	t.Parallel()
	c := open(t)
	dir, remove, err := c.Scratch("stage")
	require.NoError(t, err)
	require.DirExists(t, dir)
	require.NoError(t, remove())
	require.NoDirExists(t, dir)
}

func TestACacheThatCannotBeMadeIsAnError(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	_, err := cache.Open(filepath.Join(file, "cache"))
	require.ErrorContains(t, err, "open cache")
}
