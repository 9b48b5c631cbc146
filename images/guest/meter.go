//go:build linux

package guest

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"microcosm/images/guest/driver"
	"microcosm/images/guest/job"
)

// meter reads how much the cores have worked.
type meter struct{ cgroups, proc string }

// groupsOf are the control groups that are confined to each core.
var groupsOf = map[int][]string{
	driver.ClientCore:   {agentGroup, dependenciesGroup},
	driver.FunctionCore: {functionsGroup},
}

// Cores returns the CPU time of the control groups and the busy ticks of both
// cores since the machine started.
func (m meter) Cores() ([]job.Core, error) {
	text, err := os.ReadFile(filepath.Join(m.proc, "stat"))
	if err != nil {
		return nil, err
	}
	var cores []job.Core
	for _, core := range []int{driver.ClientCore, driver.FunctionCore} {
		c := job.Core{Core: core}
		if c.Busy, err = busyTicks(string(text), core); err != nil {
			return nil, err
		}
		for _, group := range groupsOf[core] {
			text, err := os.ReadFile(filepath.Join(m.cgroups, group, "cpu.stat"))
			if err != nil {
				return nil, err
			}
			micros, err := usage(string(text))
			if err != nil {
				return nil, fmt.Errorf("control group %s: %w", group, err)
			}
			c.Micros += micros
		}
		cores = append(cores, c)
	}
	return cores, nil
}

// busyTicks returns the time, in /proc/stat, that a core was not idle and not
// waiting for a disk (proc(5): user nice system idle iowait irq softirq steal).
func busyTicks(stat string, core int) (int64, error) {
	for _, line := range strings.Split(stat, "\n") {
		fields := strings.Fields(line)
		if len(fields) < 9 || fields[0] != "cpu"+strconv.Itoa(core) {
			continue
		}
		var busy int64
		for _, i := range []int{1, 2, 3, 6, 7, 8} {
			n, err := strconv.ParseInt(fields[i], 10, 64)
			if err != nil {
				return 0, fmt.Errorf("/proc/stat: %w", err)
			}
			busy += n
		}
		return busy, nil
	}
	return 0, fmt.Errorf("/proc/stat does not tell of core %d", core)
}

// usage returns usage_usec of a cpu.stat.
func usage(stat string) (int64, error) {
	for _, line := range strings.Split(stat, "\n") {
		if text, ok := strings.CutPrefix(line, "usage_usec "); ok {
			return strconv.ParseInt(strings.TrimSpace(text), 10, 64)
		}
	}
	return 0, fmt.Errorf("cpu.stat tells of no usage_usec")
}
