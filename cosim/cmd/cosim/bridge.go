package main

import (
	"github.com/spf13/cobra"

	"microcosm/gem5bridge/gem5"
	"microcosm/gem5bridge/host"
)

// bridgeCommand is how cosim starts the back ends that are part of it, as plugins
// in processes of their own, and what keeps a core awake.
func (a *app) bridgeCommand() *cobra.Command {
	c := &cobra.Command{Use: "bridge", Short: "Be a plugin (started by cosim itself)", Hidden: true}
	c.AddCommand(&cobra.Command{
		Use: "host", Short: "Measure on this machine's own cores", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return host.Main() },
	}, &cobra.Command{
		Use: "gem5", Short: "Measure in gem5", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return gem5.Main() },
	}, &cobra.Command{
		Use: awakeName, Short: "Keep a core awake", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			host.StayAwake()
			return nil
		},
	})
	needVerb(c)
	return c
}
