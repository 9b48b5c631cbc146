package driver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"microcosm/functions"
	"microcosm/images/guest/job"
)

// Cores: functions are measured alone on one, everything else is on the other.
const (
	ClientCore   = 0
	FunctionCore = 1
)

// Spec says which sandbox to make: a function of the catalog or, where Function
// is nil, a database.
type Spec struct {
	ID       string // unique while the sandbox lives
	Function *functions.Function
	Database *functions.Dependency
	Owner    string   // the function that needs the database
	For      string   // the function that is called: it and all that it needs reach each other
	Env      []string // where its dependencies are
	Core     int
}

// Launcher makes sandboxes.
type Launcher interface {
	// Create makes a sandbox without starting what is in it.
	Create(ctx context.Context, s Spec) (Sandbox, error)
}

// Sandbox is a function or a database of its own.
type Sandbox interface {
	Start(ctx context.Context) error
	Addr() string // host:port, for those that were made for the same function
	// Connect makes a connection to Addr. It is safe for concurrent use.
	Connect(ctx context.Context) (net.Conn, error)
	Ended() <-chan struct{} // closed when its process has ended
	LastWords() string      // the end of what it printed, and how it ended
	Remove(ctx context.Context) error
}

// Confiner is a sandbox that can tell whether it is confined as it should be.
type Confiner interface {
	// Confined returns in what the sandbox, which is ready, is too free.
	Confined() error
}

// Marker marks work items for a simulator.
type Marker interface {
	WorkBegin(id, thread uint64)
	WorkEnd(id, thread uint64)
}

// Meter reads how much each core has worked since the machine started.
type Meter interface {
	Cores() ([]job.Core, error)
}

// Walker walks code and data on the function's core.
type Walker interface {
	Walk(ctx context.Context, code, data int64) error
}

// Config is what a driver works with.
type Config struct {
	Catalog  func(name string) (*functions.Function, error)
	Launcher Launcher
	Marker   Marker // nil: work items are not marked
	Meter    Meter
	Walker   Walker
	Machine  string // told in the first record
	// Write takes the records in order. Its error ends the job.
	Write func(job.Record) error
}

// Driver keeps sandboxes from one job to the next. It is not safe for
// concurrent use.
type Driver struct {
	Config
	boxes map[string]*box // by function, and by function/dependency
	made  int             // sandboxes so far
	calls map[job.Target]int

	job job.Job
	seq int
}

// New returns a driver without sandboxes. The caller must close it.
func New(c Config) *Driver {
	return &Driver{Config: c, boxes: map[string]*box{}, calls: map[job.Target]int{}}
}

// Run does the job and writes its records, Start first and End last. It returns
// what failed; whatever failed is in the records, too, unless they cannot be
// written.
func (d *Driver) Run(ctx context.Context, j job.Job) error {
	d.job, d.seq = j, 0
	if err := d.write(job.Record{Kind: job.Start, Status: job.OK, Machine: d.Machine}); err != nil {
		return err
	}
	var failures []error
	for i := range j.Steps {
		if err := d.step(ctx, i); err != nil {
			failures = append(failures, fmt.Errorf("step %d: %s: %w", i, j.Steps[i].Function, err))
		}
		if ctx.Err() != nil {
			failures = append(failures, context.Cause(ctx))
			break
		}
	}
	err := errors.Join(failures...)
	return errors.Join(err, d.write(failed(job.Record{Kind: job.End, Status: job.OK, Records: d.seq + 1}, err)))
}

// Refuse writes the end of a job that could not be begun or finished, after the
// records that were written of it.
func Refuse(id string, written int, reason error, write func(job.Record) error) error {
	return write(failed(job.Record{Job: id, Seq: written, Kind: job.End, Records: written + 1}, reason))
}

// Close removes every sandbox.
func (d *Driver) Close(ctx context.Context) error {
	var errs []error
	for name, b := range d.boxes {
		errs = append(errs, b.remove(ctx))
		delete(d.boxes, name)
	}
	return errors.Join(errs...)
}

func (d *Driver) write(r job.Record) error {
	r.Job, r.Seq = d.job.ID, d.seq
	d.seq++
	if err := d.Write(r); err != nil {
		return fmt.Errorf("write record %d: %w", r.Seq, err)
	}
	return nil
}

// failed returns the record with the reason of a failure, if there is one.
func failed(r job.Record, err error) job.Record {
	if err != nil {
		r.Status, r.Reason = job.Failed, err.Error()
	}
	return r
}

// step does the step number i. A sandbox with which it failed is removed, so
// that the next step begins with a new one.
func (d *Driver) step(ctx context.Context, i int) error {
	s := &d.job.Steps[i]
	f, err := d.Catalog(s.Function)
	if err != nil {
		return err
	}
	if _, err := f.Class(s.Input); err != nil {
		return err
	}
	st := step{Driver: d, Step: s, number: i, function: f, draw: newDraw(d.job.Seed, i)}
	if s.Mode == job.Cold {
		return st.cold(ctx)
	}
	return st.inARow(ctx)
}

// timed returns how long do took, in the guest's time, and how much each core
// worked meanwhile.
func (d *Driver) timed(do func() error) (time.Duration, []job.Core, error) {
	before, errBefore := d.Meter.Cores()
	start := time.Now()
	err := do()
	took := time.Since(start)
	after, errAfter := d.Meter.Cores()
	if err := errors.Join(errBefore, errAfter); err != nil {
		return took, nil, fmt.Errorf("read how much the cores worked: %w", err)
	}
	return took, difference(before, after), err
}

func difference(before, after []job.Core) []job.Core {
	var worked []job.Core
	for i := range min(len(before), len(after)) {
		worked = append(worked, job.Core{
			Core: after[i].Core, Micros: after[i].Micros - before[i].Micros, Busy: after[i].Busy - before[i].Busy,
		})
	}
	return worked
}
