package report

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"microcosm/cosim/experiment"
)

// TextOptions chooses the form of Text. The zero value is the short form in 100
// columns without colour.
type TextOptions struct {
	Width  int  // columns of the terminal; 0 is 100, less than 60 is 60
	Top    int  // functions per table, those most invoked; 0 is 10
	All    bool // every function, node, condition and effect with every metric
	Colour bool // bold headings by ANSI escape codes
}

// Text writes the result as a person reads it on a terminal: the answer, the
// runs side by side, effects, marginals, where the requests went, and notes.
// Every number has its interval, or says in words why it has none.
func Text(w io.Writer, r *experiment.Result, o TextOptions) error {
	p := &printer{width: 100, colour: o.Colour}
	if o.Width > 0 {
		p.width = max(o.Width, 60)
	}
	top := 10
	if o.Top > 0 {
		top = o.Top
	}
	if o.All {
		top = math.MaxInt
	}
	p.opening(r)
	if len(r.Runs) > 0 {
		p.heading("Runs")
		if terminating(r) {
			p.paragraph("  ", terminatingNote)
		}
		if s := methodsSentence(r); s != "" {
			p.paragraph("  ", s)
		}
		p.table(runsTable(r, o.All))
	}
	p.uncertainty(r, o.All)
	p.effects(r, o.All)
	for _, k := range []kind{byWorkflow, byStep, byStart, byCondition, byFunction, byNode} {
		if k.scope == byNode.scope && !o.All {
			continue
		}
		most := math.MaxInt // conditions are few, and a share says little without the others
		if k.rank || k.scope == byStep.scope {
			most = top
		}
		p.marginals(r, k, most, o.All)
	}
	p.requests(r)
	p.list("Where there is no interval", p.reasons.list(), "(%d) ")
	notes := make([]string, len(r.Notes))
	for i, note := range r.Notes {
		notes[i] = clean(note)
	}
	p.list("Notes", notes, "")
	if _, err := w.Write(p.out.Bytes()); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// printer lays out lines of at most width columns, but for words longer than
// that.
type printer struct {
	out     bytes.Buffer
	width   int
	colour  bool
	reasons reasons
}

func (p *printer) opening(r *experiment.Result) {
	if r.Name != "" {
		p.bold(clean(r.Name))
	}
	p.paragraph("", provenanceLine(r))
	for _, f := range r.Factors {
		p.paragraph("", factorLine(f))
	}
	for i, s := range headline(r) {
		if i == 0 {
			p.out.WriteByte('\n')
		}
		p.paragraph("  ", s)
	}
}

func factorLine(f experiment.Factor) string {
	levels := make([]string, len(f.Levels))
	for i, l := range f.Levels {
		levels[i] = clean(l)
	}
	return "factor " + clean(f.Name) + " (" + clean(f.Set) + "): " + strings.Join(levels, ", ")
}

const terminatingNote = "A trace ends by itself: there is no steady state, intervals come from replications only, and a backlog that comes and goes is a result."

func terminating(r *experiment.Result) bool {
	return slices.ContainsFunc(r.Runs, func(run experiment.Run) bool { return run.Terminating })
}

// provenanceLine says in one line where the numbers are from.
func provenanceLine(r *experiment.Result) string {
	parts := []string{
		plural(len(r.Runs), "run"), plural(r.Replications, "replication"),
		confidence(r) + " confidence", fmt.Sprintf("seed %d", r.Seed),
	}
	if len(r.Samples) > 0 {
		samples := make([]string, len(r.Samples))
		for i, s := range r.Samples {
			samples[i] = clean(s)
		}
		parts = append(parts, "samples "+strings.Join(samples, ", "))
	}
	if r.Scenario != "" {
		parts = append(parts, "scenario "+clean(r.Scenario))
	}
	return strings.Join(parts, "; ")
}

func (p *printer) effects(r *experiment.Result, all bool) {
	if len(r.Effects) == 0 {
		return
	}
	p.heading("Effects")
	p.paragraph("  ", "Differences between runs under common random numbers. An interval that excludes 0 is an effect.")
	p.table(effectsTable(r, all))
}

// uncertainty says where the intervals come from.
func (p *printer) uncertainty(r *experiment.Result, all bool) {
	if !isSplit(r) {
		return
	}
	p.heading("Where the uncertainty comes from")
	p.paragraph("  ", uncertaintyNote)
	p.table(uncertaintyTable(r, all))
	p.list("Samples that matter most for the p99 of the response time", matterSentences(r), "")
}

func (p *printer) marginals(r *experiment.Result, k kind, top int, all bool) {
	x := cross(r, k, top)
	wanted := k.brief
	if all {
		wanted = nil
	}
	tables := x.tables(k, wanted, k.share || all)
	if len(tables) == 0 {
		return
	}
	title := k.title
	if shown := len(x.names); shown < x.total {
		title += fmt.Sprintf(" (%d of %s", shown, integer(int64(x.total)))
		if k.rank {
			title += ", by invocations"
		}
		title += ")"
	}
	p.heading(title)
	for i, t := range tables {
		if i > 0 {
			p.out.WriteByte('\n')
		}
		p.table(t)
	}
}

func (p *printer) requests(r *experiment.Result) {
	if len(r.Runs) == 0 {
		return
	}
	p.heading("Requests: arrived = done + failed + rejected + queued + running")
	if len(r.Runs) == 1 {
		a := r.Runs[0].Account
		p.paragraph("  ", fmt.Sprintf("%s arrived = %s done + %s failed + %s rejected + %s queued + %s running; %s attempts",
			integer(a.Arrived), integer(a.Done), integer(a.Failed), integer(a.Rejected), integer(a.Queued), integer(a.Running), integer(a.Attempts)))
	} else {
		p.table(requestsTable(r))
	}
	for i := range r.Runs {
		if err := r.Runs[i].Account.Balance(); err != nil {
			p.paragraph("  ", clean(r.Runs[i].Name)+": "+err.Error())
		}
	}
}

func (p *printer) list(title string, texts []string, numbered string) {
	if len(texts) == 0 {
		return
	}
	p.heading(title)
	for i, text := range texts {
		mark := "- "
		if numbered != "" {
			mark = fmt.Sprintf(numbered, i+1)
		}
		p.paragraph("  "+mark, text)
	}
}

func (p *printer) heading(text string) {
	p.out.WriteByte('\n')
	p.bold(text)
}

func (p *printer) bold(text string) {
	for _, line := range wrap(text, p.width) {
		if p.colour {
			line = "\x1b[1m" + line + "\x1b[0m"
		}
		p.out.WriteString(line + "\n")
	}
}

// paragraph wraps text behind the first line's lead.
func (p *printer) paragraph(lead, text string) {
	indent := strings.Repeat(" ", width(lead))
	for i, line := range wrap(text, p.width-width(lead)) {
		if i > 0 {
			lead = indent
		}
		p.out.WriteString(lead + line + "\n")
	}
}
