package cluster_test

import (
	"fmt"
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

// uniform is the law of sizes between two bounds, in MiB.
type uniform struct{ from, to int }

func (s uniform) QuantileMiB(u float64) int { return s.from + int(u*float64(s.to-s.from)) }

// turns yields sizes in turn.
type turns struct{ sizes []int }

func (s *turns) QuantileMiB(float64) int {
	first := s.sizes[0]
	s.sizes = append(s.sizes[1:], first)
	return first
}

// hungry is a function whose calls take a second and so much memory.
func hungry(name string, limit, request, idle, call int, at ...time.Duration) cluster.FunctionConfig {
	return cluster.FunctionConfig{
		Name: name, Arrivals: clustertest.At(at...), Laws: clustertest.Laws(servicetime.Deterministic{Value: time.Second}), Concurrency: 1,
		QueueLimit: cluster.Unlimited, Scaler: policy.FollowConcurrency{Max: cluster.Unlimited}, MemoryMiB: limit, RequestMiB: request,
		Memory: &cluster.MemoryUse{IdleMiB: idle, Invocation: uniform{call, call}},
	}
}

func memoryOf(t require.TestingT, node cluster.NodeConfig, functions ...cluster.FunctionConfig) cluster.Config {
	c := clustertest.Config(t, 1)
	node.Name, node.Cores, node.Platform = "n", 4, "p"
	c.Nodes, c.Functions, c.Horizon, c.Drain = []cluster.NodeConfig{node}, functions, des.Time(100*time.Second), time.Minute
	return c
}

func TestACallBeyondTheLimitEndsItsSandbox(t *testing.T) {
	t.Parallel()
	o := run(t, memoryOf(t, cluster.NodeConfig{}, hungry("f", 100, 0, 40, 61, 0, 20*time.Second, 40*time.Second)))
	require.EqualValues(t, 3, o.Account.Failed)
	require.EqualValues(t, 3, o.OverLimit)
	require.Zero(t, o.OutOfMemory)
	require.Zero(t, o.Wasted, "the memory is taken before the work begins")

	o = run(t, memoryOf(t, cluster.NodeConfig{}, hungry("f", 100, 0, 40, 60, 0, 20*time.Second, 40*time.Second)))
	require.EqualValues(t, 3, o.Account.Done, "as much as it may is not too much")
}

func TestWhoSharesTheSandboxIsLostToo(t *testing.T) {
	t.Parallel()
	for _, discipline := range []cluster.Discipline{cluster.FCFS, cluster.ProcessorSharing, cluster.CFS} {
		f := hungry("f", 100, 0, 40, 35, 0, 400*ms)
		f.Concurrency = 2
		f.Scaler = policy.Fixed{Sandboxes: 1}
		c := memoryOf(t, cluster.NodeConfig{}, f)
		c.Discipline, c.QuotaPeriod = discipline, 100*ms
		o := run(t, c)
		require.EqualValues(t, 2, o.Account.Failed, discipline)
		require.EqualValues(t, 1, o.OverLimit, discipline)
		require.Equal(t, 400*ms, o.Wasted, "what the first had done by then")
	}
}

func TestARequestIsAsLargeWheneverItIsTried(t *testing.T) {
	t.Parallel()
	c := memoryOf(t, cluster.NodeConfig{}, hungry("f", 100, 0, 40, 0, 0))
	c.Functions[0].Memory.Invocation = uniform{61, 200}
	c.Retry = policy.FixedRetry{Attempts: 3}
	o := run(t, c)
	require.Equal(t, cluster.Account{Arrived: 1, Failed: 1, Attempts: 3, Retries: 2}, o.Account)
	require.EqualValues(t, 3, o.OverLimit)
}

// The kernel's badness, with the kubelet's adjustment for what was requested: of 200
// MiB, a has 150 and was promised 150 (150 + .25·200 = 200), b has 100 and was
// promised 50 (100 + .75·200 = 250).
func TestTheNodeEndsWhoUsesMostBeyondItsRequest(t *testing.T) {
	t.Parallel()
	node := cluster.NodeConfig{MemoryMiB: 200, PlaceMiB: 400}
	b := hungry("b", 160, 50, 20, 80, 500*ms)
	o := run(t, memoryOf(t, node, hungry("a", 160, 150, 50, 100, 0), b))
	require.EqualValues(t, 1, o.OutOfMemory)
	require.Zero(t, o.OverLimit)
	require.EqualValues(t, 1, o.Functions[0].Account.Done, "a is spared")
	require.EqualValues(t, 1, o.Functions[1].Account.Failed)

	b = hungry("b", 160, 150, 20, 80, 500*ms) // promised as much, and uses less
	o = run(t, memoryOf(t, node, hungry("a", 160, 150, 50, 100, 0), b))
	require.EqualValues(t, 1, o.Functions[0].Account.Failed)
	require.EqualValues(t, 1, o.Functions[1].Account.Done)
	require.Equal(t, 500*ms, o.Wasted)
}

func TestOvercommitmentIsNoMatterUntilItIsUsed(t *testing.T) {
	t.Parallel()
	f := func(call int) cluster.FunctionConfig { return hungry("f", 100, 0, 10, call, 0, 0, 0, 0) }
	node := cluster.NodeConfig{MemoryMiB: 200}
	o := run(t, memoryOf(t, node, f(40)))
	require.Positive(t, o.Unplaced, "two sandboxes of 100 MiB fit")
	node.PlaceMiB = 400
	o = run(t, memoryOf(t, node, f(40)))
	require.Zero(t, o.Unplaced)
	require.EqualValues(t, 4, o.Account.Done, "4·50 MiB are 200")
	o = run(t, memoryOf(t, node, f(41)))
	require.EqualValues(t, 3, o.Account.Done)
	require.EqualValues(t, 1, o.Account.Failed)
}

// A sandbox that nobody's use is given of uses what it was promised, all the time.
func TestWhoDoesNotSayUsesItsRequest(t *testing.T) {
	t.Parallel()
	silent := hungry("silent", 100, 90, 0, 0, 0)
	silent.Memory = nil
	o := run(t, memoryOf(t, cluster.NodeConfig{MemoryMiB: 200, PlaceMiB: 400}, silent, hungry("f", 100, 0, 10, 60, 0, 0)))
	// 90 + 70 + 70 MiB; the badness of silent is 90 + .55·200 = 200, that of f 70 + .5·200.
	require.EqualValues(t, 1, o.Functions[0].Account.Failed)
	require.EqualValues(t, 2, o.Functions[1].Account.Done)
}

// Those that wait in a sandbox that ends have done nothing: they go elsewhere, to the
// sandbox that takes its place after the kubelet's backoff.
func TestWhoWaitsForASandboxThatEndsGoesElsewhere(t *testing.T) {
	t.Parallel()
	f := hungry("f", 100, 0, 40, 0, 0, 100*ms, 200*ms)
	f.Scaler = policy.Fixed{Sandboxes: 1}
	f.Memory.Invocation = &turns{sizes: []int{20, 61, 20}}
	c := memoryOf(t, cluster.NodeConfig{}, f)
	c.Binding = cluster.BindEarly
	o := run(t, c)
	require.EqualValues(t, 2, o.Account.Done)
	require.EqualValues(t, 1, o.Account.Failed, "the second, at 1 s, when it begins")
	require.Equal(t, 11*time.Second-200*ms, o.All.Waiting.Max(), "the third")
}

// A hedge is the same call: as large as the first attempt.
func TestAHedgeIsAsLargeAsItsCall(t *testing.T) {
	t.Parallel()
	f := hungry("f", 100, 0, 40, 0, 0, 10*time.Second, 20*time.Second, 30*time.Second)
	f.Scaler = policy.Fixed{Sandboxes: 2}
	seen := &quantiles{}
	f.Memory.Invocation = seen
	f.NewHedge = policy.FixedHedge{Delay: 100 * ms}.Hedge
	o := run(t, memoryOf(t, cluster.NodeConfig{}, f))
	require.EqualValues(t, 4, o.Account.Hedges)
	require.Len(t, seen.asked, 8)
	for i := range 4 {
		require.InDelta(t, seen.asked[2*i], seen.asked[2*i+1], 0)
	}
	require.NotEqual(t, seen.asked[0], seen.asked[2])
}

type quantiles struct{ asked []float64 }

func (q *quantiles) QuantileMiB(u float64) int {
	q.asked = append(q.asked, u)
	return 10
}

func TestMistakesInMemory(t *testing.T) {
	t.Parallel()
	c := memoryOf(t, cluster.NodeConfig{MemoryMiB: 200, PlaceMiB: -1}, hungry("f", 100, -1, 101, 0))
	c.Nodes = append(c.Nodes, cluster.NodeConfig{Name: "m", Cores: 1, PlaceMiB: 5, Platform: "p"})
	_, err := cluster.New(c)
	for _, want := range []string{
		"node n: of its 200 MiB it cannot give out -1", "node m: of its 0 MiB it cannot give out 5",
		"function f: a sandbox of 100 MiB cannot request -1 MiB", "function f: a sandbox of 100 MiB cannot use 101 MiB when it is idle",
	} {
		require.ErrorContains(t, err, want)
	}
	require.ErrorContains(t, c.Check(), "cannot request")
	c = memoryOf(t, cluster.NodeConfig{MemoryMiB: 200, PlaceMiB: 100}, hungry("f", 150, 0, 0, 0))
	require.ErrorContains(t, c.Check(), "a sandbox of 150 MiB fits on no node", "no more than what is given out")
}

// appetite is a drawn call: when it comes, how long it stays and what it uses.
type appetite struct {
	at, stays time.Duration
	mib       int
}

// eater is a function of one sandbox with its calls.
type eater struct {
	limit, request, idle int
	calls                []appetite
}

// naive is a node's memory by the definitions, in the simplest way: lists, scanned
// anew for everything.
type naive struct {
	memory  int
	eaters  []eater
	there   []bool            // the sandbox of each
	born    []int             // the order in which the sandboxes came
	inside  [][]appetite      // its calls
	ends    [][]time.Duration // of these
	restart [][]time.Duration // to come
	births  int

	done, failed           []int64
	overLimit, outOfMemory int64
}

func (n *naive) use(i int) int {
	if !n.there[i] {
		return 0
	}
	sum := n.eaters[i].idle
	for _, c := range n.inside[i] {
		sum += c.mib
	}
	return sum
}

func (n *naive) all() (sum int) {
	for i := range n.eaters {
		sum += n.use(i)
	}
	return sum
}

func (n *naive) kill(i int, now time.Duration) {
	n.failed[i] += int64(len(n.inside[i]))
	n.there[i], n.inside[i], n.ends[i] = false, nil, nil
	n.restart[i] = append(n.restart[i], now+10*time.Second)
}

// reclaim ends whoever must go, by the share of the node's memory that one uses
// beyond what it requested.
func (n *naive) reclaim(now time.Duration) {
	for n.all() > n.memory {
		worst, most := -1, 0.0
		for i, e := range n.eaters {
			score := float64(n.use(i))/float64(n.memory) + min(max(1-float64(1000*e.request/n.memory)/1000, .003), .999)
			if n.use(i) > 0 && (worst < 0 || score > most+1e-12 || score > most-1e-12 && n.born[i] > n.born[worst]) {
				worst, most = i, score
			}
		}
		n.outOfMemory++
		n.kill(worst, now)
	}
}

// begin makes a sandbox, or does nothing where it is there.
func (n *naive) begin(i int) {
	if !n.there[i] {
		n.births++
		n.there[i], n.born[i] = true, n.births
	}
}

// empty reports that no call is inside and none is to come.
func (n *naive) empty() bool {
	for i, e := range n.eaters {
		if len(e.calls)+len(n.inside[i]) > 0 {
			return false
		}
	}
	return true
}

func (n *naive) run() {
	for {
		now, who, what := time.Duration(1<<62), 0, ""
		for i, e := range n.eaters {
			if len(e.calls) > 0 && e.calls[0].at < now {
				now, who, what = e.calls[0].at, i, "arrival"
			}
			for _, end := range n.ends[i] {
				if end < now {
					now, who, what = end, i, "end"
				}
			}
			if len(n.restart[i]) > 0 && n.restart[i][0] < now {
				now, who, what = n.restart[i][0], i, "restart"
			}
		}
		if now > 100*time.Second && n.empty() {
			return // what is left are sandboxes that come and go
		}
		switch what {
		case "arrival":
			c := n.eaters[who].calls[0]
			n.eaters[who].calls = n.eaters[who].calls[1:]
			fits := n.there[who] || n.all()+n.eaters[who].idle <= n.memory
			n.begin(who)
			n.inside[who], n.ends[who] = append(n.inside[who], c), append(n.ends[who], now+c.stays)
			if limit := n.eaters[who].limit; fits && n.use(who) > limit { // else the new sandbox was too much already
				n.overLimit++
				n.kill(who, now)
			}
			n.reclaim(now)
			if limit := n.eaters[who].limit; n.use(who) > limit {
				n.overLimit++
				n.kill(who, now)
			}
		case "end":
			for k, end := range n.ends[who] {
				if end == now {
					n.ends[who], n.inside[who] = append(n.ends[who][:k:k], n.ends[who][k+1:]...), append(n.inside[who][:k:k], n.inside[who][k+1:]...)
					break
				}
			}
			n.done[who]++
		case "restart":
			n.restart[who] = n.restart[who][1:]
			n.begin(who)
			n.reclaim(now)
		}
	}
}

// eats is a law and the sizes of a function's calls, in the order in which they begin.
type eats struct{ left []appetite }

func (e *eats) Draw(servicetime.State, float64) (servicetime.Draw, error) {
	next := e.left[0]
	e.left = e.left[1:]
	return servicetime.Draw{Service: next.stays}, nil // none of it on a core
}

func (*eats) Startup(float64, float64) (create, init time.Duration, err error) { return 0, 0, nil }

// QuantileMiB is asked before Draw.
func (e *eats) QuantileMiB(float64) int { return e.left[0].mib }

// Random schedules on one node: who ends, and with whom, is what the definitions say.
func TestMemoryIsThatOfTheNaiveNode(t *testing.T) {
	t.Parallel()
	ended := int64(0)
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 1))
		n := &naive{memory: 200 + random.IntN(600)}
		c := memoryOf(t, cluster.NodeConfig{MemoryMiB: n.memory, PlaceMiB: 1 << 20})
		c.Nodes[0].Cores = 64
		for i := range 1 + random.IntN(6) {
			e := eater{limit: 100 + random.IntN(300), request: 1 + random.IntN(100), idle: random.IntN(60)}
			now := time.Duration(0)
			for range 1 + random.IntN(12) {
				now += time.Duration(1 + random.Int64N(int64(6*time.Second)))
				e.calls = append(e.calls, appetite{now, time.Duration(1 + random.Int64N(int64(9*time.Second))), random.IntN(120)})
			}
			n.eaters = append(n.eaters, e)
			f := hungry(fmt.Sprint("f", i), e.limit, e.request, e.idle, 0)
			law := &eats{left: e.calls}
			var at []time.Duration
			for _, call := range e.calls {
				at = append(at, call.at)
			}
			f.Arrivals, f.Laws, f.Memory.Invocation = clustertest.At(at...), map[string]servicetime.Law{"p": law}, law
			f.Concurrency, f.Scaler = 1<<20, policy.Fixed{Sandboxes: 1}
			c.Functions = append(c.Functions, f)
		}
		size := len(n.eaters)
		n.there, n.born, n.inside, n.ends, n.restart = make([]bool, size), make([]int, size), make([][]appetite, size), make([][]time.Duration, size), make([][]time.Duration, size)
		n.done, n.failed = make([]int64, size), make([]int64, size)
		for i := range n.eaters { // they exist from the beginning
			n.begin(i)
			n.reclaim(0)
		}
		n.run()
		o := run(t, c)
		require.Equal(t, []int64{n.overLimit, n.outOfMemory}, []int64{o.OverLimit, o.OutOfMemory}, "seed %d", seed)
		for i, f := range o.Functions {
			require.Equal(t, []int64{n.done[i], n.failed[i]}, []int64{f.Account.Done, f.Account.Failed}, "seed %d, function %d", seed, i)
		}
		ended += n.overLimit + n.outOfMemory
	}
	require.Greater(t, ended, int64(300), "most of the schedules are ones of want")
}
