package report

import (
	"regexp"
	"strings"

	"microcosm/cosim/metrics"
)

// reasons numbers why cells have no interval, in the order of first use. Reasons
// that differ in their numbers only, as for 100 functions with too few values
// each, share a number and the first one's text.
type reasons struct {
	number map[string]int
	texts  []string
	alike  []int // other cells whose text differs in numbers
}

var numerals = regexp.MustCompile(`\d+(\.\d+)?`)

// of returns the number, from 1, of a reason.
func (r *reasons) of(reason string) int {
	pattern := numerals.ReplaceAllString(reason, "#")
	i, seen := r.number[pattern]
	if !seen {
		if r.number == nil {
			r.number = map[string]int{}
		}
		r.texts = append(r.texts, reason)
		r.alike = append(r.alike, 0)
		i = len(r.texts)
		r.number[pattern] = i
	} else if r.texts[i-1] != reason {
		r.alike[i-1]++
	}
	return i
}

// list returns the text of every number.
func (r *reasons) list() []string {
	texts := make([]string, len(r.texts))
	for i, text := range r.texts {
		texts[i] = text
		if n := r.alike[i]; n > 0 {
			texts[i] += " (and " + plural(n, "cell") + " alike, with other numbers)"
		}
	}
	return texts
}

func (c cell) unstable() bool { return strings.HasPrefix(c.word, metrics.StatusUnstable.String()) }
