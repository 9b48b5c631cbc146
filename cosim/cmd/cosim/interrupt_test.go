package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/experiment"
)

// many is a scenario of more replications than anybody waits for, one after another.
var many = strings.Replace(strings.Replace(theory, "replications: 2", "replications: 100000", 1), "duration: 100s", "duration: 1000000s", 1) + "execution: {slots: 1}\n"

var progressed = regexp.MustCompile(`what=replications done=(\d+) of=100000`)

// TestCtrlCKeepsWhatIsDone interrupts a run as soon as it has said how far it is: the
// replications that are done make the table and the files.
func TestCtrlCKeepsWhatIsDone(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path := filepath.Join(folder, "many.yaml")
	require.NoError(t, os.WriteFile(path, []byte(many), 0o600))
	self, err := os.Executable()
	require.NoError(t, err)
	c := exec.Command(self, "run", path, "--out", filepath.Join(folder, "out"))
	c.Env = append(os.Environ(), cosimRole+"=1")
	var out bytes.Buffer
	c.Stdout = &out
	errs, err := c.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	t.Cleanup(func() { _ = c.Process.Kill() }) // it has ended, unless the test failed
	said := ""
	done := 0
	lines := bufio.NewScanner(errs)
	for lines.Scan() {
		said += lines.Text() + "\n"
		if m := progressed.FindStringSubmatch(lines.Text()); m != nil && done == 0 {
			done, err = strconv.Atoi(m[1])
			require.NoError(t, err)
			require.NoError(t, c.Process.Signal(os.Interrupt))
		}
	}
	require.NoError(t, lines.Err())
	require.Positive(t, done, said)
	_ = c.Wait() // the exit code tells
	require.Equal(t, exitInterrupted, c.ProcessState.ExitCode(), said)
	m := regexp.MustCompile(`cosim: interrupted: (\d+) of 100000 replications done`).FindStringSubmatch(said)
	require.NotNil(t, m, said)
	kept, err := strconv.Atoi(m[1])
	require.NoError(t, err)
	require.Positive(t, kept)
	require.Contains(t, out.String(), "response mean")
	require.Contains(t, out.String(), "interrupted: "+m[1]+" of 100000 replications")
	text, err := os.ReadFile(filepath.Join(folder, "out", "result.json"))
	require.NoError(t, err)
	var result experiment.Result
	require.NoError(t, json.Unmarshal(text, &result))
	require.Equal(t, kept, result.Replications)

	// What is kept is what so many replications give: the first ones, as they are.
	shorter := strings.Replace(many, "replications: 100000", "replications: "+m[1], 1)
	require.NoError(t, os.WriteFile(path, []byte(shorter), 0o600))
	c = exec.Command(self, "run", path, "--json")
	c.Env = append(os.Environ(), cosimRole+"=1")
	again, err := c.Output()
	require.NoError(t, err)
	var whole experiment.Result
	require.NoError(t, json.Unmarshal(again, &whole))
	require.Equal(t, whole.Runs[0].Account, result.Runs[0].Account)
}

// TestCtrlCBeforeAnythingIsDoneSaysSo, and writes nothing.
func TestCtrlCBeforeAnythingIsDoneSaysSo(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path := filepath.Join(folder, "endless.yaml")
	require.NoError(t, os.WriteFile(path, []byte(strings.Replace(theory, "duration: 100s", "duration: 1000000000s", 1)), 0o600))
	ctx, cancel := context.WithCancel(t.Context())
	timer := time.AfterFunc(100*time.Millisecond, cancel)
	defer timer.Stop()
	var out, errs bytes.Buffer
	a := &app{out: &out, err: &errs}
	root := a.command()
	root.SetArgs([]string{"run", path, "--out", filepath.Join(folder, "out"), "--manifest", filepath.Join(folder, "m.json")})
	require.Equal(t, exitInterrupted, a.exit(ctx, root.ExecuteContext(ctx)))
	require.Contains(t, errs.String(), "cosim: interrupted: 0 of 2 replications done")
	require.Empty(t, out.String())
	require.NoDirExists(t, filepath.Join(folder, "out"))
	require.NoFileExists(t, filepath.Join(folder, "m.json"))
}

// TestTermIsHeededAsCtrlCIs: what ends a batch job ends a campaign in order, too.
func TestTermIsHeededAsCtrlCIs(t *testing.T) {
	t.Parallel()
	x := newTossing(t)
	c := x.command(t)
	errs, err := c.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	t.Cleanup(func() { _ = c.Process.Kill() }) // it has ended, unless the test failed
	require.Eventually(t, func() bool {
		for _, samples := range x.samples(t) {
			if len(samples) > 1 {
				return true
			}
		}
		return c.Process.Signal(syscall.Signal(0)) != nil
	}, 5*time.Minute, 20*time.Millisecond)
	require.NoError(t, c.Process.Signal(syscall.SIGTERM))
	said, err := io.ReadAll(errs)
	require.NoError(t, err)
	_ = c.Wait() // the exit code tells
	require.Contains(t, []int{exitInterrupted, exitOK}, c.ProcessState.ExitCode(), "%s", said)
	require.Contains(t, string(said), "tosser: stored ", "what was stored is counted")
	before := x.samples(t)
	out, err := x.command(t).CombinedOutput()
	require.NoError(t, err, string(out))
	x.requireWhole(t)
	for cell, samples := range before {
		require.Equal(t, samples, x.samples(t)[cell][:len(samples)], "what was stored stays")
	}
}
