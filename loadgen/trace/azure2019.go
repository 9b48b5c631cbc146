package trace

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"microcosm/cosim/des"
	"microcosm/loadgen"
)

// azureFunction is one row of invocations.csv and what joins it.
type azureFunction struct {
	id      identity
	line    int   // in invocations.csv
	invoked int64 // within the window

	// counts holds the slots of the window that have invocations: how many
	// slots were passed over since the last such one, and the count, as varints.
	// Most functions of the published traces are idle most of the time.
	counts []byte

	duration, memory profile // empty where no row was found
}

// profile is a distribution as a trace gives it: values at fixed percentiles,
// cut to whole milliseconds or MiB as In-Vitro does.
type profile struct {
	values []int64
	median float64 // uncut
	line   int
}

// identity is what a trace calls a function. In the published traces a function's
// hash is unique within its application only.
type identity struct{ owner, app, hash string }

// key names the function's random streams, whatever else is in the trace.
func (id identity) key() string { return id.owner + "/" + id.app + "/" + id.hash }

// Percentiles of durations.csv and memory.csv, and the columns that hold them.
var (
	durationRanks   = []float64{0, .01, .25, .50, .75, .99, 1}
	durationColumns = []string{
		"percentile_Average_0", "percentile_Average_1", "percentile_Average_25", "percentile_Average_50",
		"percentile_Average_75", "percentile_Average_99", "percentile_Average_100",
	}
	memoryRanks   = []float64{.01, .05, .25, .50, .75, .95, .99, 1}
	memoryColumns = []string{
		"AverageAllocatedMb_pct1", "AverageAllocatedMb_pct5", "AverageAllocatedMb_pct25", "AverageAllocatedMb_pct50",
		"AverageAllocatedMb_pct75", "AverageAllocatedMb_pct95", "AverageAllocatedMb_pct99", "AverageAllocatedMb_pct100",
	}
)

// identityColumns name a function in all three files.
var identityColumns = []string{"HashOwner", "HashApp", "HashFunction"}

// profileColumns are those of durations.csv or memory.csv, the weight before the
// percentiles.
func profileColumns(weight string, percentiles []string) []string {
	return slices.Concat(identityColumns, []string{weight}, percentiles)
}

// median is the position of rank .50 in both lists.
const median = 3

// azureReader joins the three files of a trace.
type azureReader struct {
	options   Options
	mistakes  mistakes
	functions []*azureFunction
	window    window
	byID      map[identity]*azureFunction
	byHash    map[string]*azureFunction // nil where several share the hash
}

// window is the part of the trace that is used, in slots.
type window struct{ first, slots int }

func readAzure2019(dir string, o Options) (loadgen.Workload, error) {
	r := &azureReader{options: o, byID: map[identity]*azureFunction{}, byHash: map[string]*azureFunction{}}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		r.mistakes.add(loadgen.FileError{File: dir, Problem: "no such directory; an Azure 2019 trace is a directory with invocations.csv, durations.csv and memory.csv, each with or without .gz", Err: err})
		return loadgen.Workload{}, r.mistakes.join()
	}
	invocations := filepath.Join(dir, "invocations.csv")
	r.readInvocations(invocations)
	r.readProfiles(filepath.Join(dir, "durations.csv"), "Count", durationColumns, func(f *azureFunction) *profile { return &f.duration })
	r.readProfiles(filepath.Join(dir, "memory.csv"), "SampleCount", memoryColumns, func(f *azureFunction) *profile { return &f.memory })
	var warnings []string
	if len(r.mistakes) == 0 { // else rows are missing that were skipped
		warnings = r.leaveIncomplete(invocations)
	}
	if err := r.mistakes.join(); err != nil {
		return loadgen.Workload{}, err
	}
	w := loadgen.Workload{
		Horizon:  des.Time(r.window.slots) * des.Time(o.Granularity.slot()),
		Warnings: warnings,
	}
	identities := make([]identity, len(r.functions))
	for i, f := range r.functions {
		identities[i] = f.id
	}
	for i, name := range uniqueNames(identities) {
		w.Functions = append(w.Functions, r.functions[i].function(name, o))
	}
	return w, nil
}

func (r *azureReader) readInvocations(path string) {
	t := openTable(path, &r.mistakes)
	if t == nil {
		return
	}
	defer t.close()
	hashes, complete := t.columns(identityColumns...)
	slots, numbered := t.numbered()
	if !complete || !numbered || !r.cutWindow(t, len(slots)) {
		return
	}
	slots = slots[r.window.first:][:r.window.slots]
	invoked := int64(0)
	for t.next() {
		f := &azureFunction{
			id:   identity{owner: t.name(hashes[0]), app: t.name(hashes[1]), hash: t.name(hashes[2])},
			line: t.rowLine,
		}
		f.readCounts(t, slots)
		if first, twice := r.byID[f.id]; twice {
			t.fail(hashes[2], "function %s stands here and in line %d; remove one row", short(f.id.hash), first.line)
		}
		if !t.intact {
			continue
		}
		_, shared := r.byHash[f.id.hash]
		r.byID[f.id], r.byHash[f.id.hash] = f, f
		if shared {
			r.byHash[f.id.hash] = nil
		}
		r.functions = append(r.functions, f)
		invoked += f.invoked
	}
	if invoked == 0 && len(r.mistakes) == 0 {
		r.mistakes.add(loadgen.FileError{File: t.path, Problem: fmt.Sprintf("holds no invocation in the window of %d slots from slot %d; choose another start and length", r.window.slots, r.window.first+1)})
	}
}

// cutWindow turns start and length into slots, of which the file has total.
func (r *azureReader) cutWindow(t *table, total int) bool {
	o, slot := r.options, r.options.Granularity.slot()
	if o.Start%slot != 0 || o.Length%slot != 0 {
		r.mistakes.add(loadgen.FileError{File: t.path, Problem: fmt.Sprintf("start %v and length %v must be whole multiples of the granularity, %v", o.Start, o.Length, slot)})
		return false
	}
	first, slots := int64(o.Start/slot), int64(o.Length/slot)
	if first+max(slots, 1) > int64(total) {
		r.mistakes.add(loadgen.FileError{File: t.path, Problem: fmt.Sprintf("holds %v; start %v and length %v reach beyond that", time.Duration(total)*slot, o.Start, o.Length)})
		return false
	}
	if slots == 0 {
		slots = int64(total) - first
	}
	r.window = window{first: int(first), slots: int(slots)}
	return true
}

func (f *azureFunction) readCounts(t *table, slots []int) {
	idle := uint64(0)
	for _, column := range slots {
		n := t.count(column)
		if n == 0 {
			idle++
			if t.mistakes.full() {
				return
			}
			continue
		}
		f.counts = binary.AppendUvarint(f.counts, idle)
		f.counts = binary.AppendUvarint(f.counts, uint64(n))
		f.invoked += int64(n)
		idle = 0
	}
}

// readProfiles reads durations.csv or memory.csv and hands each row to the
// function it belongs to; of says which of its profiles that is.
func (r *azureReader) readProfiles(path, weight string, percentiles []string, of func(*azureFunction) *profile) {
	t := openTable(path, &r.mistakes)
	if t == nil {
		return
	}
	defer t.close()
	columns, complete := t.columns(profileColumns(weight, percentiles)...)
	if !complete {
		return
	}
	hashes, columns := columns[:4], columns[4:]
	for t.next() {
		id := identity{owner: t.name(hashes[0]), app: t.name(hashes[1]), hash: t.name(hashes[2])}
		if t.number(hashes[3]) == 0 && t.intact {
			t.fail(hashes[3], "is 0: percentiles of nothing; remove the row")
		}
		p := t.profile(columns)
		f := r.byID[id]
		if f == nil {
			f = r.byHash[id.hash] // In-Vitro joins on the hash alone
		}
		if f == nil || !t.intact {
			continue
		}
		if first := of(f); first.line != 0 {
			t.fail(hashes[2], "function %s stands here and in line %d; remove one row", short(id.hash), first.line)
			continue
		}
		*of(f) = p
	}
}

// profile returns the values of the columns, which must not decrease.
func (t *table) profile(columns []int) profile {
	p := profile{line: t.rowLine, values: make([]int64, len(columns))}
	for i, column := range columns {
		exact := t.number(column)
		if i == median {
			p.median = exact
		}
		p.values[i] = int64(exact)
		if i > 0 && t.intact && p.values[i] < p.values[i-1] {
			t.fail(column, "is %s, below %s, which is %s; percentiles must not decrease", t.row[column], t.header[columns[i-1]], t.row[columns[i-1]])
		}
	}
	return p
}

// leaveIncomplete notes functions that are invoked but lack a profile, or leaves
// them out, as the options say.
func (r *azureReader) leaveIncomplete(path string) []string {
	var complete []*azureFunction
	functions, invoked, left := len(r.functions), int64(0), int64(0)
	for _, f := range r.functions {
		invoked += f.invoked
		if f.invoked == 0 || f.duration.line != 0 && f.memory.line != 0 {
			complete = append(complete, f)
			continue
		}
		left += f.invoked
		file := "durations.csv"
		if f.duration.line != 0 {
			file = "memory.csv"
		}
		if !r.options.SkipIncomplete && !r.mistakes.full() {
			r.mistakes.add(loadgen.FileError{File: path, Line: f.line, Problem: fmt.Sprintf(
				"function %s has %d invocations but no row in %s; add one, remove it, or skip incomplete functions", short(f.id.hash), f.invoked, file)})
		}
	}
	r.functions = complete
	if left == 0 || !r.options.SkipIncomplete {
		return nil
	}
	if left == invoked {
		r.mistakes.add(loadgen.FileError{File: path, Problem: "no function has both durations and memory: nothing is left"})
	}
	return []string{fmt.Sprintf("%s: left out %d of %d functions, with %d of %d invocations (%.2f %%), for want of durations or memory",
		path, functions-len(complete), functions, left, invoked, 100*float64(left)/float64(invoked))}
}

// function describes f to the rest of the world.
func (f *azureFunction) function(name string, o Options) loadgen.Function {
	described := loadgen.Function{
		Name: name, Owner: f.id.owner, App: f.id.app, Hash: f.id.hash,
		ExpectedInvocations: float64(f.invoked) * o.Scale,
		Source:              loadgen.SourceFunc(func(seed uint64) loadgen.Stream { return newAzureStream(f, o, seed) }),
	}
	described.MedianDuration = time.Duration(f.duration.median * float64(time.Millisecond))
	described.MedianMemoryMiB = f.memory.median
	return described
}

// uniqueNames returns the functions' hashes, with application and then owner
// added where several functions share one.
func uniqueNames(list []identity) []string {
	names := make([]string, len(list))
	used := map[string]int{}
	for _, form := range []func(identity) string{
		func(id identity) string { return id.hash },
		func(id identity) string { return id.hash + "@" + id.app },
		func(id identity) string { return id.hash + "@" + id.app + "@" + id.owner },
	} {
		shared := used
		used = map[string]int{}
		for i, id := range list {
			if names[i] == "" || shared[names[i]] > 1 {
				names[i] = form(id)
			}
			used[names[i]]++
		}
	}
	return names
}

// short returns the beginning of a long hash, for people.
func short(hash string) string {
	const enough = 12
	if len(hash) <= enough {
		return hash
	}
	return hash[:enough] + "…"
}

func clamp(value, least, most int64) int64 { return min(max(value, least), most) }

// Bounds that In-Vitro sets: durations in ms (the upper is the 96th percentile
// of Serverless in the Wild), memory in MiB (AWS Lambda's limits at the time).
const (
	minDurationMillis, maxDurationMillis = 1, 60_000
	minMemoryMiB, maxMemoryMiB           = 1, 10_240
)

// wholeMillis rounds seconds to milliseconds, at least one.
func wholeMillis(seconds float64) int64 { return max(1, int64(math.Round(seconds*1000))) }
