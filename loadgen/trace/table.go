package trace

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"microcosm/loadgen"
	"microcosm/loadgen/internal/textfile"
)

// table reads a CSV file row by row and knows its columns by name, in any case
// and any order. It notes every mistake, and skips rows that have one.
type table struct {
	path     string
	text     io.ReadCloser
	csv      *csv.Reader
	mistakes *mistakes

	header  []string
	indices map[string]int // by name in lower case
	row     []string       // valid until next
	rowLine int
	intact  bool // no mistake in this row so far
}

// openTable opens a table and reads its header. It returns nil, and notes why,
// where that is impossible.
func openTable(path string, m *mistakes) *table {
	path, text, err := textfile.OpenEither(path)
	if err != nil {
		m.add(loadgen.FileError{File: path, Problem: textfile.Problem(err), Err: err})
		return nil
	}
	t := &table{path: path, text: text, csv: csv.NewReader(text), mistakes: m, indices: map[string]int{}}
	t.csv.FieldsPerRecord = -1 // next names the row and both lengths
	t.csv.ReuseRecord = true
	if !t.readHeader() {
		t.close()
		return nil
	}
	return t
}

func (t *table) close() {
	_ = t.text.Close() // only read from
}

func (t *table) readHeader() bool {
	record, err := t.csv.Read()
	switch {
	case errors.Is(err, io.EOF):
		t.mistakes.add(loadgen.FileError{File: t.path, Problem: "is empty; want a header and rows"})
		return false
	case err != nil:
		t.readFailed(err)
		return false
	case strings.HasPrefix(record[0], "version https://git-lfs"):
		t.mistakes.add(loadgen.FileError{File: t.path, Problem: "is a Git LFS pointer, not the trace; fetch the file itself with 'git lfs pull'"})
		return false
	}
	t.header = make([]string, len(record))
	for i, name := range record {
		name = strings.TrimSpace(name)
		t.header[i] = name
		if first, seen := t.indices[strings.ToLower(name)]; seen && name != "" {
			t.mistakes.add(loadgen.FileError{File: t.path, Line: 1, Column: name, Problem: fmt.Sprintf("stands twice in the header, as column %d and %d; remove one", first+1, i+1)})
			return false
		}
		t.indices[strings.ToLower(name)] = i
	}
	return true
}

// columns returns where the named columns are. It reports false, and notes which
// are missing, where the header lacks any.
func (t *table) columns(names ...string) ([]int, bool) {
	list := make([]int, len(names))
	var missing []string
	for i, name := range names {
		index, found := t.indices[strings.ToLower(name)]
		if !found {
			missing = append(missing, name)
		}
		list[i] = index
	}
	if len(missing) == 0 {
		return list, true
	}
	plural := ""
	if len(missing) > 1 {
		plural = "s"
	}
	t.mistakes.add(loadgen.FileError{File: t.path, Line: 1, Problem: fmt.Sprintf("the header has no column%s %s; it has %s", plural, strings.Join(missing, ", "), t.headerInShort())})
	return list, false
}

func (t *table) headerInShort() string {
	const some = 12
	if len(t.header) <= some {
		return strings.Join(t.header, ", ")
	}
	return fmt.Sprintf("%s, … (%d in all)", strings.Join(t.header[:some], ", "), len(t.header))
}

// next moves to the next row that has as many cells as the header. It reports
// false at the end, and where reading on is of no use.
func (t *table) next() bool {
	for !t.mistakes.full() {
		record, err := t.csv.Read()
		if errors.Is(err, io.EOF) {
			return false
		}
		if err != nil {
			if !t.readFailed(err) {
				return false
			}
			continue
		}
		t.rowLine, _ = t.csv.FieldPos(0)
		if len(record) != len(t.header) {
			t.mistakes.add(loadgen.FileError{File: t.path, Line: t.rowLine, Problem: fmt.Sprintf("has %d cells, the header %d; complete or remove the row", len(record), len(t.header))})
			continue
		}
		t.row, t.intact = record, true
		return true
	}
	return false
}

// readFailed notes why reading failed and reports whether the next row may still
// be read.
func (t *table) readFailed(err error) bool {
	var syntax *csv.ParseError
	if errors.As(err, &syntax) {
		t.mistakes.add(loadgen.FileError{File: t.path, Line: syntax.Line, Problem: fmt.Sprintf("is not CSV: %v", syntax.Err), Err: err})
		return true
	}
	t.mistakes.add(loadgen.FileError{File: t.path, Line: t.rowLine, Problem: textfile.Problem(err), Err: err})
	return false
}

// fail notes a mistake in a cell of this row.
func (t *table) fail(column int, format string, args ...any) {
	t.intact = false
	t.mistakes.add(loadgen.FileError{File: t.path, Line: t.rowLine, Column: t.header[column], Problem: fmt.Sprintf(format, args...)})
}

// named notes a mistake where an identifier is empty.
func (t *table) named(column int) {
	if t.row[column] == "" {
		t.fail(column, "is empty; want an identifier")
	}
}

// name returns a cell as a string that outlives the row and is not empty.
func (t *table) name(column int) string {
	t.named(column)
	return strings.Clone(t.row[column])
}

// count returns a cell as a whole number from 0.
func (t *table) count(column int) uint32 {
	n, err := strconv.ParseUint(t.row[column], 10, 31)
	if err != nil {
		t.fail(column, "%q is not a count; want a whole number from 0 to %d", t.row[column], math.MaxInt32)
	}
	return uint32(n)
}

// number returns a cell as a finite number from 0.
func (t *table) number(column int) float64 {
	x, err := strconv.ParseFloat(t.row[column], 64)
	if err != nil || !(x >= 0 && x <= 1e12) {
		t.fail(column, "%q will not do; want a number from 0 to 1e12", t.row[column])
		return 0
	}
	return x
}

// numbered returns the columns whose names are whole numbers, in the order of
// these numbers, which must not have a gap: counts per slot. A trace cut out of
// a day may begin with any number.
func (t *table) numbered() ([]int, bool) {
	type slot struct{ number, index int }
	var slots []slot
	for i, name := range t.header {
		if n, err := strconv.Atoi(name); err == nil && n >= 0 {
			slots = append(slots, slot{n, i})
		}
	}
	slices.SortFunc(slots, func(a, b slot) int { return a.number - b.number })
	var list []int
	for i, s := range slots {
		if want := slots[0].number + i; s.number != want {
			t.mistakes.add(loadgen.FileError{File: t.path, Line: 1, Problem: fmt.Sprintf("the header has no column %d, but %d to %d; restore it", want, slots[0].number, slots[len(slots)-1].number)})
			return nil, false
		}
		list = append(list, s.index)
	}
	if len(list) == 0 {
		t.mistakes.add(loadgen.FileError{File: t.path, Line: 1, Problem: fmt.Sprintf("the header has no columns 1, 2, … with counts; it has %s", t.headerInShort())})
		return nil, false
	}
	return list, true
}
