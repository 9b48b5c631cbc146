package supervisor

import (
	"time"

	"microcosm/gem5bridge/process"
)

// scanEvery is how many looks pass between two searches for new members of the
// group: a simulator rarely starts any, and a search reads all of /proc.
const scanEvery = 10

// meter adds up what the processes of a group use. The sum of CPU time never
// falls: what an ended process has used stays in it.
type meter struct {
	leader  int
	looks   int
	used    map[member]time.Duration
	members []member // those that ran at the last look
}

// waits reports whether a thread of the job waits for a CPU, or runs.
func (m *meter) waits() bool {
	for _, known := range m.members {
		if process.Runnable(known.pid) {
			return true
		}
	}
	return false
}

// member is one process, told from a later one with the same pid.
type member struct {
	pid   int
	start uint64
}

// read returns the CPU time used so far and the memory held now.
func (m *meter) read() (cpu time.Duration, memory int64) {
	if m.used == nil {
		m.used = map[member]time.Duration{}
	}
	var found []process.Stray
	if m.looks%scanEvery == 0 {
		found = process.Find(func(s process.Stray) bool { return s.Group == m.leader })
	} else {
		for _, known := range m.members {
			if s, running := process.Look(known.pid); running && s.StartTime == known.start {
				found = append(found, s)
			}
		}
	}
	m.looks++
	m.members = m.members[:0]
	for _, s := range found {
		id := member{s.PID, s.StartTime}
		m.members = append(m.members, id)
		m.used[id] = s.CPU
		memory += s.Resident
	}
	for _, used := range m.used {
		cpu += used
	}
	return cpu, memory
}
