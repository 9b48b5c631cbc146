package scenario

import (
	"fmt"
	"iter"
	"slices"
	"strings"
)

// Variant is the scenario under one combination of its factors' levels.
type Variant struct {
	Levels   []string // one per factor, in their order
	Scenario *Scenario
}

// maxVariants bounds what a factorial design can ask for.
const maxVariants = 1000

// Variants returns all combinations of the factors' levels, the last factor
// varying fastest; without factors the scenario alone. The scenarios returned
// have no factors.
func (s *Scenario) Variants() ([]Variant, error) {
	if len(s.Factors) == 0 {
		return []Variant{{Scenario: s}}, nil
	}
	var variants []Variant
	var mistakes []Mistake
	for c := range s.combinations() {
		v, found := c.read(s)
		if mistakes = append(mistakes, found...); len(found) == 0 {
			variants = append(variants, Variant{Levels: c.levels(s), Scenario: v})
		}
	}
	if len(mistakes) > 0 {
		return nil, &Mistakes{List: mistakes}
	}
	return variants, nil
}

// combination holds the index of one level per factor; the factor's key is left
// as it is where the index is negative.
type combination []int

// combinations yields every combination, the last factor varying fastest.
func (s *Scenario) combinations() iter.Seq[combination] {
	return func(yield func(combination) bool) {
		c := make(combination, len(s.Factors))
		for yield(slices.Clone(c)) {
			i := len(c) - 1
			for ; i >= 0; i-- {
				if c[i]++; c[i] < len(s.Factors[i].Levels) {
					break
				}
				c[i] = 0
			}
			if i < 0 {
				return
			}
		}
	}
}

func (c combination) levels(s *Scenario) []string {
	levels := make([]string, len(c))
	for i, level := range c {
		levels[i] = s.Factors[i].Levels[level]
	}
	return levels
}

// singles yields every level of every factor alone, so that what is wrong with a
// level by itself is told without the others.
func (s *Scenario) singles() iter.Seq[combination] {
	return func(yield func(combination) bool) {
		for i, f := range s.Factors {
			for level := range f.Levels {
				c := slices.Repeat(combination{-1}, len(s.Factors))
				c[i] = level
				if !yield(c) {
					return
				}
			}
		}
	}
}

// read returns the scenario with the levels in their places, and all mistakes
// where they were found.
func (c combination) read(s *Scenario) (*Scenario, []Mistake) {
	root := s.origin.root.without("factors")
	for i, level := range c {
		if level < 0 {
			continue
		}
		f, at := s.Factors[i], s.levelAt(i, level)
		target, steps, err := scalarAt(f.Set)
		if err == nil {
			root, err = root.with(steps, scalar(target, f.Levels[level], at))
		}
		if err != nil {
			return nil, []Mistake{at.mistake(f.Set, err.Error())}
		}
	}
	return s.origin.read(root)
}

// blame returns the mistake as it is shown: at a level.
func (c combination) blame(s *Scenario, m Mistake) Mistake {
	var settings []string
	var last position
	for i, level := range c {
		if level < 0 {
			continue
		}
		last = s.levelAt(i, level)
		if m.Line == last.line && m.Column == last.column {
			return m
		}
		settings = append(settings, s.Factors[i].Set+" is "+s.Factors[i].Levels[level])
	}
	problem := fmt.Sprintf("%s (line %d, where %s)", m.Problem, m.Line, strings.Join(settings, " and "))
	return last.mistake(m.Key, problem)
}

// levelAt returns where a level is written.
func (s *Scenario) levelAt(factor, level int) position {
	p := place{node: s.origin.root}.child("factors").item(factor).child("levels")
	if p.node.kind == listNode {
		p = p.item(level)
	}
	return p.at()
}

func (f *Factor) check(r *reader, p place) {
	r.checkName(p.child("name"), f.Name)
	if levels := p.child("levels"); r.sound(p, "levels") {
		for i, level := range f.Levels {
			if first := slices.Index(f.Levels, level); first < i {
				r.wrong(levels.item(i), "is level %d already: remove one of them", first+1)
			}
		}
	}
	if !r.sound(p, "set") {
		return
	}
	section, _, _ := strings.Cut(f.Set, ".")
	switch _, _, err := scalarAt(f.Set); {
	case err != nil:
		r.wrong(p.child("set"), "%v", err)
	case section != "cluster" && section != "workload" && section != "fidelity" && section != "seed":
		r.wrong(p.child("set"), "%s changes no result: vary a key of cluster, workload or fidelity", f.Set)
	}
}

// checkFactors reports factors that contradict each other, and every
// combination of levels that is no valid scenario.
func (s *Scenario) checkFactors(r *reader, p place) {
	factors, variants := p.child("factors"), 1
	for i, f := range s.Factors {
		item := factors.item(i)
		for j, other := range s.Factors[:i] {
			if f.Name == other.Name {
				r.wrong(item.child("name"), "factor %d is called so already: give each its own name", j+1)
			}
			if f.Set == other.Set {
				r.wrong(item.child("set"), "factor %d sets it already: put the levels together", j+1)
			}
		}
		if !r.sound(factors, fmt.Sprintf("[%d].set", i), fmt.Sprintf("[%d].levels", i)) || len(f.Levels) == 0 {
			return
		}
		if variants *= len(f.Levels); variants > maxVariants {
			r.wrong(item.child("levels"), "the factors have more than %d combinations of levels: take fewer", maxVariants)
			return
		}
	}
	if len(s.Factors) == 0 || r.reported[factors.path] {
		return
	}
	known := slices.Clone(r.mistakes)
	for _, choices := range []iter.Seq[combination]{s.singles(), s.combinations()} {
		for c := range choices {
			_, found := c.read(s)
			for _, m := range found {
				if !slices.Contains(known, m) {
					known = append(known, m)
					r.mistakes = append(r.mistakes, c.blame(s, m))
				}
			}
		}
	}
}

// Levels are the values that a factor takes, as texts.
type Levels []string

// read takes words and numbers alike: what fits is decided where they are set.
func (l *Levels) read(r *reader, p place) {
	items := []place{p}
	if p.node.kind == listNode {
		items = nil
		for i := range p.node.items {
			items = append(items, p.item(i))
		}
	}
	if len(items) == 0 {
		r.wrong(p, "the list is empty: give it the values that the factor takes")
	}
	for _, item := range items {
		if item.node.kind != textNode && item.node.kind != wordNode {
			r.wrong(item, "want one word or number, not %s", item.node.what())
		}
		*l = append(*l, item.node.text)
	}
}
