package report

import (
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/parquet-go/parquet-go"

	"microcosm/cosim/experiment"
)

// Keys of the metadata of Parquet files.
const (
	metaSchema   = "microcosm.schema"
	metaScenario = "microcosm.scenario"
)

// Parquet writes what CSV writes, as columns: names are strings, est, lo and hi
// are doubles and n is an int64. What is not known is null, and so are the
// factors' levels in lines of effects. The scenario's digest stands in the
// file's metadata as microcosm.scenario. In Python:
//
//	import pandas
//	df = pandas.read_parquet("report.parquet")
//	p99 = df[(df.scope == "all") & (df.metric == "response_p99")]
//	print(p99[["run", "est", "lo", "hi"]])
func Parquet(w io.Writer, r *experiment.Result) error {
	schema := parquet.NewSchema("report", tidyColumns(r))
	out := parquet.NewWriter(w, schema, &parquet.WriterConfig{
		CreatedBy:   "microcosm",
		Compression: &parquet.Snappy,
		KeyValueMetadata: map[string]string{
			metaSchema:   r.Schema,
			metaScenario: clean(r.Scenario),
		},
	})
	var rows []parquet.Row
	flush := func() error {
		_, err := out.WriteRows(rows)
		rows = rows[:0]
		return err
	}
	for o := range observations(r) {
		rows = append(rows, o.parquetRow(len(r.Factors)))
		if len(rows) == 1024 {
			if err := flush(); err != nil {
				return fmt.Errorf("write report as Parquet: %w", err)
			}
		}
	}
	if err := flush(); err != nil {
		return fmt.Errorf("write report as Parquet: %w", err)
	}
	if err := out.Close(); err != nil {
		return fmt.Errorf("write report as Parquet: %w", err)
	}
	return nil
}

// tidyColumns is the schema of the tidy files.
func tidyColumns(r *experiment.Result) ordered {
	word := parquet.Encoded(parquet.String(), &parquet.RLEDictionary)
	value := parquet.Optional(parquet.Leaf(parquet.DoubleType))
	var o ordered
	for _, name := range tidyHead(r) {
		node := word
		switch {
		case strings.HasPrefix(name, "factor_"):
			node = parquet.Optional(word)
		case name == "est" || name == "lo" || name == "hi":
			node = value
		case name == "n":
			node = parquet.Leaf(parquet.Int64Type)
		}
		o.fields = append(o.fields, named{node, name})
	}
	return o
}

// ordered is a group whose columns stay in the order given; parquet.Group sorts
// them by name.
type ordered struct {
	parquet.Group
	fields []parquet.Field
}

func (o ordered) Fields() []parquet.Field { return o.fields }

// named is a column of ordered.
type named struct {
	parquet.Node
	name string
}

func (n named) Name() string { return n.name }

// Value is never asked for: rows are written as parquet.Row.
func (n named) Value(reflect.Value) reflect.Value { return reflect.Value{} }

func (o observation) parquetRow(factors int) parquet.Row {
	row := make(parquet.Row, 0, 11+factors)
	required := func(v parquet.Value) { row = append(row, v.Level(0, 0, len(row))) }
	optional := func(v parquet.Value) {
		present := 1
		if v.IsNull() {
			present = 0
		}
		row = append(row, v.Level(0, present, len(row)))
	}
	text := func(s string) parquet.Value { return parquet.ByteArrayValue([]byte(strings.ToValidUTF8(s, "\uFFFD"))) }
	required(text(o.run))
	for i := range factors {
		if o.levels == nil {
			optional(parquet.NullValue())
		} else {
			optional(text(o.levels[i]))
		}
	}
	for _, s := range []string{o.scope, o.name, o.metric, o.unit} {
		required(text(s))
	}
	for _, x := range []float64{o.est, o.lo, o.hi} {
		if known(x) {
			optional(parquet.DoubleValue(x))
		} else {
			optional(parquet.NullValue())
		}
	}
	required(parquet.Int64Value(o.n))
	for _, s := range []string{o.method, o.status, o.note} {
		required(text(s))
	}
	return row
}
