package host

import (
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"microcosm/gem5bridge/process"
)

// awakener is a process that keeps the functions' core from falling asleep.
type awakener struct {
	process *process.Process
	meter   meter
}

// cpu returns the CPU time that it has used so far; 0 without one.
func (a *awakener) cpu() time.Duration {
	if a == nil {
		return 0
	}
	return a.meter.cpu()
}

// KeepAwake keeps the functions' core from falling asleep until stop is called:
// command, which must end up in StayAwake, runs there whenever nobody else wants
// to. A core that has slept takes longer for the next call, on a virtual machine
// by some tens of microseconds, and no condition of the model says so. It is not
// safe for use beside Load.
func (b *Backend) KeepAwake(command []string) (stop func(), err error) {
	p, err := process.Start(process.Spec{Args: command, Cores: []int{b.machine.core}})
	if err != nil {
		return nil, fmt.Errorf("keep the functions' core awake: %w", err)
	}
	idle := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_IDLE}
	if err := unix.SchedSetAttr(p.PID(), &idle, 0); err != nil {
		p.Stop(0)
		return nil, fmt.Errorf("give the process that keeps the functions' core awake the lowest priority: %w", err)
	}
	m, err := newMeter(p.PID())
	if err != nil {
		p.Stop(0)
		return nil, err
	}
	b.awake = &awakener{process: p, meter: m}
	return func() {
		p.Stop(0)
		b.awake = nil
	}, nil
}

// StayAwake runs until the process is ended. It touches next to nothing of the
// caches.
func StayAwake() {
	runtime.LockOSThread()
	for { //nolint:staticcheck // to spin is all it is for
	}
}
