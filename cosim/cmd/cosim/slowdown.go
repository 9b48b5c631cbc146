package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"microcosm/cosim/metrics"
	"microcosm/cosim/servicetime"
	"microcosm/loadgen"
	"microcosm/results"
)

// slowdownLevel is the confidence level of the slowdown table's intervals.
const slowdownLevel = .95

// published is what the slowdown table may be held against.
const published = "published for lukewarm functions on a server's core: CPI +31 … +114 % (Schall et al., ISCA 2022, a stressor in between)"

func (a *app) storeSlowdown() *cobra.Command {
	c := &cobra.Command{
		Use: "slowdown", Short: "How much slower each condition is than warm, with intervals", Args: cobra.NoArgs,
		Long: `Compare every measured condition of a call with the warm one of the same
function, input, platform and stack: cycles per instruction (CPI) of the function's
core, CPI over that of warm, and median service time over that of warm. Intervals are
at 95 %, from resampled restores.`,
	}
	filter := filterFlags(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		picked, err := filter()
		if err != nil {
			return err
		}
		wanted := picked.Condition
		picked.Condition = servicetime.Condition{} // what it is compared with is needed too
		return a.withStore(c.Context(), func(store *results.Store) error {
			samples, err := store.Pick(c.Context(), picked)
			if err != nil {
				return err
			}
			var all []servicetime.Slowdown
			for _, s := range servicetime.Slowdowns(samples, func(name string) *rand.Rand { return loadgen.Rand(1, name) }, slowdownLevel) {
				if wanted.Kind == servicetime.Invalid || s.Key.Condition == wanted {
					all = append(all, s)
				}
			}
			if a.json {
				return printJSON(a.out, listed(all))
			}
			return printSlowdowns(a.out, all)
		})
	}
	return c
}

func printSlowdowns(w io.Writer, all []servicetime.Slowdown) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "FUNCTION\tPLATFORM\tCONDITION\tN\tCPI\tCPI OVER WARM\tSERVICE TIME OVER WARM")
	for _, s := range all {
		name := s.Key.Function
		if s.Key.Input != "default" {
			name += "/" + s.Key.Input
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%s\t%s\t%s\n", name, s.Key.Platform, s.Key.Condition, s.Valid, ratio(s.CPI), ratio(s.Ratio), ratio(s.Service))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w, published)
	return err
}

// ratio returns an estimate without a unit, and without an interval where there
// is none.
func ratio(e metrics.Estimate) string {
	switch {
	case e.OK():
		return fmt.Sprintf("%.2f [%.2f, %.2f]", e.Est, e.Lo, e.Hi)
	case e.Est != e.Est: // NaN
		return "-"
	default:
		return fmt.Sprintf("%.2f", e.Est)
	}
}
