package host

import (
	"errors"
	"fmt"
	"os/exec"
	"time"

	"microcosm/cosim/servicetime"
	"microcosm/functions"
	"microcosm/gem5bridge"
)

// plan is a job that has been found good.
type plan struct {
	cells  []*cell
	null   *cell // the null call, warm
	mix    []*functions.Function
	within time.Duration // a function serves
}

// plan looks up all that the job names. Its error joins every mistake and every
// condition that cannot be produced.
func (b *Backend) plan(job gem5bridge.Job) (*plan, error) {
	p := &plan{}
	wrong := []error{job.Check(), b.checkSetup(job.Setup)}
	p.within, _ = readySetting(job.Setup) // checkSetup has said what is wrong
	lukewarm := false
	for i, asked := range job.Cells {
		c, err := b.cell(job, i, asked)
		wrong = append(wrong, err)
		p.cells = append(p.cells, c)
		lukewarm = lukewarm || asked.Condition.Kind == servicetime.Lukewarm
	}
	if lukewarm {
		for _, name := range job.Mix.Functions {
			f, _, err := b.installed(job, name)
			if err != nil {
				err = gem5bridge.Mistake("mix %q: %v", job.Mix.Name, err)
			}
			wrong = append(wrong, err)
			p.mix = append(p.mix, f)
		}
	}
	null, err := b.nullCell(job)
	p.null = null
	return p, errors.Join(append(wrong, err)...)
}

// cell looks up one cell of the job.
func (b *Backend) cell(job gem5bridge.Job, index int, asked gem5bridge.Cell) (*cell, error) {
	c := &cell{Cell: asked, index: index}
	var wrong []error
	add := func(err error) { wrong = append(wrong, gem5bridge.Mistake("cell %d (%s): %v", index, asked, err)) }
	if why := unsupported(asked.Condition); why != "" && asked.Condition.Kind != servicetime.Invalid {
		wrong = append(wrong, &gem5bridge.Failure{
			Kind: gem5bridge.ErrUnsupported, Function: asked.Function, Input: asked.Input, Condition: asked.Condition, Text: why,
		})
	}
	if asked.Condition.Kind == servicetime.Stressor && asked.Condition.Bytes > mostStress {
		wrong = append(wrong, gem5bridge.Mistake("cell %d (%s): want at most %d bytes", index, asked, mostStress))
	}
	if asked.Function == "" {
		return c, errors.Join(wrong...) // Job.Check has said so
	}
	f, image, err := b.installed(job, asked.Function)
	if err != nil {
		add(err)
		return c, errors.Join(wrong...)
	}
	if asked.Input != "" {
		if _, err := f.Class(asked.Input); err != nil {
			add(err)
		}
	}
	c.function = f
	c.key = servicetime.Key{
		Function: f.Name, Image: image, Input: asked.Input, Condition: asked.Condition,
		Platform: b.machine.platform.Name, PlatformDigest: b.machine.platform.Digest, Stack: b.stack(),
	}
	return c, errors.Join(wrong...)
}

// installed returns a function of the catalog and the digest of what is
// installed of it.
func (b *Backend) installed(job gem5bridge.Job, name string) (*functions.Function, string, error) {
	f, err := b.catalog.Lookup(name)
	if err != nil {
		return nil, "", err
	}
	for _, d := range f.Dependencies {
		if d.Function != "" {
			if _, _, err := b.installed(job, d.Function); err != nil {
				return nil, "", err
			}
		} else if _, err := exec.LookPath(d.Argv[0]); err != nil {
			return nil, "", fmt.Errorf("%s needs %w; install the packages %v", name, err, d.Packages.Debian)
		}
	}
	image, err := f.Digest(job.Functions)
	return f, image, err
}

// nullCell returns the cell of the warm null call.
func (b *Backend) nullCell(job gem5bridge.Job) (*cell, error) {
	f, image, err := b.installed(job, servicetime.NullFunction)
	if err != nil {
		return nil, gem5bridge.Mistake("the null call that is subtracted: %v", err)
	}
	condition := servicetime.Condition{Kind: servicetime.Warm}
	return &cell{
		Cell:     gem5bridge.Cell{Function: f.Name, Input: functions.DefaultClass, Condition: condition, Count: nullCalls},
		index:    gem5bridge.WholeJob,
		function: f,
		key: servicetime.Key{
			Function: f.Name, Image: image, Input: functions.DefaultClass, Condition: condition,
			Platform: b.machine.platform.Name, PlatformDigest: b.machine.platform.Digest, Stack: b.stack(),
		},
	}, nil
}
