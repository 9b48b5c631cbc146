package workflow

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"microcosm/cosim/cluster"
	"microcosm/cosim/des"
)

// FileMistake is one thing wrong in a file of workflows, with its line.
type FileMistake struct {
	File    string
	Line    int
	Problem string
}

// Error is the place and the problem on one line.
func (m *FileMistake) Error() string { return fmt.Sprintf("%s:%d: %s", m.File, m.Line, m.Problem) }

// dagReader reads noserver's JSON files.
type dagReader struct {
	file     string
	text     []byte
	mistakes []error
}

func (r *dagReader) wrong(n *value, format string, args ...any) {
	line := 1 + bytes.Count(r.text[:min(n.offset, len(r.text))], []byte("\n"))
	r.mistakes = append(r.mistakes, &FileMistake{r.file, line, fmt.Sprintf(format, args...)})
}

// ReadDAG reads a graph as noserver writes it:
//
//	{"Comment": "…", "StartAt": ["F0"], "Functions": {"F0": {"Next": ["F1"],
//	 "DurationMilli": [1000], "DurationProbs": [1], "MemoryMib": [170]}, …}}
//
// A step is its own function, the number of the step. Of several durations one is
// drawn by DurationProbs, or with equal probability; of several amounts of memory
// the largest is kept. Beyond noserver's fields it reads, beside Next, "NextProbs"
// (probabilities) and "NextPayload" (texts with a unit, as "64KiB"), and "Branch"
// ("each" or "one"). The error joins every mistake, each a *FileMistake.
func ReadDAG(file, name string, text []byte) (*Graph, error) {
	r := &dagReader{file: file, text: text}
	root, err := parse(text)
	if err != nil {
		return nil, r.syntax(err)
	}
	g := &Graph{Name: name}
	var start, functions *value
	r.fields(root, map[string]func(*value){
		"Comment":   func(*value) {},
		"StartAt":   func(v *value) { start = v },
		"Functions": func(v *value) { functions = v },
	})
	if functions == nil {
		r.wrong(root, `"Functions" is missing`)
		return nil, errors.Join(r.mistakes...)
	}
	r.functions(g, functions)
	if len(r.mistakes) == 0 {
		r.start(g, start, functions)
		for _, m := range g.Mistakes() {
			at := functions
			if m.Step >= 0 {
				at = functions.fields[m.Step].value
			}
			name := ""
			if m.Step >= 0 {
				name = g.Steps[m.Step].Name + ": "
			}
			r.wrong(at, "%s%s", name, m.Problem)
		}
	}
	return g, errors.Join(r.mistakes...)
}

func (r *dagReader) syntax(err error) error {
	var broken *syntaxError
	if errors.As(err, &broken) {
		r.wrong(&value{offset: broken.offset}, "not JSON: %v", broken.err)
		return errors.Join(r.mistakes...)
	}
	return err
}

// functions reads every function as a step.
func (r *dagReader) functions(g *Graph, all *value) {
	if all.kind != objectValue || len(all.fields) == 0 {
		r.wrong(all, `"Functions" wants an object with a function at least`)
		return
	}
	if len(all.fields) > MaxSteps {
		r.wrong(all, "%d functions are more than %d", len(all.fields), MaxSteps)
		return
	}
	number := map[string]int{}
	for i, f := range all.fields {
		if _, twice := number[f.name]; twice {
			r.wrong(f.value, "function %q stands here twice", f.name)
		}
		number[f.name] = i
	}
	for i, f := range all.fields {
		g.Steps = append(g.Steps, r.step(f, i, number))
	}
}

func (r *dagReader) step(f field, i int, number map[string]int) Step {
	s := Step{Name: f.name, Function: i, Branch: Each}
	var durations, probabilities, next, nextProbabilities, payloads *value
	r.fields(f.value, map[string]func(*value){
		"Next":          func(v *value) { next = v },
		"NextProbs":     func(v *value) { nextProbabilities = v },
		"NextPayload":   func(v *value) { payloads = v },
		"DurationMilli": func(v *value) { durations = v },
		"DurationProbs": func(v *value) { probabilities = v },
		"MemoryMib":     func(v *value) { s.MemoryMiB = int(slices.Max(append(r.numbers(v, 0, 1<<40), 0)) + .5) },
		"MemoryProbs":   func(v *value) { r.numbers(v, 0, 1) },
		"UseHarvest":    func(*value) {},
		"Branch": func(v *value) {
			s.Branch = Branch(max(0, slices.Index(branchWords[:], v.text)))
			if v.kind != textValue || s.Branch == BranchInvalid {
				r.wrong(v, `want "each" or "one"`)
			}
		},
	})
	if durations == nil {
		r.wrong(f.value, `%s: "DurationMilli" is missing`, f.name)
	} else {
		s.Durations = r.durations(durations, probabilities)
	}
	if next != nil {
		s.Next = r.edges(next, nextProbabilities, payloads, number)
	}
	return s
}

func (r *dagReader) durations(list, probabilities *value) []Weighted {
	values := r.numbers(list, 1e-6, 1e12)
	if len(values) == 0 && list.kind == listValue {
		r.wrong(list, "want a duration at least")
	}
	weights := r.weights(probabilities, len(values), 1/float64(max(1, len(values))))
	var all []Weighted
	for i, v := range values {
		all = append(all, Weighted{time.Duration(v*float64(time.Millisecond) + .5), weights[i]})
	}
	return all
}

// weights reads as many probabilities as there are values, or takes the standard
// one for each.
func (r *dagReader) weights(list *value, n int, standard float64) []float64 {
	if list != nil {
		weights := r.numbers(list, 0, 1)
		if len(weights) == n {
			return weights
		}
		r.wrong(list, "want %d probabilities, one each, not %d", n, len(weights))
	}
	return slices.Repeat([]float64{standard}, n)
}

func (r *dagReader) edges(next, probabilities, payloads *value, number map[string]int) []Edge {
	names := r.items(next)
	weights := r.weights(probabilities, len(names), 1)
	var sizes []*value
	if payloads != nil {
		if sizes = r.items(payloads); len(sizes) != len(names) {
			r.wrong(payloads, "want %d payloads, one per edge, not %d", len(names), len(sizes))
			sizes = nil
		}
	}
	var edges []Edge
	for i, n := range names {
		e := Edge{Probability: weights[i]}
		if sizes != nil {
			var err error
			if e.Payload, err = ParseBytes(sizes[i].text); err != nil {
				r.wrong(sizes[i], "%v", err)
			}
		}
		to, ok := number[n.text]
		if n.kind != textValue || !ok {
			r.wrong(n, "there is no function %q", n.text)
			continue
		}
		e.To = to
		edges = append(edges, e)
	}
	return edges
}

// start compares StartAt with where the graph begins.
func (r *dagReader) start(g *Graph, start, functions *value) {
	if start == nil {
		return
	}
	into := g.into()
	named := map[string]bool{}
	for _, v := range r.items(start) {
		named[v.text] = true
		i := slices.IndexFunc(g.Steps, func(s Step) bool { return s.Name == v.text })
		if i < 0 {
			r.wrong(v, "StartAt: there is no function %q", v.text)
		} else if into[i] > 0 {
			r.wrong(v, "StartAt: %s is called by another function", v.text)
		}
	}
	for i, step := range g.Steps {
		if into[i] == 0 && !named[step.Name] {
			r.wrong(functions.fields[i].value, "StartAt lacks %s, which no function calls: add it, or let one call it", step.Name)
		}
	}
}

// fields calls what reads each field of an object.
func (r *dagReader) fields(v *value, known map[string]func(*value)) {
	if v.kind != objectValue {
		r.wrong(v, "want an object")
		return
	}
	seen := map[string]bool{}
	for _, f := range v.fields {
		read, ok := known[f.name]
		switch {
		case !ok:
			r.wrong(f.value, "field %q is not known", f.name)
		case seen[f.name]:
			r.wrong(f.value, "field %q stands here twice", f.name)
		default:
			read(f.value)
		}
		seen[f.name] = true
	}
}

func (r *dagReader) items(v *value) []*value {
	if v.kind != listValue {
		r.wrong(v, "want a list")
	}
	return v.items
}

// numbers reads a list of numbers from low to high.
func (r *dagReader) numbers(v *value, low, high float64) []float64 {
	var list []float64
	for _, item := range r.items(v) {
		x, err := strconv.ParseFloat(item.text, 64)
		if item.kind != numberValue || err != nil || !(x >= low && x <= high) {
			r.wrong(item, "%q: want a number from %g to %g", item.text, low, high)
			continue
		}
		list = append(list, x)
	}
	return list
}

// byteUnits are those of payloads, in the order in which they are tried.
var byteUnits = []struct {
	name string
	size float64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1}}

// ParseBytes reads an amount of data, as "64KiB", "1.5MB" or "200B".
func ParseBytes(text string) (int64, error) {
	for _, u := range byteUnits {
		digits, ok := strings.CutSuffix(text, u.name)
		if !ok {
			continue
		}
		x, err := strconv.ParseFloat(digits, 64)
		decimal := !strings.ContainsAny(digits, "_xX")
		if bytes := x * u.size; decimal && err == nil && bytes >= 0 && bytes <= 1<<50 && bytes == float64(int64(bytes)) {
			return int64(bytes), nil
		}
		break
	}
	if _, err := strconv.ParseFloat(text, 64); err == nil {
		return 0, fmt.Errorf("%s lacks the unit of a payload: write %sB, %sKiB or %sMB", text, text, text, text)
	}
	return 0, fmt.Errorf("%q is no amount of data: write one such as 200B, 64KiB or 1.5MB", text)
}

// Invocations are the flows that a CSV of noserver's asks for.
type Invocations struct {
	Name  string // of the workflow
	Times []des.Time
}

// header of noserver's invocation files; timestamps are milliseconds.
const header = "timestamp,dag_name,num_invocations"

// ReadInvocations reads the invocations of every workflow of a file, in the order
// in which they first appear. The error joins every mistake, each a *FileMistake.
func ReadInvocations(file string, r io.Reader) ([]Invocations, error) {
	var mistakes []error
	wrong := func(line int, format string, args ...any) {
		mistakes = append(mistakes, &FileMistake{file, line, fmt.Sprintf(format, args...)})
	}
	rows := csv.NewReader(r)
	rows.FieldsPerRecord = 3
	rows.ReuseRecord = true
	first, err := rows.Read()
	if err != nil || strings.Join(first, ",") != header {
		wrong(1, "want the header %s", header)
		return nil, errors.Join(mistakes...)
	}
	var list []Invocations
	at := map[string]int{}
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return list, errors.Join(mistakes...)
		}
		var broken *csv.ParseError
		if errors.As(err, &broken) {
			wrong(broken.Line, "%v", broken.Err)
			if !errors.Is(err, csv.ErrFieldCount) {
				return nil, errors.Join(mistakes...)
			}
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", file, err)
		}
		line, _ := rows.FieldPos(0)
		ms, errTime := strconv.ParseFloat(row[0], 64)
		n, errCount := strconv.Atoi(row[2])
		if errTime != nil || !(ms >= 0 && ms < 1e15) || errCount != nil || n < 0 || n > 1e6 || row[1] == "" {
			wrong(line, "want milliseconds from 0, the name of a workflow and a number of invocations")
			continue
		}
		i, known := at[row[1]]
		if !known {
			i = len(list)
			at[row[1]] = i
			list = append(list, Invocations{Name: row[1]})
		}
		when := des.Time(ms*float64(time.Millisecond) + .5)
		if own := list[i].Times; len(own) > 0 && when < own[len(own)-1] {
			wrong(line, "%v is before the line above: want the order of time", when)
			continue
		}
		for range n {
			list[i].Times = append(list[i].Times, when)
		}
	}
}

// Arrivals plays given times.
type Arrivals struct{ Times []des.Time }

// Next implements cluster.Arrivals.
func (a *Arrivals) Next() (cluster.Arrival, bool) {
	if len(a.Times) == 0 {
		return cluster.Arrival{}, false
	}
	at := a.Times[0]
	a.Times = a.Times[1:]
	return cluster.Arrival{At: at}, true
}
