package report

import (
	"html/template"
	"image/color"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Every figure is as wide as a phone, so that its letters are as large as those
// around it everywhere; a wide page shows several side by side.
const (
	figureWidth  = 360 * vg.Length(1)
	figureHeight = 220 * vg.Length(1)
	letter       = 11 * vg.Length(1)
)

// figure is a picture with its caption.
type figure struct {
	Caption string
	Picture template.HTML
}

// chart is an empty plot in the page's style.
func chart() *plot.Plot {
	p := plot.New()
	p.BackgroundColor = nil
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Tick.Label.Font = sans()
		a.Tick.Label.Color = inkMuted
		a.Tick.LineStyle = line(inkGrid, 0.75)
		a.Tick.Length = 3
		a.LineStyle = line(inkGrid, 0.75)
		a.Label.TextStyle.Font = sans()
		a.Padding = 0
	}
	return p
}

func sans() font.Font { return font.From(font.Font{Typeface: "Liberation", Variant: "Sans"}, letter) }

func line(c color.Color, width vg.Length) draw.LineStyle {
	return draw.LineStyle{Color: c, Width: width}
}

// words is the style of text that is written on a figure.
func words(c color.Color, x text.XAlignment) text.Style {
	return text.Style{Color: c, Font: sans(), XAlign: x, YAlign: text.YBottom, Handler: plot.DefaultTextHandler}
}

// shorten cuts words so that they fit, and says so by an ellipsis.
func shorten(s string, style text.Style, room vg.Length) string {
	if style.Width(s) <= room {
		return s
	}
	runes := []rune(s)
	for len(runes) > 0 && style.Width(string(runes)+"…") > room {
		runes = runes[:len(runes)-1]
	}
	return string(runes) + "…"
}

// grid draws a line at every labelled tick.
func grid(p *plot.Plot) {
	g := plotter.NewGrid()
	g.Vertical, g.Horizontal = line(inkGrid, 0.5), line(inkGrid, 0.5)
	p.Add(g)
}

// pen is how a run's lines look: its colour and its dashes.
type pen struct {
	ink    ink
	dashes []vg.Length
}

var dashes = [][]vg.Length{nil, {5, 2.5}, {1.5, 2}, {7, 2, 1.5, 2}}

// penOf gives runs that differ in one of two factors only the same colour or the
// same dashes; otherwise colours go first. Dashes tell apart what colours alone
// do not, for readers and for printers.
func penOf(run int, levels [2]int, two bool) pen {
	if two {
		return pen{inkSeries + ink(levels[0]), dashes[levels[1]]}
	}
	return pen{inkSeries + ink(run%seriesInks), dashes[run/seriesInks%len(dashes)]}
}

func (n pen) style() draw.LineStyle {
	s := line(n.ink, 1.6)
	s.Dashes = n.dashes
	return s
}

// CSS is the pen as style of a line of the legend.
func (n pen) CSS() template.CSS {
	css := "stroke:" + n.ink.variable()
	for i, d := range n.dashes {
		separator := ","
		if i == 0 {
			separator = ";stroke-dasharray:"
		}
		css += separator + significant(float64(d), 2)
	}
	return template.CSS(css) // made of constants
}

// ticks are the labelled and unlabelled marks of an axis.
type ticks []plot.Tick

func (t ticks) Ticks(_, _ float64) []plot.Tick { return t }

// drawable reports whether a linear axis can show x among others.
func drawable(x float64) bool { return math.Abs(x) <= 1e15 }

// linearTicks marks round numbers between lo and hi, about n of them, with the
// labels that name gives them.
func linearTicks(lo, hi float64, n int, name func(float64) string) ticks {
	var marks ticks
	if !(hi-lo > 1e-15*max(math.Abs(lo), math.Abs(hi), 1e-15)) {
		return marks
	}
	step := roundStep((hi - lo) / float64(n))
	for i := math.Ceil(lo/step - 1e-9); i*step <= hi+step*1e-9; i++ {
		marks = append(marks, plot.Tick{Value: i * step, Label: name(i * step)})
	}
	return marks
}

// roundStep returns 1, 2, 2.5 or 5 times the power of ten that is next above x.
func roundStep(x float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(x)))
	for _, m := range []float64{1, 2, 2.5, 5} {
		if m*power >= x*(1-1e-9) {
			return m * power
		}
	}
	return 10 * power
}

// logTicks marks powers of ten between lo and hi, and where these are few also 2
// and 5 times them.
func logTicks(lo, hi float64, name func(float64) string) ticks {
	from, to := math.Floor(math.Log10(lo)), math.Ceil(math.Log10(hi))
	decades := math.Log10(hi / lo)
	every := math.Ceil((to - from) / 7)
	var marks ticks
	for e := from; e <= to; e++ {
		for m := 1.0; m < 10; m++ {
			// math.Pow10 is exact, the product correctly rounded.
			t := plot.Tick{Value: m * math.Pow10(int(e))}
			switch {
			case m == 1 && math.Mod(e-from, every) == 0,
				(m == 2 || m == 5) && decades < 2.2,
				decades < 0.5:
				t.Label = name(t.Value)
			case every > 1:
				continue
			}
			if lo <= t.Value && t.Value <= hi {
				marks = append(marks, t)
			}
		}
	}
	return marks
}

// seconds names an instant or a duration on an axis.
func seconds(x float64) string {
	s := scaleFor("", "s", math.Abs(x))
	return trimmed(significant(x*s.factor, digits)) + " " + s.unit
}

// percent names a share on an axis.
func percent(x float64) string { return trimmed(significant(100*x, digits)) + " %" }
