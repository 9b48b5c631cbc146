package experiment_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/experiment"
	"microcosm/cosim/scenario"
	"microcosm/cosim/servicetime"
)

// constant is a law that takes the same time in every state.
type constant struct {
	service      time.Duration
	interpolated bool
	err          error
}

// Draw implements servicetime.Law.
func (c constant) Draw(servicetime.State, float64) (servicetime.Draw, error) {
	return servicetime.Draw{Service: c.service, Busy: c.service, Interpolated: c.interpolated}, c.err
}

// Startup implements servicetime.Law.
func (constant) Startup(float64, float64) (createTime, initTime time.Duration, err error) {
	return 0, 0, nil
}

// known is a constant law that tells its mean.
type known struct{ constant }

// WarmMean returns the constant.
func (k known) WarmMean() (busy, service time.Duration) { return k.service, k.service }

// source is a source in memory. It records what it was asked.
type source struct {
	law    func(servicetime.Request) (servicetime.Law, error)
	labels []string
	notes  []string

	mu    sync.Mutex
	asked []servicetime.Request
}

// Law implements servicetime.Source.
func (s *source) Law(_ context.Context, r servicetime.Request) (servicetime.Law, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, r)
	return s.law(r)
}

// Labels implements experiment.Measured.
func (s *source) Labels() []string { return slices.Clone(s.labels) }

// Notes implements experiment.Measured.
func (s *source) Notes() []string { return slices.Clone(s.notes) }

// opens returns the same source for every combination of levels.
func opens(s *source) experiment.Options {
	return experiment.Options{Open: func(context.Context, *scenario.Scenario) (experiment.Measured, error) { return s, nil }}
}

// byPlatform answers with one law per platform.
func byPlatform(laws map[string]servicetime.Law) *source {
	return &source{law: func(r servicetime.Request) (servicetime.Law, error) { return laws[r.Platform], nil }}
}

// scripted answers with a time that follows from the levels under which the
// source was opened.
func scripted(service func(*scenario.Scenario) time.Duration) experiment.Options {
	return experiment.Options{Open: func(_ context.Context, s *scenario.Scenario) (experiment.Measured, error) {
		law := constant{service: service(s)}
		return &source{law: func(servicetime.Request) (servicetime.Law, error) { return law, nil }}, nil
	}}
}

func parse(t *testing.T, text string) *scenario.Scenario {
	t.Helper()
	s, err := scenario.Parse("test.yaml", []byte(text))
	require.NoError(t, err)
	return s
}

func simulateWith(t *testing.T, text string, o experiment.Options) *experiment.Result {
	t.Helper()
	r, err := experiment.Simulate(context.Background(), parse(t, text), o)
	require.NoError(t, err)
	return r
}

func estimate(t *testing.T, r *experiment.Run, name string) float64 {
	t.Helper()
	m, ok := r.Find(name)
	require.True(t, ok, name)
	return m.Estimate.Est
}

func inMarginal(t *testing.T, list []experiment.Marginal, part, metric string) float64 {
	t.Helper()
	for _, m := range list {
		for _, one := range m.Metrics {
			if m.Name == part && one.Name == metric {
				return one.Estimate.Est
			}
		}
	}
	require.Fail(t, "no such metric", "%s of %s", metric, part)
	return 0
}
