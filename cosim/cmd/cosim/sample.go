package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"microcosm/cosim/servicetime"
	"microcosm/functions"
	"microcosm/gem5bridge"
	"microcosm/gem5bridge/gem5/platforms"
	"microcosm/results"
	"microcosm/setup"
)

// functionsVariable names the folder of installed functions where no flag does.
const functionsVariable = "MICROCOSM_FUNCTIONS"

// defaultConditions are those that `cosim run` asks for with the interleave
// model.
const defaultConditions = "stage:init,cold,warm,lukewarm:1,lukewarm:2,lukewarm:4,lukewarm:8,lukewarm:16,flush"

// campaign is what `cosim sample` is asked to measure.
type campaign struct {
	backend    string
	functions  string // folder of the installed functions
	names      []string
	conditions []string
	input      string
	platform   string
	overrides  map[string]string // of the platform's parameters
	settings   map[string]string // of the back end
	mix        []string          // who interleaves; empty: all that can run
	workDir    string            // of the back end; empty: its choice
	count      int
	seed       uint64
	deadline   time.Duration
	slots      int
	verify     string
	missing    bool // only say what is missing
}

func (a *app) sampleCommand() *cobra.Command {
	var s campaign
	c := &cobra.Command{
		Use:   "sample",
		Short: "Measure service times, one sample per invocation, and store them",
		Long: `Measure functions in the given conditions until the store holds the wanted
number of valid samples of each. What is stored already is not measured again,
and every sample is stored as soon as it is measured.

A platform of gem5 (cosim doctor says whether there is a gem5) is measured in
gem5, this machine's own by the host back end. --override changes a parameter of
the platform and is part of the key: --override l2.size=2MiB.

With --missing, what the store lacks is listed and nothing is measured.

With --verify recorded, one recorded key is drawn, measured again -n times, and
tested against the record. Where the software is the same, its first sample is
repeated: from the same checkpoint with the same --seed it takes as many ticks.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if s.verify != "" {
				return a.verifySamples(c.Context(), s)
			}
			return a.sample(c.Context(), s)
		},
	}
	flags := c.Flags()
	flags.StringVar(&s.backend, "backend", "", "who measures: host, gem5, or the path of a plugin (default: gem5 for its platforms, else host)")
	flags.StringVar(&s.functions, "functions-dir", "", "folder of installed functions (default: "+functionsVariable+", else functions beside cosim)")
	flags.StringSliceVar(&s.names, "functions", nil, "functions of the catalog, comma-separated (default: all that can run here)")
	flags.StringSliceVar(&s.conditions, "conditions", strings.Split(defaultConditions, ","), "conditions")
	flags.StringVar(&s.input, "input", functions.DefaultClass, "input class")
	flags.StringVar(&s.platform, "platform", "", "platform (default: the back end's only one)")
	flags.StringToStringVar(&s.overrides, "override", nil, "parameters of the platform that differ, NAME=VALUE")
	flags.StringToStringVar(&s.settings, "setting", nil, "settings of the back end, NAME=VALUE: gem5, images, checkpoints, hang, functional")
	flags.StringSliceVar(&s.mix, "mix", nil, "functions that interleave in lukewarm conditions (default: all that can run)")
	flags.StringVar(&s.workDir, "work-dir", "", "folder for the back end's checkpoints and runs (default: its cache)")
	flags.BoolVar(&s.missing, "missing", false, "list what the store lacks of what is asked, and measure nothing")
	flags.IntVarP(&s.count, "n", "n", 30, "valid samples wanted of each function and condition")
	flags.Uint64Var(&s.seed, "seed", 1, "seed of the campaign")
	flags.DurationVar(&s.deadline, "deadline", 10*time.Second, "of one invocation")
	flags.IntVar(&s.slots, "slots", 0, "detailed runs at a time (default: the back end's choice)")
	flags.StringVar(&s.verify, "verify", "", "measure a drawn key of this collection again and test it against the record")
	return c
}

// measurer is a connected back end with the keys it measures under.
type measurer struct {
	simulator   *gem5bridge.Simulator
	setup       gem5bridge.Setup
	description gem5bridge.Description
	platform    gem5bridge.Platform
	catalog     *functions.Catalog
}

// connect starts the back end. The caller closes the measurer.
func (a *app) connect(ctx context.Context, s campaign) (*measurer, error) {
	catalog, err := functions.Load()
	if err != nil {
		return nil, err
	}
	command, err := backendCommand(s)
	if err != nil {
		return nil, err
	}
	root, err := functionsFolder(s.functions)
	if err != nil && !inGem5(s) { // its images bring their own
		return nil, err
	}
	simulator, err := gem5bridge.Connect(ctx, gem5bridge.Config{Command: command, Log: a.log})
	if err != nil {
		return nil, err
	}
	m := &measurer{simulator: simulator, catalog: catalog, setup: gem5bridge.Setup{
		Platform: s.platform, Functions: root, Overrides: s.overrides, Settings: s.settings, WorkDir: s.workDir,
	}}
	m.description, err = simulator.Describe(ctx, m.setup)
	if err != nil {
		return nil, errors.Join(err, simulator.Close())
	}
	m.platform, err = choosePlatform(m.description, s.platform)
	if err != nil {
		return nil, errors.Join(err, simulator.Close())
	}
	m.setup.Platform = m.platform.Name
	return m, nil
}

// logNotes says what a reader of the samples must know.
func (a *app) logNotes(m *measurer) {
	for _, note := range m.description.Notes {
		a.log.Info("note of the back end", "note", note)
	}
}

// inGem5 says whether gem5 is to measure: it was named, or its platform was.
func inGem5(s campaign) bool {
	return s.backend == "gem5" || s.backend == "" && slices.Contains(platforms.Names(), s.platform)
}

func backendCommand(s campaign) ([]string, error) {
	part := "host"
	switch {
	case inGem5(s):
		part = "gem5"
	case s.backend != "" && s.backend != "host":
		if _, err := os.Stat(s.backend); err != nil {
			return nil, usage("back end %q: want host, gem5, or the path of a plugin: %w", s.backend, err)
		}
		return []string{s.backend}, nil
	}
	self, err := executable()
	if err != nil {
		return nil, err
	}
	return []string{self, "bridge", part}, nil
}

func functionsFolder(named string) (string, error) {
	if named == "" {
		named = os.Getenv(functionsVariable)
	}
	if named == "" {
		self, err := executable()
		if err != nil {
			return "", err
		}
		named = filepath.Join(filepath.Dir(self), "functions")
	}
	if info, err := os.Stat(named); err != nil || !info.IsDir() {
		return "", fmt.Errorf("no installed functions in %s: run make build, or name their folder with --functions-dir", named)
	}
	return filepath.Abs(named)
}

func choosePlatform(d gem5bridge.Description, wanted string) (gem5bridge.Platform, error) {
	var names []string
	for _, p := range d.Platforms {
		if p.Name == wanted || wanted == "" && len(d.Platforms) == 1 {
			return p, nil
		}
		names = append(names, p.Name)
	}
	return gem5bridge.Platform{}, usage("platform %q: the back end %s has %s", wanted, d.Backend, strings.Join(names, ", "))
}

// key returns the key under which the back end measures.
func (m *measurer) key(function, input string, condition servicetime.Condition) (servicetime.Key, error) {
	image, err := m.image(function)
	if err != nil {
		return servicetime.Key{}, err
	}
	return servicetime.Key{
		Function: function, Image: image, Input: input, Condition: condition,
		Platform: m.platform.Name, PlatformDigest: m.platform.Digest, Stack: m.description.Stack,
	}, nil
}

// image returns the digest of a function's image: the back end's own, which may be of
// functions that the catalog does not have, or of what is installed.
func (m *measurer) image(function string) (string, error) {
	if digest, there := m.description.Images[function]; there {
		return digest, nil
	}
	f, err := m.catalog.Lookup(function)
	if err != nil {
		return "", usageError{err}
	}
	if m.description.Images != nil {
		return "", usage("%s is not in the images of the back end %s: build them with it (make -C images)", function, m.description.Backend)
	}
	return f.Digest(m.setup.Functions)
}

// runnable lists the functions that the back end can start here: installed, with
// their interpreter, and in need of no database. They are the default mix.
func (m *measurer) runnable() []string {
	var names []string
	for _, name := range m.catalog.Names() {
		f, err := m.catalog.Lookup(name)
		if err != nil || name == servicetime.NullFunction || len(f.Dependencies) > 0 {
			continue
		}
		if m.startable(f) {
			names = append(names, name)
		}
	}
	return names
}

// startable says whether the back end can start the function.
func (m *measurer) startable(f *functions.Function) bool {
	if m.description.Images != nil {
		return m.description.Images[f.Name] != ""
	}
	argv, _, err := f.Command(m.setup.Functions, 1)
	if err != nil {
		return false
	}
	_, err = setup.Find(argv[0])
	return err == nil
}

func parseConditions(words []string) ([]servicetime.Condition, error) {
	var conditions []servicetime.Condition
	var mistakes []error
	for _, word := range words {
		c, err := servicetime.ParseCondition(strings.TrimSpace(word))
		if err != nil {
			mistakes = append(mistakes, err)
			continue
		}
		conditions = append(conditions, c)
	}
	if err := errors.Join(mistakes...); err != nil {
		return nil, usageError{err}
	}
	return conditions, nil
}

// check reads the conditions and says everything that is wrong with the flags.
func (s campaign) check() ([]servicetime.Condition, error) {
	conditions, err := parseConditions(s.conditions)
	mistakes := []error{err}
	if s.count < 1 {
		mistakes = append(mistakes, usage("-n %d: want at least one sample", s.count))
	}
	if s.deadline <= 0 {
		mistakes = append(mistakes, usage("--deadline %v: want a time above 0", s.deadline))
	}
	if s.slots < 0 {
		mistakes = append(mistakes, usage("--slots %d: want 1 or more, or 0 for the back end's choice", s.slots))
	}
	return conditions, errors.Join(mistakes...)
}

// sample fills the store up to the wanted number of valid samples.
func (a *app) sample(ctx context.Context, s campaign) error {
	conditions, err := s.check()
	if err != nil {
		return err
	}
	return a.withStore(ctx, func(store *results.Store) (err error) {
		m, err := a.connect(ctx, s)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, m.simulator.Close()) }()
		a.logNotes(m)
		names := s.names
		if len(names) == 0 {
			names = m.runnable()
		}
		if s.missing {
			cells, err := a.missing(ctx, store, m, s, names, conditions)
			if err != nil {
				return err
			}
			return a.printMissing(m, cells, s.count)
		}
		stored, err := a.fill(ctx, store, m, s, names, conditions)
		if err == nil && len(stored) == 0 {
			fmt.Fprintf(a.err, "nothing to measure: %s holds %d valid samples of everything asked\n", store.Path(), s.count)
			return nil
		}
		fmt.Fprintf(a.err, "%s: stored %d valid, %d rejected, %d censored samples on %s, seed %d, in %s\n",
			m.description.Backend, stored[servicetime.Valid], stored[servicetime.Rejected], stored[servicetime.Censored], m.platform.Name, s.seed, store.Path())
		return err
	})
}

// missing returns the cells that the store lacks samples of, with every mistake
// in what was asked.
func (a *app) missing(ctx context.Context, store *results.Store, m *measurer, s campaign, names []string, conditions []servicetime.Condition) ([]gem5bridge.Cell, error) {
	var cells []gem5bridge.Cell
	var mistakes []error
	for _, name := range names {
		key, err := m.key(name, s.input, servicetime.Condition{}) // the image is read once, not once a condition
		if err != nil {
			mistakes = append(mistakes, err)
			continue
		}
		for _, condition := range conditions {
			key.Condition = condition
			samples, err := store.Samples(ctx, key)
			if err != nil {
				return nil, err
			}
			valid, next := 0, 0
			for _, sample := range samples {
				next = max(next, sample.N+1)
				if sample.Status == servicetime.Valid {
					valid++
				}
			}
			if valid < s.count {
				cells = append(cells, gem5bridge.Cell{Function: name, Input: s.input, Condition: condition, First: next, Count: s.count - valid})
			}
		}
	}
	return cells, errors.Join(mistakes...)
}

// job asks for the cells.
func (m *measurer) job(s campaign, cells []gem5bridge.Cell) gem5bridge.Job {
	mix := s.mix
	lukewarm := func(c gem5bridge.Cell) bool { return c.Condition.Kind == servicetime.Lukewarm }
	if len(mix) == 0 && slices.ContainsFunc(cells, lukewarm) {
		mix = m.runnable()
	}
	return gem5bridge.Job{
		Setup: m.setup, Cells: cells, Seed: s.seed, Deadline: s.deadline, Slots: s.slots,
		Mix: gem5bridge.Mix{Name: servicetime.CatalogMix, Functions: mix},
	}
}

// measure runs one job and stores every sample as it comes, so that whatever
// ends the campaign, what was measured is kept.
func (a *app) measure(ctx context.Context, store *results.Store, m *measurer, s campaign, cells []gem5bridge.Cell) (tally, error) {
	total := 0
	for _, c := range cells {
		total += c.Count
	}
	progress := a.progress("samples", total)
	defer progress.finish()
	stored := tally{}
	for sample, err := range m.simulator.Sample(ctx, m.job(s, cells), nil) {
		if err != nil {
			return stored, err
		}
		// The sample is worth keeping even if the campaign was just interrupted.
		if err := store.Put(context.WithoutCancel(ctx), sample); err != nil {
			return stored, err
		}
		stored[sample.Status]++
		if sample.Status == servicetime.Valid {
			progress.step()
		} else {
			a.log.Warn("sample does not count", "key", sample.Key.String(), "status", sample.Status.String(), "reason", sample.Reason)
		}
	}
	return stored, ctx.Err()
}
