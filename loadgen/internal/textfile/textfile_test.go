package textfile_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/loadgen/internal/textfile"
)

func gz(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write([]byte(text))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.String()
}

func put(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	return path
}

func TestOpen(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"plain":                           "abc",
		"byte order mark":                 "\ufeffabc",
		"compressed, under any name":      gz(t, "abc"),
		"compressed with byte order mark": gz(t, "\ufeffabc"),
	} {
		file, err := textfile.Open(put(t, "file", text))
		require.NoError(t, err, name)
		got, err := io.ReadAll(file)
		require.NoError(t, err, name)
		require.NoError(t, file.Close(), name)
		require.Equal(t, "abc", string(got), name)
	}
	for _, text := range []string{"", "a", "\ufeff"} {
		file, err := textfile.Open(put(t, "file", text))
		require.NoError(t, err)
		got, err := io.ReadAll(file)
		require.NoError(t, err)
		require.Equal(t, strings.TrimPrefix(text, "\ufeff"), string(got), "shorter than any mark")
		require.NoError(t, file.Close())
	}
}

func TestOpenEither(t *testing.T) {
	t.Parallel()
	packed := put(t, "file.csv.gz", gz(t, "abc"))
	path, file, err := textfile.OpenEither(strings.TrimSuffix(packed, ".gz"))
	require.NoError(t, err)
	require.NoError(t, file.Close())
	require.Equal(t, packed, path)

	_, _, err = textfile.OpenEither(filepath.Join(t.TempDir(), "none.csv"))
	require.ErrorIs(t, err, os.ErrNotExist)
	require.Equal(t, "no such file, with or without .gz; check the trace's path", textfile.Problem(err))

	broken := put(t, "file.csv.gz", gz(t, "abc")[:6])
	path, _, err = textfile.OpenEither(strings.TrimSuffix(broken, ".gz"))
	require.Equal(t, broken, path)
	require.Contains(t, textfile.Problem(err), "ends too early")
}

func TestProblems(t *testing.T) {
	t.Parallel()
	_, err := textfile.Open(t.TempDir())
	require.Equal(t, "cannot be read: is a directory; want a file", textfile.Problem(err))
	require.Contains(t, textfile.Problem(gzip.ErrChecksum), "damaged")
	require.Contains(t, textfile.JSONProblem(gzip.ErrChecksum), "damaged")
	require.Contains(t, textfile.JSONProblem(io.ErrUnexpectedEOF), "ends too early")
	require.Equal(t, "x", textfile.JSONProblem(errors.New("x")))
}

func TestLine(t *testing.T) {
	t.Parallel()
	path := put(t, "file.json", "{\n \"a\": [\n  1,\n  x\n ]\n}\n")
	for offset, want := range map[int64]int{0: 1, 1: 2, 2: 2, 12: 3, 13: 4, 1000: 7} {
		require.Equal(t, want, textfile.Line(path, offset), "offset %d", offset)
	}
	require.Zero(t, textfile.Line(filepath.Join(t.TempDir(), "none"), 0))
}
