package host

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"microcosm/cosim/servicetime"
	"microcosm/gem5bridge"
)

// restores is the least number of processes that a cell's samples come from.
const restores = 6

// nullCalls is the least number of null calls.
const nullCalls = 30

// run is a job under way. It is used by one goroutine.
type run struct {
	machine  *machine
	job      gem5bridge.Job
	deadline time.Duration // of the measured call
	launcher *launcher
	mix      *interleaver
	walker   *walker // nil if no cell asks for a walk
	emit     func(gem5bridge.Event) error
	complete func(*servicetime.Sample) // fills in where a sample comes from

	running  map[string]*sandbox // by the cells' place
	launches map[string]int      // failed in a row
	taken    func(c *cell, r reading, seed uint64, status servicetime.Status, reason string) error
}

// stop ends every process of the run.
func (r *run) stop() {
	r.release()
	r.mix.stop()
	if r.walker != nil {
		r.walker.close()
	}
}

// release ends the processes of a round.
func (r *run) release() {
	for _, s := range r.running {
		s.stop()
	}
	clear(r.running)
}

// sample measures cells. What a cell fails of is left in its err.
func (r *run) sample(ctx context.Context, cells []*cell) error {
	total := 0
	for _, c := range cells {
		total = max(total, roundsOf(c))
	}
	for round := range total {
		if err := r.round(ctx, cells, round, total); err != nil {
			return err
		}
	}
	return nil
}

// roundsOf returns in how many rounds a cell wants samples.
func roundsOf(c *cell) int {
	if c.needsNew() {
		return c.Count
	}
	return min(c.Count, restores)
}

// share returns how many of count samples fall into a round of total.
func share(count, round, total int) int {
	return (round+1)*count/total - round*count/total
}

// round takes its share of the cells' samples from new processes.
func (r *run) round(ctx context.Context, cells []*cell, round, total int) error {
	r.release()
	for _, c := range order(cells, r.job.Seed, round, total) {
		if err := r.one(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// order returns the cells of which a round takes samples, one for each sample, in
// random order: first what only a new process can give, place by place, then the rest.
func order(cells []*cell, seed uint64, round, total int) []*cell {
	draw := rand.New(rand.NewPCG(seed, uint64(round)))
	var first, rest []*cell
	for _, c := range cells {
		for range share(c.Count, round, total) {
			if c.needsNew() {
				first = append(first, c)
			} else {
				rest = append(rest, c)
			}
		}
	}
	draw.Shuffle(len(rest), func(i, j int) { rest[i], rest[j] = rest[j], rest[i] })
	places := map[string]int{}
	for _, c := range first {
		if _, drawn := places[c.place()]; !drawn {
			places[c.place()] = draw.Int()
		}
	}
	slices.SortStableFunc(first, func(a, b *cell) int {
		if a.place() != b.place() {
			return cmp.Compare(places[a.place()], places[b.place()])
		}
		return int(b.Condition.Kind) - int(a.Condition.Kind) // starting comes before the first call
	})
	return slices.Concat(first, rest)
}

// one takes one valid sample of a cell, and before it as many others as it
// needs, unless the cell is given up.
func (r *run) one(ctx context.Context, c *cell) error {
	for disturbances := 0; c.err == nil; {
		seed := gem5bridge.Seed(r.job.Seed, c.key, c.number())
		reading, err := r.measure(ctx, c, seed)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			if err := r.failed(c, reading, seed, err); err != nil {
				return err
			}
			continue
		}
		c.failed = 0
		reason := reading.disturbed()
		if reason != "" && disturbances < keepAfter {
			disturbances++
			if err := r.taken(c, reading, seed, servicetime.Rejected, reason); err != nil {
				return err
			}
			continue
		}
		return r.taken(c, reading, seed, servicetime.Valid, reason)
	}
	return nil
}

// failed replaces the process that a sample went wrong in and records what there
// is of the sample.
func (r *run) failed(c *cell, got reading, seed uint64, err error) error {
	if s := r.running[c.place()]; s != nil {
		s.stop()
		delete(r.running, c.place())
	}
	c.fail(err)
	if !got.called {
		return nil
	}
	status := servicetime.Censored
	if errors.Is(err, gem5bridge.ErrWrongReply) {
		status = servicetime.Rejected
	}
	return r.taken(c, got, seed, status, err.Error())
}

// measure brings a process and the core into the cell's condition and measures.
func (r *run) measure(ctx context.Context, c *cell, seed uint64) (reading, error) {
	got := reading{begun: time.Now()}
	call, err := c.function.Call(c.Input, seed, c.number())
	if err != nil {
		return got, err
	}
	draw := rand.New(rand.NewPCG(seed, seed))
	switch c.Condition.Kind {
	case servicetime.StageInit:
		got.sandbox, err = r.place(ctx, c, func(s *sandbox) bool { return !s.told })
		if err == nil {
			got.sandbox.told, got.called = true, true
			got.invocation = got.sandbox.started
		}
		return got, err
	case servicetime.Cold:
		got.sandbox, err = r.place(ctx, c, func(s *sandbox) bool { return s.calls == 0 })
	default:
		got.sandbox, err = r.place(ctx, c, func(*sandbox) bool { return true })
		if err == nil {
			got.walked, err = r.prepare(ctx, c, got.sandbox, draw)
		}
	}
	if err != nil {
		return got, err
	}
	got.called = true
	got.invocation, err = got.sandbox.invoke(ctx, call, r.deadline)
	return got, err
}

// place returns the cell's process of this round if it is fit, else a new one.
func (r *run) place(ctx context.Context, c *cell, fit func(*sandbox) bool) (*sandbox, error) {
	name := c.place()
	if s := r.running[name]; s != nil {
		if fit(s) {
			return s, nil
		}
		s.stop()
		delete(r.running, name)
	}
	if r.launches[name] >= giveUpAfter {
		return nil, &gem5bridge.Failure{Kind: gem5bridge.ErrNotReady, Function: c.Function, Text: fmt.Sprintf("it did not start %d times in a row", giveUpAfter)}
	}
	s, err := r.launcher.launch(ctx, c.function)
	if err != nil {
		r.launches[name]++
		return nil, err
	}
	r.launches[name] = 0
	r.running[name] = s
	return s, nil
}

// prepare warms the process up, if it is not, primes it and brings the core into
// the cell's condition.
func (r *run) prepare(ctx context.Context, c *cell, s *sandbox, draw *rand.Rand) (walked, error) {
	// Whether and for how many calls it warms up is not the seed's, so that nothing may
	// be drawn after them from the same stream.
	warming := rand.New(rand.NewPCG(draw.Uint64(), 0))
	if s.usual == nil {
		if err := s.warmUp(ctx, c.Input, warming); err != nil {
			return walked{}, fmt.Errorf("warm up: %w", err)
		}
	}
	for range primes {
		if _, err := s.help(ctx, c.Input, draw); err != nil {
			return walked{}, fmt.Errorf("prime: %w", err)
		}
	}
	return r.produce(ctx, c.Condition, c.Function, draw)
}

// kindOf returns the kind of a failure; nil if it has none.
func kindOf(err error) error {
	var f *gem5bridge.Failure
	if errors.As(err, &f) {
		return f.Kind
	}
	return nil
}
