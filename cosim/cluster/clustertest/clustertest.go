// Package clustertest holds what the tests of the model's packages are made of:
// arrivals, named random streams, and a small cluster with plain policies. It
// proves nothing itself.
package clustertest

import (
	"math/rand/v2"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/cluster"
	"microcosm/cosim/des"
	"microcosm/cosim/policy"
	"microcosm/cosim/servicetime"
)

// Streams opens named streams that depend on the seed and the name alone.
func Streams(seed uint64) func(name string) *rand.Rand {
	return func(name string) *rand.Rand {
		h := seed
		for _, b := range []byte(name) {
			h = (h ^ uint64(b)) * 1099511628211
		}
		var stream struct { // together, as those of package loadgen are
			random rand.Rand
			bits   rand.PCG
		}
		stream.bits = *rand.NewPCG(seed, h)
		stream.random = *rand.New(&stream.bits)
		return &stream.random
	}
}

// arrivals yields what a function returns until that is negative.
type arrivals func() des.Time

func (a arrivals) Next() (cluster.Arrival, bool) {
	at := a()
	return cluster.Arrival{At: at}, at >= 0
}

// At yields arrivals at the given times, which must be in order.
func At(times ...time.Duration) cluster.Arrivals {
	next := 0
	return arrivals(func() des.Time {
		if next++; next > len(times) {
			return -1
		}
		return des.Time(times[next-1])
	})
}

// Every yields arrivals at equal distances, the first one such a distance after
// the start.
func Every(gap, start time.Duration) cluster.Arrivals {
	now := des.Time(start)
	return arrivals(func() des.Time {
		now = now.Add(gap)
		return now
	})
}

// Poisson yields a Poisson process with the given mean between arrivals.
func Poisson(random *rand.Rand, mean time.Duration) cluster.Arrivals {
	now := des.Time(0)
	return arrivals(func() des.Time {
		now = now.Add(time.Duration(random.ExpFloat64() * float64(mean)))
		return now
	})
}

// First yields the first n of the arrivals.
func First(n int, of cluster.Arrivals) cluster.Arrivals {
	return arrivals(func() des.Time {
		if n--; n < 0 {
			return -1
		}
		a, ok := of.Next()
		if !ok {
			return -1
		}
		return a.At
	})
}

// Laws gives a service time to the platform "p", all of it on a core.
func Laws(service servicetime.Distribution) map[string]servicetime.Law {
	return map[string]servicetime.Law{"p": &servicetime.GivenLaw{Service: service, BusyFraction: 1}}
}

// Balancer returns the load balancer of that name, which prefers the sandbox
// that was used last.
func Balancer(t require.TestingT, name string) func() cluster.LoadBalancer {
	b, err := policy.Balancer(name, policy.MostRecent)
	require.NoError(t, err)
	return b
}

// Placement returns the placement of that name.
func Placement(t require.TestingT, name string) cluster.Placement {
	p, err := policy.Placement(name)
	require.NoError(t, err)
	return p
}

// Config is a cluster without nodes and functions: whole cores, the last core if
// idle, late binding, the first available sandbox, spread over the nodes.
func Config(t require.TestingT, seed uint64) cluster.Config {
	return cluster.Config{
		Discipline: cluster.FCFS, CoreChoice: cluster.CoreLast, Binding: cluster.BindLate,
		NewBalancer: Balancer(t, "first-available"), Placement: Placement(t, "spread"), Random: Streams(seed),
	}
}

// Run runs the cluster to its end.
func Run(t require.TestingT, c cluster.Config) *cluster.Outcome {
	m, err := cluster.New(c)
	require.NoError(t, err)
	o, err := m.Run()
	require.NoError(t, err)
	return o
}
