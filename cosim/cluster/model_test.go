package cluster_test

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

// queue returns a pure queueing system: one function on one node.
func queue(t testing.TB, seed uint64, cores, sandboxes int, law servicetime.Distribution, interarrival time.Duration) cluster.Config {
	c := clustertest.Config(t, seed)
	c.Nodes = []cluster.NodeConfig{{Name: "node-0", Cores: cores, Platform: "p"}}
	c.Functions = []cluster.FunctionConfig{{
		Name:        "f",
		Arrivals:    clustertest.Poisson(c.Random("arrivals/f"), interarrival),
		Laws:        clustertest.Laws(law),
		Concurrency: 1,
		QueueLimit:  cluster.Unlimited,
		Scaler:      policy.Fixed{Sandboxes: sandboxes},
	}}
	c.Horizon, c.WarmUp = des.Time(200_000*time.Second), des.Time(2_000*time.Second)
	return c
}

var run = clustertest.Run

func TestMM1(t *testing.T) {
	t.Parallel()
	o := run(t, queue(t, 1, 1, 1, servicetime.Exponential{Expectation: time.Second}, 2*time.Second))
	require.InEpsilon(t, 2.0, o.All.Response.Mean(), .05, "E[T] = 1/(1-.5)")
	require.InEpsilon(t, .5, o.Utilization(), .02)
	require.InEpsilon(t, o.MeanInSystem, float64(o.Admissions)/o.Observed.Seconds()*o.All.Response.Mean(), .01, "Little's law")
}

func TestProcessorSharingIsInsensitive(t *testing.T) {
	t.Parallel()
	c := queue(t, 2, 1, 1, servicetime.NewLognormal(time.Second, 2), 2*time.Second)
	c.Discipline = cluster.ProcessorSharing
	c.Functions[0].Concurrency = 1 << 20
	o := run(t, c)
	require.InEpsilon(t, 2.0, o.All.Response.Mean(), .05, "M/G/1-PS: E[T] = E[S]/(1-rho) for every law of S")
}

func TestErlangB(t *testing.T) {
	t.Parallel()
	c := queue(t, 3, 4, 4, servicetime.Exponential{Expectation: time.Second}, time.Second/3)
	c.Functions[0].QueueLimit = 0
	o := run(t, c)
	// Erlang B: Kleinrock, Queueing Systems vol. 1, section 3.5.
	a, sum, term := 3.0, 1.0, 1.0
	for k := 1.0; k <= 4; k++ {
		term *= a / k
		sum += term
	}
	require.InEpsilon(t, term/sum, float64(o.Rejections)/float64(o.Admissions), .03)
}
