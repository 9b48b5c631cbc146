package scenario

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Mistake is one thing that is wrong in a scenario.
type Mistake struct {
	File    string `json:"file"`
	Line    int    `json:"line"`    // from 1
	Column  int    `json:"column"`  // in characters, from 1
	Key     string `json:"key"`     // e.g. "cluster.nodes[0].cores"; empty for the whole file
	Problem string `json:"problem"` // what is wrong and what to do
	Excerpt string `json:"excerpt"` // the line as written; of a very long one, the part around the column

	caret int // characters of the excerpt before the place
}

// String returns "file:line:column: key: problem", the line, and a caret below.
func (m Mistake) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d:%d: ", m.File, m.Line, m.Column)
	if m.Key != "" {
		b.WriteString(m.Key + ": ")
	}
	b.WriteString(m.Problem)
	if m.Excerpt == "" {
		return b.String()
	}
	line := fmt.Sprint(m.Line)
	gap := []rune(m.Excerpt)[:m.caret]
	for i, r := range gap {
		if r != '\t' { // a tab stays, so that the caret stands below its character
			gap[i] = ' '
		}
	}
	fmt.Fprintf(&b, "\n  %s | %s\n  %s | %s^", line, m.Excerpt, strings.Repeat(" ", len(line)), string(gap))
	return b.String()
}

// maxExcerpt is how many characters of a line are shown.
const maxExcerpt = 160

// excerpt cuts a line to what can be shown around a column, and returns how many
// characters of it come before the column.
func excerpt(line string, column int) (cut string, caret int) {
	runes := []rune(line)
	caret = min(column-1, len(runes))
	if len(runes) <= maxExcerpt {
		return line, caret
	}
	from := max(0, min(caret-maxExcerpt/2, len(runes)-maxExcerpt))
	cut, caret = string(runes[from:from+maxExcerpt]), caret-from
	if from > 0 {
		cut, caret = "…"+cut, caret+1
	}
	if from+maxExcerpt < len(runes) {
		cut += "…"
	}
	return cut, caret
}

// Mistakes is everything that is wrong in a scenario, by line. It holds at least
// one.
type Mistakes struct{ List []Mistake }

// Error returns all mistakes, one below the other.
func (m *Mistakes) Error() string {
	text := make([]string, len(m.List), len(m.List)+1)
	for i, mistake := range m.List {
		text[i] = mistake.String()
	}
	if n := len(m.List); n > 1 {
		text = append(text, fmt.Sprintf("%d mistakes", n))
	}
	return strings.Join(text, "\n")
}

// MarshalJSON writes {"mistakes": [...]}.
func (m *Mistakes) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string][]Mistake{"mistakes": m.List})
}

func sortMistakes(list []Mistake) {
	slices.SortStableFunc(list, func(a, b Mistake) int {
		return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}
