package samplefile

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"microcosm/cosim/servicetime"
)

// ReadText reads what WriteText writes, and files with fewer columns of samples
// measured elsewhere. It reports every mistake at once, each with its line; name
// is the file's name there.
func ReadText(name string, data []byte) ([]servicetime.Sample, error) {
	r := &textReader{mistakes: mistakes{name: name}, seen: map[numbered]int{}, next: map[servicetime.Key]int{}}
	table := r.header(bytes.TrimPrefix(data, []byte("\ufeff")))
	if table != nil {
		r.rows(table)
	}
	if err := r.err(); err != nil {
		return nil, err
	}
	return r.samples, nil
}

type numbered struct {
	key servicetime.Key
	n   int
}

// textReader reads one file.
type textReader struct {
	mistakes

	common    servicetime.Sample // what the header says of every sample
	named     map[string]int     // header names and columns met, with their lines
	line      int                // lines of the header
	columns   []column
	sound     bool // header and columns have no mistakes
	elsewhere bool // no back end named: measured elsewhere
	hasBusy   bool

	seen    map[numbered]int // line of each sample
	next    map[servicetime.Key]int
	samples []servicetime.Sample
}

// column sets one value of a sample from a cell.
type column struct {
	name string
	set  func(*servicetime.Sample, string) error
}

// header reads the lines that begin with # and returns what follows, or nil if
// this is no file of samples.
func (r *textReader) header(data []byte) []byte {
	r.named = map[string]int{}
	first, rest := cutLine(data)
	version, found := strings.CutPrefix(first, textFormat)
	n, err := strconv.Atoi(version)
	switch {
	case !found || err != nil || n < 1:
		r.at(1, "the first line must be %q, so that this is known to be a file of samples", fmt.Sprint(textFormat, textVersion))
		return nil
	case n > textVersion:
		r.at(1, "format %d comes from a newer version of this program, which reads up to %d; update the program", n, textVersion)
		return nil
	case n < textVersion:
		r.at(1, "format %d does not tell a whole file from a cut one: if this one is whole, write %q here and \"# end of N samples\" as its last line, N being the number of its rows",
			n, fmt.Sprint(textFormat, textVersion))
		return nil
	}
	r.line = 1
	for len(rest) > 0 && rest[0] == '#' {
		line, after := cutLine(rest)
		if _, end := countOf(line); end {
			break
		}
		rest = after
		r.line++
		r.headerLine(line)
	}
	if len(rest) == 0 || rest[0] == '#' {
		r.at(r.line, "the row of column names is missing after the header")
		return nil
	}
	return rest
}

func (r *textReader) headerLine(line string) {
	name, value, found := strings.Cut(strings.TrimPrefix(line, "#"), ":")
	name, value = strings.TrimSpace(name), strings.TrimSpace(value)
	i := slices.IndexFunc(fields, func(f field) bool { return f.name == name })
	switch {
	case !found:
		r.at(r.line, "%q: want # NAME: VALUE", line)
	case i < 0:
		r.at(r.line, "unknown name %q: want one of %s", name, strings.Join(headerNames(), ", "))
	case !fields[i].inHeader:
		r.at(r.line, "%s differs from sample to sample: give it as a column", name)
	case r.named[name] > 0:
		r.at(r.line, "%s was given in line %d already", name, r.named[name])
	default:
		r.named[name] = r.line
		if err := fields[i].set(&r.common, value); err != nil {
			r.at(r.line, "%s: %w", name, err)
		}
	}
}

func cutLine(data []byte) (line string, rest []byte) {
	before, rest, _ := bytes.Cut(data, []byte("\n"))
	return strings.TrimSuffix(string(before), "\r"), rest
}

func headerNames() []string {
	var names []string
	for _, f := range fields {
		if f.inHeader {
			names = append(names, f.name)
		}
	}
	return names
}

// countOf returns how many samples a file's last line says there are.
func countOf(line string) (n int, isEnd bool) {
	_, err := fmt.Sscanf(line, textEnd, &n)
	return n, err == nil && n >= 0 && line == fmt.Sprintf(textEnd, n)
}

// end takes the last line off a table, and reports one that does not say how
// many samples there are.
func (r *textReader) end(data []byte) (table []byte, count, line int) {
	data = bytes.TrimRight(data, "\r\n")
	at := bytes.LastIndexByte(data, '\n') + 1
	line = r.line + 1 + bytes.Count(data, []byte("\n"))
	count, found := countOf(strings.TrimSuffix(string(data[at:]), "\r"))
	if !found {
		r.at(line, "the last line must be \"# end of N samples\", N being the number of rows: the file was cut, get it anew; one made by hand lacks that line")
		return data, -1, line
	}
	return data[:at], count, line
}

// rows reads the table: the row of names, then one sample per row, then how many
// there are.
func (r *textReader) rows(data []byte) {
	data, count, last := r.end(data)
	table := csv.NewReader(bytes.NewReader(data))
	table.FieldsPerRecord = -1 // checked below, with a clearer message
	table.ReuseRecord = true
	names, err := table.Read()
	if err != nil {
		r.csvMistake(err)
		return
	}
	before := r.count
	r.nameColumns(names)
	r.checkComplete()
	r.sound = r.count == before
	read := 0
	for ; ; read++ {
		cells, err := table.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			r.csvMistake(err)
			count = -1 // rows cannot be told apart any more
			continue
		}
		line, _ := table.FieldPos(0)
		r.row(r.line+line, cells)
	}
	if count >= 0 && count != read {
		r.at(last, "%d rows stand above, and this line says %d: the file was cut or edited; get it anew, or correct the number", read, count)
	}
	if len(r.samples) == 0 && r.count == 0 {
		r.at(r.line+1, "no samples follow the column names")
	}
}

func (r *textReader) csvMistake(err error) {
	var bad *csv.ParseError
	if errors.As(err, &bad) {
		r.at(r.line+bad.Line, "column %d: %w", bad.Column, bad.Err)
		return
	}
	r.at(0, "%w", err)
}

// row reads one sample.
func (r *textReader) row(line int, cells []string) {
	if len(cells) != len(r.columns) {
		r.at(line, "%d cells for %d columns", len(cells), len(r.columns))
		return
	}
	sample := r.common
	sample.N, sample.Status = -1, max(sample.Status, servicetime.Valid)
	before := r.count
	for i, c := range r.columns {
		if err := c.set(&sample, cells[i]); err != nil {
			r.at(line, "%s: %w", c.name, err)
		}
	}
	if !r.sound || r.count > before {
		return
	}
	if sample.N < 0 {
		sample.N = r.next[sample.Key]
	}
	r.next[sample.Key] = max(r.next[sample.Key], sample.N+1)
	if !r.hasBusy {
		sample.Busy = max(0, sample.RoundTrip-sample.Null)
	}
	if err := Check(sample); err != nil {
		r.at(line, "%w", err)
		return
	}
	if r.elsewhere {
		r.checkOrigin(line, &sample)
	}
	id := numbered{sample.Key, sample.N}
	if earlier, twice := r.seen[id]; twice {
		r.at(line, "sample %d of %s stands in line %d already", sample.N, sample.Key, earlier)
		return
	}
	r.seen[id] = line
	r.samples = append(r.samples, sample)
}

// checkOrigin asks samples measured elsewhere where they come from.
func (r *textReader) checkOrigin(line int, s *servicetime.Sample) {
	s.Provenance.Backend = "import"
	if s.Provenance.Host == "" || s.Provenance.Note == "" || s.Provenance.Measured.IsZero() {
		r.at(line, "samples measured elsewhere must say where from: host, measured and note must not be empty")
	}
}
