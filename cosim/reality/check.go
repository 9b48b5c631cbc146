package reality

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"microcosm/cosim/experiment"
	"microcosm/cosim/scenario"
	"microcosm/cosim/servicetime"
	"microcosm/loadgen"
	"microcosm/loadgen/openloop"
)

// Check is what is compared.
type Check struct {
	Platform     string   // what the samples were measured on
	Functions    []string // of the catalog; each has one process and an equal share of the calls
	Input        string
	Utilizations []float64     // of the core, that the load aims at
	Rounds       int           // independent repetitions, each with new processes
	Duration     time.Duration // of one load: one utilization in one round
	Seed         uint64
	Resamples    int // of the samples; 0 leaves their uncertainty out
}

// warmUp is the share of a load that is served but not recorded.
const warmUp = .1

// leastRounds is how many rounds an interval of a quantile needs: of two that
// differ in size no autocorrelation time can be told.
const leastRounds = 3

// Mistakes returns everything that is wrong with the check, joined.
func (c Check) Mistakes() error {
	var wrong []error
	add := func(bad bool, format string, args ...any) {
		if bad {
			wrong = append(wrong, fmt.Errorf(format, args...))
		}
	}
	add(len(c.Functions) == 0, "no function: name one at least")
	for i, name := range c.Functions {
		add(slices.Contains(c.Functions[:i], name), "%s is named twice: each function has one process", name)
	}
	add(len(c.Utilizations) == 0, "no utilization: name one at least, such as 50%%")
	for _, u := range c.Utilizations {
		add(!(u > 0 && u < .95), "utilization %.3g: want one above 0 and below 0.95, beyond which no run is long enough", u)
	}
	add(c.Rounds < leastRounds, "%d rounds: want %d at least, or nothing has an interval", c.Rounds, leastRounds)
	add(c.Duration < 10*time.Millisecond, "a load of %v: want 10 ms at least", c.Duration)
	add(c.Resamples < 0, "%d resamples: want 0 or more", c.Resamples)
	return errors.Join(wrong...)
}

// Conditions returns what has to be measured of every function: calls after up to
// as many others as come in between, and flush, to which the model tends beyond.
func (c Check) Conditions() []servicetime.Condition {
	conditions := []servicetime.Condition{{Kind: servicetime.Warm}}
	for k := 1; len(c.Functions) > 1 && c.beyond(k/2) > .01; k *= 2 {
		conditions = append(conditions, servicetime.LukewarmAfter(k))
	}
	return append(conditions, servicetime.Condition{Kind: servicetime.Flush})
}

// beyond is the share of calls that more than k others precede: every call in
// between is another function's with the same probability.
func (c Check) beyond(k int) float64 {
	return math.Pow(1-1/float64(len(c.Functions)), float64(k+1))
}

// scenario returns the cluster and the load that the machine stands for.
func (c Check) scenario(rate float64, replications int) (*scenario.Scenario, error) {
	var b strings.Builder
	fmt.Fprintf(&b, `
name: reality
seed: %d
cluster:
  nodes: [{cores: 1}]
  scaling: {kind: fixed, sandboxes: 1}
  concurrency: 1000000 # no sandbox holds back what the core could serve
  keep-alive: unlimited
workload:
  duration: %dns
  warm-up: %g%%
  functions:
`, c.Seed, c.Duration, 100*warmUp)
	for _, name := range c.Functions {
		fmt.Fprintf(&b, "    - {name: %q, input: %q, arrivals: {process: poisson, rate: %g/s}}\n", name, c.Input, rate/float64(len(c.Functions)))
	}
	fmt.Fprintf(&b, "fidelity: {platform: %q, stack: local, replications: %d, resamples: %d}\n", c.Platform, replications, c.Resamples)
	s, err := scenario.Parse("reality.yaml", []byte(b.String()))
	if err != nil {
		return nil, fmt.Errorf("make the scenario of the check: %w", err)
	}
	return s, nil
}

// Plan returns the calls of one round at a rate, all functions together; their
// targets number Functions.
func (c Check) Plan(rate float64, round int) ([]openloop.Planned, error) {
	s, err := c.scenario(rate, c.Rounds)
	if err != nil {
		return nil, err
	}
	demand, err := s.Demand()
	if err != nil {
		return nil, err
	}
	var streams []loadgen.Stream
	for _, f := range demand.Functions {
		streams = append(streams, f.Arrivals.Stream(experiment.Seed(s.Seed, round)))
	}
	return openloop.Plan(streams), nil
}

// Rates returns the rate at which each of the utilizations is to be expected from
// what was measured, all functions together.
func (c Check) Rates(ctx context.Context, samples []servicetime.Sample) ([]float64, error) {
	// Which calls come in between, and so the mean service time, does not depend on
	// the rate: any one far from saturation tells.
	const calls, pilot = 20_000, .3
	warm, n := 0.0, 0
	for _, s := range samples {
		if s.Status == servicetime.Valid && s.Key.Condition.Kind == servicetime.Warm {
			warm += s.RoundTrip.Duration().Seconds()
			n++
		}
	}
	if n == 0 {
		return nil, errors.New("no valid sample of a warm call: nothing can be predicted")
	}
	rate := pilot * float64(n) / warm / 4 // a call may take four times as long as a warm one
	long := c
	long.Duration, long.Resamples = time.Duration(calls/rate*float64(time.Second)), 0
	result, err := long.Predict(ctx, samples, rate, 1)
	if err != nil {
		return nil, err
	}
	mean, _ := result.Runs[0].Find("service_mean")
	if !(mean.Estimate.Est > 0) {
		return nil, fmt.Errorf("the pilot run of the model tells no mean service time: %v", mean.Estimate)
	}
	rates := make([]float64, len(c.Utilizations))
	for i, u := range c.Utilizations {
		rates[i] = u / mean.Estimate.Est
	}
	return rates, nil
}

// Predict runs the model at a rate, from the samples.
func (c Check) Predict(ctx context.Context, samples []servicetime.Sample, rate float64, replications int) (*experiment.Result, error) {
	s, err := c.scenario(rate, replications)
	if err != nil {
		return nil, err
	}
	options, err := experiment.LawOptions(s)
	if err != nil {
		return nil, err
	}
	source := &roundTrips{samples: samples, options: options}
	return experiment.Simulate(ctx, s, experiment.Options{
		Open: func(context.Context, *scenario.Scenario) (experiment.Measured, error) { return source, nil },
	})
}

// roundTrips answers with the samples' whole round trips.
type roundTrips struct {
	samples []servicetime.Sample
	options servicetime.LawOptions
}

// Law implements servicetime.Source.
func (x *roundTrips) Law(_ context.Context, r servicetime.Request) (servicetime.Law, error) {
	var measured []servicetime.Measured
	for _, s := range x.samples {
		if s.Key.Function != r.Function || s.Key.Input != r.Input {
			continue
		}
		s.Null, s.Busy = 0, s.RoundTrip
		at := slices.IndexFunc(measured, func(m servicetime.Measured) bool { return m.Condition == s.Key.Condition })
		if at < 0 {
			at = len(measured)
			measured = append(measured, servicetime.Measured{Condition: s.Key.Condition})
		}
		measured[at].Samples = append(measured[at].Samples, s)
	}
	o := x.options
	o.Request = r
	return servicetime.NewLaw(measured, o)
}

// Labels implements experiment.Measured.
func (*roundTrips) Labels() []string { return []string{"measured beside the load"} }

// Notes implements experiment.Measured.
func (*roundTrips) Notes() []string { return nil }
