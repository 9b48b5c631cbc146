package textfile_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/loadgen/internal/textfile"
)

// read opens a file and reads all of it.
func read(path string) (string, error) {
	file, err := textfile.Open(path)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(file)
	_ = file.Close() // only read from
	return string(text), err
}

// TestWhateverWasPackedIsReadBack: any bytes, packed at any level, in one member or
// in several one behind the other; only a mark at the very beginning is taken off.
func TestWhateverWasPackedIsReadBack(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SliceOfN(rapid.Byte(), 0, 2000).Draw(t, "text")
		if rapid.Bool().Draw(t, "long") {
			text = bytes.Repeat(append(text, '\n'), 200) // beyond every buffer
		}
		if rapid.Bool().Draw(t, "mark") {
			text = append([]byte("\ufeff"), text...)
		}
		var packed bytes.Buffer
		cut := rapid.IntRange(0, len(text)).Draw(t, "cut")
		for _, piece := range [][]byte{text[:cut], text[cut:]} {
			w, err := gzip.NewWriterLevel(&packed, rapid.IntRange(gzip.HuffmanOnly, gzip.BestCompression).Draw(t, "level"))
			require.NoError(t, err)
			_, err = w.Write(piece)
			require.NoError(t, err)
			require.NoError(t, w.Close())
		}
		want := strings.TrimPrefix(string(text), "\ufeff")
		require.NoError(t, os.WriteFile(path, packed.Bytes(), 0o644))
		got, err := read(path)
		require.NoError(t, err)
		require.Equal(t, want, got)
		if bytes.HasPrefix(text, []byte{0x1f, 0x8b}) {
			return // this would be taken for a compressed file
		}
		require.NoError(t, os.WriteFile(path, text, 0o644))
		got, err = read(path)
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
}

// TestEveryDamageOfAPackedFileHasARemedy: cut anywhere, or one byte changed.
func TestEveryDamageOfAPackedFileHasARemedy(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path := filepath.Join(folder, "file")
	packed := gz(t, strings.Repeat("a line of text, and another one\n", 20))
	for cut := 2; cut < len(packed); cut++ {
		require.NoError(t, os.WriteFile(path, []byte(packed[:cut]), 0o644))
		_, err := read(path)
		require.Error(t, err, "%d of %d bytes", cut, len(packed))
		require.Equal(t, "the compressed file ends too early; copy it again ('gzip -t' checks it)", textfile.Problem(err), "%d of %d bytes", cut, len(packed))
		require.Equal(t, "ends too early; write or copy it again", textfile.JSONProblem(err))
	}
	for at := 10; at < len(packed); at++ { // behind the header
		damaged := []byte(packed)
		damaged[at] ^= 0x40
		require.NoError(t, os.WriteFile(path, damaged, 0o644))
		_, err := read(path)
		require.Error(t, err, "byte %d", at)
		for _, problem := range []string{textfile.Problem(err), textfile.JSONProblem(err)} {
			require.Contains(t, problem, "copy it again", "byte %d: %v", at, err)
		}
	}
	require.NoError(t, os.WriteFile(path, []byte(packed+"more"), 0o644))
	_, err := read(path)
	require.Error(t, err, "something behind the compressed text")
	require.Contains(t, textfile.Problem(err), "copy it again")
	require.NoError(t, os.WriteFile(path, []byte("\x1f\x8b\x00rest of something else"), 0o644))
	_, err = read(path)
	require.Equal(t, "the compressed file is damaged; copy it again ('gzip -t' checks it)", textfile.Problem(err))
}

// TestLineAgainstALoop: the line of the first thing at or behind an offset.
func TestLineAgainstALoop(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.RuneFrom([]rune("\n\n ,:{}ax\"\t")), 0, 300, -1).Draw(t, "text")
		offset := rapid.IntRange(0, len(text)+10).Draw(t, "offset")
		content := text
		if rapid.Bool().Draw(t, "compressed") {
			var b bytes.Buffer
			w := gzip.NewWriter(&b)
			_, err := w.Write([]byte(text))
			require.NoError(t, err)
			require.NoError(t, w.Close())
			content = b.String()
		}
		require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
		at := offset
		for at < len(text) && strings.ContainsRune(" \t\r\n,:", rune(text[at])) {
			at++
		}
		want := strings.Count(text[:min(at, len(text))], "\n") + 1
		require.Equal(t, want, textfile.Line(path, int64(offset)))
	})
}

// TestWhichOfTwoFilesIsOpened: the name as it is goes before the one with .gz, and
// what is wrong with the one that is there is told, not that the other is missing.
func TestWhichOfTwoFilesIsOpened(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path := filepath.Join(folder, "a.csv")
	require.NoError(t, os.WriteFile(path+".gz", []byte(gz(t, "packed")), 0o644))
	require.NoError(t, os.WriteFile(path, []byte("plain"), 0o644))
	opened, file, err := textfile.OpenEither(path)
	require.NoError(t, err)
	require.Equal(t, path, opened)
	text, err := io.ReadAll(file)
	require.NoError(t, err)
	require.NoError(t, file.Close())
	require.Equal(t, "plain", string(text))

	require.NoError(t, os.Remove(path))
	require.NoError(t, os.Mkdir(path, 0o755))
	_, _, err = textfile.OpenEither(path)
	require.EqualError(t, err, "is a directory; want a file")
	require.NoError(t, os.Remove(path))
	require.NoError(t, os.Remove(path+".gz"))
	require.NoError(t, os.Mkdir(path+".gz", 0o755))
	opened, _, err = textfile.OpenEither(path)
	require.EqualError(t, err, "is a directory; want a file")
	require.Equal(t, path+".gz", opened)
}

func TestAJSONValueOfAnotherKindIsNamed(t *testing.T) {
	t.Parallel()
	var into struct {
		Number float64
		Count  int64
		Text   string
		Object struct{}
		Map    map[string]int
		Flag   bool
	}
	for text, want := range map[string]string{
		`{"Number": "1"}`: "a value of kind string stands where a number belongs",
		`{"Count": []}`:   "a value of kind array stands where a number belongs",
		`{"Count": 1.5}`:  "a value of kind number 1.5 stands where a number belongs",
		`{"Text": 1}`:     "a value of kind number stands where a string belongs",
		`{"Object": 1}`:   "a value of kind number stands where an object belongs",
		`{"Map": "x"}`:    "a value of kind string stands where an object belongs",
		`{"Flag": {}}`:    "a value of kind object stands where another kind belongs",
		`{"Flag": `:       "ends too early; write or copy it again",
		`{"Flag": x}`:     "invalid character 'x' looking for beginning of value",
		``:                "ends too early; write or copy it again",
	} {
		require.Equal(t, want, textfile.JSONProblem(json.NewDecoder(strings.NewReader(text)).Decode(&into)), text)
	}
}
