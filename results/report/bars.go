package report

import (
	"image/color"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"microcosm/cosim/experiment"
	"microcosm/cosim/metrics"
)

// rowHeight is the height of a bar or an interval with its label above it.
const rowHeight = 36 * vg.Length(1)

// rare is the share below which, in every run, a condition gets no colour of its
// own.
const rare = 0.01

var rareColour = color.RGBA{R: 0x8A, G: 0x93, B: 0x9D, A: 0xFF}

// conditionColours gives conditions their colours. Cold is apart; the others lie
// on a scale from warm, light, to flush, dark, which is the scale of what the
// core has forgotten, and differ in lightness for the colour-blind (after
// "YlOrRd" of Brewer and Harrower, ColorBrewer.org). Rare ones share one colour.
func conditionColours(x crossing) map[string]color.RGBA {
	colours := map[string]color.RGBA{}
	var scale []string
	for _, n := range x.names {
		most := 0.0
		for i := range x.result.Runs {
			if m := x.at[i][n]; m != nil && known(m.Share.Est) {
				most = max(most, m.Share.Est)
			}
		}
		switch {
		case most < rare:
			colours[n] = rareColour
		case n == "cold":
			colours[n] = color.RGBA{R: 0x2B, G: 0x6C, B: 0xB0, A: 0xFF}
		default:
			scale = append(scale, n)
		}
	}
	for i, n := range scale {
		at := 0.0
		if len(scale) > 1 {
			at = float64(i) / float64(len(scale)-1)
		}
		colours[n] = ramp(at)
	}
	return colours
}

var rampColours = []color.RGBA{
	{0xFE, 0xE3, 0x91, 0xFF}, {0xFD, 0xB8, 0x5A, 0xFF}, {0xF1, 0x7C, 0x35, 0xFF}, {0xCB, 0x3E, 0x2A, 0xFF}, {0x80, 0x12, 0x2E, 0xFF},
}

func ramp(at float64) color.RGBA {
	position := at * float64(len(rampColours)-1)
	i := min(int(position), len(rampColours)-2)
	mix := func(a, b uint8) uint8 {
		return uint8(math.Round(float64(a) + (position-float64(i))*(float64(b)-float64(a))))
	}
	a, b := rampColours[i], rampColours[i+1]
	return color.RGBA{mix(a.R, b.R), mix(a.G, b.G), mix(a.B, b.B), 0xFF}
}

// rows is a figure of labelled rows over a common horizontal axis.
type rows struct {
	labels []string
	number []string  // at the right of each row; nil for none
	left   vg.Length // room for half of the first tick's label
	right  vg.Length // room for the numbers
	paint  func(c draw.Canvas, p *plot.Plot, row int, y vg.Length)
}

// Plot implements plot.Plotter.
func (r rows) Plot(c draw.Canvas, p *plot.Plot) {
	for i, label := range r.labels {
		top := c.Max.Y - vg.Length(i)*rowHeight
		style := words(inkText, text.XLeft)
		c.FillText(style, vg.Point{X: c.Min.X - r.left, Y: top - letter - 2}, shorten(label, style, r.left+c.Max.X-c.Min.X+r.right))
		y := top - letter - (rowHeight-letter)/2
		r.paint(c, p, i, y)
		if r.number != nil {
			style = words(inkMuted, text.XLeft)
			c.FillText(style, vg.Point{X: c.Max.X + 8, Y: y - letter/3}, shorten(r.number[i], style, r.right-8))
		}
	}
}

func (r rows) picture(p *plot.Plot, alt string) (figure, error) {
	p.Y.Min, p.Y.Max = 0, 1
	p.HideY()
	// The plot keeps room for the label of the last tick, but not of the first.
	for _, t := range p.X.Tick.Marker.Ticks(p.X.Min, p.X.Max) {
		at := vg.Length(p.X.Norm(t.Value)) * (figureWidth - r.right)
		r.left = max(r.left, p.X.Tick.Label.Width(t.Label)/2-at)
	}
	p.Add(r)
	height := vg.Length(len(r.labels))*rowHeight + 22
	svg, err := picture(figureWidth, height, alt, func(c draw.Canvas) {
		p.Draw(draw.Crop(c, r.left+2, -r.right-4, 0, 0))
	})
	return figure{Picture: svg}, err
}

// shareBars draws, per run, the shares of the conditions as one bar.
func shareBars(runs []experiment.Run, x crossing) (figure, bool, error) {
	if len(x.names) == 0 {
		return figure{}, false, nil
	}
	colours := conditionColours(x)
	r := rows{right: 8}
	var alt []string
	var shown []int
	for i := range runs[:min(len(runs), maxDrawn)] {
		if len(x.at[i]) > 0 {
			shown = append(shown, i)
			r.labels = append(r.labels, clean(runs[i].Name))
			alt = append(alt, inShares(clean(runs[i].Name), x, i))
		}
	}
	r.paint = func(c draw.Canvas, p *plot.Plot, row int, y vg.Length) {
		from, others := 0.0, 0.0
		part := func(share float64, colour color.RGBA) {
			to := min(from+share, 1)
			a, b := c.X(p.X.Norm(from)), c.X(p.X.Norm(to))
			c.FillPolygon(colour, []vg.Point{{X: a, Y: y - 7}, {X: b, Y: y - 7}, {X: b, Y: y + 7}, {X: a, Y: y + 7}})
			if from > 0 {
				c.StrokeLine2(line(inkPaper, 0.75), a, y-7, a, y+7)
			}
			from = to
		}
		for _, name := range x.names {
			switch m := x.at[shown[row]][name]; {
			case m == nil || !known(m.Share.Est) || m.Share.Est <= 0:
			case colours[name] == rareColour:
				others += m.Share.Est
			default:
				part(m.Share.Est, colours[name])
			}
		}
		if others > 0 {
			part(others, rareColour)
		}
	}
	p := chart()
	p.X.Min, p.X.Max = 0, 1
	p.X.Tick.Marker = linearTicks(0, 1, 4, percent)
	f, err := r.picture(p, "Share of the conditions in which invocations started. "+strings.Join(alt, "; ")+".")
	f.Caption = "Conditions in which invocations started"
	return f, true, err
}

func inShares(run string, x crossing, i int) string {
	var parts []string
	for _, name := range x.names {
		if m := x.at[i][name]; m != nil && known(m.Share.Est) {
			parts = append(parts, clean(name)+" "+percent(m.Share.Est))
		}
	}
	return run + ": " + strings.Join(parts, ", ")
}

// nothing reports whether every effect is exactly 0.
func nothing(effects []experiment.Effect) bool {
	return !slices.ContainsFunc(effects, func(e experiment.Effect) bool { return verdict(e.Estimate) != exactlyZero })
}

// forest draws effects on one metric: a point with its interval each, beside the
// line of no effect.
func forest(effects []experiment.Effect) (figure, error) {
	lo, hi := 0.0, 0.0
	for _, e := range effects {
		if pointed(e) {
			lo, hi = min(lo, e.Estimate.Lo), max(hi, e.Estimate.Hi)
		}
	}
	level := hi-lo < 1e-15 // nothing but zeros
	if level {
		lo, hi = -1, 1
	}
	margin := (hi - lo) * 0.05
	lo, hi = lo-margin, hi+margin
	scale := effectScale(effects[0], max(-lo, hi))
	var r rows
	var alt []string
	for _, e := range effects {
		c := cellOf(e.Estimate, effectScale(e, magnitude(e.Estimate)), true)
		number := c.amount.String()
		if c.word != "" {
			number = c.word
		}
		r.labels = append(r.labels, clean(e.Name))
		r.number = append(r.number, minus(number))
		r.right = max(r.right, words(inkMuted, text.XLeft).Width(minus(number))+10)
		alt = append(alt, clean(e.Name)+": "+number+", "+verdict(e.Estimate))
	}
	r.right = min(r.right, figureWidth/2)
	r.paint = func(c draw.Canvas, p *plot.Plot, row int, y vg.Length) {
		c.StrokeLine2(line(inkMuted, 0.75), c.X(p.X.Norm(0)), y-9, c.X(p.X.Norm(0)), y+9)
		if pointed(effects[row]) {
			whiskers(c, p, effects[row].Estimate, y)
		}
	}
	p := chart()
	p.X.Min, p.X.Max = lo, hi
	p.X.Tick.Marker = linearTicks(lo, hi, 4, func(x float64) string {
		return minus(trimmed(significant(x*scale.factor, digits)) + " " + scale.unit)
	})
	if level {
		p.X.Tick.Marker = ticks{{Value: 0, Label: "0"}}
	}
	f, err := r.picture(p, "Effects on "+label(effects[0].Metric)+". "+strings.Join(alt, "; ")+".")
	f.Caption = "Effects on " + label(effects[0].Metric)
	return f, err
}

// whiskers draws an estimate as a dot on the line of its interval.
func whiskers(c draw.Canvas, p *plot.Plot, e metrics.Estimate, y vg.Length) {
	a, b, at := c.X(p.X.Norm(e.Lo)), c.X(p.X.Norm(e.Hi)), c.X(p.X.Norm(e.Est))
	stroke := line(inkSeries, 1.5)
	c.StrokeLine2(stroke, a, y, b, y)
	c.StrokeLine2(stroke, a, y-4, a, y+4)
	c.StrokeLine2(stroke, b, y-4, b, y+4)
	c.DrawGlyphNoClip(draw.GlyphStyle{Color: inkSeries, Radius: 3, Shape: draw.CircleGlyph{}}, vg.Point{X: at, Y: y})
}

// pointed reports whether a forest can show the effect.
func pointed(e experiment.Effect) bool {
	x := e.Estimate
	return stands(x) && drawable(x.Est) && drawable(x.Lo) && drawable(x.Hi)
}

// minus writes negative numbers with the sign that is as wide as a plus.
func minus(s string) string {
	s = strings.ReplaceAll(s, "[-", "[−")
	s = strings.ReplaceAll(s, " -", " −")
	if strings.HasPrefix(s, "-") {
		s = "−" + s[1:]
	}
	return s
}
