package des_test

import (
	"slices"
	"sort"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/cosim/des"
)

func TestEventsLeaveByTimeThenSequence(t *testing.T) {
	t.Parallel()
	var q des.Queue[string]
	q.Schedule(20, "c")
	q.Schedule(10, "a")
	q.Schedule(20, "d")
	q.Schedule(10, "b")
	var got []string
	for {
		p, ok := q.Pop()
		if !ok {
			break
		}
		got = append(got, p)
	}
	require.Equal(t, []string{"a", "b", "c", "d"}, got)
	require.Equal(t, des.Time(20), q.Now())
}

func TestCancel(t *testing.T) {
	t.Parallel()
	var q des.Queue[int]
	first := q.Schedule(5, 1)
	q.Schedule(6, 2)
	require.True(t, q.Cancel(first), "pending")
	require.False(t, q.Cancel(first), "already cancelled")
	require.Equal(t, 1, q.Len())
	require.Equal(t, des.Time(6), q.Peek())

	second := q.Schedule(7, 3) // may reuse the slot of first
	require.False(t, q.Cancel(first), "a stale timer never touches its slot's next owner")
	p, _ := q.Pop()
	require.Equal(t, 2, p)
	p, _ = q.Pop()
	require.Equal(t, 3, p)
	require.False(t, q.Cancel(second), "already happened")
	require.False(t, q.Cancel(des.Timer{}), "the zero timer names nothing")
	_, ok := q.Pop()
	require.False(t, ok)
	require.Equal(t, des.End, q.Peek())
}

func TestThePastIsClosed(t *testing.T) {
	t.Parallel()
	var q des.Queue[int]
	q.Schedule(10, 0)
	q.Pop()
	require.Panics(t, func() { q.Schedule(9, 0) })
	q.Schedule(20, 0)
	require.Panics(t, func() { q.Advance(21) }, "over a pending event")
	require.Panics(t, func() { q.Advance(9) }, "into the past")
	q.Advance(20)
	require.Equal(t, des.Time(20), q.Now())
}

func TestTimeSaturates(t *testing.T) {
	t.Parallel()
	require.Equal(t, des.End, (des.End - 5).Add(time.Hour))
	require.Equal(t, des.Time(3), des.Time(5).Add(-2))
	require.Equal(t, 2*time.Nanosecond, des.Time(5).Sub(3))
	require.Equal(t, "1m30s", des.Time(90e9).String())
}

// drawnDelay is as likely some instants as some centuries: every level of the wheel is
// turned, and there are ties on each.
func drawnDelay(t *rapid.T) time.Duration {
	return time.Duration(rapid.IntRange(0, 50).Draw(t, "delay")) << rapid.SampledFrom([]int{0, 0, 5, 12, 23, 34, 45, 57}).Draw(t, "scale")
}

// The queue against a sorted slice: any mix of schedule, emit, cancel and pop.
func TestQueueBehavesLikeASortedList(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		type event struct {
			at    des.Time
			id    int
			timer des.Timer
		}
		var q des.Queue[int]
		var model []event
		sources := make([]des.Source, rapid.IntRange(0, 20).Draw(t, "sources"))
		for i := range sources {
			sources[i] = q.NewSource(-1 - i)
		}
		pending := func(id int) bool { return slices.ContainsFunc(model, func(e event) bool { return e.id == id }) }
		next := 0
		for range rapid.IntRange(1, 400).Draw(t, "steps") {
			switch op := rapid.IntRange(0, 9).Draw(t, "op"); {
			case op < 3:
				at := q.Now().Add(drawnDelay(t))
				model = append(model, event{at: at, id: next, timer: q.Schedule(at, next)})
				next++
			case op < 6 && len(sources) > 0:
				i := rapid.IntRange(0, len(sources)-1).Draw(t, "source")
				at := q.Now().Add(drawnDelay(t))
				if pending(-1 - i) {
					require.Panics(t, func() { q.Emit(sources[i], at) }, "one at a time")
					break
				}
				q.Emit(sources[i], at)
				model = append(model, event{at: at, id: -1 - i})
			case op < 7 && len(model) > 0:
				i := rapid.IntRange(0, len(model)-1).Draw(t, "victim")
				cancellable := model[i].timer != des.Timer{}
				require.Equal(t, cancellable, q.Cancel(model[i].timer))
				if cancellable {
					model = append(model[:i], model[i+1:]...)
				}
			case op < 8:
				sort.SliceStable(model, func(i, j int) bool { return model[i].at < model[j].at })
				first := des.End
				if len(model) > 0 {
					first = model[0].at
				}
				require.Equal(t, first, q.Peek())
			default:
				sort.SliceStable(model, func(i, j int) bool { return model[i].at < model[j].at })
				last := q.Now().Add(drawnDelay(t))
				id, ok := q.PopBy(last)
				require.Equal(t, len(model) > 0 && model[0].at <= last, ok)
				if ok {
					require.Equal(t, model[0].id, id)
					require.Equal(t, model[0].at, q.Now())
					model = model[1:]
				}
			}
			require.Equal(t, len(model), q.Len())
		}
	})
}

func TestManyCancelsAreSweptAndAllocateNothing(t *testing.T) {
	var q des.Queue[int]
	source := q.NewSource(-1)
	churn := func() {
		for i := range 1000 {
			q.Cancel(q.Schedule(q.Now()+1000, i))
		}
		for i := range 100 {
			q.Schedule(q.Now()+des.Time(i), i)
		}
		for q.Len() > 1 {
			if p, _ := q.Pop(); p < 0 {
				q.Emit(source, q.Now()+7)
			}
		}
	}
	q.Emit(source, 0)
	churn()
	require.Zero(t, testing.AllocsPerRun(20, churn), "steady state allocates")
	require.Equal(t, 1, q.Len(), "the source goes on")
}

// BenchmarkHold is the classic hold model: pop the next event, schedule one at
// a random distance, with 1e4 events pending.
func BenchmarkHold(b *testing.B) {
	var q des.Queue[[2]int32]
	x := uint64(88172645463325252)
	random := func() des.Time { // xorshift: cheap, so that the queue is what is timed
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		return des.Time(x % 1e6)
	}
	for range 10_000 {
		q.Schedule(random(), [2]int32{})
	}
	b.ReportAllocs()
	for b.Loop() {
		p, _ := q.Pop()
		q.Schedule(q.Now()+random(), p)
	}
}
