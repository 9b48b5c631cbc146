package tool_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/images/tool"
)

func TestAMissingProgramIsNamedWithItsPackage(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := tool.Find("qemu-system-x86_64")
	var missing *tool.MissingError
	require.ErrorAs(t, err, &missing)
	require.Equal(t, "qemu-system-x86_64 is missing: apt-get install qemu-system-x86", err.Error())

	err = tool.Require("bison", "no-such-program", "flex")
	require.ErrorContains(t, err, "bison is missing: apt-get install bison")
	require.ErrorContains(t, err, "no-such-program is missing")
	require.ErrorContains(t, err, "flex is missing: apt-get install flex")
}

func TestEveryPackageOfAProgramIsInTheListThatSetupInstalls(t *testing.T) {
	t.Parallel()
	list, err := os.ReadFile("../packages.txt")
	require.NoError(t, err)
	listed := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^([a-z0-9][a-z0-9.+-]*)(?:\s+[a-z0-9.-]+)?\s+#\s+\S`).FindAllSubmatch(list, -1) {
		listed[string(m[1])] = true
	}
	for program, name := range tool.Programs() {
		require.Truef(t, listed[name], "%s is in %s, which packages.txt does not list with a reason", program, name)
	}
	require.True(t, listed["linux-source-6.1"])
}

func TestAFailureCarriesTheLineThatTellsWhy(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, script, want string }{
		{"last words", "echo compiling; echo it broke >&2; exit 3", "sh: exit status 3: it broke"},
		{"an error before a summary", "echo 'a.c:1: error: no such thing'; echo 'make: stopped'; exit 2", "sh: exit status 2: a.c:1: error: no such thing"},
		{"disk full", "echo 'tar: x: No space left on device'; echo bye; exit 1", "sh: exit status 1: tar: x: No space left on device"},
		{"silent", "exit 1", "sh: exit status 1"},
		{"killed", "kill -9 $$", "sh: signal: killed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			err := tool.Run(context.Background(), tool.Command{Args: []string{"sh", "-c", c.script}})
			require.EqualError(t, err, c.want)
			var failed *tool.FailedError
			require.ErrorAs(t, err, &failed)
		})
	}
}

func TestOutputIsStandardOutputOnly(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	out, err := tool.Output(context.Background(), tool.Command{
		Args: []string{"sh", "-c", `echo "$GREETING"; echo noise >&2; pwd`}, Env: []string{"GREETING=hello"}, Dir: "/", Output: &log,
	})
	require.NoError(t, err)
	require.Equal(t, "hello\n/\n", string(out))
	require.Equal(t, "noise\n", log.String())
}

// TestTheContextEndsTheWholeGroup, also a member that does not heed the first signal.
func TestTheContextEndsTheWholeGroup(t *testing.T) {
	t.Parallel()
	said := filepath.Join(t.TempDir(), "pid")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		ended <- tool.Run(ctx, tool.Command{Args: []string{"sh", "-c", "(trap '' TERM; sh -c 'echo $PPID' >" + said + ".new; mv " + said + ".new " + said + "; sleep 600; :) & wait"}})
	}()
	var pid []byte
	require.Eventually(t, func() (ok bool) {
		var err error
		pid, err = os.ReadFile(said)
		return err == nil
	}, time.Minute, time.Millisecond)
	stat := filepath.Join("/proc", strings.TrimSpace(string(pid)), "stat")
	require.FileExists(t, stat)
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
	require.Eventually(t, func() bool {
		text, err := os.ReadFile(stat)
		return err != nil || strings.Contains(string(text), ") Z ")
	}, time.Minute, time.Millisecond, "the member runs on")

	marker := filepath.Join(t.TempDir(), "ran")
	canceled, stop := context.WithCancel(context.Background())
	stop()
	err := tool.Run(canceled, tool.Command{Args: []string{"touch", marker}})
	require.True(t, errors.Is(err, context.Canceled))
	require.NoFileExists(t, marker)
}

func TestALongOutputKeepsItsEnd(t *testing.T) {
	t.Parallel()
	err := tool.Run(context.Background(), tool.Command{Args: []string{"sh", "-c", "seq 1 100000; exit 1"}})
	require.EqualError(t, err, "sh: exit status 1: 100000")
}
