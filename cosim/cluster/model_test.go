package cluster_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/cluster"
	"microcosm/cosim/des"
	"microcosm/cosim/policy"
	"microcosm/cosim/servicetime"
)

// poisson is a Poisson arrival process.
type poisson struct {
	random *rand.Rand
	mean   time.Duration
	now    des.Time
}

func (p *poisson) Next() (cluster.Arrival, bool) {
	p.now = p.now.Add(time.Duration(p.random.ExpFloat64() * float64(p.mean)))
	return cluster.Arrival{At: p.now}, true
}

func stream(seed uint64) func(string) *rand.Rand {
	return func(name string) *rand.Rand {
		h := seed
		for _, b := range []byte(name) {
			h = (h ^ uint64(b)) * 1099511628211
		}
		return rand.New(rand.NewPCG(seed, h))
	}
}

func balancer(t testing.TB, name string) func() cluster.LoadBalancer {
	t.Helper()
	b, err := policy.Balancer(name, policy.MostRecent)
	require.NoError(t, err)
	return b
}

// queue returns a pure queueing system: one function on one node.
func queue(t testing.TB, seed uint64, cores, sandboxes int, law servicetime.Distribution, interarrival time.Duration) cluster.Config {
	random := stream(seed)
	placement, err := policy.Placement("spread")
	require.NoError(t, err)
	return cluster.Config{
		Nodes: []cluster.NodeConfig{{Name: "node-0", Cores: cores, Platform: "p"}},
		Functions: []cluster.FunctionConfig{{
			Name:        "f",
			Arrivals:    &poisson{random: random("arrivals/f"), mean: interarrival},
			Laws:        map[string]servicetime.Law{"p": &servicetime.GivenLaw{Service: law, BusyFraction: 1}},
			Concurrency: 1,
			QueueLimit:  cluster.Unlimited,
			Scaler:      policy.Fixed{Sandboxes: sandboxes},
		}},
		Discipline:  cluster.FCFS,
		CoreChoice:  cluster.CoreLast,
		Binding:     cluster.BindLate,
		NewBalancer: balancer(t, "first-available"),
		Placement:   placement,
		Horizon:     des.Time(200_000 * time.Second),
		WarmUp:      des.Time(2_000 * time.Second),
		Random:      random,
	}
}

func run(t testing.TB, c cluster.Config) *cluster.Outcome {
	t.Helper()
	m, err := cluster.New(c)
	require.NoError(t, err)
	o, err := m.Run()
	require.NoError(t, err)
	return o
}

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
