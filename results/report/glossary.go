package report

import (
	"slices"
	"strconv"
	"strings"

	"microcosm/cosim/experiment"
	"microcosm/cosim/metrics"
)

// glossary explains the words of the page in a line each.
var glossary = []entry{
	{Term: "invocation", Text: "One call of a function."},
	{Term: "sandbox", Text: "A container instance that serves invocations of one function."},
	{Term: "response time", Text: "From the arrival of an invocation to its end: waiting time plus service time."},
	{Term: "waiting time", Text: "From the arrival of an invocation to the start of its service: for a sandbox, its creation included, or for a core."},
	{Term: "service time", Text: "What serving an invocation takes once it has sandbox and core; it depends on the condition."},
	{Term: "slowdown", Text: "Mean response time over mean service time: 1 without any waiting."},
	{Term: "p50, p95, p99, p99.9", Text: "Quantiles: the time within which 50, 95, 99 or 99.9 % of the invocations end. The high ones are the tail latency."},
	{Term: "utilization", Text: "Share of the core time that is busy."},
	{Term: "in system", Text: "Invocations waiting or in service, on average over time."},
	{Term: "condition", Text: "What the core remembers of a function when an invocation starts: cold, warm, lukewarm or flush."},
	{Term: "cold", Text: "The first call of a new sandbox."},
	{Term: "warm", Text: "This sandbox was the last to execute on this core."},
	{Term: "lukewarm k", Text: "k invocations of other sandboxes executed on the core since this sandbox last did."},
	{Term: "flush", Text: "Nothing is left on the core of this sandbox: lukewarm with k without bound."},
	{Term: "replication", Text: "One independent repetition of a run with random numbers of its own."},
	{Term: "confidence interval", Text: "[lo, hi]: made so that it contains the true value of the model in the stated share of all experiments."},
	{Term: "not estimable", Text: "Too few independent values for an interval; a value beside it has unknown error."},
	{Term: "unstable", Text: "The backlog grows as long as the run goes on: there is no long-run value to estimate."},
	{Term: "common random numbers", Text: "Replication i of every run meets the same arrivals and the same luck, so that differences come from the factors."},
	{Term: "effect", Text: "A difference between two runs, or a difference of such differences, taken replication by replication."},
	{Term: "pp", Text: "Percentage points: the difference of two percentages."},
}

// provenance says where the numbers are from and how to get them again.
func provenance(r *experiment.Result) []entry {
	samples := make([]string, len(r.Samples))
	for i, s := range r.Samples {
		samples[i] = clean(s)
	}
	return []entry{
		{Term: "scenario", Text: clean(r.Scenario), Code: true},
		{Term: "samples", Text: strings.Join(samples, ", "), Code: true},
		{Term: "seed", Text: strconv.FormatUint(r.Seed, 10), Code: true},
		{Term: "replications", Text: integer(int64(r.Replications))},
		{Term: "confidence", Text: confidence(r)},
		{Term: "layout", Text: clean(r.Schema), Code: true},
		{Term: "to repeat", Text: "cosim run SCENARIO.yaml --out DIRECTORY", Code: true},
		{Term: "", Text: "With the scenario, samples and seed above result.json comes out equal byte for byte; a manifest written by cosim run --manifest can stand for all three. When, where and by which version this was run stands in about.json."},
		{Term: "to draw again", Text: "cosim report result.json", Code: true},
	}
}

// methodsSentence says by which methods the intervals were made.
func methodsSentence(r *experiment.Result) string {
	var list []string
	add := func(e metrics.Estimate) {
		if stands(e) && e.Method != "" && !slices.Contains(list, clean(e.Method)) {
			list = append(list, clean(e.Method))
		}
	}
	for i := range r.Runs {
		for _, m := range r.Runs[i].Metrics {
			add(m.Estimate)
		}
	}
	for _, e := range r.Effects {
		add(e.Estimate)
	}
	if list == nil {
		return ""
	}
	return "Intervals by " + strings.Join(list, ", ") + "."
}

// confidence is the level of the intervals: "95 %".
func confidence(r *experiment.Result) string {
	if !(r.Confidence > 0 && r.Confidence < 1) {
		return "unknown"
	}
	return trimmed(significant(100*r.Confidence, 4)) + " %"
}
