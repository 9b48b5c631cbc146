package host

import (
	"errors"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"

	"microcosm/gem5bridge/process"
)

// nice is the niceness that functions, walks and the client ask for, so that
// others on their cores disturb them less.
const nice = -20

// autogroup is where a session's own niceness stands. Where the kernel shares a
// core among sessions first, niceness counts within a session only, and the
// session's own counts among them: sched(7).
const autogroup = "/proc/self/autogroup"

// AsClient runs do while this process is the client that measures: on the
// client's cores, not kept waiting by others, and without pauses of its own.
// After it the process is as it was before.
func (b *Backend) AsClient(do func() error) error {
	restore, err := becomeClient(b.machine.clients)
	if err != nil {
		return err
	}
	err = do()
	return errors.Join(err, restore())
}

// becomeClient makes this process the client that measures, and returns what
// undoes it.
func becomeClient(cores []int) (restore func() error, err error) {
	before, err := process.Cores()
	if err != nil {
		return nil, err
	}
	niceness, session := process.Niceness(), sessionNiceness()
	if err := settle(cores, nice); err != nil {
		return nil, errors.Join(err, settle(before, niceness))
	}
	preferSession(nice)
	processors := runtime.GOMAXPROCS(len(cores))
	// The collector must not run within a measured call. What a call leaves is
	// little; the limit makes the collector run once in thousands.
	percent, limit := debug.SetGCPercent(-1), debug.SetMemoryLimit(256<<20)
	return func() error {
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(limit)
		runtime.GOMAXPROCS(processors)
		preferSession(session)
		return settle(before, niceness)
	}, nil
}

// settle moves every thread of this process to cores and asks for a niceness.
func settle(cores []int, niceness int) error {
	return process.EachThread(func(tid int) error {
		process.Prefer(tid, niceness)
		return process.Confine(tid, cores)
	})
}

// sessionNiceness returns the niceness of this session, 0 where the kernel has
// none: its file says "/autogroup-25 nice 0".
func sessionNiceness() int {
	text, _ := os.ReadFile(autogroup)
	_, word, _ := strings.Cut(string(text), " nice ")
	niceness, _ := strconv.Atoi(strings.TrimSpace(word))
	return niceness
}

func preferSession(niceness int) {
	_ = os.WriteFile(autogroup, []byte(strconv.Itoa(niceness)), 0) // a wish, like the niceness
}
