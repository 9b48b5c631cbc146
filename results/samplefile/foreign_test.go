package samplefile_test

import (
	"bytes"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"
	"github.com/stretchr/testify/require"

	"microcosm/cosim/servicetime"
	"microcosm/results/samplefile"
)

// rewritten is a table as another program writes it that got ours: read, changed
// and written with its own options.
func rewritten[T any](t testing.TB, rows []T, groups int, options ...parquet.WriterOption) []byte {
	t.Helper()
	var b bytes.Buffer
	w := parquet.NewGenericWriter[T](&b, options...)
	for g := range groups {
		_, err := w.Write(rows[g*len(rows)/groups : (g+1)*len(rows)/groups])
		require.NoError(t, err)
		require.NoError(t, w.Flush())
	}
	require.NoError(t, w.Close())
	return b.Bytes()
}

func rowsOf(samples []servicetime.Sample) []row {
	var rows []row
	for _, s := range samples {
		rows = append(rows, rowOf(s))
	}
	return rows
}

func TestEveryCompressionThatIsPromisedIsRead(t *testing.T) {
	t.Parallel()
	samples := some(40)
	for _, codec := range []compress.Codec{&parquet.Uncompressed, &parquet.Snappy, &parquet.Gzip, &parquet.Zstd} {
		for _, groups := range []int{1, 3, 40} {
			got, err := samplefile.ReadFile("f.parquet", rewritten(t, rowsOf(samples), groups, parquet.Compression(codec)))
			require.NoError(t, err, "%v, %d row groups", codec, groups)
			require.Equal(t, samples, got)
		}
	}
	for _, codec := range []compress.Codec{&parquet.Brotli, &parquet.Lz4Raw} {
		got, err := samplefile.ReadFile("f.parquet", rewritten(t, rowsOf(samples), 1, parquet.Compression(codec)))
		require.ErrorContains(t, err, `f.parquet: column "n" is compressed with `)
		require.ErrorContains(t, err, "want one of [UNCOMPRESSED SNAPPY GZIP ZSTD]")
		require.Empty(t, got)
	}
}

func TestPagesOfAnySizeAndVersionAreRead(t *testing.T) {
	t.Parallel()
	samples := some(200)
	for _, version := range []int{1, 2} {
		for _, size := range []int{64, 1 << 20} {
			got, err := samplefile.ReadFile("f.parquet", rewritten(t, rowsOf(samples), 2, parquet.DataPageVersion(version), parquet.PageBufferSize(size)))
			require.NoError(t, err, "version %d, pages of %d bytes", version, size)
			require.Equal(t, samples, got)
		}
	}
}

// cellOf is one value of a table that another program wrote, and its column's type.
type cellOf struct {
	node  parquet.Node
	value parquet.Value
}

// cellsOf returns a sample as the columns of a table, to be changed.
func cellsOf(s servicetime.Sample) map[string]cellOf {
	text := func(v string) cellOf { return cellOf{parquet.String(), parquet.ByteArrayValue([]byte(v))} }
	number := func(v int64) cellOf { return cellOf{parquet.Int(64), parquet.Int64Value(v)} }
	k, p := s.Key, s.Provenance
	return map[string]cellOf{
		"function": text(k.Function), "image": text(k.Image), "input": text(k.Input), "platform": text(k.Platform),
		"platform_digest": text(k.PlatformDigest), "stack": text(k.Stack), "condition": text(k.Condition.String()),
		"n": number(int64(s.N)), "seed": {parquet.Uint(64), parquet.Int64Value(int64(s.Seed))},
		"status": text(s.Status.String()), "reason": text(s.Reason),
		"round_trip_ps": number(int64(s.RoundTrip)), "null_ps": number(int64(s.Null)), "busy_ps": number(int64(s.Busy)), "cost_ns": number(int64(p.Cost)),
		"backend": text(p.Backend), "simulator_digest": text(p.SimulatorDigest), "host": text(p.Host), "boot": text(p.Boot), "restore": text(p.Restore), "note": text(p.Note),
		"measured":       {parquet.Timestamp(parquet.Millisecond), parquet.Int64Value(p.Measured.UnixMilli())},
		"counter:cycles": number(s.Counters["cycles"]),
	}
}

// assembled is the table of such rows, with the types of the first one.
func assembled(t testing.TB, rows ...map[string]cellOf) []byte {
	t.Helper()
	root := parquet.Group{}
	for name, c := range rows[0] {
		root[name] = c.node
	}
	schema := parquet.NewSchema("foreign", root)
	var b bytes.Buffer
	w := parquet.NewGenericWriter[any](&b, schema)
	for _, cells := range rows {
		row := make(parquet.Row, len(schema.Columns()))
		for name, c := range cells {
			leaf, found := schema.Lookup(name)
			require.True(t, found, name)
			level := leaf.MaxDefinitionLevel
			if c.value.IsNull() {
				level = 0
			}
			row[leaf.ColumnIndex] = c.value.Level(0, level, leaf.ColumnIndex)
		}
		_, err := w.WriteRows([]parquet.Row{row})
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return b.Bytes()
}

// with returns a sample's columns with one of them replaced.
func with(s servicetime.Sample, name string, node parquet.Node, value parquet.Value) map[string]cellOf {
	cells := cellsOf(s)
	cells[name] = cellOf{node, value}
	return cells
}

func TestTimestampsOfAnyUnitAreRead(t *testing.T) {
	t.Parallel()
	s := sample(0)
	second := s.Provenance.Measured.Unix()
	for situation, c := range map[string]cellOf{
		"milliseconds":             {parquet.Timestamp(parquet.Millisecond), parquet.Int64Value(second*1e3 + 999)},
		"microseconds":             {parquet.Timestamp(parquet.Microsecond), parquet.Int64Value(second*1e6 + 999_999)},
		"nanoseconds":              {parquet.Timestamp(parquet.Nanosecond), parquet.Int64Value(second*1e9 + 999_999_999)},
		"without a zone":           {parquet.TimestampAdjusted(parquet.Microsecond, false), parquet.Int64Value(second * 1e6)},
		"nullable, in nanoseconds": {parquet.Optional(parquet.Timestamp(parquet.Nanosecond)), parquet.Int64Value(second * 1e9)},
	} {
		got, err := samplefile.ReadFile("f.parquet", assembled(t, with(s, "measured", c.node, c.value)))
		require.NoError(t, err, situation)
		require.Equal(t, []servicetime.Sample{s}, got, "%s: to the second, whatever lies behind it", situation)
	}
	for node, want := range map[parquet.Node]string{
		parquet.Int(64):  `f.parquet: column "measured" must be a timestamp`,
		parquet.Int(32):  `f.parquet: column "measured" is INT(32,true), want TIMESTAMP(isAdjustedToUTC=true,unit=MILLIS)`,
		parquet.Date():   `f.parquet: column "measured" is DATE, want TIMESTAMP(isAdjustedToUTC=true,unit=MILLIS)`,
		parquet.String(): `f.parquet: column "measured" is STRING, want TIMESTAMP(isAdjustedToUTC=true,unit=MILLIS)`,
	} {
		value := parquet.Int64Value(second)
		switch node.Type().Kind() {
		case parquet.Int32:
			value = parquet.Int32Value(1)
		case parquet.ByteArray:
			value = parquet.ByteArrayValue([]byte("2026-11-22"))
		}
		_, err := samplefile.ReadFile("f.parquet", assembled(t, with(s, "measured", node, value)))
		require.EqualError(t, err, want)
	}
}

func TestNothingIsReadAsZero(t *testing.T) {
	t.Parallel()
	nullable := func(busy, note, measured parquet.Value) map[string]cellOf {
		cells := cellsOf(sample(0))
		cells["busy_ps"] = cellOf{parquet.Optional(parquet.Int(64)), busy}
		cells["note"] = cellOf{parquet.Optional(parquet.String()), note}
		cells["measured"] = cellOf{parquet.Optional(parquet.Timestamp(parquet.Millisecond)), measured}
		cells["counter:cycles"] = cellOf{parquet.Optional(parquet.Int(64)), measured}
		return cells
	}
	sound := nullable(parquet.Int64Value(5), parquet.ByteArrayValue([]byte("here")), parquet.NullValue())
	got, err := samplefile.ReadFile("f.parquet", assembled(t, sound))
	require.NoError(t, err)
	require.Equal(t, "here", got[0].Provenance.Note)
	require.True(t, got[0].Provenance.Measured.IsZero(), "a date that is not known")
	require.Nil(t, got[0].Counters, "a counter that is null was not measured")
	_, err = samplefile.ReadFile("f.parquet", assembled(t, sound, nullable(parquet.NullValue(), parquet.NullValue(), parquet.NullValue())))
	require.EqualError(t, err, "f.parquet: row 2: busy_ps: empty\nf.parquet: row 2: note: empty")
}

func TestColumnsOfOtherTypesAreRefusedByName(t *testing.T) {
	t.Parallel()
	s := sample(0)
	half := parquet.DoubleValue(.5)
	for want, cells := range map[string]map[string]cellOf{
		`column "n" is INT(32,true), want INT(64,true)`:                                                          with(s, "n", parquet.Int(32), parquet.Int32Value(0)),
		`column "round_trip_ps" is DOUBLE, want INT(64,true)`:                                                    with(s, "round_trip_ps", parquet.Leaf(parquet.DoubleType), half),
		`column "note" is a list of STRING, want STRING`:                                                         with(s, "note", parquet.Repeated(parquet.String()), parquet.ByteArrayValue([]byte("x"))),
		`unknown column "counter:"`:                                                                              with(s, "counter:", parquet.Int(64), parquet.Int64Value(1)),
		`column "counter:share" is DOUBLE, want INT(64,true)`:                                                    with(s, "counter:share", parquet.Leaf(parquet.DoubleType), half),
		`unknown column "service_ms"`:                                                                            with(s, "service_ms", parquet.Leaf(parquet.DoubleType), half),
		`row 1: status: status "1": want valid, censored or rejected`:                                            with(s, "status", parquet.String(), parquet.ByteArrayValue([]byte("1"))),
		`row 1: sample -1 of fibonacci-go/default warm on host-test: the number must not be negative`:            with(s, "n", parquet.Int(64), parquet.Int64Value(-1)),
		`row 1: sample 0 of fibonacci-go/default warm on host-test: note "\xff" must be valid UTF-8 without NUL`: with(s, "note", parquet.String(), parquet.ByteArrayValue([]byte{0xff})),
	} {
		got, err := samplefile.ReadFile("f.parquet", assembled(t, cells))
		require.EqualError(t, err, "f.parquet: "+want)
		require.Empty(t, got)
	}
	got, err := samplefile.ReadFile("f.parquet", assembled(t, with(s, "note", parquet.Leaf(parquet.ByteArrayType), parquet.ByteArrayValue([]byte("ümläut")))))
	require.NoError(t, err, "text without its annotation")
	require.Equal(t, "ümläut", got[0].Provenance.Note)

	for _, missing := range []string{"busy_ps", "measured", "note", "seed"} {
		cells := cellsOf(s)
		delete(cells, missing)
		_, err := samplefile.ReadFile("f.parquet", assembled(t, cells))
		require.EqualError(t, err, `f.parquet: column "`+missing+`" is missing`)
	}
	none := cellsOf(s)
	delete(none, "counter:cycles")
	got, err = samplefile.ReadFile("f.parquet", assembled(t, none))
	require.NoError(t, err, "counters are not asked for")
	require.Nil(t, got[0].Counters)
}

// TestEveryBadRowOfATableIsNamed up to the bound, across row groups.
func TestEveryBadRowOfATableIsNamed(t *testing.T) {
	t.Parallel()
	rows := rowsOf(some(30))
	for i := range rows {
		if i%3 == 0 {
			rows[i].Status = "good"
		}
	}
	got, err := samplefile.ReadFile("f.parquet", rewritten(t, rows, 5))
	require.Empty(t, got)
	lines := strings.Split(err.Error(), "\n")
	require.Len(t, lines, 10)
	require.Equal(t, `f.parquet: row 1: status: status "good": want valid, censored or rejected`, lines[0])
	require.Equal(t, `f.parquet: row 28: status: status "good": want valid, censored or rejected`, lines[9])

	many := rowsOf(some(500))
	for i := range many {
		many[i].Status = "good"
	}
	_, err = samplefile.ReadFile("f.parquet", rewritten(t, many, 1))
	lines = strings.Split(err.Error(), "\n")
	require.Len(t, lines, 101)
	require.Regexp(t, `^f\.parquet: and \d+ more mistakes$`, lines[100])
}

// TestAFolderMayHoldBothKinds: the same sample in a text and in a table counts
// once, and is a mistake where they disagree.
func TestAFolderMayHoldBothKinds(t *testing.T) {
	t.Parallel()
	samples := some(5)
	samples[4].Counters = nil
	folder := fstest.MapFS{
		"a.parquet": {Data: table(t, samples[:4])}, "b/c/d.csv": {Data: []byte(write(t, samples[2:]))}, "b/c.csv/e.csv": {Data: []byte(write(t, samples[:1]))},
	}
	got, err := samplefile.ReadFolder(folder, "x")
	require.NoError(t, err)
	require.Equal(t, samples, got)
	disagreeing := some(5)
	disagreeing[3].Counters["cycles"]++
	folder["c.parquet"] = &fstest.MapFile{Data: table(t, disagreeing[3:4])}
	got, err = samplefile.ReadFolder(folder, "x")
	require.EqualError(t, err, "x/c.parquet: sample 3 of fibonacci-go/default lukewarm:1 on host-test stands in x/a.parquet with other content")
	require.Empty(t, got)
}

// TestADigestOfAFolderIsOfNamesAndContents: one byte anywhere, another name, a
// file more or less is another digest; text moved from a name into a content is,
// too.
func TestADigestOfAFolderIsOfNamesAndContents(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for situation, folder := range map[string]fstest.MapFS{
		"one":               {"a.csv": {Data: []byte("x")}},
		"another content":   {"a.csv": {Data: []byte("y")}},
		"longer":            {"a.csv": {Data: []byte("xx")}},
		"empty":             {"a.csv": {}},
		"another name":      {"b.csv": {Data: []byte("x")}},
		"another kind":      {"a.parquet": {Data: []byte("x")}},
		"below":             {"b/a.csv": {Data: []byte("x")}},
		"two":               {"a.csv": {Data: []byte("x")}, "b.csv": {Data: []byte("y")}},
		"two, swapped":      {"a.csv": {Data: []byte("y")}, "b.csv": {Data: []byte("x")}},
		"two in one":        {"a.csv": {Data: []byte("x;5:b.csv;1:y")}},
		"the other of them": {"a.csv": {Data: []byte("x1:y;")}, "b.csv": {}},
	} {
		digest, err := samplefile.FolderDigest(folder)
		require.NoError(t, err)
		require.Regexp(t, "^[0-9a-f]{64}$", digest)
		require.Empty(t, seen[digest], "%s and %s", situation, seen[digest])
		seen[digest] = situation
		folder["README.md"] = &fstest.MapFile{Data: []byte(situation)}
		same, err := samplefile.FolderDigest(folder)
		require.NoError(t, err)
		require.Equal(t, digest, same, "what is not read does not count")
	}
}
