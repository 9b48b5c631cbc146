package report

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"microcosm/cosim/experiment"
)

// headline is the answer in a few sentences: the foremost effects, or else the
// response times, and which runs have no steady state.
func headline(r *experiment.Result) []string {
	if len(r.Runs) == 0 {
		return []string{"The result has no runs."}
	}
	sentences := effectSentences(r)
	if len(r.Effects) == 0 {
		if len(r.Runs) == 1 {
			sentences = append(sentences, runSentence(&r.Runs[0]))
		} else if s := rangeSentence(r); s != "" {
			sentences = append(sentences, s)
		}
	}
	for i := range r.Runs {
		if u := r.Runs[i].Unstable; u != "" {
			sentences = append(sentences, fmt.Sprintf("Run %s is unstable: %s.", clean(r.Runs[i].Name), strings.TrimSuffix(clean(u), ".")))
		}
	}
	return sentences
}

// runSentence gives the numbers one asks for first.
func runSentence(run *experiment.Run) string {
	var parts []string
	for _, name := range []string{"response_mean", "response_p99", "utilization"} {
		if m, ok := run.Find(name); ok {
			parts = append(parts, label(name)+" "+inWords(m))
		}
	}
	if parts == nil {
		for _, m := range run.Metrics[:min(3, len(run.Metrics))] {
			parts = append(parts, label(m.Name)+" "+inWords(m))
		}
	}
	if parts == nil {
		return "The run has no metrics."
	}
	return upperFirst(strings.Join(parts, "; ")) + "."
}

// inWords is a metric's estimate within a sentence: "12.3 ms [11.9, 12.7]",
// "12.3 ms (interval not estimable)", "12.3 ms (at least 11.1 ms)", or "unstable".
func inWords(m experiment.Metric) string {
	c := cellOf(m.Estimate, scaleFor(m.Name, m.Unit, magnitude(m.Estimate)), false)
	switch {
	case stands(m.Estimate):
		return c.amount.String()
	case c.amount.value == "":
		return c.word
	case c.bound:
		return c.amount.String() + " (" + c.word + ")"
	default:
		return c.amount.String() + " (interval " + c.word + ")"
	}
}

// rangeSentence compares the runs by the first of the usual metrics that stands
// in at least two of them.
func rangeSentence(r *experiment.Result) string {
	for _, name := range []string{"response_p99", "response_mean"} {
		var low, high *experiment.Run
		var least, most experiment.Metric
		for i := range r.Runs {
			m, ok := r.Runs[i].Find(name)
			if !ok || !stands(m.Estimate) {
				continue
			}
			if low == nil || m.Estimate.Est < least.Estimate.Est {
				low, least = &r.Runs[i], m
			}
			if high == nil || m.Estimate.Est > most.Estimate.Est {
				high, most = &r.Runs[i], m
			}
		}
		if low != high {
			return fmt.Sprintf("%s lies between %s (%s) and %s (%s).", upperFirst(label(name)),
				inWords(least), clean(low.Name), inWords(most), clean(high.Name))
		}
	}
	return ""
}

func upperFirst(s string) string {
	first, size := utf8.DecodeRuneInString(s)
	if size == 0 {
		return s
	}
	return string(unicode.ToUpper(first)) + s[size:]
}
