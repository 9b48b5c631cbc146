//go:build linux

package guest

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// contained runs a program as crun does a container's: its output goes into a pipe
// that is listened to, and somebody waits for it.
func contained(t *testing.T, script string) *container {
	t.Helper()
	c := &container{id: "x", port: 20001, ended: make(chan struct{}), drained: make(chan struct{})}
	read, write, err := os.Pipe()
	require.NoError(t, err)
	cmd := exec.Command("sh", "-c", script)
	cmd.Stdout, cmd.Stderr = write, write
	require.NoError(t, cmd.Start())
	go c.listen(read)
	require.NoError(t, write.Close())
	go c.wait(cmd.Process)
	return c
}

func TestAContainersLastWords(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct{ script, want string }{
		"it ends well and says nothing":   {"exit 0", "exit status 0"},
		"it says why":                     {"echo listening; echo 'no such file' >&2; exit 3", "listening\nno such file\n\nexit status 3"},
		"it is killed":                    {"echo up; kill -9 $$", "up\n\nsignal: killed"},
		"it says it without a line's end": {"printf broken; exit 1", "broken\nexit status 1"},
		"it is no text":                   {`printf 'a\377\376b'; exit 1`, "a?b\nexit status 1"},
		"it talks too much":               {"seq 1 100000; exit 1", "100000\n\nexit status 1"},
	} {
		t.Run(situation, func(t *testing.T) {
			t.Parallel()
			box := contained(t, c.script)
			<-box.Ended()
			<-box.drained
			words := box.LastWords()
			require.True(t, strings.HasSuffix(words, c.want), "%q", words)
			require.LessOrEqual(t, len(words), tailBytes+len("\nexit status 1"), "the end is enough")
		})
	}
}

// TestLastWordsDoNotWaitForAGrandchild: a pipe that somebody else holds open never
// ends.
func TestLastWordsDoNotWaitForAGrandchild(t *testing.T) {
	t.Parallel()
	box := contained(t, "echo up; sleep 1000 & echo $!; exit 4")
	<-box.Ended()
	require.Eventually(t, func() bool { return strings.Contains(box.LastWords(), "exit status 4") }, time.Minute, time.Millisecond)
	lines := strings.Fields(box.LastWords())
	require.Equal(t, "up", lines[0])
	select {
	case <-box.drained:
		require.Fail(t, "the grandchild holds the pipe")
	default:
	}
	require.NoError(t, exec.Command("kill", lines[1]).Run())
	<-box.drained
}

func TestAContainerThatRunsHasNoStateYet(t *testing.T) {
	t.Parallel()
	box := contained(t, "echo listening; read end; exit 0")
	require.Equal(t, "127.0.0.1:20001", box.Addr())
	<-box.Ended() // its input is empty
	require.Contains(t, box.LastWords(), "exit status")
	quiet := &container{ended: make(chan struct{}), drained: make(chan struct{})}
	require.Empty(t, quiet.LastWords())
}

func TestAnImageWithoutItsIndexOfLayersIsAnError(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/layers"); err == nil {
		t.Skip("skipped: this machine is a guest")
	}
	_, err := newLauncher()
	require.ErrorContains(t, err, "read the index of layers: open /layers/index.json")
	f, err := newCatalog().Lookup("null")
	require.NoError(t, err, "an image without functions of its own has those of the product")
	require.Equal(t, "null", f.Name)
}
