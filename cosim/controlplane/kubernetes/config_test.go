package kubernetes_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/cluster"
	"microcosm/cosim/controlplane/kubernetes"
	"microcosm/cosim/des"
	"microcosm/cosim/servicetime"
)

func TestEveryMistakeIsNamedAtOnce(t *testing.T) {
	t.Parallel()
	c := kubernetes.Config{
		Kubelet: kubernetes.Kubelet{QPS: 5},
		Nodes:   make([]kubernetes.NodeSpec, 1),
		Images:  []kubernetes.Image{{Name: "empty"}, {Name: "app", Layers: layers(1)}},
		Pods: []kubernetes.PodSpec{
			{Image: 2}, {Image: -2},
			{Image: kubernetes.NoImage, PodAffinity: []kubernetes.PodTerm{{Functions: []int{0, 3, -1}}}},
		},
	}
	require.Equal(t, []string{
		"1 node and 3 pod specifications for 2 nodes and 3 functions",
		"random streams must be given",
		"the scheduler wants a strategy, backoffs and a longest time of being unschedulable above 0",
		"the kubelet wants a number of pods, bursts, a pull backoff and parallel layers of at least 1",
		"image empty has no layers",
		"pod 0 has image 2 of 2",
		"pod 1 has image -2 of 2",
		"pod 2 has an affinity to function 3 of 3",
		"pod 2 has an affinity to function -1 of 3",
	}, strings.Split(c.Check(2, 3).Error(), "\n"))
}

// Each of these alone is a mistake.
func TestBoundsOfTheConfiguration(t *testing.T) {
	t.Parallel()
	good := func() kubernetes.Config {
		c := plain(1, 1)
		c.Random = streams
		return c
	}
	one := good()
	require.NoError(t, one.Check(1, 1))
	for situation, change := range map[string]func(*kubernetes.Config){
		"no strategy":                 func(c *kubernetes.Config) { c.Scheduler.Strategy = kubernetes.StrategyInvalid },
		"no backoff":                  func(c *kubernetes.Config) { c.Scheduler.InitialBackoff = 0 },
		"a backoff above the largest": func(c *kubernetes.Config) { c.Scheduler.MaxBackoff = c.Scheduler.InitialBackoff - 1 },
		"never tried again":           func(c *kubernetes.Config) { c.Scheduler.LongestUnschedulable = 0 },
		"no pods":                     func(c *kubernetes.Config) { c.Kubelet.MaxPods = 0 },
		"requests without a burst":    func(c *kubernetes.Config) { c.Kubelet.QPS = 1 },
		"pulls without a burst":       func(c *kubernetes.Config) { c.Kubelet.RegistryQPS = 1 },
		"refused pulls that are never redone": func(c *kubernetes.Config) {
			c.Kubelet.RegistryQPS, c.Kubelet.RegistryBurst, c.Kubelet.PullBackoff = 1, 1, 0
		},
		"no layers at a time": func(c *kubernetes.Config) { c.Kubelet.ParallelLayers = 0 },
		"a node too many":     func(c *kubernetes.Config) { c.Nodes = append(c.Nodes, kubernetes.NodeSpec{}) },
		"a pod too few":       func(c *kubernetes.Config) { c.Pods = nil },
	} {
		c := good()
		change(&c)
		require.Error(t, c.Check(1, 1), situation)
	}
}

func TestABadConfigurationEndsTheRun(t *testing.T) {
	t.Parallel()
	c := plain(2, 0)
	k := kubernetes.New(c)
	m, err := cluster.New(cluster.Config{
		Nodes: small(2).nodes, Discipline: cluster.FCFS, CoreChoice: cluster.CoreLast, Binding: cluster.BindLate, Horizon: 1, Random: streams,
		NewBalancer: func() cluster.LoadBalancer { return nil }, Placement: nowhere{}, NewOrchestrator: func() cluster.Orchestrator { return k },
	})
	require.NoError(t, err)
	_, err = m.Run()
	require.EqualError(t, err, "random streams must be given")
}

type nowhere struct{ cluster.Placement }

func TestWordsOfTheStrategies(t *testing.T) {
	t.Parallel()
	for s, word := range map[kubernetes.Strategy]string{kubernetes.LeastAllocated: "least-allocated", kubernetes.MostAllocated: "most-allocated", 0: "invalid", 9: "invalid"} {
		require.Equal(t, word, s.String())
	}
	for e, word := range map[kubernetes.Effect]string{kubernetes.NoSchedule: "NoSchedule", kubernetes.PreferNoSchedule: "PreferNoSchedule", kubernetes.NoExecute: "NoExecute", 0: "invalid", 9: "invalid"} {
		require.Equal(t, word, e.String())
	}
}

// What kubectl prints is read as what it was, whatever the words.
func FuzzTaintsAndLabelsAreReadAsWritten(f *testing.F) {
	for _, words := range [][2]string{{"dedicated", "batch"}, {"node.kubernetes.io/unreachable", ""}, {"a=b", "c"}, {"k", "v:x"}, {"ä", "ö"}, {"", ""}, {"k", " v"}} {
		f.Add(words[0], words[1])
	}
	f.Fuzz(func(t *testing.T, key, value string) {
		for effect := kubernetes.NoSchedule; effect <= kubernetes.NoExecute; effect++ {
			taint, err := kubernetes.ParseTaint(key + "=" + value + ":" + effect.String())
			if err != nil {
				require.ErrorContains(t, err, "is no taint: ")
				require.ErrorContains(t, err, ": write KEY=VALUE:EFFECT with the effect NoSchedule, PreferNoSchedule or NoExecute")
				continue
			}
			require.Equal(t, kubernetes.Taint{Key: key, Value: value, Effect: effect}, taint)
			toleration, err := kubernetes.ParseToleration(key + "=" + value)
			require.NoError(t, err)
			require.Equal(t, kubernetes.Taint{Key: key, Value: value}, toleration.Taint, "of any effect")
		}
		if name, v, err := kubernetes.ParseLabel(key + "=" + value); err == nil {
			require.Equal(t, []string{key, value}, []string{name, v})
			r, err := kubernetes.ParseRequirement(key + "=" + value)
			require.NoError(t, err, "a label can be selected")
			require.True(t, r.Matches(kubernetes.Labels{key: value}))
			require.False(t, r.Matches(kubernetes.Labels{key: value + "x"}))
			not, err := kubernetes.ParseRequirement(key + " notin (" + value + ", other)")
			require.NoError(t, err)
			require.False(t, not.Matches(kubernetes.Labels{key: value}))
			require.True(t, not.Matches(nil), "a missing label is not among them")
		}
	})
}

// ordering is a control plane that orders, withdraws and removes sandboxes at given
// times.
type ordering struct {
	a     *cluster.Actuator
	steps []order
	there []*cluster.Sandbox
	log   []time.Duration // of sandboxes becoming ready
}

type order struct {
	at   time.Duration
	what func(o *ordering)
}

func (o *ordering) Start(a *cluster.Actuator) error {
	o.a = a
	for i, s := range o.steps {
		a.Remind(des.Time(s.at), cluster.Signal{Kind: int32(i)})
	}
	return nil
}

func (o *ordering) Handle(s cluster.Signal) { o.steps[s.Kind].what(o) }
func (o *ordering) Ready(s *cluster.Sandbox) {
	o.there = append(o.there, s)
	o.log = append(o.log, time.Duration(o.a.Now()))
}
func (o *ordering) Arrived(*cluster.Function, int32)   {}
func (o *ordering) Left(*cluster.Sandbox, int32)       {}
func (o *ordering) Placed(*cluster.Sandbox)            {}
func (o *ordering) Lost([]cluster.Lost, time.Duration) {}
func (o *ordering) Leaving([]*cluster.Sandbox)         {}

func add(o *ordering)      { o.a.Add(o.a.Functions()[0], false) }
func withdraw(o *ordering) { o.a.Withdraw(o.a.Functions()[0]) }
func remove(o *ordering) {
	if err := o.a.Remove(o.there[0]); err != nil {
		o.a.Fail(err)
	}
	o.there = o.there[1:]
}

// There is one place. Of the two that wait for it the younger is withdrawn; the elder
// gets the place, and its time in the queue is recorded.
func TestTheYoungestPodIsWithdrawn(t *testing.T) {
	t.Parallel()
	plane := &ordering{steps: []order{{0, add}, {sec, add}, {3 * sec, add}, {4 * sec, withdraw}, {20 * sec, remove}, {30 * sec, remove}}}
	s := small(1, []time.Duration{time.Hour})
	s.kube.Kubelet.MaxPods, s.plane = 1, plane
	o := s.run(t)
	require.Equal(t, []time.Duration{0, 20 * sec}, plane.log, "and nobody at 30 s")
	schedule := o.Starts[cluster.StageSchedule]
	require.EqualValues(t, 2, schedule.Count())
	require.Equal(t, 19*sec, schedule.Max(), "ordered at 1 s")
}

// A pod that is withdrawn while it is being scheduled is not placed.
func TestAPodCanBeWithdrawnInItsCycle(t *testing.T) {
	t.Parallel()
	plane := &ordering{steps: []order{{0, add}, {50 * ms, withdraw}, {70 * ms, add}}}
	s := small(1, []time.Duration{time.Hour})
	s.kube.Scheduler.Cycle, s.plane = servicetime.Deterministic{Value: 100 * ms}, plane
	s.run(t)
	require.Equal(t, []time.Duration{200 * ms}, plane.log, "its cycle is over at .1 s, then the next has its own")
}
