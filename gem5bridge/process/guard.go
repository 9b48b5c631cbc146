package process

import (
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"syscall"
)

// guardScript ends a group when its standard input ends before a line came. Written
// -KILL, the signal makes dash take -- for a number.
const guardScript = `read -r dismissed || kill -s KILL -- "-$1"`

// guard is a process that outlives this one for a moment, to end a group whose
// members know no parent-death signal: those that the child has started.
type guard struct {
	cmd  *exec.Cmd
	line io.WriteCloser
}

// newGuard guards the group of the child pid, which must be unreaped. The guard
// shares neither group nor session with this process, so that what ends those
// leaves it alone.
func newGuard(pid int) (*guard, error) {
	cmd := exec.Command("/bin/sh", "-c", guardScript, "guard", strconv.Itoa(pid))
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	line, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("guard a process: %w", err)
	}
	return &guard{cmd, line}, nil
}

// dismiss ends the guard. The group it guards must be empty, but its pid not
// yet reaped.
func (g *guard) dismiss() {
	if g == nil {
		return
	}
	_, _ = io.WriteString(g.line, "dismissed\n") // a guard that was killed needs no word
	_ = g.line.Close()                           // a pipe: nothing to lose
	_ = g.cmd.Wait()                             // how it ends says nothing
}
