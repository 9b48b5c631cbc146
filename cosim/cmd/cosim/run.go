package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"microcosm/cosim/experiment"
	"microcosm/cosim/scenario"
	"microcosm/loadgen"
	"microcosm/loadgen/trace"
	"microcosm/results"
	"microcosm/results/report"
)

// runOptions are the flags of `cosim run`.
type runOptions struct {
	set          []string
	out          string
	force        bool
	all          bool
	manifest     string
	iat          string
	backend      string
	functions    string
	precision    string
	budget       time.Duration
	plan         bool
	seed         uint64
	replications int
	folder       string // of the scenario
	record       report.RunRecord
}

func (a *app) runCommand() *cobra.Command {
	var o runOptions
	c := &cobra.Command{
		Use:   "run SCENARIO.yaml|MANIFEST.json",
		Short: "Run a scenario and report estimates with their intervals",
		Long: `Run a scenario: every combination of its factors, every replication. The
table goes to standard output; --out writes result.json, report.html,
report.csv and report.parquet into a folder.

Given a manifest, the run it describes is repeated from the samples it holds,
and must give the same bytes.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if isManifest(args[0]) {
				return a.rerun(c, args[0], o)
			}
			return a.runScenario(c, args[0], o)
		},
	}
	flags := c.Flags()
	flags.StringArrayVar(&o.set, "set", nil, "override a key of the scenario, e.g. --set cluster.nodes[0].cores=8")
	flags.Uint64Var(&o.seed, "seed", 0, "override the scenario's seed")
	flags.IntVar(&o.replications, "replications", 0, "override fidelity.replications")
	flags.StringVar(&o.out, "out", "", "write the reports into this folder")
	flags.BoolVar(&o.force, "force", false, "replace the reports of another scenario in that folder")
	flags.BoolVar(&o.all, "all", false, "show every function, node and condition")
	flags.StringVar(&o.manifest, "manifest", "", "write what a byte-identical rerun needs into this file")
	flags.StringVar(&o.iat, "iat", "", "write the arrivals of the first replication into this folder, as In-Vitro's iatN.json")
	flags.StringVar(&o.backend, "backend", "", "who measures for execution.source ahead and inline: host, gem5, or the path of a plugin (default: gem5 for its platforms, else host)")
	flags.StringVar(&o.functions, "functions-dir", "", "folder of installed functions for execution.source ahead and inline")
	flags.StringVar(&o.precision, "precision", "", "measure until a number's interval is this narrow, e.g. p99:5%")
	flags.DurationVar(&o.budget, "budget", 0, "host time that --precision may spend on samples (default: no limit)")
	flags.BoolVar(&o.plan, "plan", false, "only print what --precision would measure next")
	return c
}

// thisHost stands in a scenario for the platform of the machine it runs on.
const thisHost = "host"

// load reads the scenario, applies the overrides, in the order given, and names
// this machine where the scenario asks for it.
func (a *app) load(c *cobra.Command, path string, o runOptions) (*scenario.Scenario, error) {
	s, err := o.load(c, path)
	if err != nil || s.Fidelity.Platform != thisHost {
		return s, err
	}
	m, err := a.connect(c.Context(), campaign{backend: "host", functions: o.functions})
	if err != nil {
		return nil, fmt.Errorf("fidelity.platform: %s: %w", thisHost, err)
	}
	if err := m.simulator.Close(); err != nil {
		return nil, err
	}
	return s.Override(scenario.Setting{Path: "fidelity.platform", Value: m.platform.Name})
}

func (o runOptions) load(c *cobra.Command, path string) (*scenario.Scenario, error) {
	s, err := scenario.Load(path)
	if err != nil {
		return nil, err
	}
	var settings []scenario.Setting
	var mistakes []error
	for _, override := range o.set {
		key, value, ok := strings.Cut(override, "=")
		if !ok {
			mistakes = append(mistakes, usage("--set %s: want KEY=VALUE", override))
		}
		settings = append(settings, scenario.Setting{Path: key, Value: value})
	}
	if err := errors.Join(mistakes...); err != nil {
		return nil, err
	}
	if c.Flags().Changed("seed") {
		settings = append(settings, scenario.Setting{Path: "seed", Value: strconv.FormatUint(o.seed, 10)})
	}
	if c.Flags().Changed("replications") {
		settings = append(settings, scenario.Setting{Path: "fidelity.replications", Value: strconv.Itoa(o.replications)})
	}
	if len(settings) == 0 {
		return s, nil
	}
	return s.Override(settings...)
}

func (a *app) runScenario(c *cobra.Command, path string, o runOptions) (err error) {
	if o.precision == "" && (o.plan || o.budget != 0) {
		return usage("--plan and --budget go with --precision: say which number, and how narrow, such as --precision p99:5%%")
	}
	var wanted precision
	if o.precision != "" {
		if wanted, err = parsePrecision(o.precision, o.budget); err != nil {
			return err
		}
	}
	s, err := a.load(c, path, o)
	if err != nil {
		return err
	}
	if err := errors.Join(wanted.check(s, o.plan), o.checkOutputs(s)); err != nil {
		return err
	}
	if o.iat != "" {
		if err := writeArrivals(o.iat, s); err != nil {
			return err
		}
		fmt.Fprintf(a.err, "arrivals: %s\n", o.iat)
	}
	ctx := c.Context()
	if s.Execution.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.Execution.Timeout)
		defer cancel()
	}
	sources, err := a.openSources(ctx, s, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, sources.close()) }()
	started := time.Now()
	if o.precision != "" {
		if err := a.refine(ctx, s, sources, wanted, o.plan); err != nil || o.plan {
			return err
		}
	}
	result, err := a.simulate(ctx, s, sources)
	var interrupted *experiment.InterruptedError
	if result == nil || err != nil && !errors.As(err, &interrupted) {
		return err
	}
	o.folder = filepath.Dir(path)
	if keepErr := a.keep(ctx, sources, s, result, o, started); keepErr != nil {
		return errors.Join(err, keepErr)
	}
	return err
}

// checkOutputs reports before the run what would keep its results from being
// written.
func (o runOptions) checkOutputs(s *scenario.Scenario) error {
	var mistakes []error
	if o.out != "" {
		identity, err := s.Identity()
		if err != nil {
			return err
		}
		mistakes = append(mistakes, report.Check(o.out, identity, report.WriteOptions{Force: o.force}))
	}
	if o.manifest != "" {
		if _, err := os.Stat(filepath.Dir(o.manifest)); err != nil {
			mistakes = append(mistakes, fmt.Errorf("write manifest: %w; create that folder first", err))
		}
		if _, err := readManifest(o.manifest); err != nil && !errors.Is(err, os.ErrNotExist) {
			mistakes = append(mistakes, foreignManifest(o.manifest))
		}
	}
	return errors.Join(mistakes...)
}

// writeArrivals writes the scenario's first replication as a resolved trace.
func writeArrivals(folder string, s *scenario.Scenario) error {
	demand, err := s.Demand()
	if err != nil {
		return err
	}
	if len(demand.Flows) > 0 {
		return usage("--iat: what workflows invoke depends on when others end, which no iatN.json can say: remove workload.workflows or --iat")
	}
	w := loadgen.Workload{Horizon: demand.Horizon}
	for _, f := range demand.Functions {
		w.Functions = append(w.Functions, loadgen.Function{Name: f.Name, ExpectedInvocations: f.ExpectedInvocations, Source: f.Arrivals})
	}
	return trace.WriteIAT(folder, w, experiment.Seed(s.Seed, 0))
}

// simulate runs the scenario. Where the run measured something it is repeated
// with what is stored now, until nothing is missing: the result is then that of
// a replay.
func (a *app) simulate(ctx context.Context, s *scenario.Scenario, sources *sources) (*experiment.Result, error) {
	for {
		progress := a.progress("replications", experiment.Replications(s))
		result, err := experiment.Simulate(ctx, s, experiment.Options{Open: sources.open, Slots: s.Execution.Slots, Step: progress.step})
		progress.finish()
		if err != nil || !sources.measuredSomething() {
			return result, err
		}
		a.log.Info("simulating again with what was measured")
	}
}

// keep prints and stores the result.
func (a *app) keep(ctx context.Context, sources *sources, s *scenario.Scenario, result *experiment.Result, o runOptions, started time.Time) error {
	ctx = context.WithoutCancel(ctx) // what was computed is worth keeping
	text, err := result.JSON()
	if err != nil {
		return err
	}
	o.record = runRecord(started)
	elapsed := o.record.Wall
	// Whatever cannot be written, the rest is.
	failed := a.print(result, text, o)
	if sources.store != nil {
		_, err := sources.store.PutRun(ctx, results.Run{
			Name: result.Name, Scenario: result.Scenario, Seed: result.Seed, Samples: sources.digest(), Result: text,
			Version: o.record.Version, Host: o.record.Host, Finished: started.Add(elapsed).UTC().Truncate(time.Second), Elapsed: elapsed,
		})
		failed = errors.Join(failed, err)
	}
	if o.manifest != "" {
		if err := writeManifest(o.manifest, o.folder, s, sources, text); err != nil {
			failed = errors.Join(failed, err)
		} else {
			fmt.Fprintf(a.err, "manifest: %s\n", o.manifest)
		}
	}
	if failed != nil {
		return failed
	}
	fmt.Fprintf(a.err, "ran %s: %d replications of %d runs in %v, seed %d, samples: %s\n",
		result.Name, result.Replications, len(result.Runs), elapsed.Round(time.Millisecond), result.Seed, strings.Join(result.Samples, ", "))
	return nil
}

// runRecord says how the run that began at started was made.
func runRecord(started time.Time) report.RunRecord {
	host, _ := os.Hostname() // only a label; a machine without a name has none
	build := thisBuild()
	return report.RunRecord{
		Command: os.Args, Version: build.Version, Toolchain: build.Go, Host: host, System: runtime.GOOS + "/" + runtime.GOARCH,
		Cores: runtime.GOMAXPROCS(0), Started: started, Wall: time.Since(started), CPUTime: cpuTime(),
	}
}

// cpuTime returns the CPU time this process has used so far.
func cpuTime() time.Duration {
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		return 0 // not known
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// print writes the table or the JSON to standard output and the reports into a
// folder.
func (a *app) print(result *experiment.Result, text []byte, o runOptions) error {
	if a.json {
		if _, err := a.out.Write(text); err != nil {
			return fmt.Errorf("write the result: %w", err)
		}
	} else if err := report.Text(a.out, result, report.TextOptions{All: o.all}); err != nil {
		return err
	}
	if o.out == "" {
		return nil
	}
	files, err := report.Write(o.out, result, report.WriteOptions{Force: o.force, Run: o.record})
	if err != nil {
		return err
	}
	for _, file := range files {
		fmt.Fprintf(a.err, "wrote %s\n", filepath.Clean(file))
	}
	return nil
}
