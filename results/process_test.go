package results_test

import (
	"bufio"
	"fmt"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"microcosm/results"
)

func TestProcessesWriteAtTheSameTime(t *testing.T) {
	t.Parallel()
	const processes, each, shared = 4, 60, 20
	path := filepath.Join(t.TempDir(), "store.db")
	var wait []func()
	for p := range processes {
		// The ranges overlap: both neighbours store the shared samples. None of
		// them finds the file: one creates it.
		wait = append(wait, start(t, "write", path, strconv.Itoa(p*each), strconv.Itoa((p+1)*each+shared)))
	}
	for _, w := range wait {
		w()
	}
	s := openAt(t, path, results.Options{MustExist: true})
	got, err := s.Samples(t.Context(), key(nil))
	require.NoError(t, err)
	require.Equal(t, many(key(nil), processes*each+shared), got)
	requireSound(t, s)
}

func TestGoroutinesShareOneStore(t *testing.T) {
	t.Parallel()
	s := open(t)
	const writers, each = 4, 40
	var group errgroup.Group
	for w := range writers {
		group.Go(func() error {
			for n := w * each; n < (w+1)*each; n++ {
				if err := s.Put(t.Context(), sample(key(nil), n)); err != nil {
					return err
				}
			}
			return nil
		})
		group.Go(func() error {
			last := 0
			for range each {
				got, err := s.Samples(t.Context(), key(nil))
				if err != nil || len(got) < last {
					return fmt.Errorf("%d samples after %d: %w", len(got), last, err)
				}
				last = len(got)
			}
			return nil
		})
		group.Go(func() error {
			_, err := s.GC(t.Context(), results.Policy{KeepStacks: []string{key(nil).Stack}})
			return err
		})
	}
	require.NoError(t, group.Wait())
	require.Len(t, numbers(t, s), writers*each)
	requireSound(t, s)
}

func TestAWriterIsKilledInTheMiddleOfATransaction(t *testing.T) {
	t.Parallel()
	for range 3 {
		path := filepath.Join(t.TempDir(), "store.db")
		c := helper(t.Context(), t, "forever", path)
		out, err := c.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, c.Start())
		stored := 0
		for lines := bufio.NewScanner(out); lines.Scan(); {
			stored, err = strconv.Atoi(lines.Text())
			require.NoError(t, err)
			if stored >= 2*batch {
				break
			}
		}
		require.GreaterOrEqual(t, stored, 2*batch, "the writer ended by itself")
		require.NoError(t, c.Process.Kill())
		_ = c.Wait() // it was killed

		s := openAt(t, path, results.Options{MustExist: true})
		got, err := s.Samples(t.Context(), key(nil))
		require.NoError(t, err)
		require.GreaterOrEqual(t, len(got), stored, "what Put returned for is there")
		require.Zero(t, len(got)%batch, "no part of a transaction is there")
		require.Equal(t, many(key(nil), len(got)), got)
		requireSound(t, s)
		require.NoError(t, s.Put(t.Context(), sample(key(nil), len(got))), "the store can be written again")
	}
}

// requireSound asserts that Verify finds no damage.
func requireSound(t testing.TB, s *results.Store) {
	t.Helper()
	found, err := s.Verify(t.Context())
	require.NoError(t, err)
	for _, f := range found {
		require.False(t, f.Damage, f)
	}
}
