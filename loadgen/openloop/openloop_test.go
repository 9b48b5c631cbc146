package openloop_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/des"
	"microcosm/loadgen"
	"microcosm/loadgen/openloop"
)

const ms = time.Millisecond

// given is a stream of arrivals at given milliseconds.
type given []int

func (g *given) Next() (loadgen.Arrival, bool) {
	if len(*g) == 0 {
		return loadgen.Arrival{}, false
	}
	at := (*g)[0]
	*g = (*g)[1:]
	return loadgen.Arrival{At: des.Time(time.Duration(at) * ms)}, true
}

func planned(targetsAt ...[2]int) []openloop.Planned {
	var plan []openloop.Planned
	for _, p := range targetsAt {
		plan = append(plan, openloop.Planned{At: time.Duration(p[0]) * ms, Target: p[1]})
	}
	return plan
}

func TestPlan(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		streams []loadgen.Stream
		plan    []openloop.Planned
	}{
		"no stream":                            {},
		"streams without arrivals":             {streams: []loadgen.Stream{&given{}, &given{}}},
		"one stream":                           {streams: []loadgen.Stream{&given{1, 2}}, plan: planned([2]int{1, 0}, [2]int{2, 0})},
		"two streams that alternate":           {streams: []loadgen.Stream{&given{1, 5}, &given{3, 7}}, plan: planned([2]int{1, 0}, [2]int{3, 1}, [2]int{5, 0}, [2]int{7, 1})},
		"equal times, in order of the streams": {streams: []loadgen.Stream{&given{4, 4}, &given{4}}, plan: planned([2]int{4, 0}, [2]int{4, 0}, [2]int{4, 1})},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.plan, openloop.Plan(c.streams))
		})
	}
}

// TestWhatArrivesMeanwhileIsLate: the second call takes 50 ms, and the three that
// were planned meanwhile wait for it, each for what was left when it was due.
func TestWhatArrivesMeanwhileIsLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		plan := planned([2]int{0, 0}, [2]int{10, 0}, [2]int{20, 1}, [2]int{30, 0}, [2]int{55, 1}, [2]int{100, 0})
		takes := []time.Duration{5 * ms, 50 * ms, 5 * ms, 5 * ms, 5 * ms, 5 * ms}
		begin := time.Now()
		served, err := openloop.Drive(t.Context(), plan, 0, func(_ context.Context, i int) error {
			time.Sleep(takes[i])
			return nil
		})
		require.NoError(t, err)
		require.Equal(t, 105*ms, time.Since(begin))
		var responses, services []time.Duration
		for i, s := range served {
			require.Equal(t, plan[i], s.Planned)
			responses, services = append(responses, s.Response()), append(services, s.Service())
		}
		require.Equal(t, []time.Duration{5 * ms, 50 * ms, 45 * ms, 40 * ms, 20 * ms, 5 * ms}, responses)
		require.Equal(t, takes, services)
		require.Equal(t, make([]time.Duration, len(plan)), openloop.Lateness(served), "the driver itself was never late")
	})
}

// TestThePlanDoesNotWaitForReplies: as many calls in the same time, whatever
// they take.
func TestThePlanDoesNotWaitForReplies(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var plan []openloop.Planned
		for i := range 100 {
			plan = append(plan, openloop.Planned{At: time.Duration(i) * ms})
		}
		served, err := openloop.Drive(t.Context(), plan, 0, func(context.Context, int) error {
			time.Sleep(3 * ms)
			return nil
		})
		require.NoError(t, err)
		require.Len(t, served, 100)
		last := served[99]
		require.Equal(t, 300*ms-99*ms, last.Response(), "a queue of three times what the server can do grows")
		require.Equal(t, 297*ms, last.Began)
	})
}

func TestADriverThatIsLateSaysSo(t *testing.T) {
	t.Parallel()
	served := []openloop.Served{
		{Planned: openloop.Planned{At: 10 * ms}, Began: 12 * ms, Ended: 20 * ms},
		{Planned: openloop.Planned{At: 15 * ms}, Began: 21 * ms, Ended: 30 * ms},
		{Planned: openloop.Planned{At: 40 * ms}, Began: 40 * ms, Ended: 41 * ms},
	}
	require.Equal(t, []time.Duration{2 * ms, 1 * ms, 0}, openloop.Lateness(served))
}

func TestAFailureEndsTheRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken pipe")
		served, err := openloop.Drive(t.Context(), planned([2]int{1, 0}, [2]int{2, 0}, [2]int{3, 0}), 0, func(_ context.Context, i int) error {
			if i == 1 {
				return broken
			}
			return nil
		})
		require.ErrorIs(t, err, broken)
		require.EqualError(t, err, "call 1 of 3, planned at 2ms: broken pipe")
		require.Len(t, served, 1)
	})
}

func TestTheContextEndsTheRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		enough := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(25*ms, func() { cancel(enough) })
		begin := time.Now()
		served, err := openloop.Drive(ctx, planned([2]int{10, 0}, [2]int{20, 0}, [2]int{30, 0}), 0, func(context.Context, int) error { return nil })
		require.ErrorIs(t, err, enough)
		require.Len(t, served, 2)
		require.Equal(t, 25*ms, time.Since(begin), "while it waits for the next")
	})
}

// TestSpinningIsPunctual: with the real clock, no call is early.
func TestSpinningIsPunctual(t *testing.T) {
	t.Parallel()
	plan := planned([2]int{1, 0}, [2]int{2, 0}, [2]int{5, 0})
	for _, spin := range []time.Duration{0, 2 * ms, time.Second} {
		served, err := openloop.Drive(t.Context(), plan, spin, func(context.Context, int) error { return nil })
		require.NoError(t, err)
		require.Len(t, served, len(plan))
		for _, late := range openloop.Lateness(served) {
			require.GreaterOrEqual(t, late, time.Duration(0))
		}
		require.True(t, slices.IsSortedFunc(served, func(a, b openloop.Served) int { return int(a.Began - b.Began) }))
	}
}
