package report

import (
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"

	"microcosm/cosim/cluster"
	"microcosm/cosim/experiment"
	"microcosm/cosim/metrics"
)

// table is what the terminal and the page both show.
type table struct {
	caption string
	corner  string // head of the first column
	heads   []string
	rows    []row
}

// row without cells is a heading of the rows below it.
type row struct {
	label string
	cells []cell
}

// cell is an estimate, or text.
type cell struct {
	text   string // instead of an amount
	amount amount
	word   string  // "not estimable", "unstable" or bounds where there is no interval
	bound  bool    // the word is of bounds
	reason string  // the word and why
	key    float64 // to sort by; NaN where nothing is known
	how    string  // how the interval was made
}

func textCell(text string) cell { return cell{text: text, key: math.NaN()} }

func countCell(n int64) cell { return cell{text: integer(n), key: float64(n)} }

func cellOf(e metrics.Estimate, s scale, signed bool) cell {
	c := cell{amount: amountOf(e, s, signed), key: e.Est}
	if c.amount.value == "" {
		c.key = math.NaN()
	}
	if !stands(e) {
		c.word, c.reason = reasonOf(e)
		if e.Status == metrics.StatusBounds {
			c.word, c.bound = boundsOf(e, s), true
		}
	} else if e.Method != "" {
		c.how = clean(e.Method) + ", n = " + integer(e.N)
	}
	return c
}

// boundsOf says within what an estimate without an interval lies.
func boundsOf(e metrics.Estimate, s scale) string {
	shown := func(x float64) string { return significant(x*s.factor, digits) }
	withUnit := func(x float64) string { return amount{value: shown(x), unit: s.unit}.withUnit() }
	switch {
	case known(e.Lo) && known(e.Hi) && known(e.Est):
		return "within [" + shown(e.Lo) + ", " + shown(e.Hi) + "]" // beside the value
	case known(e.Lo) && known(e.Hi):
		return "within [" + shown(e.Lo) + ", " + withUnit(e.Hi) + "]"
	case known(e.Lo):
		return "at least " + withUnit(e.Lo)
	case known(e.Hi):
		return "at most " + withUnit(e.Hi)
	}
	return e.Status.String()
}

const notFinite = "the interval is not finite"

// reasonOf says in words why an estimate has no interval.
func reasonOf(e metrics.Estimate) (word, reason string) {
	switch {
	case e.Status == metrics.StatusInvalid:
		return "not estimated", "not estimated"
	case e.OK():
		word, reason = metrics.StatusNotEstimable.String(), notFinite
	default:
		word, reason = e.Status.String(), clean(e.Note)
	}
	if reason == "" {
		return word, word
	}
	return word, word + ": " + reason
}

// sideBySide is how many runs are compared in columns; more are in rows.
const sideBySide = 4

// briefMetrics are what the short form tells of many runs, where it is known.
var briefMetrics = []string{"response_mean", "response_p99", "utilization"}

// runsTable has a row per metric and a column per run, or the other way round
// where there are many runs.
func runsTable(r *experiment.Result, all bool) table {
	t := table{corner: "metric"}
	var names []string
	seen := map[string]bool{}
	for i := range r.Runs {
		t.heads = append(t.heads, clean(r.Runs[i].Name))
		for _, m := range r.Runs[i].Metrics {
			if !seen[m.Name] {
				seen[m.Name] = true
				names = append(names, m.Name)
			}
		}
	}
	many := len(r.Runs) > sideBySide
	if brief := among(names, briefMetrics); many && !all && len(brief) > 0 {
		t.caption = "Other metrics than these are told by --all and by the page."
		names = brief
	}
	for _, name := range names {
		t.rows = append(t.rows, metricRow(label(name), name, len(r.Runs), func(i int) (experiment.Metric, bool) {
			return r.Runs[i].Find(name)
		}))
	}
	if many {
		return turned(r, t)
	}
	return t
}

// among returns those of the names that are among others too, in their order.
func among(names, others []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !slices.Contains(others, name) })
}

// turned turns a table with a column per run round, and calls the runs by their
// levels alone: the corner names the factors.
func turned(r *experiment.Result, t table) table {
	out := table{corner: "run", caption: t.caption}
	var factors []string
	for _, f := range r.Factors {
		factors = append(factors, clean(f.Name))
	}
	if factors != nil {
		out.corner = strings.Join(factors, ", ")
	}
	for _, line := range t.rows {
		out.heads = append(out.heads, line.label)
	}
	for i := range r.Runs {
		line := row{label: t.heads[i]}
		if levels := r.Runs[i].Levels; factors != nil && len(levels) == len(factors) {
			line.label = clean(strings.Join(levels, ", "))
		}
		for _, old := range t.rows {
			line.cells = append(line.cells, old.cells[i])
		}
		out.rows = append(out.rows, line)
	}
	return out
}

// metricRow compares one metric across n columns.
func metricRow(head, name string, n int, find func(int) (experiment.Metric, bool)) row {
	line := row{label: head, cells: make([]cell, n)}
	estimates, unit := make([]metrics.Estimate, n), ""
	found := make([]bool, n)
	for i := range n {
		var m experiment.Metric
		if m, found[i] = find(i); found[i] {
			estimates[i], unit = m.Estimate, m.Unit
		}
	}
	for i, s := range scalesFor(name, unit, estimates) {
		if found[i] {
			line.cells[i] = cellOf(estimates[i], s, false)
		} else {
			line.cells[i] = textCell("-")
		}
	}
	return line
}

// requestsTable says, per run, where every request went.
func requestsTable(r *experiment.Result) table {
	t := table{corner: "run"}
	for _, c := range counts(cluster.Account{}) {
		t.heads = append(t.heads, c.name)
	}
	for i := range r.Runs {
		line := row{label: clean(r.Runs[i].Name)}
		for _, c := range counts(r.Runs[i].Account) {
			line.cells = append(line.cells, countCell(c.n))
		}
		t.rows = append(t.rows, line)
	}
	return t
}

// kind is one of the ways in which a run's invocations are divided.
type kind struct {
	scope string // as the tidy files call it
	title string
	of    func(*experiment.Run) []experiment.Marginal
	brief []string // metrics of the short form
	share bool     // whether the short form shows shares
	rank  bool     // by invocations, the most first
}

var (
	byFunction = kind{
		scope: "function", title: "Functions", rank: true, brief: []string{"response_mean", "response_p99"},
		of: func(r *experiment.Run) []experiment.Marginal { return r.Functions },
	}
	byNode = kind{
		scope: "node", title: "Nodes", share: true, brief: []string{"response_mean"},
		of: func(r *experiment.Run) []experiment.Marginal { return r.Nodes },
	}
	byCondition = kind{ // what a condition changes is the service time
		scope: "condition", title: "Conditions", share: true, brief: []string{"service_mean"},
		of: func(r *experiment.Run) []experiment.Marginal { return r.Conditions },
	}
	byWorkflow = kind{ // an invocation is a flow here
		scope: "workflow", title: "Workflows", brief: []string{"latency_mean", "latency_p99", "critical_waiting_mean"},
		of: func(r *experiment.Run) []experiment.Marginal { return r.Workflows },
	}
	byStart = kind{ // an invocation is a sandbox here
		scope: "stage", title: "Cold starts by stage", brief: []string{"took_mean", "took_p50", "took_p99"},
		of: func(r *experiment.Run) []experiment.Marginal { return r.Starts },
	}
	byStep = kind{ // its share is that of the flows that invoke it
		scope: "step", title: "Steps of workflows", share: true, brief: []string{"critical_share"},
		of: func(r *experiment.Run) []experiment.Marginal { return r.Steps },
	}
)

// crossing indexes the marginals of all runs by name.
type crossing struct {
	result *experiment.Result
	names  []string // in the order they are shown
	total  int      // names before the cut
	at     []map[string]*experiment.Marginal
	// metrics are those that occur, in order of appearance.
	metrics []string
}

// cross collects the marginals of one kind over all runs, at most limit of them.
func cross(r *experiment.Result, k kind, limit int) crossing {
	runs := r.Runs
	x := crossing{result: r, at: make([]map[string]*experiment.Marginal, len(runs))}
	invocations := map[string]int64{}
	metric := map[string]bool{}
	for i := range runs {
		marginals := k.of(&runs[i])
		x.at[i] = make(map[string]*experiment.Marginal, len(marginals))
		for j := range marginals {
			m := &marginals[j]
			if _, seen := invocations[m.Name]; !seen {
				x.names = append(x.names, m.Name)
			}
			invocations[m.Name] += m.Invocations
			if _, twice := x.at[i][m.Name]; !twice {
				x.at[i][m.Name] = m
			}
			for _, q := range m.Metrics {
				if !metric[q.Name] {
					metric[q.Name] = true
					x.metrics = append(x.metrics, q.Name)
				}
			}
		}
	}
	if k.rank {
		sort.SliceStable(x.names, func(a, b int) bool { return invocations[x.names[a]] > invocations[x.names[b]] })
	}
	x.total = len(x.names)
	x.names = x.names[:min(limit, x.total)]
	return x
}

// tables returns the marginals as tables: one with a column per metric if there
// is one run, else one per metric, and one of the shares, with a column per run,
// or with a row per run where there are many and fewer names than runs.
// Of the metrics wanted those are shown that occur, or else the first that does;
// nil wants all.
func (x crossing) tables(k kind, wanted []string, share bool) []table {
	if len(x.names) == 0 {
		return nil
	}
	shown := x.metrics
	if wanted != nil {
		if shown = among(wanted, x.metrics); len(shown) == 0 {
			shown = x.metrics[:min(1, len(x.metrics))]
		}
	}
	if len(x.result.Runs) == 1 {
		return []table{x.single(k, shown)}
	}
	var tables []table
	if share {
		t := x.compared(k, "share", "share of the recorded invocations", func(m *experiment.Marginal) (experiment.Metric, bool) {
			return experiment.Metric{Name: "share", Estimate: m.Share}, true
		})
		tables = append(tables, t)
	}
	for _, name := range shown {
		tables = append(tables, x.compared(k, name, label(name), func(m *experiment.Marginal) (experiment.Metric, bool) {
			return findMetric(m, name)
		}))
	}
	return tables
}

func (x crossing) single(k kind, wanted []string) table {
	t := table{corner: k.scope, heads: []string{"invocations", "share"}}
	for _, name := range wanted {
		t.heads = append(t.heads, label(name))
	}
	for _, name := range x.names {
		m := x.at[0][name]
		line := row{label: clean(name), cells: []cell{countCell(m.Invocations), cellOf(m.Share, scale{"%", 100}, false)}}
		for _, metric := range wanted {
			line.cells = append(line.cells, metricRow("", metric, 1, func(int) (experiment.Metric, bool) { return findMetric(m, metric) }).cells...)
		}
		t.rows = append(t.rows, line)
	}
	return t
}

func (x crossing) compared(k kind, metric, caption string, of func(*experiment.Marginal) (experiment.Metric, bool)) table {
	t := table{corner: k.scope, caption: caption}
	for i := range x.result.Runs {
		t.heads = append(t.heads, clean(x.result.Runs[i].Name))
	}
	for _, name := range x.names {
		t.rows = append(t.rows, metricRow(clean(name), metric, len(x.result.Runs), func(i int) (experiment.Metric, bool) {
			if m := x.at[i][name]; m != nil {
				return of(m)
			}
			return experiment.Metric{}, false
		}))
	}
	if len(x.result.Runs) > max(sideBySide, len(x.names)) {
		t.caption += " by " + k.scope
		return turned(x.result, t)
	}
	return t
}

func findMetric(m *experiment.Marginal, name string) (experiment.Metric, bool) {
	for _, q := range m.Metrics {
		if q.Name == name {
			return q, true
		}
	}
	return experiment.Metric{}, false
}

// integer groups digits by three: "12,345".
func integer(n int64) string {
	text := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, text = "-", text[1:]
	}
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return sign + text
}
