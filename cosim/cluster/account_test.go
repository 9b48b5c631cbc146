package cluster_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/cosim/cluster"
	"microcosm/cosim/des"
	"microcosm/cosim/policy"
	"microcosm/cosim/servicetime"
)

func drawnAccount(t *rapid.T) cluster.Account {
	n := func(name string) int64 { return rapid.Int64Range(0, 1000).Draw(t, name) }
	a := cluster.Account{Done: n("done"), Failed: n("failed"), Rejected: n("rejected"), Queued: n("queued"), Running: n("running"), Retries: n("retries"), Hedges: n("hedges")}
	a.Arrived = a.Done + a.Failed + a.Rejected + a.Queued + a.Running
	a.Attempts = a.Arrived + a.Retries + a.Hedges
	return a
}

// Balanced accounts stay balanced when they are added, and one that misses or
// invents a single request or attempt does not balance.
func TestAccountsBalanceToTheLastRequest(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawnAccount(t), drawnAccount(t)
		require.NoError(t, a.Balance())
		sum := a
		sum.Add(b)
		require.NoError(t, sum.Balance())
		require.Equal(t, a.Done+b.Done, sum.Done)
		require.Equal(t, a.Attempts+b.Attempts, sum.Attempts)
		wrong := sum
		entries := []*int64{&wrong.Done, &wrong.Failed, &wrong.Rejected, &wrong.Queued, &wrong.Running}
		*rapid.SampledFrom(entries).Draw(t, "entry") += rapid.SampledFrom([]int64{1, -1}).Draw(t, "by")
		require.ErrorContains(t, wrong.Balance(), "requests lost from the count")
		wrong = sum
		*rapid.SampledFrom([]*int64{&wrong.Attempts, &wrong.Retries, &wrong.Hedges}).Draw(t, "of attempts")++
		require.ErrorContains(t, wrong.Balance(), "attempts lost from the count")
	})
}

func TestAnOutcomeIsCheckedInAllAndByFunction(t *testing.T) {
	t.Parallel()
	sound := func() *cluster.Outcome {
		return run(t, world(t, 1, function("f", &spy{service: ms}, 0, 1), function("g", &spy{service: ms}, 5)))
	}
	require.NoError(t, sound().Check())
	for says, spoil := range map[string]func(o *cluster.Outcome){
		"2 arrived, but done 3":          func(o *cluster.Outcome) { o.Functions[0].Account.Done++ },
		"function g":                     func(o *cluster.Outcome) { o.Functions[1].Account.Queued++ },
		"the functions' accounts add up": func(o *cluster.Outcome) { o.Functions = o.Functions[:1] },
		"3 arrived":                      func(o *cluster.Outcome) { o.Account.Failed++ },
	} {
		o := sound()
		spoil(o)
		require.ErrorContains(t, o.Check(), says)
	}
}

func TestMergedTimesAreThoseOfBoth(t *testing.T) {
	t.Parallel()
	a := run(t, world(t, 1, function("f", &spy{service: 5 * ms}, 0, 1, 2)))
	b := run(t, world(t, 1, function("f", &spy{service: 7 * ms}, 0, 10)))
	var both cluster.Times
	both.Merge(&a.All)
	both.Merge(&b.All)
	require.Equal(t, int64(5), both.Response.Count())
	require.Equal(t, a.All.Response.Sum()+b.All.Response.Sum(), both.Response.Sum())
	require.InDelta(t, .029, both.Service.Sum(), 1e-12)
	require.InDelta(t, both.Response.Sum(), both.Waiting.Sum()+both.Service.Sum(), 1e-12, "response = waiting + service")
	require.Equal(t, 13*ms, both.Response.Max())
}

// A request of the warm-up counts for no rate, whenever it ends.
func TestARejectionBelongsToItsArrival(t *testing.T) {
	t.Parallel()
	f := function("f", &spy{service: 10 * time.Second}, 0, 900, 1100)
	f.QueueLimit = 0
	c := world(t, 1, f)
	c.WarmUp = des.Time(time.Second)
	c.Retry = policy.FixedRetry{Attempts: 2, Delay: 500 * ms, Rejected: true}
	o := run(t, c)
	require.Equal(t, int64(2), o.Account.Rejected, "at 1400 and 1600")
	require.Equal(t, int64(1), o.Admissions)
	require.Equal(t, int64(1), o.Rejections, "the one that arrived at 1100")
}

func TestMinorFunctionsShareOneRecord(t *testing.T) {
	t.Parallel()
	big, small, tiny := function("big", &spy{service: ms}, 0, 10), function("small", &spy{service: 2 * ms}, 20), function("tiny", &spy{service: 3 * ms}, 30, 40)
	small.Minor, tiny.Minor = true, true
	o := run(t, world(t, 1, big, small, tiny))
	require.Len(t, o.Functions, 2)
	rest := o.Functions[1]
	require.Equal(t, cluster.RestName, rest.Name)
	require.Equal(t, []int{1, 2}, []int{o.Functions[0].Members, rest.Members})
	require.Equal(t, int64(3), rest.Account.Done)
	require.InDelta(t, .008, rest.Times.Service.Sum(), 1e-12)
}

func TestMarginalsAreLeftOutWhereNotWanted(t *testing.T) {
	t.Parallel()
	c := world(t, 1, function("f", &spy{service: ms}, 0, 10, 20))
	c.NoNodes, c.NoClasses = true, true
	o := run(t, c)
	require.Nil(t, o.Nodes[0])
	require.Equal(t, [cluster.Classes]*cluster.Times{}, o.Classes)
	require.Nil(t, o.Sections)
	require.Equal(t, [cluster.Classes]int64{cluster.ClassFlush: 1, cluster.ClassWarm: 2}, o.Functions[0].Classes, "counted all the same")
	c = world(t, 1, function("f", &spy{service: ms}, 0, 10, 20))
	c.Sections = true
	o = run(t, c)
	require.NotNil(t, o.Sections)
	require.Equal(t, int64(3), o.Nodes[0].Response.Count())
	require.Equal(t, int64(2), o.Classes[cluster.ClassWarm].Response.Count())
	require.Equal(t, 3, int(o.Series.Count()))
}

// between is a law whose answers lie between measured conditions.
type between struct{ spy }

func (b *between) Draw(s servicetime.State, u float64) (servicetime.Draw, error) {
	d, err := b.spy.Draw(s, u)
	d.Interpolated = s.K > 0
	return d, err
}

func TestInterpolatedServiceTimesAreCounted(t *testing.T) {
	t.Parallel()
	o := run(t, world(t, 1, function("f", &between{spy{service: ms}}, 0, 10, 20), function("g", &spy{service: ms}, 5)))
	require.Equal(t, int64(1), o.Interpolated, "k = 1 at 10 ms")
}

// refusing fails to start a sandbox, as a law does whose stages were not sampled.
type refusing struct{ spy }

var errNoStage = errors.New("no stage")

func (*refusing) Startup(float64, float64) (create, init time.Duration, err error) {
	return 0, 0, errNoStage
}

func TestWhatNobodyKnowsEndsTheRun(t *testing.T) {
	t.Parallel()
	stopped := errors.New("interrupted")
	for situation, c := range map[string]struct {
		config func(*cluster.Config)
		want   error
	}{
		"how long a start takes": {func(c *cluster.Config) {
			c.Functions[0].Laws["p"] = &refusing{spy{service: ms}}
			c.Functions[0].Scaler = policy.FollowConcurrency{Max: 1}
		}, errNoStage},
		"how long a call takes": {func(c *cluster.Config) { c.Functions[0].Laws["p"] = &notSampled{} }, servicetime.ErrNotSampled},
		"that it is to stop": {func(c *cluster.Config) {
			many := make([]int, 1<<14)
			c.Functions[0] = function("f", &spy{service: ms}, many...)
			c.Functions[0].Concurrency, c.Functions[0].Scaler = 1, policy.Fixed{Sandboxes: 1}
			c.Stop = func() error { return stopped }
		}, stopped},
	} {
		config := world(t, 1, function("f", &spy{service: ms}, 0))
		c.config(&config)
		m, err := cluster.New(config)
		require.NoError(t, err)
		o, err := m.Run()
		require.ErrorIs(t, err, c.want, situation)
		require.Nil(t, o, situation)
	}
}

func TestTheDrainEndsWhenItsTimeIsOver(t *testing.T) {
	t.Parallel()
	for drain, want := range map[time.Duration]cluster.Account{
		0:                {Arrived: 3, Running: 1, Queued: 2, Attempts: 3},
		3 * time.Second:  {Arrived: 3, Done: 1, Running: 1, Queued: 1, Attempts: 3},
		time.Hour:        {Arrived: 3, Done: 3, Attempts: 3},
		10 * time.Second: {Arrived: 3, Done: 2, Running: 1, Attempts: 3},
	} {
		c := world(t, 1, function("f", &spy{service: 5 * time.Second}, 7000, 7000, 7000))
		c.Drain = drain
		o := run(t, c)
		require.Equal(t, want, o.Account, "%v after the end of arrivals at 10 s", drain)
		require.InDelta(t, .3, o.MeanBusyCores, 1e-12, "observed until the end of arrivals, whatever the drain")
	}
}

func TestNothingArrivesAfterTheHorizon(t *testing.T) {
	t.Parallel()
	o := run(t, world(t, 1, function("f", &spy{service: ms}, 0, 10_000, 10_001, 20_000)))
	require.Equal(t, int64(2), o.Account.Arrived, "at the horizon itself, still")
	require.Equal(t, des.Time(10_001*ms), o.End)
}
