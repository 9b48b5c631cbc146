package report_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"microcosm/cosim/experiment"
	"microcosm/cosim/metrics"
	"microcosm/results/report"
)

func page(t testing.TB, r *experiment.Result) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, report.HTML(&b, r))
	return b.String()
}

func parse(t testing.TB, page string) *html.Node {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	require.NoError(t, err)
	return root
}

// all returns the elements of that name, "" for every element.
func all(root *html.Node, name string) []*html.Node {
	var found []*html.Node
	for n := range root.Descendants() {
		if n.Type == html.ElementNode && (name == "" || n.Data == name) {
			found = append(found, n)
		}
	}
	return found
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if strings.EqualFold(a.Key, name) {
			return a.Val
		}
	}
	return ""
}

func content(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return b.String()
}

// pictures returns the figures, not the swatches of legends.
func pictures(root *html.Node) []*html.Node {
	return slices.DeleteFunc(all(root, "svg"), func(n *html.Node) bool { return attr(n, "role") != "img" })
}

func byID(root *html.Node, id string) *html.Node {
	for _, n := range all(root, "") {
		if attr(n, "id") == id {
			return n
		}
	}
	return nil
}

func TestHTMLGolden(t *testing.T) {
	t.Parallel()
	golden(t, "small.html", []byte(page(t, small())))
}

func TestHTMLIsDeterministic(t *testing.T) {
	t.Parallel()
	require.Equal(t, page(t, quickstart()), page(t, quickstart()))
	copied, err := quickstart().JSON()
	require.NoError(t, err)
	r, err := experiment.ParseResult(copied)
	require.NoError(t, err)
	require.Equal(t, page(t, quickstart()), page(t, r), "the page is that of result.json")
}

// elements and attributes are all that a page may have.
var (
	elements = words(`html head meta title style body header h1 h2 h3 p nav a main section div table caption thead tbody tr th td i
		details summary figure figcaption ul ol li dl dt dd code script svg g path text line rect`)
	attributes = words(`lang charset name content http-equiv class href id aria-label aria-hidden scope colspan data-k title tabindex role open
		viewbox transform d style x y x1 x2 y1 y2 width height fill`)
)

func words(s string) map[string]bool {
	set := map[string]bool{}
	for _, w := range strings.Fields(s) {
		set[w] = true
	}
	return set
}

// requireSelfContained fails if the page has an element or an attribute that is
// not its own, loads something, or has a script but the one it allows.
func requireSelfContained(t testing.TB, text string) {
	t.Helper()
	root := parse(t, text)
	for _, n := range all(root, "") {
		require.True(t, elements[n.Data], "element %s", n.Data)
		for _, a := range n.Attr {
			require.True(t, attributes[strings.ToLower(a.Key)], "attribute %s of %s", a.Key, n.Data)
			if a.Key == "href" {
				require.True(t, strings.HasPrefix(a.Val, "#"), a.Val)
			}
			if a.Key == "style" || a.Key == "class" {
				require.NotContains(t, a.Val, "url")
				require.NotContains(t, a.Val, "FD00", "every role of ink has its colour")
			}
		}
	}
	scripts := all(root, "script")
	require.Len(t, scripts, 1)
	sum := sha256.Sum256([]byte(content(scripts[0])))
	policy := ""
	for _, n := range all(root, "meta") {
		if attr(n, "http-equiv") == "Content-Security-Policy" {
			policy = attr(n, "content")
		}
	}
	require.Contains(t, policy, "default-src 'none'")
	require.Contains(t, policy, "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'")
	styles := all(root, "style")
	require.Len(t, styles, 1)
	require.NotContains(t, content(styles[0]), "url(")
	require.NotContains(t, content(styles[0]), "@import")
}

func TestHTMLStandsAlone(t *testing.T) {
	t.Parallel()
	for name, make := range fixtures {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := page(t, make())
			require.Less(t, len(text), 1_000_000)
			require.NotContains(t, text, "://")
			requireSelfContained(t, text)
		})
	}
}

func TestHTMLShowsNamesAsTheyAre(t *testing.T) {
	t.Parallel()
	root := parse(t, page(t, hostile()))
	require.Equal(t, "</title><script>alert('name')</script>\uFFFD[31m\uFFFDgnp\uFFFD", content(all(root, "title")[0]))
	require.Contains(t, content(byID(root, "runs")), "{{.}} </svg><script>alert(3)</script> fill:#010101")
	require.Contains(t, content(byID(root, "runs")), "日本語 🦠\uFFFDsecond line")
	require.Contains(t, content(byID(root, "functions")), "=cmd|' /C calc'!A0,\"x\"\uFFFD\uFFFD<b>")
	require.Contains(t, content(byID(root, "notes")), "<script>alert(6)</script> &amp; \uFFFD")
	forest := pictures(byID(root, "effects"))[0]
	require.True(t, slices.ContainsFunc(all(forest, "text"), func(n *html.Node) bool {
		return content(n) == "</text><script>alert(5)</script>"
	}))
}

func TestHTMLIsAccessible(t *testing.T) {
	t.Parallel()
	root := parse(t, page(t, quickstart()))
	require.Equal(t, "en", attr(all(root, "html")[0], "lang"))
	figures := 0
	for _, n := range all(root, "svg") {
		if attr(n, "aria-hidden") == "true" {
			continue
		}
		figures++
		require.Equal(t, "img", attr(n, "role"))
		require.NotEmpty(t, attr(n, "aria-label"))
	}
	require.Equal(t, 4+4+3+1, figures, "forests, distributions, timelines, conditions")
	for _, n := range all(root, "th") {
		require.NotEmpty(t, attr(n, "scope"))
	}
	ids := map[string]bool{}
	for _, n := range all(root, "") {
		if id := attr(n, "id"); id != "" {
			require.False(t, ids[id], "id %s twice", id)
			ids[id] = true
		}
	}
	for _, n := range all(root, "a") {
		require.True(t, ids[attr(n, "href")[1:]], "%s leads nowhere", attr(n, "href"))
	}
	alt := attr(pictures(byID(root, "distributions"))[0], "aria-label")
	require.Contains(t, alt, "sticky, on: half of the invocations within ")
}

func TestHTMLOfAnUnstableRun(t *testing.T) {
	t.Parallel()
	root := parse(t, page(t, overloaded()))
	require.Contains(t, content(byID(root, "answer")), "Run 1.2 is unstable: offered load 1.2 is not below 1.")
	require.Contains(t, content(byID(root, "runs")), "unstable (")
	distributions := byID(root, "distributions")
	require.Contains(t, content(distributions), "Run 1.2 is unstable: it has no distribution to draw.")
	require.NotEmpty(t, paths(distributions, "var(--s1)"))
	require.Empty(t, paths(distributions, "var(--s2)"))
	require.NotEmpty(t, paths(byID(root, "time"), "var(--s2)"), "its backlog is shown")
}

type point struct{ x, y float64 }

var coordinates = regexp.MustCompile(`[ML](-?[\d.e+-]+),(-?[\d.e+-]+)`)

// paths returns the points of every path drawn in that colour.
func paths(root *html.Node, colour string) [][]point {
	var list [][]point
	for _, n := range all(root, "path") {
		if !strings.Contains(attr(n, "style"), ":"+colour) {
			continue
		}
		var points []point
		for _, m := range coordinates.FindAllStringSubmatch(attr(n, "d"), -1) {
			x, _ := strconv.ParseFloat(m[1], 64)
			y, _ := strconv.ParseFloat(m[2], 64)
			points = append(points, point{x, y})
		}
		list = append(list, points)
	}
	return list
}

// small is a run whose figures can be checked by hand: half of the invocations
// take 1 ms, half take 100 ms; a third is cold.
func small() *experiment.Result {
	r := result("small")
	third := ok(1.0/3, 0.32, 0.34)
	r.Runs = []experiment.Run{{
		Name:    "only",
		Metrics: []experiment.Metric{{Name: "response_mean", Unit: "s", Estimate: ok(0.0505, 0.05, 0.051)}},
		Conditions: []experiment.Marginal{
			{Name: "cold", Invocations: 1, Share: third}, {Name: "warm", Invocations: 2, Share: ok(2.0/3, 0.66, 0.68)},
		},
		Curves:   []experiment.Curve{{Name: "response", Points: []experiment.Point{{X: 0.001, P: 0.5}, {X: 0.1, P: 1}}}},
		Timeline: experiment.Timeline{Width: 1, InSystem: []float64{0, 2, 4}, BusyCores: []float64{0, 1, 1}, Cores: 2},
	}}
	r.Runs[0].Account.Arrived, r.Runs[0].Account.Done = 3, 3
	r.Effects = []experiment.Effect{
		{Name: "up", Metric: "response_mean", Unit: "s", Estimate: ok(2, 1, 3)},
		{Name: "down", Metric: "response_mean", Unit: "s", Estimate: ok(-1, -1.5, -0.5)},
	}
	return r
}

func TestCurveIsAStaircase(t *testing.T) {
	t.Parallel()
	figures := pictures(byID(parse(t, page(t, small())), "distributions"))
	require.Len(t, figures, 2, "response and its tail; there is no waiting or service")
	curve := paths(figures[0], "var(--s1)")[0]
	// From 0 up to one half at the first time, level, up to 1 at the second.
	require.Len(t, curve, 6)
	bottom, top := curve[0].y, curve[5].y
	require.InDelta(t, (bottom+top)/2, curve[2].y, 0.01)
	require.Equal(t, curve[1].x, curve[2].x)
	require.Equal(t, curve[2].y, curve[3].y)
	require.Equal(t, curve[3].x, curve[4].x)
	// The axis is logarithmic and reaches 15 % beyond both ends.
	at := math.Log(1.15) / math.Log(100*1.15*1.15)
	width := curve[5].x - curve[0].x
	require.InDelta(t, at, (curve[1].x-curve[0].x)/width, 0.001)
	require.InDelta(t, 1-at, (curve[3].x-curve[0].x)/width, 0.001)
	tail := paths(figures[1], "var(--s1)")[0]
	require.Len(t, tail, 4, "nothing takes longer than the longest")
	require.Less(t, tail[3].y, tail[0].y)
}

func TestShareBarIsAsLongAsItsShare(t *testing.T) {
	t.Parallel()
	bar := byID(parse(t, page(t, small())), "conditions")
	length := func(colour string) float64 {
		p := paths(bar, colour)[0]
		return p[1].x - p[0].x
	}
	require.InDelta(t, 2, length("#FEE391")/length("#2B6CB0"), 0.001)
}

func TestForestHasZeroBetweenUpAndDown(t *testing.T) {
	t.Parallel()
	forest := pictures(byID(parse(t, page(t, small())), "effects"))[0]
	zero := paths(forest, "var(--muted)")[0][0].x
	whiskers := paths(forest, "var(--s1)")
	up, down := whiskers[0], whiskers[4] // line, two ends and the dot of each
	require.Greater(t, up[0].x, zero)
	require.Less(t, down[1].x, zero)
	// One scale for both: 2 long from 1 right of zero, 1 long from 0.5 left of it.
	require.InDelta(t, up[1].x-up[0].x, 2*(down[1].x-down[0].x), 0.01)
	require.InDelta(t, up[0].x-zero, 2*(zero-down[1].x), 0.01)
}

func TestLegendTellsFactorsByColourAndDashes(t *testing.T) {
	t.Parallel()
	var styles []string
	legend := all(byID(parse(t, page(t, quickstart())), "distributions"), "ul")[0]
	for _, n := range all(legend, "line") {
		styles = append(styles, attr(n, "style"))
	}
	require.Equal(t, []string{
		"stroke:var(--s1)", "stroke:var(--s1);stroke-dasharray:5.0,2.5", "stroke:var(--s2)", "stroke:var(--s2);stroke-dasharray:5.0,2.5",
	}, styles)
}

func TestManyRunsKeepTheirTables(t *testing.T) {
	t.Parallel()
	r := small()
	for i := range 40 {
		run := r.Runs[0]
		run.Name = fmt.Sprint("run ", i)
		r.Runs = append(r.Runs, run)
	}
	root := parse(t, page(t, r))
	require.Len(t, all(all(byID(root, "runs"), "thead")[0], "th"), 42)
	require.Contains(t, content(byID(root, "distributions")), "Figures show the first 16 runs; the tables show all 41.")
}

func TestHTMLNamesWhyThereIsNoInterval(t *testing.T) {
	t.Parallel()
	root := parse(t, page(t, once()))
	require.Contains(t, content(byID(root, "runs")), "4.31 ms not estimable (1)")
	require.Equal(t, "not estimable: needs at least 2 replications, has 1", content(byID(root, "reason-1")))
}

// FuzzNames puts any name wherever a result has one.
func FuzzNames(f *testing.F) {
	for _, s := range []string{"a", "</svg><script>alert(1)</script>", "\x00\x1b[31m", "日本\u202e", "\uFFFE", `"'&{{.}}`, "]]>", "-0", "p99_9", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		r := small()
		r.Name, r.Scenario, r.Samples, r.Notes = name, name, []string{name}, []string{name}
		r.Factors = []experiment.Factor{{Name: name, Set: name, Levels: []string{name}}}
		run := &r.Runs[0]
		run.Name, run.Levels, run.Metrics[0].Name, run.Metrics[0].Unit = name, []string{name}, name, name
		run.Conditions[0].Name = name
		run.Functions = []experiment.Marginal{{Name: name, Metrics: run.Metrics}}
		r.Effects[0].Name, r.Effects[0].Formula, r.Effects[0].Metric, r.Effects[0].Unit = name, name, name, name
		r.Effects[1].Estimate = metrics.Unstable(1, name, name)
		requireSelfContained(t, page(t, r))
		var b bytes.Buffer
		require.NoError(t, report.Text(&b, r, report.TextOptions{All: true}))
		require.NotContains(t, b.String(), "\x1b")
		require.NoError(t, report.CSV(&b, r))
		require.NoError(t, report.Parquet(&b, r))
	})
}

// FuzzResult shows whatever a file calls a result: it may be nonsense, but the
// reports neither panic nor hang.
func FuzzResult(f *testing.F) {
	for _, r := range []*experiment.Result{small(), empty(), bare()} {
		text, err := r.JSON()
		require.NoError(f, err)
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := experiment.ParseResult(text)
		if err != nil {
			return
		}
		var b bytes.Buffer
		require.NoError(t, report.Text(&b, r, report.TextOptions{All: true}))
		require.NoError(t, report.HTML(&b, r))
		require.NoError(t, report.CSV(&b, r))
		require.NoError(t, report.Parquet(&b, r))
	})
}

func TestRareConditionsShareAColour(t *testing.T) {
	t.Parallel()
	r := small()
	r.Runs[0].Conditions[0].Share = ok(1.0/3-0.006, 0.32, 0.34)
	r.Runs[0].Conditions = append(r.Runs[0].Conditions,
		experiment.Marginal{Name: "lukewarm 1", Share: ok(0.004, 0.003, 0.005)}, experiment.Marginal{Name: "flush", Share: ok(0.002, 0.001, 0.003)})
	conditions := byID(parse(t, page(t, r)), "conditions")
	require.Equal(t, "coldwarm2 others, each below 1 %", content(all(conditions, "ul")[0]))
	bars := paths(conditions, "#8A939D")
	require.Len(t, bars, 1)
	warm := paths(conditions, "#FEE391")[0]
	require.InDelta(t, 0.006*3/2, (bars[0][1].x-bars[0][0].x)/(warm[1].x-warm[0].x), 0.001)
	require.Contains(t, content(all(conditions, "table")[0]), "flush", "the table has them all")
}

func TestTimesOfZeroAreAtTheLeftEdge(t *testing.T) {
	t.Parallel()
	r := small()
	r.Runs[0].Curves = []experiment.Curve{{Name: "waiting", Points: []experiment.Point{{X: 0, P: 0.8}, {X: 1e-9, P: 0.8001}, {X: 0.001, P: 0.9}, {X: 0.002, P: 1}}}}
	figures := pictures(byID(parse(t, page(t, r)), "distributions"))
	require.Len(t, figures, 1)
	curve := paths(figures[0], "var(--s1)")[0]
	// It begins at 80 %, that is one half of what is left before 90 %.
	last := curve[len(curve)-1].y
	require.InDelta(t, 2, (last-curve[0].y)/(last-curve[2].y), 0.01)
	require.NotContains(t, content(figures[0]), "ns", "one wait of a nanosecond does not stretch the axis")
}

func TestNoFigureOfNothing(t *testing.T) {
	t.Parallel()
	r := small()
	r.Effects = append(r.Effects, experiment.Effect{Name: "same", Metric: "cold_share", Estimate: ok(0, 0, 0)})
	effects := byID(parse(t, page(t, r)), "effects")
	require.Len(t, pictures(effects), 1)
	require.Contains(t, content(effects), "On cold share every difference is exactly 0 in every replication.")
}
