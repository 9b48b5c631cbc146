package reality

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/metrics"
	"microcosm/loadgen/openloop"
)

func call(at, began, ended, target int) openloop.Served {
	const ms = time.Millisecond
	return openloop.Served{Planned: openloop.Planned{At: time.Duration(at) * ms, Target: target}, Began: time.Duration(began) * ms, Ended: time.Duration(ended) * ms}
}

func TestWhatIsObserved(t *testing.T) {
	t.Parallel()
	c := Check{Functions: []string{"a", "b"}, Duration: 100 * time.Millisecond}
	o := observe(c, []Round{{Planned: 5, Machine: Machine{Steal: .25, Took: time.Second}, Served: []openloop.Served{
		call(5, 5, 15, 0),   // within the warm-up of 10 ms, but busy beyond it
		call(20, 20, 30, 0), // warm, finds the core idle
		call(25, 30, 40, 1), // its first call: new to the core
		call(50, 52, 60, 0), // after one of another; the client is late by 2 ms
		call(95, 95, 120, 1),
	}}, {Planned: 1, Served: []openloop.Served{call(50, 50, 51, 1)}}})
	require.Equal(t, 6, o.planned)
	require.Equal(t, 6, o.served)
	require.Equal(t, 5, o.recorded)
	require.Equal(t, int64(4), o.response.rounds[0].Count())
	require.Equal(t, 25*time.Millisecond, o.response.rounds[0].Max().Round(time.Millisecond))
	require.Equal(t, int64(1), o.another.count(), "the call of b that came while a was served")
	require.Equal(t, int64(4), o.idle.count())
	shares := map[string]int64{}
	for _, s := range o.classes {
		shares[s.name] = s.count()
	}
	require.Equal(t, map[string]int64{"warm": 1, "flush": 2, "lukewarm 1": 2}, shares)
	require.InDelta(t, (5+10+10+8+5)/90., o.utilization[0], 1e-9, "from the warm-up to the end, no more")
	require.InDelta(t, 1/90., o.utilization[1], 1e-9)
	require.Equal(t, 2*time.Millisecond, o.late[5])
	require.InDelta(t, .125, o.machine.Steal, 1e-12, "mean of the rounds")
	require.Equal(t, time.Second, o.machine.Took)
}

func TestTheErrorOfAPrediction(t *testing.T) {
	t.Parallel()
	estimate := func(est, lo, hi float64) metrics.Estimate {
		return metrics.Estimate{Est: est, Lo: lo, Hi: hi, Status: metrics.StatusOK}
	}
	for name, c := range map[string]struct {
		predicted, measured metrics.Estimate
		est, lo, hi         float64
	}{
		"no uncertainty":             {estimate(11, 11, 11), estimate(10, 10, 10), .1, .1, .1},
		"of the prediction only":     {estimate(10, 9, 12), estimate(10, 10, 10), 0, -.1, .2},
		"of the measurement only":    {estimate(10, 10, 10), estimate(10, 8, 11), 0, -.1, .2},
		"of both, on the wrong side": {estimate(12, 9, 12), estimate(10, 10, 14), .2, .2 - 1.2*math.Hypot(.25, .4), .2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := relative(c.predicted, c.measured)
			require.True(t, e.OK())
			require.InDelta(t, c.est, e.Est, 1e-12)
			require.InDelta(t, c.lo, e.Lo, 1e-12)
			require.InDelta(t, c.hi, e.Hi, 1e-12)
		})
	}
	e := relative(estimate(1, 1, 1), metrics.NotEstimable(2, 3, "", "too few"))
	require.False(t, e.OK())
	require.Equal(t, "too few", e.Note)
	require.InDelta(t, -.5, e.Est, 1e-12)
}

func TestABusyMachineIsNamedByItsReasons(t *testing.T) {
	t.Parallel()
	quiet := Level{After: After{Idle: metrics.Estimate{Est: 1e-3}}, Machine: Machine{Functions: .5, Waited: .1, Others: .01}, Late: Late{P99: 5e-6}}
	require.Empty(t, busy(quiet))
	for reason, change := range map[string]func(*Level){
		"the hypervisor took 2.0 %":               func(l *Level) { l.Machine.Steal = .02 },
		"others used 30 % of the functions' core": func(l *Level) { l.Machine.Others = .3 },
		"others used 80 % of a core beside":       func(l *Level) { l.Machine.Elsewhere = .8 },
		"did not run for 80 %":                    func(l *Level) { l.Machine.Waited = .4 },
		"made more than 300µs after they could":   func(l *Level) { l.Late.P99 = 3e-4 },
	} {
		l := quiet
		change(&l)
		require.Len(t, busy(l), 1)
		require.Contains(t, busy(l)[0], reason)
	}
}
