package host

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"microcosm/functions"
	"microcosm/gem5bridge"
	"microcosm/loadgen/openloop"
)

// spin is how long before a planned call the client waits awake: Go's timers are
// up to a millisecond late where no other goroutine runs.
const spin = 1500 * time.Microsecond

// Load is calls of functions at planned times, one at a time, each function in
// one new process on the functions' core.
type Load struct {
	Setup     gem5bridge.Setup
	Functions []string // by the targets of Plan
	Input     string
	Plan      []openloop.Planned
	Seed      uint64        // of the calls' inputs
	Within    time.Duration // after the last planned call everything is answered
}

// Loaded is what came of a load.
type Loaded struct {
	Served  []openloop.Served
	Machine Use // while it ran
}

// Load puts a load on the functions' core: it starts and warms up the functions,
// makes every call of the plan, and checks every reply. This process must be the
// client (AsClient). The error is the context's, a *gem5bridge.Failure, or joins
// the mistakes in load.
func (b *Backend) Load(ctx context.Context, load Load) (Loaded, error) {
	chosen, err := b.loaded(load)
	if err != nil {
		return Loaded{}, err
	}
	within, _ := readySetting(load.Setup) // loaded has said what is wrong
	target := &target{load: load, launcher: b.newLauncher(load.Setup.Functions, within)}
	defer target.stop()
	for i, f := range chosen {
		if err := target.start(ctx, i, f); err != nil {
			return Loaded{}, err
		}
	}
	if err := target.draw(); err != nil {
		return Loaded{}, err
	}
	meter, err := b.newUseMeter(target.sandboxes)
	if err != nil {
		return Loaded{}, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, target.longest(), &gem5bridge.Failure{
		Kind: gem5bridge.ErrDeadline, Text: fmt.Sprintf("the load was not served within %v of its last call: the core is overloaded, or a function hangs", load.Within),
	})
	defer cancel()
	before := meter.read()
	served, err := openloop.Drive(ctx, load.Plan, spin, target.call)
	l := Loaded{Served: served, Machine: meter.since(before)}
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return l, err
	}
	return l, target.check()
}

// loaded looks up the functions of a load.
func (b *Backend) loaded(load Load) ([]*functions.Function, error) {
	wrong := []error{b.checkSetup(load.Setup)}
	var chosen []*functions.Function
	for _, name := range load.Functions {
		f, _, err := b.installed(gem5bridge.Job{Setup: load.Setup}, name)
		if err == nil {
			_, err = f.Class(load.Input)
		}
		if err != nil {
			wrong = append(wrong, gem5bridge.Mistake("load: %v", err))
		}
		chosen = append(chosen, f)
	}
	for i, p := range load.Plan {
		if p.Target < 0 || p.Target >= len(chosen) {
			wrong = append(wrong, gem5bridge.Mistake("load: call %d is for target %d of %d", i, p.Target, len(chosen)))
			break
		}
	}
	return chosen, errors.Join(wrong...)
}

// target is the functions under a load, with all of its calls.
type target struct {
	load      Load
	launcher  *launcher
	sandboxes []*sandbox
	calls     []functions.Call
	replies   [][]byte
}

func (t *target) stop() {
	for _, s := range t.sandboxes {
		s.stop()
	}
}

// start starts target number i and warms it up.
func (t *target) start(ctx context.Context, i int, f *functions.Function) error {
	s, err := t.launcher.launch(ctx, f)
	if err != nil {
		return err
	}
	t.sandboxes = append(t.sandboxes, s)
	if err := s.warmUp(ctx, t.load.Input, rand.New(rand.NewPCG(t.load.Seed, uint64(i)))); err != nil {
		return fmt.Errorf("warm up: %w", err)
	}
	return nil
}

// draw makes all calls ahead, so that none of it happens under the load.
func (t *target) draw() error {
	t.calls, t.replies = make([]functions.Call, len(t.load.Plan)), make([][]byte, len(t.load.Plan))
	for i, p := range t.load.Plan {
		var err error
		if t.calls[i], err = t.sandboxes[p.Target].function.Call(t.load.Input, t.load.Seed, i); err != nil {
			return err
		}
	}
	return nil
}

// longest is when the load must be over.
func (t *target) longest() time.Duration {
	last := time.Duration(0)
	if n := len(t.load.Plan); n > 0 {
		last = t.load.Plan[n-1].At
	}
	return last + t.load.Within
}

// call makes call number i. Its reply is checked when the load is over.
func (t *target) call(ctx context.Context, i int) (err error) {
	s := t.sandboxes[t.load.Plan[i].Target]
	if t.replies[i], err = s.client.Invoke(ctx, t.calls[i]); err == nil || ctx.Err() != nil {
		return err
	}
	kind := gem5bridge.ErrWrongReply
	if s.died() {
		kind, err = gem5bridge.ErrFunctionDied, fmt.Errorf("%v%s", s.process.State(), s.lastWords())
	}
	return &gem5bridge.Failure{Kind: kind, Function: s.function.Name, Input: t.load.Input, Text: err.Error()}
}

func (t *target) check() error {
	for i, reply := range t.replies {
		if err := t.calls[i].Check(reply); err != nil {
			return &gem5bridge.Failure{Kind: gem5bridge.ErrWrongReply, Function: t.load.Functions[t.load.Plan[i].Target], Input: t.load.Input, Text: err.Error()}
		}
	}
	return nil
}
