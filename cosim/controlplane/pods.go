package controlplane

import (
	"cmp"
	"slices"
	"time"

	"microcosm/cosim/cluster"
	"microcosm/cosim/des"
)

// probePeriod is how often activators probe pods that have not answered yet.
const probePeriod = des.Time(200 * time.Millisecond)

// pod is a sandbox with its queue-proxy.
type pod struct {
	revision    *revision
	sandbox     *cluster.Sandbox
	proxy       queueProxy
	trackers    []tracker // by activator
	readyAt     des.Time
	ready       bool
	proved      bool // an activator's probe was answered
	terminating bool
}

func (r *revision) newPod(s *cluster.Sandbox) *pod {
	d := &pod{revision: r, sandbox: s, trackers: make([]tracker, len(r.activators))}
	for i := range d.trackers {
		d.trackers[i].place = -1
	}
	for int(s.ID()) >= len(r.plane.pods) {
		r.plane.pods = append(r.plane.pods, nil)
	}
	r.plane.pods[s.ID()] = d
	r.pods = append(r.pods, d)
	return d
}

// addPod starts a pod, or has it wait for a node.
func (r *revision) addPod() {
	if s := r.plane.a.Add(r.function, false); s != nil {
		r.newPod(s)
	} else {
		r.unplaced++
	}
}

// becomeReady puts a pod behind its service; the activators use it after the next
// probe.
func (d *pod) becomeReady() {
	r, now := d.revision, d.revision.plane.a.Now()
	if d.terminating {
		r.plane.remove(d)
		return
	}
	d.ready, d.readyAt = true, now
	d.proxy.started(now)
	r.ready = append(r.ready, d)
	if !r.probePending {
		r.probePending = true
		r.plane.a.Remind(grid(now, r.probePhase, probePeriod), cluster.Signal{Kind: signalProbe, Ref: r.index})
	}
	r.reconcile()
}

// probe lets the activators find the new pods.
func (r *revision) probe() {
	r.probePending = false
	for _, d := range r.ready {
		d.proved = true
	}
	r.assign()
}

// resize starts or ends pods until there are as many as wanted.
func (r *revision) resize(want int32) {
	r.replicas = want
	for missing := int(want) - len(r.pods) - r.unplaced; missing > 0; missing-- {
		r.addPod()
	}
	excess := len(r.pods) + r.unplaced - int(want)
	if excess <= 0 {
		return
	}
	for ; excess > 0 && r.unplaced > 0; excess-- {
		r.unplaced--
		r.plane.a.Withdraw(r.function)
	}
	if excess > 0 {
		r.terminate(r.victims()[:excess])
	}
}

// victims lists the pods in the order in which a ReplicaSet ends them: not ready
// before ready, then those on the nodes with the most pods of the revision, then
// the ones that became ready last, then the youngest.
func (r *revision) victims() []*pod {
	neighbours := map[*cluster.Node]int{}
	for _, d := range r.pods {
		neighbours[d.sandbox.Node()]++
	}
	list := slices.Clone(r.pods)
	slices.Reverse(list) // youngest first
	slices.SortStableFunc(list, func(a, b *pod) int {
		if a.ready != b.ready {
			if a.ready {
				return 1
			}
			return -1
		}
		return cmp.Or(neighbours[b.sandbox.Node()]-neighbours[a.sandbox.Node()], cmp.Compare(b.readyAt, a.readyAt))
	})
	return list
}

// terminate takes pods out of the path; each goes when nothing is left in it.
func (r *revision) terminate(list []*pod) {
	for _, d := range list {
		d.terminating = true
		r.terminating++
	}
	r.prune()
	r.assign()
	for _, d := range list {
		if d.ready && d.sandbox.Load() == 0 {
			r.plane.remove(d)
		}
	}
}

// prune takes the pods that terminate out of the path.
func (r *revision) prune() {
	gone := func(d *pod) bool { return d.terminating }
	r.pods = slices.DeleteFunc(r.pods, gone)
	r.ready = slices.DeleteFunc(r.ready, gone)
}
