package cluster

import (
	"slices"

	"microcosm/cosim/servicetime"
)

// maxCensus bounds the states a Census keeps: an even number, so that every
// second one can be dropped.
const maxCensus = 1 << 14

// Census is a distribution of the states in which invocations of one function
// started, first calls left out. It is what stays of a coupled run when the
// loop is cut: how often each state occurred, and not when. The zero value is
// empty.
type Census struct {
	states []servicetime.State
	stride int64 // of how many states one is kept
	seen   int64
}

// NewCensus returns the distribution in which the given states are equally
// likely; one that is listed twice counts twice.
func NewCensus(states []servicetime.State) *Census {
	return &Census{states: slices.Clone(states), stride: 1, seen: int64(len(states))}
}

// add keeps every stride-th state, and drops every second one when that is too
// many: systematic sampling, which needs no random number.
func (c *Census) add(s servicetime.State) {
	if c.stride == 0 {
		c.stride = 1
	}
	c.seen++
	if c.seen%c.stride != 0 {
		return
	}
	if len(c.states) == maxCensus {
		for i := range maxCensus / 2 {
			c.states[i] = c.states[2*i+1]
		}
		c.states = c.states[:maxCensus/2]
		c.stride *= 2
		if c.seen%c.stride != 0 {
			return
		}
	}
	s.Base = 0 // an invocation's own, not the core's
	c.states = append(c.states, s)
}

// Len returns how many states the distribution was made from.
func (c *Census) Len() int64 {
	if c == nil {
		return 0
	}
	return c.seen
}

// States returns the states that were kept, each as likely as the other. They
// are the census's own: do not change them.
func (c *Census) States() []servicetime.State {
	if c == nil {
		return nil
	}
	return c.states
}

// draw returns the state that u in [0, 1) picks; an empty census knows only the
// state of a sandbox that is new to its core.
func (c *Census) draw(u float64) servicetime.State {
	if len(c.states) == 0 {
		return servicetime.State{New: true}
	}
	return c.states[int(u*float64(len(c.states)))]
}
