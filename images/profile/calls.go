package profile

import (
	"fmt"
	"io"
)

// Cores is how many cores the instructions of calls are counted on.
const Cores = 2

// Call is what each core executed between the landmarks of one call.
type Call struct{ Instructions [Cores]uint64 }

// ParseCalls reads what the plugin that counts calls wrote: the calls in their
// order. Output without its end, as a killed QEMU leaves it, is an error.
func ParseCalls(r io.Reader) ([]Call, error) {
	var calls []Call
	var begun *[Cores]uint64
	complete := false
	lines := wholeLines(r)
	for n := 1; lines.Scan(); n++ {
		var word string
		var at [Cores]uint64
		if !scan(lines.Text(), "%s %d %d", &word, &at[0], &at[1]) {
			return nil, fmt.Errorf("read the counts: line %d is %q", n, lines.Text())
		}
		switch {
		case complete:
			return nil, fmt.Errorf("read the counts: line %d comes after the end", n)
		case word == "begin" && begun == nil:
			begun = &at
		case word == "end" && begun != nil:
			if at[0] < begun[0] || at[1] < begun[1] {
				return nil, fmt.Errorf("read the counts: line %d counts backwards", n)
			}
			calls = append(calls, Call{[Cores]uint64{at[0] - begun[0], at[1] - begun[1]}})
			begun = nil
		case word == "total" && begun == nil:
			complete = true
		default:
			return nil, fmt.Errorf("read the counts: line %d: %s is out of order", n, word)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read the counts: %w", err)
	}
	if !complete {
		return nil, fmt.Errorf("read the counts: %w", errCut)
	}
	return calls, nil
}
