package controlplane_test

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/cosim/cluster"
	"microcosm/cosim/cluster/clustertest"
	"microcosm/cosim/controlplane"
	"microcosm/cosim/controlplane/knative"
	"microcosm/cosim/controlplane/scaling"
	"microcosm/cosim/des"
	"microcosm/cosim/policy"
	"microcosm/cosim/servicetime"
)

// bench is a cluster under Knative, one revision for each function.
type bench struct {
	nodes, cores  int
	memory, gives int // gives: what nodes give out, where it is more
	takes         int // pods on a node; 0: without a limit
	retry         cluster.Retry
	reliability   cluster.Reliability
	activators    int
	horizon       time.Duration
	seed          uint64
	functions     []function
	watch         func(cluster.ControlPlane) cluster.ControlPlane
}

type function struct {
	arrivals    cluster.Arrivals
	service     servicetime.Distribution
	cold        time.Duration
	concurrency int // 0: without a limit
	memory      int
	uses        *cluster.MemoryUse
	annotations []string
	scaler      string
	options     scaling.Options
	way         func(float64) time.Duration
}

func spec(t require.TestingT, concurrency int, annotations ...string) knative.Spec {
	a := map[string]string{}
	for i := 0; i < len(annotations); i += 2 {
		a[knative.Group+annotations[i]] = annotations[i+1]
	}
	s, mistakes := knative.Revision{Annotations: a, ContainerConcurrency: concurrency}.Resolve(knative.DefaultSettings())
	require.Empty(t, mistakes)
	return s
}

func (b bench) config(t require.TestingT) cluster.Config {
	c := clustertest.Config(t, b.seed)
	c.NewBalancer = clustertest.Balancer(t, "random")
	c.Horizon, c.Drain, c.Buckets = des.Time(b.horizon), time.Hour, int(b.horizon/time.Second)
	for i := range b.nodes {
		c.Nodes = append(c.Nodes, cluster.NodeConfig{Name: strconv.Itoa(i), Cores: b.cores, MemoryMiB: b.memory, PlaceMiB: b.gives, MaxSandboxes: b.takes, Platform: "p", Reliability: b.reliability})
	}
	c.Retry = b.retry
	plane := controlplane.Config{Activators: b.activators, Random: c.Random}
	for i, f := range b.functions {
		law := &servicetime.GivenLaw{Service: f.service, BusyFraction: 1, Init: servicetime.Deterministic{Value: f.cold}}
		slots, queue := f.concurrency, 10*f.concurrency
		if f.concurrency == 0 {
			slots, queue = 1<<30, cluster.Unlimited
		}
		c.Functions = append(c.Functions, cluster.FunctionConfig{
			Name: fmt.Sprint("f", i), Arrivals: f.arrivals, Laws: map[string]servicetime.Law{"p": law}, MemoryMiB: f.memory, Memory: f.uses,
			Concurrency: slots, QueueLimit: queue, Scaler: policy.Fixed{},
		})
		r := controlplane.Revision{Spec: spec(t, f.concurrency, f.annotations...), Way: f.way}
		if f.scaler != "" {
			newScaler, err := scaling.New(f.scaler, f.options)
			require.NoError(t, err)
			r.NewScaler = newScaler
		}
		plane.Revisions = append(plane.Revisions, r)
	}
	c.NewControlPlane = func() cluster.ControlPlane {
		if b.watch != nil {
			return b.watch(controlplane.New(plane))
		}
		return controlplane.New(plane)
	}
	return c
}

func (b bench) run(t require.TestingT) *cluster.Outcome {
	return clustertest.Run(t, b.config(t))
}

func second(d float64) servicetime.Distribution {
	return servicetime.Deterministic{Value: time.Duration(d * 1e9)}
}

// pods returns the mean number of sandboxes in one second.
func pods(o *cluster.Outcome, s int) float64 { return math.Round(o.Timeline.Sandboxes[s]*100) / 100 }

func TestARevisionGoesToZeroAndBack(t *testing.T) {
	t.Parallel()
	o := bench{nodes: 1, cores: 8, horizon: 300 * time.Second, seed: 1, functions: []function{
		{arrivals: clustertest.At(150 * time.Second), service: second(.5), cold: 2 * time.Second, concurrency: 1},
	}}.run(t)
	require.Equal(t, 1.0, pods(o, 62), "a stable window and 3 s: the activator was in the path already")
	require.Zero(t, pods(o, 64))
	require.Zero(t, pods(o, 149))
	require.Equal(t, 2.0, pods(o, 151), "one request at a target of .7 makes two pods, at once")
	cold := o.All.Response.Max().Seconds() - 2.5
	require.True(t, cold >= 0 && cold <= .2, "cold start, service, and at most one period of probing: %v", cold)
	require.Zero(t, pods(o, 299), "the window has to fall empty, then the revision is long active already")
	require.Equal(t, 2.0, pods(o, 200), "while the window still holds the request")
}

func TestScaleToZeroSettings(t *testing.T) {
	t.Parallel()
	run := func(annotations ...string) *cluster.Outcome {
		return bench{nodes: 1, cores: 8, horizon: 300 * time.Second, seed: 1, functions: []function{
			{arrivals: clustertest.At(), service: second(1), concurrency: 10, annotations: annotations},
		}}.run(t)
	}
	o := run("target-burst-capacity", "0")
	require.Equal(t, 1.0, pods(o, 88), "the activator comes into the path after the stable window and stays for the grace period")
	require.Zero(t, pods(o, 95))
	o = run("scale-to-zero-pod-retention-period", "2m")
	require.Equal(t, 1.0, pods(o, 178))
	require.Zero(t, pods(o, 190))
	o = run("min-scale", "2")
	require.Equal(t, 2.0, pods(o, 299))
	o = run("window", "6s")
	require.Equal(t, 1.0, pods(o, 28), "the activator has to be in the path for the grace period")
	require.Zero(t, pods(o, 31))
	o = run("initial-scale", "5")
	require.Equal(t, 5.0, pods(o, 0))
	require.Zero(t, pods(o, 70))
}

// Idle time costs nothing, whether pods are kept or not.
func TestIdleRevisionsCauseNoEvents(t *testing.T) {
	t.Parallel()
	for _, least := range []string{"0", "3"} {
		var c *counting
		bench{
			nodes: 1, cores: 8, horizon: 1000 * time.Hour, seed: 1,
			functions: []function{{arrivals: clustertest.At(0, 900*time.Hour), service: second(1), concurrency: 1, annotations: []string{"min-scale", least}}},
			watch:     func(p cluster.ControlPlane) cluster.ControlPlane { c = &counting{ControlPlane: p}; return c },
		}.run(t)
		require.Less(t, c.signals, 1000, "min-scale %s", least)
	}
}

type counting struct {
	cluster.ControlPlane
	signals int
}

func (c *counting) Handle(s cluster.Signal) {
	c.signals++
	c.ControlPlane.Handle(s)
}

// The scale follows the load: 10 requests at a time, .7 of one per pod.
func TestSteadyLoad(t *testing.T) {
	t.Parallel()
	o := bench{nodes: 4, cores: 16, horizon: 400 * time.Second, seed: 3, functions: []function{
		{arrivals: clustertest.Every(100*time.Millisecond, 0), service: second(1), concurrency: 1, annotations: []string{"min-scale", "1"}},
	}}.run(t)
	require.InDelta(t, 15, pods(o, 300), 1, "ceil(10/.7)")
	require.Zero(t, o.Rejections, "the activator holds what finds no pod")
}

// Without the activator a pod is a loss system: c slots and ten times as many
// places to wait (Kleinrock, Queueing Systems vol. 1, section 3.7).
func TestTheQueueProxyIsALossSystem(t *testing.T) {
	t.Parallel()
	const c, rho = 2, 1.2
	b := bench{nodes: 1, cores: 8, horizon: 40_000 * time.Second, seed: 5, functions: []function{{
		service: servicetime.Exponential{Expectation: time.Second}, concurrency: c,
		annotations: []string{"min-scale", "1", "max-scale", "1", "target-burst-capacity", "0"},
	}}}
	b.functions[0].arrivals = clustertest.Poisson(clustertest.Streams(b.seed)("arrivals"), time.Duration(math.Round(1e9/(c*rho))))
	o := b.run(t)
	require.InEpsilon(t, lossOf(c, 11*c, c*rho), float64(o.Rejections)/float64(o.Admissions), .04)
}

func TestTheActivatorHoldsWhatAQueueProxyWouldRefuse(t *testing.T) {
	t.Parallel()
	burst := slices.Repeat([]time.Duration{time.Second}, 500)
	run := func(capacity string) *cluster.Outcome {
		return bench{nodes: 1, cores: 8, horizon: 10 * time.Second, seed: 1, functions: []function{{
			arrivals: clustertest.At(burst...), service: second(.01), concurrency: 1,
			annotations: []string{"min-scale", "1", "max-scale", "1", "target-burst-capacity", capacity},
		}}}.run(t)
	}
	require.Zero(t, run("-1").Rejections)
	require.EqualValues(t, 500-11, run("0").Rejections, "one in service and ten waiting")
}

// Which pods serve depends on the concurrency: pods lie on nodes of their own.
func TestLoadBalancing(t *testing.T) {
	t.Parallel()
	shares := func(concurrency, activators int) []float64 {
		o := bench{nodes: 4, cores: 8, horizon: 1000 * time.Second, seed: 2, activators: activators, functions: []function{{
			arrivals: clustertest.Every(400*time.Millisecond, 0), service: second(.5), concurrency: concurrency,
			annotations: []string{"min-scale", "4", "max-scale", "4", "target-burst-capacity", "-1"},
		}}}.run(t)
		var list []float64
		for _, n := range o.Nodes {
			share := 0.0
			if n != nil {
				share = float64(n.Response.Count()) / float64(o.Account.Done)
			}
			list = append(list, math.Round(share*100)/100)
		}
		return list
	}
	require.Equal(t, []float64{.5, .5, 0, 0}, shares(1, 1), "first available: two at a time are served by two pods")
	require.Equal(t, []float64{1, 0, 0, 0}, shares(3, 1), "of low concurrency, too")
	require.Equal(t, []float64{.25, .25, .25, .25}, shares(10, 1), "round robin")
	for _, share := range shares(0, 1) {
		require.InDelta(t, .25, share, .03, "random choice of two")
	}
	for _, share := range shares(1, 2)[2:] {
		require.Positive(t, share, "two activators have two pods each, and use the first of each slice")
	}
}

func TestPanicFollowsABurst(t *testing.T) {
	t.Parallel()
	var arrivals []time.Duration
	for i := range 4000 {
		arrivals = append(arrivals, 60*time.Second+time.Duration(i)*10*time.Millisecond)
	}
	o := bench{nodes: 40, cores: 16, horizon: 300 * time.Second, seed: 4, functions: []function{
		{arrivals: clustertest.At(arrivals...), service: second(1), cold: time.Second, concurrency: 1, annotations: []string{"min-scale", "1"}},
	}}.run(t)
	require.Greater(t, pods(o, 75), 140.0, "100 at a time need 143 pods, within seconds")
	require.GreaterOrEqual(t, pods(o, 120), pods(o, 101), "no pod goes in panic")
	require.Less(t, pods(o, 250), 10.0)
	require.EqualValues(t, 4000, o.Account.Done)
}

func TestPodsWaitForMemory(t *testing.T) {
	t.Parallel()
	o := bench{nodes: 1, cores: 16, memory: 1000, horizon: 600 * time.Second, seed: 4, functions: []function{
		{arrivals: clustertest.Every(100*time.Millisecond, 0), service: second(.2), concurrency: 1, memory: 300, annotations: []string{"max-scale", "8", "min-scale", "1"}},
		{arrivals: clustertest.At(100 * time.Second), service: second(1), concurrency: 1, memory: 300},
	}}.run(t)
	require.Positive(t, o.Unplaced)
	require.LessOrEqual(t, pods(o, 300), 3.0)
	require.Equal(t, o.Account.Arrived, o.Account.Done+o.Account.Rejected)
}

// An overloaded revision without a max-scale gets no more pods than its nodes take,
// and goes on being served by those that it has.
func TestNodesTakeSoManyPods(t *testing.T) {
	t.Parallel()
	outcome := func(takes int) *cluster.Outcome {
		return bench{nodes: 2, cores: 1, takes: takes, horizon: 120 * time.Second, seed: 4, functions: []function{
			{arrivals: clustertest.Every(40*time.Millisecond, 0), service: second(1), concurrency: 1},
		}}.run(t)
	}
	require.Greater(t, pods(outcome(0), 119), 30.0)
	o := outcome(15)
	require.LessOrEqual(t, slices.Max(o.Timeline.Sandboxes), 30.0)
	require.Greater(t, pods(o, 119), 29.0)
	require.Positive(t, o.Unplaced)
	require.Positive(t, o.Account.Done)
}

func TestTheWayCounts(t *testing.T) {
	t.Parallel()
	o := bench{nodes: 1, cores: 1, horizon: 10 * time.Second, functions: []function{{
		arrivals: clustertest.At(time.Second), service: second(1), concurrency: 1,
		way: func(float64) time.Duration { return 5 * time.Millisecond },
	}}}.run(t)
	require.InDelta(t, 1.005, o.All.Response.Max().Seconds(), 1e-2)
	require.InDelta(t, .005, o.All.Waiting.Max().Seconds(), 1e-4)
}

// Whatever the settings: no request is lost and cores work as long as they are
// busy (both checked by Run), and equal inputs give equal outcomes.
func TestEverySettingKeepsTheBooks(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := bench{
			nodes: rapid.IntRange(1, 4).Draw(t, "nodes"), cores: rapid.IntRange(1, 4).Draw(t, "cores"),
			memory: rapid.SampledFrom([]int{500, 4000}).Draw(t, "memory"), activators: rapid.IntRange(1, 4).Draw(t, "activators"),
			takes:   rapid.SampledFrom([]int{0, 0, 4}).Draw(t, "pods on a node"),
			horizon: 150 * time.Second, seed: rapid.Uint64().Draw(t, "seed"),
		}
		if rapid.Bool().Draw(t, "unreliable") {
			b.reliability = cluster.Reliability{
				Lifetime: servicetime.Exponential{Expectation: time.Duration(rapid.IntRange(30, 120).Draw(t, "lifetime")) * time.Second},
				Notice:   rapid.SampledFrom([]time.Duration{0, 2 * time.Second}).Draw(t, "notice"), Repair: time.Duration(rapid.IntRange(0, 9).Draw(t, "repair")) * time.Second,
			}
		}
		var uses *cluster.MemoryUse
		if rapid.IntRange(0, 2).Draw(t, "hungry") == 0 {
			uses = &cluster.MemoryUse{IdleMiB: 30, Invocation: upTo(rapid.IntRange(1, 150).Draw(t, "memory of a call"))}
			b.gives = b.memory * rapid.IntRange(1, 4).Draw(t, "overcommitment")
			b.retry = rapid.SampledFrom([]cluster.Retry{nil, policy.FixedRetry{Attempts: 3}, policy.FixedRetry{Attempts: 2, Delay: time.Second, Rejected: true}}).Draw(t, "retry")
		}
		for range rapid.IntRange(1, 3).Draw(t, "functions") {
			b.functions = append(b.functions, function{
				service: servicetime.Exponential{Expectation: time.Duration(rapid.IntRange(10, 2000).Draw(t, "service")) * time.Millisecond},
				cold:    time.Duration(rapid.IntRange(0, 3000).Draw(t, "cold")) * time.Millisecond, memory: 100, uses: uses,
				concurrency: rapid.SampledFrom([]int{0, 1, 2, 5}).Draw(t, "concurrency"),
				scaler:      rapid.SampledFrom(append(scaling.Names(), "", "", "")).Draw(t, "scaler"),
				options:     scaling.Options{Period: 5 * time.Second, Target: rapid.SampledFrom([]float64{0, 1, 3}).Draw(t, "target")},
				annotations: []string{
					"window", rapid.SampledFrom([]string{"6s", "30s"}).Draw(t, "window"),
					"target-burst-capacity", rapid.SampledFrom([]string{"-1", "0", "3", "211"}).Draw(t, "burst"),
					"min-scale", rapid.SampledFrom([]string{"0", "2"}).Draw(t, "min"), "max-scale", rapid.SampledFrom([]string{"0", "6"}).Draw(t, "max"),
					"metric", rapid.SampledFrom([]string{"concurrency", "rps"}).Draw(t, "metric"), "scale-down-delay", rapid.SampledFrom([]string{"0s", "8s"}).Draw(t, "delay"),
				},
			})
		}
		mean := time.Duration(rapid.IntRange(20, 3000).Draw(t, "interarrival")) * time.Millisecond
		outcome := func() *cluster.Outcome {
			for i := range b.functions {
				b.functions[i].arrivals = clustertest.Poisson(clustertest.Streams(b.seed)(fmt.Sprint("arrivals", i)), mean)
			}
			return b.run(t)
		}
		one, other := outcome(), outcome()
		require.Equal(t, one.Account, other.Account)
		require.Equal(t, one.Timeline, other.Timeline)
		require.True(t, one.All.Response.Equal(&other.All.Response))
	})
}

// upTo is a uniform law of sizes from 0, in MiB.
type upTo int

func (most upTo) QuantileMiB(u float64) int { return int(u * float64(most)) }

// A pod that a call ends for its memory is replaced after the kubelet's backoff, and
// what was in it is tried again.
func TestAPodThatIsEndedIsReplaced(t *testing.T) {
	t.Parallel()
	b := bench{nodes: 1, cores: 4, memory: 1000, horizon: 3 * time.Minute, seed: 1, activators: 1, retry: policy.FixedRetry{Attempts: 2, Delay: time.Second}, functions: []function{{
		arrivals: clustertest.At(60*time.Second, 60*time.Second, 100*time.Second), service: second(.6), concurrency: 2, memory: 100,
		annotations: []string{"min-scale", "1", "max-scale", "1"}, cold: time.Second, uses: &cluster.MemoryUse{IdleMiB: 30, Invocation: upTo(50)},
	}}}
	b.functions[0].uses.Invocation = &courses{sizes: []int{40, 40, 20, 20, 90, 90}}
	o := b.run(t)
	// Two calls of 40 MiB are too much together; each is tried again beside the other
	// with what it is served then, on the pod that is there at 71 s.
	require.Equal(t, cluster.Account{Arrived: 3, Done: 2, Failed: 1, Attempts: 6, Retries: 3}, o.Account)
	require.EqualValues(t, 3, o.OverLimit)
	require.InDelta(t, 11.6, o.All.Response.Max().Seconds(), .3, "10 s of backoff, a cold start, the service, and a probe")
	require.InDelta(t, 1, pods(o, 75), 0)
}

// courses yields sizes in turn.
type courses struct{ sizes []int }

func (c *courses) QuantileMiB(float64) int {
	first := c.sizes[0]
	c.sizes = append(c.sizes[1:], first)
	return first
}

// A revision whose pods are lost gets as many others, and who was in them is tried
// again.
func TestLostPodsAreReplaced(t *testing.T) {
	t.Parallel()
	for _, notice := range []time.Duration{0, 20 * time.Second} {
		o := bench{
			nodes: 2, cores: 4, horizon: 3 * time.Minute, seed: 1, activators: 1, retry: policy.FixedRetry{Attempts: 3},
			reliability: cluster.Reliability{FailAt: []time.Duration{70 * time.Second}, Notice: notice, Repair: 10 * time.Second},
			functions: []function{{
				arrivals: clustertest.Every(250*time.Millisecond, 0), service: second(.6),
				concurrency: 1, annotations: []string{"min-scale", "4"}, cold: time.Second,
			}},
		}.run(t)
		require.EqualValues(t, 2, o.Ended)
		require.Equal(t, o.Account.Arrived, o.Account.Done, "%v: both nodes fail at once, and everything is done in the end", notice)
		require.Equal(t, notice == 0, o.Account.Retries > 0, "what is known ahead loses nothing")
		require.Equal(t, notice == 0, o.Wasted > 0)
		require.GreaterOrEqual(t, o.Created, int64(4))
	}
}

// What was in a pod that is gone is in nobody's books any more, whether it came through
// an activator or not: the revision goes to zero, or keeps what it must, and sleeps.
func TestWhoLosesItsRequestsGoesToSleep(t *testing.T) {
	t.Parallel()
	for _, burst := range []string{"0", "-1"} {
		for _, least := range []string{"0", "3"} {
			var c *counting
			o := bench{
				nodes: 1, cores: 8, horizon: 100 * time.Hour, seed: 1,
				reliability: cluster.Reliability{FailAt: []time.Duration{70 * time.Second}, Repair: 10 * time.Second},
				functions: []function{{
					arrivals: clustertest.At(60*time.Second, 61*time.Second, 62*time.Second), service: second(30), concurrency: 1,
					annotations: []string{"min-scale", least, "target-burst-capacity", burst},
				}},
				watch: func(p cluster.ControlPlane) cluster.ControlPlane { c = &counting{ControlPlane: p}; return c },
			}.run(t)
			require.EqualValues(t, 3, o.Account.Failed)
			require.Equal(t, least, fmt.Sprint(pods(o, 360_000-1)))
			require.Less(t, c.signals, 1000, "min-scale %s, target-burst-capacity %s", least, burst)
		}
	}
}
