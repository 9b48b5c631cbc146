//go:build linux

package guest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// separate are the namespaces that a container has for itself.
var separate = []string{"pid", "mnt", "ipc", "uts"}

// confined returns in what the process pid is freer than a container may be:
// cores, capabilities, namespaces, a network that is not the one of that name, a
// root that it can write. proc is where the kernel tells of processes.
func confined(proc string, pid, core int, network string) error {
	dir := filepath.Join(proc, strconv.Itoa(pid))
	text, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		return err
	}
	var loose []error
	want := map[string]string{"Cpus_allowed_list": strconv.Itoa(core)}
	for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"} {
		want[set] = strings.Repeat("0", 16)
	}
	for _, line := range strings.Split(string(text), "\n") {
		name, value, _ := strings.Cut(line, ":")
		if w, ok := want[name]; ok {
			delete(want, name)
			if value = strings.TrimSpace(value); value != w {
				loose = append(loose, fmt.Errorf("%s is %s, not %s", name, value, w))
			}
		}
	}
	if len(want) > 0 {
		loose = append(loose, fmt.Errorf("%s/status lacks %d of the lines wanted", dir, len(want)))
	}
	for _, ns := range separate {
		its, errIts := os.Readlink(filepath.Join(dir, "ns", ns))
		own, errOwn := os.Readlink(filepath.Join(proc, "self", "ns", ns))
		if err := errors.Join(errIts, errOwn); err != nil {
			loose = append(loose, err)
		} else if its == own {
			loose = append(loose, fmt.Errorf("it shares the %s namespace", ns))
		}
	}
	if its, err := os.Readlink(filepath.Join(dir, "ns", "net")); err != nil {
		loose = append(loose, err)
	} else if its != network {
		loose = append(loose, fmt.Errorf("its network is %s, not %s", its, network))
	}
	mounts, err := os.ReadFile(filepath.Join(dir, "mountinfo"))
	return errors.Join(append(loose, err, readonlyRoot(string(mounts)))...)
}

// readonlyRoot returns an error unless the topmost mount on / is read-only
// (proc_pid_mountinfo(5): the fifth field is the place, the sixth the options).
func readonlyRoot(mounts string) error {
	options := ""
	for _, line := range strings.Split(mounts, "\n") {
		if fields := strings.Fields(line); len(fields) > 5 && fields[4] == "/" {
			options = fields[5]
		}
	}
	if !slices.Contains(strings.Split(options, ","), "ro") {
		return fmt.Errorf("its root is mounted %q, not read-only", options)
	}
	return nil
}
