package policy_test

import (
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

// lasting is a law of fixed times: the n-th call begun takes the n-th of them,
// in turns.
type lasting struct {
	times []time.Duration
	begun int
}

func (l *lasting) Draw(servicetime.State, float64) (servicetime.Draw, error) {
	service := l.times[l.begun%len(l.times)]
	l.begun++
	return servicetime.Draw{Service: service, Busy: service}, nil
}

func (*lasting) Startup(float64, float64) (create, init time.Duration, err error) { return 0, 0, nil }

// offer is what some sandboxes, each alone on a node of one core, are offered.
type offer struct {
	balancer, choice string
	binding          cluster.Binding
	sandboxes        int
	arrivals         []time.Duration
	service          []time.Duration
}

// shares returns how many calls each sandbox served.
func (o offer) shares(t require.TestingT) []int64 {
	order, err := policy.ParseSandboxChoice(o.choice)
	require.NoError(t, err)
	config := clustertest.Config(t, 5)
	config.NewBalancer, err = policy.Balancer(o.balancer, order)
	require.NoError(t, err)
	config.Binding, config.Horizon, config.Drain = o.binding, des.Time(time.Hour), 24*time.Hour
	config.Functions = []cluster.FunctionConfig{{
		Name: "f", Arrivals: clustertest.At(o.arrivals...), Laws: map[string]servicetime.Law{"p": &lasting{times: o.service}},
		Concurrency: 1, QueueLimit: cluster.Unlimited, Scaler: policy.Fixed{Sandboxes: o.sandboxes},
	}}
	for i := range o.sandboxes {
		config.Nodes = append(config.Nodes, cluster.NodeConfig{Name: "node-" + string(rune('a'+i)), Cores: 1, Platform: "p"})
	}
	outcome := clustertest.Run(t, config)
	counts := make([]int64, len(outcome.Nodes))
	for i, n := range outcome.Nodes {
		if n != nil {
			counts[i] = n.Response.Count()
		}
	}
	return counts
}

var (
	gaps = rapid.Custom(func(t *rapid.T) time.Duration {
		return time.Duration(rapid.IntRange(0, 50).Draw(t, "ms")) * time.Millisecond
	})
	services = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) time.Duration {
		return time.Duration(rapid.IntRange(1, 200).Draw(t, "ms")) * time.Millisecond
	}), 1, 5)
)

// arrivals draws n instants with drawn gaps.
func arrivals(t *rapid.T, n int) []time.Duration {
	at := make([]time.Duration, n)
	for i := range at {
		if i > 0 {
			at[i] = at[i-1]
		}
		at[i] += gaps.Draw(t, "gap")
	}
	return at
}

// TestRoundRobinDealsEvenly: bound at arrival, the n-th call goes to sandbox n
// modulo their number, however long the queues are.
func TestRoundRobinDealsEvenly(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		sandboxes, rounds := rapid.IntRange(1, 6).Draw(t, "sandboxes"), rapid.IntRange(1, 8).Draw(t, "rounds")
		want := make([]int64, sandboxes)
		for i := range want {
			want[i] = int64(rounds)
		}
		require.Equal(t, want, offer{
			balancer: "round-robin", choice: "most-recent", binding: cluster.BindEarly, sandboxes: sandboxes,
			arrivals: arrivals(t, sandboxes*rounds), service: services.Draw(t, "service"),
		}.shares(t))
	})
}

// TestLeastLoadedLevelsABurst: calls that arrive at once, longer than the burst,
// are dealt so that no two sandboxes differ by more than one.
func TestLeastLoadedLevelsABurst(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		sandboxes, calls := rapid.IntRange(1, 6).Draw(t, "sandboxes"), rapid.IntRange(1, 40).Draw(t, "calls")
		shares := offer{
			balancer: "least-loaded", choice: rapid.SampledFrom(policy.SandboxChoices()).Draw(t, "choice"), binding: cluster.BindEarly,
			sandboxes: sandboxes, arrivals: make([]time.Duration, calls), service: services.Draw(t, "service"),
		}.shares(t)
		require.LessOrEqual(t, slices.Max(shares)-slices.Min(shares), int64(1), shares)
	})
}

// TestPowerOfTwoLevelsABurstNearly: two choices keep the fullest of n queues far
// nearer to the mean than one choice does.
func TestPowerOfTwoLevelsABurstNearly(t *testing.T) {
	t.Parallel()
	excess := func(balancer string) int64 {
		shares := offer{
			balancer: balancer, choice: "most-recent", binding: cluster.BindEarly, sandboxes: 20,
			arrivals: make([]time.Duration, 2000), service: []time.Duration{time.Second},
		}.shares(t)
		return slices.Max(shares) - 100
	}
	require.LessOrEqual(t, excess("power-of-two"), int64(3))
	require.GreaterOrEqual(t, excess("random"), int64(10))
}

// TestStickyStaysWhileItsCoreIsIdle: one sandbox serves all calls that never
// overlap, and no call waits while a sandbox's core is idle.
func TestStickyStaysWhileItsCoreIsIdle(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		sandboxes, calls := rapid.IntRange(1, 6).Draw(t, "sandboxes"), rapid.IntRange(1, 30).Draw(t, "calls")
		at := arrivals(t, calls)
		for i := range at {
			at[i] += time.Duration(i) * 300 * time.Millisecond
		}
		shares := offer{
			balancer: "sticky", choice: "most-recent", binding: rapid.SampledFrom([]cluster.Binding{cluster.BindLate, cluster.BindEarly}).Draw(t, "binding"),
			sandboxes: sandboxes, arrivals: at, service: services.Draw(t, "service"),
		}.shares(t)
		require.Equal(t, int64(calls), slices.Max(shares), shares)
	})
}

// TestEveryBalancerServesEveryCall, whatever arrives, under both bindings.
func TestEveryBalancerServesEveryCall(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		calls := rapid.IntRange(0, 60).Draw(t, "calls")
		total := int64(0)
		for _, n := range (offer{
			balancer: rapid.SampledFrom(policy.BalancerNames()).Draw(t, "balancer"), choice: rapid.SampledFrom(policy.SandboxChoices()).Draw(t, "choice"),
			binding:   rapid.SampledFrom([]cluster.Binding{cluster.BindLate, cluster.BindEarly}).Draw(t, "binding"),
			sandboxes: rapid.IntRange(1, 6).Draw(t, "sandboxes"), arrivals: arrivals(t, calls), service: services.Draw(t, "service"),
		}).shares(t) {
			total += n
		}
		require.Equal(t, int64(calls), total)
	})
}
