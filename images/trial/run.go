package trial

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"microcosm/images"
	"microcosm/images/guest"
	"microcosm/images/guest/job"
	"microcosm/images/isa"
	"microcosm/images/profile"
	"microcosm/images/qemu"
)

// memoryMiB holds every function of the catalog at once, each with its
// databases.
const memoryMiB = 2048

// Options says what to try.
type Options struct {
	Image     images.Options
	Functions []string      // empty: all of the image
	Deadlines job.Deadlines // of a stage or call, in the guest's time; zero: Deadlines
	Deadline  time.Duration // of the whole run
	Count     bool          // instructions per call; emulation is several times slower then
	Progress  io.Writer     // gets a line per function and mode as they are done; may be nil
}

// Report is what a run found out.
type Report struct {
	ISA      isa.ISA       `json:"isa"`
	Disk     string        `json:"disk"` // digest of the image
	Up       time.Duration `json:"-"`    // from the start of the emulator to the agent's first line
	Wall     time.Duration `json:"-"`    // of the whole run
	Outcomes []Outcome     `json:"outcomes"`
}

// FailedError names every function that failed, with its mode and reason, and
// shows the end of the console.
type FailedError struct {
	Failed []Outcome
	Tail   string
}

// Error is a line or more per failure, then the end of the console.
func (e *FailedError) Error() string {
	var text strings.Builder
	for _, o := range e.Failed {
		fmt.Fprintf(&text, "%s failed %s: %s\n", o.Function, o.Mode, strings.ReplaceAll(o.Failure, "\n", "\n  "))
	}
	lines := strings.Split(strings.TrimSpace(e.Tail), "\n")
	lines = lines[max(0, len(lines)-tailLines):]
	fmt.Fprintf(&text, "the end of the console:\n  %s", strings.Join(lines, "\n  "))
	return text.String()
}

// tailLines are the lines of the console that an error shows.
const tailLines = 20

// Run boots the image and tries its functions. The error is a *FailedError where
// one failed, in which case the report is whole all the same.
func Run(ctx context.Context, o Options) (report Report, err error) {
	m, err := images.ReadManifest(o.Image.Out)
	if err != nil {
		return Report{}, err
	}
	present := make([]string, len(m.Functions))
	for i, f := range m.Functions {
		present[i] = f.Name
	}
	if len(present) == 0 {
		return Report{}, errors.New("the image holds no functions")
	}
	if len(o.Functions) == 0 {
		o.Functions = present
	}
	var strange []error
	for _, f := range o.Functions {
		if !slices.Contains(present, f) {
			strange = append(strange, fmt.Errorf("the image holds no function %q: there are %s", f, strings.Join(present, ", ")))
		}
	}
	if err := errors.Join(strange...); err != nil {
		return Report{}, err
	}
	if o.Deadlines == (job.Deadlines{}) {
		o.Deadlines = Deadlines
	}
	j := Plan(o.Functions, present, o.Deadlines)
	text, err := job.Marshal(j)
	if err != nil {
		return Report{}, err
	}
	console := &console{job: j, progress: o.Progress}
	boot := images.BootOptions{Job: text, Ready: guest.Up, Deadline: o.Deadline, Console: console, MemoryMiB: memoryMiB}
	var counted string
	if o.Count {
		dir, remove, err := o.Image.Cache.Scratch("trial")
		if err != nil {
			return Report{}, err
		}
		defer func() { err = errors.Join(err, remove()) }()
		counted = filepath.Join(dir, "calls")
		plugin, err := qemu.CompilePlugin(ctx, o.Image.Cache, qemu.Calls)
		if err != nil {
			return Report{}, err
		}
		boot.Counter = &qemu.Counter{Plugin: plugin, Out: counted}
	}
	result, err := images.Boot(ctx, o.Image, boot)
	var ended *images.GuestError
	if err != nil && !errors.As(err, &ended) {
		return Report{}, err
	}
	report = Report{ISA: m.ISA, Disk: m.Disk.Digest, Up: result.Ready, Wall: result.Wall}
	return report, report.read(j, console.text.Bytes(), counted, result, ended)
}

// read fills in the outcomes and returns what failed.
func (r *Report) read(j job.Job, console []byte, counted string, result qemu.Result, ended *images.GuestError) error {
	records, damage := job.ReadRecords(bytes.NewReader(console))
	var reason string
	switch {
	case ended != nil:
		reason = fmt.Sprintf("the guest %s: %s", result.Verdict, result.Reason)
	case damage != nil:
		reason = damage.Error()
	}
	var calls []profile.Call
	if counted != "" {
		var err error
		if calls, err = readCalls(counted, records); err != nil {
			return errors.Join(err, failed(outcomes(j, records, nil, reason), result.Tail))
		}
	}
	r.Outcomes = outcomes(j, records, calls, reason)
	if err := failed(r.Outcomes, result.Tail); err != nil {
		return err
	}
	return damage
}

// readCalls returns the counts, which must be one per marked record.
func readCalls(path string, records []job.Record) ([]profile.Call, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("count instructions: %w", err)
	}
	defer f.Close()
	calls, err := profile.ParseCalls(f)
	if err != nil {
		return nil, err
	}
	marked := 0
	for _, r := range records {
		if r.Marked {
			marked++
		}
	}
	if marked != len(calls) {
		return nil, fmt.Errorf("count instructions: %d calls were counted, the records tell of %d", len(calls), marked)
	}
	return calls, nil
}

func failed(all []Outcome, tail string) error {
	var bad []Outcome
	for _, o := range all {
		if !o.Passed() {
			bad = append(bad, o)
		}
	}
	if len(bad) == 0 {
		return nil
	}
	return &FailedError{bad, tail}
}

// console keeps the guest's console and tells of the steps as they end.
type console struct {
	job      job.Job
	progress io.Writer
	text     bytes.Buffer
	line     []byte
	step     int // being done
	failed   bool
}

// Write keeps p. It never fails.
func (c *console) Write(p []byte) (int, error) {
	c.text.Write(p)
	c.line = append(c.line, p...)
	for {
		line, rest, complete := bytes.Cut(c.line, []byte("\n"))
		if !complete {
			return len(p), nil
		}
		c.look(line)
		c.line = append([]byte{}, rest...)
	}
}

func (c *console) look(line []byte) {
	r, is, err := job.ParseLine(line)
	if !is || err != nil || c.progress == nil {
		return // damage is told of in the end
	}
	step := r.Step
	if r.Kind == job.Start {
		return
	}
	if r.Kind == job.End {
		step = len(c.job.Steps)
	}
	for ; c.step < step && c.step < len(c.job.Steps); c.step++ {
		s := c.job.Steps[c.step]
		word := "ok"
		if c.failed {
			word = "FAILED"
		}
		fmt.Fprintf(c.progress, "  %-24s %-9s %s\n", s.Function, s.Mode, word)
		c.failed = false
	}
	c.failed = c.failed || r.Status == job.Failed
}
