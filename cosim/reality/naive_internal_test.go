package reality

import (
	"encoding/json"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/cosim/experiment"
	"microcosm/cosim/metrics"
	"microcosm/loadgen/openloop"
)

// load draws the calls of one round as a core serves them, one at a time, each at
// or after its planned time, with a client that may be late.
func load(t *rapid.T, functions int) []openloop.Served {
	var list []openloop.Served
	at, free := time.Duration(0), time.Duration(0)
	for range rapid.IntRange(0, 60).Draw(t, "calls") {
		at += time.Duration(rapid.IntRange(0, 4000).Draw(t, "gap")) * time.Microsecond
		s := openloop.Served{Planned: openloop.Planned{At: at, Target: rapid.IntRange(0, functions-1).Draw(t, "target")}}
		s.Began = max(at, free) + time.Duration(rapid.IntRange(0, 50).Draw(t, "late"))*time.Microsecond
		s.Ended = s.Began + time.Duration(rapid.IntRange(1, 5000).Draw(t, "service"))*time.Microsecond
		free = s.Ended
		list = append(list, s)
	}
	return list
}

// naive is what one round shows, worked out call by call from the list alone.
type naive struct {
	response, service, idle, another, late []time.Duration
	classes                                map[string][]time.Duration
	busy                                   time.Duration
}

func naively(c Check, calls []openloop.Served) naive {
	n := naive{classes: map[string][]time.Duration{}}
	from := c.Duration / 10
	for i, s := range calls {
		for us := s.Began; us < s.Ended; us += time.Microsecond { // the core, microsecond by microsecond
			if us >= from && us < c.Duration {
				n.busy += time.Microsecond
			}
		}
		before := time.Duration(0)
		if i > 0 {
			before = calls[i-1].Ended
		}
		n.late = append(n.late, s.Began-max(before, s.At))
		if s.At < from {
			continue
		}
		n.response, n.service = append(n.response, s.Ended-s.At), append(n.service, s.Ended-s.Began)
		if before > s.At {
			n.another = append(n.another, s.Ended-s.Began)
		} else {
			n.idle = append(n.idle, s.Ended-s.Began)
		}
		between := -1 // calls since the same function's last one; none, if this is its first
		for back := i - 1; back >= 0; back-- {
			if calls[back].Target == s.Target {
				between = i - 1 - back
				break
			}
		}
		class := "flush"
		if between == 0 {
			class = "warm"
		} else if between > 0 {
			class = modelClass(int64(between), false)
		}
		n.classes[class] = append(n.classes[class], s.Ended-s.Began)
	}
	return n
}

func requireHistogram(t *rapid.T, want []time.Duration, got *metrics.Histogram, what string) {
	h := &metrics.Histogram{}
	for _, d := range want {
		h.Record(d)
	}
	require.True(t, h.Equal(got), "%s: %d calls, want %d", what, got.Count(), h.Count())
}

// TestObservedAgainstACallByCallCount: every number of every round.
func TestObservedAgainstACallByCallCount(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := Check{Functions: []string{"a", "b", "c"}[:rapid.IntRange(1, 3).Draw(t, "functions")], Duration: 100 * time.Millisecond}
		var rounds []Round
		var wants []naive
		for range rapid.IntRange(1, 3).Draw(t, "rounds") {
			calls := load(t, len(c.Functions))
			rounds = append(rounds, Round{Planned: len(calls) + 1, Served: calls})
			wants = append(wants, naively(c, calls))
		}
		o := observe(c, rounds)
		recorded, served := 0, 0
		var late []time.Duration
		classes := map[string]int64{}
		for i, want := range wants {
			requireHistogram(t, want.response, o.response.rounds[i], "response")
			requireHistogram(t, want.service, o.service.rounds[i], "service")
			requireHistogram(t, want.idle, o.idle.rounds[i], "after none")
			requireHistogram(t, want.another, o.another.rounds[i], "after another")
			for _, class := range o.classes {
				requireHistogram(t, want.classes[class.name], class.rounds[i], class.name)
			}
			for name, calls := range want.classes {
				classes[name] += int64(len(calls))
			}
			require.InDelta(t, want.busy.Seconds()/.09, o.utilization[i], 1e-9)
			recorded, served, late = recorded+len(want.response), served+len(rounds[i].Served), append(late, want.late...)
		}
		slices.Sort(late)
		require.Equal(t, []int{served + len(rounds), served, recorded}, []int{o.planned, o.served, o.recorded})
		require.Equal(t, late, append([]time.Duration(nil), o.late...))
		for _, class := range o.classes {
			require.Equal(t, classes[class.name], class.count(), class.name)
			delete(classes, class.name)
		}
		require.Empty(t, classes, "no class is left out")
	})
}

// TestAQuantileOfLatenessIsAnOrderStatistic: the least time that so large a share
// of the calls did not exceed.
func TestAQuantileOfLatenessIsAnOrderStatistic(t *testing.T) {
	t.Parallel()
	require.Zero(t, quantile(nil, .5), "nobody was late who made no call")
	rapid.Check(t, func(t *rapid.T) {
		var sorted []time.Duration
		for _, ms := range rapid.SliceOfN(rapid.IntRange(0, 20), 1, 250).Draw(t, "ms") {
			sorted = append(sorted, time.Duration(ms)*time.Millisecond)
		}
		slices.Sort(sorted)
		for _, percent := range []int{1, 50, 99, 100} {
			got := quantile(sorted, float64(percent)/100)
			within := func(limit float64) (n int) {
				for _, d := range sorted {
					if d.Seconds() <= limit {
						n++
					}
				}
				return n
			}
			require.GreaterOrEqual(t, 100*within(got), percent*len(sorted), "%d %%", percent)
			require.Less(t, 100*within(math.Nextafter(got, -1)), percent*len(sorted), "%d %%: and no less does", percent)
		}
	})
}

// TestTheMachinesUseIsTheMeanOfItsRounds: but for the time that they took, which
// adds up.
func TestTheMachinesUseIsTheMeanOfItsRounds(t *testing.T) {
	t.Parallel()
	one := Machine{time.Second, .1, .2, .3, .4, .5, .6, .7}
	two := Machine{2 * time.Second, .3, .4, .5, .6, .7, .8, .9}
	var got Machine
	got.add(one, .5)
	got.add(two, .5)
	for i, pair := range [][2]float64{
		{.2, got.Functions}, {.3, got.Others}, {.4, got.Elsewhere}, {.5, got.Steal}, {.6, got.Waited}, {.7, got.ClientWait}, {.8, got.LoadAverage},
	} {
		require.InDelta(t, pair[0], pair[1], 1e-12, "number %d", i)
	}
	require.Equal(t, 3*time.Second, got.Took)
}

// TestAMachineIsBusyBeyondItsBounds: at a bound it still is quiet, and several
// reasons are told together, in one order.
func TestAMachineIsBusyBeyondItsBounds(t *testing.T) {
	t.Parallel()
	l := Level{After: After{Idle: metrics.Estimate{Est: 1}}, Machine: Machine{Functions: .5, Waited: .25, Others: .05, Elsewhere: .05, Steal: .01}, Late: Late{P99: .1}}
	require.Empty(t, busy(l))
	l.Machine.Steal, l.Machine.Others, l.Machine.Elsewhere, l.Machine.Waited, l.Late.P99 = .0101, .0501, .0501, .2501, .1001
	require.Equal(t, []string{
		"the hypervisor took 1.0 % of the time of its cores",
		"others used 5 % of the functions' core",
		"others used 5 % of a core beside the client",
		"the functions' threads were ready and did not run for 50 % of their CPU time",
		"the client was late: 1 % of the calls were made more than 100.1ms after they could be",
	}, busy(l))
	idle := Level{Machine: Machine{Waited: 0}}
	require.Empty(t, busy(idle), "nothing ran, and nothing waited")
	require.NotNil(t, busy(idle), "an empty list in JSON")
}

// estimates draws an estimate that stands, around some value above 0.
var estimates = rapid.Custom(func(t *rapid.T) metrics.Estimate {
	est := rapid.Float64Range(.1, 10).Draw(t, "est")
	return metrics.Estimate{
		Est: est, Lo: est * rapid.Float64Range(.2, 1).Draw(t, "lo"), Hi: est * rapid.Float64Range(1, 3).Draw(t, "hi"),
		N: 7, Status: metrics.StatusOK,
	}
})

// TestAnErrorHasNoUnit: scaling both worlds changes nothing; the interval holds the
// estimate, is at least as wide as what either part alone gives, and as wide as
// both together at most.
func TestAnErrorHasNoUnit(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p, m := estimates.Draw(t, "predicted"), estimates.Draw(t, "measured")
		e := relative(p, m)
		require.True(t, e.OK())
		require.InDelta(t, p.Est/m.Est, 1+e.Est, 1e-12)
		require.True(t, e.Covers(e.Est))
		require.Equal(t, m.N, e.N)
		c := rapid.Float64Range(.001, 1000).Draw(t, "unit")
		scaled := relative(p.Scale(c), m.Scale(c))
		for i, pair := range [][2]float64{{e.Est, scaled.Est}, {e.Lo, scaled.Lo}, {e.Hi, scaled.Hi}} {
			require.InDelta(t, pair[0], pair[1], 1e-9*(1+math.Abs(pair[0])), "number %d", i)
		}
		exact := func(x metrics.Estimate) metrics.Estimate {
			x.Lo, x.Hi = x.Est, x.Est
			return x
		}
		ofP, ofM := relative(p, exact(m)), relative(exact(p), m)
		require.InDelta(t, p.Lo/m.Est-1, ofP.Lo, 1e-9)
		require.InDelta(t, p.Hi/m.Est-1, ofP.Hi, 1e-9)
		require.LessOrEqual(t, e.Lo, min(ofP.Lo, ofM.Lo)+1e-9)
		require.GreaterOrEqual(t, e.Hi, max(ofP.Hi, ofM.Hi)-1e-9)
		require.GreaterOrEqual(t, e.Lo, ofP.Lo+ofM.Lo-e.Est-1e-9)
		require.LessOrEqual(t, e.Hi, ofP.Hi+ofM.Hi-e.Est+1e-9)
	})
}

// TestTheReasonThatThereIsNoErrorIsTold: the prediction's goes first; and whatever
// is missing, the report is JSON.
func TestTheReasonThatThereIsNoErrorIsTold(t *testing.T) {
	t.Parallel()
	stands := metrics.Estimate{Est: 2, Lo: 1, Hi: 3, Status: metrics.StatusOK}
	unstable, few := metrics.Unstable(5, metrics.MethodSectioning, "offered load 1.2"), metrics.NotEstimable(4, 3, metrics.MethodSectioning, "too few")
	for _, c := range []struct {
		predicted, measured metrics.Estimate
		note                string
		est                 float64
	}{
		{unstable, stands, "offered load 1.2", math.NaN()},
		{unstable, few, "offered load 1.2", math.NaN()},
		{stands, few, "too few", -.5},
		{few, stands, "too few", 1},
	} {
		e := relative(c.predicted, c.measured)
		require.Equal(t, metrics.StatusNotEstimable, e.Status)
		require.Equal(t, c.note, e.Note)
		if math.IsNaN(c.est) {
			require.True(t, math.IsNaN(e.Est))
		} else {
			require.InDelta(t, c.est, e.Est, 1e-12)
		}
	}
	level := compare(&experiment.Run{}, observe(Check{Functions: []string{"a"}, Duration: time.Second}, nil))
	require.Len(t, level.Numbers, 8)
	text, err := json.Marshal(level)
	require.NoError(t, err)
	require.NotContains(t, string(text), "NaN")
	require.Contains(t, string(text), `"conditions":[]`)
}
