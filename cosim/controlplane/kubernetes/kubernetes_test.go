package kubernetes_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/cluster"
	"microcosm/cosim/controlplane/kubernetes"
	"microcosm/cosim/des"
	"microcosm/cosim/policy"
	"microcosm/cosim/servicetime"
)

const (
	ms  = time.Millisecond
	sec = time.Second
)

// script is the arrivals of one function.
type script struct {
	at   []time.Duration
	next int
}

func (s *script) Next() (cluster.Arrival, bool) {
	if s.next == len(s.at) {
		return cluster.Arrival{}, false
	}
	s.next++
	return cluster.Arrival{At: des.Time(s.at[s.next-1])}, true
}

func together(n int) []time.Duration { return make([]time.Duration, n) }

// diary notes when each sandbox has ended a call, and lets it stay for a time.
type diary struct {
	keep  time.Duration
	notes *[]note
}

type note struct {
	function, node string
	at             time.Duration
}

func (d diary) Idle(s *cluster.Sandbox, now des.Time) time.Duration {
	*d.notes = append(*d.notes, note{s.Function().Name(), s.Node().Name(), time.Duration(now)})
	return d.keep
}

func (d diary) Review(*cluster.Sandbox, des.Time) time.Duration { return 0 }

// setting is a small cluster.
type setting struct {
	nodes     []cluster.NodeConfig
	functions []cluster.FunctionConfig // arrivals, keep-alive and scaler are filled in
	arrivals  [][]time.Duration        // by function
	keep      time.Duration
	kube      kubernetes.Config
	watch     func(*kubernetes.Kubernetes) cluster.Orchestrator // nil: nobody looks
	plane     cluster.ControlPlane                              // nil: sandboxes follow the calls
	notes     []note
}

// plain is Kubernetes without any time and limit.
func plain(nodes, functions int) kubernetes.Config {
	c := kubernetes.Config{
		Scheduler: kubernetes.Scheduler{
			Weights: kubernetes.DefaultWeights(), Strategy: kubernetes.LeastAllocated, HardPodAffinityWeight: 1,
			InitialBackoff: sec, MaxBackoff: 10 * sec, LongestUnschedulable: 5 * time.Minute,
		},
		Kubelet: kubernetes.Kubelet{MaxPods: 110, PullBackoff: 10 * sec, MaxPullBackoff: 5 * time.Minute, ParallelPulls: 1, ParallelLayers: 3},
		Nodes:   make([]kubernetes.NodeSpec, nodes),
	}
	for range functions {
		c.Pods = append(c.Pods, kubernetes.PodSpec{Image: kubernetes.NoImage})
	}
	return c
}

// call is how long calls take: so long that each needs a sandbox of its own.
const call = time.Minute

// small is n nodes of 64 cores and functions whose calls arrive at the given times.
func small(nodes int, arrivals ...[]time.Duration) *setting {
	s := &setting{arrivals: arrivals, keep: cluster.Unlimited, kube: plain(nodes, len(arrivals))}
	for i := range nodes {
		s.nodes = append(s.nodes, cluster.NodeConfig{Name: fmt.Sprint("n", i), Cores: 64, Platform: "p"})
	}
	for i := range arrivals {
		s.functions = append(s.functions, cluster.FunctionConfig{Name: fmt.Sprint("f", i), Laws: given(call, 0, 0)})
	}
	return s
}

func given(service, create, init time.Duration) map[string]servicetime.Law {
	return map[string]servicetime.Law{"p": &servicetime.GivenLaw{
		Service: servicetime.Deterministic{Value: service}, BusyFraction: 1,
		Create: servicetime.Deterministic{Value: create}, Init: servicetime.Deterministic{Value: init},
	}}
}

func streams(name string) *rand.Rand {
	h := uint64(1)
	for _, b := range []byte(name) {
		h = (h ^ uint64(b)) * 1099511628211
	}
	return rand.New(rand.NewPCG(7, h))
}

// run simulates ten minutes, or until the longest arrivals have had time.
func (s *setting) run(t require.TestingT) *cluster.Outcome {
	placement, err := policy.Placement("spread")
	require.NoError(t, err)
	balancer, err := policy.Balancer("first-available", policy.MostRecent)
	require.NoError(t, err)
	s.notes = nil
	c := cluster.Config{
		Nodes: s.nodes, Functions: slices.Clone(s.functions), Discipline: cluster.FCFS, CoreChoice: cluster.CoreLast, Binding: cluster.BindLate,
		NewBalancer: balancer, Placement: placement, Horizon: des.Time(10 * time.Minute), Random: streams,
	}
	for i := range c.Functions {
		f := &c.Functions[i]
		f.Arrivals, f.Concurrency, f.QueueLimit = &script{at: s.arrivals[i]}, 1, cluster.Unlimited
		f.NewKeepAlive = func(*rand.Rand) cluster.KeepAlive { return diary{s.keep, &s.notes} }
		if f.Scaler == nil {
			f.Scaler = policy.FollowConcurrency{Max: cluster.Unlimited}
		}
	}
	kube := s.kube
	kube.Random = streams
	c.NewOrchestrator = func() cluster.Orchestrator {
		if s.watch != nil {
			return s.watch(kubernetes.New(kube))
		}
		return kubernetes.New(kube)
	}
	if s.plane != nil {
		c.NewControlPlane = func() cluster.ControlPlane { return s.plane }
	}
	m, err := cluster.New(c)
	require.NoError(t, err)
	o, err := m.Run()
	require.NoError(t, err)
	return o
}

// starts returns when the calls began, in seconds.
func (s *setting) starts() (seconds []float64) {
	for _, n := range s.notes {
		seconds = append(seconds, (n.at - call).Round(10*time.Nanosecond).Seconds())
	}
	return seconds
}

// on counts the calls by node.
func (s *setting) on() map[string]int {
	counts := map[string]int{}
	for _, n := range s.notes {
		counts[n.node]++
	}
	return counts
}

func layers(sizes ...int) (list []kubernetes.Layer) {
	for i, size := range sizes {
		list = append(list, kubernetes.Layer{Name: fmt.Sprintf("%d-%d", i, size), MiB: size})
	}
	return list
}

const mib = 1 << 20

func TestStagesFollowOneAnother(t *testing.T) {
	t.Parallel()
	s := small(1, together(1))
	s.functions[0].Laws = given(call, 300*ms, 500*ms)
	s.kube.Scheduler.Cycle, s.kube.Scheduler.Bind = servicetime.Deterministic{Value: 4 * ms}, servicetime.Deterministic{Value: 16 * ms}
	s.kube.Images, s.kube.Pods[0].Image = []kubernetes.Image{{Name: "i", Layers: layers(50)}}, 0
	s.kube.Registry = kubernetes.Registry{NodeBandwidth: 100 * mib, Unpack: 200 * mib, Latency: servicetime.Deterministic{Value: 80 * ms}}
	o := s.run(t)
	want := map[cluster.Stage]time.Duration{
		cluster.StageSchedule: 20 * ms, cluster.StagePull: 80*ms + 500*ms + 250*ms, cluster.StageCreate: 300 * ms, cluster.StageInit: 500 * ms, cluster.StageStart: 1650 * ms,
	}
	for stage, d := range want {
		require.Equal(t, d, o.Starts[stage].Min(), stage)
		require.EqualValues(t, 1, o.Starts[stage].Count(), stage)
	}
	require.Equal(t, []float64{1.65}, s.starts())
}

func TestPodsAreScheduledOneAtATime(t *testing.T) {
	t.Parallel()
	s := small(1, together(3))
	s.kube.Scheduler.Cycle = servicetime.Deterministic{Value: 100 * ms}
	s.run(t)
	require.Equal(t, []float64{.1, .2, .3}, s.starts())
}

func TestOneDownloadForAllThatWait(t *testing.T) {
	t.Parallel()
	s := small(1, together(8), together(3))
	// Two images with a common layer of 60 MiB.
	base := kubernetes.Layer{Name: "base", MiB: 60}
	s.kube.Images = []kubernetes.Image{{Name: "a", Layers: []kubernetes.Layer{base, {Name: "a", MiB: 40}}}, {Name: "b", Layers: []kubernetes.Layer{base, {Name: "b", MiB: 50}}}}
	s.kube.Pods[0].Image, s.kube.Pods[1].Image = 0, 1
	s.kube.Registry.NodeBandwidth = 100 * mib
	o := s.run(t)
	require.EqualValues(t, 150*mib, o.Downloaded, "each layer once")
	require.EqualValues(t, 2, o.Pulls)
	require.Equal(t, []float64{1, 1, 1, 1, 1, 1, 1, 1, 1.5, 1.5, 1.5}, s.starts(), "one image after the other")

	// At a time, three layers share the link: the smallest, of 40 MiB, is there when
	// all three have got as much, then two share it, and the last 10 MiB have it alone.
	s.kube.Kubelet.ParallelPulls = 2
	o = s.run(t)
	require.EqualValues(t, 150*mib, o.Downloaded)
	require.Equal(t, []float64{1.5, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5}, s.starts(), "both wait for the common layer, which ends last")
	s.kube.Images[1].Layers[1].MiB = 90
	s.run(t)
	require.Equal(t, 1.6, s.starts()[0], "base and a: 3·40 MiB, then 2·20 MiB")
	require.Equal(t, 1.9, s.starts()[8], "then 30 MiB alone")
}

func TestRegistryBandwidthIsSharedByNodes(t *testing.T) {
	t.Parallel()
	// Two functions that are tied to a node each. The registry gives 150, a node takes
	// 100 MiB/s. Node 0 pulls three layers of 50, node 1 one of 100.
	s := small(2, together(1), together(1))
	for i := range s.kube.Nodes {
		s.kube.Nodes[i].Labels = kubernetes.Labels{"name": fmt.Sprint(i)}
		s.kube.Pods[i].NodeSelector = []kubernetes.Requirement{{Name: "name", Values: []string{fmt.Sprint(i)}}}
		s.kube.Pods[i].Image = i
	}
	s.kube.Images = []kubernetes.Image{{Name: "a", Layers: []kubernetes.Layer{{Name: "1", MiB: 50}, {Name: "2", MiB: 50}, {Name: "3", MiB: 50}}}, {Name: "b", Layers: layers(100)}}
	s.kube.Registry = kubernetes.Registry{Bandwidth: 150 * mib, NodeBandwidth: 100 * mib}
	s.run(t)
	// Three share node 0's 100 and end after 1.5 s; node 1 has 50 till then, and 100 after.
	require.InDeltaSlice(t, []float64{1.5, 1.75}, s.starts(), 1e-8)
	require.Equal(t, []note{{"f0", "n0", s.notes[0].at}, {"f1", "n1", s.notes[1].at}}, s.notes)
}

func TestLayersAtATime(t *testing.T) {
	t.Parallel()
	s := small(1, together(1))
	s.kube.Images, s.kube.Pods[0].Image = []kubernetes.Image{{Name: "i", Layers: layers(100, 20, 10)}}, 0
	s.kube.Registry = kubernetes.Registry{NodeBandwidth: 100 * mib, Unpack: 100 * mib}
	s.kube.Kubelet.ParallelLayers = 1
	s.run(t)
	require.Equal(t, []float64{2.3}, s.starts(), "unpacked from 1 s on: 1 + .2 + .1; the others come meanwhile")
	s.kube.Kubelet.ParallelLayers = 3
	s.run(t)
	require.InDeltaSlice(t, []float64{2.6}, s.starts(), 1e-8, "the lowest, which all wait for, shares the link and is there after 1.3 s")
}

func TestKubeletSpendsTokens(t *testing.T) {
	t.Parallel()
	s := small(1, together(5))
	s.kube.Kubelet.QPS, s.kube.Kubelet.Burst, s.kube.Kubelet.StartRequests = 10, 2, 1
	s.run(t)
	require.Equal(t, []float64{0, 0, .1, .2, .3}, s.starts(), "two at once, then ten per second")
	s.kube.Kubelet.ReadyRequests = 1
	s.run(t)
	// The first takes the burst, to begin and to be ready. The others begin at .1, .2, .3
	// and .4 s, and queue behind one another to be ready.
	require.Equal(t, []float64{0, .5, .6, .7, .8}, s.starts())
}

func TestContainersAreCreatedAFewAtATime(t *testing.T) {
	t.Parallel()
	s := small(1, together(5))
	s.functions[0].Laws = given(call, sec, 100*ms)
	s.kube.Kubelet.Creations = 2
	s.run(t)
	require.Equal(t, []float64{1.1, 1.1, 2.1, 2.1, 3.1}, s.starts())
}

func TestTooManyPullsBackOff(t *testing.T) {
	t.Parallel()
	s := small(1, together(1), together(1), together(1))
	for i := range s.kube.Pods {
		s.kube.Images = append(s.kube.Images, kubernetes.Image{Name: fmt.Sprint(i), Layers: layers(1 + i)})
		s.kube.Pods[i].Image = i
	}
	s.kube.Kubelet.RegistryQPS, s.kube.Kubelet.RegistryBurst, s.kube.Kubelet.ParallelPulls = 1, 1, 0
	s.run(t)
	// The first has the token; the others try again after 10 s, where one finds the
	// token; the last after 20 s more.
	require.Equal(t, []float64{0, 10, 30}, s.starts())
}

func TestANodeTakesSoManyPods(t *testing.T) {
	t.Parallel()
	s := small(2, together(7))
	s.kube.Kubelet.MaxPods = 3
	o := s.run(t)
	require.Equal(t, map[string]int{"n0": 3, "n1": 3}, s.on(), "and the seventh call waits for one of them")
	require.EqualValues(t, 7, o.Account.Done)
	require.Positive(t, o.Unplaced)
}

func TestUnschedulablePodsBackOffUntilSomethingChanges(t *testing.T) {
	t.Parallel()
	// One pod fits. That of f0 leaves at 0.25 s + 100 ms; f1's has backed off until 1 s.
	s := small(1, together(1), []time.Duration{100 * ms})
	s.functions[0].Laws = given(250*ms, 0, 0)
	s.kube.Kubelet.MaxPods, s.keep = 1, 100*ms
	s.run(t)
	require.Equal(t, []string{"f0", "f1"}, []string{s.notes[0].function, s.notes[1].function})
	// Unschedulable at 0.1 s, moved at 0.35 s, over at 1.1 s, flushed on the next whole second.
	require.Equal(t, 2*sec, s.notes[1].at-call)

	s.functions[0].Laws = given(1750*ms, 0, 0)
	s.run(t)
	require.Equal(t, 1850*ms, s.notes[1].at-call, "the backoff is over when the pod leaves")
}

func TestWhatNothingChangesIsRescued(t *testing.T) {
	t.Parallel()
	// The node's cores come back by themselves, which Kubernetes is not told: a pod that
	// no event helps is tried after 5 min, on a multiple of 30 s.
	s := small(1, []time.Duration{70 * sec})
	s.kube.Pods[0].NodeSelector = []kubernetes.Requirement{{Name: "missing"}}
	o := s.run(t)
	require.EqualValues(t, 1, o.Account.Queued)
	require.EqualValues(t, 2, o.Unplaced, "at 70 s and 390 s")
}

func TestScalingToAFixedNumberPlacesBeforeTheStart(t *testing.T) {
	t.Parallel()
	s := small(3, []time.Duration{sec, sec, sec, sec, sec, sec})
	s.functions[0].Scaler = policy.Fixed{Sandboxes: 6}
	s.kube.Images, s.kube.Pods[0].Image = []kubernetes.Image{{Name: "i", Layers: layers(500)}}, 0
	s.kube.Registry.NodeBandwidth = mib
	o := s.run(t)
	require.Equal(t, map[string]int{"n0": 2, "n1": 2, "n2": 2}, s.on())
	require.Equal(t, []float64{1, 1, 1, 1, 1, 1}, s.starts(), "their nodes have the image")
	require.Zero(t, o.Pulls)
}

func TestDiskKeepsTheImagesUsedLast(t *testing.T) {
	t.Parallel()
	// Three images of 40 MiB on a disk of 100: the third drives out the first, which is
	// used least recently, and it is pulled again.
	s := small(1, []time.Duration{0, 40 * sec}, []time.Duration{10 * sec}, []time.Duration{20 * sec, 50 * sec})
	for i := range s.kube.Pods {
		s.kube.Images = append(s.kube.Images, kubernetes.Image{Name: fmt.Sprint(i), Layers: []kubernetes.Layer{{Name: fmt.Sprint(i), MiB: 40}}})
		s.kube.Pods[i].Image = i
	}
	s.keep = 0
	for i := range s.functions {
		s.functions[i].Laws = given(sec, 0, 0)
	}
	s.kube.Registry.Disk = 100
	o := s.run(t)
	require.EqualValues(t, 4, o.Pulls)
	s.kube.Registry.Disk = 0
	require.EqualValues(t, 3, s.run(t).Pulls)
}

func TestAPullOfGivenLength(t *testing.T) {
	t.Parallel()
	s := small(1, together(2))
	s.kube.Images, s.kube.Pods[0].Image = []kubernetes.Image{{Name: "i", Layers: layers(500)}}, 0
	s.kube.Registry = kubernetes.Registry{NodeBandwidth: mib, Pull: servicetime.Deterministic{Value: 3 * sec}}
	o := s.run(t)
	require.Equal(t, []float64{3, 3}, s.starts())
	require.Zero(t, o.Downloaded)
}

// A node that goes away in the middle of everything takes no request with it.
func TestNodesThatGoAwayWhilePodsStart(t *testing.T) {
	t.Parallel()
	for _, at := range []time.Duration{10 * ms, 500 * ms, 1200 * ms, 2500 * ms, 3500 * ms} {
		s := small(2, together(12), []time.Duration{100 * ms, 2 * sec})
		for i := range s.functions {
			s.functions[i].Laws = given(sec, 700*ms, 300*ms)
			s.kube.Pods[i].Image = i
		}
		s.kube.Images = []kubernetes.Image{{Name: "a", Layers: layers(50, 50)}, {Name: "b", Layers: layers(50, 70)}}
		s.kube.Registry = kubernetes.Registry{NodeBandwidth: 100 * mib, Bandwidth: 130 * mib, Unpack: 300 * mib}
		s.kube.Kubelet.Creations, s.kube.Kubelet.ParallelPulls = 2, 2
		s.kube.Scheduler.Bind = servicetime.Deterministic{Value: 20 * ms}
		s.nodes[0].FailAt, s.nodes[0].Repair = []time.Duration{at}, 5*sec
		o := s.run(t)
		require.EqualValues(t, o.Account.Arrived, o.Account.Done+o.Account.Failed, "%v: all requests end", at)
		require.EqualValues(t, 1, o.Ended)
	}
}
