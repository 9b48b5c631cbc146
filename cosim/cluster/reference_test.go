package cluster_test

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

// load is a drawn stream of calls: when each comes and how long it takes, in
// whole milliseconds so that ties are common.
type load struct {
	at      []time.Duration
	service []time.Duration
}

func drawnLoad(t *rapid.T, most int) (l load) {
	now := time.Duration(0)
	for range rapid.IntRange(1, most).Draw(t, "calls") {
		now += time.Duration(rapid.IntRange(0, 12).Draw(t, "gap")) * ms
		l.at = append(l.at, now)
		l.service = append(l.service, time.Duration(rapid.IntRange(1, 30).Draw(t, "service"))*ms)
	}
	return l
}

// serve runs the load on one function of the configuration, first come first
// served, so that the n-th call to begin is the n-th to arrive.
func (l load) serve(t require.TestingT, c cluster.Config) *cluster.Outcome {
	c.Functions[0].Arrivals = clustertest.At(l.at...)
	c.Functions[0].Laws = map[string]servicetime.Law{"p": &works{left: slices.Clone(l.service)}}
	c.Horizon, c.Drain = des.Time(l.at[len(l.at)-1]+1), time.Hour
	return clustertest.Run(t, c)
}

// manyServers returns the sum of the waiting times in front of n servers: each
// call takes the server that is free first (Kiefer and Wolfowitz, 1955).
func (l load) manyServers(n int) (sum, longest time.Duration) {
	free := make([]time.Duration, n)
	for i, at := range l.at {
		slices.Sort(free)
		begin := max(at, free[0])
		free[0] = begin + l.service[i]
		sum += begin - at
		longest = max(longest, begin-at)
	}
	return sum, longest
}

// Sandboxes and cores are servers: whichever there are fewer of.
func TestWaitingIsThatOfManyServers(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := drawnLoad(t, 60)
		sandboxes, cores := rapid.IntRange(1, 5).Draw(t, "sandboxes"), rapid.IntRange(1, 5).Draw(t, "cores")
		f := function("f", nil)
		f.Scaler = policy.Fixed{Sandboxes: sandboxes}
		c := world(t, cores, f)
		c.CoreChoice = rapid.SampledFrom([]cluster.CoreChoice{cluster.CoreLast, cluster.CoreLowest, cluster.CoreRandom}).Draw(t, "choice")
		o := l.serve(t, c)
		sum, longest := l.manyServers(min(sandboxes, cores))
		require.InDelta(t, sum.Seconds(), o.All.Waiting.Sum(), 1e-9)
		require.Equal(t, longest, o.All.Waiting.Max())
	})
}

// With a limit of n in the queue, a call is turned away when it finds n there.
func TestRejectionsAreThoseOfAFiniteQueue(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := drawnLoad(t, 60)
		limit := rapid.IntRange(0, 4).Draw(t, "limit")
		// Equal service times: who is turned away does not change what others take.
		// The microsecond keeps ends of calls apart from arrivals.
		for i := range l.service {
			l.service[i] = l.service[0]/ms*ms + time.Microsecond
		}
		rejected, free, begins := int64(0), time.Duration(0), []time.Duration(nil)
		for _, at := range l.at {
			waiting := 0
			for _, begin := range begins {
				if begin > at {
					waiting++
				}
			}
			if waiting >= limit && free > at {
				rejected++
				continue
			}
			begin := max(at, free)
			begins, free = append(begins, begin), begin+l.service[0]
		}
		f := function("f", nil)
		f.QueueLimit = limit
		require.Equal(t, rejected, l.serve(t, world(t, 1, f)).Account.Rejected)
	})
}

// k on one core, told from the order in which calls began alone: how many of
// others began since the sandbox's own last one.
func TestKFollowsFromTheOrderOfCallsOnACore(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		functions := rapid.IntRange(1, 4).Draw(t, "functions")
		order := &journal{}
		var all []cluster.FunctionConfig
		for i := range functions {
			l := drawnLoad(t, 15)
			f := function(string(rune('a'+i)), &journalist{order: order, name: i})
			f.Arrivals = clustertest.At(l.at...)
			all = append(all, f)
		}
		c := world(t, 1, all...)
		c.CoreChoice = rapid.SampledFrom([]cluster.CoreChoice{cluster.CorePinned, cluster.CoreLast, cluster.CoreLowest}).Draw(t, "choice")
		clustertest.Run(t, c)
		last := map[int]int{}
		for i, e := range order.entries {
			began, again := last[e.name]
			require.Equal(t, !again, e.state.New, "call %d", i)
			if again {
				require.Equal(t, int64(i-began-1), e.state.K, "call %d", i)
				require.Zero(t, e.state.Same, "one sandbox each")
			}
			last[e.name] = i
		}
	})
}

type journal struct {
	entries []struct {
		name  int
		state servicetime.State
	}
}

// journalist is a law of 3 ms that writes down who began in which state.
type journalist struct {
	order *journal
	name  int
}

func (j *journalist) Draw(s servicetime.State, _ float64) (servicetime.Draw, error) {
	j.order.entries = append(j.order.entries, struct {
		name  int
		state servicetime.State
	}{j.name, s})
	return servicetime.Draw{Service: 3 * ms, Busy: 3 * ms}, nil
}

func (*journalist) Startup(float64, float64) (create, init time.Duration, err error) {
	return 0, 0, nil
}
