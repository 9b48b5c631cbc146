package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"microcosm/cosim/metrics"
	"microcosm/cosim/servicetime"
	"microcosm/gem5bridge"
	"microcosm/loadgen"
	"microcosm/results"
)

// verifyLevel is the p-value below which a record is called into question.
const verifyLevel = .01

// verdict is the outcome of `cosim sample --verify`.
type verdict struct {
	Key      string  `json:"key"`
	Record   int     `json:"record"`   // valid samples in the record
	Measured int     `json:"measured"` // valid samples measured now
	P        float64 `json:"p"`        // two-sample Kolmogorov-Smirnov test
	Repeated string  `json:"repeated"` // the first recorded sample, measured once more: equal, different, or why there is nothing to compare
	Agrees   bool    `json:"agrees"`
}

// What came of measuring a recorded sample once more.
const (
	repeatedEqual     = "equal"
	repeatedDifferent = "different"
)

// verifySamples draws a key of a collection, measures it again and tests the two
// samples against each other.
func (a *app) verifySamples(ctx context.Context, s campaign) error {
	if s.count < 2 {
		return usage("-n %d: a test needs at least two samples", s.count)
	}
	return a.withStore(ctx, func(store *results.Store) (err error) {
		m, err := a.connect(ctx, s)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, m.simulator.Close()) }()
		random := loadgen.Rand(s.seed, "verify")
		recorded, err := a.drawKey(ctx, store, m, s, random)
		if err != nil {
			return err
		}
		record, err := store.Pick(ctx, recordOf(recorded, s.verify))
		if err != nil {
			return err
		}
		today, err := m.key(recorded.Function, recorded.Input, recorded.Condition)
		if err != nil {
			return err
		}
		repeated := "not done: the software is another"
		if today == recorded {
			if repeated, err = a.repeat(ctx, m, s, record); err != nil {
				return err
			}
		}
		now, err := a.measureAgain(ctx, store, m, s, today)
		if err != nil {
			return err
		}
		test, err := metrics.KolmogorovSmirnov(random, serviceTimes(record), serviceTimes(now))
		if err != nil {
			return err
		}
		v := verdict{Key: recorded.String(), Record: len(serviceTimes(record)), Measured: len(serviceTimes(now)), P: test.P, Repeated: repeated}
		v.Agrees = test.P >= verifyLevel && repeated != repeatedDifferent
		return a.printVerdict(v)
	})
}

func (a *app) printVerdict(v verdict) error {
	if a.json {
		if err := printJSON(a.out, v); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(a.out, "%s: %d recorded samples against %d measured now: p = %.3g (Kolmogorov-Smirnov)\n", v.Key, v.Record, v.Measured, v.P)
		fmt.Fprintf(a.out, "%s: the first recorded sample, measured once more: %s\n", v.Key, v.Repeated)
	}
	switch {
	case v.P < verifyLevel:
		return fmt.Errorf("%s: the record differs from what this machine measures (p = %.2g < %g)", v.Key, v.P, verifyLevel)
	case !v.Agrees:
		return fmt.Errorf("%s: the first recorded sample differs from what the same checkpoint and seed give here", v.Key)
	}
	return nil
}

// repeat measures the first sample of a record of today's software once more, without
// storing it, and compares the two to the tick: a simulation that starts from the same
// checkpoint with the same seed has no choice.
func (a *app) repeat(ctx context.Context, m *measurer, s campaign, record []servicetime.Sample) (string, error) {
	const another = "not done: from another checkpoint, or with another seed"
	first := slices.IndexFunc(record, func(sample servicetime.Sample) bool { return sample.N == 0 && sample.Status == servicetime.Valid })
	if first < 0 {
		return "not done: it does not count", nil
	}
	was := record[first]
	if was.Seed != gem5bridge.Seed(s.seed, was.Key, was.N) {
		return another, nil
	}
	cell := gem5bridge.Cell{Function: was.Key.Function, Input: was.Key.Input, Condition: was.Key.Condition, First: was.N, Count: 1}
	for is, err := range m.simulator.Sample(ctx, m.job(s, []gem5bridge.Cell{cell}), nil) {
		switch {
		case err != nil:
			return "", err
		case is.N != was.N:
		case is.Seed != was.Seed || is.Provenance.Boot != was.Provenance.Boot || is.Provenance.Restore != was.Provenance.Restore:
			return another, nil
		case is.RoundTrip != was.RoundTrip || is.Counters[servicetime.CounterCycles] != was.Counters[servicetime.CounterCycles]:
			return repeatedDifferent, nil
		default:
			return repeatedEqual, nil
		}
	}
	return "not done: it could not be measured", ctx.Err()
}

// drawKey draws one of the collection's keys that this back end can measure.
func (a *app) drawKey(ctx context.Context, store *results.Store, m *measurer, s campaign, random *rand.Rand) (servicetime.Key, error) {
	keys, err := store.Keys(ctx, results.Filter{Collection: s.verify})
	if err != nil {
		return servicetime.Key{}, err
	}
	if len(keys) == 0 {
		return servicetime.Key{}, usage("the collection %s holds no samples", s.verify)
	}
	var here []servicetime.Key
	platforms := map[string]bool{}
	for _, k := range keys {
		platforms[k.Key.Platform] = true
		if k.Key.Platform == m.platform.Name && k.Key.Function != servicetime.NullFunction && k.Valid > 1 {
			here = append(here, k.Key)
		}
	}
	if len(here) == 0 {
		return servicetime.Key{}, fmt.Errorf("nothing in %s was measured on %s, but on %s: samples of a host are verified on the same kind of machine, those of a simulated platform with --platform", s.verify, m.platform.Name, strings.Join(slices.Sorted(maps.Keys(platforms)), ", "))
	}
	return here[random.IntN(len(here))], nil
}

// recordOf picks what a collection holds of a key, and nothing that was measured
// here under the same.
func recordOf(key servicetime.Key, collection string) results.Filter {
	return results.Filter{
		Function: key.Function, Image: key.Image, Input: key.Input, Condition: key.Condition,
		Platform: key.Platform, PlatformDigest: key.PlatformDigest, Stack: key.Stack, Collection: collection,
	}
}

// measureAgain measures the record's function, input and condition anew and
// stores the samples under the key of today's software, which is usually another.
func (a *app) measureAgain(ctx context.Context, store *results.Store, m *measurer, s campaign, key servicetime.Key) ([]servicetime.Sample, error) {
	first, err := store.NextN(ctx, key)
	if err != nil {
		return nil, err
	}
	cell := gem5bridge.Cell{Function: key.Function, Input: key.Input, Condition: key.Condition, First: first, Count: s.count}
	if _, err := a.measure(ctx, store, m, s, []gem5bridge.Cell{cell}); err != nil {
		return nil, err
	}
	samples, err := store.Samples(ctx, key)
	if err != nil {
		return nil, err
	}
	var now []servicetime.Sample
	for _, sample := range samples {
		if sample.N >= first {
			now = append(now, sample)
		}
	}
	return now, nil
}

// serviceTimes returns the valid samples' service times in seconds.
func serviceTimes(samples []servicetime.Sample) []float64 {
	var times []float64
	for _, s := range samples {
		if s.Status == servicetime.Valid {
			times = append(times, s.Service().Duration().Seconds())
		}
	}
	return times
}
