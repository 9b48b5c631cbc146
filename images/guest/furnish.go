//go:build linux

package guest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"

	"microcosm/images/guest/driver"
)

// Control groups, below cgroupRoot. Processes are in their leaves only.
const (
	cgroupRoot         = "/sys/fs/cgroup"
	agentGroup         = "agent"
	dependenciesGroup  = "dependencies"
	functionsGroup     = "functions"
	walkerGroup        = functionsGroup + "/walker"
	cgroupControllers  = "+cpuset +memory"
	cgroupSubtreeFile  = "cgroup.subtree_control"
	cgroupProcessFile  = "cgroup.procs"
	cgroupCoresFile    = "cpuset.cpus"
	cgroupMemoriesFile = "cpuset.mems"
)

// mountAll mounts what a kernel does not mount by itself.
func mountAll() error {
	for _, m := range []struct{ source, target, kind string }{
		{"proc", "/proc", "proc"}, {"sysfs", "/sys", "sysfs"}, {"tmpfs", "/run", "tmpfs"}, {"tmpfs", "/tmp", "tmpfs"},
		{"cgroup2", cgroupRoot, "cgroup2"},
	} {
		if err := unix.Mount(m.source, m.target, m.kind, 0, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m.target, err)
		}
	}
	return nil
}

// creditRandomness gives the kernel its randomness. A simulated machine has no
// source, so that without it getrandom fails in Python and spins for a second in
// others; and two runs from one checkpoint shall be the same.
func creditRandomness() error {
	f, err := os.OpenFile("/dev/urandom", os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("credit randomness: %w", err)
	}
	defer f.Close()
	pool := struct { // struct rand_pool_info, include/uapi/linux/random.h
		bits, size int32
		data       [64]byte
	}{512, 64, [64]byte{1}}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), unix.RNDADDENTROPY, uintptr(unsafe.Pointer(&pool))); errno != 0 {
		return fmt.Errorf("credit randomness: %w", errno)
	}
	return nil
}

// raiseLoopback switches the loopback device on, which then has 127.0.0.1.
func raiseLoopback() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("raise the loopback device: %w", err)
	}
	defer func() { _ = unix.Close(fd) }() // it carried no data
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return fmt.Errorf("raise the loopback device: %w", err)
	}
	request.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request); err != nil {
		return fmt.Errorf("raise the loopback device: %w", err)
	}
	return nil
}

// divideCores makes the control groups and moves the agent, every thread of it,
// into its own.
func divideCores() error {
	if n := runtime.NumCPU(); n <= driver.FunctionCore {
		return fmt.Errorf("the machine has %d core: functions need core %d for themselves", n, driver.FunctionCore)
	}
	put := func(group, file, text string) error {
		return os.WriteFile(filepath.Join(cgroupRoot, group, file), []byte(text), 0)
	}
	errs := []error{put("", cgroupSubtreeFile, cgroupControllers)}
	for _, g := range []struct {
		name string
		core int
	}{
		{agentGroup, driver.ClientCore}, {dependenciesGroup, driver.ClientCore}, {functionsGroup, driver.FunctionCore},
	} {
		errs = append(errs,
			os.Mkdir(filepath.Join(cgroupRoot, g.name), 0o755),
			put(g.name, cgroupCoresFile, strconv.Itoa(g.core)), put(g.name, cgroupMemoriesFile, "0"))
		if g.name != agentGroup {
			errs = append(errs, put(g.name, cgroupSubtreeFile, cgroupControllers))
		}
	}
	errs = append(errs, os.Mkdir(filepath.Join(cgroupRoot, walkerGroup), 0o755), put(agentGroup, cgroupProcessFile, "1"))
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("divide the cores: %w", err)
	}
	runtime.GOMAXPROCS(1) // threads on one core only take it from each other
	return nil
}
