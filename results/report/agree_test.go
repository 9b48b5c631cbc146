package report_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"
	"pgregory.net/rapid"

	"microcosm/cosim/experiment"
	"microcosm/cosim/metrics"
	"microcosm/results/report"
)

// object is a JSON object as it stands in result.json.
type object = map[string]any

// tidied makes the tidy form a second time, from the bytes of result.json alone.
func tidied(t *testing.T, text []byte) [][]string {
	t.Helper()
	var r object
	require.NoError(t, json.Unmarshal(text, &r))
	factors := len(list(r["factors"]))
	var rows [][]string
	for _, run := range list(r["runs"]) {
		head := []string{word(run["name"])}
		for i := range factors {
			level := ""
			if levels, _ := run["levels"].([]any); i < len(levels) {
				level = levels[i].(string)
			}
			head = append(head, level)
		}
		add := func(scope, name, metric, unit string, rest ...string) {
			rows = append(rows, append(append(append([]string{}, head...), scope, name, metric, unit), rest...))
		}
		count := func(scope, name, metric string, n any) {
			add(scope, name, metric, "", digits(n), "", "", strconv.FormatInt(int64(n.(float64)), 10), "", "count", "")
		}
		for _, name := range []string{"arrived", "done", "failed", "rejected", "queued", "running", "attempts", "retries", "hedges"} {
			count("all", "", name, run["account"].(object)[name])
		}
		for _, m := range list(run["metrics"]) {
			add("all", "", word(m["name"]), word(m["unit"]), estimated(m["estimate"])...)
		}
		for _, part := range [][2]string{{"functions", "function"}, {"nodes", "node"}, {"conditions", "condition"}, {"workflows", "workflow"}, {"steps", "step"}, {"starts", "stage"}} {
			for _, m := range list(run[part[0]]) {
				count(part[1], word(m["name"]), "invocations", m["invocations"])
				add(part[1], word(m["name"]), "share", "", estimated(m["share"])...)
				for _, q := range list(m["metrics"]) {
					add(part[1], word(m["name"]), word(q["name"]), word(q["unit"]), estimated(q["estimate"])...)
				}
			}
		}
	}
	for _, e := range list(r["effects"]) {
		row := append([]string{word(e["formula"])}, make([]string, factors)...)
		rows = append(rows, append(append(row, "effect", word(e["name"]), word(e["metric"]), word(e["unit"])), estimated(e["estimate"])...))
	}
	return rows
}

func list(value any) (objects []object) {
	many, _ := value.([]any)
	for _, one := range many {
		objects = append(objects, one.(object))
	}
	return objects
}

func word(value any) string {
	text, _ := value.(string)
	return text
}

func digits(value any) string {
	if value == nil {
		return ""
	}
	return strconv.FormatFloat(value.(float64), 'g', -1, 64)
}

// estimated is est, lo, hi, n, method, status and note of an estimate in JSON.
func estimated(value any) []string {
	e := value.(object)
	row := []string{digits(e["est"]), digits(e["lo"]), digits(e["hi"]), strconv.FormatInt(int64(e["n"].(float64)), 10), word(e["method"]), word(e["status"]), word(e["note"])}
	switch row[5] {
	case "":
		row[5] = "ok"
		return row
	case "bounds":
		return row
	case "invalid":
		row[0] = ""
	}
	row[1], row[2] = "", ""
	return row
}

// TestTheTidyFilesHoldWhatTheJSONHolds: every number of result.json stands in
// report.csv, in its order, with all its digits, and no other does. (That Parquet
// holds what CSV holds is TestParquetEqualsCSV.)
func TestTheTidyFilesHoldWhatTheJSONHolds(t *testing.T) {
	t.Parallel()
	for name, make := range fixtures {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := make()
			text, err := r.JSON()
			require.NoError(t, err)
			want := tidied(t, text)
			head, rows := readCSV(t, r)
			require.Len(t, rows, len(want))
			for i, row := range rows {
				for j, column := range head {
					if want[i][j] != row[column] { // there are half a million
						require.Equal(t, replaced(want[i][j]), replaced(row[column]), "line %d, %s", i, column)
					}
				}
			}
		})
	}
}

// replaced is normal where JSON has a mark for every byte that is no letter.
func replaced(s string) string {
	return regexp.MustCompile("\uFFFD+").ReplaceAllString(normal(s), "\uFFFD")
}

// amountShown is a number as the text and the page show it.
var amountShown = regexp.MustCompile(`^([+-]?[\d.]+(?:e[+-]\d+)?)(?: (s|ms|µs|ns|%|pp|1/s))?(?: \[([^,]+), ([^\]]+)\])?(?: (not estimable|unstable|bounds|not estimated)( \(\d+\)))?$`)

var unitFactors = map[string]float64{"s": 1, "ms": 1e-3, "µs": 1e-6, "ns": 1e-9, "%": .01, "pp": .01, "1/s": 1, "": 1}

// requireShows reads a number back from how it is shown: it is the estimate,
// rounded at the last digit shown.
func requireShows(t require.TestingT, e metrics.Estimate, shown string) {
	shown = strings.ReplaceAll(shown, "−", "-")
	m := amountShown.FindStringSubmatch(shown)
	if m == nil {
		require.True(t, math.IsNaN(e.Est) || math.Abs(e.Est) > 1e290 || e.Status == metrics.StatusInvalid, "%v is shown as %q", e, shown)
		require.Regexp(t, `^(not estimable|unstable|bounds|not estimated) \(\d+\)$`, shown, "%v", e)
		return
	}
	requireRounded(t, e.Est, m[1], unitFactors[m[2]])
	if !e.OK() {
		require.Empty(t, m[3], "%v has no interval, and is shown as %q", e, shown)
		require.NotEmpty(t, m[5], "%v has no interval, and %q does not say so", e, shown)
		return
	}
	requireRounded(t, e.Lo, m[3], unitFactors[m[2]])
	requireRounded(t, e.Hi, m[4], unitFactors[m[2]])
}

func requireRounded(t require.TestingT, want float64, shown string, factor float64) {
	x, err := strconv.ParseFloat(shown, 64)
	require.NoError(t, err)
	step := 1.0
	mantissa, exponent, scientific := strings.Cut(strings.TrimLeft(shown, "+-"), "e")
	if scientific { // four digits, of which zeros at the end are not written, or three of a lone value
		e, err := strconv.Atoi(exponent)
		require.NoError(t, err)
		step = math.Pow10(e - 2)
	} else if _, behind, found := strings.Cut(mantissa, "."); found {
		step = math.Pow10(-len(behind))
	}
	require.InDelta(t, want, x*factor, step*factor*.5*(1+1e-6)+math.Abs(want)*1e-9, "shown as %s times %v", shown, factor)
}

// rowsOf returns the cells of a table of the page, without its head.
func rowsOf(table *html.Node) (rows [][]string) {
	for _, tr := range all(all(table, "tbody")[0], "tr") {
		var row []string
		for n := range tr.ChildNodes() {
			if n.Type == html.ElementNode {
				row = append(row, content(n))
			}
		}
		rows = append(rows, row)
	}
	return rows
}

func TestThePageShowsTheNumbersOfTheResult(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"quickstart", "factorial", "single", "overloaded", "once", "large", "flows"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := fixtures[name]()
			root := parse(t, page(t, r))
			rows := rowsOf(all(byID(root, "runs"), "table")[0])
			inRows := len(r.Runs) > 4 // the table is turned
			n, m := len(r.Runs[0].Metrics), len(r.Runs)
			if inRows {
				n, m = m, n
			}
			require.Len(t, rows, n, "the fixtures' runs have the same metrics")
			for i, row := range rows {
				require.Len(t, row, 1+m)
				for j, cell := range row[1:] {
					run, metric := j, i
					if inRows {
						run, metric = i, j
					}
					requireShows(t, r.Runs[run].Metrics[metric].Estimate, cell)
				}
			}
			if len(r.Effects) == 0 {
				return
			}
			effect := 0
			for _, row := range rowsOf(all(byID(root, "effects"), "table")[0]) {
				if len(row) == 1 {
					continue // what is compared
				}
				requireShows(t, r.Effects[effect].Estimate, row[1])
				effect++
			}
			require.Equal(t, len(r.Effects), effect)
		})
	}
}

var reasonNumber = regexp.MustCompile(`\((\d+)\)`)

// withReasons puts the reason in the place of its number, which depends on what
// else is shown.
func withReasons(cell string, reasons map[string]string) string {
	cell = strings.ReplaceAll(cell, "−", "-")
	return reasonNumber.ReplaceAllStringFunc(cell, func(n string) string { return "{" + reasons[strings.Trim(n, "()")] + "}" })
}

// textTable returns the cells of the table below a heading of a text wide enough
// to show it in one piece.
func textTable(t *testing.T, text, heading, corner string) (rows [][]string) {
	t.Helper()
	_, rest, found := strings.Cut(text, "\n"+heading+"\n")
	require.True(t, found, heading)
	section, _, _ := strings.Cut(rest, "\n\n")
	_, body, found := strings.Cut(section, " "+corner+" ")
	require.True(t, found, "%s: %s", heading, section)
	for _, line := range strings.Split(body, "\n")[1:] {
		rows = append(rows, regexp.MustCompile(` {2,}`).Split(strings.TrimSpace(line), -1))
	}
	return rows
}

func TestTheTextShowsWhatThePageShows(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"quickstart", "single", "overloaded", "once", "flows"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := fixtures[name]()
			terminal := text(t, r, report.TextOptions{Width: 2000, All: true})
			root := parse(t, page(t, r))
			onPage, inText := map[string]string{}, map[string]string{}
			if notes := byID(root, "notes"); notes != nil {
				for _, n := range all(notes, "li") {
					if id, found := strings.CutPrefix(attr(n, "id"), "reason-"); found {
						onPage[id] = content(n)
					}
				}
			}
			for _, m := range regexp.MustCompile(`(?m)^  \((\d+)\) (.*)$`).FindAllStringSubmatch(terminal, -1) {
				inText[m[1]] = m[2]
			}
			sections := map[string][2]string{"runs": {"Runs", "metric"}}
			if len(r.Effects) > 0 {
				sections["effects"] = [2]string{"Effects", "on"}
			}
			for id, s := range sections {
				want := textTable(t, terminal, s[0], s[1])
				got := rowsOf(all(byID(root, id), "table")[0])
				require.Len(t, got, len(want), id)
				for i := range want {
					for j := range want[i] {
						require.Equal(t, withReasons(want[i][j], inText), withReasons(got[i][j], onPage), "%s, row %d", id, i)
					}
				}
			}
		})
	}
}

// TestNumbersOfAnySizeAreShown reads back what text and page make of estimates of
// every order of magnitude, with intervals from a billionth of the value to a
// million times it.
func TestNumbersOfAnySizeAreShown(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := result("sizes")
		r.Runs = []experiment.Run{{Name: "only"}}
		for i := range 20 {
			est := rapid.SampledFrom([]float64{-1, 1}).Draw(t, "sign") * math.Pow(10, rapid.Float64Range(-13, 13).Draw(t, "est"))
			half := math.Abs(est) * math.Pow(10, rapid.Float64Range(-9, 6).Draw(t, "half"))
			kind := rapid.SampledFrom([][2]string{{"response", "s"}, {"share", ""}, {"slowdown", ""}, {"throughput", "1/s"}}).Draw(t, "kind")
			e := ok(est, est-half, est+half)
			if rapid.IntRange(0, 4).Draw(t, "without") == 0 {
				e = metrics.NotEstimable(est, 1, "m", "too few")
			}
			r.Runs[0].Metrics = append(r.Runs[0].Metrics, experiment.Metric{Name: fmt.Sprint(kind[0], i), Unit: kind[1], Estimate: e})
		}
		var b bytes.Buffer
		require.NoError(t, report.HTML(&b, r))
		root, err := html.Parse(&b)
		require.NoError(t, err)
		rows := rowsOf(all(byID(root, "runs"), "table")[0])
		b.Reset()
		require.NoError(t, report.Text(&b, r, report.TextOptions{Width: 300}))
		terminal := b.String()
		for i, m := range r.Runs[0].Metrics {
			requireShows(t, m.Estimate, rows[i][1])
			require.Contains(t, terminal, strings.ReplaceAll(strings.TrimSuffix(rows[i][1], " (1)"), "−", "-"), "the text shows the same")
		}
	})
}
