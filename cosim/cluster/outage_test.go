package cluster_test

import (
	"math"
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

// pair is a cluster of two nodes with a function of two sandboxes, one on each,
// of which the first node comes and goes.
func pair(t *testing.T, r cluster.Reliability, service time.Duration, at ...int) cluster.Config {
	f := function("f", &spy{service: service, init: 10 * ms}, at...)
	f.Scaler = policy.Fixed{Sandboxes: 2}
	c := world(t, 1, f)
	c.Nodes[0].Reliability = r
	c.Nodes = append(c.Nodes, cluster.NodeConfig{Name: "node-1", Cores: 1, Platform: "p"})
	c.NewBalancer = clustertest.Balancer(t, "round-robin")
	return c
}

func TestANodeThatFailsLosesWhatItHas(t *testing.T) {
	t.Parallel()
	// Both nodes serve a call from 0 to 100; node-0 goes at 40, and nobody retries.
	o := run(t, pair(t, cluster.Reliability{FailAt: []time.Duration{40 * ms}, Repair: cluster.Unlimited}, 100*ms, 0, 0, 200))
	require.Equal(t, cluster.Account{Arrived: 3, Done: 2, Failed: 1, Attempts: 3}, o.Account)
	require.Equal(t, 40*ms, o.Wasted)
	require.Equal(t, int64(1), o.Ended)
	require.InDelta(t, (.04+.1+.1)/10, o.MeanBusyCores, 1e-9, "lost work is work")
	require.InDelta(t, (.04*2+9.96)/10, o.MeanCores, 1e-9)
}

func TestALostCallIsTriedAgain(t *testing.T) {
	t.Parallel()
	c := pair(t, cluster.Reliability{FailAt: []time.Duration{40 * ms}, Repair: cluster.Unlimited}, 100*ms, 0, 0)
	c.Retry = policy.FixedRetry{Attempts: 2, Delay: 5 * ms}
	o := run(t, c)
	require.Equal(t, cluster.Account{Arrived: 2, Done: 2, Attempts: 3, Retries: 1}, o.Account)
	require.Equal(t, 200*ms, o.All.Response.Max(), "it waits for the other node until 100, and the response counts from its arrival")
	require.Equal(t, 40*ms, o.Wasted)
}

func TestAttemptsAreCountedOut(t *testing.T) {
	t.Parallel()
	c := world(t, 1, function("f", &spy{service: 100 * ms}, 0))
	c.Nodes[0].Reliability = cluster.Reliability{FailAt: []time.Duration{10 * ms, 120 * ms, 230 * ms}, Repair: 50 * ms}
	c.Retry = policy.FixedRetry{Attempts: 3}
	require.Equal(t, cluster.Account{Arrived: 1, Failed: 1, Attempts: 3, Retries: 2}, run(t, c).Account)
	c = world(t, 1, function("f", &spy{service: 100 * ms}, 0))
	c.Nodes[0].Reliability = cluster.Reliability{FailAt: []time.Duration{10 * ms, 120 * ms, 230 * ms}, Repair: 50 * ms}
	c.Retry = policy.FixedRetry{Attempts: 4}
	o := run(t, c)
	require.Equal(t, cluster.Account{Arrived: 1, Done: 1, Attempts: 4, Retries: 3}, o.Account)
	// The node is back at 60, 170 and 280: 10, 60 and 60 ms are lost.
	require.Equal(t, 130*ms, o.Wasted)
	require.Equal(t, 380*ms, o.All.Response.Max())
}

func TestARejectedCallIsTriedAgain(t *testing.T) {
	t.Parallel()
	for rejected, want := range map[bool]cluster.Account{
		false: {Arrived: 2, Done: 1, Rejected: 1, Attempts: 2},
		true:  {Arrived: 2, Done: 2, Attempts: 4, Retries: 2},
	} {
		f := function("f", &spy{service: 100 * ms}, 0, 10)
		f.QueueLimit = 0
		c := world(t, 1, f)
		c.Retry = policy.FixedRetry{Attempts: 5, Delay: 50 * ms, Rejected: rejected}
		require.Equal(t, want, run(t, c).Account)
	}
}

func TestWithNoticeANodeFinishesWhatItHas(t *testing.T) {
	t.Parallel()
	// Notice at 10 of the end at 200: the call under way ends, later ones go to the
	// other node alone, and nothing is lost.
	c := pair(t, cluster.Reliability{FailAt: []time.Duration{200 * ms}, Notice: 190 * ms, Repair: cluster.Unlimited}, 100*ms, 0, 0, 110, 120)
	o := run(t, c)
	require.Equal(t, int64(4), o.Account.Done)
	require.Zero(t, o.Wasted)
	require.Equal(t, []int64{1, 3}, []int64{o.Nodes[0].Response.Count(), o.Nodes[1].Response.Count()})
}

func TestQueuedCallsLeaveANodeThatHasNotice(t *testing.T) {
	t.Parallel()
	c := pair(t, cluster.Reliability{FailAt: []time.Duration{time.Second}, Notice: 990 * ms, Repair: cluster.Unlimited}, 100*ms, 0, 0, 1, 1)
	c.Binding = cluster.BindEarly
	o := run(t, c)
	require.Equal(t, cluster.Account{Arrived: 4, Done: 4, Attempts: 4}, o.Account, "another sandbox is another place to wait, not another attempt")
	require.Equal(t, int64(1), o.Nodes[0].Response.Count())
}

func TestLostSandboxesAreReplaced(t *testing.T) {
	t.Parallel()
	c := pair(t, cluster.Reliability{FailAt: []time.Duration{40 * ms}, Repair: cluster.Unlimited}, 10*ms, 100, 100)
	c.Nodes[1].Cores = 2
	o := run(t, c)
	require.Equal(t, int64(1), o.Created)
	require.Zero(t, o.All.Waiting.Max(), "node-1 has two sandboxes")
}

func TestSandboxesWaitForARepair(t *testing.T) {
	t.Parallel()
	c := world(t, 1, function("f", &spy{service: 10 * ms, init: 5 * ms}, 100))
	c.Nodes[0].Reliability = cluster.Reliability{FailAt: []time.Duration{50 * ms}, Repair: 300 * ms}
	o := run(t, c)
	require.Equal(t, 255*ms, o.All.Waiting.Max(), "the node is back at 350, the sandbox at 355")
}

func TestACoreThatGoesPreempts(t *testing.T) {
	t.Parallel()
	for _, choice := range []cluster.CoreChoice{cluster.CoreLast, cluster.CoreLowest, cluster.CorePinned} {
		f := function("f", &spy{service: 100 * ms}, 0, 0)
		f.Scaler = policy.Fixed{Sandboxes: 2}
		c := world(t, 2, f)
		c.CoreChoice = choice
		c.Nodes[0].Schedule.Steps = []cluster.CoreStep{{For: 40 * ms, Cores: 2}, {For: time.Hour, Cores: 1}}
		o := run(t, c)
		// One goes on at 100 with what it has left, 60 ms.
		require.Equal(t, []time.Duration{100 * ms, 160 * ms}, []time.Duration{o.All.Response.Min(), o.All.Response.Max()}, choice)
		require.Equal(t, int64(1), o.Preempted)
		require.Zero(t, o.Wasted, "nothing is done twice")
		require.InDelta(t, .2/10, o.MeanBusyCores, 1e-9)
	}
}

func TestSharedCoresComeAndGo(t *testing.T) {
	t.Parallel()
	f := function("f", &spy{service: 100 * ms}, 0, 0)
	f.Scaler = policy.Fixed{Sandboxes: 2}
	c := world(t, 2, f)
	c.Discipline = cluster.ProcessorSharing
	c.Nodes[0].Schedule.Steps = []cluster.CoreStep{{For: 40 * ms, Cores: 2}, {For: 20 * ms, Cores: 0}, {For: time.Hour, Cores: 1}}
	o := run(t, c)
	// Both have 60 ms left at 40, nobody runs until 60, then both share one core.
	require.Equal(t, 180*ms, o.All.Response.Max())
	require.Equal(t, 180*ms, o.All.Response.Min())
	require.Equal(t, int64(2), o.Preempted)
}

func TestEveryoneWaitsWhileThereIsNoCore(t *testing.T) {
	t.Parallel()
	for _, choice := range []cluster.CoreChoice{cluster.CoreLast, cluster.CorePinned, cluster.CoreRandom} {
		f := function("f", &spy{service: 10 * ms}, 20, 20, 20, 20)
		f.Scaler = policy.Fixed{Sandboxes: 4}
		c := world(t, 4, f)
		c.CoreChoice = choice
		c.Nodes[0].Schedule.Steps = []cluster.CoreStep{{For: 10 * ms, Cores: 4}, {For: 90 * ms, Cores: 0}, {For: time.Hour, Cores: 2}}
		o := run(t, c)
		require.Equal(t, int64(4), o.Account.Done, choice)
		require.Equal(t, 100*ms, o.All.Response.Max(), "two at a time from 100 on, though %s", choice)
	}
}

// A drawn life has the hazard of its law at every age: the lives that reach an
// age end within the next step with 1 − S(age+step)/S(age).
func TestLivesHaveTheHazardOfTheirLaw(t *testing.T) {
	t.Parallel()
	const mean = 10 * time.Second
	c := world(t, 1, function("f", &spy{service: ms}, 1))
	c.Horizon = des.Time(200_000 * time.Second)
	law := &witnessed{Distribution: servicetime.Exponential{Expectation: mean}}
	c.Nodes[0].Reliability = cluster.Reliability{Lifetime: law, Repair: 0}
	o := run(t, c)
	require.InEpsilon(t, 20_000, o.Ended, 4/math.Sqrt(20_000), "a life of 10 s after the other, for 200 000 s")
	require.InDelta(t, float64(o.Ended), float64(len(law.lives)), 1.5, "drawn once per life")
	for age := time.Duration(0); age < 30*time.Second; age += 5 * time.Second {
		reached, end := 0., 0.
		for _, life := range law.lives {
			if life >= age {
				reached++
				if life < age+5*time.Second {
					end++
				}
			}
		}
		hazard := 1 - math.Exp(-.5)
		require.InDelta(t, hazard, end/reached, 4*math.Sqrt(hazard*(1-hazard)/reached), "at %v", age)
	}
}

// witnessed remembers what was drawn.
type witnessed struct {
	servicetime.Distribution
	lives []time.Duration
}

func (w *witnessed) Quantile(u float64) time.Duration {
	life := w.Distribution.Quantile(u)
	w.lives = append(w.lives, life)
	return life
}

func TestSlowCallsAreHedged(t *testing.T) {
	t.Parallel()
	// The first call takes 100 ms on node-0; its copy, sent at 30, takes 10.
	law := &sequence{times: []time.Duration{100 * ms, 10 * ms, 10 * ms}}
	f := function("f", law, 0, 200)
	f.Scaler = policy.Fixed{Sandboxes: 2}
	f.NewHedge = policy.FixedHedge{Delay: 30 * ms}.Hedge
	o := run(t, world(t, 2, f))
	require.Equal(t, cluster.Account{Arrived: 2, Done: 2, Attempts: 3, Hedges: 1}, o.Account)
	require.Equal(t, 40*ms, o.All.Response.Max())
	require.Equal(t, 40*ms, o.Wasted, "the first attempt is cancelled at 40")
	require.InDelta(t, (.04+.01+.01)/10, o.MeanBusyCores, 1e-9)
}

func TestACancelledCopyFreesItsPlace(t *testing.T) {
	t.Parallel()
	// Three sandboxes on one core: the second call waits there when its copy is
	// made, which waits too and is cancelled in the queue.
	law := &sequence{times: []time.Duration{50 * ms, 20 * ms, 20 * ms, 20 * ms}}
	f := function("f", law, 0, 1)
	f.Scaler = policy.Fixed{Sandboxes: 4}
	f.NewHedge = policy.FixedHedge{Delay: 10 * ms}.Hedge
	o := run(t, world(t, 1, f))
	require.Equal(t, int64(2), o.Account.Done)
	require.Equal(t, int64(2), o.Account.Hedges)
	require.Zero(t, o.Wasted, "no copy came to a core")
	require.Equal(t, 69*ms, o.All.Response.Max())
}

func TestACopySurvivesTheNodeOfTheOther(t *testing.T) {
	t.Parallel()
	f := function("f", &spy{service: 100 * ms}, 0)
	f.Scaler = policy.Fixed{Sandboxes: 2}
	f.NewHedge = policy.FixedHedge{Delay: 10 * ms}.Hedge
	c := world(t, 1, f)
	c.Nodes = append(c.Nodes, cluster.NodeConfig{Name: "node-1", Cores: 1, Platform: "p"})
	c.Nodes[0].Reliability = cluster.Reliability{FailAt: []time.Duration{50 * ms}, Repair: cluster.Unlimited}
	c.Nodes[1].Reliability = cluster.Reliability{FailAt: []time.Duration{500 * ms}, Repair: cluster.Unlimited}
	o := run(t, c)
	require.Equal(t, int64(1), o.Account.Done)
	require.Contains(t, []time.Duration{100 * ms, 110 * ms}, o.All.Response.Max())
	require.Zero(t, o.Account.Failed)
}

// sequence takes given times, call by call.
type sequence struct {
	spy
	times []time.Duration
}

func (s *sequence) Draw(state servicetime.State, u float64) (servicetime.Draw, error) {
	s.service = s.times[len(s.seen)]
	return s.spy.Draw(state, u)
}

func TestBadReliabilityIsNamed(t *testing.T) {
	t.Parallel()
	c := world(t, 2, function("f", &spy{service: ms}, 0))
	c.Nodes[0].Reliability = cluster.Reliability{Notice: -1, Schedule: cluster.CoreSchedule{Steps: []cluster.CoreStep{{For: 0, Cores: 1}, {For: ms, Cores: 3}}}}
	_, err := cluster.New(c)
	for _, want := range []string{"step 1", "step 2 of its core schedule has 3 of 2 cores", "must not be negative"} {
		require.ErrorContains(t, err, want)
	}
}

// Four sandboxes on two cores, two on each. At 40 core 1 goes: who was at work
// there has the next turn on core 0, before the one that has not begun.
func TestWhoHasBegunGoesFirstOnAnotherPinnedCore(t *testing.T) {
	t.Parallel()
	f := function("f", &sequence{times: []time.Duration{100 * ms, 70 * ms, 10 * ms, 10 * ms}}, 0, 0, 10, 10)
	f.Scaler = policy.Fixed{Sandboxes: 4}
	c := world(t, 2, f)
	c.CoreChoice, c.NewBalancer = cluster.CorePinned, clustertest.Balancer(t, "round-robin")
	c.Nodes[0].Schedule.Steps = []cluster.CoreStep{{For: 40 * ms, Cores: 2}, {For: time.Hour, Cores: 1}}
	o := run(t, c)
	require.Equal(t, int64(1), o.Preempted)
	require.InDelta(t, .100+.130+(.140-.010)+(.150-.010), o.All.Response.Sum(), 1e-9,
		"core 0 until 100, then the 30 ms that are left of the other, then the two that wait")
}

func TestACallThatFindsItsCoreGoneMovesWithItsSandbox(t *testing.T) {
	t.Parallel()
	f := function("f", &spy{service: 10 * ms}, 100, 100)
	f.Scaler = policy.Fixed{Sandboxes: 2}
	c := world(t, 2, f)
	c.CoreChoice = cluster.CorePinned
	c.Nodes[0].Schedule.Steps = []cluster.CoreStep{{For: 50 * ms, Cores: 2}, {For: time.Hour, Cores: 1}}
	o := run(t, c)
	require.Equal(t, []time.Duration{10 * ms, 20 * ms}, []time.Duration{o.All.Response.Min(), o.All.Response.Max()}, "both sandboxes keep core 0 now")
}

func TestAScheduleRepeatsAndBeginsAtItsOffset(t *testing.T) {
	t.Parallel()
	steps := []cluster.CoreStep{{For: 2 * time.Second, Cores: 4}, {For: time.Second, Cores: 1}, {For: time.Second, Cores: 0}}
	for offset, want := range map[time.Duration]float64{ // core seconds in 10 s; a turn is 4 s and has 9
		0:                       9 + 9 + 2*4,
		time.Second:             (4 + 1) + 9 + (2*4 + 1),
		2500 * time.Millisecond: .5*1 + 9 + 9 + .5*4,
		3 * time.Second:         0 + 9 + 9 + 4,
		4 * time.Second:         9 + 9 + 2*4,
	} {
		c := world(t, 4, function("f", &spy{service: ms}, 0))
		c.Nodes[0].Schedule = cluster.CoreSchedule{Steps: steps, Offset: offset}
		require.InDelta(t, want, run(t, c).MeanCores*10, 1e-9, "offset %v", offset)
	}
}

func TestALifeThatBeginsWithNoticeTakesNoWork(t *testing.T) {
	t.Parallel()
	// The node fails at 100 and at 200, known 60 ms ahead, and is back 20 ms after:
	// at 120 its end at 200 is not known yet, at 150 it would be.
	for repair, nodes := range map[time.Duration][]int64{20 * ms: {1, 1}, 50 * ms: {0, 2}} {
		f := function("f", &spy{service: 5 * ms}, 170, 172)
		f.Scaler = policy.Fixed{Sandboxes: 2}
		if repair == 20*ms {
			f.Arrivals = clustertest.At(125*ms, 127*ms)
		}
		c := world(t, 1, f)
		c.Placement = clustertest.Placement(t, "spread")
		c.Nodes = append(c.Nodes, cluster.NodeConfig{Name: "node-1", Cores: 1, Platform: "p", MemoryMiB: 100})
		c.Functions[0].MemoryMiB = 100
		c.Nodes[0].Reliability = cluster.Reliability{FailAt: []time.Duration{100 * ms, 200 * ms}, Notice: 60 * ms, Repair: repair}
		o := run(t, c)
		var served []int64
		for _, n := range o.Nodes {
			if n == nil {
				served = append(served, 0)
			} else {
				served = append(served, n.Response.Count())
			}
		}
		require.Equal(t, nodes, served, "back after %v", repair)
		require.Zero(t, o.Account.Failed)
	}
}

func TestANodeThatIsAwayCannotFail(t *testing.T) {
	t.Parallel()
	c := world(t, 1, function("f", &spy{service: 10 * ms}, 400))
	c.Nodes[0].Reliability = cluster.Reliability{FailAt: []time.Duration{100 * ms, 150 * ms, 199 * ms}, Repair: 100 * ms}
	o := run(t, c)
	require.Equal(t, int64(1), o.Ended)
	require.InDelta(t, 9.9/10, o.MeanCores, 1e-9)
}

// retryLog remembers what it was asked and tries again once.
type retryLog struct{ why []cluster.Loss }

func (r *retryLog) Again(attempt int, why cluster.Loss, _ *rand.Rand) (time.Duration, bool) {
	r.why = append(r.why, why)
	return -time.Second, attempt == 1
}

func TestARetryIsToldWhyAndWaitsNoNegativeTime(t *testing.T) {
	t.Parallel()
	log := &retryLog{}
	f := function("f", &spy{service: 100 * ms}, 0, 10, 20, 210)
	f.QueueLimit = 1
	c := world(t, 1, f)
	c.Retry = log
	c.Nodes[0].Reliability = cluster.Reliability{FailAt: []time.Duration{250 * ms}, Repair: 0}
	o := run(t, c)
	require.Equal(t, []cluster.Loss{cluster.LossRejected, cluster.LossRejected, cluster.LossNode}, log.why)
	require.Equal(t, cluster.Account{Arrived: 4, Done: 3, Rejected: 1, Attempts: 6, Retries: 2}, o.Account)
}

// A retry repeats the call: it has the same luck, and so the same service time.
func TestARetryKeepsTheLuckOfItsCall(t *testing.T) {
	t.Parallel()
	law := &lucky{}
	c := world(t, 1, function("f", law, 0))
	c.Nodes[0].Reliability = cluster.Reliability{FailAt: []time.Duration{50 * ms}, Repair: 0}
	c.Retry = policy.FixedRetry{Attempts: 2}
	run(t, c)
	require.Len(t, law.luck, 2)
	require.Equal(t, law.luck[0], law.luck[1])
	hedged := &lucky{}
	f := function("f", hedged, 0)
	f.Scaler, f.NewHedge = policy.Fixed{Sandboxes: 2}, policy.FixedHedge{Delay: 10 * ms}.Hedge
	run(t, world(t, 2, f))
	require.Len(t, hedged.luck, 2)
	require.NotEqual(t, hedged.luck[0], hedged.luck[1], "a hedge bets on luck of its own")
}

// lucky takes 100 ms and remembers the luck it was given.
type lucky struct{ luck []float64 }

func (l *lucky) Draw(_ servicetime.State, luck float64) (servicetime.Draw, error) {
	l.luck = append(l.luck, luck)
	return servicetime.Draw{Service: 100 * ms, Busy: 100 * ms}, nil
}

func (*lucky) Startup(float64, float64) (create, init time.Duration, err error) { return 0, 0, nil }

func TestBothCopiesAreLostWithTheirNode(t *testing.T) {
	t.Parallel()
	f := function("f", &spy{service: 100 * ms}, 0)
	f.Scaler, f.NewHedge = policy.Fixed{Sandboxes: 2}, policy.FixedHedge{Delay: 10 * ms}.Hedge
	c := world(t, 2, f)
	c.Nodes[0].Reliability = cluster.Reliability{FailAt: []time.Duration{50 * ms}, Repair: 0}
	require.Equal(t, cluster.Account{Arrived: 1, Failed: 1, Attempts: 2, Hedges: 1}, run(t, c).Account)
	f.Arrivals = clustertest.At(0)
	c = world(t, 2, f)
	c.Nodes[0].Reliability = cluster.Reliability{FailAt: []time.Duration{50 * ms}, Repair: 0}
	c.Retry = policy.FixedRetry{Attempts: 2}
	o := run(t, c)
	require.Equal(t, int64(1), o.Account.Done)
	require.Equal(t, int64(1), o.Account.Retries, "one request is tried again, not each copy of it")
	require.Equal(t, 40*ms+50*ms+90*ms, o.Wasted, "both copies until 50, and the second attempt's copy from 60 to 150")
}

func TestWhereNoOtherSandboxCanTakeItNothingIsHedged(t *testing.T) {
	t.Parallel()
	for situation, spoil := range map[string]func(*cluster.Config){
		"there is one only":   func(c *cluster.Config) { c.Functions[0].Scaler = policy.Fixed{Sandboxes: 1} },
		"the others are busy": func(c *cluster.Config) { c.Functions[0].Arrivals = clustertest.At(0, 0) },
		"the queues are full": func(c *cluster.Config) {
			c.Functions[0].Arrivals = clustertest.At(0, 0)
			c.Binding = cluster.BindEarly
			c.Functions[0].QueueLimit = 0
			c.NewBalancer = clustertest.Balancer(t, "least-loaded")
		},
		"the call waits for any": func(c *cluster.Config) { c.Functions[0].Scaler = policy.Fixed{}; c.Drain = 0 },
		"it has been answered":   func(c *cluster.Config) { c.Functions[0].Laws["p"] = &spy{service: 5 * ms} },
	} {
		f := function("f", &spy{service: 100 * ms}, 0)
		f.Scaler, f.NewHedge = policy.Fixed{Sandboxes: 2}, policy.FixedHedge{Delay: 10 * ms}.Hedge
		c := world(t, 2, f)
		spoil(&c)
		require.Zero(t, run(t, c).Account.Hedges, situation)
	}
}

func TestAHedgeThatWaitsInASandboxLeavesItsQueue(t *testing.T) {
	t.Parallel()
	// Early binding: the call at 1 waits behind that at 0 in sandbox 1 or 2; its copy
	// goes to the other one, whose call lasts longer, and leaves that queue at 70.
	f := function("f", &sequence{times: []time.Duration{60 * ms, 200 * ms, 10 * ms, 10 * ms, 10 * ms, 10 * ms, 10 * ms, 10 * ms}}, 0, 0, 1, 2)
	f.Scaler, f.NewHedge = policy.Fixed{Sandboxes: 2}, policy.FixedHedge{Delay: 20 * ms}.Hedge
	c := world(t, 2, f)
	c.Binding, c.NewBalancer = cluster.BindEarly, clustertest.Balancer(t, "round-robin")
	o := run(t, c)
	require.Equal(t, int64(4), o.Account.Done)
	require.Positive(t, o.Account.Hedges)
	require.LessOrEqual(t, o.All.Response.Max(), 200*ms, "nobody waits for the long call who has a copy elsewhere")
}

func TestANodeFailsAtTheBeginningAtTheEarliest(t *testing.T) {
	t.Parallel()
	c := world(t, 1, function("f", &spy{service: ms}, 0))
	c.Nodes[0].FailAt = []time.Duration{-1, 0}
	require.ErrorContains(t, c.Check(), "node node-0: it cannot fail at -1ns")
	c.Nodes[0].FailAt = []time.Duration{0}
	c.Nodes[0].Repair = 100 * ms
	require.Equal(t, int64(1), run(t, c).Ended)
}
