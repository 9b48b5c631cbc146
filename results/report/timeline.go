package report

import (
	"fmt"
	"strings"

	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg/draw"

	"microcosm/cosim/experiment"
)

// overTime is one quantity of the timeline.
type overTime struct {
	caption string
	share   bool
	of      func(*experiment.Timeline) []float64
}

var quantities = []overTime{
	{"Invocations in the system", false, func(t *experiment.Timeline) []float64 { return t.InSystem }},
	{"Sandboxes", false, func(t *experiment.Timeline) []float64 { return t.Sandboxes }},
	{"Utilization: share of the cores that is busy", true, func(t *experiment.Timeline) []float64 {
		if t.Cores <= 0 {
			return nil
		}
		shares := make([]float64, len(t.BusyCores))
		for i, busy := range t.BusyCores {
			shares[i] = busy / float64(t.Cores)
		}
		return shares
	}},
}

// maxBuckets is how many means over time a line shows; more are averaged.
const maxBuckets = 180

// timeline draws one quantity over time, a line per run.
func timeline(runs []drawn, q overTime) (figure, bool, error) {
	p := chart()
	var end, most float64
	var alt []string
	p.X.Min, p.Y.Min = 0, 0
	lines := make([]plotter.XYs, len(runs))
	for i, d := range runs {
		t := &d.run.Timeline
		means, width := thinned(q.of(t), t.Width)
		if len(means) == 0 || !(t.Width >= shortest && t.Width <= longest) {
			continue
		}
		high := 0.0
		for j, y := range means {
			if !drawable(y) || y < 0 {
				continue
			}
			lines[i] = append(lines[i], plotter.XY{X: (float64(j) + 0.5) * width, Y: y})
			high = max(high, y)
		}
		end, most = max(end, t.Width*float64(len(q.of(t)))), max(most, high)
		alt = append(alt, d.name+": at most "+q.name(high))
	}
	if alt == nil {
		return figure{}, false, nil
	}
	if most < 1e-9 || q.share {
		most = max(most, 1)
	}
	unit := clockFor(end)
	p.X.Tick.Marker = linearTicks(0, end/unit.seconds, 5, func(x float64) string { return trimmed(significant(x, digits)) + " " + unit.name })
	p.Y.Tick.Marker = linearTicks(0, most, 4, q.name)
	grid(p)
	for i, points := range lines {
		if points == nil {
			continue
		}
		for j := range points {
			points[j].X /= unit.seconds
		}
		l, err := plotter.NewLine(points)
		if err != nil {
			return figure{}, false, fmt.Errorf("draw the timeline of run %s: %w", runs[i].name, err)
		}
		l.LineStyle = runs[i].pen.style()
		p.Add(l)
	}
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = 0, end/unit.seconds, 0, most*1.02
	svg, err := picture(figureWidth, figureHeight, q.caption+" over time. "+strings.Join(alt, "; ")+".", func(c draw.Canvas) { p.Draw(c) })
	return figure{q.caption, svg}, true, err
}

func (q overTime) name(y float64) string {
	if q.share {
		return percent(y)
	}
	return trimmed(significant(y, digits))
}

// thinned averages neighbours until at most maxBuckets are left.
func thinned(means []float64, width float64) ([]float64, float64) {
	n := (len(means) + maxBuckets - 1) / maxBuckets
	if n <= 1 {
		return means, width
	}
	var out []float64
	for i := 0; i < len(means); i += n {
		part := means[i:min(i+n, len(means))]
		sum := 0.0
		for _, m := range part {
			sum += m
		}
		out = append(out, sum/float64(len(part)))
	}
	return out, width * float64(n)
}

type clock struct {
	name    string
	seconds float64
}

// clockFor returns the unit in which a run of this length is told.
func clockFor(end float64) clock {
	for _, c := range []clock{{"d", 86400}, {"h", 3600}, {"min", 60}, {"s", 1}, {"ms", 1e-3}, {"µs", 1e-6}} {
		if end >= 2*c.seconds {
			return c
		}
	}
	return clock{"ns", 1e-9}
}
