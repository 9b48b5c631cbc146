package gem5

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"microcosm/cosim/servicetime"
	"microcosm/functions"
	"microcosm/gem5bridge"
	guest "microcosm/images/guest/job"
)

// structures are what can be emptied by itself; the scripts know how.
var structures = []string{"l1i", "l1d", "l2", "l3", "iwalk", "dwalk", "tlb", "btb"}

// plan is a job that has been found good.
type plan struct {
	scene
	cells  []*cell
	groups []*group
	mix    []string // who interleaves
}

// plan looks up all that the job names. Its error joins every mistake and every
// condition that cannot be produced.
func (b *Backend) plan(ctx context.Context, job gem5bridge.Job) (*plan, error) {
	s, err := b.scene(ctx, job.Setup)
	p := &plan{scene: s}
	wrong := []error{job.Check(), err}
	for i, asked := range job.Cells {
		c, err := b.cell(p, i, asked)
		wrong = append(wrong, err)
		p.cells = append(p.cells, c)
	}
	for _, name := range job.Mix.Functions {
		if _, err := b.installed(p, name); err != nil {
			wrong = append(wrong, gem5bridge.Mistake("mix %q: %v", job.Mix.Name, err))
		}
	}
	p.mix = slices.Sorted(slices.Values(job.Mix.Functions))
	if _, err := b.installed(p, servicetime.NullFunction); err != nil {
		wrong = append(wrong, gem5bridge.Mistake("the null call that is subtracted: %v", err))
	}
	if err := errors.Join(wrong...); err != nil {
		return nil, err
	}
	p.group()
	return p, nil
}

// cell looks up one cell of the job.
func (b *Backend) cell(p *plan, index int, asked gem5bridge.Cell) (*cell, error) {
	c := &cell{Cell: asked, index: index, next: asked.First}
	var wrong []error
	if why := p.unsupported(asked.Condition); why != "" {
		wrong = append(wrong, &gem5bridge.Failure{
			Kind: gem5bridge.ErrUnsupported, Function: asked.Function, Input: asked.Input, Condition: asked.Condition, Text: why,
		})
	}
	if asked.Function == "" {
		return c, errors.Join(wrong...) // Job.Check has said so
	}
	f, err := b.installed(p, asked.Function)
	if err != nil {
		return c, errors.Join(append(wrong, gem5bridge.Mistake("cell %d (%s): %v", index, asked, err))...)
	}
	if asked.Input != "" {
		if _, err := f.Class(asked.Input); err != nil {
			wrong = append(wrong, gem5bridge.Mistake("cell %d (%s): %v", index, asked, err))
		}
	}
	c.remote = len(f.Dependencies) > 0
	c.key = servicetime.Key{
		Function: f.Name, Image: p.image.functions()[f.Name], Input: asked.Input, Condition: asked.Condition,
		Platform: p.platform.Name, PlatformDigest: p.platform.Digest(), Stack: p.stack,
	}
	return c, errors.Join(wrong...)
}

// installed returns a function of the catalog that the image holds, with the
// functions that it calls. Without an image, which is a mistake of its own, the
// catalog answers.
func (b *Backend) installed(p *plan, name string) (*functions.Function, error) {
	catalog := b.catalog
	if p.image.catalog != nil {
		catalog = p.image.catalog
	}
	f, err := catalog.Lookup(name)
	if err != nil {
		return nil, err
	}
	if there := p.image.functions(); p.stack != "" && there[name] == "" {
		return nil, fmt.Errorf("%s is not in the image for %s: build the image with it (make -C images)", name, p.image.isa)
	}
	for _, d := range f.Dependencies {
		if d.Function != "" {
			if _, err := b.installed(p, d.Function); err != nil {
				return nil, err
			}
		}
	}
	return f, nil
}

// unsupported says why a condition cannot be produced; empty if it can.
func (p *plan) unsupported(c servicetime.Condition) string {
	if c.Kind != servicetime.FlushStructure {
		return ""
	}
	for name := range strings.SplitSeq(c.Structures, "+") {
		switch {
		case !slices.Contains(structures, name):
			return fmt.Sprintf("gem5 cannot empty %q: it can %s", name, strings.Join(structures, ", "))
		case name == "l3" && p.platform.Parameters["cache.levels"] == "2":
			return p.platform.Name + " has no l3"
		case name == "btb" && p.platform.Parameters["core.model"] == "timing":
			return p.platform.Name + " predicts no branches"
		}
	}
	return ""
}

// group puts cells together that one run can give samples of: the first call of
// a sandbox and the stages before it. Every other cell has runs of its own.
func (p *plan) group() {
	starts := map[string]*group{}
	for _, c := range p.cells {
		switch c.Condition.Kind {
		case servicetime.Cold, servicetime.StageCreate, servicetime.StageInit:
			place := c.Function + "/" + c.Input
			if starts[place] == nil {
				starts[place] = &group{}
				p.groups = append(p.groups, starts[place])
			}
			starts[place].cells = append(starts[place].cells, c)
		default:
			p.groups = append(p.groups, &group{cells: []*cell{c}})
		}
	}
}

// step is what the guest does in a run for count samples of the cell, which begin
// to count by the rule.
func (c *cell) step(count, first int, rule settle, p *plan, mix string) guest.Step {
	s := guest.Step{Function: c.Function, Input: c.Input, First: first}
	switch c.Condition.Kind {
	case servicetime.Cold, servicetime.StageCreate, servicetime.StageInit:
		s.Mode, s.Count = guest.Cold, count
		return s
	case servicetime.Flush:
		s.Mode, s.Count = guest.Warm, 1
		return s
	case servicetime.Lukewarm:
		s.Mode, s.K, s.Warmup = guest.Lukewarm, c.Condition.K, 1
		s.Mix = guest.Mix{Name: mix, Functions: targets(p.mix)}
	case servicetime.Stressor:
		s.Mode = guest.Stressor
		s.Code = c.Condition.Bytes / 2
		s.Data = c.Condition.Bytes - s.Code
	default:
		s.Mode = guest.Warm
	}
	s.Count = rule.Most + rule.Later + count
	return s
}

// targets are functions with their default inputs.
func targets(names []string) []guest.Target {
	var all []guest.Target
	for _, name := range names {
		all = append(all, guest.Target{Function: name, Input: functions.DefaultClass})
	}
	return all
}

// settle is the rule by which a cell's calls begin to count in the run of that
// number. Calls repeat from restore to restore, as simulations do: what the
// function's runtime does at its tenth call it does at the tenth after every
// restore. So runs begin to count at different calls, up to restores-1 after the CPI
// has settled, and a run in the place of one whose sample did not count at another
// call than that.
func (c *cell) settle(run int) settle {
	switch c.Condition.Kind {
	case servicetime.Flush, servicetime.Cold, servicetime.StageCreate, servicetime.StageInit:
		return settle{Window: 1}
	case servicetime.Lukewarm, servicetime.Stressor:
		// What comes in between makes the condition anew before every call; the first
		// two still find the machine as a restore leaves it.
		first := 2 + run%3
		return settle{Window: 1, Tolerance: 0, Least: first, Most: first}
	default:
		return settle{Window: 3, Tolerance: .05, Least: 4, Most: 12, Later: run % restores}
	}
}

// functional returns how many of the calls before the first that counts run on the
// functional cores: where no test of settling has to see them, all but the last.
func (s settle) functional() int {
	if s.Least < s.Most {
		return 0
	}
	return max(s.Most-1, 0)
}
