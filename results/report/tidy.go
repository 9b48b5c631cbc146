package report

import (
	"encoding/csv"
	"fmt"
	"io"
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"microcosm/cosim/cluster"
	"microcosm/cosim/experiment"
	"microcosm/cosim/metrics"
)

// Statuses of the tidy files beside those of metrics.Status.
const statusCount = "count"

// Scopes of the tidy files.
const (
	scopeAll    = "all"
	scopeEffect = "effect"
)

// observation is one line of the tidy files. NaN stands for what is not known.
type observation struct {
	run                       string
	levels                    []string // one per factor; nil for an effect
	scope, name, metric, unit string
	est, lo, hi               float64
	n                         int64
	method, status, note      string
}

// tidyHead returns the names of the columns. Those of factors have a prefix, so
// that none can pose as another column; of factors whose names come out alike,
// each later one has its number.
func tidyHead(r *experiment.Result) []string {
	head := []string{"run"}
	for i, f := range r.Factors {
		name := "factor_" + strings.Map(columnRune, f.Name)
		if slices.Contains(head, name) {
			name += "-" + strconv.Itoa(i+1)
		}
		head = append(head, name)
	}
	return append(head, "scope", "name", "metric", "unit", "est", "lo", "hi", "n", "method", "status", "note")
}

// columnRune keeps what every reader of Parquet takes in a column's name, and of
// that what columnRune's caller does not use itself: '-'.
func columnRune(r rune) rune {
	if unicode.IsLetter(r) || unicode.IsDigit(r) {
		return r
	}
	return '_'
}

// observations yields every number of the result: per run those of the whole, of
// each function, node and condition, and at the end the effects.
func observations(r *experiment.Result) iter.Seq[observation] {
	return func(yield func(observation) bool) {
		for i := range r.Runs {
			if !observe(&r.Runs[i], len(r.Factors), yield) {
				return
			}
		}
		for _, e := range r.Effects {
			o := observation{run: e.Formula, scope: scopeEffect, name: e.Name}
			if !yield(o.with(experiment.Metric{Name: e.Metric, Unit: e.Unit, Estimate: e.Estimate})) {
				return
			}
		}
	}
}

// observe yields the numbers of one run until it is told to stop.
func observe(run *experiment.Run, factors int, yield func(observation) bool) bool {
	levels := make([]string, factors)
	copy(levels, run.Levels)
	whole := observation{run: run.Name, levels: levels, scope: scopeAll}
	for _, c := range counts(run.Account) {
		if !yield(whole.counted(c.name, c.n)) {
			return false
		}
	}
	for _, m := range run.Metrics {
		if !yield(whole.with(m)) {
			return false
		}
	}
	for _, k := range []kind{byFunction, byNode, byCondition, byWorkflow, byStep, byStart} {
		for _, m := range k.of(run) {
			part := observation{run: run.Name, levels: levels, scope: k.scope, name: m.Name}
			if !yield(part.counted("invocations", m.Invocations)) ||
				!yield(part.with(experiment.Metric{Name: "share", Estimate: m.Share})) {
				return false
			}
			for _, q := range m.Metrics {
				if !yield(part.with(q)) {
					return false
				}
			}
		}
	}
	return true
}

type count struct {
	name string
	n    int64
}

func counts(a cluster.Account) []count {
	return []count{
		{"arrived", a.Arrived}, {"done", a.Done}, {"failed", a.Failed}, {"rejected", a.Rejected},
		{"queued", a.Queued}, {"running", a.Running}, {"attempts", a.Attempts}, {"retries", a.Retries}, {"hedges", a.Hedges},
	}
}

// counted is a number that was counted over all replications, not estimated.
func (o observation) counted(name string, n int64) observation {
	o.metric, o.est, o.lo, o.hi, o.n, o.status = name, float64(n), math.NaN(), math.NaN(), n, statusCount
	return o
}

func (o observation) with(m experiment.Metric) observation {
	e := m.Estimate
	o.metric, o.unit = m.Name, m.Unit
	o.est, o.lo, o.hi, o.n = e.Est, e.Lo, e.Hi, e.N
	o.method, o.status, o.note = e.Method, e.Status.String(), e.Note
	switch {
	case e.OK() && !stands(e):
		o.status, o.note = metrics.StatusNotEstimable.String(), notFinite
	case e.Status == metrics.StatusInvalid:
		o.est = math.NaN()
	}
	if !stands(e) && e.Status != metrics.StatusBounds {
		o.lo, o.hi = math.NaN(), math.NaN()
	}
	return o
}

// CSV writes every number of the result in long form, one per line, behind a
// header; the columns are explained in README.md. Numbers have the digits that
// give them back exactly; what is not known is empty. Names stand as they are: a
// spreadsheet may take one that begins with "=" for a formula.
func CSV(w io.Writer, r *experiment.Result) error {
	out := csv.NewWriter(w)
	// An error of Write is kept by out and returned by Error.
	_ = out.Write(tidyHead(r))
	for o := range observations(r) {
		levels := o.levels
		if levels == nil {
			levels = make([]string, len(r.Factors))
		}
		record := append([]string{o.run}, levels...)
		_ = out.Write(append(record, o.scope, o.name, o.metric, o.unit,
			number(o.est), number(o.lo), number(o.hi), strconv.FormatInt(o.n, 10), o.method, o.status, o.note))
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return fmt.Errorf("write report as CSV: %w", err)
	}
	return nil
}

func number(x float64) string {
	if !known(x) {
		return ""
	}
	return strconv.FormatFloat(x, 'g', -1, 64)
}
