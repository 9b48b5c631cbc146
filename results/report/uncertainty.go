package report

import (
	"math"
	"slices"
	"strings"

	"microcosm/cosim/experiment"
	"microcosm/cosim/metrics"
)

// uncertain are the numbers whose uncertainty is split in the short form.
var uncertain = []string{"response_mean", "response_p99"}

const uncertaintyNote = "Relative half-widths. Queue noise shrinks with more replications, sampling with more measurements, interpolation with measurements of conditions between the measured ones. " +
	"The model band is what the simulator that measured may be off the hardware: stated by the scenario, estimated by nobody, and part of no interval."

// isSplit reports that some number tells where its uncertainty comes from.
func isSplit(r *experiment.Result) bool {
	for i := range r.Runs {
		if r.Runs[i].Resampling != nil {
			return true
		}
	}
	return false
}

// uncertaintyTable has a row per run and number.
func uncertaintyTable(r *experiment.Result, all bool) table {
	t := table{corner: "number", heads: []string{"queue noise", "sampling", "interpolation", "model band"}}
	for i := range r.Runs {
		run := &r.Runs[i]
		if run.Resampling == nil {
			continue
		}
		t.rows = append(t.rows, row{label: clean(run.Name) + ": " + unstableShare(run.Resampling)})
		for _, m := range run.Metrics {
			if m.Parts == nil || !all && !slices.Contains(uncertain, m.Name) {
				continue
			}
			band := "none"
			if m.Parts.Band != nil {
				band = plusMinus(m.Parts.Band.Relative)
			}
			between := "none"
			if m.Parts.Interpolation != nil {
				between = relative(*m.Parts.Interpolation)
			}
			t.rows = append(t.rows, row{label: label(m.Name), cells: []cell{
				textCell(relative(m.Parts.Queue)), textCell(relative(m.Parts.Sampling)), textCell(between), textCell(band),
			}})
		}
	}
	return t
}

func unstableShare(x *experiment.Resampling) string {
	return percent(x.UnstableShare) + " of " + plural(x.Resamples, "resample") + " without a steady state"
}

// relative shows the larger half-width relative to the value.
func relative(e metrics.Estimate) string {
	switch {
	case e.Status == metrics.StatusBounds:
		return "no upper end"
	case !stands(e):
		return e.Status.String()
	case e.Lo == e.Hi:
		return "±0 %"
	}
	return plusMinus(max(e.Hi-e.Est, e.Est-e.Lo) / math.Abs(e.Est))
}

func plusMinus(share float64) string {
	if !known(share) {
		return "beyond its value"
	}
	return "±" + trimmed(significant(100*share, 2)) + " %"
}

// matterSentences name the samples that matter most, run by run.
func matterSentences(r *experiment.Result) []string {
	var list []string
	for i := range r.Runs {
		run := &r.Runs[i]
		if run.Resampling == nil || len(run.Resampling.Matter) == 0 {
			continue
		}
		var parts []string
		for _, m := range run.Resampling.Matter {
			parts = append(parts, clean(m.Cell)+" ("+percent(m.Share)+", "+plural(m.Samples, "sample")+")")
		}
		list = append(list, clean(run.Name)+": "+strings.Join(parts, "; "))
	}
	return list
}
