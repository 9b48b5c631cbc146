package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"microcosm/cosim/controlplane/knative"
)

// autoscaleCommand is `cosim autoscale`.
func (a *app) autoscaleCommand() *cobra.Command {
	var check bool
	c := &cobra.Command{
		Use:   "autoscale [WALK.jsonl...]",
		Short: "Replay walks of metrics through Knative's autoscaler",
		Long: `Read walks as JSON lines, from files or from standard input: the first line
holds the settings, by their names in Knative's ConfigMap, every further line
what was observed at an instant. For every line with "decide" write the decision.
Where a line says what Knative itself decided ("want"), compare; a difference
ends with exit code 1.

The format, and how to record a walk from a running Knative, stands in
cosim/controlplane/knative/WALKS.md.`,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return a.autoscale("standard input", a.in, check)
			}
			var wrong []error
			for _, path := range args {
				wrong = append(wrong, a.autoscaleFile(path, check))
			}
			return errors.Join(wrong...)
		},
	}
	c.Flags().BoolVar(&check, "check", false, "write how many decisions agree, not the decisions")
	return c
}

func (a *app) autoscaleFile(path string, check bool) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read walk: %w; check the path", err)
	}
	defer func() { _ = file.Close() }() // only read from
	return a.autoscale(path, file, check)
}

func (a *app) autoscale(name string, walk io.Reader, check bool) error {
	decisions := 0
	lines := json.NewEncoder(a.out)
	err := knative.Replay(walk, func(answer knative.Answer) error {
		decisions++
		if check {
			return nil
		}
		return lines.Encode(answer)
	})
	switch {
	case errors.Is(err, knative.ErrWalk):
		return usageError{fmt.Errorf("%s:\n%w", name, err)}
	case err != nil:
		return fmt.Errorf("%s:\n%w", name, err)
	}
	if check {
		fmt.Fprintf(a.out, "%s: %d decisions, none differs from the walk\n", name, decisions)
	}
	return nil
}
