package host

import (
	"context"
	"slices"
	"time"

	"microcosm/cosim/servicetime"
	"microcosm/gem5bridge"
)

// calibrate measures the null call and gives the medians to the cells in which a
// call is made.
func (r *run) calibrate(ctx context.Context, p *plan) error {
	calls := slices.DeleteFunc(slices.Clone(p.cells), func(c *cell) bool { return c.Condition.Kind == servicetime.StageInit })
	if len(calls) == 0 {
		return nil
	}
	var trips, cpu []time.Duration
	r.deadline = helpDeadline // the job's is meant for its functions
	r.taken = func(c *cell, got reading, _ uint64, status servicetime.Status, _ string) error {
		c.numbers++
		if status != servicetime.Valid {
			return nil
		}
		c.valid++
		trips, cpu = append(trips, got.roundTrip), append(cpu, got.cpu)
		return r.emit(gem5bridge.Event{Progress: &gem5bridge.Progress{Cell: gem5bridge.WholeJob, Done: len(trips), Of: nullCalls, Phase: "calibrate"}})
	}
	if err := r.sample(ctx, []*cell{p.null}); err != nil {
		return err
	}
	if p.null.err != nil {
		return p.null.err
	}
	for _, c := range calls {
		c.null = nullCall{roundTrip: gem5bridge.Median(trips), cpu: gem5bridge.Median(cpu)}
	}
	return nil
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
