package report_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
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

func TestManyRunsKeepTheirTables(t *testing.T) {
	t.Parallel()
	r := small()
	for i := range 40 {
		run := r.Runs[0]
		run.Name = fmt.Sprint("run ", i)
		r.Runs = append(r.Runs, run)
	}
	root := parse(t, page(t, r))
	require.Len(t, all(all(byID(root, "runs"), "tbody")[0], "tr"), 41, "a row per run")
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
