// Package openloop calls a real server at planned times, and takes the times.
//
// All times are fixed before the first call (Plan), and a response time counts
// from the planned one: what arrives while the server is slow is late by that,
// and counts. A client that plans a call when it is free to make it would leave
// out just these calls and report a stalled server as a fast one (coordinated
// omission: Schroeder, Wierman and Harchol-Balter, "Open versus closed", NSDI
// 2006).
//
// Calls are made one at a time, in the order of their planned times. The driver
// so stands for the queue before one core that serves first come, first served;
// it adds nothing to a call that finds the core idle but its own lateness, which
// Served tells apart.
package openloop

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
	"time"

	"microcosm/loadgen"
)

// Planned is one call before the run.
type Planned struct {
	At     time.Duration // after the run begins
	Target int           // who is called, as the caller numbers them
}

// Plan draws every arrival of the streams, of which each stands for one target,
// and puts them in order of time; of equal times, in the order of the streams.
func Plan(streams []loadgen.Stream) []Planned {
	var plan []Planned
	for target, stream := range streams {
		for next, ok := stream.Next(); ok; next, ok = stream.Next() {
			plan = append(plan, Planned{At: time.Duration(next.At), Target: target})
		}
	}
	slices.SortStableFunc(plan, func(a, b Planned) int { return cmp.Compare(a.At, b.At) })
	return plan
}

// Served is one call after it was made. Times are since the run's beginning.
type Served struct {
	Planned
	Began time.Duration // sent
	Ended time.Duration // answered
}

// Response returns how long the reply took after the planned time.
func (s Served) Response() time.Duration { return s.Ended - s.At }

// Service returns how long the reply took after the call was sent.
func (s Served) Service() time.Duration { return s.Ended - s.Began }

// Late returns how much later than it could the driver made the call: after the
// planned time, or after the reply before where that came later. It is the
// driver's own fault.
func (s Served) Late(before time.Duration) time.Duration { return s.Began - max(s.At, before) }

// Lateness returns Late of every call.
func Lateness(served []Served) []time.Duration {
	list := make([]time.Duration, len(served))
	before := time.Duration(0)
	for i, s := range served {
		list[i] = s.Late(before)
		before = s.Ended
	}
	return list
}

// Drive makes every call of the plan, which must be in order of time, and
// returns what came of them when the last has been answered. call makes call
// number i and returns when its reply is there. The last spin before a planned
// time is spent awake, because an operating system wakes up late.
//
// An error of call ends the run: the calls after one that failed would not meet
// the load that was planned. So does ctx. What was served until then is returned
// beside the error.
func Drive(ctx context.Context, plan []Planned, spin time.Duration, call func(ctx context.Context, i int) error) ([]Served, error) {
	served := make([]Served, 0, len(plan))
	begin := time.Now()
	for i, p := range plan {
		if err := await(ctx, begin.Add(p.At), spin); err != nil {
			return served, err
		}
		began := time.Since(begin)
		if err := call(ctx, i); err != nil {
			return served, fmt.Errorf("call %d of %d, planned at %v: %w", i, len(plan), p.At, err)
		}
		served = append(served, Served{Planned: p, Began: began, Ended: time.Since(begin)})
	}
	return served, nil
}

// await returns at the given time, or when ctx ends.
func await(ctx context.Context, at time.Time, spin time.Duration) error {
	if left := time.Until(at) - spin; left > 0 {
		timer := time.NewTimer(left)
		defer timer.Stop()
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-timer.C:
		}
	}
	for time.Until(at) > 0 {
		runtime.Gosched() // what a call has left to do goes first
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}
