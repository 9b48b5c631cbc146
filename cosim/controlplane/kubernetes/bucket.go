package kubernetes

import (
	"time"

	"microcosm/cosim/des"
)

// bucket is a token bucket as client-go's flowcontrol uses: it holds burst tokens,
// gains one per interval, and who finds none waits for his turn. The zero value has
// no limit.
type bucket struct {
	interval des.Time // per token; 0: without a limit
	burst    des.Time
	empty    des.Time // when it held no token, or will
}

func newBucket(qps, burst int) bucket {
	if qps == 0 {
		return bucket{}
	}
	b := bucket{interval: des.Time(time.Second) / des.Time(qps), burst: des.Time(burst)}
	b.empty = -b.burst * b.interval
	return b
}

// level brings the bucket up to date: it never holds more than burst tokens.
func (b *bucket) level(now des.Time) { b.empty = max(b.empty, now-b.burst*b.interval) }

// reserve takes n tokens and returns when the last of them is there.
func (b *bucket) reserve(now des.Time, n int) des.Time {
	if n == 0 {
		return now
	}
	b.level(now)
	b.empty += des.Time(n) * b.interval
	return max(now, b.empty)
}

// accept takes a token if there is one.
func (b *bucket) accept(now des.Time) bool {
	b.level(now)
	if b.empty+b.interval > now {
		return b.interval == 0
	}
	b.empty += b.interval
	return true
}
