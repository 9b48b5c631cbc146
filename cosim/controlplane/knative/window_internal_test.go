package knative

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/cosim/des"
)

// TestAWindowAveragesWhatWasRecorded compares a linear window with a plain list of
// the seconds' sums, through gaps, late records and times when it fell empty.
func TestAWindowAveragesWhatWasRecorded(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := int64(rapid.IntRange(1, 8).Draw(t, "seconds"))
		w := NewWindow(time.Duration(n)*time.Second, false)
		sums := map[int64]float64{}
		first, last := int64(-1), int64(-1)
		now := int64(0)
		for range rapid.IntRange(1, 40).Draw(t, "records") {
			now += int64(rapid.SampledFrom([]int{0, 0, 1, 1, 2, 5, 11}).Draw(t, "gap"))
			at := max(0, now-int64(rapid.SampledFrom([]int{0, 0, 0, 1, 3}).Draw(t, "late")))
			value := float64(rapid.IntRange(0, 100).Draw(t, "value"))
			w.Record(des.Time(at)*bucketSize+des.Time(rapid.Int64Range(0, 999_999_999).Draw(t, "ns")), value)
			switch {
			case last < 0 || at-last >= n:
				sums, first, last = map[int64]float64{at: value}, at, at
			case last-at >= n: // too old
			default:
				sums[at] += value
				first, last = min(first, at), max(last, at)
			}
			ask := last + int64(rapid.IntRange(0, 3).Draw(t, "later"))
			want, total := 0.0, 0.0
			for s := ask - n + 1; s <= ask; s++ {
				total += sums[s]
			}
			if ask-last < n {
				want = math.Round(total/float64(min(last-first+1, n-(ask-last)))*1e6) / 1e6
			}
			require.InDelta(t, want, w.Average(des.Time(ask)*bucketSize), 1e-9)
		}
	})
}

// TestAWeightedWindowForgetsByShares: of a value recorded once, what is left falls
// by the same share every second, and the weights of a full window add up to
// nearly 1.
func TestAWeightedWindowForgetsByShares(t *testing.T) {
	t.Parallel()
	for _, seconds := range []int{6, 30, 60, 600} {
		w := NewWindow(time.Duration(seconds)*time.Second, true)
		w.Record(0, 100)
		decay := decayOf(seconds)
		require.GreaterOrEqual(t, decay, .2)
		require.InDelta(t, 100*decay, w.Average(0), 1e-9)
		for s := 1; s < min(seconds, 20); s++ {
			require.InDelta(t, 100*decay*math.Pow(1-decay, float64(s)), w.Average(des.Time(s)*bucketSize), 1e-9)
		}
		full := NewWindow(time.Duration(seconds)*time.Second, true)
		for s := range 2 * seconds {
			full.Record(des.Time(s)*bucketSize, 7)
		}
		require.InEpsilon(t, 7, full.Average(des.Time(2*seconds-1)*bucketSize), 1e-3)
	}
}

// TestSkippingIsRecordingZeros, second by second.
func TestSkippingIsRecordingZeros(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		length := time.Duration(rapid.IntRange(1, 9).Draw(t, "seconds")) * time.Second
		weighted := rapid.Bool().Draw(t, "weighted")
		a, b := NewWindow(length, weighted), NewWindow(length, weighted)
		first := rapid.IntRange(0, 5).Draw(t, "first")
		a.Record(des.Time(first)*bucketSize, 0)
		b.Record(des.Time(first)*bucketSize, 0)
		until := first + rapid.IntRange(0, 30).Draw(t, "until")
		for s := first + 1; s <= until; s++ {
			a.Record(des.Time(s)*bucketSize, 0)
		}
		require.True(t, b.silent(des.Time(first)*bucketSize))
		b.skip(des.Time(until) * bucketSize)
		later := des.Time(until+rapid.IntRange(0, 4).Draw(t, "later")) * bucketSize
		value := float64(rapid.IntRange(1, 9).Draw(t, "value"))
		a.Record(later, value)
		b.Record(later, value)
		require.Equal(t, a.Average(later), b.Average(later))
		require.Equal(t, a.Empty(later+des.Time(length)), b.Empty(later+des.Time(length)))
	})
}

// TestAPeakIsTheMaximumOfItsSteps compares it with the whole list.
func TestAPeakIsTheMaximumOfItsSteps(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		steps := rapid.IntRange(1, 6).Draw(t, "steps")
		p := newPeak(time.Duration(steps)*2*time.Second, 2*time.Second)
		type entry struct {
			step  int64
			value int32
		}
		var all []entry
		step := int64(0)
		for range rapid.IntRange(1, 40).Draw(t, "values") {
			step += int64(rapid.IntRange(0, 3).Draw(t, "gap"))
			value := int32(rapid.IntRange(0, 9).Draw(t, "value"))
			all = append(all, entry{step, value})
			want := int32(0)
			for _, e := range all {
				if step-e.step < int64(steps) {
					want = max(want, e.value)
				}
			}
			require.Equal(t, want, p.record(des.Time(step)*des.Time(2*time.Second), value))
		}
	})
}

func TestHowManyPodsAreAsked(t *testing.T) {
	t.Parallel()
	// n·u/(n + u − 1) with u = 1.96²·100/5² = 15.3664, rounded up.
	for pods, want := range map[int]int{-1: 0, 0: 0, 1: 1, 2: 2, 3: 3, 4: 4, 5: 4, 10: 7, 100: 14, 1000: 16, 1 << 30: 16} {
		require.Equal(t, want, SampleSize(pods), "of %d", pods)
	}
}

func TestStatsAddAndExtrapolate(t *testing.T) {
	t.Parallel()
	s := Stat{Concurrency: 1, ProxiedConcurrency: .5, Requests: 10, ProxiedRequests: 4}
	s.Add(Stat{Concurrency: 2, ProxiedConcurrency: 1, Requests: 20, ProxiedRequests: 6})
	require.Equal(t, Stat{Concurrency: 3, ProxiedConcurrency: 1.5, Requests: 30, ProxiedRequests: 10}, s)
	s.Extrapolate(2, 8)
	require.Equal(t, Stat{Concurrency: 12, ProxiedConcurrency: 6, Requests: 120, ProxiedRequests: 40}, s)
}

// TestWhatAnActivatorCountsIsNotCountedTwice: a pod's proxied share is left to the
// activator that it came through, in either metric.
func TestWhatAnActivatorCountsIsNotCountedTwice(t *testing.T) {
	t.Parallel()
	stat := Stat{Concurrency: 5, ProxiedConcurrency: 2, Requests: 70, ProxiedRequests: 30}
	for metric, want := range map[Metric]float64{Concurrency: 3, RPS: 40} {
		c := NewCollector(Spec{Metric: metric, StableWindow: 60 * time.Second, PanicWindow: 6 * time.Second})
		_, _, ok := c.Averages(0)
		require.False(t, ok, "nothing to decide on")
		require.True(t, c.Silent(0))
		c.Record(0, stat)
		stable, panicking, ok := c.Averages(0)
		require.True(t, ok)
		require.Equal(t, []float64{want, want}, []float64{stable, panicking})
		require.False(t, c.Silent(0))
	}
}

// Where pods are not asked, nobody records zeros: a revision is silent when its window
// is over, and what comes then finds no zeros before it.
func TestWhoIsNotAskedIsSilentWhenTheWindowIsOver(t *testing.T) {
	t.Parallel()
	at := func(s int) des.Time { return des.Time(s) * bucketSize }
	for _, asked := range []bool{false, true} {
		s := Spec{StableWindow: 60 * time.Second, PanicWindow: 6 * time.Second, TargetBurstCapacity: -1}
		if asked {
			s.TargetBurstCapacity = 0
		}
		c := NewCollector(s)
		c.Record(at(10), Stat{Concurrency: 8})
		require.False(t, c.Silent(at(70)))
		require.True(t, c.Silent(at(71)))
		c.Skip(at(100))
		c.Record(at(101), Stat{Concurrency: 6})
		stable, _, ok := c.Averages(at(101))
		require.True(t, ok)
		want := map[bool]float64{false: 6, true: .1}[asked] // alone in a new window, or with 59 zeros
		require.InDelta(t, want, stable, 1e-6)
	}
}
