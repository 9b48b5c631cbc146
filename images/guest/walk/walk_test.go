package walk_test

import (
	"bufio"
	"io"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"microcosm/images/guest/walk"
)

func TestServeWalksWhatItIsAskedFor(t *testing.T) {
	t.Parallel()
	requests, ask := io.Pipe()
	answers, answer := io.Pipe()
	served := make(chan error, 1)
	go func() { served <- walk.Serve(requests, answer) }()
	r := bufio.NewReader(answers)
	for _, sizes := range [][2]int64{{4096, 8192}, {1, 0}, {0, 1}, {1 << 20, 1 << 20}, {64, 64}, {0, 0}} {
		require.NoError(t, walk.Ask(ask, r, sizes[0], sizes[1]), "%v", sizes)
	}
	require.ErrorContains(t, walk.Ask(ask, r, -1, 0), "a walk of -1 bytes: want 0 to")
	require.NoError(t, walk.Ask(ask, r, 64, 64), "it goes on after a mistake")
	require.NoError(t, ask.Close())
	require.NoError(t, <-served)
	require.NoError(t, answer.Close())
	require.ErrorContains(t, walk.Ask(io.Discard, r, 1, 1), "does not answer")
}

func TestServeSaysWhatItDoesNotUnderstand(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	require.NoError(t, walk.Serve(strings.NewReader("much\n64 64\n"), &out))
	answers := strings.Split(out.String(), "\n")
	require.NotEqual(t, "done", answers[0])
	require.Equal(t, "done", answers[1])
}

func TestWhatIsWalkedIsRoundedToLines(t *testing.T) {
	t.Parallel()
	data, err := walk.NewData(8191)
	require.NoError(t, err)
	defer data.Free()
	require.EqualValues(t, 8192, data.Bytes())
	sizes := []struct{ ask, want int64 }{{0, 0}, {1, 64}, {64, 64}, {65, 128}, {8192, 8192}, {1 << 40, 8192}}
	for _, size := range sizes {
		require.Equal(t, size.want, data.Walk(size.ask), "asked for %d", size.ask)
	}
	require.Zero(t, walk.Data{}.Walk(64), "nothing is mapped")
	require.Zero(t, walk.Code{}.Walk(64))
	code, err := walk.NewCode(8191)
	if !walk.HasCode() {
		require.ErrorContains(t, err, runtime.GOARCH)
		return
	}
	require.NoError(t, err)
	defer code.Free()
	for _, size := range sizes {
		require.Equal(t, size.want, code.Walk(size.ask), "asked for %d", size.ask)
	}
}

func TestAWalkHasALimit(t *testing.T) {
	t.Parallel()
	for _, size := range []int64{-1, 4<<30 + 1, math.MaxInt64} {
		_, err := walk.NewData(size)
		require.ErrorContains(t, err, "want 0 to 4294967296")
		if walk.HasCode() {
			_, err = walk.NewCode(size)
			require.ErrorContains(t, err, "want 0 to 4294967296")
		}
		var w walk.Walker
		require.Error(t, w.Walk(0, size))
		require.Error(t, w.Walk(size, 0))
		require.NoError(t, w.Walk(64, 64), "and the walker is good for less")
	}
}

// TestAWalkGoesToTheEnd would not hold if the code returned early or the reads were
// optimized away: thirty-two times as much takes many times the CPU time.
func TestAWalkGoesToTheEnd(t *testing.T) {
	t.Parallel()
	const small, large = 1 << 20, 32 << 20
	data, err := walk.NewData(large)
	require.NoError(t, err)
	defer data.Free()
	walks := map[string]func(int64) int64{"data": data.Walk}
	if walk.HasCode() {
		code, err := walk.NewCode(large)
		require.NoError(t, err)
		defer code.Free()
		walks["code"] = code.Walk
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for what, run := range walks {
		least := func(size int64) time.Duration {
			shortest := time.Hour
			for range 5 {
				begin := threadTime(t)
				run(size)
				shortest = min(shortest, threadTime(t)-begin)
			}
			return shortest
		}
		require.Greater(t, least(large), 8*least(small), what)
	}
}

// threadTime is the CPU time of this thread, which other work on the core does not
// change.
func threadTime(t *testing.T) time.Duration {
	var now unix.Timespec
	require.NoError(t, unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &now))
	return time.Duration(now.Nano())
}
