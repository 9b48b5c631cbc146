package host

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"

	"microcosm/cosim/servicetime"
	"microcosm/functions"
	"microcosm/gem5bridge"
)

// primes is how many calls precede a sample: after a flush the first one finds
// nothing and the second what the first has left; the third is as warm as any.
const primes = 3

// mostStress bounds a stressor: the walk of more takes longer than a second.
const mostStress = 1 << 30

// kinds are the conditions that can be produced here.
var kinds = []servicetime.Kind{
	servicetime.Cold, servicetime.Warm, servicetime.Lukewarm, servicetime.Flush, servicetime.Stressor, servicetime.StageInit,
}

// unsupported says why a condition cannot be produced; empty if it can.
func unsupported(c servicetime.Condition) string {
	switch {
	case c.Kind == servicetime.FlushStructure:
		return "hardware gives no way to empty single structures; ask a simulator, or for flush"
	case c.Kind == servicetime.StageCreate:
		return "a process is all that is created here; ask for stage:init"
	case !slices.Contains(kinds, c.Kind):
		return fmt.Sprintf("the host back end can do %v", kinds)
	default:
		return ""
	}
}

// interleaver makes the calls of others that a lukewarm condition asks for, each
// function in a process of its own that lives as long as the job.
type interleaver struct {
	launcher  *launcher
	functions []*functions.Function
	running   map[string]*sandbox
}

// call makes one call of a function drawn from the mix, except not.
func (i *interleaver) call(ctx context.Context, draw *rand.Rand, except string) error {
	others := slices.DeleteFunc(slices.Clone(i.functions), func(f *functions.Function) bool { return f.Name == except })
	f := others[draw.IntN(len(others))]
	call, err := f.Call(functions.DefaultClass, draw.Uint64(), 0)
	if err != nil {
		return err
	}
	if i.running[f.Name] == nil {
		if i.running[f.Name], err = i.launcher.launch(ctx, f); err != nil {
			delete(i.running, f.Name)
			return fmt.Errorf("interleave: %w", err)
		}
	}
	if _, err := i.running[f.Name].invoke(ctx, call, helpDeadline); err != nil {
		i.running[f.Name].stop()
		delete(i.running, f.Name)
		return fmt.Errorf("interleave: %w", err)
	}
	return nil
}

func (i *interleaver) stop() {
	for _, s := range i.running {
		s.stop()
	}
	clear(i.running)
}

// produce brings the core into condition c for function. It counts on the
// function having run last.
func (r *run) produce(ctx context.Context, c servicetime.Condition, function string, draw *rand.Rand) (walked, error) {
	switch c.Kind {
	case servicetime.Lukewarm:
		for range c.K {
			if err := r.mix.call(ctx, draw, function); err != nil {
				return walked{}, err
			}
		}
	case servicetime.Flush:
		return r.walker.walk(r.machine.flushBytes()), nil
	case servicetime.Stressor:
		return r.walker.walk(c.Bytes), nil
	}
	return walked{}, nil
}

// walkBytes is the largest walk that the cells ask for; 0 if none does.
func walkBytes(m *machine, cells []gem5bridge.Cell) int64 {
	var most int64
	for _, cell := range cells {
		switch cell.Condition.Kind {
		case servicetime.Flush:
			most = max(most, m.flushBytes())
		case servicetime.Stressor:
			most = max(most, cell.Condition.Bytes)
		}
	}
	return most
}
