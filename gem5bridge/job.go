package gem5bridge

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"microcosm/cosim/servicetime"
)

// Setup says on what and with what to measure. The zero value asks for the
// plugin's only platform as it is.
type Setup struct {
	Platform  string            // a name of Description.Platforms; empty if there is only one
	Overrides map[string]string // platform parameters that differ; part of the key
	Functions string            // directory of the installed catalog of functions
	WorkDir   string            // the plugin may write below it; empty if it need not
	Settings  map[string]string // paths and limits of one back end; never part of a key
}

// Job is what to measure in one call.
type Job struct {
	Setup
	Cells    []Cell
	Seed     uint64        // of the campaign
	Campaign string        // its name, for provenance; may be empty
	Mix      Mix           // who interleaves in the lukewarm cells
	Deadline time.Duration // of one invocation, on the back end's own clock
	Slots    int           // detailed runs at a time; 0 leaves it to the plugin
}

// Cell is one key to sample. Samples are numbered from First until Count of
// them are valid: one that is censored or rejected keeps its number and is
// followed by another.
type Cell struct {
	Function  string
	Input     string
	Condition servicetime.Condition
	First     int
	Count     int
}

// String returns the cell in short, for people.
func (c Cell) String() string {
	return fmt.Sprintf("%s/%s %s", c.Function, c.Input, c.Condition)
}

// Mix names the functions among which the interleaving invocations of a
// lukewarm condition are drawn. A function never interleaves with itself.
type Mix struct {
	Name      string
	Functions []string
}

// Check returns the mistakes that no back end could accept, joined, each a
// *Failure of kind ErrInvalidJob. A back end adds its own before it refuses.
func (j Job) Check() error {
	var mistakes []error
	add := func(format string, args ...any) { mistakes = append(mistakes, Mistake(format, args...)) }
	if len(j.Cells) == 0 {
		add("no cells: name at least one function and condition")
	}
	if j.Deadline <= 0 {
		add("deadline %v: give every invocation a positive one", j.Deadline)
	}
	if j.Slots < 0 {
		add("slots %d: want 1 or more, or 0 for the plugin's choice", j.Slots)
	}
	seen := map[Cell]bool{}
	for i, cell := range j.Cells {
		for _, text := range j.mistakesOf(cell) {
			add("cell %d (%s): %s", i, cell, text)
		}
		name := Cell{Function: cell.Function, Input: cell.Input, Condition: cell.Condition}
		if seen[name] {
			add("cell %d (%s): given twice; ask for more samples of one cell instead", i, cell)
		}
		seen[name] = true
	}
	return errors.Join(mistakes...)
}

func (j Job) mistakesOf(c Cell) []string {
	var texts []string
	add := func(format string, args ...any) { texts = append(texts, fmt.Sprintf(format, args...)) }
	if c.Function == "" {
		add("no function")
	}
	if c.Input == "" {
		add("no input class")
	}
	if c.First < 0 {
		add("first sample %d: want 0 or more", c.First)
	}
	if c.Count < 1 {
		add("%d samples: want 1 or more", c.Count)
	}
	if !isCanonical(c.Condition) {
		add("no such condition: build it with servicetime.ParseCondition")
	}
	if c.Condition.Kind == servicetime.Lukewarm {
		others := slices.ContainsFunc(j.Mix.Functions, func(name string) bool { return name != c.Function })
		switch {
		case c.Condition.Mix != j.Mix.Name:
			add("interleaved by mix %q, but the job's mix is %q", c.Condition.Mix, j.Mix.Name)
		case !others:
			add("mix %q names no other function: nothing can interleave", j.Mix.Name)
		}
	}
	return texts
}

func isCanonical(c servicetime.Condition) bool {
	back, err := servicetime.ParseCondition(c.String())
	return err == nil && back == c
}

// Seed returns the seed of sample n of key in the campaign with the given seed:
// the first eight bytes of the SHA-256 of all three. Everything that is drawn
// for the sample is drawn from it.
func Seed(campaign uint64, key servicetime.Key, n int) uint64 {
	text := fmt.Sprintf("microcosm sample\n%d\n%s\n%d\n", campaign, key.Digest(), n)
	sum := sha256.Sum256([]byte(text))
	return binary.BigEndian.Uint64(sum[:8])
}
