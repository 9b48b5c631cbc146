package samplefile

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"microcosm/cosim/servicetime"
)

const (
	textFormat  = "# microcosm samples "
	textVersion = 2

	// textEnd is the last line: what was cut off a file takes a part of it away.
	textEnd = "# end of %d samples"

	// counterPrefix marks the columns of counters, whose names are free.
	counterPrefix = "counter:"
)

// WriteText writes samples as text: what is the same for all stands in the
// header, then one row per sample in the order given, then how many there are.
// Sort them first, so that equal samples give equal bytes.
func WriteText(w io.Writer, samples []servicetime.Sample) error {
	if len(samples) == 0 {
		return errors.New("write samples: there are none")
	}
	var header strings.Builder
	fmt.Fprintf(&header, "%s%d\n", textFormat, textVersion)
	var columns []field
	for _, f := range fields {
		value := f.get(&samples[0])
		if !f.inHeader || !constant(f, samples, value) {
			columns = append(columns, f)
			continue
		}
		if value != "" {
			value = " " + value
		}
		fmt.Fprintf(&header, "# %s:%s\n", f.name, value)
	}
	counters := counterNames(samples)
	_, err := io.WriteString(w, header.String())
	table := csv.NewWriter(w)
	row := make([]string, 0, len(columns)+len(counters))
	for _, f := range columns {
		row = append(row, f.name)
	}
	for _, name := range counters {
		row = append(row, counterPrefix+name)
	}
	err = errors.Join(err, table.Write(row))
	for i := range samples {
		row = row[:0]
		for _, f := range columns {
			row = append(row, f.get(&samples[i]))
		}
		for _, name := range counters {
			cell := ""
			if value, counted := samples[i].Counters[name]; counted {
				cell = strconv.FormatInt(value, 10)
			}
			row = append(row, cell)
		}
		err = errors.Join(err, table.Write(row))
	}
	table.Flush()
	_, last := fmt.Fprintf(w, textEnd+"\n", len(samples))
	if err = errors.Join(err, table.Error(), last); err != nil {
		return fmt.Errorf("write samples: %w", err)
	}
	return nil
}

func constant(f field, samples []servicetime.Sample, value string) bool {
	for i := range samples {
		if f.get(&samples[i]) != value {
			return false
		}
	}
	return true
}

// counterNames returns the names that any of the samples has, in order.
func counterNames(samples []servicetime.Sample) []string {
	names := map[string]bool{}
	for _, s := range samples {
		for name := range s.Counters {
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}
