package cluster_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/cluster"
	"microcosm/cosim/cluster/clustertest"
	"microcosm/cosim/des"
	"microcosm/cosim/policy"
	"microcosm/cosim/servicetime"
)

// lease is a keep-alive that a test scripts; it writes down when it was asked.
type lease struct {
	idle, review []time.Duration // answers in turn, the last one for ever
	asked        []time.Duration // for a review
	became       []time.Duration // idle
}

func (l *lease) make(*rand.Rand) cluster.KeepAlive { return l }

func (l *lease) Idle(_ *cluster.Sandbox, now des.Time) time.Duration {
	l.became = append(l.became, time.Duration(now))
	return answer(&l.idle)
}

func (l *lease) Review(_ *cluster.Sandbox, now des.Time) time.Duration {
	l.asked = append(l.asked, time.Duration(now))
	return answer(&l.review)
}

func answer(script *[]time.Duration) time.Duration {
	first := (*script)[0]
	if len(*script) > 1 {
		*script = (*script)[1:]
	}
	return first
}

// elastic is a function with a sandbox for each of its calls, of 10 ms each.
func elastic(name string, k func(*rand.Rand) cluster.KeepAlive, milliseconds ...int) cluster.FunctionConfig {
	f := function(name, &spy{service: 10 * ms}, milliseconds...)
	f.Scaler = policy.FollowConcurrency{Max: cluster.Unlimited}
	f.NewKeepAlive = k
	return f
}

func TestAReviewedSandboxIsLookedAtAgainWhenItWasSaid(t *testing.T) {
	t.Parallel()
	l := &lease{idle: []time.Duration{100 * ms}, review: []time.Duration{50 * ms, 30 * ms, 0}}
	o := run(t, world(t, 1, elastic("f", l.make, 0, 1000)))
	require.Equal(t, []time.Duration{110 * ms, 160 * ms, 190 * ms, 1110 * ms}, l.asked)
	require.Equal(t, []time.Duration{10 * ms, 1010 * ms}, l.became)
	require.Equal(t, int64(2), o.Cold, "the second call finds none")
}

func TestAUseEndsTheOldLease(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		idle  []time.Duration
		asked []time.Duration
	}{
		"the same again":           {[]time.Duration{100 * ms}, []time.Duration{150 * ms}},
		"a longer one":             {[]time.Duration{100 * ms, 300 * ms}, []time.Duration{350 * ms}},
		"a shorter one":            {[]time.Duration{500 * ms, 20 * ms}, []time.Duration{70 * ms}},
		"then one without an end":  {[]time.Duration{100 * ms, cluster.Unlimited}, nil},
		"first one without an end": {[]time.Duration{cluster.Unlimited, 100 * ms}, []time.Duration{150 * ms}},
	} {
		l := &lease{idle: c.idle, review: []time.Duration{0}}
		run(t, world(t, 1, elastic("f", l.make, 0, 40)))
		require.Equal(t, c.asked, l.asked, situation)
	}
}

// Leases that grow shorter and longer in turn leave old events behind, which must
// neither ask twice nor ask too late.
func TestOldEventsOfALeaseAskNobody(t *testing.T) {
	t.Parallel()
	l := &lease{idle: []time.Duration{500 * ms, 20 * ms, 500 * ms, 20 * ms}, review: []time.Duration{300 * ms, 200 * ms, 0}}
	run(t, world(t, 1, elastic("f", l.make, 0, 15, 30, 45)))
	// Idle at 10, 25, 40 and 55 until 510, 45, 540 and 75; one event a time counts.
	require.Equal(t, []time.Duration{75 * ms, 375 * ms, 575 * ms}, l.asked)
}

func TestTheMinimumIsNeverAskedToGo(t *testing.T) {
	t.Parallel()
	l := &lease{idle: []time.Duration{100 * ms}, review: []time.Duration{0}}
	f := elastic("f", l.make, 0, 0, 0)
	f.Scaler = policy.FollowConcurrency{Min: 2, Max: cluster.Unlimited}
	o := run(t, world(t, 4, f))
	require.Len(t, l.asked, 1, "three sandboxes, two of them the minimum")
	require.InDelta(t, 2, o.Timeline.Sandboxes[100], 1e-9)
}

func TestKeepAliveOfNoTimeRemovesAtOnce(t *testing.T) {
	t.Parallel()
	o := run(t, world(t, 1, elastic("f", keep(0), 0, 10, 21)))
	require.Equal(t, int64(3), o.Created, "that at 10 comes before the sandbox of the first has been looked at, but finds it gone")
	require.Equal(t, int64(3), o.Account.Done)
}

// ahead is a keep-alive that starts sandboxes ahead of calls.
type ahead struct {
	lease
	wait []time.Duration
	seen []time.Duration // arrivals
	told []time.Duration // when it was asked to plan
}

func (a *ahead) make(*rand.Rand) cluster.KeepAlive { return a }

func (a *ahead) Arrived(_ *cluster.Function, now des.Time) {
	a.seen = append(a.seen, time.Duration(now))
}

func (a *ahead) PreWarm(_ *cluster.Function, now des.Time) time.Duration {
	a.told = append(a.told, time.Duration(now))
	return answer(&a.wait)
}

func TestASandboxIsStartedAhead(t *testing.T) {
	t.Parallel()
	const never = cluster.Unlimited
	for situation, c := range map[string]struct {
		wait      []time.Duration
		calls     []int
		idle      []time.Duration
		preWarmed int64
		cold      int64
		awaited   int64
	}{
		"before the next call":                  {[]time.Duration{80 * ms, never}, []int{0, 120}, []time.Duration{0, time.Second}, 1, 2, 1},
		"not where a call comes first":          {[]time.Duration{80 * ms, never}, []int{0, 50}, []time.Duration{0}, 0, 2, 2},
		"not where a sandbox is left":           {[]time.Duration{80 * ms, never}, []int{0, 120}, []time.Duration{time.Second}, 0, 1, 1},
		"never":                                 {[]time.Duration{never}, []int{0, 120}, []time.Duration{0}, 0, 2, 2},
		"the plan of the last call is the plan": {[]time.Duration{500 * ms, 80 * ms, never}, []int{0, 30, 150}, []time.Duration{0, 0, time.Second}, 1, 3, 2},
		"a later plan too":                      {[]time.Duration{50 * ms, 200 * ms, never}, []int{0, 30, 200}, []time.Duration{0}, 0, 3, 3},
	} {
		a := &ahead{lease: lease{idle: c.idle, review: []time.Duration{0}}, wait: c.wait}
		f := elastic("f", a.make, c.calls...)
		f.Laws["p"] = &spy{service: 10 * ms, init: 5 * ms}
		o := run(t, world(t, 1, f))
		require.Equal(t, c.preWarmed, o.PreWarmed, situation)
		require.Equal(t, c.cold, o.Cold, "%s: first calls", situation)
		require.Equal(t, c.awaited, o.ColdStarts, "%s: calls that waited for their sandbox", situation)
		require.Len(t, a.seen, len(c.calls), situation)
	}
}

func TestThePlanIsMadeWhenTheLastCallHasEnded(t *testing.T) {
	t.Parallel()
	a := &ahead{lease: lease{idle: []time.Duration{time.Second}, review: []time.Duration{0}}, wait: []time.Duration{cluster.Unlimited}}
	run(t, world(t, 4, elastic("f", a.make, 0, 5, 100)))
	require.Equal(t, []time.Duration{0, 5 * ms, 100 * ms}, a.seen)
	require.Equal(t, []time.Duration{15 * ms, 110 * ms}, a.told, "at 10 ms one is still in service")
}

// worthy gives each function's sandboxes a value.
type worthy struct {
	lease
	value float64
}

func (w *worthy) Value(*cluster.Sandbox) float64 { return w.value }

func worth(v float64) func(*rand.Rand) cluster.KeepAlive {
	return func(*rand.Rand) cluster.KeepAlive {
		return &worthy{lease{idle: []time.Duration{cluster.Unlimited}, review: []time.Duration{0}}, v}
	}
}

// crowd is a cluster of nodes of 100 MiB with functions of 50 MiB and the given
// values, called once each, one after the other; then they are called once more.
func crowd(t *testing.T, nodes int, values []float64, again ...int) (cold []int64, o *cluster.Outcome) {
	var functions []cluster.FunctionConfig
	for i, v := range values {
		calls := []int{100 * i}
		for n, which := range again {
			if which == i {
				calls = append(calls, 10_000+100*n)
			}
		}
		f := elastic(string(rune('a'+i)), worth(v), calls...)
		f.MemoryMiB = 50
		functions = append(functions, f)
	}
	c := world(t, 1, functions...)
	c.Horizon = des.Time(time.Minute)
	c.Nodes = nil
	for i := range nodes {
		c.Nodes = append(c.Nodes, cluster.NodeConfig{Name: string(rune('0' + i)), Cores: 1, MemoryMiB: 100, Platform: "p"})
	}
	o = run(t, c)
	for _, f := range o.Functions {
		cold = append(cold, f.Classes[cluster.ClassCold])
	}
	return cold, o
}

func TestTheIdleSandboxThatIsWorthLeastMakesRoom(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		nodes  int
		values []float64
		again  []int
		cold   []int64
	}{
		"the least valuable one":               {1, []float64{1, 5, 9}, []int{1, 0}, []int64{2, 1, 1}},
		"among equals the least recently used": {1, []float64{5, 5, 5}, []int{1, 0}, []int64{2, 1, 1}},
		"a newcomer worth less comes in too":   {1, []float64{5, 9, 1}, []int{1}, []int64{1, 1, 1}},
		"on the node where it costs least":     {2, []float64{7, 6, 3, 8, 9}, []int{0, 1, 3, 4}, []int64{1, 1, 1, 1, 1}},
	} {
		cold, o := crowd(t, c.nodes, c.values, c.again...)
		require.Equal(t, c.cold, cold, situation)
		require.Positive(t, o.Evicted, situation)
		require.Equal(t, int64(len(c.values)+len(c.again)), o.Account.Done, situation)
		require.Equal(t, int64(len(c.values)+len(c.again)), o.Account.Attempts)
	}
}

// Who is evicted sets the age from which later ones are counted: one that was
// worth more, long ago, goes before one that is worth less, but used since.
func TestWorthAges(t *testing.T) {
	t.Parallel()
	// a = 4 and b = 1 live; c = 3 evicts b (age 1) and is worth 1 + 3; then d
	// evicts a (4, and used longer ago than c) though c alone is worth less.
	cold, o := crowd(t, 1, []float64{4, 1, 3, 2}, 2)
	require.Equal(t, []int64{1, 1, 1, 1}, cold, "c is still there when it is called again")
	require.Equal(t, int64(2), o.Evicted)
}

func TestWhatIsBusyOrTheMinimumIsNotEvicted(t *testing.T) {
	t.Parallel()
	for situation, spoil := range map[string]func(f *cluster.FunctionConfig){
		"busy": func(f *cluster.FunctionConfig) {
			f.Laws = clustertest.Laws(servicetime.Deterministic{Value: 2 * time.Second})
		},
		"the minimum": func(f *cluster.FunctionConfig) { f.Scaler = policy.FollowConcurrency{Min: 1, Max: 1} },
	} {
		a, b := elastic("a", worth(1), 0), elastic("b", worth(9), 100)
		a.MemoryMiB, b.MemoryMiB = 60, 60
		spoil(&a)
		c := world(t, 2, a, b)
		c.Nodes[0].MemoryMiB = 100
		c.Drain = time.Second
		o := run(t, c)
		require.Positive(t, o.Unplaced, situation)
		want := map[string]int64{"busy": 2, "the minimum": 1}[situation]
		require.Equal(t, want, o.Account.Done, "%s: b waits until a is idle, or for ever", situation)
	}
}

// A keep-alive that gives nothing up keeps its sandboxes from those that ask.
func TestOnlyAnEvictorGivesUpSandboxes(t *testing.T) {
	t.Parallel()
	a, b := elastic("a", keep(time.Hour), 0), elastic("b", worth(9), 100)
	a.MemoryMiB, b.MemoryMiB = 60, 60
	c := world(t, 2, a, b)
	c.Nodes[0].MemoryMiB, c.Drain = 100, time.Second
	o := run(t, c)
	require.Zero(t, o.Evicted)
	require.Equal(t, int64(1), o.Account.Queued)
}

// A node that takes two sandboxes has no room for a third, however little memory it
// needs: it waits, or the one that is worth least goes for it.
func TestANodeTakesSoManySandboxes(t *testing.T) {
	t.Parallel()
	outcome := func(keepAlive func(value float64) func(*rand.Rand) cluster.KeepAlive, memory int) *cluster.Outcome {
		a, b, late := elastic("a", keepAlive(1), 0), elastic("b", keepAlive(2), 0), elastic("late", keepAlive(3), 100)
		a.MemoryMiB, late.MemoryMiB = memory, memory
		c := world(t, 4, a, b, late)
		c.Nodes[0].MaxSandboxes, c.Nodes[0].MemoryMiB, c.Drain = 2, 4*memory, time.Second
		return run(t, c)
	}
	o := outcome(func(float64) func(*rand.Rand) cluster.KeepAlive { return keep(500 * ms) }, 0)
	require.EqualValues(t, 1, o.Unplaced)
	require.EqualValues(t, 3, o.Account.Done)
	require.InDelta(t, .4, o.Functions[2].Times.Waiting.Max().Seconds(), .011, "until the others' keep-alive is over")
	for _, memory := range []int{0, 60} {
		o = outcome(worth, memory)
		require.EqualValues(t, 1, o.Evicted, memory)
		require.Zero(t, o.Unplaced)
		require.Zero(t, o.Functions[2].Times.Waiting.Max())
	}
	c := world(t, 1)
	c.Nodes[0].MaxSandboxes = -1
	require.ErrorContains(t, c.Check(), "the number of its sandboxes must not be negative, not -1")
}

func TestSeveralMakeRoomForOneThatIsLarge(t *testing.T) {
	t.Parallel()
	a, b, large := elastic("a", worth(1), 0), elastic("b", worth(2), 0), elastic("large", worth(5), 100)
	a.MemoryMiB, b.MemoryMiB, large.MemoryMiB = 40, 40, 90
	c := world(t, 2, a, b, large)
	c.Nodes[0].MemoryMiB = 100
	o := run(t, c)
	require.Equal(t, int64(2), o.Evicted)
	require.Zero(t, o.Unplaced)
	require.Zero(t, o.Functions[2].Times.Waiting.Max())
}
