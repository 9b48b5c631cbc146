package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"microcosm/cosim/servicetime"
	"microcosm/functions"
	"microcosm/gem5bridge"
	"microcosm/gem5bridge/process"
	"microcosm/images/guest/walk"
)

// Backend measures on this machine. It implements gem5bridge.Backend.
type Backend struct {
	catalog   *functions.Catalog
	machine   *machine
	stack     func() string
	simulator func() string
	awake     *awakener // nil: the functions' core may fall asleep
}

// New returns the back end for the functions of catalog. It reads what there is
// to know of the machine and starts nothing.
func New(catalog *functions.Catalog) (*Backend, error) {
	m, err := newMachine()
	if err != nil {
		return nil, err
	}
	b := &Backend{catalog: catalog, machine: m, simulator: sync.OnceValue(ownDigest)}
	b.stack = sync.OnceValue(b.stackDigest)
	return b, nil
}

// Main makes this process a plugin that measures the functions that ship with
// the product, see Serve.
func Main() error {
	catalog, err := functions.Load()
	if err != nil {
		return err
	}
	return Serve(catalog)
}

// Serve makes this process a plugin that measures the functions of catalog on
// this machine. It confines the process to the client's cores and returns when
// the plugin has been closed.
func Serve(catalog *functions.Catalog) error {
	backend, err := New(catalog)
	if err != nil {
		return err
	}
	// Who starts this by hand is told so by Serve, and keeps his session as it is.
	if _, started := os.LookupEnv(gem5bridge.RunVariable); started {
		if _, err := becomeClient(backend.machine.clients); err != nil {
			return err
		}
	}
	gem5bridge.Serve(backend)
	return nil
}

// Describe implements gem5bridge.Backend.
func (b *Backend) Describe(_ context.Context, setup gem5bridge.Setup) (gem5bridge.Description, error) {
	if err := b.checkSetup(setup); err != nil {
		return gem5bridge.Description{}, err
	}
	m := b.machine
	notes := []string{
		"times are of this machine's clock, not of a simulated platform",
		fmt.Sprintf("functions run on core %d, the client on %v", m.core, m.clients),
		fmt.Sprintf("flush walks %d bytes of data and of code", m.flushBytes()),
		"cold and stage:init find the function's files in the page cache",
	}
	if m.shared() {
		notes = append(notes, "one core only: the client shares it with the functions")
	}
	if process.Niceness() > nice {
		notes = append(notes, "no privilege (CAP_SYS_NICE) to keep others off the cores: expect more rejected samples where they work")
	}
	if !walk.HasCode() {
		notes = append(notes, "no code is walked on "+runtime.GOARCH+": flush and stressor walk data only")
	}
	return gem5bridge.Description{
		Backend:    "host",
		Version:    version,
		Stack:      b.stack(),
		Platforms:  []gem5bridge.Platform{m.platform},
		Conditions: kinds,
		Notes:      notes,
	}, nil
}

// checkSetup returns the mistakes in setup.
func (b *Backend) checkSetup(setup gem5bridge.Setup) error {
	var mistakes []error
	if name := b.machine.platform.Name; setup.Platform != "" && setup.Platform != name {
		mistakes = append(mistakes, gem5bridge.Mistake("platform %q: this machine is %q", setup.Platform, name))
	}
	if len(setup.Overrides) > 0 {
		mistakes = append(mistakes, gem5bridge.Mistake("overrides %v: this machine has no parameters to change", setup.Overrides))
	}
	_, err := readySetting(setup)
	return errors.Join(append(mistakes, err)...)
}

// SettingReady is the setting of how long a function may take until it serves,
// as a duration ("90s").
const SettingReady = "ready"

const defaultReady = time.Minute

func readySetting(setup gem5bridge.Setup) (time.Duration, error) {
	within := defaultReady
	var mistakes []error
	for _, name := range slices.Sorted(maps.Keys(setup.Settings)) {
		if name != SettingReady {
			mistakes = append(mistakes, gem5bridge.Mistake("setting %q: the host back end knows %q only", name, SettingReady))
			continue
		}
		d, err := time.ParseDuration(setup.Settings[name])
		if err != nil || d <= 0 {
			mistakes = append(mistakes, gem5bridge.Mistake("setting %s %q: want a positive duration like \"90s\"", name, setup.Settings[name]))
			continue
		}
		within = d
	}
	return within, errors.Join(mistakes...)
}

// Sample implements gem5bridge.Backend.
func (b *Backend) Sample(ctx context.Context, job gem5bridge.Job, emit func(gem5bridge.Event) error) error {
	plan, err := b.plan(job)
	if err != nil {
		return err
	}
	if job.Slots > 1 {
		log := gem5bridge.Log{Level: slog.LevelInfo, Message: "one core measures, so slots beyond the first stay empty"}
		if err := emit(gem5bridge.Event{Log: &log}); err != nil {
			return err
		}
	}
	r, err := b.newRun(job, plan, emit)
	if err != nil {
		return err
	}
	defer r.stop()
	if err := r.calibrate(ctx, plan); err != nil {
		return err
	}
	r.deadline, r.taken = job.Deadline, r.report
	if err := r.sample(ctx, plan.cells); err != nil {
		return err
	}
	var given []error
	for _, c := range plan.cells {
		given = append(given, c.err)
	}
	return errors.Join(given...)
}

func (b *Backend) newRun(job gem5bridge.Job, plan *plan, emit func(gem5bridge.Event) error) (*run, error) {
	l := b.newLauncher(job.Functions, plan.within)
	r := &run{
		machine:  b.machine,
		job:      job,
		launcher: l,
		mix:      &interleaver{launcher: l, functions: plan.mix, running: map[string]*sandbox{}},
		emit:     emit,
		running:  map[string]*sandbox{},
		launches: map[string]int{},
	}
	note := ""
	if size := walkBytes(b.machine, job.Cells); size > 0 {
		var err error
		if r.walker, err = newWalker(b.machine.core, nice, size); err != nil {
			return nil, err
		}
		if !r.walker.walksCode() {
			note = "only data was walked, no code"
		}
	}
	boot := fmt.Sprintf("%s/%s", b.machine.boot, campaign(job))
	r.complete = func(s *servicetime.Sample) {
		s.Provenance.Backend = "host"
		s.Provenance.SimulatorDigest = b.simulator()
		s.Provenance.Boot = boot
		s.Provenance.Host = b.machine.host
		s.Provenance.Measured = time.Now().UTC().Truncate(time.Second)
		if _, walked := s.Counters[servicetime.CounterFlushBytes]; walked && note != "" {
			s.Provenance.Note = strings.TrimPrefix(s.Provenance.Note+"; "+note, "; ")
		}
	}
	return r, nil
}

// newLauncher returns what starts the functions installed in root, each of which
// has to serve within a time.
func (b *Backend) newLauncher(root string, within time.Duration) *launcher {
	return &launcher{catalog: b.catalog, machine: b.machine, root: root, within: within, env: []string{
		// The same for everyone: the size of the environment alone moves the stack
		// (Mytkowicz et al., ASPLOS 2009).
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"LANG=C.UTF-8",
		gem5bridge.RunVariable + "=" + os.Getenv(gem5bridge.RunVariable),
	}}
}

func campaign(job gem5bridge.Job) string {
	if job.Campaign != "" {
		return job.Campaign
	}
	return fmt.Sprintf("seed-%d", job.Seed)
}
