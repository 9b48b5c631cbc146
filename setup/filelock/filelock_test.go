package filelock_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"microcosm/setup/filelock"
)

const holder = "FILELOCK_TEST_HOLD"

func TestMain(m *testing.M) {
	if path := os.Getenv(holder); path != "" {
		hold(path)
		return
	}
	goleak.VerifyTestMain(m)
}

// hold takes a lock, says so and waits to be killed.
func hold(path string) {
	_, err := filelock.Take(context.Background(), path)
	fmt.Println(err)
	select {}
}

func TestOnlyOneHoldsALock(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for situation, path := range map[string]string{
		"a folder":                   folder,
		"a file that does not exist": filepath.Join(folder, "fresh"),
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			var inside, turns atomic.Int32 // the race detector does not know this lock
			var group sync.WaitGroup
			for range 8 {
				group.Go(func() {
					release, err := filelock.Take(context.Background(), path)
					if err != nil {
						t.Error(err)
						return
					}
					if n := inside.Add(1); n != 1 {
						t.Errorf("%d hold the lock", n)
					}
					turns.Add(1)
					inside.Add(-1)
					if err := release(); err != nil {
						t.Error(err)
					}
				})
			}
			group.Wait()
			require.EqualValues(t, 8, turns.Load())
		})
	}
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	release, err := filelock.Take(t.Context(), path)
	require.NoError(t, err)
	reason := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(reason)
	_, err = filelock.Take(ctx, path)
	require.ErrorIs(t, err, reason)
	require.ErrorContains(t, err, path)
	require.NoError(t, release())
	release, err = filelock.Take(ctx, path)
	require.NoError(t, err, "what is free needs no waiting")
	require.NoError(t, release())
}

func TestTryDoesNotWait(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	release, err := filelock.Try(path)
	require.NoError(t, err)
	_, err = filelock.Try(path)
	require.ErrorIs(t, err, filelock.ErrHeld)
	require.NoError(t, release())
	release, err = filelock.Try(path)
	require.NoError(t, err)
	require.NoError(t, release())
}

func TestALockEndsWithItsKilledHolder(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	other := exec.Command(os.Args[0])
	other.Env = append(os.Environ(), holder+"="+path)
	out, err := other.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, other.Start())
	said, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "<nil>\n", said)
	_, err = filelock.Try(path)
	require.ErrorIs(t, err, filelock.ErrHeld)

	require.NoError(t, other.Process.Kill())
	require.Error(t, other.Wait())
	release, err := filelock.Take(t.Context(), path)
	require.NoError(t, err)
	require.NoError(t, release())
}

// TestLettingGoDoesNotWaitForCopies leaves a copy of every open file behind, as a
// child has between fork and exec.
func TestLettingGoDoesNotWaitForCopies(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	for situation, take := range map[string]func() (func() error, error){
		"whole": func() (func() error, error) { return filelock.Try(path) },
		"part":  func() (func() error, error) { return filelock.TryPart(path, "one") },
	} {
		release, err := take()
		require.NoError(t, err, situation)
		copied := copies(t, path)
		require.NotEmpty(t, copied, situation)
		require.NoError(t, release(), situation)
		release, err = take()
		require.NoError(t, err, situation)
		require.NoError(t, release(), situation)
		for _, fd := range copied {
			require.NoError(t, unix.Close(fd))
		}
	}
}

// copies duplicates this process's descriptors of the file at path.
func copies(t *testing.T, path string) (copied []int) {
	const folder = "/proc/self/fd"
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	for _, entry := range entries {
		if target, err := os.Readlink(filepath.Join(folder, entry.Name())); err != nil || target != path {
			continue
		}
		fd, err := strconv.Atoi(entry.Name())
		require.NoError(t, err)
		fd, err = unix.Dup(fd)
		require.NoError(t, err)
		copied = append(copied, fd)
	}
	return copied
}

func TestWhatCannotBeOpened(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "absent", "lock")
	_, err := filelock.Take(t.Context(), path)
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = filelock.Try(path)
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestPartsAreIndependent(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	one, err := filelock.TryPart(path, "one")
	require.NoError(t, err)
	two, err := filelock.TryPart(path, "two")
	require.NoError(t, err)
	whole, err := filelock.Try(path)
	require.NoError(t, err, "the file's own lock is another")
	_, err = filelock.TryPart(path, "one")
	require.ErrorIs(t, err, filelock.ErrHeld)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = filelock.TakePart(ctx, path, "one")
	require.ErrorIs(t, err, context.Canceled)
	taken := make(chan error, 1)
	go func() {
		release, err := filelock.TakePart(context.Background(), path, "one")
		if err == nil {
			err = release()
		}
		taken <- err
	}()
	require.NoError(t, one())
	require.NoError(t, <-taken)
	require.NoError(t, two())
	require.NoError(t, whole())
}

func TestAPartIsSharedOrTaken(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	share := func(part string) func() error {
		t.Helper()
		release, err := filelock.SharePart(cancelled, path, part) // at once, or not at all
		require.NoError(t, err)
		return release
	}
	first, second := share("one"), share("one")
	_, err := filelock.TryPart(path, "one")
	require.ErrorIs(t, err, filelock.ErrHeld, "two share it")
	require.NoError(t, first())
	_, err = filelock.TryPart(path, "one")
	require.ErrorIs(t, err, filelock.ErrHeld, "one holds it still")
	require.NoError(t, second())
	alone, err := filelock.TryPart(path, "one")
	require.NoError(t, err)
	_, err = filelock.SharePart(cancelled, path, "one")
	require.ErrorIs(t, err, context.Canceled, "nobody shares what is taken")
	require.NoError(t, share("two")())
	require.NoError(t, alone())
	require.NoError(t, share("one")())
}
