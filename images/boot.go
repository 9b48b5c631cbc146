package images

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"microcosm/images/profile"
	"microcosm/images/qemu"
)

// Disk returns the path of the disk image in an output directory.
func Disk(out string) string { return filepath.Join(out, diskName) }

// KernelELF returns the path of the kernel that gem5 loads.
func KernelELF(out string) string { return filepath.Join(out, elfName) }

// BootOptions says how to boot an image.
type BootOptions struct {
	Job      []byte        // for the guest; nil: none
	Append   []string      // added to the kernel's command line
	Ready    string        // text of the line by which the guest says that it is up; empty: any
	Deadline time.Duration // must be positive
	Console  io.Writer     // receives the console; may be nil
	Disk     string        // empty: the one in the output directory

	MemoryMiB int           // 0: qemu.DefaultMemoryMiB
	Counter   *qemu.Counter // counts instructions; may be nil
}

// machine returns the QEMU machine that boots what is in o.Out.
func (o *Options) machine(b BootOptions) qemu.Machine {
	m := qemu.Machine{
		ISA: o.ISA, Kernel: filepath.Join(o.Out, imageName(o.ISA)), Disk: b.Disk, Job: b.Job, Append: b.Append, Ready: b.Ready,
		Deadline: b.Deadline, Console: b.Console, MemoryMiB: b.MemoryMiB, Counter: b.Counter,
	}
	if m.Disk == "" {
		m.Disk = Disk(o.Out)
	}
	return m
}

// GuestError says that a guest did not boot, run and switch itself off.
type GuestError struct{ Result qemu.Result }

// Error names the verdict and shows the end of the console.
func (e *GuestError) Error() string {
	lines := strings.Split(strings.TrimSpace(e.Result.Tail), "\n")
	lines = lines[max(0, len(lines)-20):]
	return fmt.Sprintf("the guest %s: %s; the end of its console:\n  %s", e.Result.Verdict, e.Result.Reason, strings.Join(lines, "\n  "))
}

// Boot boots the image in QEMU until the guest has switched itself off. Any
// other end of the guest is a *GuestError.
func Boot(ctx context.Context, o Options, b BootOptions) (qemu.Result, error) {
	result, err := qemu.Run(ctx, o.machine(b))
	if err == nil && result.Verdict != qemu.PoweredOff {
		err = &GuestError{result}
	}
	return result, err
}

// ProfileBoot boots the image while counting instructions, and returns where
// they went until the agent's first line.
func ProfileBoot(ctx context.Context, o Options, deadline time.Duration) (boot profile.Boot, err error) {
	plugin, err := qemu.CompilePlugin(ctx, o.Cache, qemu.Blocks)
	if err != nil {
		return profile.Boot{}, err
	}
	symbols, err := profile.ReadSymbols(KernelELF(o.Out))
	if err != nil {
		return profile.Boot{}, fmt.Errorf("%w (make -C images ISA=%s)", err, o.ISA)
	}
	dir, remove, err := o.Cache.Scratch("profile")
	if err != nil {
		return profile.Boot{}, err
	}
	defer func() { err = errors.Join(err, remove()) }()
	m := o.machine(BootOptions{Deadline: deadline})
	m.Counter = &qemu.Counter{Plugin: plugin, Marks: symbols.Marks(), Out: filepath.Join(dir, "counts")}
	result, err := qemu.Run(ctx, m)
	if err != nil {
		return profile.Boot{}, err
	}
	f, err := os.Open(m.Counter.Out)
	if err != nil {
		return profile.Boot{}, &GuestError{result}
	}
	defer f.Close()
	counts, err := profile.Parse(f)
	if err != nil {
		return profile.Boot{}, err
	}
	if boot, err = profile.Analyse(counts, symbols); err != nil {
		return profile.Boot{}, errors.Join(err, &GuestError{result})
	}
	return boot, nil
}
