package controlplane

import (
	"math"
	"slices"
	"time"

	"microcosm/cosim/des"
)

// Scaler decides how many pods a revision has, in the place of Knative's
// autoscaler. One is made for each revision.
type Scaler interface {
	// Period is how often it is asked.
	Period() time.Duration
	// Desired returns the number of pods wanted; it is bounded by the revision's
	// minimum and maximum afterwards.
	Desired(v View) int
}

// Patient is a Scaler that may hold back what it decides.
type Patient interface {
	// Waits reports that it would decide otherwise in time, though nothing happens.
	Waits() bool
}

// View is what a scaler sees of a revision.
type View struct {
	Now         des.Time
	Ready       int     // pods that serve
	Starting    int     // pods that do not serve yet
	Arrived     int64   // requests since it was last asked
	Utilization float64 // mean over the ready pods: share of a core busy since it was last asked
	Queue       float64 // median over the ready pods of the requests in them
}

// decideOtherwise asks the scaler that stands in for Knative's.
func (r *revision) decideOtherwise(now des.Time) {
	elapsed := float64(now - r.observedAt)
	busy := r.function.Executed()
	v := View{
		Now: now, Ready: len(r.ready), Starting: len(r.pods) - len(r.ready) + r.unplaced,
		Arrived: r.arrived - r.observedArrived, Queue: r.medianQueue(),
	}
	if len(r.ready) > 0 && elapsed > 0 {
		v.Utilization = float64(busy-r.observedBusy) / elapsed / float64(len(r.ready))
	}
	r.observedAt, r.observedArrived, r.observedBusy = now, r.arrived, busy
	r.unloaded = v.Arrived == 0 && v.Utilization == 0 && v.Queue == 0
	want := min(r.scaler.Desired(v), math.MaxInt32)
	r.desired, r.excess = int32(max(want, 0)), int32(min(r.spec.TargetBurstCapacity, 0))
}

// rests reports that the scaler, which has seen no load and kept the number of pods,
// will do so until the next arrival.
func (r *revision) rests(before int32) bool {
	if patient, ok := r.scaler.(Patient); ok && patient.Waits() {
		return false
	}
	return r.unloaded && r.replicas == before
}

func (r *revision) medianQueue() float64 {
	n := len(r.ready)
	if n == 0 {
		return 0
	}
	loads := make([]int, n)
	for i, d := range r.ready {
		loads[i] = d.sandbox.Load()
	}
	slices.Sort(loads)
	return float64(loads[(n-1)/2]+loads[n/2]) / 2
}
