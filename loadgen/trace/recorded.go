package trace

import (
	"fmt"
	"math"
	"slices"
	"time"

	"microcosm/cosim/des"
	"microcosm/loadgen"
)

// recorded is a function whose every invocation is known. Seeds do not matter.
type recorded []invocation

// invocation is kept in 16 bytes, since traces hold millions.
type invocation struct {
	at        des.Time
	millis    uint32
	memoryMiB uint32
}

// Stream returns all arrivals.
func (r recorded) Stream(uint64) loadgen.Stream { return &recordedStream{left: r} }

type recordedStream struct{ left []invocation }

func (s *recordedStream) Next() (loadgen.Arrival, bool) {
	if len(s.left) == 0 {
		return loadgen.Arrival{}, false
	}
	next := s.left[0]
	s.left = s.left[1:]
	return loadgen.Arrival{
		At:        next.at,
		Duration:  time.Duration(next.millis) * time.Millisecond,
		MemoryMiB: int(next.memoryMiB),
	}, true
}

// function describes a recorded function to the rest of the world.
func (r recorded) function(name string, id identity) loadgen.Function {
	f := loadgen.Function{Name: name, Owner: id.owner, App: id.app, Hash: id.hash, ExpectedInvocations: float64(len(r)), Source: r}
	if len(r) > 0 {
		f.MedianDuration = time.Duration(r.median(func(i invocation) uint32 { return i.millis })) * time.Millisecond
		f.MedianMemoryMiB = float64(r.median(func(i invocation) uint32 { return i.memoryMiB }))
	}
	return f
}

// median returns the lower median of one property; r must not be empty.
func (r recorded) median(of func(invocation) uint32) uint32 {
	values := make([]uint32, len(r))
	for i, one := range r {
		values[i] = of(one)
	}
	slices.Sort(values)
	return values[(len(values)-1)/2]
}

// wholeMinutes returns the least whole number of minutes that is later than
// every arrival before end.
func wholeMinutes(end des.Time) des.Time {
	const minute = des.Time(time.Minute)
	return (end + minute - 1) / minute * minute
}

// latest bounds the instants that a file may ask for: 146 years.
const latest = des.Time(math.MaxInt64 / 2)

// dropWarning says how many invocations lie outside the window.
func dropWarning(path string, dropped, total int64, why string) string {
	return fmt.Sprintf("%s: left out %d of %d invocations that %s", path, dropped, total, why)
}
