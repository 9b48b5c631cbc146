package results_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
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

	"microcosm/cosim/servicetime"
	"microcosm/results"
)

// fill stores batches in the store PATH until one is refused, prints how many
// samples are stored, tells why on standard error, and exports what there is to
// FOLDER, whose error it prints last.
func fill(path, folder string) error {
	ctx := context.Background()
	s, err := results.Open(ctx, path, results.Options{})
	if err != nil {
		return err
	}
	stored := 0
	for ; err == nil && stored < 200*batch; stored += batch {
		err = s.Put(ctx, manyFrom(key(nil), stored, batch)...)
	}
	fmt.Println(stored - batch)
	fmt.Println(strings.ReplaceAll(fmt.Sprint(err), "\n", " "))
	got, err := s.Samples(ctx, key(nil))
	fmt.Println(len(got), err)
	_, err = s.Export(ctx, folder, results.Filter{}, true)
	fmt.Println(strings.ReplaceAll(fmt.Sprint(err), "\n", " "))
	return nil // the store may be past closing
}

// helpLimited is fill in a process that may write no file of more than LIMIT
// bytes.
func helpLimited(arguments []string) error {
	signal.Ignore(syscall.SIGXFSZ)
	limit, err := strconv.ParseUint(arguments[2], 10, 64)
	if err == nil {
		err = syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: limit, Max: limit})
	}
	return errors.Join(err, fill(arguments[0], arguments[1]))
}

// noRoom is the exit code of a process that may not mount.
const noRoom = 77

// helpSmall copies the store PATH to a disk of 768 KiB of its own, lets fill go on
// there, and copies it back.
func helpSmall(arguments []string) error {
	disk := filepath.Join(filepath.Dir(arguments[0]), "disk")
	if err := syscall.Mount("none", disk, "tmpfs", 0, "size=768k"); err != nil {
		os.Exit(noRoom)
	}
	if err := fill(filepath.Join(disk, "store.db"), filepath.Join(disk, "out")); err != nil {
		return err
	}
	for _, name := range []string{"store.db", "store.db-wal"} {
		data, err := os.ReadFile(filepath.Join(disk, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(filepath.Dir(arguments[0]), name), data, 0o666)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// filledUp runs fill and returns what it printed.
func filledUp(t *testing.T, c *exec.Cmd) (stored int, lines []string) {
	t.Helper()
	var stderr strings.Builder
	c.Stderr = &stderr
	out, err := c.Output()
	if c.ProcessState.ExitCode() == noRoom {
		t.Skip("a file system cannot be mounted here")
	}
	require.NoError(t, err, "%s%s", out, &stderr)
	lines = strings.Split(strings.TrimSpace(string(out)), "\n")
	require.Len(t, lines, 4, string(out))
	stored, err = strconv.Atoi(lines[0])
	require.NoError(t, err)
	return stored, lines[1:]
}

// requireAllOf asserts that a store holds just the first samples, and can take
// more.
func requireAllOf(t *testing.T, path string, stored int) {
	t.Helper()
	s := openAt(t, path, results.Options{MustExist: true})
	got, err := s.Samples(t.Context(), key(nil))
	require.NoError(t, err)
	require.Equal(t, many(key(nil), stored), got, "what Put returned for is there, and no part of what it refused")
	requireSound(t, s)
	require.NoError(t, s.Put(t.Context(), sample(key(nil), stored)))
}

func TestAFileThatMayNotGrowLosesNothing(t *testing.T) {
	t.Parallel()
	for _, limit := range []string{"600000", "1000000"} {
		folder := t.TempDir()
		path, out := filepath.Join(folder, "store.db"), filepath.Join(folder, "out")
		stored, lines := filledUp(t, helper(t.Context(), t, "limited", path, out, limit))
		require.Contains(t, lines[0], "store samples: ")
		require.Equal(t, fmt.Sprint(stored, " <nil>"), lines[1], "what was stored can still be read")
		requireAllOf(t, path, stored)
	}
}

func TestAFullDiskIsSaidToBeFull(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path := filepath.Join(folder, "store.db")
	require.NoError(t, os.Mkdir(filepath.Join(folder, "disk"), 0o777))
	c := helper(t.Context(), t, "small", path)
	c.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWNS | syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	unshared := exec.CommandContext(t.Context(), "true")
	unshared.SysProcAttr = c.SysProcAttr
	if err := unshared.Run(); err != nil {
		t.Skip("no name spaces here: ", err)
	}
	stored, lines := filledUp(t, c)
	require.Contains(t, lines[0], "store samples: ")
	require.Contains(t, lines[0], "database or disk is full; free space on its disk and repeat")
	require.Equal(t, fmt.Sprint(stored, " <nil>"), lines[1])
	require.Contains(t, lines[2], "no space left on device")
	require.Contains(t, lines[2], "export: ")
	requireAllOf(t, path, stored)
}

// TestAnExportThatFailsKeepsTheOldFile: a file is replaced whole or not at all,
// and nothing is left beside it.
func TestAnExportThatFailsKeepsTheOldFile(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path, out := filepath.Join(folder, "store.db"), filepath.Join(folder, "out")
	s := openAt(t, path, results.Options{})
	require.NoError(t, s.Put(t.Context(), many(key(nil), 5)...))
	_, err := s.Export(t.Context(), out, results.Filter{}, false)
	require.NoError(t, err)
	before := contents(t, out)
	require.NoError(t, s.Put(t.Context(), many(key(nil), 2*batch)...))
	_, lines := filledUp(t, helper(t.Context(), t, "limited", path, out, "20000"))
	require.Contains(t, lines[2], "export: after 0 of 1 files: ")
	require.Contains(t, lines[2], "file too large")
	require.Equal(t, before, contents(t, out))
}

// helpNobody opens the store PATH as a user who may not write there, and prints
// what came of reading and of writing.
func helpNobody(arguments []string) error {
	if os.Getuid() == 0 {
		const nobody = 65534
		if err := errors.Join(syscall.Setgroups(nil), syscall.Setgid(nobody), syscall.Setuid(nobody)); err != nil {
			os.Exit(noRoom)
		}
	}
	ctx := context.Background()
	say := func(what string, n int, err error) {
		fmt.Println(what, n, strings.ReplaceAll(fmt.Sprint(err), "\n", " "))
	}
	for what, options := range map[string]results.Options{"read-only": {ReadOnly: true}, "writing": {}} {
		s, err := results.Open(ctx, arguments[0], options)
		if err != nil {
			say("open for "+what, 0, err)
			continue
		}
		got, err := s.Samples(ctx, key(nil))
		say("read, opened for "+what, len(got), err)
		say("write, opened for "+what, 0, s.Put(ctx, sample(key(nil), 999)))
		if err := s.Close(); err != nil {
			say("close", 0, err)
		}
	}
	_, err := results.Open(ctx, filepath.Join(filepath.Dir(arguments[0]), "new.db"), results.Options{})
	say("create", 0, err)
	return nil
}

func TestAFolderOfSomebodyElseIsReadAndNotWritten(t *testing.T) {
	t.Parallel()
	path := filled(t)
	for _, folder := range []string{filepath.Dir(filepath.Dir(path)), filepath.Dir(path)} {
		require.NoError(t, os.Chmod(folder, 0o555))
		t.Cleanup(func() { _ = os.Chmod(folder, 0o755) }) // so that it can be removed
	}
	require.NoError(t, os.Chmod(path, 0o444))
	before := contents(t, filepath.Dir(path))
	c := helper(t.Context(), t, "nobody", path)
	out, err := c.Output()
	if c.ProcessState.ExitCode() == noRoom {
		t.Skip("the user cannot be changed here")
	}
	require.NoError(t, err)
	require.Contains(t, string(out), "read, opened for read-only 300 <nil>")
	require.Contains(t, string(out), "write, opened for read-only 0 store samples: "+path+": the store was opened read-only")
	require.Regexp(t, `(open for|write, opened for) writing 0 .*(readonly|unable to open|permission denied)`, string(out))
	require.Contains(t, string(out), "create 0 create store ")
	require.Contains(t, string(out), "permission denied")
	require.NotContains(t, string(out), "damaged", "who may not write must not think that something broke")
	require.Equal(t, before, contents(t, filepath.Dir(path)), "nothing is left behind")
}

// versions are two contents of one collection.
func version(v int) []servicetime.Sample {
	return manyFrom(key(func(k *servicetime.Key) { k.Stack = fmt.Sprint("v", v) }), v, batch)
}

// helpReplace replaces a collection of the store PATH for ever by the other one
// of its versions, collects garbage after each, and prints a line for each.
func helpReplace(arguments []string) error {
	ctx := context.Background()
	s, err := results.Open(ctx, arguments[0], results.Options{})
	if err != nil {
		return err
	}
	for v := 0; ; v = 1 - v {
		if err := s.PutCollection(ctx, "recorded", fmt.Sprint("d", v), version(v)); err != nil {
			return err
		}
		if _, err := s.GC(ctx, results.Policy{KeepStacks: []string{key(nil).Stack}}); err != nil {
			return err
		}
		fmt.Println(v)
	}
}

// TestKilledWhileItReplacesACollection: the collection is of one version, whole,
// and what was measured has lost nothing, in the middle of removing and of
// rewriting the file too.
func TestKilledWhileItReplacesACollection(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	mine := openAt(t, path, results.Options{})
	require.NoError(t, mine.Put(t.Context(), many(key(nil), 50)...))
	for round := range 4 {
		c := helper(t.Context(), t, "replace", path)
		out, err := c.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, c.Start())
		lines := bufio.NewScanner(out)
		for range 1 + round {
			require.True(t, lines.Scan(), "it ended by itself")
		}
		// Sooner or later after a line, so that different steps are hit.
		time.Sleep(time.Duration(round) * 7 * time.Millisecond)
		require.NoError(t, c.Process.Kill())
		_ = c.Wait() // it was killed

		s := openAt(t, path, results.Options{MustExist: true})
		list, err := s.Collections(t.Context())
		require.NoError(t, err)
		require.Len(t, list, 1)
		v, err := strconv.Atoi(strings.TrimPrefix(list[0].Digest, "d"))
		require.NoError(t, err)
		got, err := s.Pick(t.Context(), results.Filter{Collection: "recorded"})
		require.NoError(t, err)
		require.Equal(t, version(v), got, "round %d", round)
		got, err = s.Pick(t.Context(), results.Filter{Own: true})
		require.NoError(t, err)
		require.Equal(t, many(key(nil), 50), got)
		requireSound(t, s)
	}
}

// TestProcessesDoDifferentThingsAtTheSameTime: one measures, one keeps a collection
// up to date and collects garbage, one reads.
func TestProcessesDoDifferentThingsAtTheSameTime(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	s := openAt(t, path, results.Options{})
	replacing := helper(t.Context(), t, "replace", path)
	require.NoError(t, replacing.Start())
	wait := []func(){start(t, "write", path, "0", "40"), start(t, "write", path, "30", "70")}
	last := 0
	for range 30 {
		got, err := s.Pick(t.Context(), results.Filter{Own: true})
		require.NoError(t, err)
		require.GreaterOrEqual(t, len(got), last, "what was read once stays")
		last = len(got)
		got, err = s.Pick(t.Context(), results.Filter{Collection: "recorded"})
		require.NoError(t, err)
		if len(got) > 0 {
			require.Len(t, got, batch, "one version, whole")
			require.Equal(t, got[0].Key, got[batch-1].Key)
		}
	}
	for _, w := range wait {
		w()
	}
	require.NoError(t, replacing.Process.Kill())
	_ = replacing.Wait() // it was killed
	require.Len(t, numbers(t, s), 70)
	requireSound(t, s)
}

// TestWaitingForAnotherWriterCanBeCancelled: long before patience ends.
func TestWaitingForAnotherWriterCanBeCancelled(t *testing.T) {
	t.Parallel()
	path := filled(t)
	holder := openAt(t, path, results.Options{})
	s := openAt(t, path, results.Options{Patience: time.Hour})
	inside, done := make(chan struct{}), make(chan error, 1)
	release := make(chan struct{})
	go func() {
		db := holdWrite(path, inside, release)
		done <- db
	}()
	<-inside
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, s.Put(ctx, sample(key(nil), 500)), context.DeadlineExceeded)
	close(release)
	require.NoError(t, <-done)
	require.NoError(t, holder.Put(t.Context(), sample(key(nil), 501)))
	require.NoError(t, s.Put(t.Context(), sample(key(nil), 500)), "and it can be tried again")
}

// TestACallOnAClosedStoreIsAnError, not a panic, and nothing is created anew.
func TestACallOnAClosedStoreIsAnError(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	path := filled(t)
	s, err := results.Open(ctx, path, results.Options{})
	require.NoError(t, err)
	require.NoError(t, s.Close())
	require.NoError(t, s.Close(), "twice is once")
	other := open(t)
	for what, call := range map[string]func() error{
		"put":         func() error { return s.Put(ctx, sample(key(nil), 0)) },
		"samples":     func() error { _, err := s.Samples(ctx, key(nil)); return err },
		"keys":        func() error { _, err := s.Keys(ctx, results.Filter{}); return err },
		"next":        func() error { _, err := s.NextN(ctx, key(nil)); return err },
		"collections": func() error { _, err := s.Collections(ctx); return err },
		"collection":  func() error { return s.PutCollection(ctx, "a", "b", nil) },
		"run":         func() error { _, err := s.PutRun(ctx, results.Run{Scenario: "s", Result: []byte("{}")}); return err },
		"runs":        func() error { _, err := s.Runs(ctx, ""); return err },
		"gc":          func() error { _, err := s.GC(ctx, results.Policy{}); return err },
		"verify":      func() error { _, err := s.Verify(ctx); return err },
		"merge from":  func() error { _, err := other.Merge(ctx, s); return err },
		"merge into":  func() error { _, err := s.Merge(ctx, other); return err },
		"salvage":     func() error { _, _, err := other.Salvage(ctx, s); return err },
		"law": func() error {
			_, err := results.NewSource(s, options()).Law(ctx, request)
			return err
		},
	} {
		require.ErrorContains(t, call(), "closed", what)
	}
	require.Empty(t, numbers(t, other))
}
