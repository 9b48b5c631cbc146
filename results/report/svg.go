package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"html"
	"html/template"
	"io"
	"regexp"
	"strings"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// ink is a colour by its role. The page's style sheet gives each role a colour
// for light and for dark surroundings.
type ink uint8

const (
	inkText ink = iota
	inkMuted
	inkGrid
	inkPaper
	inkSeries  // the first of seriesInks
	seriesInks = 8
)

// RGBA implements color.Color. The colour is a mark that inline replaces by the
// role's variable; nobody sees it.
func (i ink) RGBA() (r, g, b, a uint32) { return 0xFDFD, 0, uint32(i) * 0x101, 0xFFFF }

// variable is the name of the role in the style sheet.
func (i ink) variable() string {
	switch i {
	case inkText:
		return "var(--text)"
	case inkMuted:
		return "var(--muted)"
	case inkGrid:
		return "var(--grid)"
	case inkPaper:
		return "var(--paper)"
	default:
		return fmt.Sprintf("var(--s%d)", i-inkSeries+1)
	}
}

var marked = regexp.MustCompile(`^#FD00([0-9A-F]{2})$`)

// picture draws on a canvas of w by h points and returns it as an SVG element
// that scales with its surroundings. alt says in words what it shows.
func picture(w, h vg.Length, alt string, paint func(draw.Canvas)) (template.HTML, error) {
	canvas := vgsvg.New(w, h)
	paint(draw.New(canvas))
	var text bytes.Buffer
	if _, err := canvas.WriteTo(&text); err != nil {
		return "", fmt.Errorf("draw %s: %w", alt, err)
	}
	return inline(&text, alt)
}

// inline turns an SVG document into an element of a page. It writes elements and
// attributes anew, so that nothing but the drawing itself comes through: names
// from outside are text, and roles of ink are variables of the style sheet.
func inline(document io.Reader, alt string) (template.HTML, error) {
	var out strings.Builder
	in := xml.NewDecoder(document)
	for {
		token, err := in.Token()
		if errors.Is(err, io.EOF) {
			return template.HTML(out.String()), nil // every part was escaped
		}
		if err != nil {
			return "", fmt.Errorf("read the drawing of %s: %w", alt, err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			out.WriteString("<" + t.Name.Local)
			for _, a := range t.Attr {
				if value := attribute(t.Name.Local, a); value != "" {
					out.WriteString(" " + a.Name.Local + `="` + html.EscapeString(value) + `"`)
				}
			}
			if t.Name.Local == "svg" {
				out.WriteString(` role="img" aria-label="` + html.EscapeString(alt) + `"`)
			}
			out.WriteString(">")
		case xml.EndElement:
			out.WriteString("</" + t.Name.Local + ">")
		case xml.CharData:
			if s := strings.TrimSpace(string(t)); s != "" {
				out.WriteString(html.EscapeString(s))
			}
		}
	}
}

// attribute returns what is kept of an attribute, "" for nothing.
func attribute(element string, a xml.Attr) string {
	switch {
	case a.Name.Space != "" || a.Name.Local == "xmlns":
		return ""
	case element == "svg" && a.Name.Local != "viewBox":
		return ""
	case a.Name.Local == "style":
		return style(a.Value)
	default:
		return a.Value
	}
}

// style keeps what differs from the style sheet's own rules.
func style(text string) string {
	var kept []string
	for _, declaration := range strings.Split(text, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(declaration), ":")
		value = strings.TrimSpace(value)
		switch name {
		case "", "font-family", "font-variant", "font-style":
			continue
		case "font-weight":
			if value == "normal" {
				continue
			}
		}
		if m := marked.FindStringSubmatch(value); m != nil {
			var role ink
			// The pattern has two hexadecimal digits: nothing can go wrong.
			_, _ = fmt.Sscanf(m[1], "%X", &role)
			value = role.variable()
		}
		kept = append(kept, name+":"+value)
	}
	return strings.Join(kept, ";")
}
