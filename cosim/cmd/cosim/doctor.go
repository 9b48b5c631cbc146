package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"microcosm/functions"
	"microcosm/gem5bridge/gem5"
	"microcosm/results"
	"microcosm/results/recorded"
	"microcosm/setup"
)

// finding is one line of the doctor's report.
type finding struct {
	Check  string `json:"check"`
	Status string `json:"status"` // ok, note (works, with a limit) or missing
	Detail string `json:"detail"`
	Remedy string `json:"remedy,omitempty"`
}

func (a *app) doctorCommand() *cobra.Command {
	var folder string
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Check what this machine has for measuring and simulating, and say what to do",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			findings := a.examine(c.Context(), folder)
			if a.json {
				if err := printJSON(a.out, findings); err != nil {
					return err
				}
			} else {
				table := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
				for _, f := range findings {
					fmt.Fprintf(table, "%s\t%s\t%s\n", f.Status, f.Check, f.Detail)
					if f.Remedy != "" {
						fmt.Fprintf(table, "\t\t→ %s\n", f.Remedy)
					}
				}
				if err := table.Flush(); err != nil {
					return err
				}
			}
			for _, f := range findings {
				if f.Status == "missing" {
					return errors.New("something is missing; see above")
				}
			}
			return nil
		},
	}
	c.Flags().StringVar(&folder, "functions-dir", "", "folder of installed functions")
	return c
}

// examine runs every check; none keeps another from running.
func (a *app) examine(ctx context.Context, folder string) []finding {
	var list []finding
	list = append(list, a.examineStore(ctx)...)
	list = append(list, examineCores())
	list = append(list, a.examineFunctions(folder)...)
	list = append(list, a.examineBackend(ctx, folder))
	return append(list, examineGem5(ctx))
}

// examineGem5 looks for gem5, which only detailed simulation needs.
func examineGem5(ctx context.Context) finding {
	program, err := gem5.Find(ctx, "")
	var absent *gem5.NotFoundError
	switch {
	case errors.As(err, &absent):
		return finding{"gem5", "note", absent.Why + ": nothing can be measured in detail", gem5.Remedy}
	case err != nil:
		return finding{"gem5", "note", err.Error(), gem5.Remedy}
	}
	ruby := "without Ruby"
	if program.Ruby {
		ruby = "with Ruby"
	}
	return finding{Check: "gem5", Status: "ok", Detail: fmt.Sprintf("%s, simulates %v, %s, %s (24.0.0.1 was tried)", program.Version, program.ISAs, ruby, program.Path)}
}

func (a *app) examineStore(ctx context.Context) []finding {
	store, err := a.openStore(ctx, "")
	if err != nil {
		return []finding{{"store", "missing", err.Error(), "name another file with --store"}}
	}
	defer func() { _ = store.Close() }() // only read
	list := []finding{{Check: "store", Status: "ok", Detail: store.Path()}}
	keys, err := store.Keys(ctx, results.Filter{Collection: recorded.Collection})
	switch {
	case err != nil:
		return append(list, finding{"recorded samples", "missing", err.Error(), "check the store with cosim store verify"})
	case len(keys) == 0:
		return append(list, finding{"recorded samples", "note", "none ship with this build", "measure with cosim sample"})
	}
	return append(list, finding{Check: "recorded samples", Status: "ok", Detail: fmt.Sprintf("%d keys", len(keys))})
}

func examineCores() finding {
	if n := runtime.NumCPU(); n < 2 {
		return finding{"cores", "note", "one only: client and function share it while measuring", "measure on a machine with two or more"}
	}
	return finding{Check: "cores", Status: "ok", Detail: fmt.Sprintf("%d", runtime.NumCPU())}
}

// examineFunctions looks for the installed functions and what runs them.
func (a *app) examineFunctions(folder string) []finding {
	root, err := functionsFolder(folder)
	if err != nil {
		return []finding{{"functions", "missing", err.Error(), "make build"}}
	}
	catalog, err := functions.Load()
	if err != nil {
		return []finding{{"functions", "missing", err.Error(), "this build is broken: build it again"}}
	}
	var absent []string
	programs := map[string]bool{}
	for _, name := range catalog.Names() {
		f, err := catalog.Lookup(name)
		if err != nil {
			continue // Names lists only what Lookup finds
		}
		argv, _, err := f.Command(root, 1)
		if err != nil {
			absent = append(absent, name)
			continue
		}
		programs[argv[0]] = true
	}
	list := []finding{{Check: "functions", Status: "ok", Detail: fmt.Sprintf("%d of %d installed in %s", len(catalog.Names())-len(absent), len(catalog.Names()), root)}}
	if len(absent) > 0 {
		list[0].Status, list[0].Remedy = "note", "make build installs "+strings.Join(absent, ", ")
	}
	for _, program := range slices.Sorted(maps.Keys(programs)) {
		if _, err := setup.Find(program); err != nil {
			list = append(list, finding{"interpreter", "missing", err.Error(), ""})
		}
	}
	return list
}

// examineBackend starts the host back end and asks what it can do.
func (a *app) examineBackend(ctx context.Context, folder string) finding {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	m, err := a.connect(ctx, campaign{backend: "host", functions: folder})
	if err != nil {
		return finding{"back end host", "missing", err.Error(), "make build, then try again"}
	}
	detail := fmt.Sprintf("%s, platform %s", m.description.Version, m.platform.Name)
	if err := m.simulator.Close(); err != nil {
		return finding{"back end host", "missing", err.Error(), "look for processes it left with ps"}
	}
	return finding{Check: "back end host", Status: "ok", Detail: detail}
}
