package report_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"microcosm/cosim/experiment"
	"microcosm/cosim/metrics"
	"microcosm/results/report"
)

// flows is a run of workflows with cold starts: the parts that invocations of
// single functions do not have.
func flows() *experiment.Result {
	f := newFixture()
	r := result("two workflows")
	run := f.run("run", nil, 0, 0.001)
	for i, name := range []string{"serial", "fork"} {
		x := float64(i + 1)
		run.Workflows = append(run.Workflows, experiment.Marginal{Name: name, Invocations: int64(1000 * x), Share: f.estimate(x / 3), Metrics: []experiment.Metric{
			f.metric("latency_mean", "s", .1*x), f.metric("latency_p50", "s", .09*x), f.metric("latency_p99", "s", .3*x),
			f.metric("critical_service_mean", "s", .06*x), f.metric("critical_waiting_mean", "s", .03*x), f.metric("critical_transfer_mean", "s", .01*x),
			f.metric("failed_share", "", 0),
		}})
		for j := range 6 {
			run.Steps = append(run.Steps, experiment.Marginal{Name: fmt.Sprintf("%s.f%d", name, j), Invocations: int64(1000 * x), Share: f.estimate(1), Metrics: []experiment.Metric{
				f.metric("critical_share", "", 1/float64(j+1)), f.metric("response_mean", "s", .02),
			}})
		}
	}
	for i, stage := range []string{"schedule", "pull", "create", "init", "start"} {
		run.Starts = append(run.Starts, experiment.Marginal{Name: stage, Invocations: 84, Share: f.estimate(1), Metrics: []experiment.Metric{
			f.metric("took_mean", "s", .05*float64(i+1)), f.metric("took_p50", "s", .04*float64(i+1)), f.metric("took_p95", "s", .2*float64(i+1)), f.metric("took_p99", "s", .3*float64(i+1)),
		}})
	}
	r.Runs = []experiment.Run{run}
	return r
}

func TestFlowsStepsAndStartsHaveTheirTables(t *testing.T) {
	t.Parallel()
	r := flows()
	short := text(t, r, report.TextOptions{Width: 200})
	for heading, columns := range map[string][]string{
		"Workflows":                     {"workflow", "invocations", "share", "latency mean", "latency p99", "critical waiting"},
		"Steps of workflows (10 of 12)": {"step", "invocations", "share", "critical share"},
		"Cold starts by stage":          {"stage", "invocations", "share", "took mean", "took p50", "took p99"},
		"Functions":                     {"function", "invocations", "share", "response mean", "response p99"},
		"Conditions":                    {"condition", "invocations", "share", "service mean"},
		"Requests: arrived = done + failed + rejected + queued + running": nil,
	} {
		_, rest, found := strings.Cut(short, "\n"+heading+"\n")
		require.True(t, found, heading)
		table, _, _ := strings.Cut(rest, "\n\n")
		for _, column := range columns {
			require.Contains(t, table, column, heading)
		}
	}
	require.NotContains(t, short, "fork.f4 ", "the eleventh step and on")
	require.NotContains(t, short, "latency p50")
	whole := text(t, r, report.TextOptions{Width: 200, All: true})
	require.Contains(t, whole, "\nSteps of workflows\n")
	require.Contains(t, whole, "fork.f5 ")
	require.Contains(t, whole, "latency p50")

	root := parse(t, page(t, r))
	tables := all(byID(root, "workflows"), "table")
	require.Len(t, tables, 2, "workflows and their steps")
	require.Len(t, rowsOf(tables[0]), 2)
	require.Len(t, rowsOf(tables[1]), 12, "the page has every step")
	for i, row := range rowsOf(all(byID(root, "starts"), "table")[0]) {
		require.Equal(t, r.Runs[0].Starts[i].Name, row[0], "stages stay in their order")
		requireShows(t, r.Runs[0].Starts[i].Metrics[3].Estimate, row[6])
	}
}

// cellsOf returns the cells of a table of the page by row and column.
func cellsOf(table *html.Node) map[string]map[string]string {
	var heads []string
	for _, n := range all(all(table, "thead")[0], "th") {
		heads = append(heads, content(n))
	}
	cells := map[string]map[string]string{}
	for _, row := range rowsOf(table) {
		cells[row[0]] = map[string]string{}
		for j, text := range row[1:] {
			cells[row[0]][heads[j+1]] = text
		}
	}
	return cells
}

// TestWhatOnlyOneRunHasIsLeftOpenInTheOthers: runs of one design may differ in
// their functions, nodes and metrics.
func TestWhatOnlyOneRunHasIsLeftOpenInTheOthers(t *testing.T) {
	t.Parallel()
	f := newFixture()
	r := result("unlike")
	mean := func(x float64) []experiment.Metric { return []experiment.Metric{f.metric("response_mean", "s", x)} }
	r.Runs = []experiment.Run{
		{Name: "a", Metrics: mean(1), Functions: []experiment.Marginal{{Name: "both", Invocations: 5, Metrics: mean(1)}, {Name: "left", Invocations: 1, Metrics: mean(2)}}},
		{Name: "b", Metrics: append(mean(3), f.metric("retry_share", "", .5)), Functions: []experiment.Marginal{{Name: "both", Invocations: 5}, {Name: "right", Invocations: 9, Metrics: mean(4)}}},
	}
	root := parse(t, page(t, r))
	runs := cellsOf(all(byID(root, "runs"), "table")[0])
	require.Equal(t, "-", runs["retry share"]["a"])
	requireShows(t, r.Runs[1].Metrics[1].Estimate, runs["retry share"]["b"])
	functions := cellsOf(all(byID(root, "functions"), "table")[0])
	require.Equal(t, map[string]string{"a": functions["both"]["a"], "b": "-"}, functions["both"])
	require.Equal(t, "-", functions["left"]["b"])
	require.Equal(t, "-", functions["right"]["a"])
	var order []string
	for _, row := range rowsOf(all(byID(root, "functions"), "table")[0]) {
		order = append(order, row[0])
	}
	require.Equal(t, []string{"both", "right", "left"}, order, "by the invocations of all runs")
	terminal := text(t, r, report.TextOptions{Width: 120, All: true})
	require.Regexp(t, `(?m)^  left +[\d.]+ s .*   -$`, terminal)
	require.Regexp(t, `(?m)^  right +- +[\d.]+ s `, terminal)
}

func TestFunctionsAreRankedAndEqualOnesStayInTheirOrder(t *testing.T) {
	t.Parallel()
	r := result("ranks")
	r.Runs = []experiment.Run{{Name: "run"}}
	for i := range 30 {
		r.Runs[0].Functions = append(r.Runs[0].Functions, experiment.Marginal{Name: fmt.Sprintf("f%02d", i), Invocations: int64(i % 3)})
	}
	rows := textTable(t, text(t, r, report.TextOptions{Width: 200, Top: 12}), "Functions (12 of 30, by invocations)", "function")
	var order []string
	for _, row := range rows {
		order = append(order, row[0])
	}
	require.Equal(t, []string{"f02", "f05", "f08", "f11", "f14", "f17", "f20", "f23", "f26", "f29", "f01", "f04"}, order)
	require.Equal(t, "f00", r.Runs[0].Functions[0].Name, "the result is as it was")
}

// TestAPageOfThousandsOfFunctionsIsBounded: the page shows those most invoked and
// says where the others are; the tidy files have all.
func TestAPageOfThousandsOfFunctionsIsBounded(t *testing.T) {
	t.Parallel()
	f := newFixture()
	r := result("a trace")
	names := make([]string, 2500)
	for i := range names {
		names[i] = fmt.Sprintf("%04x<&>\"', =%d", i*7919%65536, i)
	}
	r.Runs = []experiment.Run{{Name: "run", Functions: f.functions(names, 1_000_000_000)}}
	for i := range 300 {
		r.Runs[0].Nodes = append(r.Runs[0].Nodes, experiment.Marginal{Name: fmt.Sprint("node-", i), Share: f.estimate(1. / 300), Metrics: []experiment.Metric{f.metric("response_mean", "s", .1)}})
	}
	document := page(t, r)
	require.Less(t, len(document), 400_000)
	root := parse(t, document)
	functions := byID(root, "functions")
	require.Contains(t, content(functions), "The 100 most invoked of 2,500; report.csv has all.")
	rows := rowsOf(all(functions, "table")[0])
	require.Len(t, rows, 100)
	for i, row := range rows {
		require.Equal(t, names[i], row[0])
	}
	require.Contains(t, content(byID(root, "nodes")), "The 100 first of 300; report.csv has all.")
	_, lines := readCSV(t, r)
	total, share := int64(0), 0.0
	seen := map[string]bool{}
	for _, line := range find(lines, map[string]string{"scope": "function", "metric": "invocations"}) {
		n, err := strconv.ParseInt(line["n"], 10, 64)
		require.NoError(t, err)
		total += n
		seen[line["name"]] = true
	}
	for _, line := range find(lines, map[string]string{"scope": "function", "metric": "share"}) {
		x, err := strconv.ParseFloat(line["est"], 64)
		require.NoError(t, err)
		share += x
	}
	require.Len(t, seen, 2500)
	require.InDelta(t, 1e9, float64(total), 2500, "each is cut to a whole number")
	require.InDelta(t, 1, share, .05, "shares are those of a whole")
}

// TestSortingKeysOrderACellsColumn: what a click sorts by is the number that is
// shown, in one unit for the whole column.
func TestSortingKeysOrderACellsColumn(t *testing.T) {
	t.Parallel()
	r := single()
	r.Runs[0].Functions[2].Metrics[0].Estimate = metrics.Unstable(1, "m", "grows")
	r.Runs[0].Functions[3].Metrics[0].Estimate = ok(5e-9, 4e-9, 6e-9)
	table := all(byID(parse(t, page(t, r)), "functions"), "table")[0]
	require.Equal(t, "sortable", attr(table, "class"))
	for i, tr := range all(all(table, "tbody")[0], "tr") {
		m := r.Runs[0].Functions[i]
		cells := all(tr, "td")
		require.Equal(t, strconv.FormatFloat(float64(m.Invocations), 'g', 6, 64), attr(cells[0], "data-k"))
		requireKey(t, m.Share, attr(cells[1], "data-k"))
		requireKey(t, m.Metrics[0].Estimate, attr(cells[2], "data-k"))
		for _, n := range cells {
			require.Empty(t, attr(n, "title"), "a sortable cell has its key, not how it was made")
		}
	}
	runs := all(byID(parse(t, page(t, r)), "runs"), "table")[0]
	require.Empty(t, attr(runs, "class"))
	require.Equal(t, "t of replications, n = 10", attr(all(runs, "td")[0], "title"))
}

func requireKey(t *testing.T, e metrics.Estimate, key string) {
	t.Helper()
	if !e.OK() {
		require.Empty(t, key, "what is not known sorts apart")
		return
	}
	x, err := strconv.ParseFloat(key, 64)
	require.NoError(t, err)
	require.InEpsilon(t, e.Est, x, 1e-5)
}
