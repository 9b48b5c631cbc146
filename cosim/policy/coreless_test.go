package policy_test

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

// harvested is a cluster of two nodes with a sandbox on each; the first node has
// no core between 1 s and 1000 s.
func harvested(t testing.TB, balancer string, at ...time.Duration) *cluster.Outcome {
	c := clustertest.Config(t, 1)
	c.Binding, c.NewBalancer = cluster.BindEarly, clustertest.Balancer(t, balancer)
	c.Horizon, c.Drain = des.Time(time.Hour), time.Hour
	c.Nodes = []cluster.NodeConfig{{Name: "harvested", Cores: 1, Platform: "p"}, {Name: "whole", Cores: 1, Platform: "p"}}
	c.Nodes[0].Schedule.Steps = []cluster.CoreStep{{For: time.Second, Cores: 1}, {For: 999 * time.Second, Cores: 0}, {For: time.Hour, Cores: 1}}
	c.Functions = []cluster.FunctionConfig{{
		Name: "f", Arrivals: clustertest.At(at...), Laws: clustertest.Laws(servicetime.Deterministic{Value: 100 * time.Millisecond}),
		Concurrency: 1, QueueLimit: cluster.Unlimited, Scaler: policy.Fixed{Sandboxes: 2},
	}}
	return clustertest.Run(t, c)
}

// A node without cores is no place for a call while another one is idle.
func TestCallsAvoidANodeThatHasNoCoreNow(t *testing.T) {
	t.Parallel()
	for _, balancer := range []string{"least-loaded", "min-worker-set"} {
		at := []time.Duration{500 * time.Millisecond} // the first node is used last
		for i := range 10 {
			at = append(at, time.Duration(2+i)*time.Second)
		}
		o := harvested(t, balancer, at...)
		require.LessOrEqual(t, o.All.Response.Max(), 2*time.Second, balancer)
	}
}

// choose asks a placement about one function on nodes with the given cores, now.
func TestSandboxesAvoidANodeThatHasNoCoreNow(t *testing.T) {
	t.Parallel()
	c := clustertest.Config(t, 1)
	c.Horizon = des.Time(time.Hour)
	c.Nodes = []cluster.NodeConfig{{Name: "harvested", Cores: 4, Platform: "p"}, {Name: "whole", Cores: 2, Platform: "p"}}
	c.Nodes[0].Schedule.Steps = []cluster.CoreStep{{For: time.Hour, Cores: 0}, {For: time.Hour, Cores: 4}}
	var seen []int
	c.Placement = placing(func(f *cluster.Function, nodes []*cluster.Node, r *rand.Rand) int {
		chosen := clustertest.Placement(t, "spread").Choose(f, nodes, r)
		seen = append(seen, chosen)
		return chosen
	})
	c.Functions = []cluster.FunctionConfig{{
		Name: "f", Arrivals: clustertest.At(), Laws: clustertest.Laws(servicetime.Deterministic{Value: time.Second}),
		Concurrency: 1, QueueLimit: cluster.Unlimited, Scaler: policy.Fixed{Sandboxes: 3},
	}}
	clustertest.Run(t, c)
	require.Equal(t, []int{1, 1, 1}, seen)
}

type placing func(*cluster.Function, []*cluster.Node, *rand.Rand) int

func (p placing) Choose(f *cluster.Function, nodes []*cluster.Node, r *rand.Rand) int {
	return p(f, nodes, r)
}
