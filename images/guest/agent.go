//go:build linux

package guest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"microcosm/images/guest/driver"
	"microcosm/images/guest/job"
	"microcosm/images/guest/landmark"
	"microcosm/images/guest/m5"
	"microcosm/images/guest/walk"
)

// Up is the agent's first line.
const Up = "agent: up"

// walkerWord as first argument makes the agent's program a walker.
const walkerWord = "walk"

// Main is what the agent's program does; it returns the exit code of a program
// that is not PID 1. As PID 1 it ends the machine.
func Main(args []string, input io.Reader, output io.Writer) int {
	if len(args) == 2 && args[1] == walkerWord {
		if err := walk.Serve(input, output); err != nil {
			return 1
		}
		return 0
	}
	if os.Getpid() != 1 {
		_, _ = fmt.Fprintln(output, "agent: this is PID 1 of a simulated machine: boot an image with it (make -C images)")
		return 2
	}
	a := agent{console: output, link: &serialLink{console: output}, id: unknown}
	a.say(Up)
	err := a.told(func() error { return a.run(context.Background()) })
	if err != nil {
		a.say("agent: failed: " + err.Error())
	}
	a.say("agent: off")
	a.link.Off(err != nil)
	for { // PID 1 must not return: the kernel would panic
		time.Sleep(time.Hour)
	}
}

// unknown is the job's id as long as none was read.
const unknown = "unknown"

type agent struct {
	console io.Writer
	link    link
	id      string // of the job
	ended   bool   // the job has its End record
	written int    // records of the job
	driver  *driver.Driver
}

// say prints a line for people. Nobody may be there to read it.
func (a *agent) say(line string) { _, _ = fmt.Fprintln(a.console, line) }

// told does something and gives the job an end, whatever ends it: an error in
// this program among it.
func (a *agent) told(do func() error) (err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("the agent panicked: %v", reason)
		}
		if err != nil && !a.ended {
			err = errors.Join(err, driver.Refuse(a.id, a.written, err, a.link.Write))
		}
	}()
	return do()
}

// run furnishes the machine and does its jobs.
func (a *agent) run(ctx context.Context) (err error) {
	simulated, err := a.furnish()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.driver.Close(ctx)) }()
	if simulated {
		// What is restored from this checkpoint has its first job still to read.
		if err := a.link.Checkpoint(); err != nil {
			return err
		}
	}
	return a.work(ctx)
}

// work does jobs until one says that it is the last, or fails.
func (a *agent) work(ctx context.Context) error {
	for {
		then, err := a.next(ctx)
		if err != nil || then != job.Checkpoint {
			return err
		}
		if err := a.link.Checkpoint(); err != nil {
			return err
		}
	}
}

// next reads and does one job.
func (a *agent) next(ctx context.Context) (job.Then, error) {
	done := a.id
	a.ended, a.written, a.id = false, 0, unknown
	text, err := a.link.Job(ctx)
	if err != nil {
		return job.ThenInvalid, err
	}
	j, err := job.Parse(text)
	if err != nil {
		return job.ThenInvalid, err
	}
	if j.ID == done {
		return job.ThenInvalid, fmt.Errorf("the job after the checkpoint is %s again: hand in another", done)
	}
	a.id = j.ID
	return j.Then, a.driver.Run(ctx, j)
}

// furnish makes the machine ready for work and says whether it is gem5.
func (a *agent) furnish() (simulated bool, err error) {
	if err := mountAll(); err != nil {
		return false, err
	}
	machine, err := m5.Detect(evidence())
	if err != nil && !errors.Is(err, m5.ErrAbsent) {
		return false, err
	}
	c := driver.Config{Walker: &walker{}, Machine: "other", Marker: landmark.Marker{}}
	if machine != nil {
		a.link = &gem5Link{machine: machine} // from here on, failures reach the simulator
		c.Marker, c.Machine = machine, "gem5"
	}
	if err := errors.Join(creditRandomness(), raiseLoopback(), divideCores(), os.Setenv("PATH", "/usr/bin:/bin")); err != nil {
		return false, err
	}
	if c.Meter, err = newMeter(cgroupRoot, "/proc"); err != nil {
		return false, err
	}
	if c.Launcher, err = newLauncher(); err != nil {
		return false, err
	}
	c.Catalog = newCatalog().Lookup
	a.use(a.link, c)
	return machine != nil, nil
}

// use makes the driver, whose records go to l.
func (a *agent) use(l link, c driver.Config) {
	a.link = l
	c.Write = func(r job.Record) error {
		if err := l.Write(r); err != nil {
			return err
		}
		a.written, a.ended = r.Seq+1, r.Kind == job.End
		return nil
	}
	a.driver = driver.New(c)
}

// walker has a process on the functions' core walk. It is started when it is
// first needed.
type walker struct {
	requests io.Writer
	answers  *bufio.Reader
}

// Walk walks code and data on the functions' core.
func (w *walker) Walk(ctx context.Context, code, data int64) error {
	if w.requests == nil {
		if err := w.start(); err != nil {
			return fmt.Errorf("start the walker: %w", err)
		}
	}
	walked := make(chan error, 1)
	go func() { walked <- walk.Ask(w.requests, w.answers, code, data) }()
	select {
	case err := <-walked:
		return err
	case <-ctx.Done():
		w.requests = nil // that one is lost, and ends when its pipe does
		return context.Cause(ctx)
	}
}

func (w *walker) start() error {
	group, err := os.Open(filepath.Join(cgroupRoot, walkerGroup))
	if err != nil {
		return err
	}
	defer group.Close()
	cmd := exec.Command("/proc/self/exe", walkerWord)
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(group.Fd())}
	requests, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	answers, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() { _ = cmd.Wait() }() // how it ended shows in its answers
	w.requests, w.answers = requests, bufio.NewReader(answers)
	return nil
}
