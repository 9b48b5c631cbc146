package trace_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/des"
	"microcosm/loadgen"
	"microcosm/loadgen/trace"
)

func TestParseIAT(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]trace.IAT{
		"exponential":       {Law: trace.Exponential},
		"exponential_shift": {Law: trace.Exponential, Shift: true},
		"uniform":           {Law: trace.Uniform},
		"uniform_shift":     {Law: trace.Uniform, Shift: true},
		"equidistant":       {Law: trace.Equidistant},
		"equidistant_shift": {Law: trace.Equidistant, Shift: true},
	} {
		got, err := trace.ParseIAT(text)
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.Equal(t, text, got.String())
	}
	for _, text := range []string{"", "_shift", "poisson", "exponential_shift_shift", "invalid"} {
		_, err := trace.ParseIAT(text)
		require.ErrorContains(t, err, "want one of exponential, uniform, equidistant, each with or without _shift")
	}
}

func iat(law trace.Law, shift bool) trace.Options {
	o := trace.Defaults()
	o.IAT = trace.IAT{Law: law, Shift: shift}
	return o
}

// offsets returns the arrivals of one minute with n invocations, in seconds,
// over many seeds.
func offsets(t *testing.T, n, seeds int, o trace.Options) [][]float64 {
	t.Helper()
	f := read2019(t, small(n), o).Functions[0]
	list := make([][]float64, seeds)
	for seed := range list {
		for _, a := range arrivals(f.Stream(uint64(seed))) {
			list[seed] = append(list[seed], a.At.Seconds())
		}
		require.Len(t, list[seed], n)
	}
	return list
}

func TestEquidistantArrivals(t *testing.T) {
	t.Parallel()
	require.Equal(t, []float64{0, 15, 30, 45}, offsets(t, 4, 1, iat(trace.Equidistant, false))[0])
	require.Equal(t, []float64{0}, offsets(t, 1, 1, iat(trace.Equidistant, false))[0])

	var phases []float64
	for _, at := range offsets(t, 4, 1000, iat(trace.Equidistant, true)) {
		for i := range at {
			require.InDelta(t, at[0]+15*float64(i), at[i], 1e-8, "a shift keeps the gaps")
		}
		phases = append(phases, at[0])
	}
	requireLaw(t, phases, func(x float64) float64 { return min(1, x/15) })
}

func TestWithoutShiftEveryActiveMinuteBeginsWithAnInvocation(t *testing.T) {
	t.Parallel()
	for _, law := range []trace.Law{trace.Exponential, trace.Uniform, trace.Equidistant} {
		f := read2019(t, small(3, 0, 1, 20), iat(law, false)).Functions[0]
		starts := []des.Time{0, des.Time(2 * time.Minute), des.Time(3 * time.Minute)}
		for seed := range uint64(50) {
			var got []des.Time
			for _, a := range arrivals(f.Stream(seed)) {
				if a.At%des.Time(time.Minute) == 0 {
					got = append(got, a.At)
				}
			}
			require.Equal(t, starts, got, law)
		}
		f = read2019(t, small(3, 0, 1, 20), iat(law, true)).Functions[0]
		for seed := range uint64(50) {
			for _, a := range arrivals(f.Stream(seed)) {
				require.NotZero(t, a.At%des.Time(time.Minute), "with shift no instant is special")
			}
		}
	}
}

func TestExponentialArrivalsAreUniformPoints(t *testing.T) {
	t.Parallel()
	// Normalised exponential gaps are the spacings of uniform points (Pyke,
	// "Spacings", 1965): n-1 of them beside the pinned one, or n with shift.
	uniform := func(x float64) float64 { return min(1, x/60) }
	var free, shifted []float64
	for _, at := range offsets(t, 10, 1000, iat(trace.Exponential, false)) {
		free = append(free, at[1:]...)
	}
	for _, at := range offsets(t, 10, 1000, iat(trace.Exponential, true)) {
		shifted = append(shifted, at...)
	}
	requireLaw(t, free, uniform)
	requireLaw(t, shifted, uniform)

	var first []float64
	for _, at := range offsets(t, 10, 1000, iat(trace.Exponential, true)) {
		first = append(first, at[0])
	}
	requireLaw(t, first, func(x float64) float64 { return 1 - math.Pow(1-min(1, x/60), 10) })
}

// inVitro draws a slot the way In-Vitro does: all gaps first, then their sum,
// then the cut.
func inVitro(rng *rand.Rand, o trace.IAT, n int, slot float64) []float64 {
	gaps := make([]float64, n)
	sum := 0.
	for i := range gaps {
		gaps[i] = 1
		switch o.Law {
		case trace.Exponential:
			gaps[i] = rng.ExpFloat64()
		case trace.Uniform:
			gaps[i] = rng.Float64()
		}
		sum += gaps[i]
	}
	for i := range gaps {
		gaps[i] *= slot / sum
	}
	beginning := 0.
	if o.Shift {
		split, reached, i := rng.Float64()*slot, 0., 0
		for ; i < n; i++ {
			if reached += gaps[i]; reached > split {
				break
			}
		}
		beginning = reached - split
		gaps = append(slices.Clone(gaps[i+1:]), gaps[:i]...)
	}
	at := []float64{beginning}
	for _, gap := range gaps[:n-1] {
		at = append(at, at[len(at)-1]+gap)
	}
	return at
}

func TestArrivalsAreThoseOfInVitro(t *testing.T) {
	t.Parallel()
	counts := []int{7, 1, 0, 120, 2}
	for _, law := range []trace.Law{trace.Exponential, trace.Uniform, trace.Equidistant} {
		for _, shift := range []bool{false, true} {
			f := read2019(t, small(counts...), iat(law, shift)).Functions[0]
			for seed := range uint64(20) {
				rng := loadgen.Rand(seed, "arrivals/o/a/f")
				got := arrivals(f.Stream(seed))
				for minute, n := range counts {
					if n == 0 {
						continue
					}
					for i, want := range inVitro(rng, trace.IAT{Law: law, Shift: shift}, n, 60) {
						require.InDelta(t, 60*float64(minute)+want, got[i].At.Seconds(), 2e-9, "%v shift %t seed %d", law, shift, seed)
					}
					got = got[n:]
				}
				require.Empty(t, got)
			}
		}
	}
}

func TestDurationsAndMemoryFollowTheirPercentiles(t *testing.T) {
	t.Parallel()
	f := read2019(t, small(50_000), trace.Defaults()).Functions[0]
	durations, memory := map[time.Duration]int{}, map[int]int{}
	product, n := 0., 0.
	for _, a := range arrivals(f.Stream(3)) {
		durations[a.Duration/time.Millisecond]++
		memory[a.MemoryMiB]++
		product += (a.Duration.Seconds()*1000 - 49.5) * (float64(a.MemoryMiB) - 4955)
		n++
	}
	// Durations: 0 to 100 ms, one value per percentile; 0 is clamped to 1 ms.
	share := func(from, to int) float64 {
		sum := 0
		for ms := from; ms < to; ms++ {
			sum += durations[time.Duration(ms)]
		}
		return float64(sum) / n
	}
	tolerance := 4 * .5 / math.Sqrt(n)
	require.Zero(t, durations[0], "clamped")
	require.Zero(t, durations[100], "the upper percentile is excluded")
	require.InDelta(t, .25, share(1, 25), tolerance, "rank 0 gives 1 ms, ranks .01 to .25 give 1 to 24 ms")
	require.InDelta(t, .25, share(25, 50), tolerance)
	require.InDelta(t, .25, share(50, 75), tolerance)
	require.InDelta(t, .24, share(75, 99), tolerance)
	require.InDelta(t, .01, share(99, 100), tolerance)
	// Memory: the lowest hundredth is the 1st percentile itself.
	require.InDelta(t, .01+.04/400, float64(memory[100])/n, tolerance)
	require.Zero(t, memory[10_000])
	// Independent quantiles: the correlation is that of noise. Both variances
	// are about those of uniform laws on 0..100 and 0..10000.
	require.InDelta(t, 0, product/n/(100./math.Sqrt(12)*1e4/math.Sqrt(12)), 4/math.Sqrt(n))
}

// inVitroDuration and inVitroMemory draw from the percentiles of small the way
// In-Vitro does: a uniform quantile, then a whole number between its neighbours.
func inVitroDuration(rng *rand.Rand) int64 {
	between := func(low, high int64) int64 { return low + rng.Int64N(high-low) }
	var millis int64
	switch u := rng.Float64(); {
	case u == 0:
		millis = 0
	case u <= .01:
		millis = between(0, 1)
	case u <= .25:
		millis = between(1, 25)
	case u <= .50:
		millis = between(25, 50)
	case u <= .75:
		millis = between(50, 75)
	case u <= .99:
		millis = between(75, 99)
	default:
		millis = between(99, 100)
	}
	return max(1, millis)
}

func inVitroMemory(rng *rand.Rand) int64 {
	between := func(low, high int64) int64 { return low + rng.Int64N(high-low) }
	switch u := rng.Float64(); {
	case u <= .01:
		return 100
	case u <= .05:
		return between(100, 500)
	case u <= .25:
		return between(500, 2500)
	case u <= .50:
		return between(2500, 5000)
	case u <= .75:
		return between(5000, 7500)
	case u <= .95:
		return between(7500, 9500)
	case u <= .99:
		return between(9500, 9900)
	default:
		return between(9900, 10_000)
	}
}

func TestDurationsAndMemoryAreThoseOfInVitroOnStreamsOfTheirOwn(t *testing.T) {
	t.Parallel()
	f := read2019(t, small(1000), trace.Defaults()).Functions[0]
	duration, memory := loadgen.Rand(4, "duration/o/a/f"), loadgen.Rand(4, "memory/o/a/f")
	for _, a := range arrivals(f.Stream(4)) {
		require.Equal(t, inVitroDuration(duration), a.Duration.Milliseconds())
		require.Equal(t, inVitroMemory(memory), int64(a.MemoryMiB))
	}
}

func TestDurationsAndMemoryAreClampedAsInVitroDoes(t *testing.T) {
	t.Parallel()
	files := with(small(50), "durations.csv", durationsHeader+"o,a,f,1,1,1,1,7e4,8e4,9e4,1e5,2e5,3e5,4e5\n")
	files = with(files, "memory.csv", memoryHeader+"o,a,f,1,0,0,0,0,0,0.4,0.5,0.9,0.99\n")
	for _, a := range arrivals(read2019(t, files, trace.Defaults()).Functions[0].Stream(1)) {
		require.Equal(t, time.Minute, a.Duration)
		require.Equal(t, 1, a.MemoryMiB)
	}
	files = with(small(50), "memory.csv", memoryHeader+"o,a,f,1,2e4,2e4,2e4,2e4,2e4,2e4,2e4,2e4,2e4\n")
	require.Equal(t, 10_240, arrivals(read2019(t, files, trace.Defaults()).Functions[0].Stream(1))[0].MemoryMiB)
}

func TestOneFunctionsLuckIsItsOwn(t *testing.T) {
	t.Parallel()
	alone := arrivals(read2019(t, small(30, 30), trace.Defaults()).Functions[0].Stream(5))

	t.Run("whatever other functions there are", func(t *testing.T) {
		t.Parallel()
		w := read2019(t, map[string]string{
			"invocations.csv": "HashOwner,HashApp,HashFunction,1,2\no,a,e,8,9\no,a,f,30,30\no,b,f,1,1\n",
			"durations.csv":   durationsHeader + "o,a,e,9,9,9,9,9,9,9,9,9,9,9\n" + durationsOfF + "o,b,f,9,9,9,9,9,9,9,9,9,9,9\n",
			"memory.csv":      memoryHeader + "o,a,e,9,9,9,9,9,9,9,9,9,9\n" + memoryOfF + "o,b,f,9,9,9,9,9,9,9,9,9,9\n",
		}, trace.Defaults())
		require.Equal(t, "f@a", w.Functions[1].Name)
		require.Equal(t, alone, arrivals(w.Functions[1].Stream(5)))
	})
	t.Run("its durations do not move its arrivals or memory", func(t *testing.T) {
		t.Parallel()
		files := with(small(30, 30), "durations.csv", durationsHeader+"o,a,f,7,7,7,7,7,7,7,7,7,7,7\n")
		other := arrivals(read2019(t, files, trace.Defaults()).Functions[0].Stream(5))
		for i := range alone {
			require.Equal(t, alone[i].At, other[i].At)
			require.Equal(t, alone[i].MemoryMiB, other[i].MemoryMiB)
			require.Equal(t, 7*time.Millisecond, other[i].Duration)
		}
	})
	t.Run("seeds differ", func(t *testing.T) {
		t.Parallel()
		require.NotEqual(t, alone, arrivals(read2019(t, small(30, 30), trace.Defaults()).Functions[0].Stream(6)))
	})
}

func TestStreamsOfOneFunctionMayRunAtOnce(t *testing.T) {
	t.Parallel()
	f := read2019(t, small(100, 100), trace.Defaults()).Functions[0]
	want := arrivals(f.Stream(1))
	got := make(chan []loadgen.Arrival)
	for range 4 {
		go func() { got <- arrivals(f.Stream(1)) }()
	}
	for range 4 {
		require.Equal(t, want, <-got)
	}
}

func TestAStreamNeedsNoMemory(t *testing.T) { // not parallel: it counts allocations
	f := read2019(t, small(1_000_000), iat(trace.Exponential, true)).Functions[0]
	s := f.Stream(1)
	require.Zero(t, testing.AllocsPerRun(1000, func() { s.Next() }))
}

func BenchmarkAzure2019Stream(b *testing.B) {
	dir := b.TempDir()
	write(b, dir, small(1000, 1000, 1000, 1000))
	w, err := trace.Read(trace.Azure2019, dir, trace.Defaults())
	require.NoError(b, err)
	s := w.Functions[0].Stream(0)
	for b.Loop() {
		if _, ok := s.Next(); !ok {
			s = w.Functions[0].Stream(0)
		}
	}
}
