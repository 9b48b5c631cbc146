// Package reaper ends the detailed simulations that nobody looks after any more
// and clears away the records of those long ended.
//
// It ends what a registry of jobs names and what matches its record in pid, start
// time and boot id, and nothing else: a simulator that somebody started by hand,
// or another user's, has no record here.
package reaper

import (
	"context"
	"errors"
	"time"

	"microcosm/gem5bridge/job"
)

// keep is how long the record of an ended job is kept for cosim jobs --all.
const keep = 7 * 24 * time.Hour

// Reaped is one job that was stuck, and why.
type Reaped struct {
	Job job.Record
	Why string
}

// Reap ends every job of this machine that is stuck and returns them. A job that
// cannot be ended keeps none of the others from being ended; its error is joined.
func Reap(ctx context.Context, jobs *job.Registry, grace job.Grace) ([]Reaped, error) {
	records, err := jobs.List()
	mistakes := []error{err}
	var reaped []Reaped
	for _, record := range records {
		why := record.Stuck(time.Now())
		if why == "" {
			continue
		}
		verdict := job.Killed
		if record.State() == job.Lost {
			verdict = job.Interrupted
		}
		if err := jobs.End(ctx, record, verdict, why, grace); err != nil {
			mistakes = append(mistakes, err)
			continue
		}
		reaped = append(reaped, Reaped{record, why})
	}
	_, err = jobs.Prune(time.Now().Add(-keep))
	return reaped, errors.Join(append(mistakes, err)...)
}
