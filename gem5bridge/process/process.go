// Package process starts child processes that can neither outlive their parent
// nor be mistaken for a stranger.
//
// Every child leads its own process group (or its own session), is killed by
// the kernel when its parent dies, and may be confined to some cores from its
// first instruction on. What is left of its group when it ends is killed with
// it; a guarded child's group ends even when the parent is killed. A signal is
// sent only while the child is unreaped, so that its pid cannot have passed to
// somebody else, or through a pidfd after the start time was compared. The
// package needs Linux 5.3 or newer.
package process

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// drain is how long output is still read after the child has ended: only a
// process that left the child's group and session can hold it open.
const drain = time.Second

// Spec says what to start.
type Spec struct {
	Args    []string // the program and its arguments
	Env     []string // the whole environment; nil inherits
	Dir     string   // working directory; empty inherits
	Session bool     // lead a new session: strays of it are killed as well
	Guarded bool     // the group, not the child alone, ends with this process
	Cores   []int    // cores the child may run on; empty inherits
	Nice    int      // niceness, best effort; 0 inherits
	Stdout  io.Writer
	Stderr  io.Writer
}

// Process is a started child. Its methods are safe for concurrent use.
type Process struct {
	pid     int
	start   uint64 // in clock ticks since boot, as in /proc/PID/stat
	session bool
	guard   *guard // nil: none
	done    chan struct{}
	state   *os.ProcessState // valid after done

	mu     sync.Mutex
	reaped bool
}

// Start starts the child and returns when its program has been loaded. The
// error of a program that does not exist or may not be run is exec's.
func Start(spec Spec) (*Process, error) {
	if len(spec.Args) == 0 {
		return nil, fmt.Errorf("start process: no program given")
	}
	type result struct {
		p   *Process
		err error
	}
	started := make(chan result)
	go func() {
		// The parent-death signal fires when the thread that forked ends
		// (golang/go#27505), so this thread stays until the child has ended. It
		// is never unlocked: it dies with the goroutine and takes its niceness
		// along.
		runtime.LockOSThread()
		p, cmd, err := fork(spec)
		started <- result{p, err}
		if err == nil {
			p.wait(cmd)
		}
	}()
	r := <-started
	if r.err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Args[0], r.err)
	}
	return r.p, nil
}

// fork starts the child from the calling thread, whose affinity and niceness
// the child inherits.
func fork(spec Spec) (*Process, *exec.Cmd, error) {
	if len(spec.Cores) > 0 {
		var own unix.CPUSet
		if err := unix.SchedGetaffinity(0, &own); err != nil {
			return nil, nil, fmt.Errorf("read the cores this thread may use: %w", err)
		}
		if err := Confine(0, spec.Cores); err != nil {
			return nil, nil, err
		}
		// The thread could before; at worst it wakes up once on the child's cores.
		defer func() { _ = unix.SchedSetaffinity(0, &own) }()
	}
	if spec.Nice != 0 {
		Prefer(0, spec.Nice)
	}
	cmd := exec.Command(spec.Args[0], spec.Args[1:]...)
	cmd.Env, cmd.Dir = spec.Env, spec.Dir
	cmd.Stdout, cmd.Stderr = spec.Stdout, spec.Stderr
	cmd.WaitDelay = drain
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setsid: spec.Session, Setpgid: !spec.Session}
	err := cmd.Start()
	if err != nil {
		return nil, nil, err
	}
	p := &Process{pid: cmd.Process.Pid, session: spec.Session, done: make(chan struct{})}
	// The child is unreaped, so the pid is its own. Without /proc there is no
	// start time, and none will match.
	p.start, _ = startTime(p.pid)
	if spec.Guarded {
		if p.guard, err = newGuard(p.pid); err != nil {
			_ = unix.Kill(-p.pid, unix.SIGKILL) // it has only just begun
			_ = cmd.Wait()                      // killed
			return nil, nil, err
		}
	}
	return p, cmd, nil
}

// wait waits for the child, kills what is left of its group and session while
// its pid is still taken, and then reaps it.
func (p *Process) wait(cmd *exec.Cmd) {
	defer close(p.done)
	for {
		err := unix.Waitid(unix.P_PID, p.pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			break
		}
	}
	_ = unix.Kill(-p.pid, unix.SIGKILL) // an empty group is fine
	if p.session {
		KillStrays(func(s Stray) bool { return s.Session == p.pid && s.PID != p.pid })
	}
	// The guard goes before the pid does, so that it cannot end a stranger.
	p.guard.dismiss()
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = cmd.Wait() // the state tells how it ended
	p.state, p.reaped = cmd.ProcessState, true
}

// PID returns the process id. It may belong to somebody else once Done is closed.
func (p *Process) PID() int { return p.pid }

// StartTime returns when the child started, in clock ticks since boot. With the
// pid and the boot id it names the process for ever.
func (p *Process) StartTime() uint64 { return p.start }

// Identity names the child.
func (p *Process) Identity() Identity {
	boot, _ := bootID() // without one it matches nobody
	return Identity{PID: p.pid, Start: p.start, Boot: boot}
}

// Done is closed when the child has ended and has been reaped.
func (p *Process) Done() <-chan struct{} { return p.done }

// State says how the child ended; nil before Done is closed.
func (p *Process) State() *os.ProcessState {
	select {
	case <-p.done:
		return p.state
	default:
		return nil
	}
}

// Signal sends sig to every process of the child's group, and does nothing once
// the child was reaped.
func (p *Process) Signal(sig syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.reaped {
		_ = unix.Kill(-p.pid, sig) // a group of zombies cannot be signalled, nor need it be
	}
}

// Stop ends the child: SIGTERM to its group, SIGKILL when it has not ended
// after grace (at once if grace is 0). It returns when the child was reaped.
func (p *Process) Stop(grace time.Duration) {
	if grace > 0 {
		p.Signal(syscall.SIGTERM)
		select {
		case <-p.done:
			return
		case <-time.After(grace):
		}
	}
	p.Signal(syscall.SIGKILL)
	<-p.done
}

// Confine restricts the thread tid (0: the calling one) to cores.
func Confine(tid int, cores []int) error {
	var set unix.CPUSet
	for _, core := range cores {
		set.Set(core)
	}
	if err := unix.SchedSetaffinity(tid, &set); err != nil {
		return fmt.Errorf("confine to cores %v: %w", cores, err)
	}
	return nil
}

// Prefer asks for the niceness nice for the thread tid (0: the calling one). It
// is a wish: a lower niceness takes a privilege.
func Prefer(tid, nice int) {
	_ = unix.Setpriority(unix.PRIO_PROCESS, tid, nice) // a wish
}

// Niceness returns the niceness of the calling thread.
func Niceness() int {
	// The system call returns 20 - niceness, to tell it from an error: getpriority(2).
	raw, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil {
		return 0
	}
	return 20 - raw
}

// EachThread calls do with the id of every thread of this process, so that those
// started later inherit what it does from those that start them. A thread that
// has ended meanwhile is no error.
func EachThread(do func(tid int) error) error {
	seen := map[int]bool{}
	for {
		tasks, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return fmt.Errorf("list threads: %w", err)
		}
		fresh := 0
		for _, task := range tasks {
			tid, err := strconv.Atoi(task.Name())
			if err != nil || seen[tid] {
				continue
			}
			seen[tid] = true
			fresh++
			if err := do(tid); err != nil && !errors.Is(err, unix.ESRCH) {
				return err
			}
		}
		// A pass that finds no new thread has found all.
		if fresh == 0 {
			return nil
		}
	}
}

// Cores returns the cores that this process may use, in ascending order.
func Cores() ([]int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, fmt.Errorf("read the cores this process may use: %w", err)
	}
	var cores []int
	for core := range len(set) * strconv.IntSize {
		if set.IsSet(core) {
			cores = append(cores, core)
		}
	}
	return cores, nil
}

func startTime(pid int) (uint64, error) {
	proc, err := procfs.NewProc(pid)
	if err != nil {
		return 0, err
	}
	stat, err := proc.Stat()
	return stat.Starttime, err
}
