package supervisor

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"

	"microcosm/gem5bridge/job"
)

// What a simulator says last where memory or disk ran out, and how gem5 begins
// the line that says why it gives up.
var (
	saysMemory = regexp.MustCompile(`std::bad_alloc|[Cc]annot allocate memory|Could not mmap|[Oo]ut of memory|MemoryError`)
	saysDisk   = regexp.MustCompile(`[Nn]o space left on device|ENOSPC|Disk quota exceeded`)
	saysWhy    = regexp.MustCompile(`(^|\s)(panic|fatal): |Error: |Exception`)
)

// judge is the verdict over a job that has ended by itself.
func (r *run) judge() (job.Verdict, string) {
	if text, asked := r.supervisor.options.Jobs.EndRequested(r.record.ID); asked {
		return job.Killed, text
	}
	if line := r.watch.console.panicked; line != "" {
		return job.Panic, "the guest's console says: " + line
	}
	status, _ := r.process.State().Sys().(syscall.WaitStatus) // always one on Linux
	if status.Exited() && status.ExitStatus() == 0 {
		return r.check()
	}
	how := r.process.State().String()
	lines := r.tail()
	if line := find(lines, saysDisk); line != "" {
		return job.DiskFull, line
	}
	if line := find(lines, saysMemory); line != "" {
		return job.OutOfMemory, line
	}
	if status.Signaled() {
		switch status.Signal() {
		case syscall.SIGKILL:
			if r.supervisor.oomKills() > r.oomKills {
				return job.OutOfMemory, "the kernel killed it while memory was short"
			}
			return job.Killed, how + ", by an unknown"
		case syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP:
			return job.Killed, how + ", by an unknown"
		}
	}
	if line := find(lines, saysWhy); line != "" {
		how += ": " + line
	} else if len(lines) > 0 {
		how += ": " + lines[len(lines)-1]
	}
	return job.Crash, how
}

// check is the verdict over a job that ended well.
func (r *run) check() (job.Verdict, string) {
	err := r.watch.events.whole()
	if err == nil && r.spec.Check != nil {
		err = r.spec.Check()
	}
	if err == nil {
		return job.Done, ""
	}
	// A program that ignores a failed write leaves half a file.
	if line := find(r.tail(), saysDisk); line != "" {
		return job.DiskFull, line
	}
	if errors.Is(err, syscall.ENOSPC) {
		return job.DiskFull, err.Error()
	}
	if text := r.supervisor.noRoom(r.spec); text != "" {
		return job.DiskFull, fmt.Sprintf("%s (%v)", text, err)
	}
	return job.BadOutput, err.Error()
}

// find returns the last line that matches.
func find(lines []string, what *regexp.Regexp) string {
	for i := len(lines) - 1; i >= 0; i-- {
		if what.MatchString(lines[i]) {
			return lines[i]
		}
	}
	return ""
}

// kernelOOMKills reads how many processes the kernel has killed for memory.
func kernelOOMKills() int64 {
	text, err := os.ReadFile("/proc/vmstat")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if value, found := strings.CutPrefix(line, "oom_kill "); found {
			n, _ := strconv.ParseInt(strings.TrimSpace(value), 10, 64) // 0 is as good as unknown
			return n
		}
	}
	return 0
}
