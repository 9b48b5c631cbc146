package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"microcosm/cosim/experiment"
	"microcosm/cosim/scenario"
	"microcosm/results/report"
)

func (a *app) compareCommand() *cobra.Command {
	var o runOptions
	margin := .03
	c := &cobra.Command{
		Use:   "compare A B",
		Short: "Compare two scenarios or results under common random numbers",
		Long: `Compare B with A, each a scenario, which is run, or the result.json of an
earlier run. Where both have the same seed and number of replications, the
replications are paired, since they faced the same arrivals and the same luck.

Every difference B − A has an interval, a verdict, and a test whether the two
are equivalent: differ by no more than the margin.`,
		Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			var mistakes []error
			if !(margin > 0 && margin < 1) {
				mistakes = append(mistakes, usage("--margin %v: want a share between 0 and 1, such as 0.03", margin))
			}
			var both [2]compared
			for i, path := range args { // both are read before one is run
				var err error
				both[i], err = a.readCompared(c, path, o)
				mistakes = append(mistakes, err)
			}
			if err := errors.Join(mistakes...); err != nil {
				return err
			}
			for i := range both {
				if err := a.runCompared(c.Context(), &both[i], o); err != nil {
					return err
				}
			}
			comparison, err := experiment.Compare(both[0].result, both[1].result, margin)
			if err != nil {
				return err
			}
			if a.json {
				return printJSON(a.out, comparison)
			}
			return report.Compared(a.out, comparison)
		},
	}
	flags := c.Flags()
	flags.Float64Var(&margin, "margin", margin, "share by which equivalent runs may differ")
	flags.StringArrayVar(&o.set, "set", nil, "override a key of both scenarios, e.g. --set workload.duration=5s")
	flags.Uint64Var(&o.seed, "seed", 0, "override the seed of both scenarios")
	flags.IntVar(&o.replications, "replications", 0, "override fidelity.replications of both scenarios")
	return c
}

// compared is one of the two: a result, or a scenario that gives one.
type compared struct {
	scenario *scenario.Scenario
	result   *experiment.Result
}

func (a *app) readCompared(c *cobra.Command, path string, o runOptions) (x compared, err error) {
	if !isManifest(path) { // a result is JSON, too
		x.scenario, err = a.load(c, path, o)
		return x, err
	}
	var mistakes []error
	for _, flag := range []string{"set", "seed", "replications"} {
		if c.Flags().Changed(flag) {
			mistakes = append(mistakes, usage("%s is the result of a run that is over: --%s changes nothing of it; compare scenarios, or leave it out", path, flag))
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return x, errors.Join(append(mistakes, fmt.Errorf("read result: %w", err))...)
	}
	if x.result, err = experiment.ParseResult(text); err != nil {
		mistakes = append(mistakes, usage("%s: %w", path, err))
	}
	return x, errors.Join(mistakes...)
}

// runCompared runs what is a scenario, from the store.
func (a *app) runCompared(ctx context.Context, x *compared, o runOptions) (err error) {
	if x.result != nil {
		return nil
	}
	sources, err := a.openSources(ctx, x.scenario, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, sources.close()) }()
	x.result, err = a.simulate(ctx, x.scenario, sources)
	return err
}
