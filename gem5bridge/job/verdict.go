package job

import (
	"fmt"
	"slices"
)

// Verdict says how a job ended.
type Verdict int

// The verdicts. A hang is of the simulator if it does not simulate, else of the
// guest.
const (
	Invalid     Verdict = iota
	Done                // it did what it should
	BootHang            // the guest does not come up
	GuestHang           // the guest runs, but nothing is done
	SimHang             // the simulator does not simulate
	Panic               // the guest's kernel gave up
	Crash               // the simulator failed
	Timeout             // it took longer than it may in all
	OutOfMemory         // it took, or there was, not enough memory
	DiskFull            // there was no room for its files
	BadOutput           // it ended well, but what it wrote is damaged
	Killed              // somebody else ended it: cosim kill, or an unknown
	Interrupted         // its orchestrator was ended
)

var verdicts = []string{
	"", "done", "boot-hang", "guest-hang", "sim-hang", "panic", "crash", "timeout", "oom", "disk-full", "bad-output", "killed", "interrupted",
}

// String returns the verdict's word.
func (v Verdict) String() string {
	if v <= Invalid || int(v) >= len(verdicts) {
		return fmt.Sprintf("invalid verdict %d", int(v))
	}
	return verdicts[v]
}

// MarshalText implements encoding.TextMarshaler.
func (v Verdict) MarshalText() ([]byte, error) {
	if v <= Invalid || int(v) >= len(verdicts) {
		return nil, fmt.Errorf("verdict %d has no word", int(v))
	}
	return []byte(verdicts[v]), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (v *Verdict) UnmarshalText(text []byte) error {
	i := slices.Index(verdicts, string(text))
	if i <= 0 {
		return fmt.Errorf("verdict %q: want one of %v", text, verdicts[1:])
	}
	*v = Verdict(i)
	return nil
}
