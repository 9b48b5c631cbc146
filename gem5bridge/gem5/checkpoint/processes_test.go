package checkpoint_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"microcosm/gem5bridge/gem5/checkpoint"
)

// Environment variables that make this test binary another process at the cache.
const (
	roleVariable = "CHECKPOINT_TEST_ROLE"
	dirVariable  = "CHECKPOINT_TEST_DIR"
)

// patience is how long a test waits for another process on a busy machine.
const patience = time.Minute

func TestMain(m *testing.M) {
	roles := map[string]func(dir string) error{
		"wants all": wantAll, "holds": hold, "hangs in building": hang, "may write little": writeLittle,
	}
	if role, other := roles[os.Getenv(roleVariable)]; other {
		if err := role(os.Getenv(dirVariable)); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// as starts another process at the cache in dir and returns it with the lines that it
// says.
func as(t *testing.T, role, dir string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleVariable+"="+role, dirVariable+"="+dir)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		_, _ = io.Copy(io.Discard, out)
		_ = cmd.Wait() // waited for already, or killed
	})
	return cmd, bufio.NewScanner(out)
}

// said returns the next line of another process.
func said(t *testing.T, lines *bufio.Scanner) string {
	t.Helper()
	require.True(t, lines.Scan(), "it ended")
	return lines.Text()
}

const wanted = 12 // checkpoints

// wantAll gets every checkpoint in turn, says which ones it made, and checks each.
func wantAll(dir string) error {
	c, err := checkpoint.Open(dir, 1<<30)
	if err != nil {
		return err
	}
	for i := range wanted {
		text := strings.Repeat(strconv.Itoa(i), 1000)
		found, err := c.Get(context.Background(), key(fmt.Sprintf("n=%d", i)), func(path string) error {
			fmt.Println("made", i)
			return errors.Join(os.Mkdir(path, 0o755), os.WriteFile(filepath.Join(path, "m5.cpt"), []byte(text), 0o600))
		})
		if err != nil {
			return err
		}
		got, err := os.ReadFile(filepath.Join(found.Dir, "m5.cpt"))
		if err != nil || string(got) != text {
			return fmt.Errorf("checkpoint %d is damaged: %.20q, %w", i, got, err)
		}
		found.Release()
	}
	return nil
}

func TestProcessesMakeEachCheckpointOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var all []*bufio.Scanner
	var processes []*exec.Cmd
	for range 4 {
		cmd, lines := as(t, "wants all", dir)
		processes, all = append(processes, cmd), append(all, lines)
	}
	made := map[string]int{}
	for _, lines := range all {
		for lines.Scan() {
			made[lines.Text()]++
		}
	}
	for _, cmd := range processes {
		require.NoError(t, cmd.Wait(), "%v", made)
	}
	require.Len(t, made, wanted)
	for line, n := range made {
		require.Equal(t, 1, n, line)
	}
}

// hold keeps a checkpoint in use until it is killed.
func hold(dir string) error {
	c, err := checkpoint.Open(dir, 1)
	if err != nil {
		return err
	}
	found, err := c.Get(context.Background(), key("n=held"), sized(100))
	fmt.Println(found.Dir, err)
	select {}
}

func TestWhatAnotherProcessUsesStaysUntilThatEnds(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	holder, lines := as(t, "holds", dir)
	path, _, _ := strings.Cut(said(t, lines), " ")
	require.DirExists(t, path)
	c, err := checkpoint.Open(dir, 1)
	require.NoError(t, err)
	get(t, c, key("n=1"), sized(100)).Release()
	require.DirExists(t, path, "though it is over the limit and the oldest")

	require.NoError(t, holder.Process.Kill())
	require.Error(t, holder.Wait())
	get(t, c, key("n=2"), sized(100)).Release()
	require.NoDirExists(t, path)
	require.NoDirExists(t, filepath.Join(dir, key("n=1").Digest()))
}

// hang begins to make a checkpoint and never ends.
func hang(dir string) error {
	c, err := checkpoint.Open(dir, 1<<20)
	if err != nil {
		return err
	}
	_, err = c.Get(context.Background(), key("n=1"), func(path string) error {
		if err := sized(100)(path); err != nil {
			return err
		}
		fmt.Println("half way")
		select {}
	})
	return err
}

// TestABuilderIsKilled: who waits for it builds in its place, and finds nothing of
// what it left.
func TestABuilderIsKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	builder, lines := as(t, "hangs in building", dir)
	require.Equal(t, "half way", said(t, lines))
	c, err := checkpoint.Open(dir, 1<<20)
	require.NoError(t, err)

	impatient, giveUp := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer giveUp()
	_, err = c.Get(impatient, key("n=1"), sized(1))
	require.ErrorIs(t, err, context.DeadlineExceeded, "another process is at it")
	require.ErrorContains(t, err, "checkpoint "+key("n=1").Digest())

	type result struct {
		found checkpoint.Checkpoint
		err   error
	}
	waited := make(chan result, 1)
	go func() {
		found, err := c.Get(t.Context(), key("n=1"), sized(7))
		waited <- result{found, err}
	}()
	require.NoError(t, builder.Process.Kill())
	require.Error(t, builder.Wait())
	select {
	case got := <-waited:
		require.NoError(t, got.err)
		require.True(t, got.found.Made)
		info, err := os.Stat(filepath.Join(got.found.Dir, "m5.cpt"))
		require.NoError(t, err)
		require.EqualValues(t, 7, info.Size())
		got.found.Release()
	case <-time.After(patience):
		require.Fail(t, "who waited did not get its turn")
	}
	left, err := filepath.Glob(filepath.Join(dir, "*.making"))
	require.NoError(t, err)
	require.Empty(t, left)
}

// writeLittle makes a checkpoint whose manifest does not fit on the disk, as far as
// this process can tell.
func writeLittle(dir string) error {
	c, err := checkpoint.Open(dir, 1<<20)
	if err != nil {
		return err
	}
	signal.Ignore(syscall.SIGXFSZ)
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 64, Max: 64}); err != nil {
		return err
	}
	_, err = c.Get(context.Background(), key("n=1"), sized(10))
	fmt.Println("manifest:", errors.Is(err, unix.EFBIG), err)
	_, err = c.Get(context.Background(), key("n=2"), sized(100))
	fmt.Println("content:", errors.Is(err, unix.EFBIG), err)
	return nil
}

// TestADiskWithoutRoomLeavesNoEntry: neither a checkpoint nor a manifest that was
// written in part is ever taken for a whole one.
func TestADiskWithoutRoomLeavesNoEntry(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writer, lines := as(t, "may write little", dir)
	require.Regexp(t, "^manifest: true checkpoint "+key("n=1").Digest()+": ", said(t, lines))
	require.Regexp(t, "^content: true ", said(t, lines))
	require.False(t, lines.Scan())
	require.NoError(t, writer.Wait())
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, entry := range left {
		require.Equal(t, "lock", entry.Name())
	}
	c, err := checkpoint.Open(dir, 1<<20)
	require.NoError(t, err)
	found := get(t, c, key("n=1"), sized(10))
	found.Release()
	require.True(t, found.Made)
}
