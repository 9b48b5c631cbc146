package process

import (
	"os"
	"strings"
	"sync"
)

// Identity names a process for ever: no other process has or will have the same
// pid, start time and boot.
type Identity struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"` // in clock ticks since boot, as in /proc/PID/stat
	Boot  string `json:"boot"`  // random, drawn by the kernel at every start
}

// Self returns the identity of this process.
func Self() (Identity, error) {
	boot, err := bootID()
	if err != nil {
		return Identity{}, err
	}
	start, err := startTime(os.Getpid())
	return Identity{PID: os.Getpid(), Start: start, Boot: boot}, err
}

// Here reports whether the identity is of this boot of this machine: only then
// can it be told whether the process runs.
func (id Identity) Here() bool {
	boot, err := bootID()
	return err == nil && boot == id.Boot
}

// Running reports whether the process runs on this machine. A zombie does not,
// nor does another process with the same pid.
func (id Identity) Running() bool {
	if !id.Here() || id.Start == 0 {
		return false
	}
	s, running := Look(id.PID)
	return running && s.StartTime == id.Start
}

// Is reports whether the process found is the one that is named.
func (id Identity) Is(s Stray) bool {
	return s.PID == id.PID && s.StartTime == id.Start && id.Start != 0 && id.Here()
}

var bootID = sync.OnceValues(func() (string, error) {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(text)), err
})
