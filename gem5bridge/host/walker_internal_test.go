package host

import (
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/gem5bridge/process"
)

func TestWalkerWalksDataAndCode(t *testing.T) {
	t.Parallel()
	cores, err := process.Cores()
	require.NoError(t, err)
	w, err := newWalker(cores[len(cores)-1], 0, 1<<20)
	require.NoError(t, err)
	defer w.close()
	code := int64(1)
	if runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" {
		code = 0
	}
	require.Equal(t, code == 1, w.walksCode())
	for _, test := range []struct{ ask, want int64 }{
		{1, 64}, {64, 64}, {65, 128}, {4096, 4096}, {1 << 20, 1 << 20}, {1 << 30, 1 << 20},
	} {
		require.Equal(t, walked{data: test.want, code: code * test.want}, w.walk(test.ask), "asked for %d", test.ask)
	}
	runtime.GC() // the thread is at a safe point again
}

func TestAStubIsOneLine(t *testing.T) {
	t.Parallel()
	for _, last := range []bool{false, true} {
		if code := stub(last); code != nil {
			require.Len(t, code, lineBytes)
		}
	}
}

// TestWalkingTakesTheTimeOfItsSize would not hold if the code returned early.
func TestWalkingTakesTheTimeOfItsSize(t *testing.T) {
	t.Parallel()
	w, err := newWalker(0, 0, 32<<20)
	require.NoError(t, err)
	defer w.close()
	best := func(size int64) time.Duration {
		shortest := time.Hour
		for range 5 {
			begin := time.Now()
			w.walk(size)
			shortest = min(shortest, time.Since(begin))
		}
		return shortest
	}
	small, large := best(1<<20), best(32<<20)
	t.Logf("1 MiB %v, 32 MiB %v", small, large)
	require.Greater(t, large, 8*small)
}
