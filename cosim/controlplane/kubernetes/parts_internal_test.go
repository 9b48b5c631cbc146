package kubernetes

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/cosim/des"
)

func TestBucket(t *testing.T) {
	t.Parallel()
	ms := des.Time(time.Millisecond)
	b := newBucket(5, 3)
	var got []des.Time
	for range 5 {
		got = append(got, b.reserve(0, 1)/ms)
	}
	require.Equal(t, []des.Time{0, 0, 0, 200, 400}, got, "a burst, then one by one")
	require.False(t, b.accept(600*ms-1))
	require.True(t, b.accept(600*ms), "the debt is paid at 400 ms, the next token is there at 600 ms")
	require.Equal(t, 10_000*ms, b.reserve(10_000*ms, 3), "it never holds more than the burst")
	require.Equal(t, 10_200*ms, b.reserve(10_000*ms, 1))
	unlimited := newBucket(0, 0)
	require.Equal(t, 7*ms, unlimited.reserve(7*ms, 1000))
	require.True(t, unlimited.accept(0))
}

// In no interval does a bucket give more than its burst and what it gains, and it
// gives each token as soon as that allows.
func TestBucketGivesAllItMay(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		qps, burst := rapid.IntRange(1, 50).Draw(t, "qps"), rapid.IntRange(1, 5).Draw(t, "burst")
		b := newBucket(qps, burst)
		interval := des.Time(time.Second) / des.Time(qps)
		now, tokens := des.Time(0), float64(burst) // the definition: a level that rises and is cut off
		for range rapid.IntRange(1, 40).Draw(t, "requests") {
			step := des.Time(rapid.IntRange(0, 300).Draw(t, "step")) * des.Time(time.Millisecond)
			now += step
			tokens = min(float64(burst), tokens+float64(step)/float64(interval)) - 1
			want := now
			if tokens < 0 {
				want += des.Time(-tokens*float64(interval) + .5)
			}
			require.InDelta(t, int64(want), int64(b.reserve(now, 1)), 2)
		}
	})
}

func TestBandwidthIsSharedMaxMin(t *testing.T) {
	t.Parallel()
	flows := func(counts ...int) *network {
		w := &network{}
		for _, n := range counts {
			w.links = append(w.links, link{flows: make([]flow, n)})
		}
		return w
	}
	require.InDelta(t, 50, flows(3, 1).level(100, 150), 1e-12, "three take 100 together, one the rest")
	require.InDelta(t, 37.5, flows(3, 1).level(1000, 150), 1e-12, "only the registry is short")
	require.InDelta(t, 25, flows(2, 2, 0, 2).level(1e9, 150), 1e-12)
	require.True(t, flows(3, 1).level(10, 150) > 10, "only the nodes are short")
}

// Whatever the bandwidths: nobody gets more than his link, the registry gives all it
// has or every link is full, and speeds are equal but for full links.
func TestMaxMinIsFairAndWastesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		counts := rapid.SliceOfN(rapid.IntRange(0, 5), 1, 8).Draw(t, "flows")
		own, all := rapid.Float64Range(.1, 10).Draw(t, "own"), rapid.Float64Range(.1, 40).Draw(t, "all")
		w, flows, links := &network{}, 0, 0
		for _, n := range counts {
			w.links = append(w.links, link{flows: make([]flow, n)})
			flows += n
			links += min(n, 1)
		}
		if flows == 0 {
			return
		}
		level, sum := w.level(own, all), 0.
		for _, n := range counts {
			if n > 0 {
				sum += min(level, own/float64(n)) * float64(n)
			}
		}
		require.InEpsilon(t, min(all, own*float64(links)), sum, 1e-9)
	})
}

func TestQueueIsByTimeThenTicket(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var w waiting
		for i, at := range rapid.SliceOf(rapid.IntRange(0, 9)).Draw(t, "at") {
			w.push(entry{at: des.Time(at), ticket: int64(i)})
		}
		last := entry{at: -1}
		for len(w) > 0 {
			e := w.pop()
			require.True(t, last.before(e))
			last = e
		}
	})
}

func TestWordsOfKubectl(t *testing.T) {
	t.Parallel()
	ssd := Labels{"disk": "ssd", "zone": "a", "gpu": ""}
	for text, want := range map[string]bool{
		"disk=ssd": true, "disk==ssd": true, "disk = hdd": false, "disk!=hdd": true, "disk!=ssd": false, "zone in (a, b)": true, "zone in (b)": false,
		"zone notin (a)": false, "rack notin (a)": true, "gpu": true, "!gpu": false, "rack": false, "!rack": true, "rack!=x": true, "gpu=": true,
	} {
		r, err := ParseRequirement(text)
		require.NoError(t, err, text)
		require.Equal(t, want, r.Matches(ssd), text)
	}
	for _, text := range []string{"", "!", "a b", "=x", "zone in", "zone in (a", "zone of (a)", "x=a b", "ä=1"} {
		_, err := ParseRequirement(text)
		require.ErrorContains(t, err, "write disk=ssd", text)
	}
	for _, text := range []string{"k=v:NoSchedule", "k:PreferNoSchedule", "k=:NoExecute"} {
		_, err := ParseTaint(text)
		require.NoError(t, err, text)
	}
	for _, text := range []string{"", "k", "k=v", "k=v:No", ":NoSchedule", "=v:NoSchedule", "*"} {
		_, err := ParseTaint(text)
		require.ErrorContains(t, err, "is no taint", text)
	}
	taint := Taint{Key: "k", Value: "v", Effect: NoSchedule}
	for text, want := range map[string]bool{"k": true, "k=v": true, "k=w": false, "k:NoSchedule": true, "k:NoExecute": false, ":NoSchedule": true, "*": true, "j": false, "k=v:NoSchedule": true} {
		toleration, err := ParseToleration(text)
		require.NoError(t, err, text)
		require.Equal(t, want, toleration.tolerates(taint), text)
	}
	for _, text := range []string{"", "k=v:", "=v", "a b"} {
		_, err := ParseToleration(text)
		require.ErrorContains(t, err, "is no toleration", text)
	}
	for _, text := range []string{"", "a", "=b", "a=b c"} {
		_, _, err := ParseLabel(text)
		require.ErrorContains(t, err, "is no label", text)
	}
}
