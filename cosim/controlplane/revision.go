package controlplane

import (
	"math"
	"math/rand/v2"
	"time"

	"microcosm/cosim/cluster"
	"microcosm/cosim/controlplane/knative"
	"microcosm/cosim/des"
)

// revision is one function with its pods, its place in the data path and its
// autoscaler.
type revision struct {
	plane    *Plane
	function *cluster.Function
	index    int32
	spec     knative.Spec
	random   *rand.Rand
	way      func(u float64) time.Duration

	activators []activator
	subset     int32 // activators that hold requests of this revision: the first ones
	proxied    bool  // activators are in the path
	proxySince des.Time

	pods        []*pod // that do not terminate, by age
	ready       []*pod // of these, the ready ones
	proved      []*pod // of these, those the activators have probed
	unplaced    int    // pods that have no node yet
	terminating int
	inside      int   // requests in the system
	arrived     int64 // requests so far

	collector  *knative.Collector
	autoscaler *knative.Autoscaler
	scaler     Scaler // nil: the autoscaler above
	desired    int32  // -1 before the first decision
	excess     int32
	panics     bool
	status     condition
	changed    des.Time // of the status
	initial    bool     // the initial scale was reached
	replicas   int32

	reconcileAt   des.Time // pending; End for none
	awake         bool     // ticks and scrapes go on
	tickPhase     des.Time
	scrapePhase   des.Time
	probePhase    des.Time
	lastScrape    des.Time
	tickPending   bool // an event is
	scrapePending bool
	probePending  bool
	sample        []*pod // scratch

	observedAt      des.Time // by another scaler; what it saw then
	observedArrived int64
	observedBusy    time.Duration
	unloaded        bool
}

// condition is the Active condition of a revision's PodAutoscaler.
type condition uint8

const (
	activating condition = iota
	active
	inactive
)

func newRevision(p *Plane, f *cluster.Function, c Revision) *revision {
	r := &revision{
		plane: p, function: f, index: int32(f.Index()), spec: c.Spec, way: c.Way,
		random: p.config.Random("knative/" + f.Name()), desired: -1, proxied: true, reconcileAt: des.End,
		collector: knative.NewCollector(c.Spec), excess: c.Spec.InitialExcess(),
	}
	if c.NewScaler != nil {
		r.scaler = c.NewScaler()
	}
	r.tickPhase, r.scrapePhase, r.probePhase = r.phase(r.period()), r.phase(report), r.phase(probePeriod)
	r.activators = make([]activator, p.activators)
	for i := range r.activators {
		r.activators[i] = activator{index: int32(i), phase: r.phase(report), next: -1}
	}
	return r
}

func (r *revision) phase(period des.Time) des.Time { return des.Time(r.random.Int64N(int64(period))) }

// period is how often the autoscaler decides.
func (r *revision) period() des.Time {
	if r.scaler != nil {
		return des.Time(r.scaler.Period())
	}
	return des.Time(knative.Tick)
}

// begin starts the initial scale: pods that exist before the first arrival.
func (r *revision) begin() {
	r.replicas = max(r.spec.InitialScale, r.spec.MinScale)
	if r.spec.MaxScale > 0 {
		r.replicas = min(r.replicas, r.spec.MaxScale)
	}
	for range r.replicas {
		s := r.plane.a.Add(r.function, true)
		if s == nil {
			r.unplaced++
			continue
		}
		d := r.newPod(s)
		d.ready, d.readyAt, d.proved = true, -des.Time(r.spec.StableWindow), true
		d.proxy.reported = true
		r.ready = append(r.ready, d)
	}
	r.initial, r.status = true, active
	if r.replicas == 0 {
		r.status = inactive
	}
	r.autoscaler = knative.NewAutoscaler(r.spec, 0, 0)
	r.assign()
	r.setPath(r.replicas)
	r.wake()
}

// wake resumes ticks and scrapes.
func (r *revision) wake() {
	if r.awake {
		return
	}
	r.awake = true
	now := r.plane.a.Now()
	if len(r.ready) > 0 {
		if last := grid(now, r.scrapePhase, report) - report; last > r.lastScrape {
			r.collector.Skip(last)
		}
	}
	if !r.tickPending {
		r.tickPending = true
		// Another scaler sees what has been since the tick that it would have had last.
		r.observedAt = max(r.observedAt, grid(now, r.tickPhase, r.period())-r.period())
		r.plane.a.Remind(grid(now, r.tickPhase, r.period()), cluster.Signal{Kind: signalTick, Ref: r.index})
	}
	if !r.scrapePending && r.scaler == nil {
		r.scrapePending = true
		r.plane.a.Remind(grid(now, r.scrapePhase, report), cluster.Signal{Kind: signalScrape, Ref: r.index})
	}
}

// quiet reports that until the next arrival nothing can change: no requests, no
// history, and as many pods as are wanted of a revision without load.
// The number of pods before the last decision is given.
func (r *revision) quiet(before int32) bool {
	if r.inside > 0 || r.terminating > 0 || r.reconcileAt != des.End || !r.settled() {
		return false
	}
	if r.scaler != nil {
		return r.rests(before)
	}
	return r.collector.Silent(r.plane.a.Now())
}

func (r *revision) settled() bool {
	return !r.panics && r.desired <= r.floor() && r.replicas == r.floor() && len(r.ready) == int(r.replicas) && len(r.pods) == len(r.ready)
}

// floor is the scale of a revision without load.
func (r *revision) floor() int32 {
	if r.scaler != nil {
		return r.replicas
	}
	if r.spec.MinScale == 0 && !r.spec.EnableScaleToZero {
		return 1
	}
	return r.spec.MinScale
}

// tick lets the autoscaler decide.
func (r *revision) tick() {
	r.tickPending = false
	before := r.replicas
	if r.decide() {
		r.reconcile()
	}
	if r.quiet(before) {
		r.awake = false
		return
	}
	r.tickPending = true
	r.plane.a.Remind(r.plane.a.Now()+r.period(), cluster.Signal{Kind: signalTick, Ref: r.index})
}

// decide asks the autoscaler, and reports whether its decision, or the side of
// zero on which the excess burst capacity lies, is another than before.
func (r *revision) decide() (changed bool) {
	now := r.plane.a.Now()
	desired, excess := r.desired, r.excess
	if r.scaler != nil {
		r.decideOtherwise(now)
		return true
	}
	stable, panicking, ok := r.collector.Averages(now)
	if !ok {
		return false
	}
	d := r.autoscaler.Decide(now, knative.Observed{Ready: len(r.ready), Stable: stable, Panic: panicking})
	r.desired, r.excess, r.panics = d.Desired, d.Excess, d.Panic
	return r.desired != desired || (r.excess < 0) != (excess < 0)
}

// poke lets the autoscaler decide at once where a request finds a revision that
// was scaled to zero.
func (r *revision) poke() {
	if r.desired == 0 && r.scaler == nil && r.decide() {
		r.reconcile()
	}
}

// scrape asks a sample of the pods for their last report: pods older than the
// stable window first.
func (r *revision) scrape() {
	r.scrapePending = false
	if !r.awake {
		return
	}
	now := r.plane.a.Now()
	r.lastScrape = now
	if len(r.ready) > 0 && r.spec.TargetBurstCapacity != -1 {
		r.scrapePods(now)
	}
	r.scrapePending = true
	r.plane.a.Remind(now+report, cluster.Signal{Kind: signalScrape, Ref: r.index})
}

func (r *revision) scrapePods(now des.Time) {
	want := knative.SampleSize(len(r.ready))
	old := 0 // the ready list is by the time they became ready
	for old < len(r.ready) && now.Sub(r.ready[old].readyAt) > r.spec.StableWindow {
		old++
	}
	r.sample = append(r.sample[:0], r.ready...)
	if want < len(r.sample) {
		if old < want {
			r.shuffle(r.sample[old:], want-old)
		} else {
			r.shuffle(r.sample[:old], want)
		}
	}
	var sum knative.Stat
	got := 0
	for _, d := range r.sample {
		if got == want {
			break
		}
		if stat, ok := d.proxy.scrape(now); ok {
			sum.Add(stat)
			got++
		}
	}
	if got < want {
		return // too few answered for a meaningful extrapolation
	}
	sum.Extrapolate(float64(want), float64(len(r.ready)))
	r.collector.Record(now, sum)
}

// shuffle puts n random pods first.
func (r *revision) shuffle(pods []*pod, n int) {
	for i := range n {
		j := i + r.random.IntN(len(pods)-i)
		pods[i], pods[j] = pods[j], pods[i]
	}
}

// straight sends a request to a random pod, as kube-proxy does.
func (r *revision) straight(id int32) {
	if len(r.ready) == 0 { // its endpoints are gone: the activators take over
		r.throughActivator(id)
		return
	}
	d := r.ready[0]
	if n := len(r.ready); n > 1 {
		d = r.ready[r.random.IntN(n)]
	}
	d.proxy.enter(r.plane.a.Now(), false)
	if !r.plane.a.Enter(d.sandbox, id, -1) {
		d.proxy.leave(r.plane.a.Now(), false)
		r.refuse(id)
	}
}

// refuse answers 503.
func (r *revision) refuse(id int32) {
	r.inside--
	r.plane.a.Reject(r.function, id)
}

// setPath moves the activators into the path or out of it: out while there are
// pods with capacity for a burst.
func (r *revision) setPath(want int32) {
	proxied := want <= 0 || r.excess < 0
	if proxied && !r.proxied {
		r.proxySince = r.plane.a.Now()
	}
	r.proxied = proxied
	subset := int32(2)
	if burst := r.spec.TargetBurstCapacity; burst != 0 {
		capacity := float64(len(r.ready)) * r.spec.Total
		if burst > 0 {
			capacity += burst
		}
		subset = int32(math.Max(2, math.Ceil(capacity/r.spec.ActivatorCapacity)))
	}
	if subset = min(subset, int32(len(r.activators))); subset != r.subset {
		r.subset = subset
		r.assign()
	}
}
