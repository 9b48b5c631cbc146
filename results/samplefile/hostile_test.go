package samplefile_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/results/samplefile"
)

// footed is a file that ends like a Parquet file, with that footer.
func footed(footer []byte) []byte {
	data := append([]byte("PAR1"), footer...)
	return append(binary.LittleEndian.AppendUint32(data, uint32(len(footer))), "PAR1"...)
}

// Pieces of Thrift's compact protocol: a field's header is its number's distance
// and its type in one byte.
const (
	asTrue   = 0x11
	asByte   = 0x13
	asI64    = 0x16
	asDouble = 0x17
	asBinary = 0x18
	asList   = 0x19
	asSet    = 0x1a
	asMap    = 0x1b
	asStruct = 0x1c
	stop     = 0x00
)

// varint is a number in the encoding of lengths.
func varint(n uint64) []byte { return binary.AppendUvarint(nil, n) }

// TestAFooterClaimsNoMoreThanItHolds: the library behind the reader allocates what
// a footer claims, which must be found out before.
func TestAFooterClaimsNoMoreThanItHolds(t *testing.T) {
	t.Parallel()
	nested := func(depth int) []byte {
		return append(bytes.Repeat([]byte{asStruct}, depth), make([]byte, depth+1)...)
	}
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	for _, c := range []struct {
		situation string
		footer    []byte
		want      string
	}{
		{"nothing", nil, "its footer is damaged"},
		{"a struct without an end", []byte{asTrue}, "its footer is damaged"},
		{"a list of a thousand million in a few bytes", join([]byte{asList, 0xf6}, varint(1e9), []byte{stop}), "its footer is damaged: a list of 1000000000 in 1 bytes"},
		{"a list longer than any number", join([]byte{asList, 0xf6}, varint(1<<64-1), []byte{stop}), "its footer is damaged: a list of 18446744073709551615 in 1 bytes"},
		{"a short list that is longer than the rest", []byte{asList, 0xe6, 1, stop}, "its footer is damaged: a list of 14 in 2 bytes"},
		{"a set longer than the rest", join([]byte{asSet, 0xf3}, varint(3), []byte{1, stop}), "its footer is damaged: a list of 3 in 2 bytes"},
		{"a list of lists, each longer than the rest", join([]byte{asList, 0x29, 0xf6}, varint(1<<40), []byte{stop}), "its footer is damaged: a list of 1099511627776 in 1 bytes"},
		{"a list that ends within its length", []byte{asList, 0xf6, 0x80}, "its footer is damaged"},
		{"a text of four thousand million bytes", join([]byte{asBinary}, varint(1<<32), []byte("abc"), []byte{stop}), "its footer is damaged"},
		{"a text longer by one byte than the rest", join([]byte{asBinary}, varint(5), []byte("abc"), []byte{stop}), "its footer is damaged"},
		{"a number that goes on for ever", append([]byte{asI64}, bytes.Repeat([]byte{0xff}, 20)...), "its footer is damaged"},
		{"a number cut short", []byte{asI64, 0x80}, "its footer is damaged"},
		{"a floating-point number cut short", []byte{asDouble, 1, 2, 3, 4, 5, 6, 7}, "its footer is damaged"},
		{"a byte that is not there", []byte{asByte}, "its footer is damaged"},
		{"a field whose number is not there", []byte{0x06}, "its footer is damaged"},
		{"a map, which metadata do not have", []byte{asMap, 0, stop}, "its footer is damaged"},
		{"a type that there is not", []byte{0x1d, 0, stop}, "its footer is damaged"},
		{"structs nested deeper than metadata are", nested(40), "its footer is damaged"},
		{"lists nested without end", append(bytes.Repeat([]byte{asList, 0x19}, 30), stop), "its footer is damaged"},
	} {
		t.Run(c.situation, func(t *testing.T) {
			t.Parallel()
			got, err := samplefile.ReadFile("f.parquet", footed(c.footer))
			require.EqualError(t, err, "f.parquet: not a sound Parquet file: "+c.want)
			require.Empty(t, got)
		})
	}
}

// TestAFooterThatIsOnlyStrange: what claims no more than it holds is left to the
// library, which finds that it describes no table.
func TestAFooterThatIsOnlyStrange(t *testing.T) {
	t.Parallel()
	for situation, footer := range map[string][]byte{
		"an empty struct":                        {stop},
		"fields that mean nothing":               {asByte, 7, asDouble, 1, 2, 3, 4, 5, 6, 7, 8, asTrue, stop},
		"a field numbered afresh":                {0x03, 0x90, 0x4e, 5, stop},
		"a list of as many as bytes are left":    {asList, 0x21, 1, 2, stop},
		"structs as deep as metadata might be":   append(bytes.Repeat([]byte{asStruct}, 20), make([]byte, 21)...),
		"an empty list and an empty text":        {asList, 0x06, asBinary, 0, stop},
		"an empty map's type inside a short set": {asSet, 0x03, stop},
	} {
		got, err := samplefile.ReadFile("f.parquet", footed(footer))
		require.ErrorContains(t, err, "f.parquet: ", situation)
		require.NotContains(t, err.Error(), "its footer is damaged", situation)
		require.Empty(t, got)
	}
}

// TestAFileThatIsTooShortForItsFooter: the length is the file's, not the footer's.
func TestAFileThatIsTooShortForItsFooter(t *testing.T) {
	t.Parallel()
	for size := range 12 {
		_, err := samplefile.ReadFile("f.parquet", make([]byte, size))
		require.EqualError(t, err, "f.parquet: not a sound Parquet file: unexpected EOF", "%d bytes", size)
	}
	sound := table(t, some(3))
	footer := binary.LittleEndian.Uint32(sound[len(sound)-8:])
	for _, length := range []uint32{uint32(len(sound) - 11), 1 << 20, 1 << 31, 1<<32 - 1} {
		damaged := bytes.Clone(sound)
		binary.LittleEndian.PutUint32(damaged[len(damaged)-8:], length)
		_, err := samplefile.ReadFile("f.parquet", damaged)
		require.EqualError(t, err, fmt.Sprintf("f.parquet: not a sound Parquet file: its footer is damaged: %d bytes in a file of %d", length, len(sound)))
	}
	for _, length := range []uint32{0, 1, footer - 1, footer + 1} {
		damaged := bytes.Clone(sound)
		binary.LittleEndian.PutUint32(damaged[len(damaged)-8:], length)
		got, err := samplefile.ReadFile("f.parquet", damaged)
		require.ErrorContains(t, err, "f.parquet: not a sound Parquet file: ", "%d instead of %d", length, footer)
		require.Empty(t, got)
	}
	for _, magic := range []string{"PARE", "par1", "\x00\x00\x00\x00"} {
		damaged := append(bytes.Clone(sound[:len(sound)-4]), magic...)
		_, err := samplefile.ReadFile("f.parquet", damaged)
		require.ErrorContains(t, err, "f.parquet: not a sound Parquet file: ", magic)
	}
}

// TestFilesOfOtherKindsAreNamedForWhatTheyLack.
func TestFilesOfOtherKindsAreNamedForWhatTheyLack(t *testing.T) {
	t.Parallel()
	text, columns := []byte(write(t, some(2))), table(t, some(2))
	_, err := samplefile.ReadFile("text.parquet", text)
	require.ErrorContains(t, err, "text.parquet: not a sound Parquet file: ")
	_, err = samplefile.ReadFile("columns.csv", columns)
	require.ErrorContains(t, err, `columns.csv:1: the first line must be "# microcosm samples 2"`)
	for _, name := range []string{"f", "f.txt", "f.CSV", "f.csv.gz", "f.parquet~", ".", ""} {
		_, err := samplefile.ReadFile(name, text)
		require.EqualError(t, err, name+": files of samples end in .csv or .parquet")
	}
}
