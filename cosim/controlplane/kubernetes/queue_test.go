package kubernetes_test

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/cosim/controlplane/kubernetes"
	"microcosm/cosim/servicetime"
)

// waitingRoom is the scheduling queue of a cluster with so many places, as
// kubernetes.io tells it, walked through event by event with plain lists: pods to be
// tried by the time they came or failed last, pods that back off, and pods that wait
// for a change.
type waitingRoom struct {
	places   int
	backoffs func(attempts int) time.Duration
	longest  time.Duration // unschedulable

	arrivals []visitor // by time
	present  []visitor // have a place; by the time they go

	active, backing, stuck []visitor
	sequence               int
	attempts               int
	left                   []note
}

type visitor struct {
	name     string
	comes    time.Duration
	stays    time.Duration
	goes     time.Duration
	key      time.Duration // came, or failed last
	over     time.Duration // the backoff
	attempts int
	sequence int
}

// to puts a visitor into a list.
func (w *waitingRoom) to(list *[]visitor, v visitor) {
	w.sequence++
	v.sequence = w.sequence
	*list = append(*list, v)
}

// again has a visitor tried now, or after his backoff.
func (w *waitingRoom) again(v visitor, now time.Duration) {
	v.over = v.key + w.backoffs(v.attempts)
	if v.over <= now {
		w.to(&w.active, v)
	} else {
		w.to(&w.backing, v)
	}
}

func up(at, period time.Duration) time.Duration { return (at + period - 1) / period * period }

const never = time.Duration(1<<63 - 1)

// next returns the instant of the next event.
func (w *waitingRoom) next() time.Duration {
	at := never
	if len(w.arrivals) > 0 {
		at = w.arrivals[0].comes
	}
	if len(w.present) > 0 {
		at = min(at, w.present[0].goes)
	}
	for _, v := range w.backing {
		at = min(at, up(v.over, sec))
	}
	for _, v := range w.stuck {
		at = min(at, up(v.key+w.longest, 30*sec))
	}
	return at
}

// run walks through all events up to the end.
func (w *waitingRoom) run(end time.Duration) {
	for now := w.next(); now <= end; now = w.next() {
		for len(w.present) > 0 && w.present[0].goes == now {
			w.left = append(w.left, note{w.present[0].name, "n0", now})
			w.present = w.present[1:]
			moved := w.stuck
			w.stuck = nil
			for _, v := range moved {
				w.again(v, now)
			}
		}
		if len(w.arrivals) > 0 && w.arrivals[0].comes == now {
			v := w.arrivals[0]
			w.arrivals = w.arrivals[1:]
			v.key = now
			w.to(&w.active, v)
		}
		if now%sec == 0 {
			w.flush(now)
		}
		if now%(30*sec) == 0 {
			moved := w.stuck
			w.stuck = nil
			for _, v := range moved {
				if v.key+w.longest <= now {
					w.again(v, now)
				} else {
					w.stuck = append(w.stuck, v)
				}
			}
		}
		w.schedule(now)
	}
}

func (w *waitingRoom) flush(now time.Duration) {
	slices.SortFunc(w.backing, func(a, b visitor) int { return cmp.Or(cmp.Compare(a.over, b.over), a.sequence-b.sequence) })
	for len(w.backing) > 0 && w.backing[0].over <= now {
		w.to(&w.active, w.backing[0])
		w.backing = w.backing[1:]
	}
}

// schedule tries everybody who is to be tried.
func (w *waitingRoom) schedule(now time.Duration) {
	for len(w.active) > 0 {
		slices.SortFunc(w.active, func(a, b visitor) int { return cmp.Or(cmp.Compare(a.key, b.key), a.sequence-b.sequence) })
		v := w.active[0]
		w.active = w.active[1:]
		v.attempts++
		if len(w.present) == w.places {
			w.attempts++
			v.key = now
			w.to(&w.stuck, v)
			continue
		}
		v.goes = now + v.stays
		w.present = append(w.present, v)
		slices.SortFunc(w.present, func(a, b visitor) int { return cmp.Compare(a.goes, b.goes) })
	}
}

// doubling is 1 s, 2 s, 4 s, 8 s, 10 s, 10 s...
func doubling(attempts int) time.Duration { return min(sec<<(attempts-1), 10*sec) }

// No two pods come or go at one instant, nor on a whole second, so that the order of
// events is no matter of taste.
func TestTheSchedulingQueueIsThatOfTheNaiveModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		pods := rapid.IntRange(1, 8).Draw(t, "pods")
		longest := time.Duration(rapid.SampledFrom([]int{20, 100, 300}).Draw(t, "longest")) * sec
		room := &waitingRoom{places: rapid.IntRange(1, 2).Draw(t, "places"), backoffs: doubling, longest: longest}
		s := small(1)
		s.kube = plain(1, pods)
		s.kube.Kubelet.MaxPods, s.kube.Scheduler.LongestUnschedulable = room.places, longest
		s.keep = 0
		for i := range pods {
			stays := time.Duration(rapid.SampledFrom([]int{1, 30, 70, 120, 250, 900, 2500, 20_000}).Draw(t, "stays"))*10*ms + time.Duration(37*(i+1))*time.Microsecond
			comes := time.Duration(rapid.IntRange(1, 2000).Draw(t, "comes"))*10*ms + time.Duration(i+1)*time.Microsecond
			f := small(1, nil).functions[0]
			f.Name, f.Laws = string(rune('a'+i)), given(stays, 0, 0)
			s.functions, s.arrivals = append(s.functions, f), append(s.arrivals, []time.Duration{comes})
			room.arrivals = append(room.arrivals, visitor{name: f.Name, comes: comes, stays: stays})
		}
		slices.SortFunc(room.arrivals, func(a, b visitor) int { return cmp.Compare(a.comes, b.comes) })
		o := s.run(t)
		room.run(10 * time.Minute)
		require.Equal(t, room.left, s.notes)
		require.EqualValues(t, room.attempts, o.Unplaced)
	})
}

// A cycle takes its time for the pods that fit nowhere too, and a pod that comes
// meanwhile waits for it.
func TestPodsThatFitNowhereHoldUpTheOthers(t *testing.T) {
	t.Parallel()
	s := small(2, together(1), []time.Duration{10 * ms})
	s.kube.Scheduler.Cycle = servicetime.Deterministic{Value: 100 * ms}
	s.kube.Pods[0].NodeSelector = []kubernetes.Requirement{{Name: "gpu"}}
	o := s.run(t)
	require.Equal(t, []float64{.2}, s.starts())
	require.EqualValues(t, 2, o.Unplaced, "once, and once after five minutes")
}

// The longer a pod has failed, the longer it backs off, up to the limit: a place that
// comes and goes at once is not found before.
func TestBackoffsGrowWithTheAttempts(t *testing.T) {
	t.Parallel()
	// One place. f0 has it in turns: its calls end at the given times, when the place is
	// free for an instant, and f1 is told each time.
	s := small(1, together(1), []time.Duration{100 * ms})
	s.functions[0].Laws = given(30*sec, 0, 0)
	s.kube.Kubelet.MaxPods, s.keep = 1, 0
	s.run(t)
	require.Equal(t, 30*sec, s.notes[1].at-call, "the first backoff was over long ago")

	s.kube.Scheduler.InitialBackoff, s.kube.Scheduler.MaxBackoff = 40*sec, 40*sec
	s.run(t)
	require.Equal(t, 41*sec, s.notes[1].at-call, "0.1 s and 40 s, on the next whole second")
}
