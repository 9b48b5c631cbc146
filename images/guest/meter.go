//go:build linux

package guest

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"microcosm/images/guest/driver"
	"microcosm/images/guest/job"
)

// meter reads how much the cores have worked. It reads at both ends of every
// call on the client's core, and each instruction costs a simulator time: so the
// files stay open, and are read in one piece without garbage.
type meter struct {
	stat  counterFile
	cores []measuredCore
	buf   [1024]byte // the counters of the first cores in /proc/stat, or a cpu.stat
}

// measuredCore is a core with the counters of what is confined to it.
type measuredCore struct {
	core   int
	label  []byte // of its line in /proc/stat
	groups []counterFile
}

// groupsOf are the control groups that are confined to each core.
var groupsOf = map[int][]string{
	driver.ClientCore:   {agentGroup, dependenciesGroup},
	driver.FunctionCore: {functionsGroup},
}

// newMeter opens the counters of the control groups, which must have been made.
func newMeter(cgroups, proc string) (*meter, error) {
	m := &meter{}
	var errs [2]error
	m.stat, errs[0] = openCounters(filepath.Join(proc, "stat"))
	for _, core := range []int{driver.ClientCore, driver.FunctionCore} {
		c := measuredCore{core: core, label: fmt.Appendf(nil, "cpu%d", core)}
		for _, group := range groupsOf[core] {
			f, err := openCounters(filepath.Join(cgroups, group, "cpu.stat"))
			errs[1] = errors.Join(errs[1], err)
			c.groups = append(c.groups, f)
		}
		m.cores = append(m.cores, c)
	}
	return m, errors.Join(errs[:]...)
}

// Cores returns the CPU time of the control groups and the busy ticks of both
// cores since the machine started.
func (m *meter) Cores() ([]job.Core, error) {
	cores := make([]job.Core, len(m.cores))
	text, err := m.stat.read(m.buf[:])
	if err != nil {
		return nil, err
	}
	for i, c := range m.cores {
		cores[i].Core = c.core
		if cores[i].Busy, err = busyTicks(text, c.label); err != nil {
			return nil, fmt.Errorf("%s: %w", m.stat.path, err)
		}
	}
	for i, c := range m.cores {
		for _, group := range c.groups {
			text, err := group.read(m.buf[:])
			if err != nil {
				return nil, err
			}
			micros, err := usage(text)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", group.path, err)
			}
			cores[i].Micros += micros
		}
	}
	return cores, nil
}

// counterFile is an open file of the kernel's whose text is made anew by every
// read from its start.
type counterFile struct {
	path string
	fd   int
}

func openCounters(path string) (counterFile, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return counterFile{}, fmt.Errorf("open %s: %w", path, err)
	}
	return counterFile{path, fd}, nil
}

// read returns the start of the text, as much as fits into buf.
func (f counterFile) read(buf []byte) ([]byte, error) {
	for {
		n, err := unix.Pread(f.fd, buf, 0)
		if err == nil {
			return buf[:n], nil
		}
		if err != unix.EINTR {
			return nil, fmt.Errorf("read %s: %w", f.path, err)
		}
	}
}

// busyTicks returns the time, in /proc/stat, that the core of the label was not
// idle and not waiting for a disk (proc(5): user nice system idle iowait irq
// softirq steal).
func busyTicks(stat, label []byte) (int64, error) {
	for len(stat) > 0 {
		line, rest, whole := bytes.Cut(stat, []byte{'\n'})
		stat = rest
		name, values, _ := bytes.Cut(line, []byte{' '})
		if !whole || !bytes.Equal(name, label) {
			continue
		}
		var busy int64
		for i := range 8 {
			var value []byte
			value, values, _ = bytes.Cut(values, []byte{' '})
			if i == 3 || i == 4 {
				continue
			}
			n, err := number(value)
			if err != nil {
				return 0, err
			}
			busy += n
		}
		return busy, nil
	}
	return 0, fmt.Errorf("it does not tell of %s", label)
}

// usage returns usage_usec of a cpu.stat.
func usage(stat []byte) (int64, error) {
	for len(stat) > 0 {
		var line []byte
		line, stat, _ = bytes.Cut(stat, []byte{'\n'})
		if value, ok := bytes.CutPrefix(line, []byte("usage_usec ")); ok {
			return number(bytes.TrimSpace(value))
		}
	}
	return 0, errors.New("it tells of no usage_usec")
}

// number reads a whole number, which makes no garbage where it is one.
func number(text []byte) (int64, error) {
	return strconv.ParseInt(string(text), 10, 64)
}
