package report

import (
	"fmt"
	"io"

	"microcosm/cosim/experiment"
)

// Compared writes a comparison as a person reads it on a terminal.
func Compared(w io.Writer, c *experiment.Comparison) error {
	p := &printer{width: 100}
	p.paragraph("", fmt.Sprintf("B − A under common random numbers; %s confidence. Equivalent: shown, at 5 %%, to differ by no more than %s.",
		confidence(&experiment.Result{Confidence: c.Confidence}), percent(c.Margin)))
	for _, pair := range c.Pairs {
		p.heading("A " + clean(pair.A) + ", B " + clean(pair.B))
		t := table{corner: "metric", heads: []string{"difference", "of A", "verdict", "equivalent"}}
		for _, d := range pair.Differences {
			t.rows = append(t.rows, row{label: label(d.Metric), cells: []cell{
				cellOf(d.Estimate, effectScale(d.Effect, magnitude(d.Estimate)), true),
				textCell(ofA(d)), textCell(verdict(d.Estimate)), textCell(equivalence(d)),
			}})
		}
		p.table(t)
	}
	p.list("Where there is no interval", p.reasons.list(), "(%d) ")
	p.list("Notes", c.Notes, "")
	if _, err := w.Write(p.out.Bytes()); err != nil {
		return fmt.Errorf("write comparison: %w", err)
	}
	return nil
}

func ofA(d experiment.Differences) string {
	if d.A == 0 || !stands(d.Estimate) {
		return "-"
	}
	return fmt.Sprintf("%+.2g %%", 100*d.Relative)
}

// equivalenceLevel is the p-value up to which equivalence is taken as shown.
const equivalenceLevel = .05

func equivalence(d experiment.Differences) string {
	switch {
	case d.Equivalent == nil:
		return "-"
	case d.Equivalent.P <= equivalenceLevel:
		return "yes"
	default:
		return "not shown"
	}
}
