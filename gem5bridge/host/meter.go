package host

import (
	"fmt"
	"time"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// meter reads what the kernel counts of one process, all its threads together.
type meter struct {
	pid   int
	clock int32 // the process's CPU clock
	fs    procfs.FS
}

// counts are what a meter has counted since the process started.
type counts struct {
	voluntary   int64         // context switches because a thread waited
	involuntary int64         // context switches because another thread was given the core
	faults      int64         // minor page faults
	wait        time.Duration // threads were ready and did not run; 0 where the kernel does not tell
}

func (c counts) minus(before counts) counts {
	return counts{
		voluntary:   c.voluntary - before.voluntary,
		involuntary: c.involuntary - before.involuntary,
		faults:      c.faults - before.faults,
		wait:        c.wait - before.wait,
	}
}

func (c counts) plus(more counts) counts {
	return counts{
		voluntary:   c.voluntary + more.voluntary,
		involuntary: c.involuntary + more.involuntary,
		faults:      c.faults + more.faults,
		wait:        c.wait + more.wait,
	}
}

func newMeter(pid int) (meter, error) {
	fs, err := procfs.NewDefaultFS()
	if err != nil {
		return meter{}, fmt.Errorf("meter process %d: %w", pid, err)
	}
	// MAKE_PROCESS_CPUCLOCK(pid, CPUCLOCK_SCHED): linux/posix-timers_types.h.
	const cpuClockSched = 2
	return meter{pid: pid, clock: ^int32(pid)<<3 | cpuClockSched, fs: fs}, nil
}

// cpu returns the CPU time that the process has used, to the nanosecond, what a
// thread uses at this moment included; 0 once it has ended.
func (m meter) cpu() time.Duration {
	var used unix.Timespec
	if err := unix.ClockGettime(m.clock, &used); err != nil {
		return 0
	}
	return time.Duration(used.Nano())
}

// counts reads the counters. Threads that have ended are forgotten by the kernel
// and those that end meanwhile are left out, so a difference may be a little
// short; it is never used as a time.
func (m meter) counts() counts {
	var c counts
	proc, err := m.fs.Proc(m.pid)
	if err != nil {
		return c
	}
	if stat, err := proc.Stat(); err == nil {
		c.faults = int64(stat.MinFlt)
	}
	threads, err := m.fs.AllThreads(m.pid)
	if err != nil {
		return c
	}
	for _, thread := range threads {
		if status, err := thread.NewStatus(); err == nil {
			c.voluntary += int64(status.VoluntaryCtxtSwitches)
			c.involuntary += int64(status.NonVoluntaryCtxtSwitches)
		}
		if sched, err := thread.Schedstat(); err == nil {
			c.wait += time.Duration(sched.WaitingNanoseconds)
		}
	}
	return c
}
