package driver

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"microcosm/functions"
	"microcosm/images/guest/job"
)

// box is a running sandbox with a connection to it.
type box struct {
	name    string
	sandbox Sandbox
	client  *functions.Client // nil for a database
}

// removal is how long the end of a sandbox may take.
const removal = 10 * time.Second

func (b *box) remove(ctx context.Context) error {
	// A job whose context has ended still leaves nothing behind.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removal)
	defer cancel()
	var errs []error
	if b.client != nil {
		errs = append(errs, b.client.Close())
	}
	if err := errors.Join(append(errs, b.sandbox.Remove(ctx))...); err != nil {
		return fmt.Errorf("remove %s: %w", b.name, err)
	}
	return nil
}

// blame adds to an error what the sandbox said last.
func (b *box) blame(err error) error {
	if words := b.sandbox.LastWords(); words != "" {
		return fmt.Errorf("%w; its last words:\n%s", err, words)
	}
	return err
}

// running returns the function's sandbox, made now if there is none.
func (st *step) running(ctx context.Context, f *functions.Function) (*box, error) {
	if b := st.boxes[f.Name]; b != nil {
		select {
		case <-b.sandbox.Ended():
			err := b.blame(fmt.Errorf("%s died between calls", f.Name))
			return nil, errors.Join(err, st.drop(ctx, f.Name))
		default:
			return b, nil
		}
	}
	b, err := st.launch(ctx, f)
	if err == nil {
		st.boxes[f.Name] = b
	}
	return b, err
}

// drop removes the sandbox of that name.
func (st *step) drop(ctx context.Context, name string) error {
	b := st.boxes[name]
	if b == nil {
		return nil
	}
	delete(st.boxes, name)
	return b.remove(ctx)
}

// launch makes a sandbox of f on the function's core: stage:create, then
// stage:init until it accepts calls.
func (st *step) launch(ctx context.Context, f *functions.Function) (*box, error) {
	env, err := st.dependencies(ctx, f, f.Name)
	if err != nil {
		return nil, err
	}
	return st.sandbox(ctx, Spec{Function: f, For: f.Name, Env: env, Core: FunctionCore}, f.Name)
}

// dependencies returns the addresses of what f needs, started where it is not
// running yet. The box of f has the name owner, which begins with the function
// that is called.
func (st *step) dependencies(ctx context.Context, f *functions.Function, owner string) ([]string, error) {
	called, _, _ := strings.Cut(owner, "/")
	var env []string
	for i := range f.Dependencies {
		dep := &f.Dependencies[i]
		name := owner + "/" + dep.Name
		b := st.boxes[name]
		if b != nil {
			select {
			case <-b.sandbox.Ended():
				err := b.blame(fmt.Errorf("%s died", name))
				return nil, errors.Join(err, st.drop(ctx, name)) // the next step makes another
			default:
			}
		} else {
			spec := Spec{Database: dep, Owner: f.Name, For: called, Core: ClientCore}
			if dep.Function != "" {
				g, err := st.Catalog(dep.Function)
				if err != nil {
					return nil, err
				}
				more, err := st.dependencies(ctx, g, name)
				if err != nil {
					return nil, err
				}
				spec = Spec{Function: g, For: called, Env: more, Core: ClientCore}
			}
			var err error
			if b, err = st.sandbox(ctx, spec, name); err != nil {
				return nil, err
			}
			st.boxes[name] = b
		}
		env = append(env, dep.Env+"="+b.sandbox.Addr())
	}
	return env, nil
}

// sandbox makes and starts a sandbox and waits until it is ready. Both stages
// are told of.
func (st *step) sandbox(ctx context.Context, spec Spec, name string) (*box, error) {
	st.made++
	spec.ID = fmt.Sprintf("%s-%d", base(spec), st.made)
	b := &box{name: name}
	err := st.stage(ctx, job.Create, name, time.Duration(st.job.Deadlines.Create), func(ctx context.Context) (err error) {
		b.sandbox, err = st.Launcher.Create(ctx, spec)
		return err
	})
	if err != nil {
		if b.sandbox != nil {
			err = errors.Join(err, b.remove(ctx))
		}
		return nil, err
	}
	err = st.stage(ctx, job.Init, name, time.Duration(st.job.Deadlines.Ready), func(ctx context.Context) error {
		if err := b.sandbox.Start(ctx); err != nil {
			return b.blame(err)
		}
		return b.ready(ctx, spec.Function != nil)
	})
	if err != nil {
		return nil, errors.Join(err, b.remove(ctx))
	}
	if c, ok := b.sandbox.(Confiner); ok { // between measurements, since it takes time
		if err := c.Confined(); err != nil {
			return nil, errors.Join(fmt.Errorf("%s is not confined: %w", name, err), b.remove(ctx))
		}
	}
	return b, nil
}

func base(s Spec) string {
	if s.Function != nil {
		return s.Function.Name
	}
	return s.Database.Name
}

// stage does one of the two stages of a cold start and writes its record.
func (st *step) stage(ctx context.Context, kind job.Kind, name string, deadline time.Duration, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, deadline, fmt.Errorf("%s not done after %v", kind, deadline))
	defer cancel()
	took, cores, err := st.timed(func() error { return do(ctx) })
	if err != nil {
		err = fmt.Errorf("%s %s: %w", kind, name, err)
	}
	r := job.Record{
		Kind: kind, Status: job.OK, Step: st.number, Function: name, Mode: st.Mode, Condition: "stage:" + kind.String(),
		Nanos: took.Nanoseconds(), Cores: cores,
	}
	return errors.Join(err, st.write(failed(r, err)))
}

// ready waits until the sandbox accepts calls, or has ended.
func (b *box) ready(ctx context.Context, function bool) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-b.sandbox.Ended():
			cancel(errors.New("it ended before it was ready"))
		case <-ctx.Done():
		}
	}()
	wait := b.listens
	if function {
		client, err := functions.DialThrough(ctx, b.sandbox.Addr(), b.sandbox.Connect)
		if err != nil {
			return b.blame(err)
		}
		b.client = client
		wait = client.WaitReady
	}
	if err := wait(ctx); err != nil {
		return b.blame(err)
	}
	return nil
}

// retry is how often a database is asked whether it listens.
const retry = 5 * time.Millisecond

// listens waits until the sandbox accepts connections.
func (b *box) listens(ctx context.Context) error {
	for {
		conn, err := b.sandbox.Connect(ctx)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("connect to %s: %w", b.sandbox.Addr(), context.Cause(ctx))
		case <-time.After(retry):
		}
	}
}
