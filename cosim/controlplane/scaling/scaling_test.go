package scaling_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/controlplane"
	"microcosm/cosim/controlplane/scaling"
)

func TestAutoscalers(t *testing.T) {
	t.Parallel()
	atOnce := scaling.Options{Stabilization: scaling.None}
	for situation, c := range map[string]struct {
		kind    string
		options scaling.Options
		view    controlplane.View
		desired int
	}{
		"hpa: twice the target":                     {"hpa", scaling.Options{}, controlplane.View{Ready: 4, Utilization: 1}, 8},
		"hpa: half of the target":                   {"hpa", atOnce, controlplane.View{Ready: 4, Utilization: .25}, 2},
		"hpa: within the tolerance":                 {"hpa", scaling.Options{}, controlplane.View{Ready: 4, Utilization: .54}, 4},
		"hpa: beyond the tolerance":                 {"hpa", scaling.Options{}, controlplane.View{Ready: 4, Utilization: .56}, 5},
		"hpa: starting pods will do":                {"hpa", scaling.Options{}, controlplane.View{Ready: 4, Starting: 4, Utilization: 1}, 8},
		"hpa: starting pods do not suffice":         {"hpa", scaling.Options{}, controlplane.View{Ready: 4, Starting: 2, Utilization: 1}, 8},
		"hpa: never none":                           {"hpa", atOnce, controlplane.View{Ready: 4}, 1},
		"hpa: none ready yet":                       {"hpa", scaling.Options{}, controlplane.View{Starting: 3}, 3},
		"average rps: per pod and second":           {"average-rps", scaling.Options{}, controlplane.View{Ready: 2, Arrived: 50 * 800}, 4},
		"average rps: another period":               {"average-rps", scaling.Options{Period: 10 * time.Second}, controlplane.View{Ready: 2, Arrived: 10 * 800}, 4},
		"queue length: the median pod":              {"queue-length", scaling.Options{}, controlplane.View{Ready: 3, Queue: 150}, 6},
		"queue length: another target":              {"queue-length", scaling.Options{Target: 3}, controlplane.View{Ready: 3, Queue: 1}, 1},
		"rps: at the threshold one more":            {"rps", scaling.Options{}, controlplane.View{Ready: 3, Arrived: 200}, 4},
		"rps: below it one less":                    {"rps", scaling.Options{}, controlplane.View{Ready: 3, Arrived: 199}, 2},
		"rps: a larger step":                        {"rps", scaling.Options{Max: 100, Step: .1}, controlplane.View{Ready: 3, Arrived: 200}, 13},
		"rps: never none":                           {"rps", scaling.Options{}, controlplane.View{Ready: 1}, 1},
		"fixed: always the same":                    {"fixed", scaling.Options{Target: 7}, controlplane.View{Ready: 1, Arrived: 1e6}, 7},
		"fixed: at least one":                       {"fixed", scaling.Options{}, controlplane.View{}, 1},
		"hpa: a whole result that is not in binary": {"hpa", scaling.Options{Target: .1}, controlplane.View{Ready: 10, Utilization: .15}, 15},
		"hpa: what is there is remembered":          {"hpa", scaling.Options{}, controlplane.View{Ready: 4, Utilization: .25}, 4},
		"hpa: at most twice as many":                {"hpa", scaling.Options{}, controlplane.View{Ready: 10, Utilization: 3}, 20},
		"hpa: or four more":                         {"hpa", scaling.Options{}, controlplane.View{Ready: 2, Utilization: 9}, 6},
	} {
		newScaler, err := scaling.New(c.kind, c.options)
		require.NoError(t, err)
		require.Equal(t, c.desired, newScaler().Desired(c.view), situation)
	}
	_, err := scaling.New("kpa", scaling.Options{})
	require.ErrorContains(t, err, "want one of average-rps, fixed, hpa, queue-length, rps")
}

func TestPeriods(t *testing.T) {
	t.Parallel()
	for kind, period := range map[string]time.Duration{"hpa": 15 * time.Second, "rps": 10 * time.Second, "average-rps": 50 * time.Second, "queue-length": 50 * time.Second} {
		newScaler, err := scaling.New(kind, scaling.Options{})
		require.NoError(t, err)
		require.Equal(t, period, newScaler().Period(), kind)
		newScaler, err = scaling.New(kind, scaling.Options{Period: time.Second})
		require.NoError(t, err)
		require.Equal(t, time.Second, newScaler().Period(), kind)
	}
}
