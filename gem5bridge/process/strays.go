package process

import (
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// Stray is a running process as /proc shows it.
type Stray struct {
	PID       int
	Parent    int
	Group     int
	Session   int
	StartTime uint64        // clock ticks since boot
	CPU       time.Duration // used so far, to 10 ms
	Resident  int64         // bytes of memory
	proc      procfs.Proc
	space     uint // bytes of address space: a thread of the kernel has none
}

// execs is how often, a millisecond apart, an empty environment is read again.
const execs = 50

// HasEnv reports whether the process was started with the environment entry
// name=value; false where its environment may not be read.
func (s Stray) HasEnv(entry string) bool {
	name, want, _ := strings.Cut(entry, "=")
	value, found := s.Env(name)
	return found && value == want
}

// Env returns the value of an environment variable that the process was started
// with, if there is one and it may be read.
func (s Stray) Env(name string) (value string, found bool) {
	env, err := s.proc.Environ()
	// In the middle of an exec a process has no environment, neither old nor new; one
	// that has ended has none either.
	for n := 0; n < execs && err == nil && len(env) == 0 && s.space > 0; n++ {
		if _, runs := look(s.proc); !runs {
			return "", false
		}
		time.Sleep(time.Millisecond)
		env, err = s.proc.Environ()
	}
	if err != nil {
		return "", false
	}
	for _, entry := range env {
		if value, found := strings.CutPrefix(entry, name+"="); found {
			return value, true
		}
	}
	return "", false
}

// Find returns the running processes (zombies are not) that match, and nothing
// where /proc is missing. One that forks and ends while /proc is read hides its
// child: nothing is found only where two looks find nothing.
func Find(match func(Stray) bool) []Stray {
	if found := find(match); len(found) > 0 {
		return found
	}
	return find(match)
}

func find(match func(Stray) bool) []Stray {
	all, err := procfs.AllProcs()
	if err != nil {
		return nil
	}
	var found []Stray
	for _, proc := range all {
		if s, ok := look(proc); ok && match(s) {
			found = append(found, s)
		}
	}
	return found
}

// Look returns the running process with the given pid, if there is one.
func Look(pid int) (Stray, bool) {
	proc, err := procfs.NewProc(pid)
	if err != nil {
		return Stray{}, false
	}
	return look(proc)
}

// Runnable reports whether a thread of the process runs or waits for a core, as
// opposed to waiting for anything else.
func Runnable(pid int) bool {
	threads, err := procfs.AllThreads(pid)
	if err != nil {
		return false
	}
	for _, thread := range threads {
		if stat, err := thread.Stat(); err == nil && stat.State == "R" {
			return true
		}
	}
	return false
}

func look(proc procfs.Proc) (Stray, bool) {
	stat, err := proc.Stat()
	if err != nil || stat.State == "Z" || stat.State == "X" {
		return Stray{}, false
	}
	return Stray{
		PID: stat.PID, Parent: stat.PPID, Group: stat.PGRP, Session: stat.Session, StartTime: stat.Starttime,
		CPU:      time.Duration(stat.CPUTime() * float64(time.Second)),
		Resident: int64(stat.ResidentMemory()), proc: proc, space: stat.VSize,
	}, true
}

// KillStrays kills the processes that match, and those they fork meanwhile. It
// returns when none is left, or after a second those that still run.
func KillStrays(match func(Stray) bool) []Stray {
	deadline := time.Now().Add(time.Second)
	for {
		strays := Find(match)
		if len(strays) == 0 || time.Now().After(deadline) {
			return strays
		}
		for _, s := range strays {
			s.signal(unix.SIGKILL, match)
		}
		time.Sleep(time.Millisecond) // killed is not yet gone
	}
}

// Signal sends sig to the processes that match and returns how many there were.
func Signal(sig syscall.Signal, match func(Stray) bool) int {
	strays := Find(match)
	for _, s := range strays {
		s.signal(sig, match)
	}
	return len(strays)
}

// signal signals the process if it is still the one that was found.
func (s Stray) signal(sig syscall.Signal, match func(Stray) bool) {
	fd, err := unix.PidfdOpen(s.PID, 0)
	if err != nil {
		return // it is gone
	}
	defer func() { _ = unix.Close(fd) }() // read-only: nothing to lose
	// The descriptor holds the process that has the pid now; only then is it
	// worth asking who that is.
	if now, ok := look(s.proc); ok && now.StartTime == s.StartTime && match(now) {
		_ = unix.PidfdSendSignal(fd, sig, nil, 0) // it may end by itself first
	}
}
