package kubernetes

import (
	"time"

	"microcosm/cosim/des"
)

// flush is how often the scheduler looks for pods whose backoff is over, rescue how
// often for those that were unschedulable for too long
// (pkg/scheduler/backend/queue/scheduling_queue.go).
const (
	flush  = des.Time(time.Second)
	rescue = des.Time(30 * time.Second)
)

// entry is a pod in a queue. It is void once the pod has got another ticket.
type entry struct {
	at     des.Time
	ticket int64
	pod    int32
}

func (e entry) before(o entry) bool { return e.at < o.at || e.at == o.at && e.ticket < o.ticket }

// waiting is a queue by time, then ticket: a binary heap.
type waiting []entry

func (w *waiting) push(e entry) {
	*w = append(*w, e)
	h := *w
	i := len(h) - 1
	for i > 0 && e.before(h[(i-1)/2]) {
		h[i] = h[(i-1)/2]
		i = (i - 1) / 2
	}
	h[i] = e
}

func (w *waiting) pop() entry {
	h := *w
	top, last := h[0], h[len(h)-1]
	h = h[:len(h)-1]
	*w = h
	i := 0
	for {
		child := 2*i + 1
		if child >= len(h) {
			break
		}
		if child+1 < len(h) && h[child+1].before(h[child]) {
			child++
		}
		if !h[child].before(last) {
			break
		}
		h[i] = h[child]
		i = child
	}
	if len(h) > 0 {
		h[i] = last
	}
	return top
}

// queue is the scheduling queue: pods to be tried, pods whose backoff lasts, and
// pods that nothing can be done for until the cluster changes.
type queue struct {
	active        waiting // by the time they came, or failed last
	backingOff    waiting // by the end of their backoff
	unschedulable []entry // in the order in which they failed
	tickets       int64
	flushAt       des.Time // pending; End for none
	rescueAt      des.Time
}

// enqueue gives the pod a new ticket: what other queues hold of it is void.
func (k *Kubernetes) enqueue(id int32, at des.Time) entry {
	k.queue.tickets++
	k.pods[id].ticket = k.queue.tickets
	return entry{at: at, ticket: k.queue.tickets, pod: id}
}

func (k *Kubernetes) valid(e entry) bool { return k.pods[e.pod].ticket == e.ticket }

// next returns the pod to be tried next.
func (k *Kubernetes) next() (entry, bool) {
	for len(k.queue.active) > 0 {
		if e := k.queue.active.pop(); k.valid(e) {
			return e, true
		}
	}
	return entry{}, false
}

// backoff returns how long a pod waits after so many attempts
// (backoff_queue.go, calculateBackoffDuration).
func (s *Scheduler) backoff(attempts int) time.Duration {
	d := s.InitialBackoff
	for i := 1; i < attempts; i++ {
		if d > s.MaxBackoff-d {
			return s.MaxBackoff
		}
		d += d
	}
	return d
}

// giveUp keeps a pod that fits nowhere until the cluster changes.
func (k *Kubernetes) giveUp(id int32) {
	now := k.l.Now()
	p := &k.pods[id]
	p.since = now
	k.l.Unplaced()
	k.queue.unschedulable = append(k.queue.unschedulable, k.enqueue(id, now))
	k.planRescue(now.Add(k.config.Scheduler.LongestUnschedulable))
}

// changed gives every unschedulable pod another try, after its backoff.
func (k *Kubernetes) changed() {
	for _, e := range k.queue.unschedulable {
		if k.valid(e) {
			k.tryAgain(e.pod)
		}
	}
	k.queue.unschedulable = k.queue.unschedulable[:0]
	k.wake()
}

func (k *Kubernetes) tryAgain(id int32) {
	p := &k.pods[id]
	over := p.since.Add(k.config.Scheduler.backoff(p.attempts))
	if over <= k.l.Now() {
		k.queue.active.push(k.enqueue(id, p.since))
		return
	}
	k.queue.backingOff.push(k.enqueue(id, over))
	k.planFlush()
}

// planFlush has the backoff queue looked at when the first backoff is over.
func (k *Kubernetes) planFlush() {
	q := &k.queue
	at := ceil(q.backingOff[0].at, flush)
	if at < q.flushAt {
		q.flushAt = at
		k.l.Remind(at, signal(signalFlush, 0, 0))
	}
}

func (k *Kubernetes) flush() {
	q, now := &k.queue, k.l.Now()
	if now != q.flushAt {
		return // an earlier one came before it
	}
	q.flushAt = des.End
	for len(q.backingOff) > 0 && q.backingOff[0].at <= now {
		if e := q.backingOff.pop(); k.valid(e) {
			q.active.push(k.enqueue(e.pod, k.pods[e.pod].since))
		}
	}
	if len(q.backingOff) > 0 {
		k.planFlush()
	}
	k.wake()
}

func (k *Kubernetes) planRescue(at des.Time) {
	if at = ceil(at, rescue); at < k.queue.rescueAt {
		k.queue.rescueAt = at
		k.l.Remind(at, signal(signalRescue, 0, 0))
	}
}

// rescue tries pods that have been unschedulable for too long.
func (k *Kubernetes) rescue() {
	q, now := &k.queue, k.l.Now()
	if now != q.rescueAt {
		return
	}
	q.rescueAt = des.End
	kept := q.unschedulable[:0]
	for _, e := range q.unschedulable {
		switch longest := e.at.Add(k.config.Scheduler.LongestUnschedulable); {
		case !k.valid(e):
		case longest <= now:
			k.tryAgain(e.pod)
		default:
			kept = append(kept, e)
			k.planRescue(longest)
		}
	}
	q.unschedulable = kept
	k.wake()
}

// ceil returns the first multiple of the period that is not before the instant.
func ceil(at, period des.Time) des.Time {
	if at > des.End-period {
		return des.End
	}
	return (at + period - 1) / period * period
}
