package cluster_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/cluster"
	"microcosm/cosim/des"
	"microcosm/cosim/policy"
)

// chain is a flow of functions one after the other, each begun a way after the
// end of the one before.
type chain struct {
	begins  []time.Duration
	length  int
	way     time.Duration
	started []des.Time
	ended   []cluster.Ended
	at      []des.Time
}

func (c *chain) Next() (des.Time, bool) {
	if len(c.begins) == 0 {
		return 0, false
	}
	at := c.begins[0]
	c.begins = c.begins[1:]
	return des.Time(at), true
}

func (c *chain) Begin(now des.Time, release func(cluster.Release)) {
	c.started = append(c.started, now)
	release(cluster.Release{Function: 0, After: c.way, Tag: 1})
}

func (c *chain) Ended(now des.Time, e cluster.Ended, release func(cluster.Release)) {
	c.ended, c.at = append(c.ended, e), append(c.at, now)
	if next := int(e.Tag); e.Done && next < c.length {
		release(cluster.Release{Function: next, After: c.way, Tag: e.Tag + 1, Base: time.Duration(next) * ms})
	}
}

// steps is a cluster with a function for each of the laws, called by flows only.
func steps(t *testing.T, flows cluster.Flows, laws ...*spy) cluster.Config {
	var functions []cluster.FunctionConfig
	for i, law := range laws {
		f := function(string(rune('a'+i)), law)
		f.Arrivals = cluster.NoArrivals{}
		functions = append(functions, f)
	}
	c := world(t, len(laws), functions...)
	c.Flows = flows
	return c
}

func TestAChainRunsStepByStep(t *testing.T) {
	t.Parallel()
	flows := &chain{begins: []time.Duration{100 * ms}, length: 3, way: 5 * ms}
	laws := []*spy{{service: 10 * ms}, {service: 20 * ms}, {service: 30 * ms}}
	o := run(t, steps(t, flows, laws...))
	require.Equal(t, []des.Time{des.Time(100 * ms)}, flows.started)
	require.Equal(t, []cluster.Ended{
		{Tag: 1, Done: true, Arrived: des.Time(105 * ms), Service: 10 * ms},
		{Tag: 2, Done: true, Arrived: des.Time(120 * ms), Service: 20 * ms},
		{Tag: 3, Done: true, Arrived: des.Time(145 * ms), Service: 30 * ms},
	}, flows.ended)
	require.Equal(t, []des.Time{des.Time(115 * ms), des.Time(140 * ms), des.Time(175 * ms)}, flows.at)
	require.Same(t, flows, o.Flows)
	require.Equal(t, int64(3), o.Account.Arrived, "each invocation is a request of its own")
	for i, law := range laws {
		require.Equal(t, time.Duration(i)*ms, law.seen[0].Base, "the duration that the release gives it")
	}
}

func TestFlowsOverlapAndKeepTheirTags(t *testing.T) {
	t.Parallel()
	flows := &chain{begins: []time.Duration{0, 0, 8 * ms}, length: 2, way: 0}
	o := run(t, steps(t, flows, &spy{service: 10 * ms}, &spy{service: 10 * ms}))
	require.Equal(t, int64(6), o.Account.Done)
	var tags []int32
	for _, e := range flows.ended {
		tags = append(tags, e.Tag)
	}
	// The first steps end at 10, 20 and 30, the second ones at 20, 30 and 40: in
	// the order in which they were begun.
	require.Equal(t, []int32{1, 1, 2, 1, 2, 2}, tags)
}

func TestAnInvocationThatComesToNothingEndsOnce(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		retry    cluster.Retry
		done     bool
		attempts int64
	}{
		"rejected":                  {nil, false, 2},
		"rejected after each retry": {policy.FixedRetry{Attempts: 3, Delay: ms, Rejected: true}, false, 4},
		"served by a retry":         {policy.FixedRetry{Attempts: 3, Delay: 60 * ms, Rejected: true}, true, 3},
	} {
		flows := &chain{begins: []time.Duration{0, 10 * ms}, length: 1}
		config := steps(t, flows, &spy{service: 50 * ms})
		config.Functions[0].QueueLimit = 0
		config.Retry = c.retry
		o := run(t, config)
		require.Len(t, flows.ended, 2, situation)
		require.Equal(t, c.attempts, o.Account.Attempts, situation)
		last := flows.ended[0]
		if c.done {
			last = flows.ended[1]
		}
		require.Equal(t, c.done, last.Done, situation)
		require.Equal(t, des.Time(10*ms), last.Arrived, "%s: of the request, not of the attempt", situation)
		if !c.done {
			require.Zero(t, last.Service)
		}
	}
}

func TestTheRunWaitsForWhatIsOnItsWay(t *testing.T) {
	t.Parallel()
	// Both begin before the end of arrivals at 10 s; nothing is in the system while
	// the second step is on its way for 3 s.
	for drain, done := range map[time.Duration]int64{time.Hour: 4, 4 * time.Second: 2, 0: 0} {
		flows := &chain{begins: []time.Duration{9900 * ms, 9950 * ms, 10_001 * ms}, length: 2, way: 3 * time.Second}
		c := steps(t, flows, &spy{service: ms}, &spy{service: ms})
		c.Drain = drain
		o := run(t, c)
		require.Equal(t, done, o.Account.Done, "drain %v", drain)
		require.Len(t, flows.started, 2, "flows begin up to the horizon")
	}
}

func TestFunctionsServeFlowsAndCallersAlike(t *testing.T) {
	t.Parallel()
	flows := &chain{begins: []time.Duration{0}, length: 1}
	f := function("f", &spy{service: 10 * ms}, 0, 5)
	c := world(t, 1, f)
	c.Flows = flows
	o := run(t, c)
	require.Equal(t, int64(3), o.Account.Done)
	require.Len(t, flows.ended, 1, "what callers sent is not the flow's")
	_, ok := cluster.NoArrivals{}.Next()
	require.False(t, ok)
}
