// Package spelling answers which of the known names a mistyped one was meant to be.
package spelling

import (
	"slices"
	"strings"
)

// most is how many names Nearest returns at most.
const most = 3

// Nearest returns the known names that name was probably meant to be: those that
// are nearest to it, at most three, in the order of their bytes. A name is near
// within two changes, or a third of the length; one that contains what was written
// counts as two changes off.
func Nearest(name string, known []string) []string {
	var nearest []string
	least := max(2, len(name)/3)
	for _, k := range known {
		d := Distance(name, k)
		if name != "" && name != k && strings.Contains(k, name) {
			d = min(d, 2)
		}
		if d > least || d >= len(k) {
			continue
		}
		if d < least {
			nearest, least = nil, d
		}
		nearest = append(nearest, k)
	}
	slices.Sort(nearest)
	return nearest[:min(most, len(nearest))]
}

// tooLong is a length that no name has: what is longer is nobody's misspelling.
const tooLong = 64

// Distance is the number of letters inserted, removed, replaced or swapped with
// their neighbour that makes b of a, no letter being touched twice (Wagner and
// Fischer, "The string-to-string correction problem", 1974; Damerau, 1964). Of
// texts beyond 64 letters it is the length of the longer one.
func Distance(a, b string) int {
	s, t := []rune(a), []rune(b)
	if longer := max(len(s), len(t)); longer > tooLong {
		return longer
	}
	before, above, row := make([]int, len(t)+1), make([]int, len(t)+1), make([]int, len(t)+1)
	for j := range row {
		row[j] = j
	}
	for i := range s {
		before, above, row = above, row, before
		row[0] = i + 1
		for j := range t {
			change := above[j]
			if s[i] != t[j] {
				change++
			}
			row[j+1] = min(change, above[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && s[i] == t[j-1] && s[i-1] == t[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
	}
	return row[len(t)]
}
