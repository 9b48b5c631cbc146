package experiment

import (
	"slices"

	"microcosm/cosim/metrics"
	"microcosm/cosim/workflow"
)

// maxSteps is how many steps of one workflow are reported: those that lie on the
// critical path most often.
const maxSteps = 100

// workflows estimates what the flows of every graph did: the latency of whole flows with its parts along the critical path,
// and of each step how often it was invoked and how often it was critical.
func workflows(runs outcomes, level float64) (flows, steps []Marginal) {
	var o [][]workflow.Outcome // by replication
	for _, run := range runs {
		engine, ok := run.Flows.(*workflow.Engine)
		if !ok {
			return nil, nil
		}
		o = append(o, engine.Outcome())
	}
	for g := range o[0] {
		of := make([]*workflow.Outcome, len(o))
		for i := range o {
			of[i] = &o[i][g]
		}
		flow, own := flowOf(of, level)
		flows, steps = append(flows, flow), append(steps, own...)
	}
	var done []float64 // of all graphs, by replication
	for i := range o {
		sum := 0.0
		for g := range o[i] {
			sum += float64(o[i][g].Latency.Count())
		}
		done = append(done, sum)
	}
	for g := range flows {
		shares := make([]float64, len(o))
		for i := range o {
			shares[i] = divide(float64(o[i][g].Latency.Count()), done[i])
		}
		flows[g].Share = metrics.MeanOf(shares, level)
	}
	return flows, steps
}

func flowOf(o []*workflow.Outcome, level float64) (flow Marginal, steps []Marginal) {
	flow.Name = o[0].Name
	var latency []*metrics.Histogram
	var means [4][]float64
	var failed []float64
	for _, one := range o {
		flow.Invocations += one.Latency.Count()
		failed = append(failed, divide(float64(one.Account.Failed), float64(one.Account.Begun)))
		if one.Latency.Count() == 0 {
			continue
		}
		latency = append(latency, &one.Latency)
		for i, h := range []*metrics.Histogram{&one.Latency, &one.Service, &one.Waiting, &one.Transfer} {
			means[i] = append(means[i], h.Mean())
		}
	}
	add := func(name, unit string, e metrics.Estimate) {
		flow.Metrics = append(flow.Metrics, Metric{Name: name, Unit: unit, Estimate: e})
	}
	add("latency_mean", "s", metrics.MeanOf(means[0], level))
	for _, q := range quantiles {
		add("latency_"+q.name, "s", metrics.QuantileOf(latency, q.p, level, metrics.AutocorrelationTimeAt(latency, q.p)))
	}
	for i, name := range []string{"critical_service_mean", "critical_waiting_mean", "critical_transfer_mean"} {
		add(name, "s", metrics.MeanOf(means[i+1], level))
	}
	add("failed_share", "", metrics.MeanOf(failed, level))
	return flow, stepsOf(o, level)
}

func stepsOf(o []*workflow.Outcome, level float64) []Marginal {
	order := make([]int, len(o[0].Steps))
	critical := make([]int64, len(order))
	for s := range order {
		order[s] = s
		for _, one := range o {
			critical[s] += one.Steps[s].Critical
		}
	}
	if len(order) > maxSteps {
		slices.SortStableFunc(order, func(a, b int) int { return int(min(max(critical[b]-critical[a], -1), 1)) })
		order = order[:maxSteps]
		slices.Sort(order)
	}
	var list []Marginal
	for _, s := range order {
		m := Marginal{Name: o[0].Name + "." + o[0].Steps[s].Name}
		invoked, share := make([]float64, len(o)), make([]float64, len(o))
		for i, one := range o {
			m.Invocations += one.Steps[s].Invoked
			invoked[i] = divide(float64(one.Steps[s].Invoked), float64(one.Latency.Count()))
			share[i] = divide(float64(one.Steps[s].Critical), float64(one.Latency.Count()))
		}
		m.Share = metrics.MeanOf(invoked, level)
		m.Metrics = []Metric{{Name: "critical_share", Estimate: metrics.MeanOf(share, level)}}
		list = append(list, m)
	}
	return list
}
