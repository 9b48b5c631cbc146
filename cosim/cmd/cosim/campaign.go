package main

import (
	"context"
	"errors"
	"fmt"

	"microcosm/cosim/servicetime"
	"microcosm/gem5bridge"
	"microcosm/results"
	"microcosm/setup/filelock"
)

// tally counts the samples that a campaign has stored.
type tally map[servicetime.Status]int

// fill measures what the store lacks of the wanted samples of every named
// function in every condition. Of several processes that fill one store, each
// claims the cells that nobody else is at, and waits for the others before it
// measures what they have left open: no number is measured twice.
func (a *app) fill(ctx context.Context, store *results.Store, m *measurer, s campaign, names []string, conditions []servicetime.Condition) (tally, error) {
	stored := tally{}
	for {
		open, err := a.missing(ctx, store, m, s, names, conditions)
		if err != nil || len(open) == 0 {
			return stored, err
		}
		claim := newClaim(store.Path(), m)
		held, err := claim.take(open)
		if err == nil && len(claim.cells) == 0 {
			a.log.Info("another process measures what is missing: waiting for it", "cell", held.String())
			err = claim.await(ctx, held)
		}
		if err == nil {
			// Looked up once more: what was stored before the claim is not measured again.
			open, err = a.missing(ctx, store, m, s, names, conditions)
		}
		if mine := claim.among(open); err == nil && len(mine) > 0 {
			var added tally
			added, err = a.measure(ctx, store, m, s, mine)
			for status, n := range added {
				stored[status] += n
			}
		}
		if err := errors.Join(err, claim.release()); err != nil {
			return stored, err
		}
	}
}

// claim is what one process is about to measure.
type claim struct {
	path     string
	measurer *measurer
	keys     map[gem5bridge.Cell]servicetime.Key // by function and input
	cells    map[gem5bridge.Cell]bool            // without their numbers
	releases []func() error
}

func newClaim(store string, m *measurer) *claim {
	return &claim{path: store + ".claims", measurer: m, keys: map[gem5bridge.Cell]servicetime.Key{}, cells: map[gem5bridge.Cell]bool{}}
}

// take claims those of the cells that nobody else has claimed, and returns one
// that somebody has.
func (c *claim) take(cells []gem5bridge.Cell) (held gem5bridge.Cell, err error) {
	for _, cell := range cells {
		part, err := c.part(cell)
		if err != nil {
			return held, err
		}
		release, err := filelock.TryPart(c.path, part)
		if errors.Is(err, filelock.ErrHeld) {
			held = cell
			continue
		}
		if err != nil {
			return held, fmt.Errorf("claim %s: %w", cell, err)
		}
		c.add(cell, release)
	}
	return held, nil
}

// await claims a cell that somebody else has claimed so far.
func (c *claim) await(ctx context.Context, cell gem5bridge.Cell) error {
	part, err := c.part(cell)
	if err != nil {
		return err
	}
	release, err := filelock.TakePart(ctx, c.path, part)
	if err != nil {
		return fmt.Errorf("claim %s: %w", cell, err)
	}
	c.add(cell, release)
	return nil
}

// part names what is locked for a cell. The image is read once for all conditions.
func (c *claim) part(cell gem5bridge.Cell) (string, error) {
	call := gem5bridge.Cell{Function: cell.Function, Input: cell.Input}
	key, known := c.keys[call]
	if !known {
		var err error
		if key, err = c.measurer.key(cell.Function, cell.Input, servicetime.Condition{}); err != nil {
			return "", err
		}
		c.keys[call] = key
	}
	key.Condition = cell.Condition
	return key.Digest(), nil
}

func (c *claim) add(cell gem5bridge.Cell, release func() error) {
	c.cells[nameOf(cell)] = true
	c.releases = append(c.releases, release)
}

// among returns those of the cells that are claimed.
func (c *claim) among(cells []gem5bridge.Cell) []gem5bridge.Cell {
	var mine []gem5bridge.Cell
	for _, cell := range cells {
		if c.cells[nameOf(cell)] {
			mine = append(mine, cell)
		}
	}
	return mine
}

func (c *claim) release() error {
	var mistakes []error
	for _, release := range c.releases {
		mistakes = append(mistakes, release())
	}
	return errors.Join(mistakes...)
}

// nameOf is a cell without the numbers of its samples.
func nameOf(c gem5bridge.Cell) gem5bridge.Cell {
	return gem5bridge.Cell{Function: c.Function, Input: c.Input, Condition: c.Condition}
}
