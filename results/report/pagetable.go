package report

import (
	"fmt"
	"image/color"
	"strconv"

	"microcosm/cosim/cluster"
)

// pageTable is a table as the template shows it.
type pageTable struct {
	Title, Caption, Corner string
	Heads                  []string
	Rows                   []pageRow
	Sortable               bool
	Columns                int
}

type pageRow struct {
	Label   string
	Heading bool
	Short   bool // stays on one line
	Cells   []pageCell
}

type pageCell struct {
	Value, Interval, Words string
	Reason                 int    // the number of why there is no interval
	Key                    string // to sort by
	How                    string // how the interval was made
}

// table turns a table into one of the page and numbers its reasons. The cells of
// a sortable one carry their keys, those of others how they were made.
func (b *builder) table(t table, title string, sortable bool) *pageTable {
	p := &pageTable{Sortable: sortable, Title: title, Caption: t.caption, Corner: t.corner, Heads: t.heads, Columns: len(t.heads) + 1}
	for _, r := range t.rows {
		line := pageRow{Label: r.label, Heading: r.cells == nil, Short: len(r.label) <= 24}
		for _, c := range r.cells {
			cell := b.cell(c)
			if sortable {
				cell.How = ""
			} else {
				cell.Key = ""
			}
			line.Cells = append(line.Cells, cell)
		}
		p.Rows = append(p.Rows, line)
	}
	return p
}

func (b *builder) cell(c cell) pageCell {
	out := pageCell{Value: c.text, How: c.how}
	if known(c.key) {
		out.Key = strconv.FormatFloat(c.key, 'g', 6, 64)
	}
	if c.text != "" {
		return out
	}
	out.Value = minus(c.amount.withUnit())
	if c.word == "" {
		out.Interval = minus("[" + c.amount.lo + ", " + c.amount.hi + "]")
		return out
	}
	out.Reason = b.reasons.of(c.reason)
	if out.Value != "" {
		out.Interval = minus(c.word)
	} else {
		out.Words = minus(c.word)
	}
	return out
}

// maxCells bounds the tables of functions and of nodes, and so the page.
const maxCells = 6400

// limit is how many functions or nodes fit: ten at least, a hundred at most.
func limit(runs, metrics int) int {
	return min(max(maxCells/max(1, runs*metrics), 10), 100)
}

func (b *builder) marginalSections(p *page) {
	runs := b.result.Runs
	flows := []string{"latency_mean", "latency_p50", "latency_p99", "critical_service_mean", "critical_waiting_mean", "critical_transfer_mean", "failed_share"}
	p.Workflows = b.marginals(cross(b.result, byWorkflow, limit(len(runs), len(flows))), byWorkflow, flows, false)
	p.Steps = b.marginals(cross(b.result, byStep, limit(len(runs), 2)), byStep, []string{"critical_share"}, true)
	p.Starts = b.marginals(cross(b.result, byStart, cluster.Stages), byStart, []string{"took_mean", "took_p50", "took_p95", "took_p99"}, false)
	x := cross(b.result, byCondition, limit(1, 1))
	p.Conditions = b.marginals(x, byCondition, []string{"service_mean"}, true)
	f, ok, err := shareBars(runs, x)
	p.Bars = b.add(p.Bars, f, ok, err)
	p.ConditionLegend = conditionLegend(x)

	wanted := []string{"response_mean", "response_p99", "waiting_mean", "service_mean"}
	if len(runs) == 1 {
		wanted = []string{"response_mean", "response_p50", "response_p95", "response_p99", "waiting_mean", "service_mean"}
	}
	x = cross(b.result, byFunction, limit(len(runs), len(wanted)))
	p.Functions, p.FunctionsCut = b.marginals(x, byFunction, wanted, false), cut(x, byFunction)
	x = cross(b.result, byNode, limit(len(runs), len(wanted)))
	p.Nodes, p.NodesCut = b.marginals(x, byNode, wanted[:1], true), cut(x, byNode)
}

func (b *builder) marginals(x crossing, k kind, wanted []string, share bool) []*pageTable {
	var list []*pageTable
	for _, t := range x.tables(k, wanted, share) {
		title := t.caption
		if title == "" {
			title = k.title
		}
		list = append(list, b.table(t, upperFirst(title), true))
	}
	return list
}

// cut says what a table leaves out.
func cut(x crossing, k kind) string {
	if len(x.names) == x.total {
		return ""
	}
	order := "first"
	if k.rank {
		order = "most invoked"
	}
	return fmt.Sprintf("The %d %s of %s; report.csv has all.", len(x.names), order, integer(int64(x.total)))
}

// conditionLegend names the colours of the conditions' bars.
func conditionLegend(x crossing) []legendEntry {
	colours := conditionColours(x)
	var list []legendEntry
	others := 0
	for _, name := range x.names {
		if colours[name] == rareColour {
			others++
			continue
		}
		list = append(list, legendEntry{Name: clean(name), Colour: css(colours[name])})
	}
	if others > 0 {
		list = append(list, legendEntry{Name: fmt.Sprintf("%d others, each below %s", others, percent(rare)), Colour: css(rareColour)})
	}
	return list
}

func css(c color.RGBA) string { return fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B) }
