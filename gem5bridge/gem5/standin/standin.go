// Package standin is a program that answers like gem5 where gem5bridge/gem5 asks:
// it keeps the run contract (FORMAT.md) without simulating anything, so that the
// back end can be tested as a whole, with real processes, where there is no gem5.
//
// Its times are made up from the job's seed and the condition. They rise from
// warm to flush, so that a test can tell conditions apart. Faults, which tests ask
// for by environment variables, make it go wrong.
package standin

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"microcosm/gem5bridge/bridgetest"
	guest "microcosm/images/guest/job"
)

// Environment variables by which tests script it.
const (
	// FaultVariable names a fault of package bridgetest, which a measured run shows.
	FaultVariable = "GEM5_STANDIN_FAULT"
	// OnceVariable names a file; where there is one, the fault shows, and the file
	// is removed, so that the next run goes well.
	OnceVariable = "GEM5_STANDIN_ONCE"
	// GuestVariable names what the guest does wrong: "wrong reply", "dies", "not ready", "odd share",
	// or, where the simulator gives up within its second counted call, "ends in a call".
	GuestVariable = "GEM5_STANDIN_GUEST"
	// VersionVariable and ISAsVariable replace what it says of itself.
	VersionVariable = "GEM5_STANDIN_VERSION"
	ISAsVariable    = "GEM5_STANDIN_ISAS"
)

// Version is what it says of itself unless it is told otherwise.
const Version = "24.0.0.1"

// spec is as much of spec.json as it heeds.
type spec struct {
	Mode      string `json:"mode"`
	ISA       string `json:"isa"`
	Kernel    string `json:"kernel"`
	Disk      string `json:"disk"`
	Line      string `json:"commandLine"`
	ReadFile  string `json:"readfile"`
	Restore   string `json:"restore"`
	Count     int    `json:"count"`
	ItemLimit int64  `json:"itemLimit"`
	Flush     []string
	Settle    struct {
		Least int `json:"least"`
		Most  int `json:"most"`
	} `json:"settle"`
}

// Main does what gem5 would with the arguments, and returns the exit code.
func Main(args []string) int {
	if err := run(args); err != nil {
		fmt.Fprintln(os.Stderr, "fatal:", err)
		return 1
	}
	return 0
}

func run(args []string) error {
	var out string
	var rest []string
	for _, a := range args {
		if folder, is := strings.CutPrefix(a, "--outdir="); is {
			out = folder
		} else if !strings.HasPrefix(a, "-") {
			rest = append(rest, a)
		}
	}
	if out == "" || len(rest) == 0 {
		return errors.New("want --outdir and a script")
	}
	if _, err := os.Stat(rest[0]); err != nil {
		return err
	}
	if filepath.Base(rest[0]) == "probe.py" {
		return answer(out)
	}
	if len(rest) != 2 {
		return errors.New("want the specification")
	}
	text, err := os.ReadFile(rest[1])
	if err != nil {
		return err
	}
	m := &machine{out: out}
	if err := json.Unmarshal(text, &m.spec); err != nil {
		return err
	}
	for _, path := range []string{m.Kernel, m.Disk} {
		if _, err := os.Stat(path); err != nil {
			return err
		}
	}
	return m.run()
}

// answer says what it is.
func answer(out string) error {
	isas := []string{"arm64", "x86_64"}
	if words, given := os.LookupEnv(ISAsVariable); given {
		isas = strings.Fields(words)
	}
	version := Version
	if v := os.Getenv(VersionVariable); v != "" {
		version = v
	}
	text, err := json.Marshal(map[string]any{"version": version, "isas": isas, "ruby": false})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(out, "probe.json"), text, 0o644)
}

// fault plays the fault that a test has asked for, if it has.
func (m *machine) fault() {
	name := os.Getenv(FaultVariable)
	if name == "" {
		return
	}
	if due() {
		bridgetest.StandInFault(name, m.out)
	}
}

// due says whether what goes wrong only once is still to go wrong.
func due() bool {
	once := os.Getenv(OnceVariable)
	return once == "" || os.Remove(once) == nil
}

// machine is one run.
type machine struct {
	spec
	out    string
	job    guest.Job
	events *os.File
	lines  int
	tick   int64
	works  int
	told   []int64 // instructions committed so far, by core
}

func (m *machine) run() (err error) {
	if m.Mode == "measure" {
		m.fault()
	}
	if m.events, err = os.Create(filepath.Join(m.out, "events.jsonl")); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.events.Close()) }()
	m.told = []int64{0, 0}
	if err := m.restore(); err != nil {
		return err
	}
	if err := m.tell("start", map[string]any{"format": 1, "gem5": Version, "isa": m.ISA, "mode": m.Mode, "period": period}); err != nil {
		return err
	}
	if m.Mode == "boot" {
		m.tick += int64(time.Second/time.Nanosecond) * 1000
		if err := os.WriteFile(filepath.Join(m.out, "console"), []byte("agent: up\n"), 0o644); err != nil {
			return err
		}
		return m.checkpoint()
	}
	text, err := os.ReadFile(m.ReadFile)
	if err != nil {
		return err
	}
	if m.job, err = guest.Parse(text); err != nil {
		return err
	}
	return m.work()
}

// state is what a checkpoint holds.
type state struct {
	Tick int64  `json:"tick"`
	Line string `json:"line"` // the kernel's command line
}

func (m *machine) restore() error {
	if m.Restore == "" {
		return nil
	}
	text, err := os.ReadFile(filepath.Join(m.Restore, "m5.cpt"))
	if err != nil {
		return err
	}
	var s state
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	if s.Line != m.Line {
		return errors.New("the checkpoint is of another command line")
	}
	m.tick = s.Tick
	return nil
}

func (m *machine) checkpoint() error {
	text, err := json.Marshal(state{m.tick, m.Line})
	if err != nil {
		return err
	}
	dir := filepath.Join(m.out, "checkpoint")
	if err := errors.Join(os.Mkdir(dir, 0o755), os.WriteFile(filepath.Join(dir, "m5.cpt"), text, 0o644)); err != nil {
		return err
	}
	if err := m.tell("checkpoint", nil); err != nil {
		return err
	}
	return m.end("checkpoint")
}

// tell writes an event.
func (m *machine) tell(event string, fields map[string]any) error {
	all := map[string]any{"line": m.lines, "event": event, "tick": m.tick}
	for name, value := range fields {
		all[name] = value
	}
	m.lines++
	text, err := json.Marshal(all)
	if err != nil {
		return err
	}
	_, err = m.events.Write(append(text, '\n'))
	return err
}

func (m *machine) end(cause string) error {
	if err := m.tell("beat", map[string]any{"instructions": m.told, "works": m.works}); err != nil {
		return err
	}
	return m.tell("end", map[string]any{"cause": cause, "code": 0, "works": m.works})
}
