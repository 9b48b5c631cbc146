package servicetime

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"

	"microcosm/cosim/metrics"
)

// slowdownResamples is how many bootstrap resamples an interval of a Slowdown is
// made from: enough for the tails that six restores ask for.
const slowdownResamples = 1999

// Slowdown is how much slower a function runs in a condition than warm on the same
// platform and stack.
type Slowdown struct {
	Key      Key              // of the condition
	Valid    int              // samples of the condition
	Censored int              // samples of the condition that hung or died
	Service  metrics.Estimate // median service time over that of warm
	CPI      metrics.Estimate // cycles per instruction of the function's core, over all samples
	Ratio    metrics.Estimate // CPI over that of warm
}

// Slowdowns compares every condition of calls in samples with the warm one of the
// same function, input, platform and stack; keys without warm samples are left out,
// and the warm ones themselves are compared with nothing (ratio 1, no interval). The
// intervals, at level, are percentiles of resampled restores (metrics.ResampleClusters),
// the two conditions' apart. random opens the named stream of a cell. The order is
// function, input, platform, stack, and then by depth: warm, lukewarm by k, flush,
// the rest by name.
func Slowdowns(samples []Sample, random func(stream string) *rand.Rand, level float64) []Slowdown {
	cells := map[Key][]Sample{}
	for _, s := range samples {
		if s.Key.Condition.Kind != StageCreate && s.Key.Condition.Kind != StageInit {
			cells[s.Key] = append(cells[s.Key], s)
		}
	}
	var all []Slowdown
	for key, of := range cells {
		base := key
		base.Condition = Condition{Kind: Warm}
		warm, there := cells[base]
		if !there || len(restores(of)) == 0 || len(restores(warm)) == 0 {
			continue
		}
		all = append(all, slowdown(key, of, warm, random, level))
	}
	slices.SortFunc(all, func(a, b Slowdown) int { return compareKeys(a.Key, b.Key) })
	return all
}

func slowdown(key Key, of, warm []Sample, random func(stream string) *rand.Rand, level float64) Slowdown {
	s := Slowdown{Key: key}
	for _, one := range of {
		switch one.Status {
		case Valid:
			s.Valid++
		case Censored:
			s.Censored++
		}
	}
	here, there := callsOf(restores(of)), callsOf(restores(warm))
	clusters := min(len(here), len(there))
	stream := func(what string) *rand.Rand { return random("slowdown/" + what + "/" + key.String()) }
	s.CPI = resampled(stream("cpi"), level, len(here), func(pick picker) float64 { return cpi(pick(here)) })
	if key.Condition.Kind == Warm {
		const itself = "it is what the others are compared with"
		s.Service = metrics.NotEstimable(1, int64(s.Valid), metrics.MethodBootstrap, itself)
		s.Ratio = metrics.NotEstimable(1, int64(s.Valid), metrics.MethodBootstrap, itself)
		return s
	}
	s.Service = resampled(stream("service"), level, clusters, func(pick picker) float64 {
		return medianService(pick(here)) / medianService(pick(there))
	})
	s.Ratio = resampled(stream("ratio"), level, clusters, func(pick picker) float64 { return cpi(pick(here)) / cpi(pick(there)) })
	return s
}

// call is what a Slowdown needs of a sample.
type call struct {
	cycles, instructions int64
	service              Ticks
}

func callsOf(restores [][]Sample) [][]call {
	all := make([][]call, len(restores))
	for i, of := range restores {
		for _, s := range of {
			all[i] = append(all[i], call{s.Counters[CounterCycles], s.Instructions(), s.Service()})
		}
	}
	return all
}

// picker returns the restores of a cell that a statistic is made of.
type picker func([][]call) [][]call

// resampled estimates a statistic: of all restores for the estimate, of resampled
// ones for its interval.
func resampled(rng *rand.Rand, level float64, clusters int, statistic func(picker) float64) metrics.Estimate {
	est := statistic(func(all [][]call) [][]call { return all })
	if math.IsNaN(est) {
		return metrics.NotEstimable(est, 0, metrics.MethodBootstrap, "the back end does not count instructions")
	}
	values := make([]float64, slowdownResamples)
	for i := range values {
		values[i] = statistic(func(all [][]call) [][]call { return metrics.ResampleClusters(rng, all) })
	}
	e, _ := metrics.BootstrapInterval(est, values, level, clusters)
	return e
}

// cpi returns the busy cycles of all calls over their instructions; NaN where one
// of them was not counted.
func cpi(restores [][]call) float64 {
	var cycles, instructions int64
	for _, of := range restores {
		for _, c := range of {
			if c.cycles <= 0 || c.instructions <= 0 {
				return math.NaN()
			}
			cycles, instructions = cycles+c.cycles, instructions+c.instructions
		}
	}
	return float64(cycles) / float64(instructions)
}

func medianService(restores [][]call) float64 {
	var times []Ticks
	for _, of := range restores {
		for _, c := range of {
			times = append(times, c.service)
		}
	}
	slices.Sort(times)
	n := len(times)
	return (float64(times[(n-1)/2]) + float64(times[n/2])) / 2
}

// compareKeys orders keys as tables show them.
func compareKeys(a, b Key) int {
	return cmp.Or(
		cmp.Compare(a.Function, b.Function), cmp.Compare(a.Input, b.Input),
		cmp.Compare(a.Platform, b.Platform), cmp.Compare(a.PlatformDigest, b.PlatformDigest),
		cmp.Compare(a.Stack, b.Stack), cmp.Compare(a.Image, b.Image),
		cmp.Compare(place(a.Condition), place(b.Condition)), cmp.Compare(a.Condition.K, b.Condition.K),
		cmp.Compare(a.Condition.String(), b.Condition.String()),
	)
}

// place is where tables show a kind of condition.
func place(c Condition) int {
	return slices.Index([]Kind{Warm, Lukewarm, Stressor, FlushStructure, Flush, Cold}, c.Kind)
}
