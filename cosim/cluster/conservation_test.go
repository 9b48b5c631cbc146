package cluster_test

import (
	"fmt"
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

// hour is a cluster that has all its calls in the first minutes of an hour, and time
// enough to end them.
type hour struct {
	config  cluster.Config
	minimum int // sandboxes that never go
}

func drawnHour(t *rapid.T) func() hour {
	pick := func(name string, from ...int) int { return rapid.SampledFrom(from).Draw(t, name) }
	seed := rapid.Uint64().Draw(t, "seed")
	nodes, functions := rapid.IntRange(1, 3).Draw(t, "nodes"), rapid.IntRange(1, 4).Draw(t, "functions")
	discipline := rapid.SampledFrom([]cluster.Discipline{cluster.FCFS, cluster.ProcessorSharing, cluster.CFS}).Draw(t, "discipline")
	binding := rapid.SampledFrom([]cluster.Binding{cluster.BindLate, cluster.BindEarly}).Draw(t, "binding")
	type demand struct{ calls, gap, service, busy, init, minimum, most, concurrency, limit int }
	var demands []demand
	for range functions {
		demands = append(demands, demand{
			calls: rapid.IntRange(0, 80).Draw(t, "calls"), gap: pick("gap", 1, 30, 400), service: pick("service", 1, 70, 900), busy: pick("busy", 1, 50, 100),
			init: pick("init", 0, 200), minimum: pick("minimum", 0, 2), most: pick("most", 1, 3, cluster.Unlimited), concurrency: pick("concurrency", 1, 1, 3),
			limit: pick("CPU limit", 0, 700),
		})
	}
	return func() hour {
		h := hour{config: clustertest.Config(t, seed)}
		c := &h.config
		c.Discipline, c.QuotaPeriod, c.Binding, c.Horizon = discipline, 100*ms, binding, des.Time(time.Hour)
		for i := range nodes {
			c.Nodes = append(c.Nodes, cluster.NodeConfig{Name: fmt.Sprint(i), Cores: 1 + i, Platform: "p"})
		}
		for i, d := range demands {
			law := &servicetime.GivenLaw{
				Service: servicetime.Exponential{Expectation: time.Duration(d.service) * time.Millisecond}, BusyFraction: float64(d.busy) / 100,
				Init: servicetime.Deterministic{Value: time.Duration(d.init) * time.Millisecond},
			}
			most := d.most
			if most != cluster.Unlimited {
				most = max(most, d.minimum)
			}
			c.Functions = append(c.Functions, cluster.FunctionConfig{
				Name: fmt.Sprint("f", i), Laws: map[string]servicetime.Law{"p": law}, Concurrency: d.concurrency, QueueLimit: cluster.Unlimited, CPURequest: 100 * (1 + i), CPULimit: d.limit,
				Scaler:   policy.FollowConcurrency{Min: d.minimum, Max: most},
				Arrivals: clustertest.First(d.calls, clustertest.Poisson(clustertest.Streams(seed)(fmt.Sprint("calls", i)), time.Duration(d.gap)*time.Millisecond)),
			})
			h.minimum += d.minimum
		}
		return h
	}
}

// Time is spent once: the calls in the system, summed over time, are their response
// times (Little, Operations Research 9, 1961); busy cores are the busy parts of their
// services; and what waits is not served.
func TestTimeIsConserved(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h := drawnHour(t)()
		o := clustertest.Run(t, h.config)
		require.Equal(t, o.Account.Arrived, o.Account.Done, "an hour is enough")
		require.EqualValues(t, o.Account.Done, o.All.Response.Count())
		seconds := o.Observed.Seconds()
		require.InDelta(t, o.All.Response.Sum(), o.MeanInSystem*seconds, 1e-6)
		require.InDelta(t, o.All.Response.Sum(), o.All.Waiting.Sum()+o.All.Service.Sum(), 1e-6)
		require.GreaterOrEqual(t, o.All.Service.Sum()+1e-6, o.MeanBusyCores*seconds*.999999-1e-6, "cores are busy for services only")
		require.GreaterOrEqual(t, o.MeanSandboxes*seconds, float64(h.minimum)*seconds-1e-6)
		require.LessOrEqual(t, o.MeanBusyCores, o.MeanCores)
	})
}

// The parts of the timeline make up the whole, and each function's account that of all.
func TestThePartsMakeUpTheWhole(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h := drawnHour(t)()
		h.config.Buckets = rapid.SampledFrom([]int{1, 7, 60}).Draw(t, "buckets")
		o := clustertest.Run(t, h.config)
		mean := func(parts []float64) (sum float64) {
			require.Len(t, parts, h.config.Buckets)
			for _, x := range parts {
				sum += x
			}
			return sum / float64(len(parts))
		}
		require.InDelta(t, o.MeanInSystem, mean(o.Timeline.InSystem), 1e-6)
		require.InDelta(t, o.MeanBusyCores, mean(o.Timeline.BusyCores), 1e-6)
		require.InDelta(t, o.MeanSandboxes, mean(o.Timeline.Sandboxes), 1e-6)
		var account cluster.Account
		nodes, classes := int64(0), int64(0)
		for _, f := range o.Functions {
			require.NoError(t, f.Account.Balance(), f.Name)
			account.Add(f.Account)
			for _, n := range f.Classes {
				classes += n
			}
		}
		for _, n := range o.Nodes {
			if n != nil {
				nodes += n.Response.Count()
			}
		}
		require.Equal(t, o.Account, account)
		require.EqualValues(t, o.Account.Done, nodes, "every call ended on some node")
		require.EqualValues(t, o.Account.Done, classes, "and began in some condition")
	})
}

// A run is a pure function of its configuration, and what is recorded of it does not
// change it.
func TestRecordingLessChangesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		again := drawnHour(t)
		all, less := again(), again()
		less.config.NoNodes, less.config.NoClasses, less.config.Buckets = true, true, 1
		more := again()
		more.config.Sections, more.config.Census = true, true
		o := clustertest.Run(t, all.config)
		for _, other := range []hour{less, more} {
			p := clustertest.Run(t, other.config)
			require.Equal(t, o.Account, p.Account)
			require.True(t, o.All.Response.Equal(&p.All.Response))
			require.InDelta(t, o.MeanSandboxes, p.MeanSandboxes, 1e-12)
			require.Equal(t, o.End, p.End)
		}
	})
}
