package report

import (
	"fmt"
	"math"
	"strings"

	"github.com/mattn/go-runewidth"
)

// ruler measures text the same way under every locale.
var ruler = &runewidth.Condition{StrictEmojiNeutral: true}

func width(s string) int { return ruler.StringWidth(s) }

func pad(s string, n int) string { return s + strings.Repeat(" ", max(0, n-width(s))) }

func padLeft(s string, n int) string { return strings.Repeat(" ", max(0, n-width(s))) + s }

// wrap breaks text at spaces, but not those in brackets, into lines of at most n
// columns; a word that is longer is broken where the line ends.
func wrap(text string, n int) []string {
	n = max(n, 8)
	var lines []string
	line := ""
	for _, word := range unbroken(text, n) {
		for width(word) > n {
			head := ruler.Truncate(word, n, "")
			if line != "" {
				lines, line = append(lines, line), ""
			}
			lines, word = append(lines, head), word[len(head):]
		}
		switch {
		case line == "":
			line = word
		case width(line)+1+width(word) <= n:
			line += " " + word
		default:
			lines, line = append(lines, line), word
		}
	}
	if line != "" || lines == nil {
		lines = append(lines, line)
	}
	return lines
}

// unbroken splits text at spaces into words; "[11.9, 12.7]" is one word if it
// fits a line.
func unbroken(text string, n int) []string {
	var list []string
	for _, word := range strings.Fields(text) {
		if last := len(list) - 1; last >= 0 && strings.LastIndex(list[last], "[") > strings.LastIndex(list[last], "]") &&
			width(list[last])+1+width(word) <= n {
			list[last] += " " + word
			continue
		}
		list = append(list, word)
	}
	return list
}

// laid is a cell as text: a number, aligned right, and its interval, aligned
// left; or words, aligned left over both.
type laid struct{ number, interval, words string }

// lay makes text of a cell. Narrow, it marks a missing interval by [?] and leaves
// the words to the list of reasons.
func (p *printer) lay(c cell, narrow bool) laid {
	switch {
	case c.text != "" && !math.IsNaN(c.key): // a count
		return laid{number: c.text}
	case c.text != "":
		return laid{words: c.text}
	case c.word == "" && c.amount.lo != "":
		return laid{number: c.amount.withUnit(), interval: "[" + c.amount.lo + ", " + c.amount.hi + "]"}
	}
	n := p.reasons.of(c.reason)
	if c.amount.value == "" {
		return laid{words: fmt.Sprintf("%s (%d)", c.word, n)}
	}
	if narrow && !c.bound {
		return laid{number: c.amount.withUnit(), interval: fmt.Sprintf("[?] (%d)", n)}
	}
	return laid{number: c.amount.withUnit(), interval: fmt.Sprintf("%s (%d)", c.word, n)}
}

// column is one column of a table as text.
type column struct {
	head            []string
	cells           []laid
	number, all     int // columns of the number, and of the whole
	widestWords     int
	widestIntervals int
}

const (
	indent = 2
	gap    = 3
	// widestLabel limits the first column to this part of the line.
	widestLabel = 0.4
)

// table prints a table, in several blocks one below the other where the columns
// do not fit side by side.
func (p *printer) table(t table) {
	if len(t.rows) == 0 {
		return
	}
	if t.caption != "" {
		p.paragraph("  ", t.caption)
	}
	labels := make([][]string, len(t.rows))
	first, nested := width(t.corner), 0
	for i, r := range t.rows {
		if r.cells == nil {
			nested = indent
			continue
		}
		labels[i] = wrap(r.label, int(widestLabel*float64(p.width)))
		for _, line := range labels[i] {
			first = max(first, width(line))
		}
	}
	room := p.width - indent - nested - first
	all := p.columns(t, false)
	blocks := fit(all, room, len(all))
	if narrow := p.columns(t, true); len(fit(narrow, room, len(all))) < len(blocks) {
		all, blocks = narrow, fit(narrow, room, len(all))
	}
	even := (len(all) + len(blocks) - 1) / len(blocks)
	for i, columns := range fit(all, room, even) {
		if i > 0 {
			p.out.WriteByte('\n')
		}
		p.block(t, block{columns: columns, labels: labels, first: first, lead: strings.Repeat(" ", indent+nested)})
	}
}

// fit divides columns into blocks of at most limit that are no wider than room,
// but of at least one.
func fit(all []column, room, limit int) [][]column {
	blocks := [][]column{nil}
	used := 0
	for _, c := range all {
		last := len(blocks) - 1
		if n := len(blocks[last]); n > 0 && (n == limit || used+gap+c.all > room) {
			blocks, used = append(blocks, nil), 0
			last++
		}
		blocks[last] = append(blocks[last], c)
		used += gap + c.all
	}
	return blocks
}

func (p *printer) columns(t table, narrow bool) []column {
	all := make([]column, len(t.heads))
	for j, head := range t.heads {
		all[j] = p.column(head, t.rows, j, narrow)
	}
	return all
}

func (p *printer) column(head string, rows []row, j int, narrow bool) column {
	var c column
	for _, r := range rows {
		if r.cells == nil {
			c.cells = append(c.cells, laid{})
			continue
		}
		l := p.lay(r.cells[j], narrow)
		c.number = max(c.number, width(l.number))
		c.widestIntervals = max(c.widestIntervals, width(l.interval))
		c.widestWords = max(c.widestWords, width(l.words))
		c.cells = append(c.cells, l)
	}
	c.all = c.number
	if c.widestIntervals > 0 {
		c.all += 1 + c.widestIntervals
	}
	c.all = max(c.all, c.widestWords)
	c.head = wrap(head, max(c.all, 14))
	for _, line := range c.head {
		c.all = max(c.all, width(line))
	}
	return c
}

// block is the part of a table whose columns fit side by side.
type block struct {
	columns []column
	labels  [][]string // nil for a heading
	first   int        // columns of the labels
	lead    string     // before a label
}

func (p *printer) block(t table, b block) {
	p.heads(t.corner, b)
	for i, lines := range b.labels {
		if lines == nil {
			p.paragraph(strings.Repeat(" ", indent), t.rows[i].label)
			continue
		}
		line := b.lead + pad(lines[0], b.first)
		for _, c := range b.columns {
			line += strings.Repeat(" ", gap) + pad(c.text(i), c.all)
		}
		p.line(line)
		for _, more := range lines[1:] {
			p.line(b.lead + more)
		}
	}
}

func (p *printer) heads(corner string, b block) {
	deepest := 1
	for _, c := range b.columns {
		deepest = max(deepest, len(c.head))
	}
	for k := range deepest {
		line := b.lead
		if k == deepest-1 {
			line += pad(corner, b.first)
		} else {
			line += pad("", b.first)
		}
		for _, c := range b.columns {
			text := ""
			if skip := deepest - len(c.head); k >= skip {
				text = c.head[k-skip]
			}
			if c.bare() {
				text = padLeft(text, c.all)
			}
			line += strings.Repeat(" ", gap) + pad(text, c.all)
		}
		p.line(line)
	}
}

// bare reports whether the column holds numbers only, without intervals.
func (c column) bare() bool { return c.widestIntervals == 0 && c.widestWords == 0 }

// text is the cell of row i at the width of its column.
func (c column) text(i int) string {
	l := c.cells[i]
	switch {
	case l.words != "":
		return l.words
	case c.bare():
		return padLeft(l.number, c.all)
	case l.interval == "":
		return padLeft(l.number, c.number)
	default:
		return padLeft(l.number, c.number) + " " + l.interval
	}
}

func (p *printer) line(text string) { p.out.WriteString(strings.TrimRight(text, " ") + "\n") }
