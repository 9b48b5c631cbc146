package experiment

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"microcosm/cosim/metrics"
)

// ComparisonSchema names the layout of Comparison's JSON.
const ComparisonSchema = "microcosm.comparison/1"

// Comparison is what one result says against another.
type Comparison struct {
	Schema     string       `json:"schema"`
	A          string       `json:"a"` // digest of the scenario
	B          string       `json:"b"`
	Confidence float64      `json:"confidence"`
	Margin     float64      `json:"margin"` // of equivalence
	Pairs      []PairOfRuns `json:"pairs"`
	Notes      []string     `json:"notes,omitempty"`
}

// PairOfRuns compares one run of each.
type PairOfRuns struct {
	A           string        `json:"a"`
	B           string        `json:"b"`
	Differences []Differences `json:"differences"`
}

// Differences is what two runs say of one number.
type Differences struct {
	Effect           // b − a
	A        float64 `json:"a"` // the value in a; 0 where it is not known
	Relative float64 `json:"relative"`
	// Equivalent is the p-value of the hypothesis that the two differ by more than
	// the margin: a small one shows that they do not. Nil where it cannot be told.
	Equivalent *metrics.Comparison `json:"equivalent,omitempty"`
}

// Compare takes the runs of two results in pairs: by name, or one against one.
// Replications are paired where both ran the same number of them under one seed:
// then both faced the same luck, and so did their resamples.
func Compare(a, b *Result, margin float64) (*Comparison, error) {
	pairs, err := pairsOf(a, b)
	if err != nil {
		return nil, err
	}
	c := &Comparison{Schema: ComparisonSchema, A: a.Scenario, B: b.Scenario, Confidence: a.Confidence, Margin: margin}
	if a.Confidence != b.Confidence {
		c.Notes = append(c.Notes, fmt.Sprintf("the intervals have the confidence of the first, %g", a.Confidence))
	}
	if !paired(a, b) {
		c.Notes = append(c.Notes, fmt.Sprintf("the runs did not face the same luck (seeds %d and %d, %d and %d replications): their differences are compared as independent ones, which takes wider intervals",
			a.Seed, b.Seed, a.Replications, b.Replications))
	}
	for _, p := range pairs {
		c.Pairs = append(c.Pairs, c.compare(p[0], p[1], paired(a, b)))
	}
	return c, nil
}

func paired(a, b *Result) bool { return a.Seed == b.Seed && a.Replications == b.Replications }

// pairsOf returns the runs that are compared.
func pairsOf(a, b *Result) ([][2]*Run, error) {
	if len(a.Runs) == 1 && len(b.Runs) == 1 {
		return [][2]*Run{{&a.Runs[0], &b.Runs[0]}}, nil
	}
	var pairs [][2]*Run
	for i := range a.Runs {
		if at := slices.IndexFunc(b.Runs, func(r Run) bool { return r.Name == a.Runs[i].Name }); at >= 0 {
			pairs = append(pairs, [2]*Run{&a.Runs[i], &b.Runs[at]})
		}
	}
	if len(pairs) == 0 {
		return nil, errors.New("no run of the one has its name in the other: compare scenarios with the same factors, or with one run each")
	}
	return pairs, nil
}

func (c *Comparison) compare(a, b *Run, paired bool) PairOfRuns {
	p := PairOfRuns{A: a.Name, B: b.Name}
	difference := contrast{
		name: b.Name + " − " + a.Name, weights: []float64{1, -1},
		cells: []*cell{{name: b.Name, replicated: b.Replicated, unstable: b.Unstable}, {name: a.Name, replicated: a.Replicated, unstable: a.Unstable}},
	}
	for i, e := range difference.effects(c.Confidence) {
		if i >= len(a.Replicated) || a.Replicated[i].Metric != e.Metric {
			break // written by a version with other metrics
		}
		values := [2][]float64{a.Replicated[i].Values, b.Replicated[i].Values}
		if !paired && e.Estimate.Status != metrics.StatusUnstable {
			e.Estimate, e.Parts = metrics.WelchDifference(values[1], values[0], c.Confidence), nil
		}
		p.Differences = append(p.Differences, c.differences(e, values, paired))
	}
	return p
}

// known is x, or 0 where it is no number, which JSON does not have.
func known(x float64) float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return 0
	}
	return x
}

func (c *Comparison) differences(e Effect, values [2][]float64, paired bool) Differences {
	d := Differences{Effect: e, A: known(metrics.MeanOf(values[0], c.Confidence).Est)}
	if d.A != 0 {
		d.Relative = known(e.Estimate.Est / d.A)
	}
	if e.Estimate.Status == metrics.StatusUnstable {
		d.A, d.Relative = 0, 0
		return d
	}
	test := metrics.Equivalence
	if paired {
		test = metrics.PairedEquivalence
	}
	if equivalent, err := test(values[1], values[0], c.Margin); err == nil {
		d.Equivalent = &equivalent
	}
	return d
}
