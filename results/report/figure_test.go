package report_test

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"microcosm/cosim/experiment"
)

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
