package results_test

import (
	"bytes"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/servicetime"
	"microcosm/results"
)

var request = servicetime.Request{Function: "fibonacci-go", Input: "default", Platform: "host-test"}

// timed returns sample n of the test's function in a condition, with the given
// service time.
func timed(condition string, n int, service time.Duration, change func(*servicetime.Key)) servicetime.Sample {
	s := sample(key(change), n)
	c, err := servicetime.ParseCondition(condition)
	if err != nil {
		panic(err) // the test's own words
	}
	s.Key.Condition = c
	s.Null = 1000
	s.RoundTrip = servicetime.TicksOf(service) + s.Null
	s.Busy = servicetime.TicksOf(service) / 2
	return s
}

func options() results.SourceOptions {
	return results.SourceOptions{Law: servicetime.LawOptions{Model: servicetime.ConditionModel{Kind: servicetime.Interleave}, Penalty: 1}}
}

func TestSourceAnswersFromStoredSamples(t *testing.T) {
	t.Parallel()
	s := open(t)
	ctx := t.Context()
	hung := timed("warm", 3, time.Hour, nil)
	hung.Status, hung.Reason = servicetime.Censored, "hung"
	require.NoError(t, s.Put(ctx, timed("warm", 0, time.Millisecond, nil), timed("warm", 1, time.Millisecond, nil), hung,
		timed("cold", 0, 9*time.Millisecond, nil), timed("flush", 0, 3*time.Millisecond, nil),
		timed("stage:create", 0, 100*time.Millisecond, nil), timed("stage:init", 0, 50*time.Millisecond, nil)))
	source := results.NewSource(s, options())
	law, err := source.Law(ctx, request)
	require.NoError(t, err)

	warm, err := law.Draw(servicetime.State{}, 0.5)
	require.NoError(t, err)
	require.Equal(t, servicetime.Draw{Service: time.Millisecond, Busy: time.Millisecond / 2}, warm)
	cold, err := law.Draw(servicetime.State{Cold: true}, 0.5)
	require.NoError(t, err)
	require.Equal(t, 9*time.Millisecond, cold.Service)
	between, err := law.Draw(servicetime.State{K: servicetime.DefaultHalfDepth}, 0.5)
	require.NoError(t, err)
	require.Equal(t, 2*time.Millisecond, between.Service, "half of the way from warm to flush")
	require.True(t, between.Interpolated)
	create, start, err := law.Startup(0.5, 0.5)
	require.NoError(t, err)
	require.Equal(t, []time.Duration{100 * time.Millisecond, 50 * time.Millisecond}, []time.Duration{create, start})

	before := source.Digest()
	require.NoError(t, s.Put(ctx, timed("warm", 9, time.Second, nil)))
	again, err := source.Law(ctx, request)
	require.NoError(t, err)
	require.Same(t, law, again, "one run sees one sample set")
	require.Equal(t, before, source.Digest())
	require.Len(t, source.Answers()[request].Samples, 7)
}

func TestSourceRefusesWhatWasNotMeasured(t *testing.T) {
	t.Parallel()
	s := open(t)
	require.NoError(t, s.Put(t.Context(), timed("warm", 0, time.Millisecond, nil)))
	source := results.NewSource(s, options())
	for name, other := range map[string]servicetime.Request{
		"function": {Function: "aes-go", Input: "default", Platform: "host-test"},
		"input":    {Function: "fibonacci-go", Input: "large", Platform: "host-test"},
		"platform": {Function: "fibonacci-go", Input: "default", Platform: "skylake-x86"},
	} {
		_, err := source.Law(t.Context(), other)
		require.ErrorIs(t, err, servicetime.ErrNotSampled, name)
		require.ErrorContains(t, err, "cosim sample --platform "+other.Platform+" --functions "+other.Function, name)
	}
	law, err := source.Law(t.Context(), request)
	require.NoError(t, err)
	_, err = law.Draw(servicetime.State{Cold: true}, 0.5)
	require.ErrorIs(t, err, servicetime.ErrNotSampled)
}

func TestSeveralStacksAnswer(t *testing.T) {
	t.Parallel()
	s := open(t)
	ctx := t.Context()
	newer := func(k *servicetime.Key) { k.Stack = "sha256:new" }
	rebuilt := func(k *servicetime.Key) { k.Image = "sha256:rebuilt"; k.Stack = "sha256:new" }
	retuned := func(k *servicetime.Key) { k.PlatformDigest = "sha256:retuned" }
	require.NoError(t, s.Put(ctx, timed("warm", 0, 1*time.Millisecond, nil), timed("warm", 0, 2*time.Millisecond, newer),
		timed("warm", 0, 3*time.Millisecond, rebuilt), timed("warm", 0, 4*time.Millisecond, retuned)))
	require.NoError(t, s.PutCollection(ctx, "recorded", "d1", []servicetime.Sample{timed("warm", 0, 5*time.Millisecond, func(k *servicetime.Key) { k.Stack = "sha256:shipped" })}))

	_, err := results.NewSource(s, options()).Law(ctx, request)
	var ambiguous *results.AmbiguousError
	require.ErrorAs(t, err, &ambiguous)
	require.Len(t, ambiguous.Found, 5)
	for _, digest := range []string{"sha256:3333", "sha256:new", "sha256:rebuilt", "sha256:retuned", "sha256:shipped"} {
		require.ErrorContains(t, err, digest)
	}

	for _, c := range []struct {
		selection results.Selection
		want      time.Duration
		label     string
	}{
		{results.Selection{Stack: "sha256:3333", PlatformDigest: "sha256:2222"}, time.Millisecond, "sha256:3333"},
		{results.Selection{Stack: "sha256:new", Image: "sha256:1111"}, 2 * time.Millisecond, "sha256:new"},
		{results.Selection{Image: "sha256:rebuilt"}, 3 * time.Millisecond, "sha256:new"},
		{results.Selection{PlatformDigest: "sha256:retuned"}, 4 * time.Millisecond, "sha256:3333"},
		{results.Selection{Stack: "recorded@d1"}, 5 * time.Millisecond, "recorded@d1"},
		{results.Selection{Stack: "recorded"}, 5 * time.Millisecond, "recorded@d1"},
		{results.Selection{Stack: "sha256:shipped"}, 5 * time.Millisecond, "sha256:shipped"},
	} {
		for name, o := range map[string]results.SourceOptions{
			"for all":          {Selection: c.selection, Law: options().Law},
			"for the function": {Selection: results.Selection{Stack: "none"}, ByFunction: map[string]results.Selection{"fibonacci-go": c.selection}, Law: options().Law},
		} {
			source := results.NewSource(s, o)
			law, err := source.Law(ctx, request)
			require.NoError(t, err, "%s %v", name, c.selection)
			draw, err := law.Draw(servicetime.State{}, 0)
			require.NoError(t, err)
			require.Equal(t, c.want, draw.Service, c.selection)
			require.Equal(t, c.label, source.Answers()[request].Label)
		}
	}
}

func TestAStaleStackDoesNotAnswer(t *testing.T) {
	t.Parallel()
	s := open(t)
	ctx := t.Context()
	require.NoError(t, s.Put(ctx, timed("warm", 0, time.Millisecond, nil)))
	require.NoError(t, s.PutCollection(ctx, "recorded", "d2", []servicetime.Sample{timed("warm", 1, time.Millisecond, nil)}))
	for _, selection := range []results.Selection{
		{Stack: "sha256:3334"}, {Image: "sha256:1110"}, {PlatformDigest: "SHA256:2222"}, {Stack: "elsewhere@d1"},
	} {
		_, err := s.Select(ctx, request, selection)
		require.ErrorIs(t, err, servicetime.ErrNotSampled, selection)
		require.ErrorContains(t, err, "sha256:3333", "what there is instead")
	}
	_, err := s.Select(ctx, request, results.Selection{Stack: "recorded@d1"})
	require.ErrorContains(t, err, "recorded@d2")
	selected, err := s.Select(ctx, request, results.Selection{Stack: "recorded@d2"})
	require.NoError(t, err)
	require.Len(t, selected.Samples, 1, "members of the collection only")
}

func TestSeveralSimulatorBinariesAreAWarning(t *testing.T) {
	t.Parallel()
	s := open(t)
	other := timed("warm", 1, time.Millisecond, nil)
	other.Provenance.SimulatorDigest = "sha256:rebuilt"
	require.NoError(t, s.Put(t.Context(), timed("warm", 0, time.Millisecond, nil), other))
	var log bytes.Buffer
	o := options()
	o.Log = slog.New(slog.NewTextHandler(&log, nil))
	_, err := results.NewSource(s, o).Law(t.Context(), request)
	require.NoError(t, err)
	require.Contains(t, log.String(), "several simulator binaries")
	require.Contains(t, log.String(), "sha256:rebuilt")
}
