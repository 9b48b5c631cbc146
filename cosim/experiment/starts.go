package experiment

import (
	"microcosm/cosim/cluster"
	"microcosm/cosim/metrics"
)

// starts estimates how long each stage of a cold start took; nil where no
// orchestrator tells.
func starts(o outcomes, level float64) (stages []Marginal) {
	counts := make([]float64, len(o)) // of whole starts
	for i, one := range o {
		if h := one.Starts[cluster.StageStart]; h != nil {
			counts[i] = float64(h.Count())
		}
	}
	for stage := range cluster.Stages {
		m := Marginal{Name: cluster.Stage(stage).String()}
		var took []*metrics.Histogram
		var means []float64
		shares := make([]float64, len(o))
		for i, one := range o {
			h := one.Starts[stage]
			if h == nil {
				continue
			}
			took, means = append(took, h), append(means, h.Mean())
			m.Invocations += h.Count()
			shares[i] = divide(float64(h.Count()), counts[i])
		}
		if took == nil {
			continue
		}
		m.Share = metrics.MeanOf(shares, level)
		m.Metrics = append(m.Metrics, Metric{Name: "took_mean", Unit: "s", Estimate: metrics.MeanOf(means, level)})
		for _, q := range quantiles {
			m.Metrics = append(m.Metrics, Metric{Name: "took_" + q.name, Unit: "s", Estimate: metrics.QuantileOf(took, q.p, level, metrics.AutocorrelationTimeAt(took, q.p))})
		}
		stages = append(stages, m)
	}
	return stages
}
