package host

import (
	"context"
	"errors"
	"time"

	"microcosm/cosim/servicetime"
	"microcosm/gem5bridge"
)

// calibrate measures the null call in every condition and gives the medians to
// the cells of that condition.
func (r *run) calibrate(ctx context.Context, p *plan) error {
	trips := map[*cell][]time.Duration{}
	cpu := map[*cell][]time.Duration{}
	done, total := 0, len(p.nulls)*nullCalls
	deadline := r.job.Deadline
	r.job.Deadline = helpDeadline // the job's is meant for its functions
	r.taken = func(c *cell, got reading, _ uint64, status servicetime.Status, _ string) error {
		c.numbers++
		if status != servicetime.Valid {
			return nil
		}
		c.valid++
		trips[c], cpu[c] = append(trips[c], got.roundTrip), append(cpu[c], got.cpu)
		done++
		return r.emit(gem5bridge.Event{Progress: &gem5bridge.Progress{Cell: gem5bridge.WholeJob, Done: done, Of: total, Phase: "calibrate"}})
	}
	if err := r.sample(ctx, p.nulls); err != nil {
		return err
	}
	r.job.Deadline = deadline
	var failed []error
	for _, null := range p.nulls {
		failed = append(failed, null.err)
		for _, c := range p.cells {
			if c.Condition == null.Condition {
				c.null = nullCall{roundTrip: median(trips[null]), cpu: median(cpu[null])}
			}
		}
	}
	return errors.Join(failed...)
}

// report emits a sample and how far its cell is.
func (r *run) report(c *cell, got reading, seed uint64, status servicetime.Status, reason string) error {
	note := ""
	if status == servicetime.Valid && reason != "" {
		reason, note = "", "kept after 3 rejected ones though "+reason
	}
	s := c.sample(got, seed, status, reason)
	s.Provenance.Note = note
	r.complete(&s)
	c.numbers++
	if status == servicetime.Valid {
		c.valid++
	}
	if err := r.emit(gem5bridge.Event{Sample: &s}); err != nil {
		return err
	}
	return r.emit(gem5bridge.Event{Progress: &gem5bridge.Progress{
		Cell: c.index, Done: c.valid, Of: c.Count, Run: s.Provenance.Restore, Phase: "measure", WorkItems: int64(got.sandbox.calls),
	}})
}
