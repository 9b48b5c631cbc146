package servicetime_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/cosim/servicetime"
)

// measured returns samples with the given service times in microseconds, busy
// half of the time.
func measured(condition string, micros ...int) servicetime.Measured {
	c, err := servicetime.ParseCondition(condition)
	if err != nil {
		panic(err)
	}
	m := servicetime.Measured{Condition: c}
	for n, us := range micros {
		service := servicetime.TicksOf(time.Duration(us) * time.Microsecond)
		m.Samples = append(m.Samples, servicetime.Sample{
			Key: servicetime.Key{Function: "f", Image: "i", Input: "default", Platform: "p", PlatformDigest: "d", Condition: c, Stack: "s"},
			N:   n, Status: servicetime.Valid, RoundTrip: service + 7, Null: 7, Busy: service / 2,
		})
	}
	return m
}

func law(t testing.TB, options servicetime.LawOptions, m ...servicetime.Measured) *servicetime.SampledLaw {
	t.Helper()
	options.Request = servicetime.Request{Function: "f", Input: "default", Platform: "p"}
	if options.Model.Kind == servicetime.ModelInvalid {
		options.Model = servicetime.ConditionModel{Kind: servicetime.Interleave, HalfDepth: 4}
	}
	l, err := servicetime.NewLaw(m, options)
	require.NoError(t, err)
	return l
}

var asMeasured = servicetime.LawOptions{Penalty: 1}

func TestDrawAnswersByCondition(t *testing.T) {
	t.Parallel()
	l := law(t, asMeasured, measured("warm", 100, 200), measured("lukewarm:4", 200, 300), measured("flush", 400, 500), measured("cold", 900))
	for _, c := range []struct {
		situation    string
		state        servicetime.State
		u            float64
		want         time.Duration
		interpolated bool
	}{
		{"warm, lowest", servicetime.State{}, 0, 100 * time.Microsecond, false},
		{"warm, median of two is between them", servicetime.State{}, .5, 150 * time.Microsecond, false},
		{"measured k", servicetime.State{K: 4}, .5, 250 * time.Microsecond, false},
		{"k between warm and 4: d = 1/3 of the way to 1/2", servicetime.State{K: 2}, 0, 166667 * time.Nanosecond, true},
		{"k beyond 4 goes towards flush: d = .75", servicetime.State{K: 12}, 0, 300 * time.Microsecond, true},
		{"new to the core", servicetime.State{New: true}, 0, 400 * time.Microsecond, false},
		{"first call", servicetime.State{New: true, Cold: true}, .3, 900 * time.Microsecond, false},
		{"a trace's duration replaces the warm call, the penalty is absolute", servicetime.State{New: true, Base: time.Second}, 0, time.Second + 300*time.Microsecond, false},
	} {
		d, err := l.Draw(c.state, c.u)
		require.NoError(t, err, c.situation)
		require.Equal(t, c.want, d.Service, c.situation)
		require.Equal(t, c.interpolated, d.Interpolated, c.situation)
		if c.state.Base == 0 {
			require.InDelta(t, float64(c.want)/2, float64(d.Busy), 1, c.situation)
		}
	}
}

func TestWhatWasNotMeasuredIsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		situation string
		law       *servicetime.SampledLaw
		state     servicetime.State
		missing   string
	}{
		{"nothing", law(t, asMeasured), servicetime.State{}, "warm"},
		{"no warm", law(t, asMeasured, measured("flush", 1)), servicetime.State{}, "warm"},
		{"no cold", law(t, asMeasured, measured("warm", 1)), servicetime.State{Cold: true, New: true}, "cold"},
		{"beyond the deepest", law(t, asMeasured, measured("warm", 1), measured("lukewarm:4", 2)), servicetime.State{K: 5}, "flush"},
		{"other mix", law(t, asMeasured, measured("warm", 1), measured("lukewarm:4@other", 2)), servicetime.State{K: 4}, "flush"},
	} {
		_, err := c.law.Draw(c.state, .5)
		require.ErrorIs(t, err, servicetime.ErrNotSampled, c.situation)
		var missing *servicetime.NotSampledError
		require.ErrorAs(t, err, &missing)
		require.Equal(t, c.missing, missing.Condition.String(), c.situation)
		require.ErrorContains(t, err, "cosim sample --platform p --functions f --conditions "+c.missing)
	}
	_, _, err := law(t, asMeasured, measured("stage:init", 1)).Startup(.5, .5)
	require.ErrorIs(t, err, servicetime.ErrNotSampled)
}

func TestStartupDrawsTheStages(t *testing.T) {
	t.Parallel()
	given := asMeasured
	given.Create = servicetime.Deterministic{Value: time.Second}
	create, init, err := law(t, given, measured("stage:init", 5)).Startup(.5, .5)
	require.NoError(t, err)
	require.Equal(t, time.Second, create, "given")
	require.Equal(t, 5*time.Microsecond, init, "measured")
}

func TestThePlaceboMakesEveryCallWarm(t *testing.T) {
	t.Parallel()
	l := law(t, servicetime.LawOptions{Penalty: 0}, measured("warm", 100, 200), measured("flush", 400, 500), measured("cold", 900))
	for _, s := range []servicetime.State{{}, {K: 3}, {New: true}, {Cold: true, New: true}} {
		d, err := l.Draw(s, .25)
		require.NoError(t, err)
		require.Equal(t, 125*time.Microsecond, d.Service)
	}
}

func TestNoiseIsSmoothedAndFlagged(t *testing.T) {
	t.Parallel()
	l := law(t, asMeasured, measured("warm", 100, 100), measured("lukewarm:1", 80, 80), measured("flush", 200, 200))
	d, err := l.Draw(servicetime.State{K: 1}, .5)
	require.NoError(t, err)
	require.Equal(t, 90*time.Microsecond, d.Service, "pooled with warm, equal weights")
	require.Len(t, l.Smoothed(), 2)
	require.Empty(t, law(t, asMeasured, measured("warm", 100), measured("flush", 200)).Smoothed())
}

func TestOnlyValidSamplesCount(t *testing.T) {
	t.Parallel()
	m := measured("warm", 100, 999)
	m.Samples[1].Status, m.Samples[1].Reason = servicetime.Censored, "hung"
	d, err := law(t, asMeasured, m).Draw(servicetime.State{}, .99)
	require.NoError(t, err)
	require.Equal(t, 100*time.Microsecond, d.Service)
}

func TestSamplesOfTwoKeysAreNeverPooled(t *testing.T) {
	t.Parallel()
	a, b := measured("warm", 1), measured("flush", 2)
	b.Samples[0].Key.Stack = "other"
	_, err := servicetime.NewLaw([]servicetime.Measured{a, b}, asMeasured)
	require.ErrorContains(t, err, "cannot be pooled")
	_, err = servicetime.NewLaw([]servicetime.Measured{a, a}, asMeasured)
	require.ErrorContains(t, err, "twice")
}

func TestHalfDepthIsFitted(t *testing.T) {
	t.Parallel()
	// Means on the curve 100 + 900·k/(k+10).
	var m []servicetime.Measured
	for _, k := range []int{1, 2, 4, 8, 16, 64} {
		m = append(m, measured(fmt.Sprintf("lukewarm:%d", k), 100+900*k/(k+10)))
	}
	m = append(m, measured("warm", 100), measured("flush", 1000))
	options := asMeasured
	options.Model = servicetime.ConditionModel{Kind: servicetime.Interleave}
	l := law(t, options, m...)
	require.InEpsilon(t, 10, l.HalfDepth(), .02)
}

// The idle model reads the clock instead of k, on the same axis.
func TestIdleModel(t *testing.T) {
	t.Parallel()
	options := asMeasured
	options.Model = servicetime.ConditionModel{Kind: servicetime.Idle, Tau: time.Second}
	l := law(t, options, measured("warm", 100), measured("flush", 1100))
	d, err := l.Draw(servicetime.State{K: 1000, Idle: time.Second}, .5)
	require.NoError(t, err)
	require.InDelta(t, 732.12, float64(d.Service)/1e3, .01)
	d, err = l.Draw(servicetime.State{Idle: 100 * time.Hour}, .5)
	require.NoError(t, err)
	require.Equal(t, 1100*time.Microsecond, d.Service)
}

func TestLawsAreMonotone(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		times := rapid.SliceOfN(rapid.IntRange(1, 1000), 1, 12)
		m := []servicetime.Measured{measured("warm", times.Draw(t, "warm")...), measured("flush", times.Draw(t, "flush")...)}
		for _, k := range rapid.SliceOfNDistinct(rapid.IntRange(1, 40), 0, 4, rapid.ID).Draw(t, "ks") {
			m = append(m, measured(fmt.Sprintf("lukewarm:%d", k), times.Draw(t, "lukewarm")...))
		}
		l, err := servicetime.NewLaw(m, servicetime.LawOptions{Penalty: 1, Model: servicetime.ConditionModel{Kind: servicetime.Interleave}})
		if err != nil {
			t.Fatal(err)
		}
		draw := func(k int64, u float64) servicetime.Draw {
			d, err := l.Draw(servicetime.State{K: k}, u)
			if err != nil {
				t.Fatal(err)
			}
			return d
		}
		k := rapid.Int64Range(0, 100).Draw(t, "k")
		u := rapid.Float64Range(0, .999).Draw(t, "u")
		v := rapid.Float64Range(u, .9999).Draw(t, "v")
		d := draw(k, u)
		if d.Busy > d.Service || d.Busy < 1 {
			t.Fatalf("busy %v, service %v", d.Busy, d.Service)
		}
		if draw(k, v).Service < d.Service-1 {
			t.Fatal("a higher quantile must not be shorter")
		}
		if draw(k+1, u).Service < d.Service-1 {
			t.Fatal("a deeper condition must not be shorter")
		}
	})
}

func TestGivenLaw(t *testing.T) {
	t.Parallel()
	l := &servicetime.GivenLaw{
		Service: servicetime.Deterministic{Value: time.Second}, BusyFraction: .25, Relative: 1,
		Model: servicetime.ConditionModel{Kind: servicetime.Interleave, HalfDepth: 4},
		Init:  servicetime.Deterministic{Value: time.Minute},
	}
	for k, want := range map[int64]time.Duration{0: time.Second, 4: 1500 * time.Millisecond, 12: 1750 * time.Millisecond} {
		d, err := l.Draw(servicetime.State{K: k}, .5)
		require.NoError(t, err)
		require.Equal(t, want, d.Service)
		require.Equal(t, want/4, d.Busy)
	}
	d, err := l.Draw(servicetime.State{Cold: true, New: true}, .5)
	require.NoError(t, err)
	require.Equal(t, 2*time.Second, d.Service)
	create, init, err := l.Startup(.5, .5)
	require.NoError(t, err)
	require.Zero(t, create)
	require.Equal(t, time.Minute, init)
}

func BenchmarkDraw(b *testing.B) {
	var m []servicetime.Measured
	r := rand.New(rand.NewPCG(1, 2))
	for _, condition := range []string{"warm", "lukewarm:1", "lukewarm:4", "lukewarm:16", "flush", "cold"} {
		var micros []int
		for range 100 {
			micros = append(micros, 100+r.IntN(100))
		}
		m = append(m, measured(condition, micros...))
	}
	l := law(b, asMeasured, m...)
	for b.Loop() {
		if _, err := l.Draw(servicetime.State{K: r.Int64N(20)}, r.Float64()); err != nil {
			b.Fatal(err)
		}
	}
}
