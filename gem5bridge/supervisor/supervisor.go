package supervisor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sync/semaphore"
	"golang.org/x/sys/unix"

	"microcosm/gem5bridge/job"
	"microcosm/gem5bridge/process"
)

// Options says how to supervise.
type Options struct {
	Jobs  *job.Registry // holds the records; required
	Log   *slog.Logger  // nil discards
	Poll  time.Duration // how often a job is looked at; 0 is 1 s
	Grace job.Grace     // zero is job.DefaultGrace
}

// Supervisor runs jobs. It is safe for concurrent use.
type Supervisor struct {
	options Options
	turns   *semaphore.Weighted // a job that must be alone takes all

	// Doors of the machine, which tests replace.
	free     func(folder string) (int64, error) // bytes of disk
	oomKills func() int64                       // processes the kernel has killed for memory since boot
}

// everything is how many jobs may run side by side: the callers decide.
const everything = 1 << 20

// cancelGrace is for a job whose caller has gone: the caller may be killed soon.
var cancelGrace = job.Grace{Interrupt: 500 * time.Millisecond, Terminate: 500 * time.Millisecond}

// New returns a supervisor.
func New(options Options) *Supervisor {
	if options.Log == nil {
		options.Log = slog.New(slog.DiscardHandler)
	}
	if options.Poll == 0 {
		options.Poll = time.Second
	}
	if options.Grace == (job.Grace{}) {
		options.Grace = job.DefaultGrace
	}
	return &Supervisor{options: options, turns: semaphore.NewWeighted(everything), free: freeDisk, oomKills: kernelOOMKills}
}

// Recover ends what a killed orchestrator has left, and closes the records of
// its jobs as interrupted. Call it once, before the first Run.
func (s *Supervisor) Recover(ctx context.Context) error {
	recovered, err := s.options.Jobs.Recover(ctx)
	for _, record := range recovered {
		s.options.Log.Warn("closed the record of an interrupted job", "job", record.ID, "what", record.What)
	}
	return err
}

// Spec is one job: a simulator process and where its signs of life are. Names of
// files are relative to Folder.
type Spec struct {
	What     string   // for people: platform, function, condition
	Campaign string   // its name; may be empty
	Args     []string // the program and its arguments
	Env      []string // the whole environment; nil inherits
	Folder   string   // exists, is the job's own, and its working directory
	Cores    []int    // cores the job may run on; empty inherits
	Nice     int
	Alone    bool // no other job of this supervisor runs meanwhile

	Phase   string   // "boot" makes a hang of the guest a boot-hang
	Events  string   // default events.jsonl; see FORMAT.md
	Console string   // default console: the guest's
	Growing []string // other files whose growth is work
	Log     string   // default gem5.log: gets the simulator's output
	Of      int64    // work items expected; 0: unknown

	Limits job.Limits
	Panics *regexp.Regexp // console lines that mean a dead guest; nil: Linux's

	Observe func(job.Progress) // called at every look; may be nil
	Check   func() error       // after an exit with 0: is the output whole? may be nil
}

// Outcome is how a job ended.
type Outcome struct {
	ID       string
	Verdict  job.Verdict
	Text     string           // the evidence
	State    *os.ProcessState // nil if it was not started
	Progress job.Progress     // the last
	Wall     time.Duration
	Console  []string // its last lines
	Tail     []string // of the simulator's output
}

// OK reports whether the job did what it should.
func (o Outcome) OK() bool { return o.Verdict == job.Done }

// Run runs a job to its end, whatever that is. Its error is not a verdict: the
// job could not be started or recorded, or ctx ended (its cause is wrapped, and
// the outcome says Interrupted). Nothing of the job runs when Run returns.
func (s *Supervisor) Run(ctx context.Context, spec Spec) (Outcome, error) {
	if err := spec.complete(); err != nil {
		return Outcome{}, err
	}
	weight := int64(1)
	if spec.Alone {
		weight = everything
	}
	if err := s.turns.Acquire(ctx, weight); err != nil {
		return Outcome{}, fmt.Errorf("run %s: %w", spec.What, context.Cause(ctx))
	}
	defer s.turns.Release(weight)
	if text := s.noRoom(spec); text != "" {
		return Outcome{Verdict: job.DiskFull, Text: text}, nil
	}
	r, err := s.start(spec)
	if err != nil {
		return Outcome{}, fmt.Errorf("run %s: %w", spec.What, err)
	}
	return r.run(ctx)
}

// complete fills in the defaults and returns the mistakes.
func (spec *Spec) complete() error {
	var mistakes []error
	if len(spec.Args) == 0 {
		mistakes = append(mistakes, errors.New("supervise: no program given"))
	}
	if info, err := os.Stat(spec.Folder); err != nil || !info.IsDir() {
		mistakes = append(mistakes, fmt.Errorf("supervise: %q is no folder for the job's files", spec.Folder))
	}
	for name, value := range map[*string]string{&spec.Events: "events.jsonl", &spec.Console: "console", &spec.Log: "gem5.log"} {
		if *name == "" {
			*name = value
		}
	}
	if spec.Panics == nil {
		spec.Panics = linuxPanics
	}
	return errors.Join(mistakes...)
}

// noRoom says that the disk is too full to begin, or to go on.
func (s *Supervisor) noRoom(spec Spec) string {
	if spec.Limits.Disk == 0 {
		return ""
	}
	free, err := s.free(spec.Folder)
	if err != nil || free >= spec.Limits.Disk {
		return "" // what cannot be asked will show itself
	}
	return fmt.Sprintf("%s has %d MiB free, %d MiB must stay free: free some, or name another folder", spec.Folder, free>>20, spec.Limits.Disk>>20)
}

// start starts the job's process and writes its record.
func (s *Supervisor) start(spec Spec) (*run, error) {
	log, err := os.Create(filepath.Join(spec.Folder, spec.Log))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	id := job.NewID()
	env := spec.Env
	if env == nil {
		env = os.Environ()
	}
	killed := s.oomKills()
	p, err := process.Start(process.Spec{
		Args: spec.Args, Env: append(slices.Clone(env), job.Variable+"="+id), Dir: spec.Folder,
		Guarded: true, Cores: spec.Cores, Nice: spec.Nice, Stdout: log, Stderr: log,
	})
	if err != nil {
		return nil, err
	}
	record, err := job.New(id, p.Identity())
	record.What, record.Campaign, record.Command, record.Folder = spec.What, spec.Campaign, spec.Args, spec.Folder
	record.Console, record.Limits = filepath.Join(spec.Folder, spec.Console), spec.Limits
	record.Progress.Phase, record.Progress.Of = spec.Phase, spec.Of
	if err == nil {
		err = s.options.Jobs.Write(record)
	}
	if err != nil {
		p.Stop(0) // what is not recorded cannot be found again
		return nil, err
	}
	return &run{supervisor: s, spec: spec, process: p, record: record, watch: newWatch(spec, record, p.PID()), oomKills: killed, begun: time.Now()}, nil
}

// end ends the job's process group.
func end(p *process.Process, grace job.Grace) {
	p.Signal(syscall.SIGINT)
	if !ends(p, grace.Interrupt) {
		p.Stop(grace.Terminate)
	}
}

func ends(p *process.Process, within time.Duration) bool {
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-p.Done():
		return true
	case <-timer.C:
		return false
	}
}

func freeDisk(folder string) (int64, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(folder, &fs); err != nil {
		return 0, err
	}
	return int64(fs.Bavail) * fs.Bsize, nil
}
