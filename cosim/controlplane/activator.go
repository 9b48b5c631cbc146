package controlplane

import (
	"math"

	"microcosm/cosim/cluster"
	"microcosm/cosim/controlplane/knative"
	"microcosm/cosim/des"
)

// activator is what one activator holds of one revision: requests that wait for a
// pod, the pods it may use, and what it has under way in each.
type activator struct {
	traffic
	index    int32
	queue    queue
	assigned []*pod // by age
	free     bits64 // of these, those with a free slot
	cursor   int    // round robin
	phase    des.Time
	next     des.Time // report; -1 while it knows nothing of the revision
	begun    des.Time // what the next report is about
	adjust   float64  // what was reported at the first request already
}

// tracker is one activator's view of one pod.
type tracker struct {
	place int32 // among the assigned; -1 if it is not
	used  int32 // slots
}

// throughActivator hands a request to one of the revision's activators.
func (r *revision) throughActivator(id int32) {
	a := &r.activators[0]
	if r.subset > 1 {
		a = &r.activators[r.random.IntN(int(r.subset))]
	}
	now := r.plane.a.Now()
	a.arrived(r, now)
	if a.queue.count == 0 {
		if d := a.choose(r); d != nil {
			a.send(r, d, id, now)
			return
		}
	}
	a.queue.push(id)
}

// oneRequest is what an activator reports of the first request.
var oneRequest = knative.Stat{Concurrency: 1, Requests: 1}

// arrived counts a request. The first after a silence is reported at once, which
// is what wakes a revision without pods.
func (a *activator) arrived(r *revision, now des.Time) {
	first := a.next < 0
	if first {
		a.begun, a.since, a.area, a.count, a.adjust = now, now, 0, 0, 1
		a.next = grid(now, a.phase, report)
		r.plane.a.Remind(a.next, cluster.Signal{Kind: signalReport + a.index, Ref: r.index})
	}
	a.advance(now)
	a.inside++
	a.count++
	if first {
		r.collector.Record(now, oneRequest)
		r.poke()
	}
}

// report sends the averages since the last report to the autoscaler, and forgets
// a revision that had no requests.
func (a *activator) report(r *revision, now des.Time) {
	a.advance(now)
	stat := a.cut(float64(now - a.begun))
	idle := stat.Concurrency == 0
	stat.Concurrency = math.Max(stat.Concurrency-a.adjust, 0)
	stat.Requests -= a.adjust
	a.begun, a.adjust = now, 0
	r.collector.Record(now, stat)
	if idle {
		a.next = -1
		return
	}
	a.next = now + report
	r.plane.a.Remind(a.next, cluster.Signal{Kind: signalReport + a.index, Ref: r.index})
	if stat.Concurrency != 0 {
		r.poke()
	}
}

// choose returns the pod for the next request, nil where none has a free slot:
// with unlimited concurrency the better of two random pods, with a low limit the
// first available, else the next in turn.
func (a *activator) choose(r *revision) *pod {
	n := len(a.assigned)
	limit := r.spec.ContainerConcurrency
	switch {
	case n == 0:
		return nil
	case limit == 0:
		return a.betterOfTwo(r)
	case limit <= 3:
		if i := a.free.from(0); i >= 0 {
			return a.assigned[i]
		}
		return nil
	}
	i := -1
	if a.cursor < n {
		i = a.free.from(a.cursor)
	}
	if i < 0 {
		if i = a.free.from(0); i < 0 {
			return nil
		}
	}
	a.cursor = i + 1
	return a.assigned[i]
}

func (a *activator) betterOfTwo(r *revision) *pod {
	n := len(a.assigned)
	if n == 1 {
		return a.assigned[0]
	}
	i, j := 0, 1
	if n > 2 {
		i, j = r.random.IntN(n), r.random.IntN(n-1)
		if j >= i {
			j++
		}
	}
	one, other := a.assigned[i], a.assigned[j]
	switch x, y := one.trackers[a.index].used, other.trackers[a.index].used; {
	case x > y, x == y && r.random.IntN(2) == 0:
		return other
	default:
		return one
	}
}

// send passes a request on to a pod; where the pod's own queue is full, since
// others send to it too, the answer is 503.
func (a *activator) send(r *revision, d *pod, id int32, now des.Time) {
	t := &d.trackers[a.index]
	t.used++
	if t.used == int32(r.spec.ContainerConcurrency) && t.place >= 0 {
		a.free.clear(int(t.place))
	}
	d.proxy.enter(now, true)
	if !r.plane.a.Enter(d.sandbox, id, a.index) {
		d.proxy.leave(now, true)
		a.release(r, d, now)
		r.refuse(id)
	}
}

// left takes note of a request that has left its pod, and sends the next.
func (a *activator) left(r *revision, d *pod, now des.Time) {
	a.release(r, d, now)
	a.drain(r, now)
}

func (a *activator) release(r *revision, d *pod, now des.Time) {
	a.advance(now)
	a.inside--
	t := &d.trackers[a.index]
	t.used--
	if t.used == int32(r.spec.ContainerConcurrency)-1 && t.place >= 0 {
		a.free.set(int(t.place))
	}
}

// drain sends what waits while pods have free slots.
func (a *activator) drain(r *revision, now des.Time) {
	for a.queue.count > 0 {
		d := a.choose(r)
		if d == nil {
			return
		}
		a.send(r, d, a.queue.pop(), now)
	}
}

// assign gives each activator its pods: equal slices and one of the remaining
// pods each, or, where there are fewer pods than activators, one pod by turns.
// Pods of unlimited concurrency are everybody's.
func (r *revision) assign() {
	proved := r.proved[:0]
	for _, d := range r.ready {
		if d.proved {
			proved = append(proved, d)
		}
	}
	r.proved = proved
	limit := int32(r.spec.ContainerConcurrency)
	for i := range r.activators {
		a := &r.activators[i]
		for _, d := range a.assigned {
			d.trackers[a.index].place = -1
		}
		a.assigned = append(a.assigned[:0], slice(proved, int(a.index), int(r.subset))...)
		if n := len(proved); limit == 0 && n != len(a.assigned) {
			a.assigned = append(a.assigned[:0], proved...)
		}
		if remaining := remnant(len(proved), int(a.index), int(r.subset)); limit > 0 && remaining >= 0 {
			a.assigned = append(a.assigned, proved[remaining])
		}
		a.free.reset(len(a.assigned))
		for place, d := range a.assigned {
			t := &d.trackers[a.index]
			t.place = int32(place)
			if t.used < limit {
				a.free.set(place)
			}
		}
		a.drain(r, r.plane.a.Now())
	}
}

// slice returns the pods that are the activator's alone; an activator outside of
// the subset may use all.
func slice(pods []*pod, index, activators int) []*pod {
	n := len(pods)
	switch {
	case index >= activators || n <= 1 || activators == 1:
		return pods
	case activators > n:
		return pods[index%n : index%n+1]
	}
	size := n / activators
	return pods[index*size : (index+1)*size]
}

// remnant returns the index of the pod that an activator gets of those that equal
// slices leave, -1 for none.
func remnant(pods, index, activators int) int {
	if index >= activators || pods <= 1 || activators == 1 || activators > pods || index >= pods%activators {
		return -1
	}
	return pods - pods%activators + index
}
