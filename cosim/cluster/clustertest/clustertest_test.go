package clustertest_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/cosim/cluster"
	"microcosm/cosim/cluster/clustertest"
	"microcosm/cosim/des"
)

// taken returns the first arrivals, and whether there were more.
func taken(most int, a cluster.Arrivals) (times []des.Time, more bool) {
	for range most {
		next, ok := a.Next()
		if !ok {
			return times, false
		}
		times = append(times, next.At)
	}
	return times, true
}

func TestArrivalsAreAtTheirTimes(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		arrivals cluster.Arrivals
		times    []des.Time
		more     bool
	}{
		"none":                             {clustertest.At(), nil, false},
		"some at one instant":              {clustertest.At(3, 3, 7), []des.Time{3, 3, 7}, false},
		"one at the beginning":             {clustertest.At(0), []des.Time{0}, false},
		"equal distances":                  {clustertest.Every(10, 5), []des.Time{15, 25, 35, 45}, true},
		"the first of many":                {clustertest.First(2, clustertest.Every(10, 0)), []des.Time{10, 20}, false},
		"the first of fewer":               {clustertest.First(5, clustertest.At(1, 2)), []des.Time{1, 2}, false},
		"the first none":                   {clustertest.First(0, clustertest.Every(1, 0)), nil, false},
		"the end of time is the last time": {clustertest.First(2, clustertest.Every(math.MaxInt64, 9)), []des.Time{des.End, des.End}, false},
	} {
		times, more := taken(4, c.arrivals)
		require.Equal(t, c.times, times, situation)
		require.Equal(t, c.more, more, situation)
		if !more {
			_, again := taken(1, c.arrivals)
			require.False(t, again, "%s: what has ended stays so", situation)
		}
	}
}

// The distances of a Poisson process are exponential: the statistic of Kolmogorov and
// Smirnov stays below its value for one in a thousand.
func TestDistancesOfAPoissonProcessAreExponential(t *testing.T) {
	t.Parallel()
	const n, mean = 4000, 250 * time.Millisecond
	times, more := taken(n, clustertest.Poisson(clustertest.Streams(8)("arrivals"), mean))
	require.True(t, more)
	shares := make([]float64, n)
	last := des.Time(0)
	for i, at := range times {
		shares[i] = -math.Expm1(-float64(at.Sub(last)) / float64(mean))
		last = at
	}
	require.Less(t, uniformDistance(shares), 1.95/math.Sqrt(n))
}

// uniformDistance is the largest difference between the distribution of shares and the
// uniform one.
func uniformDistance(shares []float64) (most float64) {
	const steps = 1000
	counts := make([]int, steps+1)
	for _, u := range shares {
		counts[int(u*steps)]++
	}
	below := 0
	for i, c := range counts[:steps] {
		below += c
		most = max(most, math.Abs(float64(below)/float64(len(shares))-float64(i+1)/steps))
	}
	return most
}

// A stream depends on the seed and its name, and on nothing that was drawn before.
func TestStreamsDependOnSeedAndNameAlone(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		seed, name, other := rapid.Uint64Range(1, 1<<40).Draw(t, "seed"), rapid.StringMatching(`[a-z/0-9]{1,9}`).Draw(t, "name"), rapid.StringMatching(`[a-z/0-9]{1,9}`).Draw(t, "other")
		streams := clustertest.Streams(seed)
		one := streams(name)
		first := [3]uint64{one.Uint64(), one.Uint64(), one.Uint64()}
		if other != name {
			o := streams(other)
			require.NotEqual(t, first, [3]uint64{o.Uint64(), o.Uint64(), o.Uint64()})
		}
		again := clustertest.Streams(seed)(name)
		require.Equal(t, first, [3]uint64{again.Uint64(), again.Uint64(), again.Uint64()})
		next := clustertest.Streams(seed + 1)(name)
		require.NotEqual(t, first, [3]uint64{next.Uint64(), next.Uint64(), next.Uint64()})
	})
}
