package report

import (
	"fmt"
	"slices"
	"strings"

	"microcosm/cosim/experiment"
	"microcosm/cosim/metrics"
)

// contrast is one difference between runs, with its effects on the metrics.
type contrast struct {
	name, formula string
	terms         int // runs in the formula: 2 for a difference, 4 for a difference of differences
	effects       []experiment.Effect
}

// contrasts collects the effects by what is compared, in their order.
func contrasts(r *experiment.Result) []contrast {
	var list []contrast
	for _, e := range r.Effects {
		if n := len(list); n > 0 && list[n-1].name == e.Name && list[n-1].formula == e.Formula {
			list[n-1].effects = append(list[n-1].effects, e)
			continue
		}
		c := contrast{name: e.Name, formula: e.Formula, effects: []experiment.Effect{e}}
		for i := range r.Runs {
			c.terms += strings.Count(e.Formula, "["+r.Runs[i].Name+"]")
		}
		list = append(list, c)
	}
	return list
}

// head is the contrast's name with its formula, unless the name says as much:
// that of a difference of two names a factor, its two levels, and what is held.
func (c contrast) head(factors, all bool) string {
	if c.formula == "" || factors && c.terms == 2 && !all {
		return clean(c.name)
	}
	return clean(c.name) + " = " + clean(c.formula)
}

// on returns the effects on the metrics named, or all where none is among them.
func (c contrast) on(names ...string) []experiment.Effect {
	var found []experiment.Effect
	for _, e := range c.effects {
		if slices.Contains(names, e.Metric) {
			found = append(found, e)
		}
	}
	if found == nil {
		return c.effects
	}
	return found
}

// effectScale is the scale of a difference: that of shares is told in percentage
// points.
func effectScale(e experiment.Effect, magnitude float64) scale {
	s := scaleFor(e.Metric, e.Unit, magnitude)
	if s.unit == "%" {
		s.unit = "pp"
	}
	return s
}

// effectsTable has a row per effect below what is compared. The short form has
// response and service times only.
func effectsTable(r *experiment.Result, all bool) table {
	t := table{corner: "on", heads: []string{"difference", "verdict"}}
	for _, c := range contrasts(r) {
		t.rows = append(t.rows, row{label: c.head(len(r.Factors) > 0, all)})
		effects := c.effects
		if !all {
			effects = c.on("response_mean", "response_p99", "service_mean")
		}
		for _, e := range effects {
			t.rows = append(t.rows, row{label: label(e.Metric), cells: []cell{
				cellOf(e.Estimate, effectScale(e, magnitude(e.Estimate)), true), textCell(verdict(e.Estimate)),
			}})
		}
	}
	return t
}

const exactlyZero = "exactly 0"

// verdict says what the interval of an effect says about it.
func verdict(e metrics.Estimate) string {
	switch {
	case !stands(e):
		return "no verdict"
	case e.Lo == 0 && e.Hi == 0:
		return exactlyZero
	case e.Lo > 0:
		return "above 0"
	case e.Hi < 0:
		return "below 0"
	default:
		return "not distinguishable from 0"
	}
}

// effectSentences are the answer: the contrasts of the most runs, since a
// difference of differences is what a factorial design is for, in words.
func effectSentences(r *experiment.Result) []string {
	list := contrasts(r)
	most := 0
	for _, c := range list {
		most = max(most, c.terms)
	}
	list = slices.DeleteFunc(list, func(c contrast) bool { return c.terms < most })
	var sentences []string
	for _, c := range list[:min(2, len(list))] {
		sentences = append(sentences, c.sentence())
	}
	return sentences
}

// sentence is one contrast in words: what it does to mean and tail.
func (c contrast) sentence() string {
	effects := c.on("response_mean", "response_p99")
	var parts []string
	for _, e := range effects[:min(2, len(effects))] {
		parts = append(parts, effectInWords(e))
	}
	return clean(c.name) + ": " + strings.Join(parts, "; ") + "."
}

func effectInWords(e experiment.Effect) string {
	metric := label(e.Metric)
	if !stands(e.Estimate) {
		_, reason := reasonOf(e.Estimate)
		return metric + " is " + strings.TrimSuffix(reason, ".")
	}
	v := verdict(e.Estimate)
	if v == exactlyZero {
		return exactlyZero + " on " + metric + ", in every replication"
	}
	number := amountOf(e.Estimate, effectScale(e, magnitude(e.Estimate)), true)
	return fmt.Sprintf("%s on %s (%s)", number, metric, v)
}
