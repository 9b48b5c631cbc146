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

// spy takes a fixed time and remembers the states it was asked for.
type spy struct {
	service, busy, create, init time.Duration
	seen                        []servicetime.State
}

func (s *spy) Draw(state servicetime.State, _ float64) (servicetime.Draw, error) {
	s.seen = append(s.seen, state)
	busy := s.busy
	if busy == 0 {
		busy = s.service
	}
	return servicetime.Draw{Service: s.service, Busy: busy}, nil
}

func (s *spy) Startup(float64, float64) (create, init time.Duration, err error) {
	return s.create, s.init, nil
}

const ms = time.Millisecond

// keep removes a sandbox that has been idle for the time.
func keep(d time.Duration) func(*rand.Rand) cluster.KeepAlive {
	return policy.FixedTime{For: d}.KeepAlive
}

// world is a cluster of one node that a test scripts.
func world(t require.TestingT, cores int, functions ...cluster.FunctionConfig) cluster.Config {
	for i := range functions {
		f := &functions[i]
		if f.Concurrency == 0 {
			f.Concurrency = 1
		}
		if f.Scaler == nil {
			f.Scaler = policy.Fixed{Sandboxes: 1}
		}
	}
	c := clustertest.Config(t, 1)
	c.Nodes = []cluster.NodeConfig{{Name: "node-0", Cores: cores, Platform: "p"}}
	c.Functions = functions
	c.Horizon, c.Drain = des.Time(10*time.Second), time.Hour
	return c
}

// function is called at given milliseconds.
func function(name string, law servicetime.Law, milliseconds ...int) cluster.FunctionConfig {
	var at []time.Duration
	for _, n := range milliseconds {
		at = append(at, time.Duration(n)*ms)
	}
	return cluster.FunctionConfig{
		Name: name, Arrivals: clustertest.At(at...), QueueLimit: cluster.Unlimited,
		Laws: map[string]servicetime.Law{"p": law},
	}
}

func ks(seen []servicetime.State) (ks []int64) {
	for _, s := range seen {
		ks = append(ks, s.K)
	}
	return ks
}

func TestKCountsTheOthersOnThisCore(t *testing.T) {
	t.Parallel()
	// a runs at 0, 100, 400; b at 10, 20 and c at 200 in between, one core.
	a, b, c := &spy{service: ms}, &spy{service: ms}, &spy{service: ms}
	run(t, world(t, 1, function("a", a, 0, 100, 400), function("b", b, 10, 20), function("c", c, 200)))
	require.Equal(t, []int64{0, 2, 1}, ks(a.seen), "b twice, then c once")
	require.True(t, a.seen[0].New, "no sandbox has executed before")
	require.False(t, a.seen[0].Cold, "sandboxes made before time 0 have had their first call")
	require.Equal(t, 99*ms, a.seen[1].Idle, "from the end of the last call, at 1 ms")
	require.Equal(t, []int64{0, 0}, ks(b.seen), "b again directly after itself")
	require.False(t, b.seen[1].New)
}

func TestSandboxesOfTheSameFunctionAreCountedApart(t *testing.T) {
	t.Parallel()
	a, b := &spy{service: 5 * ms}, &spy{service: ms}
	f := function("a", a, 0, 1, 100)
	f.Scaler = policy.Fixed{Sandboxes: 2}
	// Two calls overlap: the first on sandbox 2 (most recent), the second, which
	// waits for the one core, on sandbox 1. Later sandbox 1, used last, serves.
	run(t, world(t, 1, f, function("b", b, 50)))
	require.Len(t, a.seen, 3)
	require.Equal(t, servicetime.State{K: 1, Same: 0, Idle: 90 * ms}, a.seen[2])

	c := &spy{service: 5 * ms}
	g := function("c", c, 0, 1, 100, 101)
	g.Scaler = policy.Fixed{Sandboxes: 2}
	run(t, world(t, 1, g))
	require.Equal(t, servicetime.State{K: 2, Same: 2, Idle: 100 * ms}, c.seen[3], "the other sandbox ran at 5 and at 100 ms")
}

func TestCoresForgetEachOnItsOwn(t *testing.T) {
	t.Parallel()
	// Two cores. a's last core is busy with b's long call, so a moves to the
	// other core, where it is new; afterwards it finds its first core as it left
	// it but for b.
	a, b := &spy{service: ms}, &spy{service: 100 * ms}
	c := world(t, 2, function("a", a, 0, 20, 200), function("b", b, 10))
	c.CoreChoice = cluster.CoreLowest
	run(t, c)
	require.Equal(t, []bool{true, true, false}, []bool{a.seen[0].New, a.seen[1].New, a.seen[2].New})
	require.Equal(t, int64(1), a.seen[2].K)
	require.Equal(t, 199*ms, a.seen[2].Idle)
}

func TestTheLastCoreElseTheOneThatForgotLeast(t *testing.T) {
	t.Parallel()
	// a runs on core 0; while x holds core 0 it runs on core 1, its last core from
	// then on. At 80 y holds core 1: a returns to core 0, which remembers it over
	// x, b and x, rather than going to core 2, where it is new.
	a, b := &spy{service: ms}, &spy{service: ms}
	x, y := &spy{service: 5 * ms}, &spy{service: 100 * ms}
	run(t, world(t, 3, function("a", a, 0, 10, 80), function("b", b, 60), function("x", x, 7, 70), function("y", y, 71)))
	require.Equal(t, servicetime.State{New: true}, a.seen[1])
	require.Equal(t, servicetime.State{K: 3, Idle: 79 * ms}, a.seen[2])
}

func TestPinnedSandboxesWaitForTheirCore(t *testing.T) {
	t.Parallel()
	// c shares core 0 with a and waits for it until 10 ms, b has core 1 alone.
	a, b, c := &spy{service: 10 * ms}, &spy{service: 2 * ms}, &spy{service: 10 * ms}
	w := world(t, 2, function("a", a, 0), function("b", b, 1), function("c", c, 4))
	w.CoreChoice = cluster.CorePinned
	o := run(t, w)
	require.Equal(t, 6*ms, o.Functions[2].Times.Waiting.Max(), "though core 1 is idle from 3 ms on")
	require.Zero(t, o.Functions[1].Times.Waiting.Max())
}

func TestTheCoreIsHeldForBusyTheSandboxForService(t *testing.T) {
	t.Parallel()
	// 10 ms of service, 2 of them on the one core: a second sandbox starts as
	// soon as the core is free, a second call of one sandbox only after 10 ms.
	two := function("f", &spy{service: 10 * ms, busy: 2 * ms}, 0, 0)
	two.Scaler = policy.Fixed{Sandboxes: 2}
	o := run(t, world(t, 1, two))
	require.Equal(t, 2*ms, o.All.Waiting.Max())
	one := function("f", &spy{service: 10 * ms, busy: 2 * ms}, 0, 0)
	o = run(t, world(t, 1, one))
	require.Equal(t, 10*ms, o.All.Waiting.Max())
	require.InDelta(t, .004/10, o.Utilization(), 1e-12)
}

func TestColdStarts(t *testing.T) {
	t.Parallel()
	law := &spy{service: ms, create: 30 * ms, init: 20 * ms}
	f := function("f", law, 0, 10, 200, 5000)
	f.Scaler = policy.FollowConcurrency{Max: cluster.Unlimited}
	f.NewKeepAlive = keep(time.Second)
	o := run(t, world(t, 2, f))
	// At 0 a sandbox starts and is ready at 50; the second request, at 10, finds
	// two in the system and starts another, but is served first by the first
	// sandbox, at 51. The second sandbox is never called and expires, unused.
	cold := []bool{}
	for _, s := range law.seen {
		cold = append(cold, s.Cold)
	}
	require.Equal(t, []bool{true, false, false, true}, cold)
	require.Equal(t, int64(2), o.Cold)
	require.Equal(t, int64(3), o.Created)
	require.Equal(t, 50*ms, o.All.Waiting.Max(), "create and init come before service")
}

func TestASandboxExpiresWhileNothingHappens(t *testing.T) {
	t.Parallel()
	law := &spy{service: ms}
	f := function("f", law, 0, 500, 1600)
	f.Scaler = policy.FollowConcurrency{Max: 1}
	f.NewKeepAlive = keep(time.Second)
	run(t, world(t, 1, f))
	require.Equal(t, []bool{true, false, true}, []bool{law.seen[0].Cold, law.seen[1].Cold, law.seen[2].Cold},
		"used at 500, so it lives until 1501")
}

func TestAFullQueueRejects(t *testing.T) {
	t.Parallel()
	f := function("f", &spy{service: 100 * ms}, 0, 1, 2, 3)
	f.QueueLimit = 1
	o := run(t, world(t, 1, f))
	require.Equal(t, cluster.Account{Arrived: 4, Done: 2, Rejected: 2, Attempts: 4}, o.Account)
}

func TestAColdStartIsNotAFullQueue(t *testing.T) {
	t.Parallel()
	f := function("f", &spy{service: 100 * ms, init: 10 * ms}, 0, 1, 2)
	f.QueueLimit = 0
	f.Scaler = policy.FollowConcurrency{Max: 2}
	o := run(t, world(t, 2, f))
	require.Equal(t, cluster.Account{Arrived: 3, Done: 2, Rejected: 1, Attempts: 3}, o.Account)
}

func TestEarlyBindingQueuesAtTheSandbox(t *testing.T) {
	t.Parallel()
	f := function("f", &spy{service: 100 * ms}, 0, 1, 2)
	f.Scaler = policy.Fixed{Sandboxes: 2}
	c := world(t, 2, f)
	c.Binding = cluster.BindEarly
	c.NewBalancer = clustertest.Balancer(t, "least-loaded")
	o := run(t, c)
	require.Equal(t, 98*ms, o.All.Waiting.Max())
	c = world(t, 2, function("f", &spy{service: 100 * ms}, 0, 1, 2))
	c.Functions[0].Scaler = policy.Fixed{Sandboxes: 2}
	c.Functions[0].QueueLimit = 0
	c.Binding = cluster.BindEarly
	c.NewBalancer = clustertest.Balancer(t, "least-loaded")
	require.Equal(t, int64(1), run(t, c).Account.Rejected)
}

func TestSandboxesWaitForMemory(t *testing.T) {
	t.Parallel()
	a := function("a", &spy{service: 10 * ms}, 0)
	b := function("b", &spy{service: 10 * ms}, 100)
	for _, f := range []*cluster.FunctionConfig{&a, &b} {
		f.MemoryMiB = 600
		f.Scaler = policy.FollowConcurrency{Max: cluster.Unlimited}
		f.NewKeepAlive = keep(time.Second)
	}
	c := world(t, 2, a, b)
	c.Nodes[0].MemoryMiB = 1000
	o := run(t, c)
	require.Equal(t, int64(2), o.Account.Done)
	require.Equal(t, 910*ms, o.Functions[1].Times.Waiting.Max(), "a's sandbox expires at 1010 ms")
	require.Equal(t, int64(1), o.Unplaced)
}

func TestProcessorSharingByHand(t *testing.T) {
	t.Parallel()
	// Two calls of 10 ms, the second 4 ms later: the first has 6 ms left, which
	// take 12, so it ends at 16; the second has then 4 ms left and ends at 20.
	f := function("f", &spy{service: 10 * ms}, 0, 4)
	f.Concurrency = 2
	c := world(t, 1, f)
	c.Discipline = cluster.ProcessorSharing
	o := run(t, c)
	require.Equal(t, 16*ms, o.All.Response.Max())
	require.InDelta(t, .016, o.All.Response.Mean(), 1e-9, "the second: 20 − 4")
	require.InDelta(t, .020/10, o.Utilization(), 1e-9)
}

// Under processor sharing those in service when a sandbox left go on, and count.
func TestProcessorSharingCountsWhoWasInService(t *testing.T) {
	t.Parallel()
	a, b := &spy{service: 2 * ms}, &spy{service: 100 * ms}
	c := world(t, 1, function("a", a, 10, 20), function("b", b, 0))
	c.Discipline = cluster.ProcessorSharing
	run(t, c)
	require.Equal(t, int64(1), a.seen[1].K)
}

func TestRequestsUnfinishedAtTheEndAreCounted(t *testing.T) {
	t.Parallel()
	c := world(t, 1, function("f", &spy{service: time.Hour}, 0, 1, 2))
	c.Drain = 0
	require.Equal(t, cluster.Account{Arrived: 3, Running: 1, Queued: 2, Attempts: 3}, run(t, c).Account)
}

func TestLevelsAreIntegrated(t *testing.T) {
	t.Parallel()
	c := world(t, 2, function("f", &spy{service: time.Second}, 0, 500))
	c.Functions[0].Scaler = policy.Fixed{Sandboxes: 2}
	c.Buckets = 10
	o := run(t, c)
	require.InDeltaSlice(t, []float64{1.5, .5, 0, 0, 0, 0, 0, 0, 0, 0}, o.Timeline.InSystem, 1e-12)
	require.InDeltaSlice(t, []float64{1.5, .5, 0, 0, 0, 0, 0, 0, 0, 0}, o.Timeline.BusyCores, 1e-12)
	require.InDelta(t, 2, o.MeanSandboxes, 1e-12)
	require.InDelta(t, .2, o.MeanInSystem, 1e-12)
}

func TestWarmUpIsServedButNotRecorded(t *testing.T) {
	t.Parallel()
	c := world(t, 1, function("f", &spy{service: ms}, 0, 500, 1000, 1500))
	c.WarmUp = des.Time(time.Second)
	o := run(t, c)
	require.Equal(t, int64(4), o.Account.Done)
	require.Equal(t, int64(2), o.All.Response.Count())
	require.Equal(t, int64(2), o.Admissions)
}

func TestBadConfigurationsNameEveryMistake(t *testing.T) {
	t.Parallel()
	c := world(t, 0, function("f", &spy{}))
	c.Functions[0].Concurrency = 0
	c.Functions[0].QueueLimit = -2
	c.Functions[0].Laws = nil
	c.Horizon = 0
	_, err := cluster.New(c)
	for _, want := range []string{"cores must lie", "concurrency must be", "queue limit", "no service times on platform p", "horizon must be positive"} {
		require.ErrorContains(t, err, want)
	}
}

// notSampled fails as the store does.
type notSampled struct{ spy }

func (*notSampled) Draw(servicetime.State, float64) (servicetime.Draw, error) {
	return servicetime.Draw{}, &servicetime.NotSampledError{Condition: servicetime.LukewarmAfter(3)}
}

func TestAMissingMeasurementEndsTheRun(t *testing.T) {
	t.Parallel()
	m, err := cluster.New(world(t, 1, function("f", &notSampled{}, 0)))
	require.NoError(t, err)
	_, err = m.Run()
	require.ErrorIs(t, err, servicetime.ErrNotSampled)
}

func TestClassesGroupByPowersOfTwo(t *testing.T) {
	t.Parallel()
	for k, want := range map[int64]string{0: "warm", 1: "lukewarm 1", 2: "lukewarm 2-3", 3: "lukewarm 2-3", 4: "lukewarm 4-7", 1 << 20: "lukewarm 1048576-2097151"} {
		require.Equal(t, want, cluster.ClassOf(servicetime.State{K: k}).String())
	}
	require.Equal(t, "flush", cluster.ClassOf(servicetime.State{New: true}).String())
	require.Equal(t, "cold", cluster.ClassOf(servicetime.State{New: true, Cold: true}).String())
}
