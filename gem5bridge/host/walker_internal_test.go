package host

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/gem5bridge/process"
	"microcosm/images/guest/walk"
)

func TestWalkerWalksDataAndCode(t *testing.T) {
	t.Parallel()
	cores, err := process.Cores()
	require.NoError(t, err)
	w, err := newWalker(cores[len(cores)-1], 0, 1<<20)
	require.NoError(t, err)
	defer w.close()
	code := int64(0)
	if walk.HasCode() {
		code = 1
	}
	require.Equal(t, walk.HasCode(), w.walksCode())
	for _, test := range []struct{ ask, want int64 }{
		{1, 64}, {64, 64}, {65, 128}, {4096, 4096}, {1 << 20, 1 << 20}, {1 << 30, 1 << 20},
	} {
		require.Equal(t, walked{data: test.want, code: code * test.want}, w.walk(test.ask), "asked for %d", test.ask)
	}
	runtime.GC() // the thread is at a safe point again
}

func TestAWalkerOnACoreThatIsNotThere(t *testing.T) {
	t.Parallel()
	_, err := newWalker(1023, 0, 1<<12)
	require.ErrorContains(t, err, "confine to cores [1023]")
}
