package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"microcosm/cosim/experiment"
)

func (a *app) reportCommand() *cobra.Command {
	var o runOptions
	c := &cobra.Command{
		Use:   "report RESULT.json|FOLDER",
		Short: "Show the result of a run again, as a table or as files",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			path := args[0]
			if info, err := os.Stat(path); err == nil && info.IsDir() {
				path = filepath.Join(path, "result.json") // what run --out writes there
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return fmt.Errorf("read result: %w", err)
			}
			result, err := experiment.ParseResult(text)
			if err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			return a.print(result, text, o)
		},
	}
	flags := c.Flags()
	flags.StringVar(&o.out, "out", "", "write the reports into this folder")
	flags.BoolVar(&o.force, "force", false, "replace the reports of another scenario in that folder")
	flags.BoolVar(&o.all, "all", false, "show every function, node and condition")
	return c
}
