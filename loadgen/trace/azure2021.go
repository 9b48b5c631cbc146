package trace

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"microcosm/cosim/des"
	"microcosm/loadgen"
)

// azure2021MemoryMiB is the memory of every function of an Azure 2021 trace,
// which knows none: the mean of the 2019 trace, as In-Vitro takes it.
const azure2021MemoryMiB = 200

var callColumns = []string{"app", "func", "end_timestamp", "duration"}

// started is one row of an Azure 2021 trace.
type started struct {
	at     des.Time
	millis uint32
	line   uint32
}

// callsReader groups the rows of an Azure 2021 trace by function.
type callsReader struct {
	options    Options
	mistakes   mistakes
	identities []identity
	calls      [][]started    // by function
	index      map[string]int // of a function, by application and hash
	key        []byte

	total, early, late int64    // rows in all; those before and after the window
	end                des.Time // of the last invocation
}

func readAzure2021(path string, o Options) (loadgen.Workload, error) {
	r := &callsReader{options: o, index: map[string]int{}}
	r.read(path)
	if err := r.mistakes.join(); err != nil {
		return loadgen.Workload{}, err
	}
	w := loadgen.Workload{Horizon: des.Time(o.Length)}
	if o.Length == 0 {
		w.Horizon = wholeMinutes(r.end)
	}
	for i, name := range uniqueNames(r.identities) {
		w.Functions = append(w.Functions, r.take(i).function(name, r.identities[i]))
	}
	if r.early > 0 {
		w.Warnings = append(w.Warnings, dropWarning(path, r.early, r.total, fmt.Sprintf("start before %v", o.Start)))
	}
	if r.late > 0 {
		w.Warnings = append(w.Warnings, dropWarning(path, r.late, r.total, fmt.Sprintf("end after %v", o.Start+o.Length)))
	}
	return w, nil
}

func (r *callsReader) read(path string) {
	t := openTable(path, &r.mistakes)
	if t == nil {
		return
	}
	defer t.close()
	columns, complete := t.columns(callColumns...)
	if !complete {
		return
	}
	for t.next() {
		r.total++
		r.readRow(t, columns)
	}
	for i := range r.calls {
		r.sort(t, i)
	}
	if len(r.calls) == 0 && len(r.mistakes) == 0 {
		r.mistakes.add(loadgen.FileError{File: t.path, Problem: fmt.Sprintf("holds no invocation in the window (of %d in all); choose another start and length", r.total)})
	}
}

func (r *callsReader) readRow(t *table, columns []int) {
	app, function := t.row[columns[0]], t.row[columns[1]]
	t.named(columns[0])
	t.named(columns[1])
	end, duration := t.number(columns[2]), t.number(columns[3])
	millis := wholeMillis(duration)
	if t.intact && millis > math.MaxUint32 {
		t.fail(columns[3], "is %v seconds, more than 49 days", duration)
	}
	if t.intact && end > latest.Seconds() {
		t.fail(columns[2], "is %v seconds, more than 146 years", end)
	}
	if !t.intact {
		return
	}
	start := des.Time(math.Round((end - duration) * float64(time.Second)))
	switch limit := r.options.Start + r.options.Length; {
	case start < des.Time(r.options.Start):
		r.early++
		return
	case r.options.Length > 0 && (end > limit.Seconds() || start >= des.Time(limit)):
		r.late++
		return
	}
	start -= des.Time(r.options.Start)
	r.end = max(r.end, start.Add(time.Duration(millis)*time.Millisecond), start+1)
	i := r.function(app, function)
	r.calls[i] = append(r.calls[i], started{at: start, millis: uint32(millis), line: uint32(t.rowLine)})
}

// function returns the number of a function, a new one at first sight.
func (r *callsReader) function(app, hash string) int {
	r.key = strconv.AppendInt(r.key[:0], int64(len(app)), 10) // keeps ("ab","c") and ("a","bc") apart
	r.key = append(append(append(r.key, ' '), app...), hash...)
	i, known := r.index[string(r.key)]
	if !known {
		key := string(r.key)
		i = len(r.calls)
		r.index[key] = i
		r.identities = append(r.identities, identity{app: key[len(key)-len(hash)-len(app) : len(key)-len(hash)], hash: key[len(key)-len(hash):]})
		r.calls = append(r.calls, nil)
	}
	return i
}

// sort orders the invocations of a function and notes equal microseconds.
func (r *callsReader) sort(t *table, i int) {
	calls := r.calls[i]
	slices.SortFunc(calls, func(a, b started) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.line, b.line))
	})
	if r.options.AllowEqualStarts {
		return
	}
	for k := 1; k < len(calls) && !r.mistakes.full(); k++ {
		if calls[k].at/des.Time(time.Microsecond) == calls[k-1].at/des.Time(time.Microsecond) {
			r.mistakes.add(loadgen.FileError{File: t.path, Line: int(calls[k].line), Problem: fmt.Sprintf(
				"function %s starts in the same microsecond (%v) as in line %d; remove one row, or allow equal starts", short(r.identities[i].hash), calls[k].at, calls[k-1].line)})
		}
	}
}

// take returns the invocations of a function and forgets them.
func (r *callsReader) take(i int) recorded {
	list := make(recorded, len(r.calls[i]))
	for k, call := range r.calls[i] {
		list[k] = invocation{at: call.at, millis: call.millis, memoryMiB: azure2021MemoryMiB}
	}
	r.calls[i] = nil
	return list
}
