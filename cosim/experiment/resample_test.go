package experiment_test

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/experiment"
	"microcosm/cosim/metrics"
	"microcosm/cosim/scenario"
	"microcosm/cosim/servicetime"
)

// measuredQueue is one core that serves measured functions.
const measuredQueue = `
cluster:
  nodes: [{cores: 1}]
  scaling: {kind: fixed, sandboxes: 1}
  keep-alive: unlimited
  concurrency: 1000000
workload:
  duration: 60s
  functions:
    - {name: aes-go, arrivals: {process: poisson, rate: 50/s}}
    - {name: auth-go, arrivals: {process: poisson, rate: 50/s}}
fidelity: {platform: here, replications: 3, model: {half-depth: 4}}
`

// campaign is what was measured of each function: service times of a warm call
// by restore, and how much longer a flushed one takes.
type campaign struct {
	backend string
	warm    map[string][][]time.Duration
	flush   time.Duration
	hung    int // of aes-go's warm calls, the first ones
}

// law builds the law of one function.
func (c campaign) law(r servicetime.Request, o servicetime.LawOptions) (servicetime.Law, error) {
	var measured []servicetime.Measured
	for i, condition := range []servicetime.Condition{{Kind: servicetime.Warm}, {Kind: servicetime.Flush}} {
		extra := time.Duration(i) * c.flush
		m := servicetime.Measured{Condition: condition}
		for restore, times := range c.warm[r.Function] {
			for _, d := range times {
				m.Samples = append(m.Samples, servicetime.Sample{
					Key:    servicetime.Key{Function: r.Function, Condition: condition, Platform: r.Platform},
					Status: servicetime.Valid, RoundTrip: servicetime.TicksOf(d + extra), Busy: servicetime.TicksOf(d + extra),
					Provenance: servicetime.Provenance{Backend: c.backend, Boot: "b", Restore: fmt.Sprint("r", restore)},
				})
			}
		}
		if condition.Kind == servicetime.Warm && r.Function == "aes-go" {
			for i := range c.hung {
				m.Samples[i].Status, m.Samples[i].Reason = servicetime.Censored, "hung"
			}
		}
		measured = append(measured, m)
	}
	o.Request = r
	return servicetime.NewLaw(measured, o)
}

// opens answers with the laws of the campaign under each scenario's fidelity.
func (c campaign) opens() experiment.Options {
	return experiment.Options{Open: func(_ context.Context, s *scenario.Scenario) (experiment.Measured, error) {
		o, err := experiment.LawOptions(s)
		cache := map[servicetime.Request]servicetime.Law{}
		return &source{law: func(r servicetime.Request) (servicetime.Law, error) {
			if cache[r] == nil {
				law, err := c.law(r, o)
				if err != nil {
					return nil, err
				}
				cache[r] = law
			}
			return cache[r], nil
		}}, err
	}}
}

// spread returns restores of so many invocations each, whose times scatter by
// the given share around 4 ms: between restores, or within them.
func spread(restores, each int, share float64, between bool) [][]time.Duration {
	var list [][]time.Duration
	for i := range restores {
		var times []time.Duration
		for j := range each {
			at := float64(j)/float64(each-1) - .5
			if between {
				at = float64(i)/float64(restores-1) - .5
			}
			times = append(times, time.Duration(4e6*(1+share*at)))
		}
		list = append(list, times)
	}
	return list
}

func metricOf(t *testing.T, r *experiment.Run, name string) experiment.Metric {
	t.Helper()
	m, ok := r.Find(name)
	require.True(t, ok, name)
	return m
}

func TestTheSamplesUncertaintyIsCarriedToTheCluster(t *testing.T) {
	t.Parallel()
	c := campaign{backend: "gem5", flush: time.Millisecond, warm: map[string][][]time.Duration{"aes-go": spread(8, 4, 1, true), "auth-go": spread(8, 4, .05, true)}}
	r := simulateWith(t, measuredQueue, c.opens())
	run := &r.Runs[0]
	m := metricOf(t, run, "response_mean")
	require.Equal(t, metrics.MethodCombined, m.Estimate.Method)
	require.NotNil(t, m.Parts)
	require.Greater(t, m.Parts.Sampling.HalfWidth(), m.Parts.Queue.HalfWidth(), "32 samples say less than 18 000 invocations")
	require.GreaterOrEqual(t, m.Estimate.HalfWidth(), m.Parts.Sampling.HalfWidth())
	require.InDelta(t, m.Estimate.Est*1.15, m.Parts.Band.Hi, 1e-12, "what the simulator may be off is stated")
	require.Less(t, m.Estimate.Hi, m.Parts.Band.Hi+m.Parts.Sampling.Hi, "and not mixed in")
	require.Equal(t, 40, run.Resampling.Resamples)
	require.NotEmpty(t, run.Resampling.Matter)
	require.Contains(t, run.Resampling.Matter[0].Cell, "aes-go", "the function that scatters matters, not the other")
	require.Equal(t, 32, run.Resampling.Matter[0].Samples)

	c.backend = servicetime.HostBackend
	hardware := simulateWith(t, measuredQueue, c.opens())
	require.Nil(t, metricOf(t, &hardware.Runs[0], "response_mean").Parts.Band, "hardware is not off the hardware")
}

func TestCorrelationWithinRestoresWidensTheInterval(t *testing.T) {
	t.Parallel()
	width := func(between bool) float64 {
		c := campaign{warm: map[string][][]time.Duration{"aes-go": spread(6, 6, 1, between), "auth-go": spread(6, 6, 1, between)}}
		r := simulateWith(t, measuredQueue, c.opens())
		return metricOf(t, &r.Runs[0], "service_mean").Parts.Sampling.HalfWidth()
	}
	require.Less(t, width(false), width(true)/10, "equal restores leave unknown only how long the longest calls are")
	require.Greater(t, width(true), 1e-4, "36 samples of 6 restores are 6 independent ones")
}

func TestResamplingIsTheSameOnAnyNumberOfSlots(t *testing.T) {
	t.Parallel()
	c := campaign{flush: time.Millisecond, warm: map[string][][]time.Duration{"aes-go": spread(8, 2, 1, true), "auth-go": spread(8, 2, .5, true)}}
	var texts []string
	for _, slots := range []int{1, 8} {
		o := c.opens()
		o.Slots = slots
		text, err := simulateWith(t, measuredQueue, o).JSON()
		require.NoError(t, err)
		texts = append(texts, string(text))
	}
	require.Equal(t, texts[0], texts[1])
	back, err := experiment.ParseResult([]byte(texts[0]))
	require.NoError(t, err)
	again, err := back.JSON()
	require.NoError(t, err)
	require.Equal(t, texts[0], string(again))
}

func TestEffectsFaceTheSameResamples(t *testing.T) {
	t.Parallel()
	c := campaign{flush: time.Millisecond, warm: map[string][][]time.Duration{"aes-go": spread(8, 4, 1, true), "auth-go": spread(8, 4, 1, true)}}
	r := simulateWith(t, measuredQueue+"factors:\n  - {name: penalty, set: fidelity.penalty, levels: [\"0\", \"1\"]}\n", c.opens())
	for _, e := range of(r, "service_mean") {
		require.NotNil(t, e.Parts)
		alone := metricOf(t, &r.Runs[0], "service_mean").Parts.Sampling.HalfWidth()
		require.Less(t, e.Parts.Sampling.HalfWidth(), alone/2, "the scatter that both share cancels")
	}
	same := simulateWith(t, measuredQueue+"factors:\n  - {name: placement, set: cluster.placement, levels: [spread, first-fit]}\n", c.opens())
	for _, e := range same.Effects {
		require.Equal(t, []float64{0, 0, 0}, []float64{e.Estimate.Est, e.Estimate.Lo, e.Estimate.Hi}, "one node has no placement: %s", e.Metric)
	}
}

func TestWithoutResamplesTheIntervalsAreTheQueues(t *testing.T) {
	t.Parallel()
	c := campaign{warm: map[string][][]time.Duration{"aes-go": spread(8, 4, 1, true), "auth-go": spread(8, 4, 1, true)}}
	s, err := parse(t, measuredQueue).Override(scenario.Setting{Path: "fidelity.resamples", Value: "0"})
	require.NoError(t, err)
	r, err := experiment.Simulate(context.Background(), s, c.opens())
	require.NoError(t, err)
	require.Nil(t, r.Runs[0].Resampling)
	require.Nil(t, metricOf(t, &r.Runs[0], "response_mean").Parts)
	require.Contains(t, r.Notes[0], "not in them")
}

// A queue near its limit has resamples that it cannot bear.
func TestUnstableResamplesAreANumberOfTheirOwn(t *testing.T) {
	t.Parallel()
	c := campaign{warm: map[string][][]time.Duration{"aes-go": spread(6, 2, 1.6, true), "auth-go": spread(6, 2, 1.6, true)}}
	s, err := parse(t, measuredQueue).Override(
		scenario.Setting{Path: "workload.functions[0].arrivals.rate", Value: "105/s"}, scenario.Setting{Path: "workload.functions[1].arrivals.rate", Value: "105/s"})
	require.NoError(t, err)
	r, err := experiment.Simulate(context.Background(), s, c.opens())
	require.NoError(t, err)
	run := &r.Runs[0]
	require.Empty(t, run.Unstable)
	require.Greater(t, run.Resampling.UnstableShare, .05)
	require.Less(t, run.Resampling.UnstableShare, .6)
	m := metricOf(t, run, "response_mean")
	require.Equal(t, metrics.StatusBounds, m.Estimate.Status)
	require.True(t, m.Estimate.Lo > 0 && math.IsNaN(m.Estimate.Hi))
}

func TestCensoredSamplesLeaveBoundsOnly(t *testing.T) {
	t.Parallel()
	c := campaign{warm: map[string][][]time.Duration{"aes-go": spread(10, 2, .5, true), "auth-go": spread(10, 2, .5, true)}}
	whole := metricOf(t, &simulateWith(t, measuredQueue, c.opens()).Runs[0], "response_mean")
	require.Equal(t, metrics.StatusOK, whole.Estimate.Status)

	c.hung = 1 // of 20: as many as may be left out
	few := metricOf(t, &simulateWith(t, measuredQueue, c.opens()).Runs[0], "response_mean")
	require.Equal(t, metrics.StatusOK, few.Estimate.Status)

	c.hung = 3
	r := simulateWith(t, measuredQueue+"factors:\n  - {name: penalty, set: fidelity.penalty, levels: [\"0\", \"1\"]}\n", c.opens())
	many := metricOf(t, &r.Runs[0], "response_mean")
	require.Equal(t, metrics.StatusBounds, many.Estimate.Status)
	require.Contains(t, many.Estimate.Note, "15 % of the samples")
	require.Greater(t, many.Estimate.Hi, few.Estimate.Hi, "the hung ones may have been the long ones")
	require.LessOrEqual(t, many.Estimate.Lo, many.Estimate.Est)
	for _, e := range of(r, "response_mean") {
		require.Equal(t, metrics.StatusBounds, e.Estimate.Status, "nor has a difference an interval")
	}
}
