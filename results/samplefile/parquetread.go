package samplefile

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"microcosm/cosim/servicetime"
)

// ReadParquet reads a table written by WriteParquet, or one with the same
// columns and types written by another program, and reports every mistake with
// its row, from 1; name is the file's name there.
func ReadParquet(name string, file io.ReaderAt, size int64) (samples []servicetime.Sample, err error) {
	// The library panics on some damaged files; to the caller they are damaged
	// files like the others.
	defer func() {
		if cause := recover(); cause != nil {
			samples, err = nil, fmt.Errorf("%s: not a sound Parquet file: %v", name, cause)
		}
	}()
	err = checkFooter(file, size)
	var table *parquet.File
	if err == nil {
		table, err = parquet.OpenFile(file, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	}
	if err != nil {
		return nil, fmt.Errorf("%s: not a sound Parquet file: %w", name, err)
	}
	r := &parquetReader{mistakes: mistakes{name: name}, seen: map[numbered]int64{}}
	columns := r.match(table.Schema())
	r.checkCodecs(table.Metadata())
	if r.err() != nil {
		return nil, r.err()
	}
	for _, group := range table.RowGroups() {
		if err := r.rows(group, columns); err != nil {
			return nil, fmt.Errorf("%s: after row %d: %w", name, r.row, err)
		}
	}
	if err := r.err(); err != nil {
		return nil, err
	}
	return r.samples, nil
}

// parquetReader reads one table.
type parquetReader struct {
	mistakes
	row     int64
	seen    map[numbered]int64 // row of each sample
	samples []servicetime.Sample
}

// codecs are the compressions read. The library's other decoders take memory
// without limit on damaged data.
var codecs = []format.CompressionCodec{format.Uncompressed, format.Snappy, format.Gzip, format.Zstd}

func (r *parquetReader) checkCodecs(metadata *format.FileMetaData) {
	for _, group := range metadata.RowGroups {
		for _, column := range group.Columns {
			if codec := column.MetaData.Codec; !slices.Contains(codecs, codec) {
				r.at(0, "column %q is compressed with %s, want one of %v", strings.Join(column.MetaData.PathInSchema, "."), codec, codecs)
			}
		}
	}
}

// match returns what to do with each column of the file, by its index.
func (r *parquetReader) match(schema *parquet.Schema) []cell {
	columns := make([]cell, len(schema.Columns()))
	known := cells()
	for i, path := range schema.Columns() {
		leaf, _ := schema.Lookup(path...) // it is one of the schema's own
		name := strings.Join(path, ".")
		var c *cell
		for j := range known {
			if known[j].name == name {
				c = &known[j]
			}
		}
		if counter, found := strings.CutPrefix(name, counterPrefix); found && counter != "" {
			extra := counterCell(counter)
			c = &extra
		}
		switch {
		case c == nil:
			r.at(0, "unknown column %q", name)
		case leaf.MaxRepetitionLevel > 0:
			r.at(0, "column %q is a list of %s, want %s", name, leaf.Node.Type(), c.node.Type())
		case leaf.Node.Type().Kind() != c.node.Type().Kind():
			r.at(0, "column %q is %s, want %s", name, leaf.Node.Type(), c.node.Type())
		case c.name == "measured" && secondsIn(leaf.Node) == 0:
			r.at(0, "column %q must be a timestamp", name)
		case c.name == "measured":
			columns[i] = measuredCell(secondsIn(leaf.Node))
		default:
			columns[i] = *c
		}
	}
	for _, c := range known {
		if _, found := schema.Lookup(c.name); !found {
			r.at(0, "column %q is missing", c.name)
		}
	}
	return columns
}

// secondsIn returns how many units of a timestamp column make a second, or 0 if
// it is none.
func secondsIn(n parquet.Node) int64 {
	logical := n.Type().LogicalType()
	if logical == nil {
		return 0
	}
	stamp, ok := logical.Value.(*format.TimestampType)
	if !ok {
		return 0
	}
	return int64(time.Second / stamp.Unit.Value.Duration())
}

// rows reads the samples of one row group.
func (r *parquetReader) rows(group parquet.RowGroup, columns []cell) error {
	rows := group.Rows()
	defer rows.Close() //nolint:errcheck // nothing was written
	buffer := make([]parquet.Row, 64)
	for r.count <= maxMistakes { // a damaged file may repeat one row for ever
		n, err := rows.ReadRows(buffer)
		for _, row := range buffer[:n] {
			r.row++
			r.sample(row, columns)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if n == 0 {
			return io.ErrNoProgress
		}
	}
	return nil
}

func (r *parquetReader) sample(row parquet.Row, columns []cell) {
	var sample servicetime.Sample
	before := r.count
	for _, value := range row {
		c := columns[value.Column()]
		if err := c.set(&sample, value); err != nil {
			r.at(0, "row %d: %s: %w", r.row, c.name, err)
		}
	}
	if r.count > before {
		return
	}
	if err := Check(sample); err != nil {
		r.at(0, "row %d: %w", r.row, err)
		return
	}
	id := numbered{sample.Key, sample.N}
	if earlier, twice := r.seen[id]; twice {
		r.at(0, "row %d: sample %d of %s stands in row %d already", r.row, sample.N, sample.Key, earlier)
		return
	}
	r.seen[id] = r.row
	r.samples = append(r.samples, sample)
}
