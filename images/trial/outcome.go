package trial

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"microcosm/images/guest/job"
	"microcosm/images/profile"
)

// Outcome is how one function did in one mode.
type Outcome struct {
	Function string   `json:"function"`
	Mode     job.Mode `json:"mode"`
	// Failure says why it failed; empty: every call was answered rightly.
	Failure string `json:"failure,omitempty"`
	Calls   int    `json:"calls"` // measured and answered rightly
	// Nanos is the median round trip in the guest's time, which the emulator makes
	// as slow as it is itself.
	Nanos int64 `json:"nanos,omitempty"`
	// Instructions is the median call's, on the client's core and on the
	// function's; zero where they were not counted.
	Instructions [profile.Cores]uint64 `json:"instructions,omitzero"`
}

// Passed reports whether every call was answered rightly.
func (o Outcome) Passed() bool { return o.Failure == "" }

// outcomes returns what the records of j tell of each step. counts are the
// counted calls, one per marked record in order, or none. ended says how the
// guest ended if the records have no end.
func outcomes(j job.Job, records []job.Record, counts []profile.Call, ended string) []Outcome {
	all := make([]Outcome, len(j.Steps))
	nanos := make([][]int64, len(j.Steps))
	instructions := make([][][profile.Cores]uint64, len(j.Steps))
	for i, s := range j.Steps {
		all[i] = Outcome{Function: s.Function, Mode: s.Mode}
	}
	marked := 0
	var end job.Record
	for _, r := range records {
		if r.Kind == job.End {
			end = r
		}
		if r.Kind == job.Start || r.Kind == job.End || r.Step >= len(all) {
			continue
		}
		var count profile.Call
		if r.Marked {
			if marked < len(counts) {
				count = counts[marked]
			}
			marked++
		}
		o := &all[r.Step]
		switch {
		case r.Status == job.Failed && o.Failure == "":
			o.Failure = r.Reason
		case r.Status == job.OK && r.Kind == job.Call && r.Phase == job.Measured:
			o.Calls++
			nanos[r.Step] = append(nanos[r.Step], r.Nanos)
			instructions[r.Step] = append(instructions[r.Step], count.Instructions)
		}
	}
	for i := range all {
		o := &all[i]
		if o.Failure == "" && o.Calls < j.Steps[i].Count {
			o.Failure = cmp.Or(stepReason(end.Reason, i), ended, "the agent did not try it")
		}
		if len(nanos[i]) > 0 {
			slices.Sort(nanos[i])
			o.Nanos = nanos[i][len(nanos[i])/2]
			o.Instructions = median(instructions[i])
		}
	}
	return all
}

// median returns the call that is in the middle by what the function's core
// executed.
func median(calls [][profile.Cores]uint64) [profile.Cores]uint64 {
	slices.SortFunc(calls, func(a, b [profile.Cores]uint64) int { return cmp.Compare(a[profile.Cores-1], b[profile.Cores-1]) })
	return calls[len(calls)/2]
}

// stepReason returns what a job's end says of a step that wrote no record of
// its own.
func stepReason(reason string, step int) string {
	for _, line := range strings.Split(reason, "\n") {
		if text, ok := strings.CutPrefix(line, fmt.Sprintf("step %d: ", step)); ok {
			return text
		}
	}
	return ""
}
