package cluster

import (
	"fmt"

	"microcosm/cosim/des"
	"microcosm/cosim/metrics"
)

// Times holds the three times of an invocation: response = waiting + service.
type Times struct {
	Response, Waiting, Service metrics.Histogram
}

// Merge adds what o has recorded.
func (t *Times) Merge(o *Times) {
	t.Response.Merge(&o.Response)
	t.Waiting.Merge(&o.Waiting)
	t.Service.Merge(&o.Service)
}

// Account says where every request went, and apart from it how many attempts
// were made. Warm-up requests are included.
type Account struct {
	Arrived  int64 `json:"arrived"`
	Done     int64 `json:"done"`
	Failed   int64 `json:"failed"`
	Rejected int64 `json:"rejected"`
	Queued   int64 `json:"queued"`  // waiting for a sandbox or a core when the run ended
	Running  int64 `json:"running"` // in service when the run ended
	Attempts int64 `json:"attempts"`
	Retries  int64 `json:"retries"` // attempts after one that was lost
	Hedges   int64 `json:"hedges"`  // attempts beside one that took long
}

// Balance returns an error unless arrived = done + failed + rejected + queued +
// running, and attempts = arrived + retries + hedges.
func (a Account) Balance() error {
	if ended := a.Done + a.Failed + a.Rejected + a.Queued + a.Running; ended != a.Arrived {
		return fmt.Errorf("requests lost from the count: %d arrived, but done %d + failed %d + rejected %d + queued %d + running %d = %d",
			a.Arrived, a.Done, a.Failed, a.Rejected, a.Queued, a.Running, ended)
	}
	if made := a.Arrived + a.Retries + a.Hedges; made != a.Attempts {
		return fmt.Errorf("attempts lost from the count: %d were made, but arrived %d + retries %d + hedges %d = %d", a.Attempts, a.Arrived, a.Retries, a.Hedges, made)
	}
	return nil
}

// Add adds another account.
func (a *Account) Add(o Account) {
	a.Arrived += o.Arrived
	a.Done += o.Done
	a.Failed += o.Failed
	a.Rejected += o.Rejected
	a.Queued += o.Queued
	a.Running += o.Running
	a.Attempts += o.Attempts
	a.Retries += o.Retries
	a.Hedges += o.Hedges
}

// span is the part of virtual time that a level integrates over.
type span struct {
	warmUp, horizon des.Time
	width           des.Time // of a bucket of the timeline
}

// level integrates a number over time: in all, from warm-up to horizon, and by
// bucket of the timeline.
type level struct {
	value    int64
	moment   int64    // sum of every change times its nanoseconds after since
	since    des.Time // until here, all is in the integrals
	boundary des.Time // until there, what is added belongs to the same ones
	total    float64  // value · nanoseconds, from the beginning to the end
	observed float64  // value · nanoseconds, from warm-up to horizon
	buckets  []float64
	bucket   int
	span     span
}

// stretch bounds boundary − since, so that moment does not overflow: 2^40 ns, some 18
// minutes, for a value of up to 2^22.
const stretch = 1 << 40

func (l *level) init(s span, buckets int) {
	l.buckets = make([]float64, buckets)
	l.span = s
	l.boundary = l.next()
}

func (l *level) add(delta int64, now des.Time) {
	if now >= l.boundary {
		l.advance(now)
	}
	l.moment += delta * int64(now-l.since)
	l.value += delta
}

// advance brings the integrals up to the instant now.
func (l *level) advance(now des.Time) {
	for {
		to := min(now, l.boundary)
		area := float64(l.value*int64(to-l.since) - l.moment)
		l.total += area
		if l.since >= l.span.warmUp && l.since < l.span.horizon {
			l.observed += area
		}
		if l.bucket < len(l.buckets) {
			l.buckets[l.bucket] += area
		}
		l.moment, l.since = 0, to
		if to < l.boundary {
			return
		}
		l.boundary = l.next()
	}
}

// next returns the first boundary after since, and moves on to the bucket that it is in.
func (l *level) next() des.Time {
	next := l.since.Add(stretch)
	for _, at := range []des.Time{l.span.warmUp, l.span.horizon} {
		if at > l.since {
			next = min(next, at)
		}
	}
	for ; l.bucket < len(l.buckets); l.bucket++ {
		if end := des.Time(l.bucket+1) * l.span.width; end > l.since {
			return min(next, end)
		}
	}
	return next
}

// RestName is the name under which minor functions are recorded together.
const RestName = "(the rest)"

// recorder collects what a run reports. What it holds is fixed once the run has
// begun, but for histograms, which grow with the range of what they hold.
type recorder struct {
	span      span
	noNodes   bool
	noClasses bool

	account    Account
	byFunction []*functionRecord
	minor      *functionRecord // shared; nil without minor functions
	byNode     []tally
	byClass    [Classes]tally
	series     metrics.Series
	sections   *metrics.Sections // nil unless wanted

	system     level // invocations in the system
	busy       level // busy cores
	population level // sandboxes
	capacity   level // cores

	admissions   int64 // arrivals after the warm-up
	rejections   int64 // of these
	interpolated int64
	unplaced     int64
	evicted      int64
	overLimit    int64 // sandboxes
	outOfMemory  int64 // likewise
	coldStarts   int64
	preWarmed    int64
	executed     float64 // nanoseconds of core time, those on a core now not included
	useful       float64 // of these, of invocations that answered
	lost         float64 // of these, of attempts that did not
	lostAttempts int64
	cancelled    int64
	ended        int64 // nodes
	preempted    int64
	stays        int64 // on cores, ended by a quota or a move
	throttled    int64
	migrated     int64
	pulls        int64
	downloaded   int64 // bytes
	stages       [Stages]*metrics.Histogram
}

type functionRecord struct {
	name    string
	members int // functions that share the record
	times   tally
	account Account
	classes [Classes]int64 // recorded
}

func (r *recorder) init(m *Model) {
	c := m.config
	buckets := des.Time(c.Buckets)
	r.span = span{warmUp: c.WarmUp, horizon: c.Horizon, width: (c.Horizon + buckets - 1) / buckets}
	r.noNodes, r.noClasses = c.NoNodes, c.NoClasses
	if c.Sections {
		r.sections = new(metrics.Sections)
	}
	for _, f := range m.functions {
		f.record = r.recordFor(f)
	}
	r.byNode = make([]tally, len(m.nodes))
	for _, l := range []*level{&r.system, &r.busy, &r.population, &r.capacity} {
		l.init(r.span, c.Buckets)
	}
}

func (r *recorder) recordFor(f *Function) *functionRecord {
	if f.config.Minor && r.minor != nil {
		r.minor.members++
		return r.minor
	}
	record := &functionRecord{name: f.config.Name, members: 1}
	if f.config.Minor {
		record.name, r.minor = RestName, record
	}
	r.byFunction = append(r.byFunction, record)
	return record
}

func (r *recorder) arrived(m *Model, f *Function) {
	r.account.Arrived++
	r.account.Attempts++
	f.record.account.Arrived++
	f.record.account.Attempts++
	if m.events.Now() >= r.span.warmUp {
		r.admissions++
	}
	r.system.add(1, m.events.Now())
}

// gaveUp counts a request that ends without an answer.
func (r *recorder) gaveUp(m *Model, inv *invocation, why Loss) {
	f := inv.function
	if why == LossRejected {
		r.account.Rejected++
		f.record.account.Rejected++
		if inv.arrived >= r.span.warmUp {
			r.rejections++
		}
	} else {
		r.account.Failed++
		f.record.account.Failed++
	}
	r.system.add(-1, m.events.Now())
}

func (r *recorder) retried(f *Function) {
	for _, a := range []*Account{&r.account, &f.record.account} {
		a.Attempts++
		a.Retries++
	}
}

func (r *recorder) hedged(f *Function) {
	for _, a := range []*Account{&r.account, &f.record.account} {
		a.Attempts++
		a.Hedges++
	}
}

func (r *recorder) done(m *Model, inv *invocation) {
	now, f := m.events.Now(), inv.function.record
	r.useful += float64(inv.busy)
	r.account.Done++
	f.account.Done++
	r.system.add(-1, now)
	if inv.arrived < r.span.warmUp {
		return
	}
	f.classes[inv.class]++
	if inv.class == ClassCold && inv.awaited {
		r.coldStarts++
	}
	response := now.Sub(inv.arrived) + inv.way
	r.series.Add(response.Seconds())
	if r.sections != nil {
		r.sections.Record(response)
	}
	f.times.record(response, inv.service)
	if !r.noNodes {
		r.byNode[inv.sandbox.node.index].record(response, inv.service)
	}
	if !r.noClasses {
		r.byClass[inv.class].record(response, inv.service)
	}
}

func (r *recorder) busyCores(m *Model, delta int64) {
	r.busy.add(delta, m.events.Now())
}

func (r *recorder) cores(m *Model, delta int64) {
	r.capacity.add(delta, m.events.Now())
}

func (r *recorder) sandboxes(m *Model, delta int64) {
	r.population.add(delta, m.events.Now())
}
