package cluster_test

import (
	"math/rand/v2"
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

// ends notes when a function's sandboxes became idle.
type ends struct{ at *[]time.Duration }

func (e ends) Idle(_ *cluster.Sandbox, now des.Time) time.Duration {
	*e.at = append(*e.at, time.Duration(now).Round(10)) // to what rounding cannot touch
	return cluster.Unlimited
}

func (e ends) Review(*cluster.Sandbox, des.Time) time.Duration { return 0 }

// part is a function with one sandbox, what it asks for, and when its calls arrive.
type part struct {
	request, limit, concurrency int
	work                        time.Duration
	at                          []time.Duration
}

// fairly is a node under CFS with the functions.
func fairly(t require.TestingT, cores int, functions ...cluster.FunctionConfig) cluster.Config {
	c := world(t, cores, functions...)
	c.Discipline, c.QuotaPeriod, c.CoreChoice, c.Horizon = cluster.CFS, 100*ms, cluster.CoreLowest, des.Time(time.Minute)
	return c
}

// fair runs functions under CFS and returns when each was idle.
func fair(t require.TestingT, cores int, parts ...part) ([][]time.Duration, *cluster.Outcome) {
	idle := make([][]time.Duration, len(parts))
	var functions []cluster.FunctionConfig
	for i, s := range parts {
		functions = append(functions, cluster.FunctionConfig{
			Name: string(rune('a' + i)), Arrivals: clustertest.At(s.at...), Laws: clustertest.Laws(servicetime.Deterministic{Value: s.work}),
			Concurrency: max(1, s.concurrency), QueueLimit: cluster.Unlimited, Scaler: policy.Fixed{Sandboxes: 1}, CPURequest: s.request, CPULimit: s.limit,
			NewKeepAlive: func(*rand.Rand) cluster.KeepAlive { return ends{&idle[i]} },
		})
	}
	return idle, run(t, fairly(t, cores, functions...))
}

func times(milliseconds ...int) (list []time.Duration) {
	for _, n := range milliseconds {
		list = append(list, time.Duration(n)*ms)
	}
	return list
}

func TestCFSSharesByRequest(t *testing.T) {
	t.Parallel()
	// Two thirds and one third until 450 ms, when the second has 150 ms left.
	idle, o := fair(t, 1, part{request: 1000, work: 300 * ms, at: times(0)}, part{request: 500, work: 300 * ms, at: times(0)})
	require.Equal(t, [][]time.Duration{times(450), times(600)}, idle)
	require.Zero(t, o.Throttled)
	// A sandbox's weight is divided among its calls: one has as much as two together.
	idle, _ = fair(t, 1, part{request: 1000, concurrency: 2, work: 100 * ms, at: times(0, 0)}, part{request: 1000, work: 100 * ms, at: times(0)})
	require.Equal(t, [][]time.Duration{times(300), times(200)}, idle)
	// One that comes later changes the weights of those that are there: at 100 ms each
	// has 50 ms left; then b has half of the core and is done at 200 ms, a's calls a
	// quarter each: 25 and 75 ms left; 50 ms more for the first, and 50 alone.
	idle, _ = fair(t, 1, part{request: 1000, concurrency: 2, work: 100 * ms, at: times(0, 100)}, part{request: 1000, work: 100 * ms, at: times(0)})
	require.Equal(t, [][]time.Duration{times(300), times(200)}, idle)
}

func TestCFSUsesIdleCores(t *testing.T) {
	t.Parallel()
	one := part{request: 1000, work: 100 * ms, at: times(0)}
	idle, o := fair(t, 2, one, one, one)
	// Two share a core for 100 ms; the other core is idle then and takes one of them.
	require.Equal(t, [][]time.Duration{times(150), times(100), times(150)}, idle)
	require.EqualValues(t, 1, o.Migrated)
}

func TestCFSQuota(t *testing.T) {
	t.Parallel()
	half := func(work int, at ...int) part {
		return part{request: 500, limit: 500, work: time.Duration(work) * ms, at: times(at...)}
	}
	idle, o := fair(t, 1, half(250, 0))
	require.Equal(t, times(450), idle[0], "50 ms of each period: twice as long, but for the end of the last period")
	require.EqualValues(t, 4, o.Throttled)
	idle, o = fair(t, 1, half(50, 0, 70, 270))
	require.Equal(t, times(50, 150, 320), idle[0], "the second waits for the next period, the third has its own")
	require.EqualValues(t, 1, o.Throttled)
	idle, _ = fair(t, 1, half(60, 30))
	require.Equal(t, times(110), idle[0], "periods are those of the sandbox, not of the call")
	// Two cores' worth of calls with a quota of 1.5: 75 ms of each period.
	idle, _ = fair(t, 2, part{request: 1500, limit: 1500, concurrency: 2, work: 300 * ms, at: times(0, 0)})
	require.Equal(t, times(375), idle[0])
	// What one may not use, the other gets. Half each: the quota of a lasts the whole
	// period. At 200 ms a is done, b has 50 left.
	idle, _ = fair(t, 1, half(100, 0), part{request: 500, work: 150 * ms, at: times(0)})
	require.Equal(t, [][]time.Duration{times(200), times(250)}, idle)
	// Three quarters: a has its 50 ms after 66⅔ ms; b 16⅔ by then, 50 at 100 ms, 66⅔ when
	// a is done at 166⅔ ms, and the rest alone.
	idle, _ = fair(t, 1, part{request: 1500, limit: 500, work: 100 * ms, at: times(0)}, part{request: 500, work: 100 * ms, at: times(0)})
	require.InDelta(t, 166.667, idle[0][0].Seconds()*1000, .001)
	require.InDelta(t, 200, idle[1][0].Seconds()*1000, .001)
}

// Sandboxes that are never idle get core time in proportion to what they request.
func TestCFSGivesTheAlwaysBusyTheirShares(t *testing.T) {
	t.Parallel()
	requests := []int{100, 250, 650, 1000}
	var functions []cluster.FunctionConfig
	for i, r := range requests {
		f := function(string(rune('a'+i)), &spy{service: ms}, make([]int, 8000)...) // all there from the beginning
		f.CPURequest, f.Concurrency, f.Scaler = r, 1, policy.Fixed{Sandboxes: 1}
		functions = append(functions, f)
	}
	c := fairly(t, 1, functions...)
	c.Horizon, c.Drain = des.Time(8*time.Second), 0
	o := run(t, c)
	weights, sum := []float64{}, 0.0
	for _, r := range requests {
		weights = append(weights, float64(r*1024/1000)) // whole shares, as the kubelet has them
		sum += weights[len(weights)-1]
	}
	for i, f := range o.Functions {
		require.InDelta(t, 8000*weights[i]/sum, f.Account.Done, 1, "of 8000 calls of 1 ms")
	}
}

// With one sandbox that takes every call at once, all weights are equal: that is
// processor sharing, whose mean response time does not depend on the law of the
// service time (Kleinrock, Queueing Systems vol. 2, section 4.4).
func TestCFSOfEqualsIsProcessorSharing(t *testing.T) {
	t.Parallel()
	outcome := func(d cluster.Discipline) *cluster.Outcome {
		c := queue(t, 5, 1, 1, servicetime.NewLognormal(time.Second, 2), 2*time.Second)
		c.Discipline, c.QuotaPeriod, c.Horizon = d, 100*ms, des.Time(60_000*time.Second)
		c.Functions[0].Concurrency, c.Functions[0].CPURequest = 1<<20, 1000
		return run(t, c)
	}
	cfs, ps := outcome(cluster.CFS), outcome(cluster.ProcessorSharing)
	require.InEpsilon(t, 2, cfs.All.Response.Mean(), .07, "E[T] = E[S]/(1-rho)")
	require.InEpsilon(t, ps.All.Response.Sum(), cfs.All.Response.Sum(), 1e-6, "call by call, but for rounding")
}

// Alone on a core, a sandbox gets its quota of every period, as soon as it can: the
// model against a calculation period by period, in nanoseconds.
func TestCFSQuotaPeriodByPeriod(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 1100).Draw(t, "limit")
		work := time.Duration(rapid.IntRange(1, 300_000).Draw(t, "work")) * time.Microsecond
		var at []time.Duration
		now := time.Duration(0)
		for range rapid.IntRange(1, 8).Draw(t, "calls") {
			now += time.Duration(rapid.IntRange(0, 200_000).Draw(t, "gap")) * time.Microsecond
			at = append(at, now)
		}
		idle, o := fair(t, 1, part{limit: limit, work: work, at: at})
		const period = 100 * ms
		quota := time.Duration(limit) * period / 1000
		free, used, of := time.Duration(0), time.Duration(0), time.Duration(0) // until when it works; of the quota, in which period
		for _, arrival := range at {
			begin := max(arrival, free)
			for left := work; left > 0; {
				if p := begin / period; p != of {
					of, used = p, 0
				}
				end := min(begin+min(left, quota-used), (of+1)*period)
				left -= end - begin
				used += end - begin
				if begin = end; left > 0 && used == quota {
					begin = max(begin, (of+1)*period)
				}
			}
			free = begin
		}
		last := idle[0][len(idle[0])-1]
		require.InDelta(t, int64(free), int64(last), float64(20+2*o.Throttled), "a nanosecond is lost to rounding now and then")
	})
}

// The history of a core is kept under CFS, too: k counts those that were in service
// when a sandbox left, those that its quota held back included, and a move to another
// core.
func TestCFSKeepsTheHistoryOfCores(t *testing.T) {
	t.Parallel()
	a, b := &spy{service: 2 * ms}, &spy{service: 80 * ms}
	held := function("b", b, 0)
	held.CPULimit = 500 // held from 54 to 100 ms, 4 ms of which a had half of the core
	run(t, fairly(t, 1, function("a", a, 10, 60), held))
	require.Equal(t, int64(1), a.seen[1].K, "b was in service when a left, and is still there")

	// b takes core 0, c core 1, a core 0 beside b: when c ends at 31 ms, a, the last
	// that came to core 0, moves to core 1, where it is new.
	a, b, c := &spy{service: 40 * ms}, &spy{service: 200 * ms}, &spy{service: 30 * ms}
	run(t, fairly(t, 2, function("b", b, 0), function("c", c, 1, 300), function("a", a, 2, 310)))
	require.True(t, c.seen[1].New, "c begins on core 0 for the first time")
	require.False(t, a.seen[1].New, "a begins where it ended: on core 1")
	require.Zero(t, a.seen[1].K, "and nobody was there since")
}

func TestCFSWantsAPeriod(t *testing.T) {
	t.Parallel()
	c := fairly(t, 1, function("f", &spy{}))
	c.QuotaPeriod, c.Functions[0].CPULimit = 0, -1
	_, err := cluster.New(c)
	require.ErrorContains(t, err, "cfs wants a period")
	require.ErrorContains(t, err, "function f: CPU must not be negative, not 0m of -1m")
}
