package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"microcosm/cosim/servicetime"
	"microcosm/results"
	"microcosm/results/recorded"
)

func (a *app) storeCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "store",
		Short: "Look into the store of measured samples, check it, exchange samples",
	}
	c.AddCommand(a.storeList(), a.storeVerify(), a.storeMerge(), a.storeExport(), a.storeImport(), a.storeGC(), a.storeSlowdown())
	needVerb(c)
	return c
}

// withStore opens the store, runs f and closes the store.
func (a *app) withStore(ctx context.Context, f func(*results.Store) error) (err error) {
	store, err := a.openStore(ctx, "")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	return f(store)
}

// filterFlags adds the flags that pick samples by their keys.
func filterFlags(c *cobra.Command) func() (results.Filter, error) {
	var f results.Filter
	var condition string
	flags := c.Flags()
	flags.StringVar(&f.Function, "function", "", "only this function")
	flags.StringVar(&f.Input, "input", "", "only this input class")
	flags.StringVar(&f.Platform, "platform", "", "only this platform")
	flags.StringVar(&condition, "condition", "", "only this condition, e.g. lukewarm:4")
	flags.StringVar(&f.Stack, "stack", "", "only this stack digest")
	flags.StringVar(&f.Collection, "collection", "", "only this collection, e.g. recorded")
	flags.BoolVar(&f.Own, "own", false, "only what was measured or imported here, not what came with the program")
	return func() (results.Filter, error) {
		var mistakes []error
		if f.Own && f.Collection != "" {
			mistakes = append(mistakes, usage("--own and --collection %s exclude each other: leave one out", f.Collection))
		}
		if condition != "" {
			var err error
			if f.Condition, err = servicetime.ParseCondition(condition); err != nil {
				mistakes = append(mistakes, usageError{err})
			}
		}
		return f, errors.Join(mistakes...)
	}
}

func (a *app) storeList() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "List what was measured, one line per key", Args: cobra.NoArgs}
	filter := filterFlags(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		picked, err := filter()
		if err != nil {
			return err
		}
		return a.withStore(c.Context(), func(store *results.Store) error {
			keys, err := store.Keys(c.Context(), picked)
			if err != nil {
				return err
			}
			if a.json {
				return printJSON(a.out, listed(keys))
			}
			return printKeys(a.out, keys)
		})
	}
	return c
}

func printKeys(w io.Writer, keys []results.KeySummary) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "FUNCTION\tINPUT\tPLATFORM\tCONDITION\tVALID\tCENSORED\tREJECTED\tRESTORES\tMEDIAN\tSTACK")
	for _, k := range keys {
		median := "-"
		if k.Valid > 0 {
			median = k.Median.Duration().String()
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\t%d\t%d\t%d\t%s\t%.12s\n", k.Key.Function, k.Key.Input, k.Key.Platform, k.Key.Condition,
			k.Valid, k.Censored, k.Rejected, k.Restores, median, k.Key.Stack)
	}
	return table.Flush()
}

func (a *app) storeVerify() *cobra.Command {
	return &cobra.Command{
		Use: "verify", Short: "Check every page, key, sample and digest of the store", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.withStore(c.Context(), func(store *results.Store) error {
				findings, err := store.Verify(c.Context())
				if err != nil {
					return err
				}
				damaged := 0
				for _, f := range findings {
					if f.Damage {
						damaged++
					}
				}
				if a.json {
					if err := printJSON(a.out, listed(findings)); err != nil {
						return err
					}
				} else {
					for _, f := range findings {
						fmt.Fprintln(a.out, f)
					}
				}
				if damaged > 0 {
					return fmt.Errorf("%s is damaged in %d places; save what is sound into a new one with: cosim --store NEW store merge --salvage %s", store.Path(), damaged, store.Path())
				}
				if !a.json {
					fmt.Fprintln(a.out, store.Path()+": no damage")
				}
				return nil
			})
		},
	}
}

func (a *app) storeMerge() *cobra.Command {
	var salvage bool
	c := &cobra.Command{
		Use: "merge FILE...", Short: "Add the samples and runs of other stores, e.g. from another machine", Args: cobra.MinimumNArgs(1),
	}
	c.Flags().BoolVar(&salvage, "salvage", false, "take what is sound from a damaged store, and say what is left behind")
	c.RunE = func(c *cobra.Command, files []string) error {
		return a.withStore(c.Context(), func(store *results.Store) error {
			var mistakes []error
			for _, file := range files { // each is added wholly or not at all
				tally, lost, err := mergeFile(c.Context(), store, file, salvage)
				if err != nil {
					mistakes = append(mistakes, err)
					continue
				}
				for _, f := range lost {
					fmt.Fprintf(a.err, "%s: left behind: %s\n", file, f.What)
				}
				fmt.Fprintf(a.err, "%s: %d samples and %d runs added, %d were there\n", file, tally.Added, tally.Runs, tally.Present)
			}
			return errors.Join(mistakes...)
		})
	}
	return c
}

func mergeFile(ctx context.Context, into *results.Store, file string, salvage bool) (tally results.Tally, lost []results.Finding, err error) {
	other, err := results.Open(ctx, file, results.Options{ReadOnly: true})
	if err != nil {
		return results.Tally{}, nil, err
	}
	if salvage {
		tally, lost, err = into.Salvage(ctx, other)
	} else {
		tally, err = into.Merge(ctx, other)
	}
	return tally, lost, errors.Join(err, other.Close())
}

func (a *app) storeExport() *cobra.Command {
	var force bool
	c := &cobra.Command{
		Use: "export FOLDER|FILE.parquet", Short: "Write samples as text that diffs, or as one Parquet table", Args: cobra.ExactArgs(1),
	}
	c.Flags().BoolVar(&force, "force", false, "replace files that exist with other content")
	filter := filterFlags(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		picked, err := filter()
		if err != nil {
			return err
		}
		return a.withStore(c.Context(), func(store *results.Store) error {
			export := store.Export
			if isParquet(args[0]) {
				export = store.ExportParquet
			}
			exported, err := export(c.Context(), args[0], picked, force)
			if err != nil {
				return err
			}
			if exported.Samples == 0 {
				return fmt.Errorf("%s holds no samples like that; cosim store list shows what it holds", store.Path())
			}
			for _, file := range exported.Written {
				fmt.Fprintln(a.out, file)
			}
			fmt.Fprintf(a.err, "%d samples: %d files written, %d unchanged\n", exported.Samples, len(exported.Written), len(exported.Unchanged))
			return nil
		})
	}
	return c
}

func (a *app) storeImport() *cobra.Command {
	return &cobra.Command{
		Use: "import FILE|FOLDER...", Short: "Add samples from text, Parquet, or CSV measured elsewhere", Args: cobra.MinimumNArgs(1),
		Long: `Add samples from files that export wrote, or from a CSV file of samples
measured elsewhere. Such a file needs a header of "# name: value" lines with the
key and the provenance; results/FORMAT.md describes it.`,
		RunE: func(c *cobra.Command, paths []string) error {
			return a.withStore(c.Context(), func(store *results.Store) error {
				var mistakes []error
				for _, path := range paths { // each is added wholly or not at all
					tally, err := store.Import(c.Context(), path)
					if err != nil {
						mistakes = append(mistakes, err)
						continue
					}
					fmt.Fprintf(a.err, "%s: %d samples added, %d were there\n", path, tally.Added, tally.Present)
				}
				return errors.Join(mistakes...)
			})
		},
	}
}

func (a *app) storeGC() *cobra.Command {
	var policy results.Policy
	c := &cobra.Command{
		Use: "gc", Short: "Remove samples of stacks that are no longer wanted, and the space they took", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := droppable(policy.DropCollections); err != nil {
				return err
			}
			return a.withStore(c.Context(), func(store *results.Store) error {
				collected, err := store.GC(c.Context(), policy)
				if err != nil {
					return err
				}
				if a.json {
					collected.Stacks = listed(collected.Stacks)
					return printJSON(a.out, collected)
				}
				for _, s := range collected.Stacks {
					fmt.Fprintf(a.out, "%d samples of stack %s\n", s.Samples, s.Stack)
				}
				fmt.Fprintf(a.out, "%d keys and %d provenance records without samples; %d bytes before, %d after\n",
					collected.Keys, collected.Provenance, collected.Before, collected.After)
				return nil
			})
		},
	}
	flags := c.Flags()
	flags.StringSliceVar(&policy.KeepStacks, "keep-stack", nil, "of what was measured or imported here, keep only samples of these stacks")
	flags.StringSliceVar(&policy.DropCollections, "drop-collection", nil, "remove these collections with their samples")
	flags.BoolVar(&policy.DryRun, "dry-run", false, "only say what would be removed")
	return c
}

// droppable refuses to drop what the next command would put back.
func droppable(collections []string) error {
	shipped, err := recorded.Label()
	if err == nil && shipped != "" && slices.Contains(collections, recorded.Collection) {
		err = usage("--drop-collection %s: these samples are part of the program, which puts them back whenever it opens a store; --own leaves them out of a list or an export, fidelity.stack: local out of a run", recorded.Collection)
	}
	return err
}

// listed returns a list that JSON shows as one even if it is empty.
func listed[T any](list []T) []T { return append([]T{}, list...) }

func isParquet(path string) bool { return len(path) > 8 && path[len(path)-8:] == ".parquet" }

func printJSON(w io.Writer, value any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	if err := e.Encode(value); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return nil
}

// executable returns this program's own path, of which plugins are made.
func executable() (string, error) {
	path, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	return path, nil
}
