package servicetime

import (
	"fmt"
	"math/rand/v2"

	"microcosm/cosim/metrics"
)

// Resampler is a law that can be drawn anew from its samples, to learn how much
// an answer depends on which of them happened to be measured.
type Resampler interface {
	Law
	// Resample returns the law of one bootstrap resample. random opens the named
	// stream of a cell; equal streams give equal resamples of equal samples, so
	// that two runs over the same samples face the same luck. Only the cells that
	// only accepts are resampled; nil accepts all.
	Resample(random func(stream string) *rand.Rand, only func(Condition) bool) Resampler
	// Cells returns what the law was made from, in a fixed order.
	Cells() []Cell
}

// Cell is what a law knows of one condition.
type Cell struct {
	Request   Request
	Condition Condition
	Valid     int     // samples
	Censored  int     // samples that hung or died
	Clusters  int     // independent ones: restores
	Mean      float64 // service time in nanoseconds
	Cost      float64 // mean host seconds of one sample; 0 where it is not known
}

// String names the cell, as resampling streams and reports do.
func (c Cell) String() string { return cellName(c.Request, c.Condition) }

func cellName(r Request, c Condition) string {
	name := r.Function
	if r.Input != "" && r.Input != "default" {
		name += "/" + r.Input
	}
	return fmt.Sprintf("%s %s on %s", name, c, r.Platform)
}

// Resample implements Resampler: of every condition one restore less than there
// are is drawn with replacement, each with all of its invocations
// (metrics.ResampleClusters says why). Samples of one restore only are resampled
// one by one: how restores differ is not known then. In each condition the longest
// calls are drawn from a tail that is fitted to those of the resample, and may be
// longer than any that was measured.
func (l *SampledLaw) Resample(random func(stream string) *rand.Rand, only func(Condition) bool) Resampler {
	return l.drawn(random, only, true)
}

// drawn returns the law of one resample, with tails or without.
func (l *SampledLaw) drawn(random func(stream string) *rand.Rand, only func(Condition) bool, tailed bool) *SampledLaw {
	drawn := make([]Measured, len(l.measured))
	for i, m := range l.measured {
		drawn[i] = m
		if only != nil && !only(m.Condition) || !l.uses(m.Condition) {
			continue
		}
		clusters := restores(m.Samples)
		if len(clusters) == 0 {
			continue
		}
		drawn[i].Samples, drawn[i].tailed = nil, tailed
		for _, c := range metrics.ResampleClusters(random("resample/"+cellName(l.options.Request, m.Condition)), clusters) {
			drawn[i].Samples = append(drawn[i].Samples, c...)
		}
	}
	return newLaw(drawn, l.given)
}

// uses reports whether samples of a condition can change an answer.
func (l *SampledLaw) uses(c Condition) bool {
	switch c.Kind {
	case StageCreate:
		return l.given.Create == nil
	case StageInit:
		return l.given.Init == nil
	case Lukewarm:
		return c.Mix == l.options.Mix && l.options.Penalty != 0
	case Warm:
		return true
	case Cold, Flush:
		return l.options.Penalty != 0
	default:
		return false
	}
}

// restores groups valid samples by the restore they stem from, in order of
// appearance. Where all stem from one, each stands for itself.
func restores(samples []Sample) [][]Sample {
	var clusters [][]Sample
	index := map[string]int{}
	for _, s := range samples {
		if s.Status != Valid {
			continue
		}
		id := s.Provenance.Boot + "\x00" + s.Provenance.Restore
		at, known := index[id]
		if !known || s.Provenance.Restore == "" {
			at = len(clusters)
			index[id] = at
			clusters = append(clusters, nil)
		}
		clusters[at] = append(clusters[at], s)
	}
	if len(clusters) != 1 {
		return clusters
	}
	alone := clusters[0]
	clusters = make([][]Sample, len(alone))
	for i := range alone {
		clusters[i] = alone[i : i+1]
	}
	return clusters
}

// Cells implements Resampler. What cannot change an answer is left out.
func (l *SampledLaw) Cells() []Cell {
	var cells []Cell
	for _, m := range l.measured {
		if !l.uses(m.Condition) {
			continue
		}
		c := Cell{Request: l.options.Request, Condition: m.Condition, Clusters: len(restores(m.Samples))}
		costed := 0
		for _, s := range m.Samples {
			switch s.Status {
			case Valid:
				c.Valid++
				c.Mean += float64(s.Service()) / TicksPerNanosecond
			case Censored:
				c.Censored++
			}
			if s.Provenance.Cost > 0 {
				costed++
				c.Cost += s.Provenance.Cost.Seconds()
			}
		}
		if c.Valid > 0 {
			c.Mean /= float64(c.Valid)
		}
		if m.tailed && c.Valid > 0 {
			c.Mean = newCurve(m).mean().service
		}
		if costed > 0 {
			c.Cost /= float64(costed)
		}
		cells = append(cells, c)
	}
	return cells
}

// Simulated reports whether any sample comes from a simulator and not from real
// hardware.
func (l *SampledLaw) Simulated() bool {
	for _, m := range l.measured {
		for _, s := range m.Samples {
			if s.Status == Valid && s.Provenance.Backend != HostBackend {
				return true
			}
		}
	}
	return false
}

// HostBackend is the name of the back end that measures real hardware.
const HostBackend = "host"
