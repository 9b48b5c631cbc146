package metrics_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/metrics"
)

func TestBacklogGrows(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		second, last []float64
		want         bool
	}{
		"in proportion to time":               {[]float64{37, 38, 36, 39}, []float64{87, 88, 89, 86}, true},
		"from nothing":                        {[]float64{0, 0, 0, 0}, []float64{5, 5.1, 5.2, 5.1}, true},
		"steady":                              {[]float64{9, 11, 10, 12}, []float64{10, 10, 11, 9}, false},
		"significant but by a tenth only":     {[]float64{100, 101, 99, 100}, []float64{110, 111, 109, 110}, false},
		"much but within the scatter":         {[]float64{1, 9, 2, 8}, []float64{20, 3, 15, 4}, false},
		"draining":                            {[]float64{90, 91, 92, 93}, []float64{10, 11, 12, 13}, false},
		"two replications, the least":         {[]float64{10, 20}, []float64{110, 120}, true},
		"one replication":                     {[]float64{10}, []float64{110}, false},
		"empty system":                        {[]float64{0, 0, 0}, []float64{0, 0, 0}, false},
		"quarters of different replications":  {[]float64{1, 2, 3}, []float64{10, 20}, false},
		"five replications, one without load": {[]float64{3, 4, 0, 5, 4}, []float64{13, 14, 10, 15, 14}, true},
	} {
		grows, change := metrics.BacklogGrows(c.second, c.last)
		require.Equal(t, c.want, grows, name)
		require.Equal(t, len(c.second) == len(c.last) && len(c.second) > 1, change.OK(), name)
	}
}

// numberInSystem returns the averages of an M/M/1 queue's number in system over
// the second and the last quarter of the time of n events.
func numberInSystem(rng *rand.Rand, load float64, n int) (second, last float64) {
	const horizon = 4.
	end := float64(n) / (1 + load)
	var now, number float64
	for now < end {
		rate := load
		if number > 0 {
			rate++
		}
		step := rng.ExpFloat64() / rate
		// Quarter 2 and 4 of the horizon.
		second += number * overlap(now, now+step, end/horizon, 2*end/horizon)
		last += number * overlap(now, now+step, 3*end/horizon, end)
		now += step
		if rng.Float64()*rate < load {
			number++
		} else {
			number--
		}
	}
	return second / (end / horizon), last / (end / horizon)
}

func overlap(a, b, from, to float64) float64 { return max(0, min(b, to)-max(a, from)) }

func TestBacklogOfAQueue(t *testing.T) {
	t.Parallel()
	const runs, replications = 40, 5
	for _, c := range []struct {
		load        float64
		least, most int // runs in which it grows
	}{
		{.5, 0, 0}, {.9, 0, 1}, {1.1, 39, 40}, {1.5, 40, 40},
	} {
		grown := 0
		for seed := range uint64(runs) {
			rng := rand.New(rand.NewPCG(seed, 51))
			var second, last []float64
			for range replications {
				a, b := numberInSystem(rng, c.load, 20_000)
				second, last = append(second, a), append(last, b)
			}
			if grows, _ := metrics.BacklogGrows(second, last); grows {
				grown++
			}
		}
		require.GreaterOrEqual(t, grown, c.least, "load %v", c.load)
		require.LessOrEqual(t, grown, c.most, "load %v", c.load)
	}
}
