package trial

import (
	"slices"
	"time"

	"microcosm/cosim/servicetime"
	"microcosm/images/guest/job"
)

// Modes are the modes in which every function is tried, in order.
var Modes = []job.Mode{job.Cold, job.Warm, job.Lukewarm}

// Calls per function. The first calls of an interpreter do work that later ones
// do not, so the warm ones come after some.
const (
	coldCalls = 1
	warmups   = 2
	warmCalls = 3
	lukeCalls = 2
	lukewarmK = 3
)

// mixed are the functions that run between lukewarm calls, one of each runtime
// and one with a database, as far as the image has them.
var mixed = []string{"fibonacci-go", "aes-python", "auth-nodejs", "user"}

// Deadlines are the agent's for one stage or call. They end what hangs, so they
// are far above what an emulator on a busy machine takes.
var Deadlines = job.Deadlines{
	Create: job.Duration(3 * time.Minute), Ready: job.Duration(8 * time.Minute), Call: job.Duration(3 * time.Minute),
}

// Plan returns the job that tries the functions, with a step each for the modes of
// Modes, in order. present are the functions that the image has; where there is
// none to run in between, a function is not tried lukewarm.
func Plan(functions, present []string, deadlines job.Deadlines) job.Job {
	j := job.Job{Format: job.Format, ID: "trial", Seed: 1, Then: job.Off, Deadlines: deadlines}
	for _, f := range functions {
		j.Steps = append(j.Steps,
			job.Step{Mode: job.Cold, Function: f, Count: coldCalls},
			job.Step{Mode: job.Warm, Function: f, Warmup: warmups, Count: warmCalls},
		)
		if mix := mixFor(f, present); len(mix.Functions) > 0 {
			j.Steps = append(j.Steps, job.Step{Mode: job.Lukewarm, Function: f, Warmup: 1, Count: lukeCalls, K: lukewarmK, Mix: mix})
		}
	}
	return j
}

// mixFor returns who interleaves with f: those of mixed that are present, else
// the empty call, else all that are.
func mixFor(f string, present []string) job.Mix {
	mix := job.Mix{Name: "trial"}
	for _, among := range [][]string{mixed, {servicetime.NullFunction}, present} {
		for _, other := range among {
			if other != f && slices.Contains(present, other) {
				mix.Functions = append(mix.Functions, job.Target{Function: other})
			}
		}
		if len(mix.Functions) > 0 {
			break
		}
	}
	return mix
}
