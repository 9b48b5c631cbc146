package walk_test

import (
	"bufio"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

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
	require.ErrorContains(t, walk.Ask(ask, r, -1, 0), "negative")
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
