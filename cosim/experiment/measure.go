package experiment

import (
	"microcosm/cosim/cluster"
	"microcosm/cosim/metrics"
)

// measure is one number of a run, as a function of what one replication yields.
type measure struct {
	name, unit string
	of         func(*cluster.Outcome) float64
}

// part is one of the three times of an invocation.
type part struct {
	name string
	of   func(*cluster.Times) *metrics.Histogram
}

var parts = []part{
	{"response", func(t *cluster.Times) *metrics.Histogram { return &t.Response }},
	{"waiting", func(t *cluster.Times) *metrics.Histogram { return &t.Waiting }},
	{"service", func(t *cluster.Times) *metrics.Histogram { return &t.Service }},
}

// quantiles are those that every report shows.
var quantiles = []struct {
	name string
	p    float64
}{{"p50", .5}, {"p95", .95}, {"p99", .99}, {"p99.9", .999}}

// measures returns every number of a run, in the order of Run.Metrics: the times,
// then the ratios.
func measures() []measure {
	var list []measure
	for _, p := range parts {
		list = append(list, measure{p.name + "_mean", "s", func(o *cluster.Outcome) float64 { return p.of(&o.All).Mean() }})
		for _, q := range quantiles {
			list = append(list, measure{p.name + "_" + q.name, "s", func(o *cluster.Outcome) float64 { return p.of(&o.All).Quantile(q.p).Seconds() }})
		}
	}
	return append(list, ratios...)
}

// ratios are the numbers of which every replication has one, and no quantiles.
var ratios = []measure{
	{"slowdown", "", func(o *cluster.Outcome) float64 { return divide(o.All.Response.Mean(), o.All.Service.Mean()) }},
	{"utilization", "", (*cluster.Outcome).Utilization},
	{"in_system", "", func(o *cluster.Outcome) float64 { return o.MeanInSystem }},
	{"sandboxes", "", func(o *cluster.Outcome) float64 { return o.MeanSandboxes }},
	{"cold_share", "", func(o *cluster.Outcome) float64 { return divide(float64(o.Cold), float64(o.All.Response.Count())) }},
	{"no_wait_share", "", func(o *cluster.Outcome) float64 {
		n := o.All.Waiting.Count()
		return divide(float64(n-o.All.Waiting.CountAbove(0)), float64(n))
	}},
	{"rejected_share", "", func(o *cluster.Outcome) float64 { return divide(float64(o.Rejections), float64(o.Admissions)) }},
	{"throughput", "1/s", func(o *cluster.Outcome) float64 { return float64(o.All.Response.Count()) / o.Observed.Seconds() }},
}

// contrasted are the numbers for which runs are contrasted.
var contrasted = []string{"response_mean", "response_p50", "response_p99", "waiting_mean", "service_mean", "cold_share"}
