package controlplane

import (
	"time"

	"microcosm/cosim/controlplane/knative"
	"microcosm/cosim/des"
)

// report is how often queue-proxies and activators report, and how often pods are
// scraped.
const report = des.Time(time.Second)

// traffic counts the requests in one place and averages their number over time.
type traffic struct {
	since             des.Time // of the last change
	inside, proxied   int32    // requests now; of them those that came through an activator
	area, proxiedArea float64  // requests · nanoseconds since the last report
	count, proxyCount int32    // arrivals since the last report
}

func (t *traffic) advance(now des.Time) {
	elapsed := float64(now - t.since)
	t.area += float64(t.inside) * elapsed
	t.proxiedArea += float64(t.proxied) * elapsed
	t.since = now
}

// cut returns the averages over the last elapsed nanoseconds and begins anew.
func (t *traffic) cut(elapsed float64) knative.Stat {
	s := knative.Stat{
		Concurrency: t.area / elapsed, ProxiedConcurrency: t.proxiedArea / elapsed,
		Requests: float64(t.count), ProxiedRequests: float64(t.proxyCount),
	}
	t.area, t.proxiedArea, t.count, t.proxyCount = 0, 0, 0, 0
	return s
}

// queueProxy is the metrics side of the proxy in front of a pod's container,
// which reports once a second. Its slots and its queue are the sandbox's own.
type queueProxy struct {
	traffic
	next     des.Time // report
	reported bool
	last     knative.Stat
}

// started begins the counting of a new pod.
func (q *queueProxy) started(now des.Time) {
	*q = queueProxy{next: now + report}
	q.since = now
}

// until brings the reports up to date without an event for each: between two
// changes of traffic all reports but the first are alike.
func (q *queueProxy) until(now des.Time) {
	if now < q.next {
		return
	}
	q.advance(q.next)
	q.last, q.reported = q.cut(float64(report)), true
	if more := (now - q.next) / report; more > 0 {
		q.last = knative.Stat{Concurrency: float64(q.inside), ProxiedConcurrency: float64(q.proxied)}
		q.next += more * report
		q.since = q.next
	}
	q.next += report
}

func (q *queueProxy) enter(now des.Time, proxied bool) {
	q.until(now)
	q.advance(now)
	q.inside++
	q.count++
	if proxied {
		q.proxied++
		q.proxyCount++
	}
}

func (q *queueProxy) leave(now des.Time, proxied bool) {
	q.until(now)
	q.advance(now)
	q.inside--
	if proxied {
		q.proxied--
	}
}

// scrape returns the last report, and false before the first.
func (q *queueProxy) scrape(now des.Time) (knative.Stat, bool) {
	q.until(now)
	return q.last, q.reported
}
