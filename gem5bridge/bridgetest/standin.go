package bridgetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// StandInFolder is the environment variable that names the folder of a stand-in
// that was started by its role alone.
const StandInFolder = "BRIDGETEST_FOLDER"

// StandIns are simulators that go wrong, or only look as if they did, by what
// they do; the argument is the folder of their files. Each is a real process that
// uses real CPU time and writes events and a console as a simulator does
// (gem5bridge/supervisor/FORMAT.md).
var StandIns = map[string]func(folder string){
	"works":                    func(f string) { s := begin(f); s.work(3); s.end() },
	"is slow but alive":        func(f string) { s := begin(f); s.slow(); s.end() },
	"says nothing":             func(string) { hang() },
	"spins before it begins":   func(string) { burn(forever) },
	"spins without a tick":     func(f string) { s := begin(f); s.work(1); burn(forever) },
	"ticks without committing": func(f string) { s := begin(f); s.work(1); s.forever(func() { s.beat(1000, 0) }) },
	"commits without working":  func(f string) { s := begin(f); s.work(1); s.forever(func() { s.beat(1000, 1000) }) },
	"complains of stalls": func(f string) {
		s := begin(f)
		s.forever(func() {
			s.beat(1000, 1000)
			s.say("rcu: INFO: rcu_sched self-detected stall on CPU")
			s.say(" ? native_queued_spin_lock_slowpath+0x1a0/0x1d0")
		})
	},
	"panics and lives on": func(f string) {
		s := begin(f)
		s.say("Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b")
		s.forever(func() { s.beat(1000, 1000); s.work(1) })
	},
	"ignores signals and forks": func(f string) {
		signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
		litter()
		begin(f).work(1)
		burn(forever)
	},
	"heeds SIGINT": func(f string) {
		s := begin(f)
		interrupted := make(chan os.Signal, 1)
		signal.Notify(interrupted, syscall.SIGINT)
		<-interrupted
		s.say("statistics written")
		s.end()
	},
	"exits well with half an event": func(f string) { s := begin(f); s.work(1); s.raw(`{"line":3,"event":"wo`) },
	"exits well without an end":     func(f string) { begin(f).work(2) },
	"exits well without a word":     func(string) {},
	"writes NaN":                    func(f string) { s := begin(f); s.raw(`{"line":1,"event":"beat","tick":NaN}` + "\n"); hang() },
	"counts below nothing":          func(f string) { s := begin(f); s.beat(1000, -1); hang() },
	"goes back in time":             func(f string) { s := begin(f); s.beat(1000, 1); s.beat(-500, 1); hang() },
	"writes an event twice": func(f string) {
		s := begin(f)
		s.beat(1000, 1)
		s.raw(string(s.last))
		hang()
	},
	"mixes up its events":         func(f string) { s := begin(f); s.line++; s.beat(1000, 1); hang() },
	"goes on after its end":       func(f string) { s := begin(f); s.end(); s.work(1) },
	"takes much memory":           func(f string) { s := begin(f); hoard(); s.forever(func() { s.work(1) }) },
	"is out of memory":            func(f string) { begin(f); die("terminate called after throwing an instance of 'std::bad_alloc'") },
	"finds its disk full":         func(f string) { begin(f).work(1); die("write error: " + writeFull().Error()) },
	"does not see its disk full":  func(f string) { s := begin(f); fmt.Fprintln(os.Stderr, writeFull()); s.work(1) },
	"gives up":                    func(f string) { begin(f); die("fatal: Can't open disk image") },
	"crashes":                     func(f string) { begin(f); raise(syscall.SIGSEGV) },
	"is killed by a stranger":     func(f string) { begin(f); raise(syscall.SIGKILL) },
	"is terminated by a stranger": func(f string) { begin(f); raise(syscall.SIGTERM) },
	"stops":                       func(f string) { begin(f); raise(syscall.SIGSTOP); hang() },
}

// StandInFault makes this process the stand-in of the given name and ends it. An
// unknown name ends it with status 2 and a list of all.
func StandInFault(name, folder string) {
	play, known := StandIns[name]
	if !known {
		fmt.Fprintf(os.Stderr, "no stand-in %q: want one of %q\n", name, slices.Sorted(maps.Keys(StandIns)))
		os.Exit(2)
	}
	play(folder)
	os.Exit(0)
}

// StandInRoles are the stand-ins as roles of a test binary (Main).
func StandInRoles() map[string]func() {
	roles := map[string]func(){}
	for name := range StandIns {
		roles["stand-in "+name] = func() { StandInFault(name, os.Getenv(StandInFolder)) }
	}
	return roles
}

// StandIn returns the command and the environment that make this test binary the
// stand-in of the given name.
func StandIn(name, folder string) (args, env []string) {
	return []string{os.Args[0]}, append(os.Environ(), roleVariable+"=stand-in "+name, StandInFolder+"="+folder)
}

const (
	forever = time.Duration(1 << 62)
	moment  = 20 * time.Millisecond // of CPU time
)

// standIn writes what a simulator writes.
type standIn struct {
	folder       string
	events       *os.File
	console      *os.File
	line         int64
	tick         int64
	instructions int64
	works        int64
	last         []byte
}

func begin(folder string) *standIn {
	s := &standIn{folder: folder, events: create(folder, "events.jsonl"), console: create(folder, "console")}
	s.event(map[string]any{"event": "start", "format": 1})
	s.say("agent: up")
	return s
}

func create(folder, name string) *os.File {
	file, err := os.Create(filepath.Join(folder, name))
	if err != nil {
		die(err.Error())
	}
	return file
}

func (s *standIn) event(fields map[string]any) {
	fields["line"], fields["tick"] = s.line, s.tick
	s.line++
	text, err := json.Marshal(fields)
	if err != nil {
		die(err.Error())
	}
	s.last = append(text, '\n')
	s.raw(string(s.last))
}

func (s *standIn) raw(text string) {
	if _, err := s.events.WriteString(text); err != nil {
		die(err.Error())
	}
}

func (s *standIn) say(line string) { fmt.Fprintln(s.console, line) }

func (s *standIn) beat(ticks, instructions int64) {
	s.tick += ticks
	s.instructions += instructions
	s.event(map[string]any{"event": "beat", "instructions": []int64{0, s.instructions}, "works": s.works})
}

// work does n work items.
func (s *standIn) work(n int) {
	for range n {
		burn(moment)
		s.beat(1000, 1000)
		s.works++
		s.event(map[string]any{"event": "work", "id": 1, "n": s.works - 1})
	}
}

// slow shows one sign of life at a time, each after a while.
func (s *standIn) slow() {
	for range 4 {
		burn(moment)
		s.beat(1, 0)
		burn(moment)
		s.beat(1, 1)
		burn(moment)
		s.say("still here")
		burn(moment)
		s.work(1)
	}
}

func (s *standIn) forever(do func()) {
	for {
		do()
		burn(moment)
	}
}

func (s *standIn) end() {
	s.event(map[string]any{"event": "end", "cause": "exit", "code": 0, "works": s.works})
}

// burn uses CPU time.
func burn(d time.Duration) {
	for until := used() + d; used() < until; { //nolint:revive // the work is the waiting
	}
}

func used() time.Duration {
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		die(err.Error())
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// hoard takes 256 MiB of memory and keeps it.
func hoard() {
	memory, err := unix.Mmap(-1, 0, 256<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		die(err.Error())
	}
	for i := 0; i < len(memory); i += os.Getpagesize() {
		memory[i] = 1
	}
}

// writeFull writes to a device that has no room, and returns the kernel's error.
func writeFull() error {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		die(err.Error())
	}
	if _, err = full.WriteString("statistics"); !errors.Is(err, syscall.ENOSPC) {
		die(fmt.Sprint("/dev/full has room: ", err))
	}
	return err
}

func die(why string) {
	fmt.Fprintln(os.Stderr, why)
	os.Exit(1)
}

// raise makes this process a shell that sends itself a signal: Go's runtime would
// handle some.
func raise(sig syscall.Signal) {
	script := fmt.Sprintf("kill -%d $$; exec sleep 1000", int(sig))
	die(syscall.Exec("/bin/sh", []string{"sh", "-c", script}, os.Environ()).Error())
}
