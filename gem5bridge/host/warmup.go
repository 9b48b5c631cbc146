package host

import (
	"context"
	"math/rand/v2"
	"time"

	"microcosm/gem5bridge"
)

// A process has settled when the median round trip of the last window calls lies
// within tolerance of that of the window before; at the latest after mostWarmups
// calls or warmWithin, whichever is first, but not before leastWarmups calls.
const (
	window       = 8
	tolerance    = 0.05
	mostWarmups  = 200
	warmWithin   = 2 * time.Second
	leastWarmups = 3
)

// helpDeadline bounds the calls that only prepare a sample.
const helpDeadline = 30 * time.Second

// warmUp calls the function until its calls have settled, and learns what an
// undisturbed call counts.
func (s *sandbox) warmUp(ctx context.Context, class string, draw *rand.Rand) error {
	var times []time.Duration
	var seen []counts
	for begin := time.Now(); !settled(times, time.Since(begin)); {
		one, err := s.help(ctx, class, draw)
		if err != nil {
			return err
		}
		times, seen = append(times, one.roundTrip), append(seen, one.counts)
	}
	seen = seen[max(0, len(seen)-window):]
	s.warmups = len(times)
	s.usual = &counts{
		involuntary: medianOf(seen, func(c counts) int64 { return c.involuntary }),
		wait:        medianOf(seen, func(c counts) time.Duration { return c.wait }),
	}
	return nil
}

// help makes a call whose time does not count, with an input drawn from draw.
func (s *sandbox) help(ctx context.Context, class string, draw *rand.Rand) (invocation, error) {
	call, err := s.function.Call(class, draw.Uint64(), s.calls)
	if err != nil {
		return invocation{}, err
	}
	return s.invoke(ctx, call, helpDeadline)
}

func settled(times []time.Duration, elapsed time.Duration) bool {
	n := len(times)
	if n >= mostWarmups || n >= leastWarmups && elapsed >= warmWithin {
		return true
	}
	if n < 2*window {
		return false
	}
	last, before := gem5bridge.Median(times[n-window:]), gem5bridge.Median(times[n-2*window:n-window])
	return (last - before).Abs() <= time.Duration(tolerance*float64(before))
}

func medianOf[V any, T int64 | time.Duration](values []V, of func(V) T) T {
	picked := make([]T, len(values))
	for i, v := range values {
		picked[i] = of(v)
	}
	return gem5bridge.Median(picked)
}
