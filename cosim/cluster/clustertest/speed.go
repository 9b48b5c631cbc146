package clustertest

import (
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"microcosm/cosim/des"
)

// CPUTime returns the CPU time that this process has used.
func CPUTime(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// HeapLoop returns the events per CPU second of a bare queue of 1e4 pending
// events: the reference for benchmarks in the same run, since their ratio to it
// holds on any machine.
func HeapLoop(b *testing.B) float64 {
	const n = 2_000_000
	var q des.Queue[[3]int32]
	r := rand.New(rand.NewPCG(1, 1))
	for range 10_000 {
		q.Schedule(des.Time(r.Int64N(1e9)), [3]int32{})
	}
	before := CPUTime(b)
	for range n {
		e, _ := q.Pop()
		q.Schedule(q.Now()+des.Time(r.Int64N(1e9)), e)
	}
	return n / (CPUTime(b) - before).Seconds()
}
