package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"microcosm/cosim/experiment"
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
			if !(margin > 0 && margin < 1) {
				return usage("--margin %v: want a share between 0 and 1, such as 0.03", margin)
			}
			var both [2]*experiment.Result
			for i, path := range args {
				var err error
				if both[i], err = a.resultOf(c, path, o); err != nil {
					return err
				}
			}
			comparison, err := experiment.Compare(both[0], both[1], margin)
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

// resultOf reads a result, or runs a scenario from the store.
func (a *app) resultOf(c *cobra.Command, path string, o runOptions) (_ *experiment.Result, err error) {
	if isManifest(path) { // a result is JSON, too
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read result: %w", err)
		}
		result, err := experiment.ParseResult(text)
		if err != nil {
			return nil, usage("%s: %w", path, err)
		}
		return result, nil
	}
	s, err := a.load(c, path, o)
	if err != nil {
		return nil, err
	}
	sources, err := a.openSources(c.Context(), s, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, sources.close()) }()
	return a.simulate(c.Context(), s, sources)
}
