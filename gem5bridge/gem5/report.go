package gem5

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"microcosm/cosim/servicetime"
	"microcosm/gem5bridge"
	"microcosm/gem5bridge/gem5/events"
	guest "microcosm/images/guest/job"
)

// Names of counters of this back end, beside the common ones.
const (
	CounterNullBusy   = "null_busy_ticks"   // subtracted from the busy time to get Busy
	CounterClientBusy = "client_busy_ticks" // client's core
)

// nullCall is what is subtracted from the samples of calls.
type nullCall struct {
	RoundTrip servicetime.Ticks `json:"roundTrip"`
	Busy      servicetime.Ticks `json:"busy"`   // of the function's core
	Client    servicetime.Ticks `json:"client"` // busy time of the client's core
}

// deliver emits the samples of a run and takes them off the task. Its error is
// emit's, or the failure of the guest.
func (s *session) deliver(t *task, m measurement) error {
	calls := m.counted()
	cost := m.cost / time.Duration(max(len(calls), 1))
	for i, c := range t.group.cells {
		var err error
		switch c.Condition.Kind {
		case servicetime.StageCreate:
			err = s.deliverStages(t, i, m, guest.Create)
		case servicetime.StageInit:
			err = s.deliverStages(t, i, m, guest.Init)
		default:
			err = s.deliverCalls(t, i, m, calls, cost)
		}
		if err != nil {
			return err
		}
	}
	if m.events.Overdue != nil {
		return &gem5bridge.Failure{Kind: gem5bridge.ErrDeadline, Text: "a call took longer than the job allows"}
	}
	return failed(m.records)
}

// deliverCalls emits the calls of the task's cell number i.
func (s *session) deliverCalls(t *task, i int, m measurement, calls []call, cost time.Duration) error {
	c := t.group.cells[i]
	for _, one := range calls {
		if len(t.numbers[i]) == 0 {
			return nil
		}
		sample := s.sample(c, t.take(i), m, one.work)
		sample.Provenance.Cost = cost
		switch {
		case one.record.Status == guest.Failed && errors.Is(kindOf(one.record), gem5bridge.ErrWrongReply):
			sample.Status, sample.Reason = servicetime.Rejected, one.record.Reason
		case one.record.Status == guest.Failed:
			sample.Status, sample.Reason = servicetime.Censored, one.record.Reason
		case c.odd(shareOf(one.work)):
			sample.Status = servicetime.Rejected
			sample.Reason = "the client's share of the instructions is more than 20 % off the cell's median: something else ran"
		}
		if m.events.Settled.Cause == events.SettledByCap && c.settle(0).Tolerance > 0 {
			sample.Provenance.Note = fmt.Sprintf("CPI had not settled after %d calls", m.events.Settled.Works)
		}
		if c.Condition.Kind == servicetime.Lukewarm {
			sample.Provenance.Note = "interleaved: " + strings.Join(s.mix, " ")
			if s.functionally(c.Condition) {
				sample.Provenance.Note += ", on the functional core"
			}
		}
		if err := s.put(t, i, sample); err != nil {
			return err
		}
	}
	open := cmp.Or(m.events.Overdue, m.events.Open)
	if open == nil || len(t.numbers[i]) == 0 {
		return nil
	}
	return s.deliverOpen(t, i, m, *open)
}

// deliverOpen emits the call that did not end, as far as it came.
func (s *session) deliverOpen(t *task, i int, m measurement, open events.Event) error {
	if open.Kind == events.Begin {
		open.Begin, open.Until = open.Tick, m.events.Last.Tick
	}
	sample := s.sample(t.group.cells[i], t.take(i), m, open)
	sample.Status, sample.Reason = servicetime.Censored, "the run ended during the call"
	if open.Kind == events.Overdue {
		sample.Reason = fmt.Sprintf("deadline: not done after %v", sample.RoundTrip.Duration())
	}
	sample.Provenance.Cost = m.cost
	return s.put(t, i, sample)
}

// deliverStages emits the stages of one kind.
func (s *session) deliverStages(t *task, i int, m measurement, kind guest.Kind) error {
	c := t.group.cells[i]
	for _, record := range m.records {
		if record.Kind != kind || record.Function != c.Function || record.Status != guest.OK || len(t.numbers[i]) == 0 {
			continue
		}
		sample := s.sample(c, t.take(i), m, events.Event{})
		sample.Null = 0
		sample.RoundTrip = max(1, servicetime.Ticks(record.Nanos)*servicetime.TicksPerNanosecond)
		for _, core := range record.Cores {
			if core.Core == events.FunctionCore {
				sample.Busy = servicetime.Ticks(core.Micros) * 1000 * servicetime.TicksPerNanosecond
			}
		}
		sample.Busy = min(max(1, sample.Busy), sample.RoundTrip)
		sample.Counters = nil
		sample.Provenance.Cost = m.cost
		sample.Provenance.Note = "on the functional core, by the guest's clock"
		if err := s.put(t, i, sample); err != nil {
			return err
		}
	}
	return nil
}

// take takes the number of the next sample off the task.
func (t *task) take(i int) int {
	n := t.numbers[i][0]
	t.numbers[i] = t.numbers[i][1:]
	return n
}

// put emits a sample and how far its cell is. One that does not count is replaced
// by another.
func (s *session) put(t *task, i int, sample servicetime.Sample) error {
	c := t.group.cells[i]
	done := 0
	if sample.Status == servicetime.Valid {
		done = c.counted()
	} else {
		t.numbers[i] = append(t.numbers[i], c.spare())
	}
	if t.group.taken != nil {
		t.group.taken(sample)
		return nil
	}
	if err := s.emit(gem5bridge.Event{Sample: &sample}); err != nil {
		return err
	}
	if done == 0 {
		return nil
	}
	return s.emit(gem5bridge.Event{Progress: &gem5bridge.Progress{
		Cell: c.index, Done: done, Of: c.Count, Run: sample.Provenance.Restore, Phase: modeMeasure, Ticks: sample.RoundTrip,
	}})
}

// sample makes a valid sample of a work item.
func (s *session) sample(c *cell, n int, m measurement, work events.Event) servicetime.Sample {
	sample := servicetime.Sample{
		Key: c.key, N: n, Seed: gem5bridge.Seed(s.job.Seed, c.key, n), Status: servicetime.Valid,
		RoundTrip: work.Until - work.Begin, Counters: map[string]int64{},
		Provenance: servicetime.Provenance{
			Backend: "gem5", SimulatorDigest: s.program.Digest, Boot: m.boot, Restore: m.restore, Host: s.host,
			Measured: m.measured.UTC().Truncate(time.Second),
		},
	}
	if len(work.Cores) == 0 {
		return sample // it did not end
	}
	function, client := work.Cores[events.FunctionCore], work.Cores[events.ClientCore]
	period := m.events.Start.Period
	// The events and samples count under the same names; see FORMAT.md.
	maps.Copy(sample.Counters, function)
	maps.Copy(sample.Counters, work.Shared)
	sample.Counters[servicetime.CounterInstructionsClient] = client[events.Instructions]
	busy, clientBusy := servicetime.Ticks(function[events.Cycles])*period, servicetime.Ticks(client[events.Cycles])*period
	sample.Counters[servicetime.CounterIdleCycles] = int64(max(0, sample.RoundTrip-busy) / period)
	sample.Counters[CounterClientBusy] = int64(clientBusy)
	sample.Counters[CounterNullBusy] = int64(s.null.Busy)
	own := max(1, busy-s.null.Busy) // what the function's core did beyond the null call
	sample.Null = s.null.RoundTrip
	if !c.remote {
		// What the client takes longer than in the null call is the client's.
		sample.Null += max(0, clientBusy-s.null.Client)
	}
	// The two cores overlap: what the function's core did is never the client's.
	sample.Null = min(sample.Null, max(0, sample.RoundTrip-own))
	sample.Busy = min(own, sample.Service())
	return sample
}

// shareOf returns how much of a call's instructions the client's core committed.
func shareOf(work events.Event) share {
	client, function := work.Cores[events.ClientCore][events.Instructions], work.Cores[events.FunctionCore][events.Instructions]
	return share(float64(client) / float64(max(client+function, 1)))
}
