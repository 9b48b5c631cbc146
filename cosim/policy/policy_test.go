package policy_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/cluster"
	"microcosm/cosim/cluster/clustertest"
	"microcosm/cosim/des"
	"microcosm/cosim/policy"
	"microcosm/cosim/servicetime"
)

// witness takes 10 ms and remembers how long each call's sandbox had been idle
// on its core; 0 stands for a sandbox that was new there.
type witness struct{ idle []time.Duration }

func (w *witness) Draw(s servicetime.State, _ float64) (servicetime.Draw, error) {
	w.idle = append(w.idle, s.Idle.Round(10*time.Millisecond))
	return servicetime.Draw{Service: 10 * time.Millisecond, Busy: 10 * time.Millisecond}, nil
}

func (*witness) Startup(float64, float64) (create, init time.Duration, err error) { return 0, 0, nil }

// serve lets three sandboxes, each with a core of its own, serve n calls.
func serve(t *testing.T, balancer, choice string, n int) *witness {
	t.Helper()
	order, err := policy.ParseSandboxChoice(choice)
	require.NoError(t, err)
	w := &witness{}
	c := clustertest.Config(t, 1)
	c.NewBalancer, err = policy.Balancer(balancer, order)
	require.NoError(t, err)
	c.CoreChoice, c.Horizon = cluster.CorePinned, des.Time(time.Hour)
	c.Nodes = []cluster.NodeConfig{{Name: "node-0", Cores: 3, Platform: "p"}}
	c.Functions = []cluster.FunctionConfig{{
		Name: "f", Arrivals: clustertest.First(n, clustertest.Every(100*time.Millisecond, 0)), Laws: map[string]servicetime.Law{"p": w},
		Concurrency: 1, QueueLimit: cluster.Unlimited, Scaler: policy.Fixed{Sandboxes: 3},
	}}
	clustertest.Run(t, c)
	return w
}

func TestWhichSandboxServesACallThatFindsAllIdle(t *testing.T) {
	t.Parallel()
	const same, everyThird = 90 * time.Millisecond, 290 * time.Millisecond
	for _, c := range []struct {
		balancer, choice string
		idle             []time.Duration
	}{
		{"first-available", "most-recent", []time.Duration{0, same, same, same, same}},
		{"first-available", "oldest", []time.Duration{0, same, same, same, same}},
		{"first-available", "newest", []time.Duration{0, same, same, same, same}},
		{"first-available", "least-recent", []time.Duration{0, 0, 0, everyThird, everyThird}},
		{"round-robin", "most-recent", []time.Duration{0, 0, 0, everyThird, everyThird}},
		{"sticky", "most-recent", []time.Duration{0, same, same, same, same}},
		{"least-loaded", "least-recent", []time.Duration{0, 0, 0, everyThird, everyThird}},
	} {
		require.Equal(t, c.idle, serve(t, c.balancer, c.choice, 5).idle, "%s, %s", c.balancer, c.choice)
	}
}

func TestRandomSpreadsEvenly(t *testing.T) {
	t.Parallel()
	for _, balancer := range []string{"random", "power-of-two"} {
		repeats := 0
		const n = 3000
		for _, idle := range serve(t, balancer, "most-recent", n).idle {
			if idle == 90*time.Millisecond {
				repeats++
			}
		}
		require.InDelta(t, n/3, repeats, 4*26, "%s: one in three calls finds the last sandbox (4 sigma)", balancer)
	}
}

// place puts five sandboxes of 400 MiB on three nodes and returns how many calls
// each node served when every sandbox served the same number.
func place(t *testing.T, name string) []int64 {
	t.Helper()
	c := clustertest.Config(t, 3)
	c.NewBalancer, c.Placement = clustertest.Balancer(t, "round-robin"), clustertest.Placement(t, name)
	c.CoreChoice, c.Horizon = cluster.CorePinned, des.Time(time.Hour)
	c.Nodes = []cluster.NodeConfig{
		{Name: "large", Cores: 4, MemoryMiB: 2000, Platform: "p"},
		{Name: "small", Cores: 2, MemoryMiB: 900, Platform: "p"},
		{Name: "tiny", Cores: 1, MemoryMiB: 500, Platform: "p"},
	}
	c.Functions = []cluster.FunctionConfig{{
		Name: "f", Arrivals: clustertest.First(500, clustertest.Every(100*time.Millisecond, 0)), Laws: map[string]servicetime.Law{"p": &witness{}},
		Concurrency: 1, MemoryMiB: 400, QueueLimit: cluster.Unlimited, Scaler: policy.Fixed{Sandboxes: 5},
	}}
	o := clustertest.Run(t, c)
	counts := make([]int64, len(o.Nodes))
	for i, n := range o.Nodes {
		if n != nil {
			counts[i] = n.Response.Count() / 100
		}
	}
	return counts
}

func TestPlacements(t *testing.T) {
	t.Parallel()
	require.Equal(t, []int64{3, 1, 1}, place(t, "spread"), "in proportion to cores, the earlier node on a tie")
	require.Equal(t, []int64{2, 2, 1}, place(t, "bin-pack"), "the fullest node first")
	require.Equal(t, []int64{5, 0, 0}, place(t, "first-fit"))
	random := place(t, "random")
	require.Equal(t, int64(5), random[0]+random[1]+random[2])
	require.LessOrEqual(t, random[2], int64(1), "memory is a limit")
}

func TestNamesThatDoNotExistListThoseThatDo(t *testing.T) {
	t.Parallel()
	_, err := policy.Balancer("fastest", policy.MostRecent)
	require.ErrorContains(t, err, "power-of-two")
	_, err = policy.Placement("anywhere")
	require.ErrorContains(t, err, "bin-pack")
	_, err = policy.ParseSandboxChoice("invalid")
	require.ErrorContains(t, err, "least-recent")
	for _, word := range policy.SandboxChoices() {
		choice, err := policy.ParseSandboxChoice(word)
		require.NoError(t, err)
		require.Equal(t, word, choice.String())
	}
}
