package controlplane

import (
	"time"

	"microcosm/cosim/cluster"
	"microcosm/cosim/des"
)

// scaleUnknown is the scale of a revision of which nothing is known yet.
const scaleUnknown = -1

// proxyAgain is after which time a revision that is to go to zero, with the
// activators in the path already, is looked at again.
const proxyAgain = 3 * time.Second

// reconcile makes the number of pods, the path and the condition what the
// autoscaler's last decision asks for, as Knative's PodAutoscaler reconciler does.
func (r *revision) reconcile() {
	for range 2 { // a change of the path is a reason to look once more
		before := r.proxied
		want := r.scale()
		r.setPath(want)
		r.updateCondition(want)
		if r.proxied == before {
			return
		}
	}
}

// scale applies the bounds, and the way to zero, and returns the scale wanted.
func (r *revision) scale() int32 {
	want := r.desired
	if want < 0 && r.status != activating {
		return want
	}
	low := r.spec.MinScale
	if r.spec.InitialScale > 1 && !r.initial && r.spec.Reachable {
		low = max(low, r.spec.InitialScale)
	}
	want = max(want, low)
	if high := r.spec.MaxScale; high > 0 {
		want = min(want, high)
	}
	apply := true
	if want == 0 {
		want, apply = r.toZero()
	}
	if apply && want != r.replicas {
		r.resize(want)
	}
	return want
}

// toZero says which scale a revision gets for which zero pods are wanted, and
// whether it gets it now: it is marked inactive after a stable window without
// load, then the activators come into the path, and when they have been there for
// the grace period the last pod goes.
func (r *revision) toZero() (want int32, apply bool) {
	if !r.spec.EnableScaleToZero {
		return 1, true
	}
	now := r.plane.a.Now()
	since := now.Sub(r.changed)
	switch r.status {
	case activating:
		return scaleUnknown, false
	case active:
		if since < r.spec.StableWindow {
			r.lookAgain(r.spec.StableWindow - since)
			return 1, true
		}
		if r.proxied {
			r.lookAgain(proxyAgain)
		}
		return 0, false
	}
	if !r.proxied { // the activators do not answer the probe yet
		r.lookAgain(time.Second)
		return 0, false
	}
	retention := r.spec.PodRetention
	if since >= max(r.spec.GracePeriod, retention) {
		return 0, true
	}
	if since < retention {
		r.lookAgain(retention - since)
		return 0, false
	}
	if left := r.spec.GracePeriod - now.Sub(r.proxySince); left > 0 {
		r.lookAgain(left)
		return 0, false
	}
	return 0, true
}

// lookAgain reconciles after a time, unless it will be done before.
func (r *revision) lookAgain(after time.Duration) {
	at := r.plane.a.Now().Add(after)
	if at >= r.reconcileAt {
		return
	}
	r.reconcileAt = at
	r.plane.a.Remind(at, cluster.Signal{Kind: signalReconcile, Ref: r.index})
}

func (r *revision) reconcileDue() {
	if r.plane.a.Now() == r.reconcileAt { // else an earlier one has come before it
		r.reconcileAt = des.End
		r.reconcile()
	}
}

// updateCondition moves the Active condition: inactive where no pod is wanted,
// activating until there are enough ready ones, then active.
func (r *revision) updateCondition(want int32) {
	enough := max(r.spec.MinScale, 1)
	if !r.initial {
		enough = max(r.spec.MinScale, r.spec.InitialScale)
	}
	ready := int32(len(r.ready))
	r.initial = r.initial || ready >= enough
	next := r.status
	switch {
	case want == 0 || enough == 0:
		next = inactive
	case want < 0 && r.status == inactive:
	case ready < enough:
		next = activating
	default:
		next = active
	}
	if next != r.status {
		r.status, r.changed = next, r.plane.a.Now()
	}
}
