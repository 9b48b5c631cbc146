package experiment

import (
	"slices"

	"microcosm/cosim/metrics"
)

// propagate adds to the estimates of a run what the resamples say, and keeps
// what comparisons are made from.
func (r *Run) propagate(o outcomes, x *resampling, band float64, level float64) {
	for i, m := range measures() {
		replicated := Replicated{Metric: m.name, Unit: m.unit, Values: o.each(m.of)}
		if x != nil {
			resampled := x.resampled(m.of)
			replicated.Resampled = &resampled
			metric := &r.Metrics[i]
			metric.Estimate, metric.Parts = split(metric.Estimate, resampled, m.unit == "s", level)
			if m.unit == "s" && band > 0 {
				metric.Parts.Band = &Band{Relative: band, Lo: metric.Estimate.Est * (1 - band), Hi: metric.Estimate.Est * (1 + band)}
			}
			if m.name == mattersFor {
				r.Resampling = x.summary(m.of)
			}
		}
		if slices.Contains(contrasted, m.name) {
			r.Replicated = append(r.Replicated, replicated)
		}
	}
}

// mattersFor is the number for which the report names the samples that matter.
const mattersFor = "response_p99"

// split returns the whole uncertainty of a number and its parts. The parts are
// independent: half-widths add up as squares, on either side.
func split(queue metrics.Estimate, x metrics.Resampled, positive bool, level float64) (metrics.Estimate, *Parts) {
	parts := &Parts{Queue: queue, Sampling: metrics.SamplingInterval(queue.Est, x, level, positive)}
	whole := metrics.Combine(queue, parts.Sampling)
	if between, ok := x.Interpolation(queue.Est); ok {
		parts.Interpolation = &between
		whole = metrics.Combine(whole, between)
	}
	return x.Bound(whole), parts
}

// band returns the stated band of the simulator that measured, 0 where real
// hardware was measured or nothing at all.
func (p *plan) band() float64 {
	for _, law := range p.resamplers() {
		if s, ok := sampled(law).(interface{ Simulated() bool }); ok && s.Simulated() {
			return float64(p.scenario.Fidelity.ModelBand)
		}
	}
	return 0
}
