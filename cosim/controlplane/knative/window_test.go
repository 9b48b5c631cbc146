package knative_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/cosim/controlplane/knative"
	"microcosm/cosim/des"
)

func second(n float64) des.Time { return des.Time(n * 1e9) }

func TestWindow(t *testing.T) {
	t.Parallel()
	type record struct{ at, value float64 }
	for situation, c := range map[string]struct {
		records []record
		at      float64
		average float64
		empty   bool
	}{
		"nothing recorded":                          {nil, 0, 0, true},
		"one record stands for the whole window":    {[]record{{0, 3}}, 0, 3, false},
		"records of one second add up":              {[]record{{0.1, 3}, {0.9, 4}}, 0.95, 7, false},
		"a young window is averaged over its age":   {[]record{{0, 3}, {1, 4}}, 1, 3.5, false},
		"a gap counts as zeros":                     {[]record{{0, 3}, {2, 4}}, 2, 2.333333, false},
		"missing seconds at the end do not count":   {[]record{{0, 3}, {1, 4}}, 3, 3.5, false},
		"old seconds leave a full window":           {[]record{{0, 9}, {1, 1}, {2, 1}, {3, 1}, {4, 1}, {5, 1}, {6, 1}}, 6, 1, false},
		"they leave without new records too":        {[]record{{0, 9}, {1, 1}, {2, 1}, {3, 1}, {4, 1}, {5, 1}}, 6, 1, false},
		"a record that came late is added":          {[]record{{3, 2}, {2, 4}}, 3, 3, false},
		"a record older than the window is ignored": {[]record{{9, 2}, {3, 4}}, 9, 2, false},
		"after a whole window all is forgotten":     {[]record{{0, 3}, {6, 4}}, 6, 4, false},
		"a silent window averages to nothing":       {[]record{{0, 3}}, 6, 0, false},
		"a longer silence is no data":               {[]record{{0, 3}}, 7, 0, true},
	} {
		w := knative.NewWindow(6*time.Second, false)
		for _, r := range c.records {
			w.Record(second(r.at), r.value)
		}
		require.Equal(t, c.average, w.Average(second(c.at)), situation)
		require.Equal(t, c.empty, w.Empty(second(c.at)), situation)
	}
}

func TestWeightedWindowPrefersRecentSeconds(t *testing.T) {
	t.Parallel()
	w := knative.NewWindow(60*time.Second, true) // 60 buckets: the newest weighs .2
	for i, v := range []float64{10, 10, 5, 5} {
		w.Record(second(float64(i)), v)
	}
	require.InEpsilon(t, .2*5+.16*5+.128*10+.1024*10, w.Average(second(3)), 1e-12)
	require.InEpsilon(t, (.2*5+.16*5+.128*10+.1024*10)*.64, w.Average(second(5)), 1e-12, "two seconds without a record")
	short := knative.NewWindow(6*time.Second, true) // the newest weighs 1-1e-4^(1/6) = .78456
	short.Record(0, 1)
	require.InDelta(t, .78456, short.Average(0), 5e-6)
}

// The linear average is the mean of the buckets since the first record, however
// records and gaps lie.
func TestWindowAveragesWhatItHolds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 20).Draw(t, "window")
		w := knative.NewWindow(time.Duration(n)*time.Second, false)
		values := map[int]float64{}
		first, last := 0, 0
		for i := range rapid.IntRange(1, 60).Draw(t, "records") {
			gap := rapid.IntRange(0, 3).Draw(t, "gap")
			if i == 0 || gap >= n {
				clear(values)
				first = last + gap
			}
			last += gap
			v := float64(rapid.IntRange(0, 1000).Draw(t, "value"))
			values[last] += v
			w.Record(second(float64(last)), v)
		}
		now := last + rapid.IntRange(0, n-1).Draw(t, "later")
		sum := 0.0
		for s, v := range values {
			if s > now-n {
				sum += v
			}
		}
		filled := math.Min(float64(last-first+1), float64(n-(now-last)))
		require.InDelta(t, sum/filled, w.Average(second(float64(now))), 1e-6)
	})
}

func TestSampleSize(t *testing.T) {
	t.Parallel()
	for pods, sample := range map[int]int{0: 0, 1: 1, 3: 3, 4: 4, 10: 7, 50: 12, 100: 14, 1000: 16} {
		require.Equal(t, sample, knative.SampleSize(pods), "%d pods", pods)
	}
}

func TestACollectorTakesOffWhatTheActivatorCounted(t *testing.T) {
	t.Parallel()
	spec := func(annotations map[string]string) knative.Spec {
		s, mistakes := knative.Revision{Annotations: annotations}.Resolve(knative.DefaultSettings())
		require.Empty(t, mistakes)
		return s
	}
	pods := knative.Stat{Concurrency: 2, ProxiedConcurrency: 1.5, Requests: 20, ProxiedRequests: 5}
	pods.Add(knative.Stat{Concurrency: 4, ProxiedConcurrency: .5, Requests: 10, ProxiedRequests: 5})
	pods.Extrapolate(2, 10)
	for metric, want := range map[string]float64{"concurrency": 20, "rps": 100} {
		c := knative.NewCollector(spec(map[string]string{"autoscaling.knative.dev/metric": metric}))
		_, _, ok := c.Averages(0)
		require.False(t, ok, "no data, no decision")
		c.Record(0, pods)
		stable, panics, ok := c.Averages(0)
		require.True(t, ok)
		require.Equal(t, []float64{want, want}, []float64{stable, panics}, metric)
	}
	always := knative.NewCollector(spec(map[string]string{"autoscaling.knative.dev/target-burst-capacity": "-1"}))
	_, _, ok := always.Averages(0)
	require.True(t, ok, "with the activator always in the path no data means no load")
}
