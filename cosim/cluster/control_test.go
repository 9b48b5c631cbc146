package cluster_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/cluster"
	"microcosm/cosim/des"
)

// plane is a control plane of functions. What a test does not script, it does
// not expect.
type plane struct {
	cluster.ControlPlane
	*cluster.Actuator
	start   func(p *plane) error
	arrived func(p *plane, f *cluster.Function, id int32)
	left    func(s *cluster.Sandbox, route int32)
	ready   func(p *plane, s *cluster.Sandbox)
	handle  func(p *plane, s cluster.Signal)
}

func (p *plane) Start(a *cluster.Actuator) error {
	p.Actuator = a
	return p.start(p)
}

func (p *plane) Arrived(f *cluster.Function, id int32) { p.arrived(p, f, id) }

func (p *plane) Left(s *cluster.Sandbox, route int32) {
	if p.left != nil {
		p.left(s, route)
	}
}

func (p *plane) Ready(s *cluster.Sandbox) { p.ready(p, s) }

func (p *plane) Handle(s cluster.Signal) { p.handle(p, s) }

// controlled is a cluster of one node and one function under the plane.
func controlled(t *testing.T, p *plane, law *spy, milliseconds ...int) cluster.Config {
	c := world(t, 1, function("f", law, milliseconds...))
	c.Nodes[0].MemoryMiB, c.Functions[0].MemoryMiB = 100, 40
	c.NewControlPlane = func() cluster.ControlPlane { return p }
	return c
}

func TestAnInvocationTakesASlotOrWaitsOrIsTurnedAway(t *testing.T) {
	t.Parallel()
	var pod *cluster.Sandbox
	var routes []int32
	entered := []bool{}
	p := &plane{
		start: func(p *plane) error {
			pod = p.Add(p.Functions()[0], true)
			require.True(t, pod.Called(), "existing pods have had their first call")
			return nil
		},
		arrived: func(p *plane, f *cluster.Function, id int32) {
			ok := p.Enter(pod, id, 7+int32(len(entered)))
			if entered = append(entered, ok); !ok {
				p.Reject(f, id)
			}
		},
		left: func(s *cluster.Sandbox, route int32) {
			require.Same(t, pod, s)
			routes = append(routes, route)
		},
	}
	c := controlled(t, p, &spy{service: 100 * ms}, 0, 10, 20, 150)
	c.Functions[0].QueueLimit = 1
	o := run(t, c)
	require.Equal(t, []bool{true, true, false, true}, entered, "at 20 one is in service and one waits")
	require.Equal(t, []int32{7, 8, 10}, routes, "each leaves by the route it entered on")
	require.Equal(t, cluster.Account{Arrived: 4, Done: 3, Rejected: 1, Attempts: 4}, o.Account)
	require.Equal(t, 100*ms, o.Functions[0].Times.Service.Max())
	require.Equal(t, 90*ms, o.All.Waiting.Max())
}

func TestAPlaneCanHoldAnInvocationUntilAPodIsReady(t *testing.T) {
	t.Parallel()
	var held []int32
	p := &plane{
		start: func(*plane) error { return nil },
		arrived: func(p *plane, f *cluster.Function, id int32) {
			held = append(held, id)
			pod := p.Add(f, false)
			require.NotNil(t, pod)
			require.False(t, pod.Called())
			require.Error(t, p.Remove(pod), "it is not ready yet")
		},
		ready: func(p *plane, s *cluster.Sandbox) {
			require.Equal(t, des.Time(60*ms), p.Now())
			require.True(t, p.Enter(s, held[0], 0))
			require.ErrorContains(t, p.Remove(s), "with 1 invocations in it")
		},
	}
	law := &spy{service: 5 * ms, create: 20 * ms, init: 30 * ms}
	o := run(t, controlled(t, p, law, 10))
	require.True(t, law.seen[0].Cold)
	require.Equal(t, 50*ms, o.All.Waiting.Max())
	require.Equal(t, int64(1), o.ColdStarts)
	require.Equal(t, int64(1), o.Created)
}

func TestWithoutMemoryThereIsNoPod(t *testing.T) {
	t.Parallel()
	p := &plane{start: func(p *plane) error {
		f := p.Functions()[0]
		require.NotNil(t, p.Add(f, true))
		require.NotNil(t, p.Add(f, true))
		require.Nil(t, p.Add(f, true), "three times 40 MiB on 100")
		return nil
	}}
	o := run(t, controlled(t, p, &spy{service: ms}))
	require.Equal(t, int64(1), o.Unplaced)
	require.Zero(t, o.Created, "what exists from the beginning is not made")
}

func TestSignalsComeAtTheirInstantInOrder(t *testing.T) {
	t.Parallel()
	var seen []cluster.Signal
	var when []des.Time
	p := &plane{
		start: func(p *plane) error {
			p.Remind(des.Time(30*ms), cluster.Signal{Kind: 3, Ref: 30})
			p.Remind(des.Time(10*ms), cluster.Signal{Kind: 1, Ref: 10})
			p.Remind(des.Time(10*ms), cluster.Signal{Kind: 2, Ref: 11})
			return nil
		},
		handle: func(p *plane, s cluster.Signal) {
			if seen, when = append(seen, s), append(when, p.Now()); s.Kind == 3 {
				p.Remind(p.Now(), cluster.Signal{Kind: 4})
			}
		},
	}
	run(t, controlled(t, p, &spy{service: ms}))
	require.Equal(t, []cluster.Signal{{Kind: 1, Ref: 10}, {Kind: 2, Ref: 11}, {Kind: 3, Ref: 30}, {Kind: 4}}, seen)
	require.Equal(t, []des.Time{des.Time(10 * ms), des.Time(10 * ms), des.Time(30 * ms), des.Time(30 * ms)}, when)
}

// The way counts as waiting: it adds to the response and holds nothing.
func TestADelayIsPartOfTheResponseOnly(t *testing.T) {
	t.Parallel()
	var pod *cluster.Sandbox
	p := &plane{
		start: func(p *plane) error { pod = p.Add(p.Functions()[0], true); return nil },
		arrived: func(p *plane, _ *cluster.Function, id int32) {
			p.Delay(id, 3*ms)
			p.Delay(id, 4*ms)
			require.True(t, p.Enter(pod, id, 0))
		},
	}
	o := run(t, controlled(t, p, &spy{service: 20 * ms}, 0, 30))
	require.Equal(t, 27*ms, o.All.Response.Max())
	require.Equal(t, 7*ms, o.All.Waiting.Max())
	require.InDelta(t, .04/10, o.MeanBusyCores, 1e-12)
}

func TestARemovedPodIsGoneAndItsMemoryFree(t *testing.T) {
	t.Parallel()
	var pods []*cluster.Sandbox
	p := &plane{
		start: func(p *plane) error {
			for range 2 {
				pods = append(pods, p.Add(p.Functions()[0], true))
			}
			require.NotEqual(t, pods[0].ID(), pods[1].ID())
			p.Remind(des.Time(time.Second), cluster.Signal{})
			return nil
		},
		handle: func(p *plane, _ cluster.Signal) {
			require.NoError(t, p.Remove(pods[0]))
			require.Equal(t, 1, p.Functions()[0].Ready())
			free, _ := pods[1].Node().FreeMiB()
			require.Equal(t, 60, free)
		},
	}
	o := run(t, controlled(t, p, &spy{service: ms}))
	require.InDelta(t, (2+9.)/10, o.MeanSandboxes, 1e-12)
}

func TestAPlaneThatFailsEndsTheRunWithItsFirstError(t *testing.T) {
	t.Parallel()
	first, second := errors.New("first"), errors.New("second")
	for situation, p := range map[string]*plane{
		"at the start": {start: func(*plane) error { return first }},
		"later": {start: func(*plane) error { return nil }, arrived: func(p *plane, _ *cluster.Function, _ int32) {
			p.Fail(first)
			p.Fail(second)
		}},
	} {
		m, err := cluster.New(controlled(t, p, &spy{service: ms}, 0))
		require.NoError(t, err)
		_, err = m.Run()
		require.ErrorIs(t, err, first, situation)
		require.NotErrorIs(t, err, second, situation)
	}
}

func TestAPlaneSeesTheWorkOfItsFunctions(t *testing.T) {
	t.Parallel()
	var pod *cluster.Sandbox
	var executed []time.Duration
	p := &plane{
		start: func(p *plane) error {
			f := p.Functions()[0]
			require.Equal(t, 0, f.Index())
			pod = p.Add(f, true)
			for _, at := range []time.Duration{5, 15, 45} {
				p.Remind(des.Time(at*ms), cluster.Signal{})
			}
			return nil
		},
		arrived: func(p *plane, _ *cluster.Function, id int32) { p.Enter(pod, id, 0) },
		handle:  func(p *plane, _ cluster.Signal) { executed = append(executed, p.Functions()[0].Executed()) },
	}
	run(t, controlled(t, p, &spy{service: 20 * ms, busy: 10 * ms}, 0, 30))
	require.Equal(t, []time.Duration{0, 10 * ms, 20 * ms}, executed, "core time of those that have left their core")
}

func TestWhatIsNotSimulatedUnderAPlaneIsRefused(t *testing.T) {
	t.Parallel()
	c := controlled(t, &plane{}, &spy{service: ms})
	require.NoError(t, c.Check())
	c.Functions[0].NewHedge = func() cluster.Hedge { return nil }
	err := c.Check()
	require.ErrorContains(t, err, "function f: nothing is hedged under a control plane")
}
