package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"microcosm/cosim/metrics"
	"microcosm/cosim/reality"
)

// Reality writes what was predicted beside what was measured, as a person reads
// it on a terminal.
func Reality(w io.Writer, r *reality.Report) error {
	p := &printer{width: 100}
	p.paragraph("", fmt.Sprintf("Predicted against measured: %s (input %s) on one core of %s, first come, first served; %s of %v at each utilization; %s samples measured beside them; %s confidence; seed %d.",
		clean(strings.Join(r.Functions, ", ")), clean(r.Input), clean(r.Platform), plural(r.Rounds, "round"), r.Duration, integer(int64(r.Samples)), percent(r.Confidence), r.Seed))
	p.paragraph("", "Error: predicted over measured, less 1. An interval that holds 0 is no error shown.")
	for i := range r.Levels {
		p.level(&r.Levels[i])
	}
	p.list("Where there is no interval", p.reasons.list(), "(%d) ")
	notes := make([]string, len(r.Notes))
	for i, note := range r.Notes {
		notes[i] = clean(note)
	}
	p.list("Notes", notes, "")
	if _, err := w.Write(p.out.Bytes()); err != nil {
		return fmt.Errorf("write the check of reality: %w", err)
	}
	return nil
}

func (p *printer) level(l *reality.Level) {
	p.heading(fmt.Sprintf("Aimed at %s: %s planned at %.0f/s, %s served, %s recorded",
		percent(l.Aimed), plural(l.Planned, "call"), l.Rate, integer(int64(l.Served)), integer(int64(l.Recorded))))
	if l.Unstable != "" {
		p.paragraph("  ", "The model has no steady state: "+clean(l.Unstable)+".")
	}
	t := table{corner: "number", heads: []string{"measured", "predicted", "error"}}
	for _, n := range l.Numbers {
		t.rows = append(t.rows, comparedRow(label(n.Name), n))
	}
	p.table(t)
	p.out.WriteByte('\n')
	t = table{corner: "service mean after", heads: []string{"calls", "measured", "predicted", "error"}}
	for _, c := range l.Conditions {
		line := comparedRow(clean(c.Name), c.Number)
		line.cells = append([]cell{textCell(percent(c.Share))}, line.cells...)
		t.rows = append(t.rows, line)
	}
	p.table(t)
	p.out.WriteByte('\n')
	p.paragraph("  ", afterSentence(l.After)+" "+machineSentence(l))
	for i, reason := range l.Busy {
		if i == 0 {
			p.paragraph("  ", "THE MACHINE WAS BUSY: do not take these errors for the model's.")
		}
		p.paragraph("  - ", clean(reason))
	}
}

// comparedRow has both worlds in one unit.
func comparedRow(head string, n reality.Number) row {
	scales := scalesFor(n.Name, n.Unit, []metrics.Estimate{n.Measured, n.Predicted})
	return row{label: head, cells: []cell{
		cellOf(n.Measured, scales[0], false), cellOf(n.Predicted, scales[1], false), cellOf(n.Error, scale{"%", 100}, true),
	}}
}

func afterSentence(a reality.After) string {
	one := func(e metrics.Estimate) string {
		if text := amountOf(e, scaleFor("service_p50", "s", magnitude(e)), false).String(); text != "" {
			return text
		}
		return "unknown"
	}
	return fmt.Sprintf("Measured median service time of calls that found the core idle: %s; that followed another at once: %s.", one(a.Idle), one(a.Another))
}

func machineSentence(l *reality.Level) string {
	m := l.Machine
	return fmt.Sprintf("The functions used %s of their core, others %s of it and %s of a core beside the client; steal %s; ready threads waited %s (functions) and %s (client) of the time; load average %.2f; 1 %% of the calls were made more than %v late.",
		percent(m.Functions), percent(m.Others), percent(m.Elsewhere), percent(m.Steal), percent(m.Waited), percent(m.ClientWait),
		m.LoadAverage, time.Duration(l.Late.P99*float64(time.Second)).Round(time.Microsecond/10))
}
