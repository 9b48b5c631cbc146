package supervisor

import (
	"os"
	"path/filepath"
	"time"

	"microcosm/gem5bridge/job"
)

// watch observes a job: it reads what the job's files have grown by and what its
// processes have used. It is used by one goroutine.
type watch struct {
	meter    meter
	events   events
	console  console
	growing  []string // absolute
	log      string   // absolute
	grown    int64    // bytes of growing files
	progress job.Progress
	exited   time.Duration // what the kernel says an ended job has used: finer than a look, and later

	// CPU time of the job when each heartbeat last moved.
	host, commit, work time.Duration
}

func newWatch(spec Spec, record job.Record, pid int) *watch {
	path := func(name string) string { return filepath.Join(spec.Folder, name) }
	w := &watch{
		meter:    meter{leader: pid},
		events:   events{file: tailFile{path: path(spec.Events)}},
		console:  console{file: tailFile{path: path(spec.Console)}, panics: spec.Panics},
		log:      path(spec.Log),
		progress: record.Progress,
	}
	for _, name := range spec.Growing {
		w.growing = append(w.growing, path(name))
	}
	return w
}

// ended takes in the exit status of the job: what it and the children it has waited
// for used.
func (w *watch) ended(state *os.ProcessState) {
	w.exited = state.UserTime() + state.SystemTime()
}

// look takes in what happened since the last look.
func (w *watch) look(now time.Time) job.Progress {
	cpu, memory := w.meter.read()
	cpu = max(cpu, w.exited)
	w.events.read()
	w.console.read()
	// On a busy machine a job may use no CPU for long though it would.
	if cpu > w.progress.CPU || w.meter.waits() {
		w.progress.Alive = now
	}
	w.take(now, cpu, memory, size(w.growing))
	return w.progress
}

// take folds what was read into the progress.
func (w *watch) take(now time.Time, cpu time.Duration, memory, grown int64) {
	p, e := &w.progress, &w.events
	p.At, p.CPU, p.Memory = now, max(cpu, p.CPU), memory
	if e.tick > p.Ticks {
		w.host, p.Ticks = p.CPU, e.tick
	}
	if e.instructions > p.Instructions {
		w.commit, p.Instructions = p.CPU, e.instructions
	}
	if e.works > p.Items {
		if p.Items == 0 {
			p.FirstItem = p.CPU
		}
		w.work, p.Items, p.LastItem = p.CPU, e.works, e.lastWork
		w.console.stalled = false
	}
	if w.console.useful > p.Console {
		w.work, p.Console = p.CPU, w.console.useful
	}
	if grown != w.grown {
		w.work, w.grown = p.CPU, grown
	}
	p.Quiet = job.Quiet{Host: p.CPU - w.host, Commit: p.CPU - w.commit, Work: p.CPU - w.work}
}

// size adds up the sizes of files, where they are there.
func size(paths []string) int64 {
	var sum int64
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil {
			sum += info.Size()
		}
	}
	return sum
}
