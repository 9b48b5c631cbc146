package qemu

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"microcosm/gem5bridge/process"
	"microcosm/images/isa"
	"microcosm/images/kernel"
	"microcosm/images/tool"
)

// Defaults of a Machine.
const (
	DefaultCores     = 2
	DefaultMemoryMiB = 1024
)

const (
	// grace is how long QEMU may take to end after SIGTERM.
	grace = 2 * time.Second
	// lastWords is how long a guest that panicked may still print its trace.
	lastWords = 2 * time.Second
	// sector is the size of which disks are a multiple.
	sector = 512
)

// Machine says what to boot and when to give up.
type Machine struct {
	ISA       isa.ISA
	Kernel    string        // bzImage or Image
	Disk      string        // raw image with the root file system; not changed
	Job       []byte        // content of the second disk, padded with spaces; nil: none
	Append    []string      // added to the kernel's command line
	Cores     int           // 0: DefaultCores
	MemoryMiB int           // 0: DefaultMemoryMiB
	Ready     string        // text in a console line by which the guest says that it is up; empty: any line
	Deadline  time.Duration // for the whole run; must be positive
	Silence   time.Duration // longest pause of the console; 0: unlimited
	Console   io.Writer     // receives the console; may be nil
	Counter   *Counter      // counts instructions; may be nil
}

// Verdict says how a guest ended.
type Verdict int

// The verdicts.
const (
	Invalid    Verdict = iota
	PoweredOff         // it was ready and then switched itself off
	Panicked           // its kernel panicked
	BootHang           // it was not ready by the deadline, or fell silent before
	Hang               // it was ready, but never switched itself off
	Died               // QEMU ended otherwise
)

var verdictWords = []string{"invalid", "powered off", "panicked", "boot hang", "hang", "died"}

// String returns the verdict in words.
func (v Verdict) String() string {
	if v < 0 || int(v) >= len(verdictWords) {
		return fmt.Sprintf("verdict %d", int(v))
	}
	return verdictWords[v]
}

// Result is how a run ended.
type Result struct {
	Verdict Verdict
	Reason  string        // one line; empty for PoweredOff
	Ready   time.Duration // from the start of QEMU to the ready line; 0: never
	Wall    time.Duration // of the whole run
	Tail    string        // the end of the console
}

// Run boots m and returns when the guest has ended or has been ended.
func Run(ctx context.Context, m Machine) (result Result, err error) {
	if err := m.check(); err != nil {
		return Result{}, err
	}
	program, err := tool.Find(m.program())
	if err != nil {
		return Result{}, err
	}
	dir, err := os.MkdirTemp("", "microcosm-qemu-")
	if err != nil {
		return Result{}, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	args, err := m.arguments(dir)
	if err != nil {
		return Result{}, err
	}
	start := time.Now()
	console := newConsole(m.Ready, m.Console, start)
	child, err := process.Start(process.Spec{Args: append([]string{program}, args...), Stdout: console, Stderr: console})
	if err != nil {
		return Result{}, fmt.Errorf("boot %s: %w", m.ISA, err)
	}
	defer child.Stop(grace)
	result, err = watch(ctx, m, child, console)
	child.Stop(grace)
	result.Ready, result.Wall, result.Tail = console.readyAfter(), time.Since(start), console.tail()
	return result, err
}

// watch waits for the first of everything that ends a run.
func watch(ctx context.Context, m Machine, child *process.Process, console *console) (Result, error) {
	deadline := time.NewTimer(m.Deadline)
	defer deadline.Stop()
	silence := time.NewTimer(m.Silence)
	if m.Silence == 0 {
		silence.Stop()
	}
	defer silence.Stop()
	for {
		select {
		case <-child.Done():
			return ended(child, console), nil
		case <-ctx.Done():
			return Result{}, fmt.Errorf("boot %s: %w", m.ISA, context.Cause(ctx))
		case <-deadline.C:
			return hung(console, fmt.Sprintf("not done after %v", m.Deadline)), nil
		case <-silence.C:
			return hung(console, fmt.Sprintf("its console was silent for %v", m.Silence)), nil
		case <-console.changed:
			if m.Silence > 0 {
				silence.Reset(m.Silence)
			}
			if console.panicked() != "" {
				select {
				case <-child.Done():
				case <-time.After(lastWords):
				}
				return Result{Verdict: Panicked, Reason: console.panicked()}, nil
			}
		}
	}
}

// hung is the result of a guest that had to be ended.
func hung(console *console, reason string) Result {
	if console.readyAfter() == 0 {
		return Result{Verdict: BootHang, Reason: "the guest never came up: " + reason}
	}
	return Result{Verdict: Hang, Reason: reason}
}

// ended is the result of a QEMU that ended by itself.
func ended(child *process.Process, console *console) Result {
	console.finish()
	switch {
	case console.panicked() != "":
		return Result{Verdict: Panicked, Reason: console.panicked()}
	case !child.State().Success():
		return Result{Verdict: Died, Reason: "QEMU ended with " + child.State().String()}
	case console.readyAfter() == 0:
		return Result{Verdict: Died, Reason: "the machine switched off before it was up"}
	}
	return Result{Verdict: PoweredOff}
}

func (m *Machine) check() error {
	var mistakes []error
	if m.ISA == isa.Invalid {
		mistakes = append(mistakes, errors.New("boot: no ISA given"))
	}
	if m.Deadline <= 0 {
		mistakes = append(mistakes, fmt.Errorf("boot: deadline %v is not positive", m.Deadline))
	}
	if m.Cores < 0 || m.MemoryMiB < 0 {
		mistakes = append(mistakes, fmt.Errorf("boot: %d cores and %d MiB of memory cannot be", m.Cores, m.MemoryMiB))
	}
	for _, file := range []struct{ what, path string }{{"kernel", m.Kernel}, {"disk", m.Disk}} {
		if _, err := os.Stat(file.path); err != nil {
			mistakes = append(mistakes, fmt.Errorf("boot: no %s: %w (make -C images ISA=%s)", file.what, err, m.ISA))
		}
	}
	return errors.Join(mistakes...)
}

func (m *Machine) program() string {
	if m.ISA == isa.X86 {
		return "qemu-system-x86_64"
	}
	return "qemu-system-aarch64"
}

// arguments returns QEMU's arguments; dir is for files that must outlive the
// call.
func (m *Machine) arguments(dir string) ([]string, error) {
	args := []string{
		"-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio", "-monitor", "none", "-no-reboot",
		"-smp", strconv.Itoa(orDefault(m.Cores, DefaultCores)), "-m", strconv.Itoa(orDefault(m.MemoryMiB, DefaultMemoryMiB)),
		"-kernel", m.Kernel,
	}
	clock := kernel.Clock{}
	if m.ISA == isa.X86 {
		// QEMU's local APIC counts at 1 GHz (hw/intc/apic_common.c); its time stamp
		// counter follows the host's, which the guest must measure.
		clock.LocalAPICKHz = 1_000_000
		args = append(args, "-M", "pc,hpet=off", "-cpu", "qemu64,+ssse3")
	} else {
		args = append(args, "-M", "virt,gic-version=2", "-cpu", "cortex-a72")
	}
	args = append(args, m.drive("root", 0, m.Disk)...)
	if m.Job != nil {
		job := filepath.Join(dir, "job")
		padded := append([]byte{}, m.Job...)
		for len(padded)%sector != 0 || len(padded) == 0 {
			padded = append(padded, ' ')
		}
		if err := os.WriteFile(job, padded, 0o600); err != nil {
			return nil, fmt.Errorf("boot %s: write the job: %w", m.ISA, err)
		}
		args = append(args, m.drive("job", 1, job)...)
	}
	if m.Counter != nil {
		counting, err := m.Counter.arguments(dir)
		if err != nil {
			return nil, fmt.Errorf("boot %s: count instructions: %w", m.ISA, err)
		}
		args = append(args, counting...)
	}
	line := append(kernel.CommandLine(m.ISA, clock), m.Append...)
	return append(args, "-append", strings.Join(line, " ")), nil
}

// drive returns the arguments of the n-th disk. Writes go to a file that QEMU
// throws away. On x86 each is the master of a channel of its own: Linux looks at the
// channels in turn, but at the disks of one at the same time, and names first which
// it sees first.
func (m *Machine) drive(name string, n int, path string) []string {
	// In an option a comma of a path is written twice.
	spec := fmt.Sprintf("file=%s,format=raw,snapshot=on,id=%s", strings.ReplaceAll(path, ",", ",,"), name)
	if m.ISA == isa.X86 {
		return []string{"-drive", fmt.Sprintf("%s,if=ide,index=%d", spec, 2*n)}
	}
	return []string{"-drive", spec + ",if=none", "-device", "virtio-blk-pci,drive=" + name}
}

func orDefault(value, otherwise int) int {
	if value == 0 {
		return otherwise
	}
	return value
}
