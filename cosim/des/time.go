// Package des is virtual time and the queue of future events, nothing else.
//
// It guarantees a total, deterministic order: events leave the queue by
// (time, sequence), where sequence is the order in which they were scheduled.
// Two events of one instant therefore happen first come, first served, on
// every machine and for every number of processors. Scheduling, popping and
// cancelling allocate nothing once the queue has reached its working size, and
// cost nothing per unit of idle time: the clock jumps.
//
// The package knows no processes, resources or statistics; those belong to
// cosim/cluster and cosim/metrics.
package des

import (
	"math"
	"time"
)

// Time is an instant of virtual time: nanoseconds since the run began. It
// reaches 292 years. The zero value is the beginning.
type Time int64

// End is later than every instant at which an event can be scheduled.
const End Time = math.MaxInt64

// Add returns t+d, or End where that passes the last representable instant.
func (t Time) Add(d time.Duration) Time {
	sum := t + Time(d)
	if d > 0 && sum < t {
		return End
	}
	return sum
}

// Sub returns the duration t-u.
func (t Time) Sub(u Time) time.Duration { return time.Duration(t - u) }

// Seconds returns t in seconds, for display and for formulas only.
func (t Time) Seconds() float64 { return float64(t) / 1e9 }

// String formats t as a duration since the beginning, e.g. "1m30s".
func (t Time) String() string { return time.Duration(t).String() }
