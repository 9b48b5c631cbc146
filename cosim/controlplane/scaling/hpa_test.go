package scaling_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/cosim/controlplane"
	"microcosm/cosim/controlplane/scaling"
	"microcosm/cosim/des"
)

func made(t require.TestingT, kind string, o scaling.Options) controlplane.Scaler {
	newScaler, err := scaling.New(kind, o)
	require.NoError(t, err)
	return newScaler()
}

// recommended is the rule of kubernetes.io/docs/tasks/run-application/
// horizontal-pod-autoscale, "Algorithm details", in whole parts per thousand.
func recommended(ready, starting, load, target, tolerance int) int {
	round := func(n, d int) int { return (n + d - 1) / d }
	off := func(sum, pods int) bool {
		return math.Abs(float64(sum)/float64(pods*target)-1) > float64(tolerance)/1000+1e-12
	}
	all := ready + starting
	switch {
	case ready == 0:
		return max(1, all)
	case !off(load*ready, ready):
		return all
	case load < target || starting == 0:
		return max(1, round(load*ready, target))
	case load*ready <= all*target || !off(load*ready, all): // the starting ones will do
		return all
	}
	return round(load*ready, target)
}

// onTheEdge reports that a load is off by the tolerance exactly, where rounding decides.
func onTheEdge(sum, pods, target, tolerance int) bool {
	return pods > 0 && math.Abs(math.Abs(float64(sum)/float64(pods*target)-1)-float64(tolerance)/1000) < 1e-9
}

// history is an autoscaler's own: when it wanted and changed how much.
type history struct {
	at      []time.Duration
	wanted  []int
	changed []int
}

// desired looks back over all of it.
func (h *history) desired(now time.Duration, present, wanted int, window time.Duration) int {
	if len(h.at) == 0 {
		*h = history{[]time.Duration{now}, []int{present}, []int{0}}
	}
	highest, began := wanted, present
	for i, at := range h.at {
		if now-at < window {
			highest = max(highest, h.wanted[i])
		}
		if now-at < 15*time.Second {
			began -= h.changed[i]
		}
	}
	result := min(max(present, wanted), highest)
	if most := max(began+4, 2*began); result > present {
		result = min(result, max(most, present))
	}
	h.at, h.wanted, h.changed = append(h.at, now), append(h.wanted, wanted), append(h.changed, result-present)
	return result
}

// Loads and numbers of pods go up and down as they like.
func TestTheHPAIsThatOfTheDocumentation(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		target := rapid.SampledFrom([]int{100, 500, 800}).Draw(t, "target")
		tolerance := rapid.SampledFrom([]int{50, 100, 300}).Draw(t, "tolerance")
		window := time.Duration(rapid.SampledFrom([]int{0, 20, 60, 300}).Draw(t, "window")) * time.Second
		o := scaling.Options{Target: float64(target) / 1000, Tolerance: float64(tolerance) / 1000, Stabilization: window}
		if window == 0 {
			o.Stabilization = scaling.None
		}
		scaler := made(t, "hpa", o)
		var h history
		now, pods := time.Duration(0), rapid.IntRange(1, 20).Draw(t, "pods")
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			now += time.Duration(rapid.SampledFrom([]int{5, 15, 15, 40}).Draw(t, "later")) * time.Second
			starting := rapid.IntRange(0, min(pods, 3)).Draw(t, "starting")
			load := rapid.IntRange(0, 2000).Draw(t, "load")
			for onTheEdge(load*(pods-starting), pods-starting, target, tolerance) || onTheEdge(load*(pods-starting), pods, target, tolerance) {
				load++
			}
			view := controlplane.View{Now: des.Time(now), Ready: pods - starting, Starting: starting, Utilization: float64(load) / 1000}
			want := h.desired(now, pods, recommended(pods-starting, starting, load, target, tolerance), window)
			require.Equal(t, want, scaler.Desired(view), "at %v: %+v", now, view)
			pods = max(1, min(want, 400)) // as a maximum would
		}
	})
}

// A dip that is shorter than the window changes nothing; one that is longer does, once.
func TestTheHPAWaitsBeforeItScalesDown(t *testing.T) {
	t.Parallel()
	scaler := made(t, "hpa", scaling.Options{})
	patient, ok := scaler.(controlplane.Patient)
	require.True(t, ok)
	require.False(t, patient.Waits(), "it has seen nothing")
	desired := func(at time.Duration, load float64) int {
		return scaler.Desired(controlplane.View{Now: des.Time(at), Ready: 8, Utilization: load})
	}
	require.Equal(t, 8, desired(0, .5))
	for at := 15 * time.Second; at < 5*time.Minute; at += 15 * time.Second {
		require.Equal(t, 8, desired(at, .25), "at %v", at)
		require.True(t, patient.Waits())
	}
	require.Equal(t, 4, desired(5*time.Minute, .25))
	require.False(t, patient.Waits())
	require.Equal(t, 16, desired(6*time.Minute, 1), "up at once")
}

// The rule knows loads only in units of their target, and wants more for more.
func TestProportionalScalersHaveNoUnit(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom([]string{"hpa", "average-rps", "queue-length"}).Draw(t, "kind")
		scale := rapid.SampledFrom([]float64{2, 4, 8}).Draw(t, "scale") // exact in binary
		target := float64(rapid.IntRange(1, 100).Draw(t, "target")) / 8
		o := scaling.Options{Target: target, Stabilization: scaling.None, Period: 8 * time.Second}
		v := controlplane.View{Ready: rapid.IntRange(1, 9).Draw(t, "ready"), Starting: rapid.IntRange(0, 4).Draw(t, "starting")}
		load := func(x float64) controlplane.View {
			v.Utilization, v.Queue, v.Arrived = x, x, int64(x*8*float64(v.Ready))
			return v
		}
		x := float64(rapid.IntRange(0, 400).Draw(t, "load")) / 4
		large := o
		large.Target *= scale
		one, other := made(t, kind, o).Desired(load(x)), made(t, kind, large).Desired(load(x*scale))
		require.Equal(t, one, other, "%s at %g of %g", kind, x, target)
		require.GreaterOrEqual(t, made(t, kind, o).Desired(load(x+3)), one, "more load, no fewer pods")
	})
}

// A step up at the threshold and a step down below it, so that a load in between is
// followed and never settles.
func TestTheRPSScalerStepsToAndFro(t *testing.T) {
	t.Parallel()
	scaler := made(t, "rps", scaling.Options{Max: 40, Step: .1, Target: 50, Period: 2 * time.Second})
	view := controlplane.View{Ready: 10, Starting: 2}
	for arrived, want := range map[int64]int{0: 8, 99: 8, 100: 16, 1_000_000: 16} {
		view.Arrived = arrived
		require.Equal(t, want, scaler.Desired(view), "%d arrivals in 2 s", arrived)
	}
	require.Equal(t, 1, scaler.Desired(controlplane.View{Ready: 3}), "never none")
	small := made(t, "rps", scaling.Options{Max: 3, Step: .1})
	require.Equal(t, 4, small.Desired(controlplane.View{Ready: 3, Arrived: 1000}), "a step is at least one pod; the bound is not its own")
}
