package main

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"

	"microcosm/cosim/experiment"
	"microcosm/results/recorded"
)

// about is what identifies this build.
type about struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Go       string `json:"go"`
	Result   string `json:"result_schema"`
	Recorded string `json:"recorded"` // label of the samples that ship with it
}

func thisBuild() about {
	label, err := recorded.Label()
	if err != nil {
		label = err.Error()
	}
	a := about{Version: "unknown", Result: experiment.Schema, Recorded: label}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return a
	}
	a.Version, a.Go = info.Main.Version, info.GoVersion
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			a.Revision = s.Value
		}
	}
	return a
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print what this build is", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			b := thisBuild()
			if a.json {
				return printJSON(a.out, b)
			}
			fmt.Fprintf(a.out, "cosim %s (%s), results %s, %.21s\n", b.Version, b.Go, b.Result, b.Recorded)
			return nil
		},
	}
}
