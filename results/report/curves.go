package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg/draw"

	"microcosm/cosim/experiment"
)

// drawn is a run that takes part in figures.
type drawn struct {
	name string
	pen  pen
	run  *experiment.Run
}

// maxDrawn is how many runs a figure shows: with more, nobody tells them apart.
const maxDrawn = 16

// drawnRuns gives each of the first runs its pen.
func drawnRuns(r *experiment.Result) []drawn {
	two := len(r.Factors) == 2 && len(r.Factors[0].Levels) <= seriesInks && len(r.Factors[1].Levels) <= len(dashes)
	runs := make([]drawn, min(len(r.Runs), maxDrawn))
	at := make([][2]int, len(runs))
	for i := range runs {
		for j := 0; two && j < 2; j++ {
			if len(r.Runs[i].Levels) == 2 {
				at[i][j] = slices.Index(r.Factors[j].Levels, r.Runs[i].Levels[j])
			} else {
				at[i][j] = -1
			}
			two = two && at[i][j] >= 0
		}
	}
	for i := range runs {
		runs[i] = drawn{clean(r.Runs[i].Name), penOf(i, at[i], two), &r.Runs[i]}
	}
	return runs
}

// curveOf returns the points of one of a run's curves, as far as they rise;
// nothing for an unstable run, whose distribution says only how long the run was.
func curveOf(run *experiment.Run, name string) []experiment.Point {
	if run.Unstable != "" {
		return nil
	}
	for _, c := range run.Curves {
		if c.Name != name {
			continue
		}
		var before experiment.Point
		for i, p := range c.Points {
			if !(p.X >= before.X && p.P >= before.P && p.X <= longest && p.P <= 1) {
				return c.Points[:i]
			}
			before = p
		}
		return c.Points
	}
	return nil
}

// Times outside of these bounds, in seconds, cannot be drawn; shorter ones are 0.
const (
	shortest = 1e-12
	longest  = 1e12
)

// hidden is the share of the fastest invocations, but for those of time 0, that
// may lie left of a figure: a few waits of some nanoseconds would press all else
// to its right edge.
const hidden = 0.005

// curveRange returns the range of the positive times of all runs, and false where
// there are none.
func curveRange(runs []drawn, name string) (lo, hi float64, ok bool) {
	lo, hi = math.Inf(1), 0
	for _, d := range runs {
		zero, first := 0.0, math.Inf(1)
		for _, p := range curveOf(d.run, name) {
			if p.X < shortest {
				zero = p.P
				continue
			}
			if p.P >= zero+hidden*(1-zero) {
				first = min(first, p.X)
			}
			hi = max(hi, p.X)
		}
		lo = min(lo, first)
	}
	if hi == 0 || math.IsInf(lo, 0) {
		return 0, 0, false
	}
	return lo / 1.15, hi * 1.15, true
}

// cumulative draws the distributions of one time: the share of the invocations
// that take at most x. With tail it draws the share that takes longer, on a
// logarithmic scale.
func cumulative(runs []drawn, name string, tail bool) (figure, bool, error) {
	lo, hi, ok := curveRange(runs, name)
	if !ok {
		return figure{}, false, nil
	}
	p := chart()
	p.X.Min, p.X.Max = lo, hi
	p.X.Scale = plot.LogScale{}
	p.X.Tick.Marker = logTicks(lo, hi, seconds)
	caption := upperFirst(name) + " time: share of the invocations that take at most x"
	p.Y.Min, p.Y.Max = 0, 1
	p.Y.Tick.Marker = linearTicks(0, 1, 4, percent)
	floor := 0.0
	if tail {
		caption = upperFirst(name) + " time, tail: share of the invocations that take longer"
		floor = tailFloor(runs, name)
		p.Y.Min = floor
		p.Y.Scale = plot.LogScale{}
		p.Y.Tick.Marker = logTicks(floor, 1, percent)
	}
	grid(p)
	for _, d := range runs {
		points := steps(curveOf(d.run, name), lo, hi, floor)
		if points == nil {
			continue
		}
		l, err := plotter.NewLine(points)
		if err != nil {
			return figure{}, false, fmt.Errorf("draw the %s time of run %s: %w", name, d.name, err)
		}
		l.LineStyle = d.pen.style()
		p.Add(l)
	}
	// Adding data widened the ranges by what lies outside of them.
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = lo, hi, floor, 1
	svg, err := picture(figureWidth, figureHeight, caption+". "+inQuantiles(runs, name), func(c draw.Canvas) { p.Draw(c) })
	return figure{caption, svg}, true, err
}

// tailFloor is the least share that the tail's axis shows: what the curves
// resolve, at most six decades.
func tailFloor(runs []drawn, name string) float64 {
	least := 0.1
	for _, d := range runs {
		for _, p := range curveOf(d.run, name) {
			if rest := 1 - p.P; rest > 1e-12 {
				least = min(least, rest)
			}
		}
	}
	return max(1e-6, math.Pow(10, math.Floor(math.Log10(least)+1e-9)))
}

// steps is the curve as a staircase between lo and hi, thinned to what the eye
// resolves. With a floor it is the complement on a logarithmic scale down to it.
func steps(curve []experiment.Point, lo, hi, floor float64) plotter.XYs {
	if len(curve) == 0 {
		return nil
	}
	height := func(p float64) float64 {
		if floor > 0 {
			return max(1-p, floor)
		}
		return p
	}
	scale := func(y float64) float64 { // height on the figure, 0 to 1
		if floor > 0 {
			return math.Log(y) / -math.Log(floor)
		}
		return y
	}
	const thin = 0.003 // of the figure's width and height: a point or less
	at, y := lo, height(0)
	var rest []experiment.Point
	for i, p := range curve {
		if p.X > lo {
			rest = curve[i:]
			break
		}
		y = height(p.P)
	}
	points := plotter.XYs{{X: at, Y: y}}
	for i, p := range rest {
		next := height(p.P)
		far := math.Log(p.X/at)/math.Log(hi/lo) >= thin || math.Abs(scale(next)-scale(y)) >= thin
		if p.X > hi || !far && i < len(rest)-1 {
			continue
		}
		points = append(points, plotter.XY{X: p.X, Y: y}, plotter.XY{X: p.X, Y: next})
		at, y = p.X, next
	}
	if floor > 0 && y <= floor { // the longest of all: nothing takes longer
		return points[:len(points)-1]
	}
	return append(points, plotter.XY{X: hi, Y: y})
}

// inQuantiles says a figure's curves in words, for those who cannot see it.
func inQuantiles(runs []drawn, name string) string {
	var parts []string
	for _, d := range runs {
		curve := curveOf(d.run, name)
		if len(curve) == 0 {
			continue
		}
		parts = append(parts, fmt.Sprintf("%s: half of the invocations within %s, 99 %% within %s",
			d.name, seconds(within(curve, 0.5)), seconds(within(curve, 0.99))))
	}
	return strings.Join(parts, "; ") + "."
}

func within(curve []experiment.Point, p float64) float64 {
	for _, q := range curve {
		if q.P >= p {
			return q.X
		}
	}
	return curve[len(curve)-1].X
}
