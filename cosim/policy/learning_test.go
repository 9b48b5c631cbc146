package policy_test

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/cosim/cluster"
	"microcosm/cosim/cluster/clustertest"
	"microcosm/cosim/des"
	"microcosm/cosim/policy"
	"microcosm/cosim/servicetime"
)

// learner is what a hybrid histogram is to the cluster.
type learner interface {
	cluster.KeepAlive
	cluster.ArrivalWatcher
	cluster.PreWarmer
}

// tutor asks a hybrid histogram and checks its answers against the idle times as a
// plain list.
type tutor struct {
	policy.HybridHistogram
	inner learner
	t     require.TestingT
	gaps  []time.Duration
	idle  des.Time
	known bool
	kinds map[string]int // how often each rule answered
}

// Arrived implements cluster.ArrivalWatcher.
func (k *tutor) Arrived(f *cluster.Function, now des.Time) {
	if k.known && f.InSystem() == 0 {
		k.gaps = append(k.gaps, now.Sub(k.idle))
	}
	k.inner.Arrived(f, now)
}

// Idle implements cluster.KeepAlive.
func (k *tutor) Idle(s *cluster.Sandbox, now des.Time) time.Duration {
	got := k.inner.Idle(s, now)
	from, until := k.window()
	switch {
	case !s.Called():
		k.same(until-from, got)
	case s.Function().InSystem() > 0:
		k.same(until, got)
	default:
		k.idle, k.known = now, true
		if from > 0 {
			until = 0
		}
		k.same(until, got)
	}
	return got
}

// Review implements cluster.KeepAlive.
func (k *tutor) Review(s *cluster.Sandbox, now des.Time) time.Duration {
	return k.inner.Review(s, now)
}

// PreWarm implements cluster.PreWarmer.
func (k *tutor) PreWarm(f *cluster.Function, now des.Time) time.Duration {
	got := k.inner.PreWarm(f, now)
	if from, _ := k.window(); from > 0 {
		k.same(from, got)
	} else {
		require.Equal(k.t, time.Duration(cluster.Unlimited), got)
	}
	return got
}

func (k *tutor) same(want, got time.Duration) {
	require.InDelta(k.t, float64(want), float64(got), 10+1e-6*float64(want), "after %v", k.gaps)
}

// window is section 4.2 of the paper over the list of idle times.
func (k *tutor) window() (from, until time.Duration) {
	bins := make([]float64, (k.Range+k.Bin-1)/k.Bin)
	var inside []int
	for _, gap := range k.gaps {
		if i := int(gap / k.Bin); i < len(bins) {
			bins[i]++
			inside = append(inside, i)
		}
	}
	slices.Sort(inside)
	outside := len(k.gaps) - len(inside)
	mean, squares := float64(len(inside))/float64(len(bins)), 0.
	for _, n := range bins {
		squares += (n - mean) * (n - mean)
	}
	switch {
	case len(k.gaps) < k.MinSamples:
		k.kinds["learning"]++
		return 0, k.Range
	case float64(outside) >= k.MaxOutside*float64(len(k.gaps)):
		k.kinds["forecast"]++
		next := k.forecast()
		return time.Duration(next * (1 - k.ForecastMargin)), time.Duration(next * (1 + k.ForecastMargin))
	case math.Sqrt(squares/float64(len(bins)))/mean < k.MinCV:
		k.kinds["no pattern"]++
		return 0, k.Range
	}
	k.kinds["pattern"]++
	rank := func(q float64) int { return inside[max(0, int(math.Ceil(q*float64(len(inside))))-1)] }
	return time.Duration(float64(rank(k.Head)) * float64(k.Bin) * (1 - k.Margin)), time.Duration(float64(rank(k.Tail)+1) * float64(k.Bin) * (1 + k.Margin))
}

// forecast regresses each idle time on the one before, by covariance over
// variance, in nanoseconds.
func (k *tutor) forecast() float64 {
	pairs := float64(len(k.gaps) - 1)
	var x, y, all float64
	for i, gap := range k.gaps {
		all += float64(gap)
		if i+1 < len(k.gaps) {
			x, y = x+float64(gap)/pairs, y+float64(k.gaps[i+1])/pairs
		}
	}
	var variance, covariance, squares float64
	for i := range len(k.gaps) - 1 {
		dx, dy := float64(k.gaps[i])-x, float64(k.gaps[i+1])-y
		variance, covariance = variance+dx*dx, covariance+dx*dy
		squares += float64(k.gaps[i]) * float64(k.gaps[i])
	}
	if pairs < 3 || variance <= 1e-12*squares {
		return all / float64(len(k.gaps))
	}
	slope := min(1, max(-1, covariance/variance))
	return max(0, y+slope*(float64(k.gaps[len(k.gaps)-1])-x))
}

// TestHybridHistogramAgainstAListOfIdleTimes: windows and forecasts after every
// call, whatever the idle times are.
func TestHybridHistogramAgainstAListOfIdleTimes(t *testing.T) {
	t.Parallel()
	kinds := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		p := policy.Keepings()["hybrid-histogram"].(policy.HybridHistogram)
		p.Bin, p.Range = time.Duration(rapid.IntRange(1, 30).Draw(t, "bin"))*time.Second, time.Duration(rapid.IntRange(30, 200).Draw(t, "range"))*time.Second
		p.Head, p.Tail = rapid.Float64Range(0, .5).Draw(t, "head"), rapid.Float64Range(.5, 1).Draw(t, "tail")
		p.MinSamples = rapid.IntRange(1, 6).Draw(t, "samples")
		p.MinCV = rapid.SampledFrom([]float64{0, .55, 3.03}).Draw(t, "cv")
		require.NoError(t, p.Validate())
		period := rapid.OneOf(rapid.IntRange(1_000, 30_000), rapid.IntRange(1_000, 400_000)).Draw(t, "period in ms")
		jitter := rapid.IntRange(0, 1+period/2).Draw(t, "jitter in ms")
		var at []time.Duration
		now := 0
		for range rapid.IntRange(1, 40).Draw(t, "calls") {
			at = append(at, time.Duration(now)*time.Millisecond)
			now += period + rapid.IntRange(0, jitter).Draw(t, "late")
			if rapid.IntRange(0, 9).Draw(t, "another") == 0 {
				now += 5 * period
			}
		}
		k := &tutor{HybridHistogram: p, t: t, kinds: kinds}
		c := clustertest.Config(t, 1)
		c.Nodes = []cluster.NodeConfig{{Name: "node", Cores: 4, Platform: "p"}}
		c.Horizon, c.Drain = des.Time(1000*time.Hour), time.Hour
		c.Functions = []cluster.FunctionConfig{elastic("f", func(r *rand.Rand) cluster.KeepAlive {
			k.inner = p.KeepAlive(r).(learner)
			return k
		}, at...)}
		clustertest.Run(t, c)
	})
	for _, kind := range []string{"learning", "forecast", "no pattern", "pattern"} {
		require.Positive(t, kinds[kind], "%v", kinds)
	}
}

// cached is a function in FaasCache.
type cached struct {
	name    string
	memory  int
	startup time.Duration
	at      []time.Duration

	present     bool
	calls       int
	worth       float64
	since, cold int
}

// TestGreedyDualAgainstASortedList: FaasCache by its paper, as a list that is
// sorted anew at each start: who is evicted decides who starts cold.
func TestGreedyDualAgainstASortedList(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(seed, 44))
			functions := make([]*cached, 8)
			for i := range functions {
				functions[i] = &cached{name: fmt.Sprint("f", i), memory: 100 + 7*r.IntN(60), startup: time.Duration(1+r.IntN(20_000)) * time.Millisecond}
			}
			const room = 1100
			clock, used := 0., 0
			for call := range 400 {
				f := functions[min(r.IntN(8), r.IntN(8))] // some are called more often
				f.at = append(f.at, time.Duration(call)*100*time.Second)
				if !f.present {
					victims := slices.DeleteFunc(slices.Clone(functions), func(f *cached) bool { return !f.present })
					slices.SortFunc(victims, func(a, b *cached) int { return cmp.Or(cmp.Compare(a.worth, b.worth), a.since-b.since) })
					for _, v := range victims {
						if used+f.memory <= room {
							break
						}
						clock, used, v.present = max(clock, v.worth), used-v.memory, false
					}
					f.present, f.calls = true, 0
					used += f.memory
					f.cold++
				}
				f.calls++
				f.worth, f.since = clock+float64(f.calls)*f.startup.Seconds()/float64(f.memory), call
			}
			c := clustertest.Config(t, 1)
			c.Nodes = []cluster.NodeConfig{{Name: "node", Cores: 4, MemoryMiB: room, Platform: "p"}}
			c.Horizon, c.Drain = des.Time(100*time.Hour), time.Hour
			keepAlive, err := policy.KeepAlive("greedy-dual")
			require.NoError(t, err)
			for _, f := range functions {
				config := elastic(f.name, keepAlive, f.at...)
				config.MemoryMiB = f.memory
				config.Laws = map[string]servicetime.Law{"p": &servicetime.GivenLaw{
					Service: servicetime.Deterministic{Value: time.Second}, BusyFraction: 1, Init: servicetime.Deterministic{Value: f.startup},
				}}
				c.Functions = append(c.Functions, config)
			}
			o := clustertest.Run(t, c)
			total := 0
			for i, f := range functions {
				require.EqualValues(t, f.cold, o.Functions[i].Classes[cluster.ClassCold], "%s, called %d times", f.name, len(f.at))
				total += f.cold
			}
			require.Greater(t, total, 30, "something was evicted")
			require.Less(t, total, 350, "and something was kept")
		})
	}
}

func TestAHistogramWithoutBinsIsNoneOfItsContradictions(t *testing.T) {
	t.Parallel()
	for _, bin := range []time.Duration{0, -time.Second} {
		require.NoError(t, policy.HybridHistogram{Bin: bin, Range: time.Hour, Tail: 1}.Validate(), "out of its range, which the reader says")
	}
	require.ErrorContains(t, policy.HybridHistogram{Bin: time.Minute, Range: time.Second, Tail: 1}.Validate(), "shorter than one bin")
	require.ErrorContains(t, policy.HybridHistogram{Bin: 1, Range: time.Hour, Tail: 1}.Validate(), "take wider ones")
}
