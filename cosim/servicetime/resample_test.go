package servicetime_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/cosim/servicetime"
)

// restored marks samples as stemming from so many restores in turn, or from none
// that is known.
func restored(m servicetime.Measured, restores int) servicetime.Measured {
	for i := range m.Samples {
		if restores > 0 {
			m.Samples[i].Provenance = servicetime.Provenance{Backend: "gem5", Boot: "b", Restore: fmt.Sprint(i % restores), Cost: time.Duration(1+i) * time.Second}
		}
	}
	return m
}

// named opens streams by their name, and remembers the names.
func named(seed uint64, opened *[]string) func(string) *rand.Rand {
	return func(name string) *rand.Rand {
		if opened != nil {
			*opened = append(*opened, name)
		}
		h := seed
		for _, b := range []byte(name) {
			h = (h ^ uint64(b)) * 1099511628211
		}
		return rand.New(rand.NewPCG(seed, h))
	}
}

// median returns the median service time of the law in a state, in µs.
func median(t require.TestingT, l servicetime.Law, s servicetime.State) float64 {
	d, err := l.Draw(s, .5)
	require.NoError(t, err)
	return float64(d.Service) / 1000
}

// Below, a resample ends where the samples do; above, its tail may be longer, and
// no core is held longer than the call.
func TestAResampleDrawsFromTheSamplesAndTheirTail(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		all, lowest, _ := campaign(t)
		for i := range all {
			all[i] = restored(all[i], rapid.IntRange(0, 4).Draw(t, "restores"))
		}
		l, err := servicetime.NewLaw(all, servicetime.LawOptions{Penalty: 1, Model: models.Draw(t, "model")})
		require.NoError(t, err)
		seed := rapid.Uint64().Draw(t, "seed")
		r := l.Resample(named(seed, nil), nil)
		s, u := states.Draw(t, "state"), shares.Draw(t, "u")
		d := drawn(t, r, s, u)
		require.GreaterOrEqual(t, d.Service, lowest)
		require.LessOrEqual(t, d.Busy, d.Service)
		higher := drawn(t, r, s, rapid.Float64Range(u, 1-1e-15).Draw(t, "v"))
		require.GreaterOrEqual(t, higher.Service, d.Service-1, "quantile functions do not fall, in the tail either")
		require.Equal(t, d, drawn(t, l.Resample(named(seed, nil), nil), s, u), "equal streams, equal resamples")
		require.Equal(t, drawn(t, l, s, u), drawn(t, l.Resample(named(seed, nil), func(servicetime.Condition) bool { return false }), s, u), "nothing is resampled of which nothing is accepted")
	})
}

// Samples of one restore go together: a resample of two restores draws one, and
// holds only what that restore measured.
func TestARestoreIsDrawnWithAllOfItsInvocations(t *testing.T) {
	t.Parallel()
	l := law(t, asMeasured, restored(measured("warm", 10, 20, 11, 21, 12, 22), 2), measured("flush", 100))
	seen := map[float64]int{}
	for seed := range uint64(200) {
		seen[median(t, l.Resample(named(seed, nil), nil), servicetime.State{})]++
	}
	require.Len(t, seen, 2, "either 10, 11, 12 or 20, 21, 22")
	require.InDelta(t, 100, seen[11], 4*math.Sqrt(50), "each with equal probability")
	require.InDelta(t, 100, seen[21], 4*math.Sqrt(50))
}

func TestEachCellIsResampledFromItsOwnStream(t *testing.T) {
	t.Parallel()
	var opened []string
	lukewarm := measured("lukewarm:2", 12, 13)
	other := measured("lukewarm:2@web", 14, 15)
	l := law(t, asMeasured, measured("warm", 10, 11), lukewarm, other, measured("flush", 20, 21), measured("cold", 30, 31), measured("stage:init", 40, 41), measured("stressor:64", 9, 9))
	l.Resample(named(1, &opened), nil)
	require.ElementsMatch(t, []string{
		"resample/f warm on p", "resample/f lukewarm:2 on p", "resample/f flush on p", "resample/f cold on p", "resample/f stage:init on p",
	}, opened, "what cannot change an answer (another mix, an ablation) is not drawn")
	var names []string
	for _, c := range l.Cells() {
		names = append(names, "resample/"+c.String())
	}
	require.ElementsMatch(t, opened, names)

	opened = nil
	placebo := law(t, servicetime.LawOptions{Init: servicetime.Deterministic{Value: 1}}, measured("warm", 10, 11), measured("flush", 20, 21), measured("cold", 30, 31), measured("stage:init", 40, 41))
	placebo.Resample(named(1, &opened), nil)
	require.Equal(t, []string{"resample/f warm on p"}, opened, "without a penalty and with given stages only warm counts")
}

func TestCellsTellWhatTheLawWasMadeFrom(t *testing.T) {
	t.Parallel()
	warm := restored(measured("warm", 10, 20, 30, 40), 2)
	warm.Samples[3].Status, warm.Samples[3].Reason = servicetime.Censored, "hung"
	flush := measured("flush", 50)
	l := law(t, asMeasured, warm, flush)
	cells := l.Cells()
	require.Len(t, cells, 2)
	require.Equal(t, servicetime.Cell{
		Request: servicetime.Request{Function: "f", Input: "default", Platform: "p"}, Condition: warm.Condition,
		Valid: 3, Censored: 1, Clusters: 2, Mean: 20_000, Cost: 2.5,
	}, cells[0])
	require.Equal(t, 1, cells[1].Clusters)
	require.Zero(t, cells[1].Cost, "not known")
	require.Equal(t, "f/large warm on p", servicetime.Cell{Request: servicetime.Request{Function: "f", Input: "large", Platform: "p"}, Condition: warm.Condition}.String())
}

func TestSamplesOfRealHardwareAreNotSimulated(t *testing.T) {
	t.Parallel()
	for backend, want := range map[string]bool{servicetime.HostBackend: false, "gem5": true, "import": true} {
		m := measured("warm", 10, 11)
		for i := range m.Samples {
			m.Samples[i].Provenance.Backend = backend
		}
		require.Equal(t, want, law(t, asMeasured, m).Simulated(), backend)
	}
	m := measured("warm", 10)
	m.Samples[0].Status = servicetime.Rejected
	require.False(t, law(t, asMeasured, m).Simulated(), "what does not count is not asked")
}

// The spread of resampled means is that of the mean of what was measured: for n
// independent samples of which n − 1 are drawn, s/√(n−1)·√((n−1)/n).
func TestResamplesSpreadLikeTheMean(t *testing.T) {
	t.Parallel()
	times := make([]int, 40)
	r := rand.New(rand.NewPCG(4, 2))
	mean, squares := 0., 0.
	for i := range times {
		times[i] = 1000 + r.IntN(1000)
		mean += float64(times[i]) / 40
	}
	for _, x := range times {
		squares += (float64(x) - mean) * (float64(x) - mean) / 39
	}
	l := law(t, asMeasured, measured("warm", times...))
	var sum, sumSquares float64
	const n = 2000
	for seed := range uint64(n) {
		_, service := l.Resample(named(seed, nil), nil).(*servicetime.SampledLaw).WarmMean()
		x := float64(service)/1000 - mean
		sum += x
		sumSquares += x * x
	}
	deviation := math.Sqrt(squares / 40)
	require.InDelta(t, 0, sum/n, 5*deviation/math.Sqrt(n), "unbiased")
	require.InEpsilon(t, deviation, math.Sqrt(sumSquares/n), .1)
}

func TestAnotherModelKeepsTheSamples(t *testing.T) {
	t.Parallel()
	l := law(t, asMeasured, measured("warm", 100), measured("lukewarm:4", 150), measured("flush", 200))
	idle := l.WithModel(servicetime.ConditionModel{Kind: servicetime.Idle, Tau: time.Second})
	require.InDelta(t, 100, median(t, idle, servicetime.State{K: 1000}), 1e-9, "no time has passed")
	require.InDelta(t, 200, median(t, idle, servicetime.State{Idle: time.Hour}), 1e-3, "all is forgotten")
	half := time.Duration(math.Round(math.Ln2 * 1e9))
	require.InDelta(t, 150, median(t, idle, servicetime.State{Idle: half}), .01, "depth 1/2, where four in between lie")
	require.InDelta(t, 150, median(t, l, servicetime.State{K: 4}), 1e-9, "the law itself is as it was")
	resampled := idle.(servicetime.Resampler).Resample(named(1, nil), nil)
	require.InDelta(t, 150, median(t, resampled, servicetime.State{Idle: half}), .01)
}

func TestALawWithoutWarmSamplesKnowsNoMean(t *testing.T) {
	t.Parallel()
	busy, service := law(t, asMeasured, measured("flush", 100)).WarmMean()
	require.Zero(t, busy+service)
	busy, service = law(t, asMeasured, measured("warm", 100, 300)).WarmMean()
	require.Equal(t, 200*time.Microsecond, service)
	require.Equal(t, 100*time.Microsecond, busy)
	require.Empty(t, law(t, asMeasured).Smoothed())
	require.Empty(t, law(t, asMeasured).LeaveOneOut(func(int) func(string) *rand.Rand { return named(1, nil) }))
}

func TestAGivenLawIsItsDistributionTimesThePenalty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g := &servicetime.GivenLaw{
			Service: servicetime.Exponential{Expectation: time.Second}, BusyFraction: rapid.SampledFrom([]float64{1, .5, .01}).Draw(t, "busy"),
			Relative: rapid.Float64Range(0, 5).Draw(t, "penalty"), Model: models.Draw(t, "model"),
		}
		s, u := states.Draw(t, "state"), rapid.Float64Range(.01, .99).Draw(t, "u")
		s.Cold = rapid.Bool().Draw(t, "cold")
		d := drawn(t, g, s, u)
		depth := g.Depth(s)
		if s.Cold {
			depth = 1
		}
		want := float64(g.Service.Quantile(u)) * (1 + g.Relative*depth)
		require.InDelta(t, want, float64(d.Service), 1)
		require.InDelta(t, want*g.BusyFraction, float64(d.Busy), 2)
		s.Base = 3 * time.Second
		require.InDelta(t, 3e9*(1+g.Relative*depth), float64(drawn(t, g, s, u).Service), 1, "a trace's duration stands for the draw")
	})
	g := &servicetime.GivenLaw{Service: servicetime.Exponential{Expectation: time.Second}, BusyFraction: .25}
	busy, service := g.WarmMean()
	require.Equal(t, []time.Duration{250 * time.Millisecond, time.Second}, []time.Duration{busy, service})
	create, init, err := g.Startup(.3, .7)
	require.NoError(t, err)
	require.Zero(t, create+init, "stages that nobody gives take no time")
	g.Create, g.Init = servicetime.Deterministic{Value: 2}, servicetime.Deterministic{Value: 3}
	create, init, err = g.Startup(.3, .7)
	require.NoError(t, err)
	require.Equal(t, []time.Duration{2, 3}, []time.Duration{create, init})
	cut := g.WithModel(servicetime.ConditionModel{Kind: servicetime.Idle, Tau: time.Second}).(*servicetime.GivenLaw)
	require.Equal(t, servicetime.Idle, cut.Model.Kind)
	require.Equal(t, servicetime.ModelInvalid, g.Model.Kind, "the law itself is as it was")
}

func TestATraceLawTakesTheTracesDuration(t *testing.T) {
	t.Parallel()
	l := servicetime.TraceLaw{Create: servicetime.Deterministic{Value: 5}}
	for base, want := range map[time.Duration]time.Duration{0: 1, 1: 1, time.Hour: time.Hour} {
		d, err := l.Draw(servicetime.State{Base: base, K: 7, Cold: true}, .9)
		require.NoError(t, err)
		require.Equal(t, servicetime.Draw{Service: want, Busy: want}, d)
	}
	create, init, err := l.Startup(0, 0)
	require.NoError(t, err)
	require.Equal(t, time.Duration(5), create)
	require.Zero(t, init)
}

func TestModelsTravelAsWords(t *testing.T) {
	t.Parallel()
	for _, m := range []servicetime.ModelKind{servicetime.Interleave, servicetime.Idle} {
		parsed, err := servicetime.ParseModel(m.String())
		require.NoError(t, err)
		require.Equal(t, m, parsed)
	}
	for _, word := range []string{"", "invalid", "none", "Idle"} {
		_, err := servicetime.ParseModel(word)
		require.ErrorContains(t, err, "want interleave or idle", word)
	}
	require.Equal(t, "invalid", servicetime.ModelKind(99).String())
	require.Equal(t, "invalid", servicetime.Kind(99).String())
	require.Equal(t, "invalid", servicetime.Status(99).String())
}

func TestWhatIsMissingNamesItsCommand(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		request servicetime.Request
		detail  string
		want    string
	}{
		{servicetime.Request{Function: "aes-go", Input: "default", Platform: "skylake-x86"}, "", "aes-go/default lukewarm:4 on skylake-x86: not sampled; measure it with: cosim sample --platform skylake-x86 --functions aes-go --conditions lukewarm:4"},
		{servicetime.Request{Function: "aes-go", Input: "large", Platform: "p"}, "none at all", "aes-go/large lukewarm:4 on p: not sampled (none at all); measure it with: cosim sample --platform p --functions aes-go --conditions lukewarm:4 --input large"},
	} {
		err := &servicetime.NotSampledError{Request: c.request, Condition: servicetime.LukewarmAfter(4), Detail: c.detail}
		require.EqualError(t, err, c.want)
		require.ErrorIs(t, err, servicetime.ErrNotSampled)
	}
}
