package samplefile

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/parquet-go/parquet-go"

	"microcosm/cosim/servicetime"
)

// tableName is the name of the root of the Parquet schema.
const tableName = "microcosm_samples"

// cell is one value of a sample in a Parquet table.
type cell struct {
	name string
	node parquet.Node
	get  func(*servicetime.Sample) parquet.Value
	set  func(*servicetime.Sample, parquet.Value) error
}

// cells returns the columns that every table has; those of counters follow.
func cells() []cell {
	var list []cell
	for _, f := range fields {
		if f.text != nil {
			list = append(list, textCell(f.name, func(s *servicetime.Sample) string { return *f.text(s) },
				func(s *servicetime.Sample, v string) error { *f.text(s) = v; return nil }))
		}
	}
	return append(list,
		textCell("condition", condition, setCondition),
		textCell("status", func(s *servicetime.Sample) string { return s.Status.String() }, setStatus),
		integerCell("n", func(s *servicetime.Sample) int64 { return int64(s.N) }, func(s *servicetime.Sample, v int64) { s.N = int(v) }),
		seedCell(),
		integerCell("round_trip_ps", func(s *servicetime.Sample) int64 { return int64(s.RoundTrip) }, func(s *servicetime.Sample, v int64) { s.RoundTrip = servicetime.Ticks(v) }),
		integerCell("null_ps", func(s *servicetime.Sample) int64 { return int64(s.Null) }, func(s *servicetime.Sample, v int64) { s.Null = servicetime.Ticks(v) }),
		integerCell("busy_ps", func(s *servicetime.Sample) int64 { return int64(s.Busy) }, func(s *servicetime.Sample, v int64) { s.Busy = servicetime.Ticks(v) }),
		integerCell("cost_ns", func(s *servicetime.Sample) int64 { return int64(s.Provenance.Cost) }, func(s *servicetime.Sample, v int64) { s.Provenance.Cost = time.Duration(v) }),
		measuredCell(1000),
	)
}

func textCell(name string, get func(*servicetime.Sample) string, set func(*servicetime.Sample, string) error) cell {
	return cell{
		name: name,
		node: parquet.Encoded(parquet.String(), &parquet.RLEDictionary),
		get:  func(s *servicetime.Sample) parquet.Value { return parquet.ByteArrayValue([]byte(get(s))) },
		set: func(s *servicetime.Sample, v parquet.Value) error {
			if v.IsNull() {
				return errors.New("empty")
			}
			return set(s, string(v.ByteArray()))
		},
	}
}

func integerCell(name string, get func(*servicetime.Sample) int64, set func(*servicetime.Sample, int64)) cell {
	return cell{
		name: name,
		node: parquet.Int(64),
		get:  func(s *servicetime.Sample) parquet.Value { return parquet.Int64Value(get(s)) },
		set: func(s *servicetime.Sample, v parquet.Value) error {
			if v.IsNull() {
				return errors.New("empty")
			}
			set(s, v.Int64())
			return nil
		},
	}
}

func seedCell() cell {
	c := integerCell("seed", func(s *servicetime.Sample) int64 { return int64(s.Seed) }, func(s *servicetime.Sample, v int64) { s.Seed = uint64(v) })
	c.node = parquet.Uint(64)
	return c
}

// measuredCell is null where the date is not known. A second has perSecond units.
func measuredCell(perSecond int64) cell {
	return cell{
		name: "measured",
		node: parquet.Optional(parquet.Timestamp(parquet.Millisecond)),
		get: func(s *servicetime.Sample) parquet.Value {
			if s.Provenance.Measured.IsZero() {
				return parquet.NullValue()
			}
			return parquet.Int64Value(s.Provenance.Measured.Unix() * perSecond)
		},
		set: func(s *servicetime.Sample, v parquet.Value) error {
			if !v.IsNull() {
				s.Provenance.Measured = time.Unix(v.Int64()/perSecond, 0).UTC()
			}
			return nil
		},
	}
}

// counterCell is null where the counter was not measured.
func counterCell(name string) cell {
	return cell{
		name: counterPrefix + name,
		node: parquet.Optional(parquet.Int(64)),
		get: func(s *servicetime.Sample) parquet.Value {
			value, counted := s.Counters[name]
			if !counted {
				return parquet.NullValue()
			}
			return parquet.Int64Value(value)
		},
		set: func(s *servicetime.Sample, v parquet.Value) error {
			if v.IsNull() {
				return nil
			}
			if s.Counters == nil {
				s.Counters = map[string]int64{}
			}
			s.Counters[name] = v.Int64()
			return nil
		},
	}
}

// WriteParquet writes samples as one Parquet table, one flat row per sample in
// the order given.
func WriteParquet(w io.Writer, samples []servicetime.Sample) error {
	table := cells()
	for _, name := range counterNames(samples) {
		table = append(table, counterCell(name))
	}
	root := parquet.Group{}
	for _, c := range table {
		root[c.name] = c.node
	}
	schema := parquet.NewSchema(tableName, root)
	writer := parquet.NewGenericWriter[any](w, schema, parquet.Compression(&parquet.Zstd))
	columns := make([]parquet.LeafColumn, len(table))
	for i, c := range table {
		columns[i], _ = schema.Lookup(c.name) // each is in root
	}
	row := make(parquet.Row, len(table))
	for i := range samples {
		for j, c := range table {
			value, column := c.get(&samples[i]), columns[j]
			present := column.MaxDefinitionLevel
			if value.IsNull() {
				present = 0
			}
			row[column.ColumnIndex] = value.Level(0, present, column.ColumnIndex)
		}
		if _, err := writer.WriteRows([]parquet.Row{row}); err != nil {
			return fmt.Errorf("write samples: %w", err)
		}
	}
	if err := writer.Close(); err != nil {
		return fmt.Errorf("write samples: %w", err)
	}
	return nil
}
