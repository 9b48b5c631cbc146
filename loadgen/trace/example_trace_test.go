package trace_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/des"
	"microcosm/loadgen/trace"
)

// example returns the path of one of In-Vitro's example traces.
func example(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join("..", "..", "..", "shared", "data", "invitro", name)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("skipped: In-Vitro's example trace is not at %s", path)
	}
	return path
}

func TestInVitrosAzure2019Example(t *testing.T) {
	t.Parallel()
	w, err := trace.Read(trace.Azure2019, example(t, ""), iat(trace.Exponential, true))
	require.NoError(t, err)
	require.Empty(t, w.Warnings)
	require.Equal(t, des.Time(24*time.Hour), w.Horizon)
	require.Len(t, w.Functions, 4)
	require.InDelta(t, 1150+3*1125, w.ExpectedInvocations(), 0)

	for i, want := range []struct {
		begins                 string
		invocations            int
		least, median, most    time.Duration // of the durations
		leastMemory, topMemory int
	}{
		{"c13acd", 1150, 99 * time.Millisecond, 100 * time.Millisecond, 101 * time.Millisecond, 100, 152},
		{"a2faad", 1125, 500 * time.Millisecond, 500 * time.Millisecond, 501 * time.Millisecond, 146, 235},
		{"7dc5ae", 1125, 249 * time.Millisecond, 250 * time.Millisecond, 251 * time.Millisecond, 85, 382},
		{"ae8a16", 1125, 124 * time.Millisecond, 125 * time.Millisecond, 126 * time.Millisecond, 112, 113},
	} {
		f := w.Functions[i]
		require.Equal(t, want.begins, f.Name[:6])
		require.Equal(t, want.median, f.MedianDuration)
		list := arrivals(f.Stream(42))
		require.Len(t, list, want.invocations)
		for _, a := range list {
			require.GreaterOrEqual(t, a.Duration, want.least)
			require.LessOrEqual(t, a.Duration, want.most)
			require.GreaterOrEqual(t, a.MemoryMiB, want.leastMemory)
			require.LessOrEqual(t, a.MemoryMiB, want.topMemory)
		}
	}
	half, err := trace.Read(trace.Azure2019, example(t, ""), window(time.Hour, 30*time.Minute))
	require.NoError(t, err)
	require.Equal(t, des.Time(30*time.Minute), half.Horizon)

	back := roundTrip(t, w, 7)
	for i, f := range w.Functions {
		require.Equal(t, arrivals(f.Stream(7)), arrivals(back.Functions[i].Stream(0)))
	}
}

func TestInVitrosAzure2021Example(t *testing.T) {
	t.Parallel()
	w, err := trace.Read(trace.Azure2021, example(t, "Azure2021_200.csv"), trace.Defaults())
	require.NoError(t, err)
	require.Empty(t, w.Warnings)
	require.InDelta(t, 199, w.ExpectedInvocations(), 0)
	require.Equal(t, des.Time(22*time.Minute), w.Horizon, "the last invocation ends after 1260.05 s")
	first := arrivals(w.Functions[0].Stream(1))[0]
	require.Equal(t, 78*time.Millisecond, first.Duration)
	require.InDelta(t, 0.07949090003967285-.078, first.At.Seconds(), 1e-9)

	cut, err := trace.Read(trace.Azure2021, example(t, "Azure2021_200.csv"), window(0, 20*time.Minute))
	require.NoError(t, err)
	require.Len(t, cut.Warnings, 1)
	require.Less(t, cut.ExpectedInvocations(), 199.)

	back := roundTrip(t, w, 7)
	for i, f := range w.Functions {
		require.Equal(t, arrivals(f.Stream(7)), arrivals(back.Functions[i].Stream(0)))
	}
}
