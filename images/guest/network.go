//go:build linux

package guest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// network is a network namespace: a loopback device that those in it share. The
// file keeps it alive, for as long as the guest lives: a function's next sandbox
// finds its dependencies there.
type network struct {
	file *os.File
	name string   // as the kernel shows it of a process: net:[4026531840]
	home *network // the guest's own, where the agent is; nil: this one is it
}

// networkFile stands for the network namespace of the thread that opens it.
const networkFile = "/proc/thread-self/ns/net"

// threadsNetwork returns the network of the thread that calls it: the guest's own,
// unless it has just left that.
func threadsNetwork() (*network, error) {
	file, err := os.Open(networkFile)
	if err != nil {
		return nil, fmt.Errorf("open the network: %w", err)
	}
	n := &network{file: file}
	n.name, err = os.Readlink(networkFile)
	return n, err
}

// another makes a network, empty but for its loopback device.
func (n *network) another() (*network, error) {
	var made *network
	err := n.visit(func() (err error) {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("leave the guest's: %w", err)
		}
		if made, err = threadsNetwork(); err == nil {
			made.home = n
		}
		return err
	})
	if err == nil {
		err = made.visit(func() error { return errors.Join(raiseLoopback(), freePorts()) })
	}
	return made, err
}

// freePorts lets everybody listen on every port. What an image starts has no
// capability to listen below 1024, and Docker and containerd do the same.
func freePorts() error {
	return os.WriteFile("/proc/sys/net/ipv4/ip_unprivileged_port_start", []byte("0"), 0)
}

// visit does something in the network, on a thread that is home again
// afterwards. A thread that cannot return ends.
func (n *network) visit(do func() error) error {
	home := n
	if n.home != nil {
		home = n.home
	}
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // it ends with this goroutine unless it is unlocked
		err := n.enter()
		if err == nil {
			err = do()
		}
		if back := home.enter(); back != nil {
			err = errors.Join(err, back)
		} else {
			runtime.UnlockOSThread()
		}
		done <- err
	}()
	return <-done
}

// enter moves the thread to the network.
func (n *network) enter() error {
	if err := unix.Setns(int(n.file.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter the network %s: %w", n.name, err)
	}
	return nil
}

// connect makes a TCP connection within the network. It sends no probes, which
// would come while something is measured.
func (n *network) connect(ctx context.Context, addr string) (conn net.Conn, err error) {
	dialer := net.Dialer{KeepAlive: -1}
	dial := func() (err error) {
		conn, err = dialer.DialContext(ctx, "tcp", addr)
		return err
	}
	if n.home == nil {
		err = dial()
	} else {
		err = n.visit(dial) // a socket stays in the network that it was made in
	}
	return conn, err
}

// path returns where a container's runtime finds the network; empty: it is the
// guest's own, in which it is anyway.
func (n *network) path() string {
	if n.home == nil {
		return ""
	}
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), n.file.Fd())
}
