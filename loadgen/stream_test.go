package loadgen_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/cosim/des"
	"microcosm/loadgen"
)

func seconds(s float64) des.Time { return des.Time(s * 1e9) }

// all returns the instants of a stream to its end.
func all(s loadgen.Stream) []des.Time {
	var at []des.Time
	for a, ok := s.Next(); ok; a, ok = s.Next() {
		at = append(at, a.At)
	}
	return at
}

func gaps(at []des.Time) []float64 {
	var list []float64
	for i := 1; i < len(at); i++ {
		list = append(list, at[i].Sub(at[i-1]).Seconds())
	}
	return list
}

func TestInstantsOfPeriodicProcesses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		process loadgen.Process
		horizon des.Time
		want    []des.Time
	}{
		"the first comes at once, the horizon is excluded": {
			loadgen.Process{Kind: loadgen.Constant, Rate: 2}, seconds(2), []des.Time{0, 5e8, 1e9, 15e8},
		},
		"offset": {
			loadgen.Process{Kind: loadgen.Constant, Rate: 1, Offset: 250 * time.Millisecond}, seconds(2), []des.Time{25e7, 125e7},
		},
		"a third of a second adds up to whole seconds": {
			loadgen.Process{Kind: loadgen.Constant, Rate: 3}, 1e9 + 1, []des.Time{0, 333333333, 666666667, 1e9},
		},
		"bursts of two": {
			loadgen.Process{Kind: loadgen.Burst, Rate: 4, Size: 2}, seconds(1), []des.Time{0, 0, 5e8, 5e8},
		},
		"horizon at the start":      {loadgen.Process{Kind: loadgen.Constant, Rate: 2}, 0, nil},
		"horizon before the offset": {loadgen.Process{Kind: loadgen.Burst, Rate: 2, Size: 2, Offset: time.Second}, 5, nil},
		"rarer than once in time":   {loadgen.Process{Kind: loadgen.Constant, Rate: 1e-300}, des.End, []des.Time{0}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.NoError(t, c.process.Validate())
			require.Equal(t, c.want, all(c.process.Stream(loadgen.Rand(1, ""), c.horizon)))
		})
	}
}

// processes are one of each random kind, all with mean rate 100.
func processes() map[string]loadgen.Process {
	return map[string]loadgen.Process{
		"uniform": {Kind: loadgen.Uniform, Rate: 100},
		"poisson": {Kind: loadgen.Poisson, Rate: 100},
		"pareto":  {Kind: loadgen.Pareto, Rate: 100, Shape: 4},
		"mmpp": {Kind: loadgen.MMPP, States: []loadgen.State{
			{Rate: 280, Sojourn: 2 * time.Second}, {Rate: 20, Sojourn: 3 * time.Second}, {Rate: 76, Sojourn: 5 * time.Second},
		}},
		"sine": {Kind: loadgen.Sine, Rate: 100, Amplitude: .8, Period: 10 * time.Second},
	}
}

func TestMeanRatesHold(t *testing.T) {
	t.Parallel()
	// Asymptotic variance of the count over its mean: the squared coefficient of
	// variation of the gaps for renewal processes (Cox, Renewal Theory, 1962,
	// section 4.2); 1 for Poisson; for the MMPP a bound well above its index of
	// dispersion, which TestMMPPBurstiness tests exactly for two states.
	dispersion := map[string]float64{"uniform": 1. / 3, "poisson": 1, "pareto": 1. / 8, "mmpp": 400, "sine": 1}
	for name, p := range processes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.NoError(t, p.Validate())
			require.InDelta(t, 100, p.MeanRate(), 1e-9)
			const horizon = 1000 // seconds, a whole number of periods
			for seed := range uint64(4) {
				n := len(all(p.Function("f", seconds(horizon)).Stream(seed)))
				mean := 100. * horizon
				require.InDelta(t, mean, n, 4*math.Sqrt(mean*dispersion[name]), "seed %d", seed)
			}
		})
	}
}

// requireLaw rejects a sample whose Kolmogorov-Smirnov distance to cdf has a
// probability below 1e-3 (asymptotically 1.95/√n; Stephens, "EDF statistics for
// goodness of fit", 1974).
func requireLaw(t *testing.T, sample []float64, cdf func(float64) float64) {
	t.Helper()
	sample = slices.Clone(sample)
	slices.Sort(sample)
	n, distance := float64(len(sample)), 0.
	for i, x := range sample {
		f := cdf(x)
		distance = max(distance, f-float64(i)/n, float64(i+1)/n-f)
	}
	require.Less(t, distance*math.Sqrt(n), 1.95, "n = %d", len(sample))
}

func TestGapsFollowTheirLaw(t *testing.T) {
	t.Parallel()
	const rate = 50
	for name, c := range map[string]struct {
		process loadgen.Process
		cdf     func(x float64) float64
	}{
		"uniform on [0, 2/rate)": {
			loadgen.Process{Kind: loadgen.Uniform, Rate: rate},
			func(x float64) float64 { return min(1, x*rate/2) },
		},
		"exponential": {
			loadgen.Process{Kind: loadgen.Poisson, Rate: rate},
			func(x float64) float64 { return -math.Expm1(-x * rate) },
		},
		"pareto with infinite variance": {
			loadgen.Process{Kind: loadgen.Pareto, Rate: rate, Shape: 1.5},
			func(x float64) float64 { return max(0, 1-math.Pow(.5/1.5/rate/x, 1.5)) },
		},
		"mmpp of two equal states is poisson": {
			loadgen.Process{Kind: loadgen.MMPP, States: []loadgen.State{{rate, time.Second / 10}, {rate, time.Second / 20}}},
			func(x float64) float64 { return -math.Expm1(-x * rate) },
		},
		"sine of amplitude 0 is poisson": {
			loadgen.Process{Kind: loadgen.Sine, Rate: rate, Period: time.Second},
			func(x float64) float64 { return -math.Expm1(-x * rate) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(3) {
				at := all(c.process.Function("f", seconds(400)).Stream(seed))
				require.Greater(t, len(at), 10_000)
				requireLaw(t, gaps(at), c.cdf)
			}
		})
	}
}

func TestMMPPBurstiness(t *testing.T) {
	t.Parallel()
	// Index of dispersion of counts of a two-state MMPP with rates a, b and
	// transition rates r, q (Fischer and Meier-Hellstern 1993, section 2.4).
	const a, b, r, q, window = 40., 4., .5, 1., 3.
	want := 1 + 2*(a-b)*(a-b)*r*q/((r+q)*(r+q)*(a*q+b*r))*(1-(-math.Expm1(-(r+q)*window))/((r+q)*window))

	p := loadgen.Process{Kind: loadgen.MMPP, States: []loadgen.State{{a, 2 * time.Second}, {b, time.Second}}}
	const horizon = 60_000
	counts := make([]float64, horizon/window)
	for _, at := range all(p.Function("f", seconds(horizon)).Stream(7)) {
		counts[int(at.Seconds()/window)]++
	}
	mean, square := 0., 0.
	for _, n := range counts {
		mean += n / float64(len(counts))
		square += n * n / float64(len(counts))
	}
	require.InEpsilon(t, want, (square-mean*mean)/mean, .05)
	require.InEpsilon(t, 28*window, mean, .02, "(40·2 + 4·1)/3 per second")
}

func TestMMPPStartsInItsStationaryDistribution(t *testing.T) {
	t.Parallel()
	p := loadgen.Process{Kind: loadgen.MMPP, States: []loadgen.State{{1000, time.Hour}, {0, 3 * time.Hour}}}
	const n = 2000
	on := 0
	for seed := range uint64(n) {
		if _, ok := p.Function("f", seconds(1)).Stream(seed).Next(); ok {
			on++
		}
	}
	require.InDelta(t, .25, float64(on)/n, 4*math.Sqrt(.25*.75/n))
}

func TestSineFollowsItsWave(t *testing.T) {
	t.Parallel()
	p := loadgen.Process{Kind: loadgen.Sine, Rate: 100, Amplitude: .6, Period: 20 * time.Second, Offset: 5 * time.Second}
	at := all(p.Function("f", seconds(5+20*1000)).Stream(3))
	high := 0
	for _, instant := range at {
		if math.Mod(instant.Seconds()-5, 20) < 10 {
			high++
		}
	}
	n := float64(len(at))
	require.InDelta(t, .5+.6/math.Pi, float64(high)/n, 4*.5/math.Sqrt(n), "integral of the wave over its first half")
}

func TestRoundingBiasesNoRate(t *testing.T) {
	t.Parallel()
	// A mean gap of 1.5 ns: rounding each gap down would double the rate.
	p := loadgen.Process{Kind: loadgen.Poisson, Rate: 1e9 / 1.5}
	n := len(all(p.Function("f", 300_000).Stream(1)))
	require.InDelta(t, 200_000, n, 4*math.Sqrt(200_000))
}

func TestStreamsKeepTheirContract(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := drawProcess(t)
		require.NoError(t, p.Validate())
		horizon := des.Time(rapid.Int64Range(-10, 1e9).Draw(t, "horizon"))
		seed := rapid.Uint64().Draw(t, "seed")
		f := p.Function("f", horizon)

		s, again := f.Stream(seed), f.Stream(seed)
		last := des.Time(p.Offset)
		for range 2_000 {
			a, ok := s.Next()
			b, okAgain := again.Next()
			require.Equal(t, ok, okAgain, "equal seeds give equal streams")
			require.Equal(t, a, b, "equal seeds give equal streams")
			if !ok {
				_, ok = s.Next()
				require.False(t, ok, "the end stays the end")
				return
			}
			require.GreaterOrEqual(t, a.At, last, "time never runs backwards")
			require.Less(t, a.At, horizon)
			last = a.At
		}
	})
}

func drawProcess(t *rapid.T) loadgen.Process {
	rate := rapid.Float64Range(1e-3, 1e6)
	p := loadgen.Process{
		Kind:   loadgen.Kind(rapid.IntRange(int(loadgen.Constant), int(loadgen.Sine)).Draw(t, "kind")),
		Offset: time.Duration(rapid.Int64Range(0, 1e8).Draw(t, "offset")),
	}
	if p.Kind != loadgen.MMPP {
		p.Rate = rate.Draw(t, "rate")
	}
	switch p.Kind {
	case loadgen.Pareto:
		p.Shape = rapid.Float64Range(1.0001, 10).Draw(t, "shape")
	case loadgen.Burst:
		p.Size = rapid.IntRange(1, 100).Draw(t, "size")
	case loadgen.Sine:
		p.Amplitude = rapid.Float64Range(0, 1).Draw(t, "amplitude")
		p.Period = time.Duration(rapid.Int64Range(1, 1e10).Draw(t, "period"))
	case loadgen.MMPP:
		p.States = []loadgen.State{{Rate: 0, Sojourn: time.Millisecond}}
		for range rapid.IntRange(1, 3).Draw(t, "states") {
			p.States = append(p.States, loadgen.State{Rate: rate.Draw(t, "rate"), Sojourn: time.Duration(rapid.Int64Range(1e3, 1e10).Draw(t, "sojourn"))})
		}
	}
	return p
}

func TestAHeavyTailEndsAtTheEndOfTime(t *testing.T) {
	t.Parallel()
	p := loadgen.Process{Kind: loadgen.Pareto, Rate: 1e-9, Shape: 1.0001}
	at := all(p.Stream(loadgen.Rand(1, ""), des.End))
	require.True(t, slices.IsSorted(at))
	require.Less(t, at[len(at)-1], des.End)
}

func TestAnInvalidProcessHasNoArrivals(t *testing.T) {
	t.Parallel()
	for _, p := range []loadgen.Process{{}, {Kind: loadgen.Poisson}, {Kind: loadgen.Poisson, Rate: math.NaN()}, {Kind: loadgen.Constant, Rate: math.NaN()}} {
		require.Empty(t, all(p.Stream(loadgen.Rand(1, ""), 1000)))
	}
}

func TestNextAllocatesNothing(t *testing.T) { // not parallel: it counts allocations
	for name, p := range processes() {
		s := p.Stream(loadgen.Rand(1, name), des.End)
		require.Zero(t, testing.AllocsPerRun(1000, func() { s.Next() }), name)
	}
}

func TestLuckBelongsToSeedAndName(t *testing.T) {
	t.Parallel()
	first := func(seed uint64, name string) uint64 { return loadgen.Rand(seed, name).Uint64() }
	require.Equal(t, first(1, "arrivals/a"), first(1, "arrivals/a"))
	seen := map[uint64]bool{}
	for seed := range uint64(100) {
		for _, name := range []string{"", "a", "b", "ab", "arrivals/a", "duration/a"} {
			seen[first(seed, name)] = true
		}
	}
	require.Len(t, seen, 600, "no two of them share their luck")

	// Pinned: another hash or generator would change every published result.
	require.Equal(t, uint64(0x85385b467f0125c9), first(42, "arrivals/hello"))
}

func BenchmarkNext(b *testing.B) {
	list := processes()
	list["constant"] = loadgen.Process{Kind: loadgen.Constant, Rate: 100}
	for name, p := range list {
		b.Run(name, func(b *testing.B) {
			s := p.Stream(rand.New(rand.NewPCG(1, 2)), des.End)
			for b.Loop() {
				s.Next()
			}
		})
	}
}
