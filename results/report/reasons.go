package report

import (
	"regexp"
	"slices"
)

// reasons numbers why cells have no interval, in the order of first use. Reasons
// that differ in their numbers only, as for 100 functions with too few values
// each, share a number and the first one's text.
type reasons struct {
	number map[string]int // by pattern
	texts  [][]string     // by number, from 0
}

var numerals = regexp.MustCompile(`\d+(\.\d+)?`)

// of returns the number, from 1, of a reason.
func (r *reasons) of(reason string) int {
	pattern := numerals.ReplaceAllString(reason, "#")
	if r.number == nil {
		r.number = map[string]int{}
	}
	i, seen := r.number[pattern]
	if !seen {
		r.texts = append(r.texts, nil)
		i = len(r.texts)
		r.number[pattern] = i
	}
	if !slices.Contains(r.texts[i-1], reason) {
		r.texts[i-1] = append(r.texts[i-1], reason)
	}
	return i
}

// list returns the text of every number.
func (r *reasons) list() []string {
	list := make([]string, len(r.texts))
	for i, texts := range r.texts {
		list[i] = texts[0]
		if others := len(texts) - 1; others > 0 {
			list[i] += " (and " + integer(int64(others)) + " like it, with other numbers)"
		}
	}
	return list
}
