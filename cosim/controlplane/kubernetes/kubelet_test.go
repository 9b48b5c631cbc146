package kubernetes_test

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/cosim/cluster"
	"microcosm/cosim/servicetime"
)

// pipeline is one kubelet, walked through step by step with a plain list: pods ask the
// API server for leave to begin, are created a few at a time, are initialised, and
// ask for leave to be ready.
type pipeline struct {
	interval, debt, updated time.Duration // of the tokens
	burst                   time.Duration
	start, ready            int // requests
	places                  int // for creations; 0: without a limit
	creating                int
	line                    []step // pods that wait for a place
	steps                   []step // to come
	sequence                int
	done                    map[string]time.Duration
}

type step struct {
	at           time.Duration
	sequence     int
	kind         string
	name         string
	create, init time.Duration
}

func (p *pipeline) plan(s step, at time.Duration, kind string) {
	p.sequence++
	s.at, s.kind, s.sequence = at, kind, p.sequence
	p.steps = append(p.steps, s)
}

// leave is when so many requests have been let through: the debt falls with time to
// minus the burst at the lowest.
func (p *pipeline) leave(now time.Duration, requests int) time.Duration {
	if p.interval == 0 || requests == 0 {
		return now
	}
	p.debt = max(p.debt-(now-p.updated), -p.burst*p.interval) + time.Duration(requests)*p.interval
	p.updated = now
	return now + max(0, p.debt)
}

func (p *pipeline) run() {
	p.debt = -p.burst * p.interval
	for len(p.steps) > 0 {
		slices.SortFunc(p.steps, func(a, b step) int { return cmp.Or(cmp.Compare(a.at, b.at), a.sequence-b.sequence) })
		s := p.steps[0]
		p.steps = p.steps[1:]
		switch s.kind {
		case "bound":
			p.plan(s, p.leave(s.at, p.start), "begin")
		case "begin":
			p.line = append(p.line, s)
			p.create(s.at)
		case "created":
			p.creating--
			p.create(s.at)
			p.plan(s, s.at+s.init, "served")
		case "served":
			p.done[s.name] = p.leave(s.at, p.ready)
		}
	}
}

func (p *pipeline) create(now time.Duration) {
	for len(p.line) > 0 && (p.places == 0 || p.creating < p.places) {
		p.creating++
		p.plan(p.line[0], now+p.line[0].create, "created")
		p.line = p.line[1:]
	}
}

// Pods come and take their time in such a way that no two ask at one instant.
func TestTheKubeletIsThatOfTheNaiveModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		pick := func(name string, from ...int) int { return rapid.SampledFrom(from).Draw(t, name) }
		pods := rapid.IntRange(1, 9).Draw(t, "pods")
		p := &pipeline{done: map[string]time.Duration{}, burst: time.Duration(pick("burst", 1, 2, 5))}
		s := small(1)
		s.kube = plain(1, pods)
		k := &s.kube.Kubelet
		k.QPS, k.Burst, k.StartRequests, k.ReadyRequests = pick("qps", 0, 2, 10), int(p.burst), pick("start", 0, 1, 3), pick("ready", 0, 1, 2)
		k.Creations = pick("places", 0, 1, 2)
		p.start, p.ready, p.places = k.StartRequests, k.ReadyRequests, k.Creations
		if k.QPS > 0 {
			p.interval = sec / time.Duration(k.QPS)
		}
		for i := range pods {
			odd := time.Duration(1) << i
			comes := time.Duration(pick("comes", 0, 10, 500, 2000, 20_000))*ms + odd
			create, init := time.Duration(pick("create", 0, 300, 1100))*ms+odd<<10, time.Duration(pick("init", 0, 50, 700))*ms+odd<<20
			f := small(1, nil).functions[0]
			f.Name, f.Laws = fmt.Sprint("f", i), given(call, create, init)
			s.functions, s.arrivals = append(s.functions, f), append(s.arrivals, []time.Duration{comes})
			p.plan(step{name: f.Name, create: create, init: init}, comes, "bound")
		}
		o := s.run(t)
		p.run()
		got := map[string]time.Duration{}
		for _, n := range s.notes {
			got[n.function] = n.at - call
		}
		require.Equal(t, p.done, got)
		require.EqualValues(t, pods, o.Starts[cluster.StageStart].Count())
	})
}

// Between its order and its being ready a pod is always in one stage, except where it
// waits for the API server: without that limit the stages add up to the cold start.
func TestStagesAddUpToTheColdStart(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := drawn(t)
		for i := range s.nodes {
			s.nodes[i].FailAt, s.nodes[i].MemoryMiB, s.nodes[i].Cores = nil, 0, 64
			s.kube.Nodes[i].Taints = nil
		}
		for i := range s.functions {
			s.functions[i].Scaler = nil
			p := &s.kube.Pods[i]
			p.PodAffinity, p.Spread = nil, nil
		}
		s.kube.Kubelet.QPS, s.kube.Kubelet.MaxPods = 0, 1000
		o := s.run(t)
		start := o.Starts[cluster.StageStart]
		if start == nil {
			return
		}
		sum := 0.0
		for stage := range cluster.StageStart {
			require.Equal(t, start.Count(), o.Starts[stage].Count(), "%v: every pod has every stage", stage)
			sum += o.Starts[stage].Sum()
		}
		require.InDelta(t, start.Sum(), sum, 1e-6*float64(start.Count()))
	})
}

// Tokens that nobody takes are worth a burst and no more, on each node by itself.
func TestEachNodeHasItsOwnTokens(t *testing.T) {
	t.Parallel()
	s := small(2, slices.Concat(together(4), slices.Repeat([]time.Duration{30 * sec}, 4)))
	k := &s.kube.Kubelet
	k.QPS, k.Burst, k.StartRequests = 1, 1, 1
	s.run(t)
	// The spread puts two on each node; each node lets one begin at once.
	require.Equal(t, []float64{0, 0, 1, 1, 30, 30, 31, 31}, s.starts())
}

// What was being created on a node that failed is created anew on the other, behind
// those that are there.
func TestPodsOfAFailedNodeQueueAtTheOther(t *testing.T) {
	t.Parallel()
	s := small(2, together(6))
	s.functions[0].Laws = given(call, 2*sec, 0)
	s.kube.Kubelet.Creations = 1
	s.nodes[0].FailAt, s.nodes[0].Repair = []time.Duration{sec}, cluster.Unlimited
	s.kube.Scheduler.Bind = servicetime.Deterministic{Value: 100 * ms}
	s.run(t)
	require.Equal(t, map[string]int{"n1": 6}, s.on())
	require.Equal(t, []float64{2.1, 4.1, 6.1, 8.1, 10.1, 12.1}, s.starts(), "one after the other, from .1 s on")
}
