package host

import (
	"fmt"
	"os"
	"time"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// Use says what the machine did while something was measured, so that a reader
// can tell whether it was quiet. Shares are of the time that passed.
type Use struct {
	Took        time.Duration `json:"took_ns"`
	Functions   float64       `json:"functions"`    // CPU time of the functions, of their core
	Others      float64       `json:"others"`       // of the functions' core, by anybody else
	Elsewhere   float64       `json:"elsewhere"`    // of the other cores, by anybody but the client
	Steal       float64       `json:"steal"`        // of the functions' and the client's cores: the hypervisor gave them to somebody else
	Waited      float64       `json:"waited"`       // threads of the functions were ready and did not run
	ClientWait  float64       `json:"client_wait"`  // threads of the client, likewise
	LoadAverage float64       `json:"load_average"` // of the last minute, at the end
}

// useMeter reads what Use is made from.
type useMeter struct {
	machine   *machine
	fs        procfs.FS
	self      meter
	sandboxes []*sandbox
	awake     *awakener
}

// use is what there was at a time.
type use struct {
	at         time.Time
	functions  time.Duration // CPU time
	awake      time.Duration // likewise, of who keeps their core awake
	waited     time.Duration
	client     time.Duration
	clientWait time.Duration
	core       coreUse // of the functions
	others     coreUse // of all others together
}

// coreUse is in seconds since boot.
type coreUse struct{ busy, steal float64 }

func (c coreUse) minus(before coreUse) coreUse {
	return coreUse{c.busy - before.busy, c.steal - before.steal}
}

func (b *Backend) newUseMeter(sandboxes []*sandbox) (*useMeter, error) {
	fs, err := procfs.NewDefaultFS()
	if err != nil {
		return nil, fmt.Errorf("meter the machine: %w", err)
	}
	self, err := newMeter(os.Getpid())
	return &useMeter{machine: b.machine, fs: fs, self: self, sandboxes: sandboxes, awake: b.awake}, err
}

// read reads it all. What the kernel does not tell stays 0.
func (u *useMeter) read() use {
	var now use
	for _, s := range u.sandboxes {
		now.functions += s.cpu()
		now.waited += s.counts().wait
	}
	now.awake = u.awake.cpu()
	var own unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &own); err == nil {
		now.client = time.Duration(own.Nano())
	}
	now.clientWait = u.self.counts().wait
	if stat, err := u.fs.Stat(); err == nil {
		for core, s := range stat.CPU {
			one := coreUse{busy: s.User + s.Nice + s.System + s.IRQ + s.SoftIRQ, steal: s.Steal}
			into := &now.others
			if core == int64(u.machine.core) {
				into = &now.core
			}
			into.busy += one.busy
			into.steal += one.steal
		}
	}
	now.at = time.Now()
	return now
}

// since returns what happened since an earlier reading.
func (u *useMeter) since(before use) Use {
	now := u.read()
	took := now.at.Sub(before.at)
	share := func(seconds float64) float64 { return max(0, seconds/took.Seconds()) }
	core, others := now.core.minus(before.core), now.others.minus(before.others)
	functions, client := (now.functions - before.functions).Seconds(), (now.client - before.client).Seconds()
	result := Use{
		Took: took, Functions: share(functions), Steal: share(core.steal + others.steal),
		Waited: share((now.waited - before.waited).Seconds()), ClientWait: share((now.clientWait - before.clientWait).Seconds()),
	}
	if u.machine.shared() {
		client, functions = 0, functions+client
	}
	known := functions + (now.awake - before.awake).Seconds()
	result.Others, result.Elsewhere = share(core.busy-known), share(others.busy-client)
	if average, err := u.fs.LoadAvg(); err == nil {
		result.LoadAverage = average.Load1
	}
	return result
}
