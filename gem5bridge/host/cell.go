package host

import (
	"fmt"
	"time"

	"microcosm/cosim/servicetime"
	"microcosm/functions"
	"microcosm/gem5bridge"
)

// Names of counters of this back end, beside the common ones.
const (
	CounterCPU       = "cpu_ns"           // of the function's process, nothing subtracted
	CounterNullCPU   = "null_cpu_ns"      // subtracted from it to get Busy
	CounterWait      = "wait_ns"          // its threads were ready and did not run
	CounterFlushCode = "flush_code_bytes" // bytes of code walked; CounterFlushBytes is data
	CounterWarmups   = "warmup_calls"     // until the process had settled
)

// A sample is disturbed beyond these bounds. The spare is what a flush costs a
// function by itself: its threads get in each other's way for longer. A slice of
// somebody else's is 0.7 ms and more (Linux, kernel/sched/fair.c:
// sysctl_sched_base_slice).
const (
	usualFactor   = 3                      // times what a warm call usually counts
	spareSwitches = 8                      // involuntary switches beyond it
	spareWait     = 500 * time.Microsecond // wait beyond it
	startSpare    = 2 * time.Millisecond   // wait of a start or a first call beyond its CPU time
)

// keepAfter is how often in a row a sample may be rejected as disturbed before
// the next one is kept in spite of it.
const keepAfter = 3

// giveUpAfter is how many failures in a row end a cell.
const giveUpAfter = 3

// cell is one cell of a job on its way.
type cell struct {
	gem5bridge.Cell
	index    int
	function *functions.Function
	key      servicetime.Key
	null     nullCall

	numbers int   // samples taken, valid or not
	valid   int   // of these
	failed  int   // failures in a row
	err     error // why it was given up
}

// nullCall is what is subtracted from the samples of calls.
type nullCall struct {
	roundTrip time.Duration
	cpu       time.Duration
}

// place names the process that the cell is measured in.
func (c *cell) place() string { return c.Function + "/" + c.Input }

// needsNew says that each of the cell's samples takes a new process.
func (c *cell) needsNew() bool {
	return c.Condition.Kind == servicetime.Cold || c.Condition.Kind == servicetime.StageInit
}

// number returns the number of the cell's next sample.
func (c *cell) number() int { return c.First + c.numbers }

// fail counts a failure and gives the cell up at the third in a row.
func (c *cell) fail(err error) {
	c.failed++
	if c.failed >= giveUpAfter {
		c.err = &gem5bridge.Failure{
			Kind:      kindOf(err),
			Function:  c.Function,
			Input:     c.Input,
			Condition: c.Condition,
			Text:      fmt.Sprintf("given up after %d of %d samples: %v", c.valid, c.Count, err),
		}
	}
}

// reading is what was measured for one sample.
type reading struct {
	invocation
	called  bool // the measured call was made
	sandbox *sandbox
	walked  walked
	begun   time.Time // of everything done for it
}

// disturbed says what kept the function from its core; empty if nothing did.
func (r reading) disturbed() string {
	usual := r.sandbox.usual
	switch {
	case usual == nil && r.counts.wait > r.cpu+startSpare:
		return fmt.Sprintf("disturbed: its threads waited %v for the core and ran %v", r.counts.wait, r.cpu)
	case usual == nil:
		return ""
	case r.counts.wait > usualFactor*usual.wait+spareWait:
		return fmt.Sprintf("disturbed: its threads waited %v for the core, usually %v", r.counts.wait, usual.wait)
	case r.counts.involuntary > usualFactor*usual.involuntary+spareSwitches:
		return fmt.Sprintf("disturbed: %d involuntary switches, usually %d", r.counts.involuntary, usual.involuntary)
	default:
		return ""
	}
}

// sample makes the cell's next sample of a reading.
func (c *cell) sample(r reading, seed uint64, status servicetime.Status, reason string) servicetime.Sample {
	s := servicetime.Sample{
		Key:       c.key,
		N:         c.number(),
		Seed:      seed,
		Status:    status,
		Reason:    reason,
		RoundTrip: servicetime.TicksOf(r.roundTrip),
		Null:      servicetime.TicksOf(c.null.roundTrip),
		Counters: map[string]int64{
			CounterCPU:                             int64(r.cpu),
			CounterNullCPU:                         int64(c.null.cpu),
			CounterWait:                            int64(r.counts.wait),
			servicetime.CounterVoluntarySwitches:   r.counts.voluntary,
			servicetime.CounterInvoluntarySwitches: r.counts.involuntary,
			servicetime.CounterMinorFaults:         r.counts.faults,
		},
		Provenance: servicetime.Provenance{Restore: r.sandbox.restore, Cost: time.Since(r.begun)},
	}
	s.Busy = min(max(1, servicetime.TicksOf(r.cpu-c.null.cpu)), s.Service())
	if r.sandbox.usual != nil {
		s.Counters[CounterWarmups] = int64(r.sandbox.warmups)
	}
	if r.walked.data > 0 {
		s.Counters[servicetime.CounterFlushBytes] = r.walked.data
		s.Counters[CounterFlushCode] = r.walked.code
	}
	return s
}
