package gem5

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"microcosm/cosim/servicetime"
	"microcosm/gem5bridge"
	"microcosm/gem5bridge/gem5/events"
	"microcosm/gem5bridge/job"
	"microcosm/gem5bridge/supervisor"
	guest "microcosm/images/guest/job"
)

// session is a job under way.
type session struct {
	*runs
	job  gem5bridge.Job
	emit func(gem5bridge.Event) error
	null nullCall
	host string

	mu    sync.Mutex
	turn  int // boots times the group whose run is next, plus its boot
	given []error
}

// Sample implements gem5bridge.Backend.
func (b *Backend) Sample(ctx context.Context, asked gem5bridge.Job, emit func(gem5bridge.Event) error) error {
	p, err := b.plan(ctx, asked)
	if err != nil {
		return err
	}
	if err := p.image.verify(); err != nil {
		return err
	}
	s, err := newSession(ctx, p, asked, emit)
	if err != nil {
		return err
	}
	if s.null, err = s.calibrate(ctx, b); err != nil {
		return err
	}
	err = s.work(ctx, p.groups)
	return errors.Join(append(s.given, err)...)
}

func newSession(ctx context.Context, p *plan, asked gem5bridge.Job, emit func(gem5bridge.Event) error) (*session, error) {
	folder, err := workFolder(asked.Setup)
	if err != nil {
		return nil, err
	}
	records, err := job.DefaultFolder()
	if err != nil {
		return nil, err
	}
	registry, err := job.Open(records)
	if err != nil {
		return nil, err
	}
	sup := supervisor.New(supervisor.Options{Jobs: registry})
	if err := sup.Recover(ctx); err != nil {
		return nil, err
	}
	r, err := newRuns(p, folder, sup)
	if err != nil {
		return nil, err
	}
	s := &session{runs: r, job: asked, emit: emit}
	if s.host, err = os.Hostname(); err != nil {
		return nil, err
	}
	r.campaign = asked.Campaign
	r.observe = func(what string, p job.Progress) {
		// A reader that is gone ends the job by ctx.
		_ = emit(gem5bridge.Event{Progress: &gem5bridge.Progress{
			Cell: gem5bridge.WholeJob, Run: what, Phase: p.Phase, Ticks: p.Ticks, Instructions: p.Instructions, WorkItems: p.Items, HostCPU: p.CPU,
		}})
	}
	return s, nil
}

// work does the runs of groups, as many at a time as there are slots.
func (s *session) work(ctx context.Context, groups []*group) error {
	workers, ctx := errgroup.WithContext(ctx)
	for range slots(s.job) {
		workers.Go(func() error {
			for ctx.Err() == nil {
				t, more := s.next(groups)
				if !more {
					return nil
				}
				if err := s.do(ctx, t); err != nil {
					return err
				}
			}
			return context.Cause(ctx)
		})
	}
	return workers.Wait()
}

// next returns the next run, of the groups in turn: of each a run from either boot, so
// that two slots do not wait for one checkpoint.
func (s *session) next(groups []*group) (task, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range boots * len(groups) {
		g := groups[s.turn/boots%len(groups)]
		s.turn++
		if t, more := g.task(); more {
			return t, true
		}
	}
	return task{}, false
}

// giveUp leaves a group's remaining samples out and says why.
func (s *session) giveUp(t task, kind error, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, c := range t.group.cells {
		if len(t.numbers[i]) == 0 {
			continue
		}
		c.mu.Lock()
		stopped, valid := c.stopped, c.valid
		c.stopped = true
		c.mu.Unlock()
		if stopped {
			continue // another run has said so
		}
		s.given = append(s.given, &gem5bridge.Failure{
			Kind: kind, Function: c.Function, Input: c.Input, Condition: c.Condition,
			Text: fmt.Sprintf("given up after %d of %d samples: %s", valid, c.Count, text),
		})
	}
}

// do does a run until all of its samples have come, or gives it up. Its error
// ends the session.
func (s *session) do(ctx context.Context, t task) error {
	const mostRuns = 8
	var last error
	for failures := 0; failures < attempts && t.size() > 0 && t.tries < mostRuns; t.tries++ {
		outcome, err := s.measure(ctx, &t, t.number+t.asked.Checkpoints)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			var failure *gem5bridge.Failure
			if !errors.As(err, &failure) {
				return err
			}
			failures, last = failures+1, err
		case outcome.OK():
			t.asked.Checkpoints++ // for what did not count
		default:
			step := supervisor.Policy{Attempts: attempts}.Next(outcome.Verdict, failures+1)
			failures, last = failures+1, verdictError(outcome)
			if step.Stop {
				return last
			}
			if !step.Again {
				failures = attempts // whoever ended it wanted it ended
			}
			t.asked.Follow(step)
			s.warn("a run failed", outcome)
		}
	}
	if t.size() == 0 {
		return nil
	}
	if last == nil {
		last = errors.New("too many of its samples were rejected")
	}
	var failure *gem5bridge.Failure
	kind := error(nil)
	if errors.As(last, &failure) {
		kind = failure.Kind
	}
	s.giveUp(t, kind, last.Error())
	return nil
}

func (s *session) warn(message string, o supervisor.Outcome) {
	log := gem5bridge.Log{Level: 4, Message: message, Attributes: map[string]string{
		"run": o.ID, "verdict": o.Verdict.String(), "why": o.Text,
	}}
	_ = s.emit(gem5bridge.Event{Log: &log}) // a reader that is gone ends the job by ctx
}

// lead returns the cell whose sample comes first, and that sample's number.
func (t task) lead() (*cell, int) {
	for i, c := range t.group.cells {
		if len(t.numbers[i]) > 0 {
			return c, t.numbers[i][0]
		}
	}
	return t.group.cells[0], 0 // cannot be: the task has samples to give
}

// measure does one run and emits what it measured. Samples that have come are
// taken off the task.
func (s *session) measure(ctx context.Context, t *task, boot int) (supervisor.Outcome, error) {
	boot %= boots
	lead, first := t.lead()
	from, err := s.warm(ctx, boot, t.group.targets(s.mix))
	if err != nil {
		return supervisor.Outcome{}, err
	}
	defer from.Release()
	seed := gem5bridge.Seed(s.job.Seed, lead.key, first)
	// By the samples' numbers, so that a job that goes on where another ended differs, too.
	rule := lead.settle(first/t.size() + t.tries)
	count := t.size() + rule.Later
	q := request{
		what: fmt.Sprintf("%s %s", s.platform.Name, lead.Cell), phase: modeMeasure, items: int64(count), alone: t.asked.Alone,
		job: &guest.Job{
			Format: guest.Format, ID: fmt.Sprintf("measure-%d-%d", first, t.tries), Seed: seed, Then: guest.Off,
			Steps: []guest.Step{lead.step(t.size(), prepared, rule, s.plan, s.job.Mix.Name)},
		},
		spec: spec{
			Mode: modeMeasure, Restore: from.Dir, CommandLine: s.commandLine(boot), Detail: detailAlways, Count: count, Settle: rule, Functional: rule.functional(),
			ItemLimit: servicetime.TicksOf(s.job.Deadline),
		},
	}
	switch lead.Condition.Kind {
	case servicetime.Cold, servicetime.StageCreate, servicetime.StageInit:
		q.spec.Detail = detailItems
	case servicetime.Lukewarm:
		if s.functionally(lead.Condition) {
			q.spec.Detail = detailItems
		}
	case servicetime.FlushStructure:
		q.spec.Flush = strings.Split(lead.Condition.Structures, "+")
	}
	var delivered error
	q.collect = func(got result) {
		m := measurement{result: got, boot: s.bootKey(boot).Digest()[:21], restore: fmt.Sprintf("%s/%x", from.ID, seed), measured: time.Now(), later: rule.Later}
		delivered = s.deliver(t, m)
	}
	outcome, err := s.run(ctx, q)
	return outcome, errors.Join(err, delivered)
}

// functionally says whether what interleaves runs on the functional core.
func (s *session) functionally(c servicetime.Condition) bool {
	return c.Kind == servicetime.Lukewarm && s.settings.functional > 0 && c.K >= s.settings.functional
}

// counted returns the finished work items that count, each with its record, and
// the record after them that failed, if one did.
func (m measurement) counted() []call {
	var calls []call
	works := m.events.Works
	i := 0
	for _, record := range m.records {
		if record.Kind != guest.Call || !record.Marked || i >= len(works) {
			continue
		}
		if m.events.Settled != nil && i >= m.events.Settled.Works+m.later {
			calls = append(calls, call{works[i], record})
		}
		i++
	}
	return calls
}

// call is a measured call.
type call struct {
	work   events.Event
	record guest.Record
}

// measurement is a result with where it comes from.
type measurement struct {
	result
	boot, restore string
	measured      time.Time
	later         int // calls that do not count, though it had settled
}
