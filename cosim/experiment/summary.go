package experiment

import (
	"fmt"
	"math"
	"slices"

	"microcosm/cosim/cluster"
	"microcosm/cosim/metrics"
)

// outcomes are the replications of one run, in their order.
type outcomes []*cluster.Outcome

// each returns one value per replication.
func (o outcomes) each(value func(*cluster.Outcome) float64) []float64 {
	values := make([]float64, len(o))
	for i := range o {
		values[i] = value(o[i])
	}
	return values
}

// summarize turns the replications of one run into estimates. Without an
// interval by replications (there is one only) the response times of a steady
// state get theirs from the run itself: the mean by batch means, the quantiles by
// sectioning, both after the warm-up that MSER-5 finds. Sections are kept where one
// replication was asked for, not where a run of more was interrupted after the
// first. A trace has no steady state: its intervals come from replications or not
// at all.
func summarize(o outcomes, level float64, unstable string, terminating bool) Run {
	r := Run{Unstable: unstable}
	for _, one := range o {
		r.Account.Add(one.Account)
	}
	all := make([]*cluster.Times, len(o))
	for i := range o {
		all[i] = &o[i].All
	}
	r.Metrics = append(r.Metrics, times(all, level)...)
	if len(o) == 1 && !terminating {
		warmUp, _ := o[0].Series.WarmUp()
		r.Metrics[0].Estimate = o[0].Series.EstimateMean(level)
		if sections := o[0].Sections; sections != nil {
			for i, q := range quantiles {
				r.Metrics[1+i].Estimate = sections.EstimateQuantile(q.p, level, warmUp)
			}
		}
	}
	for _, m := range ratios {
		r.Metrics = append(r.Metrics, Metric{Name: m.name, Unit: m.unit, Estimate: metrics.MeanOf(o.each(m.of), level)})
	}

	r.Functions = marginals(o, level, len(o[0].Functions), func(x *cluster.Outcome, i int) (string, *cluster.Times) {
		return grouped(x.Functions[i]), x.Functions[i].Times
	})
	conditionsOf(r.Functions, o, level)
	r.Nodes = marginals(o, level, len(o[0].Nodes), func(x *cluster.Outcome, i int) (string, *cluster.Times) {
		return x.NodeNames[i], x.Nodes[i]
	})
	r.Conditions = marginals(o, level, cluster.Classes, func(x *cluster.Outcome, i int) (string, *cluster.Times) {
		return cluster.Class(i).String(), x.Classes[i]
	})
	r.Workflows, r.Steps = workflows(o, level)
	r.Starts = starts(o, level)
	r.Curves = curves(all)
	r.Timeline = timeline(o)
	if unstable != "" {
		r.withdraw(unstable)
	}
	return r
}

// withdraw replaces every estimate of a run that never reaches a steady state:
// such numbers only say how long the run was.
func (r *Run) withdraw(reason string) {
	withdraw := func(list []Metric) {
		for i := range list {
			list[i].Estimate = metrics.Unstable(list[i].Estimate.N, list[i].Estimate.Method, reason)
		}
	}
	withdraw(r.Metrics)
	for _, group := range [][]Marginal{r.Functions, r.Nodes, r.Conditions, r.Workflows, r.Steps, r.Starts} {
		for i := range group {
			withdraw(group[i].Metrics)
		}
	}
	r.Curves = nil
}

// times estimates response, waiting and service from one section per
// replication.
func times(sections []*cluster.Times, level float64) []Metric {
	var list []Metric
	for _, part := range parts {
		var histograms []*metrics.Histogram
		var means []float64
		for _, t := range sections {
			if t != nil && t.Response.Count() > 0 {
				histograms = append(histograms, part.of(t))
				means = append(means, part.of(t).Mean())
			}
		}
		list = append(list, Metric{Name: part.name + "_mean", Unit: "s", Estimate: metrics.MeanOf(means, level)})
		for _, q := range quantiles {
			estimate := metrics.QuantileOf(histograms, q.p, level, metrics.AutocorrelationTimeAt(histograms, q.p))
			list = append(list, Metric{Name: part.name + "_" + q.name, Unit: "s", Estimate: estimate})
		}
	}
	return list
}

// marginals estimates the parts of a run; parts in which nothing completed are
// left out.
func marginals(o outcomes, level float64, parts int, part func(*cluster.Outcome, int) (string, *cluster.Times)) []Marginal {
	var list []Marginal
	for i := range parts {
		var count int64
		var name string
		sections := make([]*cluster.Times, len(o))
		shares := make([]float64, len(o))
		for j, one := range o {
			name, sections[j] = part(one, i)
			if sections[j] != nil {
				count += sections[j].Response.Count()
				shares[j] = divide(float64(sections[j].Response.Count()), float64(one.All.Response.Count()))
			}
		}
		if count > 0 {
			list = append(list, Marginal{Name: name, Invocations: count, Share: metrics.MeanOf(shares, level), Metrics: times(sections, level)})
		}
	}
	return list
}

// conditionsOf fills in how often each function ran in each condition.
func conditionsOf(functions []Marginal, o outcomes, level float64) {
	shares := make([]float64, len(o))
	for i, f := range o[0].Functions {
		at := slices.IndexFunc(functions, func(m Marginal) bool { return m.Name == grouped(f) })
		if at < 0 {
			continue // nothing completed
		}
		for class := range cluster.Classes {
			occurs := false
			for j, one := range o {
				part := one.Functions[i]
				shares[j] = divide(float64(part.Classes[class]), float64(recorded(part)))
				occurs = occurs || part.Classes[class] > 0
			}
			if occurs {
				functions[at].Conditions = append(functions[at].Conditions, Part{Name: cluster.Class(class).String(), Share: metrics.MeanOf(shares, level)})
			}
		}
	}
}

// maxCurvePoints bounds a curve; a histogram has more buckets than a plot has
// pixels.
const maxCurvePoints = 300

func curves(sections []*cluster.Times) []Curve {
	var all cluster.Times
	for _, t := range sections {
		all.Merge(t)
	}
	var list []Curve
	for _, c := range []struct {
		name string
		of   *metrics.Histogram
	}{{"response", &all.Response}, {"waiting", &all.Waiting}, {"service", &all.Service}} {
		curve := Curve{Name: c.name}
		for _, p := range c.of.Points(maxCurvePoints) {
			curve.Points = append(curve.Points, Point{X: p.Value.Seconds(), P: divide(float64(p.Count), float64(c.of.Count()))})
		}
		list = append(list, curve)
	}
	return list
}

func timeline(o outcomes) Timeline {
	t := Timeline{Width: o[0].Timeline.Width.Seconds(), Cores: o[0].Cores}
	mean := func(of func(*cluster.Outcome) []float64) []float64 {
		sum := make([]float64, len(of(o[0])))
		for _, one := range o {
			for i, v := range of(one) {
				sum[i] += v / float64(len(o))
			}
		}
		return sum
	}
	t.InSystem = mean(func(x *cluster.Outcome) []float64 { return x.Timeline.InSystem })
	t.BusyCores = mean(func(x *cluster.Outcome) []float64 { return x.Timeline.BusyCores })
	t.Sandboxes = mean(func(x *cluster.Outcome) []float64 { return x.Timeline.Sandboxes })
	return t
}

// divide returns a/b, and 0 where there is nothing to divide by.
func divide(a, b float64) float64 {
	if b == 0 || math.IsNaN(b) {
		return 0
	}
	return a / b
}

// grouped names a shared record after its members.
func grouped(f cluster.FunctionOutcome) string {
	if f.Members > 1 {
		return fmt.Sprintf("%s (%d functions)", f.Name, f.Members)
	}
	return f.Name
}

// recorded returns how many invocations of a function were recorded.
func recorded(f cluster.FunctionOutcome) (n int64) {
	for _, count := range f.Classes {
		n += count
	}
	return n
}
