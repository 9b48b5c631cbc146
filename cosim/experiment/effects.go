package experiment

import (
	"fmt"
	"strings"

	"microcosm/cosim/metrics"
)

// cell is one run of the factorial design.
type cell struct {
	name       string
	levels     []int // one per factor, indices into Factor.Levels
	replicated []Replicated
	unstable   string
}

// contrast is a weighted sum of cells.
type contrast struct {
	name    string
	cells   []*cell
	weights []float64
}

// effects returns the simple effects (level against the factor's first level,
// all else equal) and, for every pair of factors, the differences of
// differences. All replications ran under common random numbers, so every
// contrast is taken replication by replication.
func effects(factors []Factor, cells []*cell, level float64) []Effect {
	var list []Effect
	for _, c := range contrasts(factors, cells) {
		list = append(list, c.effects(level)...)
	}
	return list
}

// effects estimates the contrast for every number that the cells have.
func (c contrast) effects(level float64) []Effect {
	var list []Effect
	for m, first := range c.cells[0].replicated {
		e := Effect{Name: c.name, Formula: c.formula(), Metric: first.Metric, Unit: first.Unit}
		if reason := c.unstable(); reason != "" {
			e.Estimate = metrics.Unstable(0, metrics.MethodPaired, reason)
			list = append(list, e)
			continue
		}
		runs := make([][]float64, len(c.cells))
		resampled := make([]*metrics.Resampled, len(c.cells))
		for i, one := range c.cells {
			runs[i], resampled[i] = one.replicated[m].Values, one.replicated[m].Resampled
		}
		e.Estimate = metrics.Contrast(c.weights, runs, level)
		if together, ok := metrics.ContrastResampled(c.weights, resampled); ok {
			e.Estimate, e.Parts = split(e.Estimate, together, false, level)
		}
		list = append(list, e)
	}
	return list
}

func contrasts(factors []Factor, cells []*cell) []contrast {
	var list []contrast
	find := func(levels []int) *cell {
		index := 0
		for i, l := range levels {
			index = index*len(factors[i].Levels) + l
		}
		return cells[index]
	}
	with := func(c *cell, changes map[int]int) *cell {
		levels := append([]int(nil), c.levels...)
		for factor, l := range changes {
			levels[factor] = l
		}
		return find(levels)
	}
	for a, factor := range factors {
		for _, base := range cells {
			if base.levels[a] != 0 {
				continue
			}
			for l := 1; l < len(factor.Levels); l++ {
				name := fmt.Sprintf("%s: %s − %s", factor.Name, factor.Levels[l], factor.Levels[0])
				if where := condition(factors, base, a); where != "" {
					name += " at " + where
				}
				list = append(list, contrast{name, []*cell{with(base, map[int]int{a: l}), base}, []float64{1, -1}})
			}
		}
	}
	for a := range factors {
		for b := a + 1; b < len(factors); b++ {
			list = append(list, interactions(factors, cells, a, b, with)...)
		}
	}
	return list
}

// interactions returns the differences of differences of factors a and b.
func interactions(factors []Factor, cells []*cell, a, b int, with func(*cell, map[int]int) *cell) []contrast {
	var list []contrast
	for _, base := range cells {
		if base.levels[a] != 0 || base.levels[b] != 0 {
			continue
		}
		for i := 1; i < len(factors[a].Levels); i++ {
			for j := 1; j < len(factors[b].Levels); j++ {
				name := fmt.Sprintf("%s: %s − %s, due to %s: %s − %s", factors[a].Name, factors[a].Levels[i], factors[a].Levels[0],
					factors[b].Name, factors[b].Levels[j], factors[b].Levels[0])
				if where := condition(factors, base, a, b); where != "" {
					name += " at " + where
				}
				list = append(list, contrast{name, []*cell{
					with(base, map[int]int{a: i, b: j}), with(base, map[int]int{b: j}),
					with(base, map[int]int{a: i}), base,
				}, []float64{1, -1, -1, 1}})
			}
		}
	}
	return list
}

// condition names the levels of the factors that a contrast holds fixed.
func condition(factors []Factor, c *cell, varied ...int) string {
	var fixed []string
	for i, f := range factors {
		held := true
		for _, v := range varied {
			held = held && v != i
		}
		if held {
			fixed = append(fixed, f.Name+" "+f.Levels[c.levels[i]])
		}
	}
	return strings.Join(fixed, ", ")
}

func (c contrast) formula() string {
	name := func(i int) string { return "[" + c.cells[i].name + "]" }
	if len(c.cells) == 2 {
		return name(0) + " − " + name(1)
	}
	return "(" + name(0) + " − " + name(1) + ") − (" + name(2) + " − " + name(3) + ")"
}

func (c contrast) unstable() string {
	for _, one := range c.cells {
		if one.unstable != "" {
			return "[" + one.name + "]: " + one.unstable
		}
	}
	return ""
}
