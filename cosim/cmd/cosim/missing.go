package main

import (
	"fmt"
	"text/tabwriter"

	"microcosm/gem5bridge"
)

// lack is one line of what `cosim sample --missing` prints.
type lack struct {
	Platform  string `json:"platform"`
	Function  string `json:"function"`
	Input     string `json:"input"`
	Condition string `json:"condition"`
	Valid     int    `json:"valid"` // samples that the store holds
	Missing   int    `json:"missing"`
}

// printMissing lists the cells that the store lacks samples of, of wanted each.
func (a *app) printMissing(m *measurer, cells []gem5bridge.Cell, wanted int) error {
	lacks := []lack{}
	total := 0
	for _, c := range cells {
		lacks = append(lacks, lack{m.platform.Name, c.Function, c.Input, c.Condition.String(), wanted - c.Count, c.Count})
		total += c.Count
	}
	if a.json {
		return printJSON(a.out, lacks)
	}
	table := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	for _, l := range lacks {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d of %d\n", l.Platform, l.Function, l.Input, l.Condition, l.Valid, wanted)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(a.err, "%d samples are missing in %d cells\n", total, len(cells))
	return nil
}
