package policy_test

import (
	"encoding/csv"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/cluster"
	"microcosm/cosim/cluster/clustertest"
	"microcosm/cosim/des"
	"microcosm/cosim/policy"
	"microcosm/cosim/servicetime"
)

// elastic is a function with a sandbox for each of its calls, which take a
// second each and no time to start.
func elastic(name string, keepAlive func(*rand.Rand) cluster.KeepAlive, at ...time.Duration) cluster.FunctionConfig {
	return cluster.FunctionConfig{
		Name: name, Arrivals: clustertest.At(at...), Concurrency: 1, QueueLimit: cluster.Unlimited,
		Laws:   clustertest.Laws(servicetime.Deterministic{Value: time.Second}),
		Scaler: policy.FollowConcurrency{Max: cluster.Unlimited}, NewKeepAlive: keepAlive,
	}
}

// serveAll runs the functions on one large node, or those that are given.
func serveAll(t testing.TB, functions []cluster.FunctionConfig, nodes ...cluster.NodeConfig) *cluster.Outcome {
	t.Helper()
	if nodes == nil {
		nodes = []cluster.NodeConfig{{Name: "node", Cores: 64, Platform: "p"}}
	}
	c := clustertest.Config(t, 1)
	c.Nodes, c.Functions = nodes, functions
	c.Horizon, c.Drain = des.Time(1000*time.Hour), time.Hour
	return clustertest.Run(t, c)
}

// TestHalvingReproducesAWSLambda checks every line of what was measured, at both
// ends of its range of idle times: a batch of calls, then another one as large;
// its calls that are not cold are the sandboxes that were left.
func TestHalvingReproducesAWSLambda(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/aws-eviction.csv")
	require.NoError(t, err)
	reader := csv.NewReader(strings.NewReader(string(text)))
	reader.Comment = '#'
	lines, err := reader.ReadAll()
	require.NoError(t, err)
	require.Greater(t, len(lines), 30)
	keepAlive, err := policy.KeepAlive("aws")
	require.NoError(t, err)
	for _, line := range lines[1:] {
		var n [4]int
		for i := range n {
			n[i], err = strconv.Atoi(line[i])
			require.NoError(t, err)
		}
		for _, idle := range []int{n[1], n[2]} {
			at := make([]time.Duration, 2*n[0])
			for i := range n[0] {
				at[n[0]+i] = time.Duration(idle)*time.Second + time.Second + time.Millisecond // after the first batch's second
			}
			o := serveAll(t, []cluster.FunctionConfig{elastic("f", keepAlive, at...)})
			require.Equal(t, int64(2*n[0]-n[3]), o.Cold, "%d sandboxes, idle for %d s", n[0], idle)
		}
	}
}

func TestHalvingStartsEachBatchAnew(t *testing.T) {
	t.Parallel()
	keepAlive, err := policy.KeepAlive("aws")
	require.NoError(t, err)
	// Three calls, of which two survive a period and all are gone after three:
	// the second batch fares as the first, though three is odd.
	at := []time.Duration{0, 0, 0}
	for batch := range 3 {
		start := time.Duration(batch) * 2000 * time.Second
		at = append(at, start+500*time.Second, start+500*time.Second, start+500*time.Second)
		if batch < 2 {
			at = append(at, start+2000*time.Second, start+2000*time.Second, start+2000*time.Second)
		}
	}
	o := serveAll(t, []cluster.FunctionConfig{elastic("f", keepAlive, at...)})
	require.Equal(t, int64(3*3+3*1), o.Cold)
}

func TestHalvingLosesSomeEarlyAndSpreadsItsPeriods(t *testing.T) {
	t.Parallel()
	at := make([]time.Duration, 400)
	for i := range 200 {
		at[200+i] = 400 * time.Second
	}
	node := cluster.NodeConfig{Name: "node", Cores: 512, Platform: "p"}
	p := policy.Halving{Period: 380 * time.Second, Jitter: 5 * time.Second, EarlyLoss: .2}
	o := serveAll(t, []cluster.FunctionConfig{elastic("f", p.KeepAlive, at...)}, node)
	require.InDelta(t, 200+200-.8*100, o.Cold, 4*math.Sqrt(100*.2*.8), "of the 100 that half of a batch leaves a fifth is lost (4 sigma)")
}

func TestHybridHistogramLearnsAPeriod(t *testing.T) {
	t.Parallel()
	for _, period := range []time.Duration{20 * time.Second, 7 * time.Minute, 30 * time.Minute, 3*time.Hour + 59*time.Minute, 6 * time.Hour} {
		keepAlive, err := policy.KeepAlive("hybrid-histogram")
		require.NoError(t, err)
		const learned = 7 // five idle times, and the calls around them
		var early, all []time.Duration
		for i := range 100 {
			all = append(all, time.Duration(i)*period)
		}
		early = all[:learned]
		slow := func(at []time.Duration) []cluster.FunctionConfig {
			f := elastic("f", keepAlive, append([]time.Duration(nil), at...)...)
			f.Laws = map[string]servicetime.Law{"p": &servicetime.GivenLaw{
				Service: servicetime.Deterministic{Value: time.Second}, BusyFraction: 1, Init: servicetime.Deterministic{Value: 2 * time.Second},
			}}
			return []cluster.FunctionConfig{f}
		}
		o, before := serveAll(t, slow(all)), serveAll(t, slow(early))
		require.Equal(t, before.ColdStarts, o.ColdStarts, "every %v: no call waits for a start once the period is learned", period)
		if period >= 7*time.Minute && period <= 4*time.Hour {
			hours := 1000.
			require.Less(t, o.MeanSandboxes*hours, (100*.35+5)*period.Hours()+4, "every %v: and the sandbox is there for a third of the time only", period)
		}
	}
}

func TestHybridHistogramKeepsWhatShowsNoPattern(t *testing.T) {
	t.Parallel()
	// Idle times spread evenly over the whole range: every bin is hit alike.
	var at []time.Duration
	r, now := rand.New(rand.NewPCG(1, 1)), time.Duration(0)
	for i := range 4000 {
		at = append(at, now)
		now += time.Second + time.Duration((float64(i%240)+r.Float64())*float64(time.Second))
	}
	p := policy.Keepings()["hybrid-histogram"].(policy.HybridHistogram)
	p.Bin, p.Range = time.Second, 240*time.Second
	o := serveAll(t, []cluster.FunctionConfig{elastic("f", p.KeepAlive, at...)})
	require.Less(t, o.Cold, int64(40), "the sandbox stays for the range")
}

func TestGreedyDualGivesUpWhatIsWorthLeast(t *testing.T) {
	t.Parallel()
	starts := func(name string, startup time.Duration, memory int, at ...time.Duration) cluster.FunctionConfig {
		keepAlive, err := policy.KeepAlive("greedy-dual")
		require.NoError(t, err)
		f := elastic(name, keepAlive, at...)
		f.MemoryMiB = memory
		f.Laws = map[string]servicetime.Law{"p": &servicetime.GivenLaw{
			Service: servicetime.Deterministic{Value: time.Second}, BusyFraction: 1, Init: servicetime.Deterministic{Value: startup},
		}}
		return f
	}
	node := cluster.NodeConfig{Name: "node", Cores: 4, MemoryMiB: 1000, Platform: "p"}
	const s = time.Second
	for situation, c := range map[string]struct {
		a, b cluster.FunctionConfig
		cold [2]int64 // of a and b
	}{
		"the quicker start goes":     {starts("a", 10*s, 500, 0, 200*s), starts("b", s, 500, 50*s, 300*s), [2]int64{1, 2}},
		"the larger one goes":        {starts("a", 5*s, 300, 0, 200*s), starts("b", 5*s, 600, 50*s, 300*s), [2]int64{1, 2}},
		"the one called rarely goes": {starts("a", 5*s, 500, 0, 20*s, 40*s, 60*s, 200*s), starts("b", 5*s, 500, 50*s, 300*s), [2]int64{1, 2}},
		"the oldest of equals goes":  {starts("a", 5*s, 500, 0, 200*s), starts("b", 5*s, 500, 50*s, 220*s), [2]int64{2, 1}},
	} {
		// A third function wants memory at 100 s and gives it back at once.
		c3 := starts("c", s, 400, 100*s)
		c3.NewKeepAlive = policy.FixedTime{}.KeepAlive
		o := serveAll(t, []cluster.FunctionConfig{c.a, c.b, c3}, node)
		require.Equal(t, c.cold, [2]int64{o.Functions[0].Classes[cluster.ClassCold], o.Functions[1].Classes[cluster.ClassCold]}, situation)
		require.Zero(t, o.Unplaced, situation)
	}
}

// Worth ages: what was worth much, but is called no more, goes in the end.
func TestGreedyDualAges(t *testing.T) {
	t.Parallel()
	keepAlive, err := policy.KeepAlive("greedy-dual")
	require.NoError(t, err)
	law := &servicetime.GivenLaw{Service: servicetime.Deterministic{Value: time.Second}, BusyFraction: 1, Init: servicetime.Deterministic{Value: time.Second}}
	make := func(name string, at ...time.Duration) cluster.FunctionConfig {
		f := elastic(name, keepAlive, at...)
		f.MemoryMiB, f.Laws = 500, map[string]servicetime.Law{"p": law}
		return f
	}
	once := make("once-dear", 0, 10*time.Second, 20*time.Second, 30*time.Second, 2000*time.Second)
	var first, second []time.Duration
	for i := range 10 { // they evict each other until both are worth more than once-dear
		first = append(first, time.Duration(100+100*i)*time.Second)
		second = append(second, time.Duration(150+100*i)*time.Second)
	}
	o := serveAll(t, []cluster.FunctionConfig{once, make("x", first...), make("y", second...)},
		cluster.NodeConfig{Name: "node", Cores: 4, MemoryMiB: 1000, Platform: "p"})
	require.Equal(t, int64(2), o.Functions[0].Classes[cluster.ClassCold], "it was given up meanwhile")
	require.Less(t, o.Functions[1].Classes[cluster.ClassCold]+o.Functions[2].Classes[cluster.ClassCold], int64(12), "then both stay")
}

func TestKnativeKeepsTheLastSandboxLonger(t *testing.T) {
	t.Parallel()
	keepAlive, err := policy.KeepAlive("knative")
	require.NoError(t, err)
	for idle, cold := range map[int]int64{50: 2, 70: 3, 85: 3, 95: 4} {
		again := time.Duration(1+idle) * time.Second
		o := serveAll(t, []cluster.FunctionConfig{elastic("f", keepAlive, 0, 0, again, again)})
		require.Equal(t, cold, o.Cold, "idle for %d s", idle)
	}
}

// One sandbox of unlimited concurrency is there until T after its last call: an
// arrival is cold if the M/G/infinity queue of service S + T is empty, which has
// probability exp(−λ(E[S]+T)), whatever the law of S.
func TestColdShareOfOneSandbox(t *testing.T) {
	t.Parallel()
	const keep = 2 * time.Second
	for name, law := range map[string]servicetime.Distribution{
		"exponential": servicetime.Exponential{Expectation: 500 * time.Millisecond}, "log-normal": servicetime.NewLognormal(500*time.Millisecond, 2),
	} {
		f := elastic("f", policy.FixedTime{For: keep}.KeepAlive)
		f.Concurrency = 1 << 20
		f.Arrivals = clustertest.First(400_000, clustertest.Poisson(clustertest.Streams(7)("arrivals"), time.Second))
		f.Laws = map[string]servicetime.Law{"p": &servicetime.GivenLaw{Service: law, BusyFraction: .001}}
		o := serveAll(t, []cluster.FunctionConfig{f}, cluster.NodeConfig{Name: "node", Cores: 256, Platform: "p"})
		want := math.Exp(-(.5 + keep.Seconds()))
		got := float64(o.Cold) / float64(o.Account.Done)
		require.InEpsilon(t, want, got, 5*.0053, "%s (5 sigma)", name)
	}
}

// With concurrency 1 the share of cold starts follows the order of reuse. An
// independent loop over the same arrivals must find the very same starts.
func TestColdSharesByOrderOfReuse(t *testing.T) {
	t.Parallel()
	const n, service, keep = 20_000, 300 * time.Millisecond, 1200 * time.Millisecond
	var at []time.Duration
	for r, now := rand.New(rand.NewPCG(3, 3)), time.Duration(0); len(at) < n; at = append(at, now) {
		now += time.Duration(r.ExpFloat64() * float64(100*time.Millisecond))
	}
	share := map[policy.SandboxChoice]int64{}
	for _, word := range policy.SandboxChoices() {
		choice, err := policy.ParseSandboxChoice(word)
		require.NoError(t, err)
		f := elastic("f", policy.FixedTime{For: keep}.KeepAlive, append([]time.Duration(nil), at...)...)
		f.Laws = clustertest.Laws(servicetime.Deterministic{Value: service})
		c := clustertest.Config(t, 1)
		c.NewBalancer, err = policy.Balancer("first-available", choice)
		require.NoError(t, err)
		c.Nodes = []cluster.NodeConfig{{Name: "node", Cores: 64, Platform: "p"}}
		c.Functions, c.Horizon = []cluster.FunctionConfig{f}, des.Time(time.Hour)
		o := clustertest.Run(t, c)
		share[choice] = o.Cold
		require.Equal(t, coldByHand(at, service, keep, choice), o.Cold, word)
	}
	t.Log(share)
	require.Greater(t, share[policy.MostRecent], share[policy.LeastRecent], "who takes turns keeps all sandboxes alive")
	require.Greater(t, share[policy.Oldest], share[policy.LeastRecent])
	require.Greater(t, share[policy.Newest], share[policy.LeastRecent])
}

// coldByHand counts the calls that find no idle sandbox.
func coldByHand(at []time.Duration, service, keep time.Duration, choice policy.SandboxChoice) (cold int64) {
	type box struct{ free time.Duration } // when its last call ends
	var boxes []*box                      // in the order of creation
	for _, now := range at {
		var alive []*box
		for _, b := range boxes {
			if now < b.free+keep || now < b.free {
				alive = append(alive, b)
			}
		}
		boxes = alive
		var best *box
		for _, b := range boxes {
			better := best == nil || choice == policy.Newest || choice == policy.MostRecent && b.free > best.free || choice == policy.LeastRecent && b.free < best.free
			if b.free <= now && better {
				best = b
			}
		}
		if best == nil {
			best = &box{}
			boxes = append(boxes, best)
			cold++
		}
		best.free = now + service
	}
	return cold
}

func TestKeepAlivesThatContradictThemselves(t *testing.T) {
	t.Parallel()
	p := policy.Keepings()["hybrid-histogram"].(policy.HybridHistogram)
	require.NoError(t, p.Validate())
	for want, change := range map[string]func(*policy.HybridHistogram){
		"shorter than one bin": func(p *policy.HybridHistogram) { p.Range = time.Second },
		"take wider ones":      func(p *policy.HybridHistogram) { p.Bin = time.Microsecond },
		"lies behind tail":     func(p *policy.HybridHistogram) { p.Head, p.Tail = .9, .5 },
	} {
		wrong := p
		change(&wrong)
		require.ErrorContains(t, wrong.Validate(), want)
	}
	require.Error(t, policy.Halving{Period: time.Second, Jitter: time.Second}.Validate())
	_, err := policy.KeepAlive("for-ever")
	require.ErrorContains(t, err, "greedy-dual", fmt.Sprint(err))
}
