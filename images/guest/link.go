//go:build linux

package guest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"microcosm/images/guest/job"
	"microcosm/images/guest/m5"
)

// A link is the way of jobs into the guest and of records out of it.
type link interface {
	// Job returns the text of the next job.
	Job(ctx context.Context) ([]byte, error)
	// Write writes one record.
	Write(r job.Record) error
	// Checkpoint returns in every guest restored from the checkpoint.
	Checkpoint() error
	// Off ends the machine.
	Off(failed bool)
}

// RecordsPrefix begins the name of the file that gem5 gets a job's records in;
// the job's id follows.
const RecordsPrefix = "records-"

// gem5Link speaks with the simulator.
type gem5Link struct {
	machine *m5.Machine
	offset  int64
}

// Job reads the simulator's readfile.
func (l *gem5Link) Job(context.Context) ([]byte, error) {
	text, err := l.machine.ReadFile(job.MaxBytes)
	if err == nil && len(text) == 0 {
		err = errors.New("the simulator hands in no job: set its readfile")
	}
	return text, err
}

// Write adds the record to the job's file.
func (l *gem5Link) Write(r job.Record) error {
	line, err := job.Line(r)
	if err != nil {
		return err
	}
	if r.Seq == 0 {
		l.offset = 0
	}
	if err := l.machine.WriteFile(RecordsPrefix+r.Job, line, l.offset); err != nil {
		return err
	}
	l.offset += int64(len(line))
	return nil
}

// Checkpoint collects garbage first, so that no restored guest begins with it.
func (l *gem5Link) Checkpoint() error {
	runtime.GC()
	l.machine.Checkpoint()
	return nil
}

// Off ends the simulation, with a failure's code after a failure.
func (l *gem5Link) Off(failed bool) {
	if failed {
		l.machine.Fail(1)
	}
	l.machine.Exit()
}

// serialLink reads the second disk and writes lines on the console: QEMU.
type serialLink struct{ console io.Writer }

// jobDevices are the names of the second disk on the two ISAs.
var jobDevices = []string{"/dev/sdb", "/dev/vdb"}

// appearance is how long the second disk may take to be found by the kernel.
const appearance = 2 * time.Second

// Job reads the second disk, which may take a moment to appear.
func (l *serialLink) Job(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, appearance)
	defer cancel()
	for {
		for _, device := range jobDevices {
			f, err := os.Open(device)
			if err != nil {
				continue
			}
			defer f.Close()
			return io.ReadAll(io.LimitReader(f, job.MaxBytes+1))
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("no job: there is no second disk (%s)", strings.Join(jobDevices, " or "))
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Write writes the record as a line.
func (l *serialLink) Write(r job.Record) error {
	line, err := job.Line(r)
	if err != nil {
		return err
	}
	_, err = l.console.Write(line)
	return err
}

// Checkpoint is gem5's only.
func (l *serialLink) Checkpoint() error {
	return errors.New("then: checkpoint: there is no simulator to take it: only gem5 does")
}

// Off switches the machine off.
func (l *serialLink) Off(bool) {
	unix.Sync()
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF) // returns only if it cannot
}

// evidence collects what the machine tells about itself.
func evidence() m5.Evidence {
	text := func(path string) string {
		b, _ := os.ReadFile(path) // what is not there is no evidence
		return string(b)
	}
	return m5.Evidence{
		CommandLine: text("/proc/cmdline"), CPUInfo: text("/proc/cpuinfo"),
		DeviceTree: text("/proc/device-tree/compatible") + text("/proc/device-tree/model"),
	}
}
