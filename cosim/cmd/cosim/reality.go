package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"microcosm/cosim/reality"
	"microcosm/cosim/scenario"
	"microcosm/cosim/servicetime"
	"microcosm/functions"
	"microcosm/gem5bridge"
	"microcosm/gem5bridge/host"
	"microcosm/results/report"
)

// realityCheck is what `cosim reality` is asked to do.
type realityCheck struct {
	functions    string // folder of the installed functions
	utilizations []string
	wanted       int // samples of each function and condition, all rounds together
	asleep       bool
	out          string
	check        reality.Check
}

func (a *app) realityCommand() *cobra.Command {
	r := realityCheck{}
	c := &cobra.Command{
		Use:   "reality",
		Short: "Predict what an open-loop load on this machine sees, and compare",
		Long: `Run functions as processes on one core of this machine, under an open-loop load
whose arrival times are drawn before it begins, and measure the same functions
one by one in between, condition by condition. Predict the load's response times
from these samples through the cluster model, and print both with the error.

A response time counts from the planned arrival. A busy machine disturbs load and
samples, and not alike: the report says how busy this one was. Functions and
client want CAP_SYS_NICE.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.reality(c.Context(), r) },
	}
	flags := c.Flags()
	flags.StringVar(&r.functions, "functions-dir", "", "folder of installed functions (default: "+functionsVariable+", else functions beside cosim)")
	flags.StringSliceVar(&r.check.Functions, "functions", []string{"fibonacci-go", "aes-go", "auth-go"}, "functions of the catalog, comma-separated, with equal shares of the calls")
	flags.StringVar(&r.check.Input, "input", functions.DefaultClass, "input class")
	flags.StringSliceVar(&r.utilizations, "utilization", []string{"30%", "50%", "70%"}, "utilizations of the core to aim at")
	flags.IntVar(&r.check.Rounds, "rounds", 10, "repetitions with new processes")
	flags.DurationVar(&r.check.Duration, "duration", 6*time.Second, "of the load at one utilization in one round")
	flags.IntVarP(&r.wanted, "n", "n", 120, "valid samples wanted of each function and condition")
	flags.IntVar(&r.check.Resamples, "resamples", 100, "resamples of the samples, to learn how sure the prediction is of them")
	flags.Uint64Var(&r.check.Seed, "seed", 1, "seed of arrivals, inputs and order")
	flags.BoolVar(&r.asleep, "let-sleep", false, "let the functions' core fall asleep between calls; by default it is kept awake while samples and load are measured")
	flags.StringVar(&r.out, "out", "", "also write the report to this Markdown file")
	return c
}

// awakeName is the hidden command that keeps a core awake.
const awakeName = "awake"

// reality runs the check and prints its report.
func (a *app) reality(ctx context.Context, r realityCheck) error {
	if err := r.complete(); err != nil {
		return err
	}
	catalog, err := functions.Load()
	if err != nil {
		return err
	}
	root, err := functionsFolder(r.functions)
	if err != nil {
		return err
	}
	backend, err := host.New(catalog)
	if err != nil {
		return err
	}
	setup := gem5bridge.Setup{Functions: root}
	description, err := backend.Describe(ctx, setup)
	if err != nil {
		return err
	}
	r.check.Platform = description.Platforms[0].Name
	for _, note := range description.Notes {
		a.log.Info("note of the back end", "note", note)
	}
	x := &realityRun{realityCheck: r, app: a, backend: backend, setup: setup}
	if err := backend.AsClient(func() error { return x.run(ctx) }); err != nil {
		return err
	}
	result, err := x.check.Report(ctx, x.samples, x.rates, x.rounds)
	if err != nil {
		return err
	}
	if r.out != "" {
		if err := writeReality(r.out, result); err != nil {
			return err
		}
	}
	if a.json {
		return printJSON(a.out, result)
	}
	return report.Reality(a.out, result)
}

// complete reads the flags' words and checks them all.
func (r *realityCheck) complete() error {
	var mistakes []error
	for _, word := range r.utilizations {
		var share scenario.Share
		if err := share.UnmarshalText([]byte(word)); err != nil {
			mistakes = append(mistakes, usage("--utilization %q: want a share such as 50%%", word))
			continue
		}
		r.check.Utilizations = append(r.check.Utilizations, float64(share))
	}
	if err := r.check.Mistakes(); err != nil {
		mistakes = append(mistakes, usageError{err})
	}
	if r.wanted < r.check.Rounds {
		mistakes = append(mistakes, usage("-n %d: want one sample of each function and condition per round at least, and there are %d rounds", r.wanted, r.check.Rounds))
	}
	if r.out != "" {
		mistakes = append(mistakes, checkReality(r.out))
	}
	return errors.Join(mistakes...)
}

// checkReality reports before minutes of measuring what would keep the document
// from being written.
func checkReality(path string) error {
	text, err := os.ReadFile(path)
	switch {
	case err == nil && !bytes.HasPrefix(text, []byte(realityTitle)):
		return fmt.Errorf("%s exists and is no report of cosim reality; it is left alone: name another file", path)
	case err == nil:
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("write report: %w; name another file", err)
	}
	if _, err := os.Stat(filepath.Dir(path)); err != nil {
		return fmt.Errorf("write report: %w; create that folder first", err)
	}
	return nil
}

// realityRun is the check under way.
type realityRun struct {
	realityCheck
	app     *app
	backend *host.Backend
	setup   gem5bridge.Setup

	samples []servicetime.Sample
	rates   []float64
	rounds  []reality.Round
}

// run takes samples and loads in turn, so that what drifts, drifts for both.
func (x *realityRun) run(ctx context.Context) error {
	if !x.asleep {
		self, err := executable()
		if err != nil {
			return err
		}
		stop, err := x.backend.KeepAwake([]string{self, "bridge", awakeName})
		if err != nil {
			return err
		}
		defer stop()
	}
	progress := x.app.progress("loads", x.check.Rounds*len(x.check.Utilizations))
	defer progress.finish()
	for round := range x.check.Rounds {
		if err := x.measure(ctx, round); err != nil {
			return err
		}
		if round == 0 {
			var err error
			if x.rates, err = x.check.Rates(ctx, x.samples); err != nil {
				return err
			}
		}
		order := rand.New(rand.NewPCG(x.check.Seed, uint64(round))).Perm(len(x.rates))
		for _, level := range order {
			if err := x.load(ctx, level, round); err != nil {
				return err
			}
			progress.step()
		}
	}
	return nil
}

// measure takes a round's share of the samples.
func (x *realityRun) measure(ctx context.Context, round int) error {
	first, next := round*x.wanted/x.check.Rounds, (round+1)*x.wanted/x.check.Rounds
	job := gem5bridge.Job{
		Setup: x.setup, Seed: x.check.Seed, Deadline: 10 * time.Second, Campaign: fmt.Sprintf("reality-%d", round),
		Mix: gem5bridge.Mix{Name: servicetime.CatalogMix, Functions: x.check.Functions},
	}
	for _, name := range x.check.Functions {
		for _, condition := range x.check.Conditions() {
			job.Cells = append(job.Cells, gem5bridge.Cell{Function: name, Input: x.check.Input, Condition: condition, First: first, Count: next - first})
		}
	}
	return x.backend.Sample(ctx, job, func(e gem5bridge.Event) error {
		switch {
		case e.Sample == nil:
		case e.Sample.Status == servicetime.Valid:
			x.samples = append(x.samples, *e.Sample)
		default:
			x.app.log.Debug("sample does not count", "key", e.Sample.Key.String(), "reason", e.Sample.Reason)
		}
		return nil
	})
}

// load drives one load.
func (x *realityRun) load(ctx context.Context, level, round int) error {
	plan, err := x.check.Plan(x.rates[level], round)
	if err != nil {
		return err
	}
	loaded, err := x.backend.Load(ctx, host.Load{
		Setup: x.setup, Functions: x.check.Functions, Input: x.check.Input, Plan: plan,
		Seed: x.check.Seed + uint64(round), Within: time.Minute,
	})
	if err != nil {
		return fmt.Errorf("load at %.0f %%, round %d: %w", 100*x.check.Utilizations[level], round+1, err)
	}
	x.rounds = append(x.rounds, reality.Round{Level: level, Planned: len(plan), Served: loaded.Served, Machine: reality.Machine(loaded.Machine)})
	return nil
}

const (
	realityTitle = "# The simulator against this machine\n"
	realityHead  = realityTitle + "\nWritten by `make reality-record`; nothing here is edited by hand. What is compared, and how: `go doc ./cosim/reality`.\n\n```text\n"
)

// writeReality writes the report as a document.
func writeReality(path string, r *reality.Report) error {
	var text bytes.Buffer
	text.WriteString(realityHead)
	if err := report.Reality(&text, r); err != nil {
		return err
	}
	text.WriteString("```\n")
	if err := renameio.WriteFile(path, text.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}
