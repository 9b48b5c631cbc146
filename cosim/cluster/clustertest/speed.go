package clustertest

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"time"
)

// CPUTime returns the CPU time that this process has used.
func CPUTime(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// HeapLoop returns the events per CPU second of a bare 4-ary heap of 1e4 pending
// events, which is nothing of ours: the reference for benchmarks in the same run,
// since their ratio to it holds on any machine.
func HeapLoop(b *testing.B) float64 {
	const n = 2_000_000
	r := rand.New(rand.NewPCG(1, 1))
	h := make([]pending, 10_000)
	for i := range h {
		h[i].at = r.Int64N(1e9)
	}
	slices.SortFunc(h, func(x, y pending) int { return cmp.Compare(x.at, y.at) })
	before := CPUTime(b)
	for i := range n {
		next := pending{h[0].at + r.Int64N(1e9), int64(i), h[0].payload}
		hole := 0
		for first := 1; first < len(h); first = 4*hole + 1 {
			least := first
			for c := first + 1; c < min(first+4, len(h)); c++ {
				if h[c].before(&h[least]) {
					least = c
				}
			}
			if next.before(&h[least]) {
				break
			}
			h[hole], hole = h[least], least
		}
		h[hole] = next
	}
	return n / (CPUTime(b) - before).Seconds()
}

type pending struct {
	at, sequence int64
	payload      [3]int32
}

func (e *pending) before(o *pending) bool {
	return e.at < o.at || e.at == o.at && e.sequence < o.sequence
}
