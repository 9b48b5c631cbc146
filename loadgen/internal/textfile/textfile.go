// Package textfile opens the text files that other tools leave: plain or
// compressed with gzip, with or without a byte order mark. It says in words what
// is wrong with one, and where.
package textfile

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"reflect"
	"strings"
)

// Open opens a text file, compressed with gzip or not, whatever its name says,
// and skips a byte order mark.
func Open(path string) (io.ReadCloser, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if info, err := file.Stat(); err == nil && info.IsDir() {
		_ = file.Close() // nothing was written
		return nil, errors.New("is a directory; want a file")
	}
	text := bufio.NewReaderSize(file, 1<<16)
	if magic, _ := text.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) { // RFC 1952, section 2.3.1; an error shows again below
		unpacked, err := gzip.NewReader(text)
		if err != nil {
			_ = file.Close() // nothing was written
			return nil, err
		}
		text = bufio.NewReaderSize(unpacked, 1<<16)
	}
	if mark, _ := text.Peek(3); string(mark) == "\ufeff" { // an error shows again at the first read
		_, _ = text.Discard(3) // just seen
	}
	return struct {
		io.Reader
		io.Closer
	}{text, file}, nil
}

// OpenEither opens path, or path with ".gz" where the former does not exist, and
// returns the name of what it opened.
func OpenEither(path string) (string, io.ReadCloser, error) {
	text, err := Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		if packed, err := Open(path + ".gz"); !errors.Is(err, fs.ErrNotExist) {
			return path + ".gz", packed, err
		}
	}
	return path, text, err
}

// Problem says in words why opening or reading failed, and what to do.
func Problem(err error) string {
	var corrupt flate.CorruptInputError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "no such file, with or without .gz; check the trace's path"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "the compressed file ends too early; copy it again ('gzip -t' checks it)"
	case errors.Is(err, gzip.ErrChecksum), errors.Is(err, gzip.ErrHeader), errors.As(err, &corrupt):
		return "the compressed file is damaged; copy it again ('gzip -t' checks it)"
	default:
		return fmt.Sprintf("cannot be read: %v", err)
	}
}

// JSONProblem says in words why decoding a JSON file failed, and what to do.
func JSONProblem(err error) string {
	var misplaced *json.UnmarshalTypeError
	var corrupt flate.CorruptInputError
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "ends too early; write or copy it again"
	case errors.Is(err, gzip.ErrChecksum), errors.Is(err, gzip.ErrHeader), errors.As(err, &corrupt):
		return Problem(err)
	case errors.As(err, &misplaced):
		want := "another kind"
		switch misplaced.Type.Kind() {
		case reflect.Float64, reflect.Int64:
			want = "a number"
		case reflect.String:
			want = "a string"
		case reflect.Struct, reflect.Map:
			want = "an object"
		}
		return fmt.Sprintf("a value of kind %s stands where %s belongs", misplaced.Value, want)
	default:
		return err.Error()
	}
}

// Line returns the line of the first thing at or after offset that is neither
// space nor punctuation between JSON elements, or 0 where the file cannot be
// read again. A json.Decoder's InputOffset ends before what it could not read.
func Line(path string, offset int64) int {
	text, err := Open(path)
	if err != nil {
		return 0
	}
	defer func() { _ = text.Close() }() // only read from
	line, piece := 1, make([]byte, 1<<12)
	for {
		n, err := text.Read(piece)
		for _, b := range piece[:n] {
			if offset--; offset < 0 && !strings.ContainsRune(" \t\r\n,:", rune(b)) {
				return line
			}
			if b == '\n' {
				line++
			}
		}
		if err != nil {
			return line
		}
	}
}
