package report_test

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"
	"pgregory.net/rapid"

	"microcosm/cosim/experiment"
	"microcosm/results/report"
)

// drawn returns the figures of one section of the page of a result.
func drawn(t require.TestingT, r *experiment.Result, section string) []*html.Node {
	var b bytes.Buffer
	require.NoError(t, report.HTML(&b, r))
	root, err := html.Parse(&b)
	require.NoError(t, err)
	if byID(root, section) == nil {
		return nil
	}
	return pictures(byID(root, section))
}

// anyCurve draws a distribution of times between 1 µs and 1000 s that ends at 1.
func anyCurve(t *rapid.T) []experiment.Point {
	n := rapid.IntRange(1, 300).Draw(t, "points")
	var curve []experiment.Point
	x, rest := math.Pow(10, rapid.Float64Range(-6, -3).Draw(t, "from")), 1.0
	for range n {
		x *= 1 + math.Pow(10, rapid.Float64Range(-4, -.7).Draw(t, "step"))
		rest *= rapid.Float64Range(.9, 1).Draw(t, "rest")
		curve = append(curve, experiment.Point{X: x, P: 1 - rest})
	}
	curve[n-1].P = 1
	return curve
}

// at is the share of the invocations that take at most x.
func at(curve []experiment.Point, x float64) float64 {
	share := 0.0
	for _, p := range curve {
		if p.X <= x {
			share = p.P
		}
	}
	return share
}

// TestEveryPointOfADrawnCurveLiesOnTheCurve: whatever is thinned away, the staircase
// rises, ends at 1, and is nowhere off by more than a point of the figure; the tail
// is its complement on a logarithmic scale.
func TestEveryPointOfADrawnCurveLiesOnTheCurve(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		curve := anyCurve(t)
		r := result("one curve")
		r.Runs = []experiment.Run{{Name: "run", Curves: []experiment.Curve{{Name: "response", Points: curve}}}}
		figures := drawn(t, r, "distributions")
		require.Len(t, figures, 2)

		path := paths(figures[0], "var(--s1)")[0]
		first, last := path[0], path[len(path)-1]
		lo, hi := leftEnd(curve)/1.15, curve[len(curve)-1].X*1.15
		for i, p := range path {
			if i > 0 {
				require.GreaterOrEqual(t, p.x, path[i-1].x-1e-9, "time goes on")
				require.GreaterOrEqual(t, p.y, path[i-1].y-1e-9, "a distribution rises")
			}
			if i%2 == 0 {
				continue // the upper end of a step; the lower one has the share before it
			}
			x := lo * math.Exp(math.Log(hi/lo)*(p.x-first.x)/(last.x-first.x))
			height := at(curve, lo) + (1-at(curve, lo))*(p.y-first.y)/(last.y-first.y)
			above, below := at(curve, x*math.Exp(math.Log(hi/lo)*.004)), at(curve, x*math.Exp(-math.Log(hi/lo)*.004))
			require.LessOrEqual(t, height, above+.004, "at %v s", x)
			require.GreaterOrEqual(t, height, below-.004, "at %v s", x)
		}

		tail := paths(figures[1], "var(--s1)")[0]
		for i := 1; i < len(tail); i++ {
			require.GreaterOrEqual(t, tail[i].x, tail[i-1].x-1e-9)
			require.LessOrEqual(t, tail[i].y, tail[i-1].y+1e-9, "what takes longer gets less")
		}
	})
}

// leftEnd is the time that the left edge of a figure is made for: that of the
// fastest invocations but for half a per cent.
func leftEnd(curve []experiment.Point) float64 {
	for _, p := range curve {
		if p.P >= .005 {
			return p.X
		}
	}
	return curve[len(curve)-1].X
}

// TestTheTailIsReadOffALogarithmicScale: with 10 % left at 1 s, 1 % at 10 s and
// 0.1 % at 100 s, steps are equally high and equally far apart.
func TestTheTailIsReadOffALogarithmicScale(t *testing.T) {
	t.Parallel()
	r := result("decades")
	r.Runs = []experiment.Run{{Name: "run", Curves: []experiment.Curve{{Name: "response", Points: []experiment.Point{{X: 1, P: .9}, {X: 10, P: .99}, {X: 100, P: .999}, {X: 1000, P: 1}}}}}}
	tail := paths(drawn(t, r, "distributions")[1], "var(--s1)")[0]
	require.Len(t, tail, 8)
	for i := range 3 {
		require.InDelta(t, tail[1].y-tail[2].y, tail[1+2*i].y-tail[2+2*i].y, .02, "a decade of the share is %d times as high", i)
		require.InDelta(t, tail[3].x-tail[1].x, tail[3+2*i].x-tail[1+2*i].x, .02, "a decade of time")
	}
	require.InDelta(t, tail[6].y, tail[7].y, 1e-9, "it ends at the longest time")
}

// TestCurvesOfSeveralRunsShareOneAxis: the same time is at the same place for all.
func TestCurvesOfSeveralRunsShareOneAxis(t *testing.T) {
	t.Parallel()
	step := func(name string, x float64) experiment.Run {
		return experiment.Run{Name: name, Curves: []experiment.Curve{{Name: "service", Points: []experiment.Point{{X: .001, P: .2}, {X: x, P: .5}, {X: 1, P: 1}}}}}
	}
	r := result("two")
	r.Runs = []experiment.Run{step("a", .01), step("b", .1)}
	figure := drawn(t, r, "distributions")[0]
	a, b := paths(figure, "var(--s1)")[0], paths(figure, "var(--s2)")[0]
	require.Len(t, a, 8)
	require.Len(t, b, 8)
	require.Equal(t, a[1], b[1])
	require.Equal(t, a[6].x, b[6].x)
	require.InDelta(t, a[3].x-a[1].x, b[3].x-a[3].x, .02, "1 ms to 10 ms to 100 ms")
	require.InDelta(t, a[4].y, b[4].y, 1e-9)
	require.Contains(t, attr(figure, "aria-label"), "a: half of the invocations within 10 ms, 99 % within 1 s; b: half of the invocations within 100 ms, 99 % within 1 s.")
}

// timelineOf is a result with nothing but means over time.
func timelineOf(width float64, cores int, busy, in []float64) *experiment.Result {
	r := result("over time")
	r.Runs = []experiment.Run{{Name: "run", Timeline: experiment.Timeline{Width: width, Cores: cores, BusyCores: busy, InSystem: in}}}
	return r
}

// TestATimelineIsDrawnToScale: heights are proportional to what they stand for, and
// what is averaged keeps its sum.
func TestATimelineIsDrawnToScale(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		// Up to 180 means are drawn one by one; of n times as many, n are averaged.
		n := rapid.IntRange(1, 4).Draw(t, "averaged")
		count := rapid.IntRange(3, 60).Draw(t, "count") * 3 * n
		if n > 1 {
			count = 180 * n
		}
		in := rapid.SliceOfN(rapid.Float64Range(0, 1000), count, count).Draw(t, "in system")
		for i := range n {
			in[i], in[n+i] = 0, 1000 // marks of zero and of the top
		}
		path := paths(drawn(t, timelineOf(2, 0, nil, in), "time")[0], "var(--s1)")[0]
		require.Len(t, path, count/n)
		zero, unit := path[0].y, (path[1].y-path[0].y)/1000
		want, got := 0.0, 0.0
		for i, p := range path {
			mean := 0.0
			for _, x := range in[i*n : i*n+n] {
				mean += x / float64(n)
			}
			require.InDelta(t, mean, (p.y-zero)/unit, .5+1e-3*mean, "mean %d", i)
			want, got = want+mean, got+(p.y-zero)/unit
			if i > 0 {
				require.InDelta(t, path[1].x-path[0].x, p.x-path[i-1].x, .03, "equal parts are equally wide")
			}
		}
		require.InEpsilon(t, want, got, 1e-2) // a picture has steps of a hundredth of a point
	})
}

// TestAConstantStaysAConstant, however many means are averaged and left over.
func TestAConstantStaysAConstant(t *testing.T) {
	t.Parallel()
	for _, count := range []int{179, 180, 181, 359, 361, 541, 1999} {
		in := slices.Repeat([]float64{5}, count)
		in[0] = 0
		path := paths(drawn(t, timelineOf(1, 0, nil, in), "time")[0], "var(--s1)")[0]
		for _, p := range path[1:] {
			require.InDelta(t, path[1].y, p.y, .011, "%d means", count)
		}
	}
}

func TestUtilizationIsTheShareOfTheCores(t *testing.T) {
	t.Parallel()
	figures := drawn(t, timelineOf(1, 4, []float64{0, 1, 2, 4, 4}, []float64{0, 0, 0, 8, 8}), "time")
	require.Len(t, figures, 2, "no sandboxes")
	in, busy := paths(figures[0], "var(--s1)")[0], paths(figures[1], "var(--s1)")[0]
	require.InDelta(t, in[3].y-in[0].y, busy[3].y-busy[0].y, 1e-6, "all that is in the system, and all cores busy, reach the top")
	require.InDelta(t, (busy[3].y-busy[0].y)/4, busy[1].y-busy[0].y, .02)
	require.Contains(t, attr(figures[1], "aria-label"), "run: at most 100 %.")
	require.Contains(t, attr(figures[0], "aria-label"), "run: at most 8.")
	require.Empty(t, drawn(t, timelineOf(1, 0, []float64{1}, nil), "time"), "shares of no cores")
	require.Empty(t, drawn(t, timelineOf(0, 1, []float64{1}, []float64{1}), "time"), "parts without length")
}

// TestWhatIsNoNumberIsLeftOutOfALine, and the others stay at their times.
func TestWhatIsNoNumberIsLeftOutOfALine(t *testing.T) {
	t.Parallel()
	whole := paths(drawn(t, timelineOf(1, 0, nil, []float64{1, 2, 3, 4}), "time")[0], "var(--s1)")[0]
	for name, gap := range map[string]float64{"not a number": math.NaN(), "infinite": math.Inf(1), "below nothing": -1} {
		path := paths(drawn(t, timelineOf(1, 0, nil, []float64{1, gap, 3, 4}), "time")[0], "var(--s1)")[0]
		require.Equal(t, []point{whole[0], whole[2], whole[3]}, path, name)
	}
}

func TestTheTimeAxisHasTheUnitOfTheRun(t *testing.T) {
	t.Parallel()
	for width, want := range map[float64][]string{
		1e-7: {"0 ns", "100 ns", "200 ns", "300 ns", "400 ns"}, 1e-3: {"0 ms", "1 ms", "2 ms", "3 ms", "4 ms"},
		60: {"0 min", "1 min", "2 min", "3 min", "4 min"}, 3600: {"0 h", "1 h", "2 h", "3 h", "4 h"}, 86400: {"0 d", "1 d", "2 d", "3 d", "4 d"},
	} {
		var labels []string
		for _, n := range all(drawn(t, timelineOf(width, 0, nil, []float64{1, 1, 1, 1}), "time")[0], "text") {
			if s := content(n); strings.Contains(s, " ") && !slices.Contains(labels, s) {
				labels = append(labels, s)
			}
		}
		require.Equal(t, want, labels, "parts of %v s", width)
	}
}

// TestTheBarsOfARunAddUp: each condition has its share of the axis, side by side,
// and rounding leaves none beyond its end.
func TestTheBarsOfARunAddUp(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 8).Draw(t, "conditions")
		weights := rapid.SliceOfN(rapid.Float64Range(.2, 1), n, n).Draw(t, "weights")
		total := 0.0
		for _, w := range weights {
			total += w
		}
		r := result("shares")
		r.Runs = []experiment.Run{{Name: "run"}}
		names := []string{"cold", "warm", "lukewarm 1", "lukewarm 2", "lukewarm 3", "lukewarm 4", "lukewarm 5", "flush"}
		for i, w := range weights {
			share := w / total * rapid.Float64Range(1, 1.0001).Draw(t, "rounding")
			r.Runs[0].Conditions = append(r.Runs[0].Conditions, experiment.Marginal{Name: names[i], Share: ok(share, share, share)})
		}
		bars := bars(drawn(t, r, "conditions")[0])
		require.Len(t, bars, n)
		from, length := bars[0][0], bars[n-1][1]-bars[0][0]
		require.LessOrEqual(t, length, 360.0)
		for i, bar := range bars {
			require.InDelta(t, from, bar[0], .02, "bar %d begins where the one before it ends", i)
			require.InDelta(t, weights[i]/total, (bar[1]-bar[0])/length, .001)
			from = bar[1]
		}
	})
}

// bars returns the left and the right end of every bar of a figure, in order.
func bars(figure *html.Node) (ends [][2]float64) {
	for _, n := range all(figure, "path") {
		if !strings.Contains(attr(n, "style"), "fill:#") {
			continue
		}
		var p [][2]float64
		for _, m := range coordinates.FindAllStringSubmatch(attr(n, "d"), -1) {
			var x, y float64
			if _, err := fmt.Sscan(m[1], &x); err != nil {
				return nil
			}
			if _, err := fmt.Sscan(m[2], &y); err != nil {
				return nil
			}
			p = append(p, [2]float64{x, y})
		}
		ends = append(ends, [2]float64{p[0][0], p[1][0]})
	}
	return ends
}

// TestRunsBeyondTheColoursHaveDashes: sixteen runs are told apart by colour and
// dashes together.
func TestRunsBeyondTheColoursHaveDashes(t *testing.T) {
	t.Parallel()
	r := small()
	one := r.Runs[0]
	r.Runs, r.Effects = nil, nil
	for i := range 20 {
		one.Name = fmt.Sprint("run ", i)
		r.Runs = append(r.Runs, one)
	}
	root := parse(t, page(t, r))
	legend := all(byID(root, "distributions"), "ul")[0]
	seen := map[string]bool{}
	for _, n := range all(legend, "line") {
		require.False(t, seen[attr(n, "style")], attr(n, "style"))
		seen[attr(n, "style")] = true
	}
	require.Len(t, seen, 16)
	require.Contains(t, content(byID(root, "distributions")), "Figures show the first 16 runs; the tables show all 20.")
}
