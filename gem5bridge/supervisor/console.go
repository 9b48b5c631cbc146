package supervisor

import (
	"regexp"

	"microcosm/gem5bridge/process"
)

// linuxPanics are console lines after which a Linux guest measures nothing worth
// having: the kernel is dead, or has killed somebody for a fault of its own.
var linuxPanics = regexp.MustCompile(`Kernel panic - not syncing|\bOops\b|BUG: unable to handle|Unable to handle kernel|kernel BUG at|Attempted to kill init`)

// stalls are the complaints of a Linux guest that gets nothing done. It repeats
// them, with a trace, for as long as it hangs: they are no sign of life.
var stalls = regexp.MustCompile(`rcu: INFO|self-detected stall|detected stalls|soft lockup|hard LOCKUP|blocked for more than \d+ seconds`)

// console is the guest's console.
type console struct {
	file     tailFile
	panics   *regexp.Regexp
	panicked string // the first line that means a dead guest
	stalled  bool   // the guest complains: what it says next is no sign of life
	useful   int64  // bytes that were one
	last     process.Tail
}

func (c *console) read() { c.file.lines(c.take) }

// take takes in one line.
func (c *console) take(line []byte) {
	_, _ = c.last.Write(append(line, '\n')) // never fails
	switch {
	case c.panicked == "" && c.panics.Match(line):
		c.panicked = string(line[:min(len(line), 200)])
	case stalls.Match(line):
		c.stalled = true
	case !c.stalled:
		c.useful += int64(len(line)) + 1
	}
}
